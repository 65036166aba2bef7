"""
Several starts for the controller, so that it does not sit in the nearest local minimum.

Left of, right of or behind a moving obstacle are different ways that no descent connects. Each is
tried as a start; the cheapest result is kept, with some favour for what was chosen before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.planning.mpc import Mpc, MpcProblem, MpcSolution, shift_inputs

SHIFT_M = 0.9
RAMP_M = 2.0
FAVOUR = 0.9


@dataclass(frozen=True, slots=True)
class Choice:
    """The way that was chosen and what it is called."""

    label: str
    solution: MpcSolution


class Candidates:
    """Solves the starts of each step and keeps the choice; `choose` is called once per step."""

    def __init__(self, mpc: Mpc):
        self._mpc = mpc
        self._solution: MpcSolution | None = None
        self._stamp_s = -np.inf

    def forget(self) -> None:
        """Start afresh, after motion that was not planned here."""
        self._solution = None

    def choose(self, problem: MpcProblem, contested: bool, stamp_s: float) -> Choice | None:
        """
        Solve and pick; `contested` tells that moving obstacles are about.

        Gives None when no start gave finite numbers.
        """
        step_s = self._mpc.config.step_s
        starts, duals = {}, {}
        if self._solution is not None:
            passed = round((stamp_s - self._stamp_s) / step_s)
            starts["keep"] = shift_inputs(self._solution.inputs, passed)
            duals["keep"] = self._solution.duals.shifted(passed)
        starts["ahead"] = follow_reference(problem, problem.reference, step_s)
        if contested:
            for label, shift_m in (("left", SHIFT_M), ("right", -SHIFT_M)):
                shifted = shift_reference(problem.reference, shift_m, step_s)
                starts[label] = follow_reference(problem, shifted, step_s)
            starts["wait"] = brake_inputs(problem, step_s)
        best, least = None, np.inf
        for label, inputs in starts.items():
            solution = self._mpc.solve(problem, inputs, duals=duals.get(label))
            if not (np.isfinite(solution.cost) and np.isfinite(solution.states).all()):
                continue
            cost = solution.cost * (FAVOUR if label == "keep" else 1.0)
            if cost < least:
                best, least = Choice(label, solution), cost
        self._solution = None if best is None else best.solution
        self._stamp_s = stamp_s
        return best


def follow_reference(problem: MpcProblem, reference: np.ndarray, step_s: float) -> np.ndarray:
    """Take the robot's speeds over to those of a reference: inputs (N, 2)."""
    speeds = reference[:, 3:5].copy()
    speeds[0] = problem.state[3:5]
    return np.clip(np.diff(speeds, axis=0) / step_s, problem.low[:2], problem.high[:2])


def shift_reference(reference: np.ndarray, shift_m: float, step_s: float) -> np.ndarray:
    """Move a reference sideways, to the left for positive shifts, over a smooth ramp."""
    steps = np.hypot(*np.diff(reference[:, :2], axis=0).T)
    arcs = np.concatenate([[0.0], np.cumsum(steps)])
    part = np.clip(arcs / RAMP_M, 0.0, 1.0)
    offset = shift_m * part**2 * (3.0 - 2.0 * part)
    slope = shift_m * 6.0 * part * (1.0 - part) / RAMP_M
    shifted = reference.copy()
    shifted[:, 0] -= offset * np.sin(reference[:, 2])
    shifted[:, 1] += offset * np.cos(reference[:, 2])
    shifted[:, 2] += np.arctan(slope)
    shifted[:, 4] += np.gradient(np.arctan(slope)) / step_s
    return shifted


def brake_inputs(problem: MpcProblem, step_s: float) -> np.ndarray:
    """Stop the robot: inputs (N, 2)."""
    n = len(problem.reference) - 1
    state, inputs = problem.state[3:5].copy(), np.zeros((n, 2))
    for k in range(n):
        inputs[k] = np.clip(-state / step_s, problem.low[:2], problem.high[:2])
        state = state + inputs[k] * step_s
        if np.abs(state).max() < 1e-9:
            break
    return inputs
