"""Obstacles as discs on their predicted ways."""

import numpy as np
import pytest

from lastmile.geometry.predicted_discs import predict_discs
from lastmile.types import Obstacle, ObstacleKind

TIMES_S = np.arange(0.0, 6.05, 0.1)


def obstacle(rng, steps=10, dt_s=0.4, speed_mps=1.3, kind=ObstacleKind.VEHICLE):
    position, turn = rng.uniform(-3.0, 3.0, 2), rng.uniform(-np.pi, np.pi)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    outline = np.array([[-1, -0.3], [1, -0.3], [1.1, 0.2], [0.9, 0.4], [-1, 0.3]])
    ahead = np.cumsum(rng.uniform(0.0, 0.8, (steps, 2)), axis=0)
    return Obstacle(
        4,
        kind,
        position,
        speed_mps * axes[0],
        np.eye(4),
        position + rng.uniform(0.2, 1.5) * outline @ axes,
        1.5,
        2.0,
        True,
        position + ahead,
        np.cumsum(rng.uniform(0.0, 0.1, steps)),
        dt_s,
    )


@pytest.mark.parametrize("age_s", [-0.05, 0.0, 0.13])
def test_discs_follow_the_prediction_and_go_on_beyond_it(age_s):
    rng = np.random.default_rng(1)
    # Predictions of several kinds of steps in one call.
    others = [obstacle(rng, steps, dt_s) for steps, dt_s in ((10, 0.4), (1, 0.5), (4, 0.3))]
    discs = predict_discs(tuple(others), age_s, TIMES_S, 9.0, 0.3, np.zeros(2), 50.0)
    for other in others:
        path = np.vstack([other.position, other.predicted_path])
        knots_s = other.prediction_dt_s * np.arange(len(path))
        times_s = TIMES_S + age_s
        late = np.maximum(times_s - knots_s[-1], 0.0)[:, None] / other.prediction_dt_s
        plain = np.stack([np.interp(times_s, knots_s, path[:, i]) for i in range(2)], axis=-1)
        plain += late * (path[-1] - path[-2])
        sigma = np.interp(times_s, knots_s, [0.0, *other.predicted_sigma])
        way = plain - plain[0]
        mine = [d for d in discs if np.abs(d.centres - d.centres[0] - way).max() < 1e-9]
        assert len(mine) >= 1
        assert mine[0].sigma_m == pytest.approx(sigma, abs=1e-9)
        assert np.hypot(*(mine[0].centres[0] - plain[0])) < 2.0


def test_discs_cover_the_corners_and_little_more():
    rng = np.random.default_rng(2)
    for _ in range(30):
        other = obstacle(rng, steps=0)
        discs = predict_discs((other,), 0.0, TIMES_S, 9.0, 0.3, np.zeros(2), 50.0)
        centres = np.array([d.centres[0] for d in discs])
        radii = np.array([d.radius_m for d in discs])
        gaps = np.hypot(*(other.footprint[:, None] - centres).transpose(2, 0, 1)) - radii
        assert gaps.min(axis=1).max() < 1e-9
        reach = np.hypot(*(other.footprint - other.footprint.mean(axis=0)).T).max()
        assert radii.max() < 1.1 * reach


def test_what_stands_is_left_to_the_map_unless_it_is_a_person():
    rng = np.random.default_rng(3)
    standing = obstacle(rng, speed_mps=0.1)
    person = obstacle(rng, speed_mps=0.1, kind=ObstacleKind.PERSON)
    discs = predict_discs((standing, person), 0.0, TIMES_S, 9.0, 0.3, np.zeros(2), 50.0)
    assert {d.kind for d in discs} == {ObstacleKind.PERSON}
    assert all(np.ptp(d.centres, axis=0).max() == 0.0 and d.sigma_m.max() == 0.0 for d in discs)


def test_what_does_not_come_near_is_left_out():
    other = obstacle(np.random.default_rng(4))
    far = other.position + np.array([-40.0, -40.0])
    assert predict_discs((other,), 0.0, TIMES_S, 9.0, 0.3, far, 8.0) == []
    assert predict_discs((other,), 0.0, TIMES_S, 9.0, 0.3, other.position, 8.0) != []
