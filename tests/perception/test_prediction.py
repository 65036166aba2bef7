import numpy as np
import pytest

from lastmile.perception.config import PredictionConfig
from lastmile.perception.prediction import predict_paths


def test_moving_things_go_straight_and_standing_things_stand():
    paths, sigmas = predict_paths(
        np.array([[1.0, 2.0], [5.0, 5.0]]),
        np.array([[1.0, -0.5], [0.0, 0.0]]),
        np.stack([np.diag([0.01, 0.01, 0.04, 0.04])] * 2),
        PredictionConfig(),
    )
    assert paths.shape == (2, 10, 2)
    assert paths[0, -1] == pytest.approx([5.0, 0.0])
    assert (paths[1] == [5.0, 5.0]).all()
    assert (np.diff(sigmas[0]) > 0.0).all()
    assert sigmas[1] == pytest.approx(np.full(10, 0.1))
    # By hand: sqrt(0.1^2 + (0.2 * 4)^2 + (0.5 * 0.35 * 16)^2).
    assert sigmas[0, -1] == pytest.approx(np.sqrt(0.01 + 0.64 + 7.84))
