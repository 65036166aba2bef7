import numpy as np
import pytest
from tests.geometry.matrices import to_matrix

from lastmile.geometry.se2 import compose, wrap_angle
from lastmile.localization.anchors import pose_from_markers
from lastmile.maps.example import example_site
from lastmile.types import Marker

LOCKERS = example_site().lockers
T_BASE_CAMERA = np.array([[0, 0, 1, 0.33], [-1, 0, 0, 0.0], [0, -1, 0, 0.6], [0, 0, 0, 1.0]])


def seen_from(pose_map_base: np.ndarray, noise_m: float = 0.0, seed: int = 0) -> tuple[Marker, ...]:
    rng, locker = np.random.default_rng(seed), LOCKERS[0]
    T_camera_map = np.linalg.inv(to_matrix(pose_map_base) @ T_BASE_CAMERA)
    markers = []
    for marker_id, centre in locker.markers.items():
        T_port_marker = np.eye(4)
        T_port_marker[:3, 3] = centre
        T = T_camera_map @ to_matrix(locker.pose_map_port) @ T_port_marker
        T[:3, 3] += rng.normal(0.0, noise_m, 3)
        markers.append(Marker(marker_id, T, 0.1))
    return tuple(markers)


def test_pose_before_a_locker_is_recovered():
    truth = compose(LOCKERS[0].pose_map_port, np.array([1.6, 0.2, np.pi - 0.1]))
    pose = pose_from_markers(seen_from(truth), T_BASE_CAMERA, LOCKERS)
    np.testing.assert_allclose(pose, truth, atol=1e-9)


def test_millimetres_of_marker_noise_give_centimetres_and_a_degree():
    truth = compose(LOCKERS[0].pose_map_port, np.array([1.6, 0.0, np.pi]))
    for seed in range(20):
        pose = pose_from_markers(seen_from(truth, 0.004, seed), T_BASE_CAMERA, LOCKERS)
        assert np.hypot(*(pose - truth)[:2]) < 0.05
        assert abs(wrap_angle(pose[2] - truth[2])) < np.deg2rad(2.0)


@pytest.mark.parametrize("way_m", [1.5, 6.0])
def test_one_marker_or_far_markers_give_no_anchor(way_m):
    truth = compose(LOCKERS[0].pose_map_port, np.array([way_m, 0.0, np.pi]))
    markers = seen_from(truth)
    assert pose_from_markers(markers[:1], T_BASE_CAMERA, LOCKERS) is None
    if way_m > 3.0:
        assert pose_from_markers(markers, T_BASE_CAMERA, LOCKERS) is None
