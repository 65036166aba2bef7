"""The controller: its kernel against the NumPy twin, and what it promises on small problems."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from tests.planning import mpc_twin
from tests.planning.motion_twin import Ackermann, DifferentialDrive, step_rk4

from lastmile.geometry.grid import ClearanceField
from lastmile.planning.config import MpcConfig
from lastmile.planning.mpc import Mpc, MpcProblem, shift_inputs

CONFIG = replace(MpcConfig(), stages=12, tolerance=1e-7, iterations_max=60)
LOW, HIGH = np.array([-1.5, -2.5, 0.0, -1.5]), np.array([1.0, 2.5, 1.8, 1.5])
ROBOT_DISCS = (-0.175, 0.175)


def straight_reference(stages, speed=1.0, step_s=0.1):
    reference = np.zeros((stages + 1, 5))
    reference[:, 0] = speed * step_s * np.arange(stages + 1)
    reference[:, 3] = speed
    return reference


def wall_field(rng):
    """Signed distance to a line ahead on the left; smooth, so that gradients are exact."""
    y, x = np.meshgrid(np.arange(60) * 0.1 - 2.95, np.arange(80) * 0.1 - 1.95, indexing="ij")
    angle = rng.uniform(-0.3, 0.3)
    distance = 0.7 - (y * np.cos(angle) - x * np.sin(angle))
    return ClearanceField(distance.astype(np.float32), np.array([-2.0, -3.0]), 0.1)


def random_problem(rng, stages=12):
    discs = np.zeros((stages + 1, 3, 4))
    discs[:, :, 0] = rng.uniform(0.5, 3.0, 3)
    discs[:, :, 1] = rng.uniform(-1.0, 1.0, 3)
    discs[:, :, 2] = rng.uniform(0.4, 0.9, 3)
    discs[:, :, 3] = rng.choice([0.0, 50.0, 200.0], 3)
    state = np.array([*rng.uniform(-0.2, 0.2, 3), rng.uniform(0, 1.5), rng.uniform(-0.5, 0.5)])
    return MpcProblem(state, straight_reference(stages), discs, wall_field(rng), LOW, HIGH)


MODELS = pytest.mark.parametrize(
    ("model", "wheelbase"), [(DifferentialDrive(), 0.0), (Ackermann(0.45), 0.45)]
)


def loaded(rng, wheelbase):
    """Give a problem, its controller before a first solve, and the guess that it starts from."""
    problem = random_problem(rng)
    if wheelbase:
        problem = replace(
            problem, low=np.array([-1.5, -1.0, 0, -0.5]), high=np.array([1.0, 1.0, 1.8, 0.5])
        )
    mpc = Mpc(CONFIG, 3, ROBOT_DISCS, wheelbase)
    inputs = rng.uniform(-0.3, 0.3, (12, 2))
    mpc._load(problem, inputs)
    return problem, mpc


@MODELS
def test_derivatives_are_those_of_finite_differences(model, wheelbase):
    rng, h = np.random.default_rng(8), 1e-6
    for _ in range(20):
        _, mpc = loaded(rng, wheelbase)
        mpc._w.qp_step(5, 1e-7)
        A, B = mpc._w.get_derivatives()
        for k, (x, u) in enumerate(zip(mpc._w.X, mpc._w.U, strict=False)):
            z = np.append(x, u)
            for i, d in enumerate(h * np.eye(7)):
                ahead, behind = (
                    step_rk4(model, v[:5], v[5:], CONFIG.step_s)[0] for v in (z + d, z - d)
                )
                found = A[k][:, i] if i < 5 else B[k][:, i - 5]
                assert found == pytest.approx((ahead - behind) / (2 * h), abs=1e-8)


@MODELS
@pytest.mark.parametrize("seed", range(12))
def test_reported_optimum_satisfies_the_conditions_of_the_twin(seed, model, wheelbase):
    problem, mpc = loaded(np.random.default_rng(seed), wheelbase)
    w = mpc._w
    assert w.qp_step(80, 1e-7)
    found = mpc_twin.optimality(
        model, CONFIG, problem, w.X, w.U, ROBOT_DISCS, (w.dx, w.du, *w.get_duals())
    )
    # What is left of slacks and distances where duals are large counts as complementarity here.
    assert max(found[:3]) < 1e-6
    assert found[3] < 1e-5
    assert max(w.residuals) < 1e-7


@pytest.mark.parametrize("seed", range(12))
@MODELS
def test_kernel_solves_the_same_quadratic_problem_as_the_twin(seed, model, wheelbase):
    problem, mpc = loaded(np.random.default_rng(seed), wheelbase)
    assert mpc._w.qp_step(80, 1e-7)
    dx, du = mpc_twin.solve_qp(
        model, CONFIG, problem, np.array(mpc._w.X), np.array(mpc._w.U), ROBOT_DISCS
    )
    assert np.array(mpc._w.du) == pytest.approx(du, abs=2e-4)
    assert np.array(mpc._w.dx) == pytest.approx(dx, abs=2e-4)


def test_solution_obeys_the_bounds_and_the_model():
    rng = np.random.default_rng(3)
    for _ in range(30):
        solution = Mpc(CONFIG, 3, ROBOT_DISCS).solve(random_problem(rng), np.zeros((12, 2)))
        assert (solution.inputs >= LOW[:2] - 1e-9).all()
        assert (solution.inputs <= HIGH[:2] + 1e-9).all()
        assert (solution.states[:, 3:] >= LOW[2:] - 0.02).all()
        assert (solution.states[:, 3:] <= HIGH[2:] + 0.02).all()


def test_controller_drives_around_a_disc_in_its_way():
    config = MpcConfig()
    discs = np.zeros((config.stages + 1, 1, 4))
    discs[:, 0] = [2.0, 0.05, 0.8, 100.0]
    problem = MpcProblem(
        np.array([0, 0, 0, 1.0, 0]), straight_reference(config.stages), discs, None, LOW, HIGH
    )
    solution = Mpc(config, 1, ROBOT_DISCS).solve(
        problem, np.zeros((config.stages, 2)), sqp_steps=20
    )
    heading = solution.states[:, 2]
    for offset in ROBOT_DISCS:
        points = solution.states[:, :2] + offset * np.stack([np.cos(heading), np.sin(heading)], -1)
        assert np.hypot(*(points - [2.0, 0.05]).T).min() > 0.78
    assert solution.states[-1, 0] > 3.5
    assert solution.states[:, 1].min() < -0.5


def test_more_sqp_steps_never_cost_more():
    rng = np.random.default_rng(5)
    for _ in range(20):
        problem, mpc = random_problem(rng), Mpc(CONFIG, 3, ROBOT_DISCS)
        costs = [mpc.solve(problem, np.zeros((12, 2)), sqp_steps=k).cost for k in (1, 2, 5, 10)]
        assert all(b <= a + 1e-9 for a, b in itertools.pairwise(costs))


def test_converged_solve_reports_small_residuals():
    rng = np.random.default_rng(6)
    for _ in range(20):
        solution = Mpc(CONFIG, 3, ROBOT_DISCS).solve(random_problem(rng), np.zeros((12, 2)))
        assert solution.solved
        worst = max(solution.stationarity, solution.infeasibility, solution.complementarity)
        assert worst < CONFIG.tolerance


def test_duals_of_a_solution_make_the_next_one_quicker():
    rng = np.random.default_rng(7)
    cold, warm = 0, 0
    for _ in range(20):
        problem, mpc = random_problem(rng), Mpc(CONFIG, 3, ROBOT_DISCS)
        first = mpc.solve(problem, np.zeros((12, 2)), sqp_steps=20)
        a = mpc.solve(problem, first.inputs, sqp_steps=1)
        b = mpc.solve(problem, first.inputs, sqp_steps=1, duals=first.duals)
        assert a.solved
        assert b.solved
        assert b.cost == pytest.approx(a.cost, rel=1e-4)
        cold, warm = cold + a.iterations, warm + b.iterations
    assert warm < 0.5 * cold


def test_speed_beyond_its_bound_is_taken_as_the_bound():
    problem = random_problem(np.random.default_rng(1))
    problem = replace(problem, state=np.array([0, 0, 0, 1.9, 0.0]))
    solution = Mpc(CONFIG, 3, ROBOT_DISCS).solve(problem, np.zeros((12, 2)))
    assert solution.states[0, 3] == HIGH[2]
    assert solution.solved


@pytest.mark.parametrize("seed", range(6))
def test_start_that_leads_beyond_the_bounds_of_speed_does_not_stay_there(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng)
    state = np.array([0.0, 0.0, 0.0, 0.5, 0.0])
    problem = replace(problem, state=state, high=np.array([1.0, 2.5, 0.6, 0.4]))
    for steps in (0, 1, 3):
        solution = Mpc(CONFIG, 3, ROBOT_DISCS).solve(problem, np.ones((12, 2)), sqp_steps=steps)
        assert solution.states[:, 3].max() <= 0.6 + 1e-9
        assert solution.states[:, 4].max() <= 0.4 + 1e-9


@pytest.mark.parametrize("part", ["state", "reference", "discs", "low"])
def test_values_that_are_not_finite_are_refused(part):
    problem = random_problem(np.random.default_rng(1))
    bad = getattr(problem, part).copy()
    bad.flat[0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        Mpc(CONFIG, 3, ROBOT_DISCS).solve(replace(problem, **{part: bad}), np.zeros((12, 2)))


def test_wrong_shapes_are_refused():
    problem = random_problem(np.random.default_rng(1))
    with pytest.raises(ValueError, match="shape"):
        Mpc(CONFIG, 3, ROBOT_DISCS).solve(problem, np.zeros((11, 2)))


def test_shifted_inputs_hold_the_last():
    inputs = np.arange(6.0).reshape(3, 2)
    assert shift_inputs(inputs, 2).tolist() == [[4, 5], [4, 5], [4, 5]]


def test_field_is_sampled_at_cell_middles():
    field = ClearanceField(np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros(2), 0.5)
    assert field.sample(np.array([0.25, 0.25])) == 0.0
    assert field.sample(np.array([0.5, 0.5])) == pytest.approx(2.5)
    assert field.sample(np.array([5.0, 0.5])) == -1.0
