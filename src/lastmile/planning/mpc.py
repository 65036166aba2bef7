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
class MpcDuals:
    """Multipliers of the bounds (N, 8) and of the soft rows (N + 1, R), for a warm start."""

    bounds: np.ndarray
    rows: np.ndarray

    def shifted(self, steps: int) -> MpcDuals:
        """Move on in time by whole stages; the last ones are held."""
        return MpcDuals(shift_inputs(self.bounds, steps), shift_inputs(self.rows, steps))


@dataclass(frozen=True, slots=True)
class MpcSolution:
    """
    States (N + 1, 5) rolled out with the inputs (N, 2), so that they obey the model exactly.

    `solved` tells that the last quadratic problem met its tolerance; the rollout is good to check
    either way. Residuals are those of HPIPM: largest absolute entry.
    """

    states: np.ndarray
    inputs: np.ndarray
    duals: MpcDuals
    cost: float
    solved: bool
    iterations: int
    sqp_steps: int
    stationarity: float
    equality: float
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
        w = workspace(config, discs, robot_discs_m, wheelbase_m)
        self._w = w
        self._problem: MpcProblem | None = None

    def solve(
        self,
        problem: MpcProblem,
        inputs: np.ndarray,
        sqp_steps: int | None = None,
        duals: MpcDuals | None = None,
    ) -> MpcSolution:
        """
        Improve a guess of the inputs (N, 2).

        `duals` of a solution near the guess make it quicker.

        Raises
        ------
        ValueError
            If a shape is wrong or a number is not finite.

        """
        self._load(problem, inputs)
        if duals is not None:
            self._w.set_duals(duals.bounds, duals.rows)
        steps = self.config.sqp_steps if sqp_steps is None else sqp_steps
        config = self.config
        solved = self._w.solve(steps, config.iterations_max, config.tolerance, duals is not None)
        return self._solution(bool(solved))

    def roll_out(self, problem: MpcProblem, inputs: np.ndarray) -> MpcSolution:
        """Follow the inputs without improving them."""
        self._load(problem, inputs)
        self._w.roll_out()
        return self._solution(False)

    def _load(self, problem: MpcProblem, inputs: np.ndarray) -> None:
        if problem is not self._problem:
            # Several starts are tried on each problem.
            self._problem = None
            self._load_problem(problem)
            self._problem = problem
        self._w.set_inputs(as_doubles(inputs))

    def _load_problem(self, problem: MpcProblem) -> None:
        w = self._w
        w.set_bounds(as_doubles(problem.low), as_doubles(problem.high))
        w.set_state(as_doubles(problem.state))
        w.set_reference(as_doubles(problem.reference))
        w.set_discs(as_doubles(problem.discs))
        field = problem.field
        if field is None:
            w.set_field(None, 0.0, 0.0, 0.0)
        else:
            x, y = (float(v) for v in field.origin)
            distance_m = np.ascontiguousarray(field.distance_m, np.float32)
            w.set_field(distance_m, x, y, field.resolution_m)

    def _solution(self, solved: bool) -> MpcSolution:
        w = self._w
        stationarity, equality, infeasibility, complementarity = w.residuals
        return MpcSolution(
            states=w.X,
            inputs=w.U,
            duals=MpcDuals(*w.get_duals()),
            cost=w.cost,
            solved=solved,
            iterations=w.iterations,
            sqp_steps=w.sqp_steps,
            stationarity=stationarity,
            equality=equality,
            infeasibility=infeasibility,
            complementarity=complementarity,
        )


class RealTimeMpc:
    """
    One real-time iteration per control step; `step` is called once for each.

    Keeps inputs and duals from step to step. Discs keep their places in the array.
    """

    def __init__(
        self,
        config: MpcConfig,
        discs: int,
        robot_discs_m: tuple[float, ...],
        low: np.ndarray,
        high: np.ndarray,
        wheelbase_m: float = 0.0,
    ):
        self._w = workspace(config, discs, robot_discs_m, wheelbase_m)
        self._w.set_bounds(as_doubles(low), as_doubles(high))
        self._iterations_max, self._tolerance = config.iterations_max, config.tolerance
        self.reset(np.zeros((config.stages, 2)))

    def reset(self, inputs: np.ndarray) -> None:
        """Start afresh from a guess of the inputs."""
        self._w.set_inputs(as_doubles(inputs))
        self._started = False
        self.solved = False

    def step(self, state: np.ndarray, reference: np.ndarray, discs: np.ndarray) -> np.ndarray:
        """
        Plan one stage later than the last time, and give the first input (2,).

        Arrays are C-contiguous doubles, as in `MpcProblem`. `solved` tells that the quadratic
        problem met its tolerance; if not, the inputs are the better of what was found and of going
        on as planned before.

        Raises
        ------
        ValueError
            If a shape is wrong or a number is not finite.

        """
        w, first = self._w, np.empty(2)
        w.set_state(state)
        w.set_reference(reference)
        w.set_discs(discs)
        steps = 1 if self._started else 0
        self.solved = w.iterate(steps, self._iterations_max, self._tolerance, self._started, first)
        self._started = True
        return first

    @property
    def iterations(self) -> int:
        """Interior point iterations of the last step."""
        return self._w.iterations

    @property
    def residuals(self) -> tuple[float, float, float, float]:
        """Stationarity, equality, inequality and complementarity of the last step."""
        return self._w.residuals


def workspace(
    config: MpcConfig, discs: int, robot_discs_m: tuple[float, ...], wheelbase_m: float
) -> _mpc.Workspace:
    """Prepare the kernel for problems of one size."""
    w = _mpc.Workspace(config.stages, discs, len(robot_discs_m))
    w.set_model(config.step_s, wheelbase_m, robot_discs_m)
    w.set_costs(
        config.weights_state,
        config.weight_end,
        config.weights_input,
        config.slack_quadratic,
        config.slack_field,
        config.field_distance_m,
    )
    return w


def as_doubles(array: np.ndarray) -> np.ndarray:
    """Give a contiguous array of doubles."""
    return np.ascontiguousarray(array, float)


def shift_inputs(inputs: np.ndarray, steps: int) -> np.ndarray:
    """Move a guess on in time by whole stages; the last input is held."""
    if steps <= 0:
        return inputs.copy()
    k = min(steps, len(inputs))
    return np.concatenate([inputs[k:], np.repeat(inputs[-1:], k, axis=0)])
