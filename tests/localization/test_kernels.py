import numpy as np
import pytest

from lastmile.localization import _correlation, _distance_field, _rays, reference
from lastmile.localization.config import GnssConfig, MotionConfig, ScanConfig
from lastmile.localization.filter import FilterState, carry
from lastmile.localization.scan import _farthest_surfaces
from lastmile.maps.likelihood import DistanceField, distance_field, sample_distance
from lastmile.maps.site import OccupancyMap

MOTION, GNSS = MotionConfig(), GnssConfig()


@pytest.fixture
def field() -> DistanceField:
    rng = np.random.default_rng(3)
    cells = np.where(rng.random((80, 120)) < 0.02, 100, 0).astype(np.int8)
    return distance_field(OccupancyMap(np.array([-4.0, -3.0]), 0.1, cells), 3.0)


def grid(field: DistanceField) -> np.ndarray:
    return np.array([*field.centre, field.resolution_m, field.limit_m])


def test_accumulate_equals_its_numpy_twin_also_outside_of_the_map(field):
    rng = np.random.default_rng(4)
    points, H, g = rng.uniform(-7.0, 7.0, (300, 2)), np.zeros((3, 3)), np.zeros(3)
    for pose in ([0.0, 0.0, 0.0], [1.2, -0.7, 2.1], [-30.0, 0.0, -1.0]):
        pose = np.array(pose)
        cost = _distance_field.accumulate(field.distance, grid(field), points, pose, 0.3, H, g)
        cost_twin, H_twin, g_twin = reference.accumulate(field, points, pose, 0.3)
        assert cost == pytest.approx(cost_twin, rel=1e-9)
        np.testing.assert_allclose(H, H_twin, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(g, g_twin, rtol=1e-7, atol=1e-9)


def test_gradient_is_the_derivative_of_the_cost(field):
    points = np.random.default_rng(5).uniform(-2.0, 2.0, (200, 2))
    pose, H, g = np.array([1.503, 0.807, 0.4]), np.zeros((3, 3)), np.zeros(3)

    def cost(at):
        return _distance_field.accumulate(field.distance, grid(field), points, at, 0.3, H, g)

    step = 1e-7
    numeric = [(cost(pose + d) - cost(pose - d)) / (2 * step) for d in step * np.eye(3)]
    cost(pose)
    np.testing.assert_allclose(g, numeric, rtol=1e-3, atol=1e-3)


def test_distances_equal_the_sampled_field(field):
    points, out = np.random.default_rng(6).uniform(-9.0, 9.0, (200, 2)), np.empty(200)
    _distance_field.distances(field.distance, grid(field), points, np.zeros(3), out)
    np.testing.assert_allclose(out, sample_distance(field, points), atol=1e-6)


def test_scores_equal_their_numpy_twin():
    rng = np.random.default_rng(7)
    likelihood = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    cells = rng.integers(-20, 20, (6, 30, 2)).astype(np.int32)
    candidates = np.column_stack(
        [rng.integers(0, 6, 100), rng.integers(-5, 55, 100), rng.integers(-5, 45, 100)]
    ).astype(np.int32)
    out = np.empty(100, np.int32)
    _correlation.score_candidates(likelihood, cells, candidates, out)
    np.testing.assert_array_equal(out, reference.score_candidates(likelihood, cells, candidates))


def test_ray_passes_the_cells_before_its_end_and_no_others():
    passed = np.zeros((10, 10), np.uint16)
    ends = np.array([[0.85, 0.05], [0.05, 0.85]])
    _rays.count_rays(ends, 0.05, 0.05, 0.0, 0.0, 0.1, 60.0, 0.1, passed)
    assert passed[0, :8].tolist() == [2, 1, 1, 1, 1, 1, 1, 1]
    assert passed[:8, 0].tolist() == [2, 1, 1, 1, 1, 1, 1, 1]
    assert passed[1:, 1:].sum() == 0
    assert passed[0, 8:].sum() == 0


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("dt", [0.01, 0.3])
def test_prediction_of_the_filter_equals_its_numpy_twin(dt, still):
    rng = np.random.default_rng(8)
    for yaw in (0.3, 3.14, -3.14):
        factor = rng.normal(0.0, 0.3, (7, 7))
        mean = rng.normal(0.0, 1.0, 7)
        mean[2] = yaw
        state = FilterState(2.0, mean, factor @ factor.T, rng.normal(0.0, 0.7, 2), still)
        after = carry(state, 2.0 + dt, MOTION, GNSS)
        mean_twin, P_twin = reference.predict(state, after.stamp_s - 2.0, MOTION, GNSS)
        np.testing.assert_allclose(after.mean, mean_twin, rtol=0.0, atol=1e-12)
        np.testing.assert_allclose(after.covariance, P_twin, rtol=0.0, atol=1e-12)


def test_farthest_surfaces_equal_their_numpy_twin():
    rng = np.random.default_rng(9)
    columns = 301
    # Two surfaces by column, with stray, missing and endless returns among them.
    reach = np.where(rng.random((32, columns)) < 0.4, rng.uniform(2.0, 20.0, columns), 25.0)
    reach += rng.normal(0.0, 0.1, reach.shape) + 30.0 * (rng.random(reach.shape) < 0.02)
    azimuth = np.linspace(-3.0, 3.0, columns)
    points = np.stack(
        [reach * np.cos(azimuth), reach * np.sin(azimuth), rng.uniform(-1.0, 5.0, reach.shape)],
        axis=-1,
    ).astype(np.float32)
    points[rng.random(reach.shape) < 0.2] = np.nan
    points[rng.random(reach.shape) < 0.1] = np.inf
    T = np.eye(4)
    T[:3, :3], _ = np.linalg.qr(np.eye(3) + 0.05 * rng.normal(size=(3, 3)))
    T[:3, 3] = 0.2, -0.1, 0.9
    for step in (1, 2):
        config = ScanConfig(column_step=step)
        got, used = _farthest_surfaces(points, T, config)
        want, used_twin = reference.farthest_surfaces(points, T, config)
        np.testing.assert_array_equal(used, used_twin)
        assert 0.5 * columns / step < len(used) < columns / step
        np.testing.assert_allclose(got, want, rtol=0.0, atol=1e-9)
