"""Real-time iterations: one quadratic problem per control step, warm from the one before."""

from dataclasses import replace

import numpy as np
import pytest
from tests.planning.motion_twin import DifferentialDrive, step_rk4

from lastmile.planning.config import MpcConfig
from lastmile.planning.mpc import Mpc, MpcProblem, RealTimeMpc

CONFIG = replace(MpcConfig(), iterations_max=60)
LOW, HIGH = np.array([-1.0, -2.0, 0.0, -1.5]), np.array([1.0, 2.0, 1.8, 1.5])
ROBOT_DISCS = (-0.175, 0.175)


class Drive:
    """A straight way past a standing and a crossing disc, driven by the controller itself."""

    def __init__(self, config=CONFIG):
        self.config = config
        self.mpc = RealTimeMpc(config, 2, ROBOT_DISCS, LOW, HIGH)
        self.state = np.array([0.0, 0.3, 0.1, 0.8, 0.0])
        self.k = 0

    def problem(self):
        times = self.config.step_s * (self.k + np.arange(self.config.stages + 1))
        reference = np.zeros((len(times), 5))
        reference[:, 0], reference[:, 3] = 1.2 * times, 1.2
        discs = np.zeros((len(times), 2, 4))
        discs[:, 0] = [4.0, 0.1, 0.7, 100.0]
        discs[:, 1] = [8.0, 0.0, 0.6, 100.0]
        discs[:, 1, 1] = -4.0 + 0.6 * times
        return reference, discs

    def step(self):
        reference, discs = self.problem()
        u = self.mpc.step(self.state, reference, discs)
        self.state = step_rk4(DifferentialDrive(), self.state, u, self.config.step_s)[0]
        self.k += 1
        return u


def test_every_step_is_solved_within_few_iterations():
    drive, iterations = Drive(), []
    for _ in range(100):
        drive.step()
        assert drive.mpc.solved
        assert max(drive.mpc.residuals) < CONFIG.tolerance
        iterations.append(drive.mpc.iterations)
    assert np.median(iterations[1:]) <= 2
    assert drive.state[0] > 9.0


def test_discs_are_not_met():
    drive = Drive()
    for _ in range(100):
        drive.step()
        arm = np.array([np.cos(drive.state[2]), np.sin(drive.state[2])])
        crossing = np.array([8.0, -4.0 + 0.06 * drive.k])
        for offset in ROBOT_DISCS:
            point = drive.state[:2] + offset * arm
            assert np.hypot(*(point - [4.0, 0.1])) > 0.68
            assert np.hypot(*(point - crossing)) > 0.58


def test_warm_step_is_that_of_a_cold_solve():
    config = replace(CONFIG, tolerance=1e-6)
    drive, cold = Drive(config), Mpc(config, 2, ROBOT_DISCS)
    for _ in range(40):
        before = np.concatenate([drive.mpc._w.U[1:], drive.mpc._w.U[-1:]])
        guess = before if drive.k else np.zeros_like(before)
        reference, discs = drive.problem()
        cold._load(MpcProblem(drive.state.copy(), reference, discs, None, LOW, HIGH), guess)
        u = drive.step()
        w = cold._w
        w.roll_out()
        guess = w.U
        assert w.qp_step(100, config.tolerance)
        assert u == pytest.approx(guess[0] + w.du[0], abs=1e-3)


def test_unsolved_step_is_feasible_and_no_worse_than_going_on():
    config = replace(CONFIG, iterations_max=1)
    drive, roll, unsolved = Drive(config), Mpc(config, 2, ROBOT_DISCS), 0
    for _ in range(60):
        w = drive.mpc._w
        before = np.concatenate([w.U[1:], w.U[-1:]]) if drive.k else np.zeros((40, 2))
        reference, discs = drive.problem()
        problem = MpcProblem(drive.state.copy(), reference, discs, None, LOW, HIGH)
        drive.step()
        inputs = w.U
        states = roll.roll_out(problem, inputs).states
        assert (inputs >= LOW[:2]).all()
        assert (inputs <= HIGH[:2]).all()
        assert (states[:, 3:] >= LOW[2:] - 1e-9).all()
        assert (states[:, 3:] <= HIGH[2:] + 1e-9).all()
        if not drive.mpc.solved:
            unsolved += 1
            going_on, found = roll.roll_out(problem, before), roll.roll_out(problem, inputs)
            assert found.cost <= going_on.cost + 1e-9
    assert unsolved > 0


@pytest.mark.parametrize("part", range(3))
def test_values_that_are_not_finite_are_refused(part):
    drive = Drive()
    values = [drive.state, *drive.problem()]
    values[part].flat[3] = np.inf
    with pytest.raises(ValueError, match="finite"):
        drive.mpc.step(*values)


@pytest.mark.parametrize("part", range(3))
def test_wrong_shapes_are_refused(part):
    drive = Drive()
    values = [drive.state, *drive.problem()]
    values[part] = values[part][:-1].copy()
    with pytest.raises(ValueError, match="shape"):
        drive.mpc.step(*values)
