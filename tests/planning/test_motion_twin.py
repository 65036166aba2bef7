"""Motion models of the controller's twin: derivatives and closed forms."""

import numpy as np
import pytest
from tests.planning.motion_twin import Ackermann, DifferentialDrive, step_rk4

MODELS = [DifferentialDrive(), Ackermann(0.45)]


@pytest.mark.parametrize("model", MODELS)
def test_sensitivities_match_finite_differences(model):
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, u = rng.uniform(-1, 1, 5), rng.uniform(-1, 1, 2)
        _, A, B = step_rk4(model, x, u, 0.1)
        eps = 1e-6
        for i in range(5):
            d = np.eye(5)[i] * eps
            slope = (step_rk4(model, x + d, u, 0.1)[0] - step_rk4(model, x - d, u, 0.1)[0]) / 2e-6
            assert A[:, i] == pytest.approx(slope, abs=1e-8)
        for i in range(2):
            d = np.eye(2)[i] * eps
            slope = (step_rk4(model, x, u + d, 0.1)[0] - step_rk4(model, x, u - d, 0.1)[0]) / 2e-6
            assert B[:, i] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_constant_turn_follows_a_circle(model):
    state = np.array([0.0, 0.0, 0.0, 1.0, 0.3])
    rate = model.twist(state)[1]
    for _ in range(50):
        state, _, _ = step_rk4(model, state, np.zeros(2), 0.1)
    angle = 5.0 * rate
    expected = [np.sin(angle) / rate, (1.0 - np.cos(angle)) / rate, angle]
    assert state[:3] == pytest.approx(expected, abs=1e-5)


def test_ackermann_does_not_turn_while_it_stands():
    state, _, _ = step_rk4(Ackermann(0.5), np.array([0, 0, 0.2, 0, 0.4]), np.zeros(2), 0.1)
    assert state[:3] == pytest.approx([0.0, 0.0, 0.2])
