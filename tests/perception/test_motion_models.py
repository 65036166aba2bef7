import dataclasses

import numpy as np
import pytest
from tests.perception import motion_twin

from lastmile.perception import motion_models
from lastmile.perception.config import TrackerConfig

CONFIG = TrackerConfig()


@pytest.fixture
def state():
    rng = np.random.default_rng(5)
    state = motion_models.start(
        rng.uniform(-20.0, 20.0, (30, 2)), rng.uniform(0.05, 0.4, 30), rng.uniform(1.0, 8.0, 30)
    )
    state.moving += rng.normal(0.0, 1.0, state.moving.shape)
    factor = rng.normal(0.0, 0.3, (30, 4, 4))
    state.moving_P += factor @ factor.transpose(0, 2, 1)
    state.standing += rng.normal(0.0, 0.3, state.standing.shape)
    state.p_moving[:] = rng.uniform(0.001, 0.999, 30)
    return state


def assert_same(state, twin):
    for field in dataclasses.fields(state):
        np.testing.assert_allclose(
            getattr(state, field.name), getattr(twin, field.name), rtol=1e-9, atol=1e-9
        )


def test_prediction_equals_its_numpy_twin(state):
    twin = motion_twin.predict(state, 0.13, CONFIG)
    assert_same(motion_models.predict(state, 0.13, CONFIG), twin)


def test_correction_equals_its_numpy_twin(state):
    rng = np.random.default_rng(6)
    # Near and far off, so that the bounds of likelihood and odds are met too.
    position = state.standing + rng.normal(0.0, 1.0, (30, 2)) * rng.choice([0.1, 3.0], (30, 1))
    sigma, evidence = rng.uniform(0.02, 0.5, 30), rng.choice([-8.0, 0.0, 1.0], 30)
    twin = motion_twin.correct(state, position, sigma, evidence)
    motion_models.correct(state, position, sigma, evidence)
    assert_same(state, twin)
    assert (state.moving_P == state.moving_P.transpose(0, 2, 1)).all()


def test_without_things_nothing_is_to_do():
    none = motion_models.start(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    after = motion_models.predict(none, 0.1, CONFIG)
    motion_models.correct(after, np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    assert after.moving_P.shape == (0, 4, 4)
