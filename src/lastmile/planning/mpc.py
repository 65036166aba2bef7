"""
The model predictive controller: tracking a reference among discs and blocked cells.

States are x, y, yaw, v and yaw rate (differential drive) or steering angle (Ackermann); inputs are
acceleration and the rate of the last state. Equations are in `_mpc.pyx`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.grid import ClearanceField
from lastmile.planning import _mpc
from lastmile.planning.config import MpcConfig

NO_FIELD = np.zeros((2, 2), np.float32)


@dataclass(frozen=True, slots=True)
class MpcProblem:
    """
    One problem over N stages.

    `reference` (N + 1, 5) of states; `discs` (N + 1, M, 4): x, y, radius [m] that includes the
    robot's disc and the margin, weight of the slack (0 leaves a disc out). The arrays are not
    written to after the first solve, which copies them.
    """

    state: np.ndarray
    reference: np.ndarray
    discs: np.ndarray
    field: ClearanceField | None
    low: np.ndarray
    """(4,) least acceleration, rate, v and last state."""
    high: np.ndarray


@dataclass(frozen=True, slots=True)
class MpcSolution:
    """
    States (N + 1, 5) rolled out with the inputs (N, 2), so that they obey the model exactly.

    `solved` tells that the last quadratic problem met its tolerance; the rollout is good to check
    either way. Residuals are those of HPIPM: largest absolute entry.
    """

    states: np.ndarray
    inputs: np.ndarray
    cost: float
    solved: bool
    iterations: int
    sqp_steps: int
    stationarity: float
    infeasibility: float
    complementarity: float


class Mpc:
    """Solves problems of one size; `robot_discs_m` are positions of its discs on the x axis."""

    def __init__(
        self,
        config: MpcConfig,
        discs: int,
        robot_discs_m: tuple[float, ...],
        wheelbase_m: float = 0.0,
    ):
        self.config = config
        w = _mpc.Workspace(config.stages, discs, len(robot_discs_m))
        w.step_s, w.wheelbase = config.step_s, wheelbase_m
        _fill(w.q, config.weights_state)
        _fill(w.qn, [config.weight_end * q for q in config.weights_state])
        _fill(w.r, config.weights_input)
        _fill(w.offsets, robot_discs_m)
        w.slack_quadratic = config.slack_quadratic
        w.field_weight = config.slack_field
        w.field_distance = config.field_distance_m
        self._w = w
        self._discs = discs
        self._problem: MpcProblem | None = None

    def solve(
        self,
        problem: MpcProblem,
        inputs: np.ndarray,
        sqp_steps: int | None = None,
        warm: bool = False,
    ) -> MpcSolution:
        """
        Improve a guess of the inputs (N, 2).

        `warm` starts the duals of the bounds where the last solve ended.

        Raises
        ------
        ValueError
            If a shape is wrong or a number is not finite.

        """
        self._load(problem, inputs)
        steps = self.config.sqp_steps if sqp_steps is None else sqp_steps
        config = self.config
        solved = _mpc.solve(self._w, steps, config.iterations_max, config.tolerance, warm)
        return self._solution(bool(solved))

    def roll_out(self, problem: MpcProblem, inputs: np.ndarray) -> MpcSolution:
        """Follow the inputs without improving them."""
        self._load(problem, inputs)
        _mpc.rollout(self._w)
        return self._solution(False)

    def _load(self, problem: MpcProblem, inputs: np.ndarray) -> None:
        if problem is not self._problem:
            # Several starts are tried on each problem.
            self._problem = None
            self._load_problem(problem)
            self._problem = problem
        inputs = _checked("inputs", inputs, (self.config.stages, 2))
        inputs = np.clip(inputs, problem.low[:2], problem.high[:2])
        speeds = np.asarray(self._w.X)[0, 3:]
        np.asarray(self._w.U)[:] = _within_speeds(inputs, speeds, problem, self.config.step_s)

    def _load_problem(self, problem: MpcProblem) -> None:
        n = self.config.stages
        w = self._w
        state = _checked("state", problem.state, (5,))
        low = _checked("low bounds", problem.low, (4,))
        high = _checked("high bounds", problem.high, (4,))
        if not (low < high).all():
            raise ValueError(f"bounds {low.tolist()} must lie below {high.tolist()}")
        # A speed measured a little beyond its bound must not make the first stage infeasible.
        state = state.copy()
        state[3:] = np.clip(state[3:], low[2:], high[2:])
        np.asarray(w.X)[0] = state
        np.asarray(w.xr)[:] = _checked("reference", problem.reference, (n + 1, 5))
        if self._discs:
            discs = _checked("discs", problem.discs, (n + 1, self._discs, 4))
            np.asarray(w.obstacles)[:] = discs
        np.asarray(w.low)[:], np.asarray(w.high)[:] = low, high
        if problem.field is None:
            w.field, w.field_res = NO_FIELD, 0.0
        else:
            w.field = np.ascontiguousarray(problem.field.distance_m, np.float32)
            w.field_res = problem.field.resolution_m
            w.field_x, w.field_y = (float(v) for v in problem.field.origin)

    def _solution(self, solved: bool) -> MpcSolution:
        w = self._w
        return MpcSolution(
            states=np.array(w.X),
            inputs=np.array(w.U),
            cost=w.cost,
            solved=solved,
            iterations=w.iterations,
            sqp_steps=w.sqp_steps,
            stationarity=w.stationarity,
            infeasibility=w.infeasibility,
            complementarity=w.complementarity,
        )


def shift_inputs(inputs: np.ndarray, steps: int) -> np.ndarray:
    """Move a guess on in time by whole stages; the last input is held."""
    if steps <= 0:
        return inputs.copy()
    k = min(steps, len(inputs))
    return np.concatenate([inputs[k:], np.repeat(inputs[-1:], k, axis=0)])


def _fill(view, values) -> None:
    np.asarray(view)[:] = values


def _checked(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array, dtype=float)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, it must be {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array


def _within_speeds(
    inputs: np.ndarray, speeds: np.ndarray, problem: MpcProblem, step_s: float
) -> np.ndarray:
    """
    Cut inputs (N, 2) down so that the speeds that they lead to stay in their bounds.

    Speeds are linear in the inputs, so that no step of the solver from there leaves the bounds
    either; from a start beyond them the line search would, as its merit does not know of them.
    """
    within = np.empty_like(inputs)
    for i in range(2):
        low, high = float(problem.low[2 + i]), float(problem.high[2 + i])
        speed = float(speeds[i])
        for k, value in enumerate(inputs[:, i].tolist()):
            after = min(max(speed + step_s * value, low), high)
            within[k, i] = (after - speed) / step_s
            speed = after
    return within
