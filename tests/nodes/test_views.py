"""What RViz and Nav2's tools are shown is what the values say."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.geometry.matrices import to_matrix

from lastmile import types
from lastmile.geometry import se2
from lastmile.maps.example import example_site
from lastmile.nodes.environment import ros_environment
from lastmile.share import find_share
from lastmile.vehicle.description import read_robot

ros_environment()

from lastmile.nodes.views import VIEWS, Throttle, views_of  # noqa: E402

CONTEXT = SimpleNamespace(
    site=example_site(), robot=read_robot(find_share("sim/robot/lastmile.urdf"))
)


@pytest.fixture
def shown():
    """Give what the views of a node show of a value, by topic."""
    views = {node: views_of(node, CONTEXT) for node in VIEWS}
    return lambda node, topic, value: dict(
        message for view in views[node] for message in view.show(topic, value)
    )


def started(node):
    return dict(message for view in views_of(node, CONTEXT) for message in view.start())


def matrix(transform):
    T = np.eye(4)
    q = transform.rotation
    T[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    T[:3, 3] = transform.translation.x, transform.translation.y, transform.translation.z
    return T


def test_tf_leads_from_map_over_odom_to_the_base(shown):
    pose_odom_base, pose_map_odom = np.array([3.0, -1.0, 2.5]), np.array([10.0, 4.0, -1.2])
    pose_map_base = se2.compose(pose_map_odom, pose_odom_base)
    odometry = types.OdometryEstimate(7.0, pose_odom_base, np.zeros(2), np.eye(2))
    status = types.PoseEstimate(
        7.0, pose_map_base, np.diag([1.0, 2.0, 3.0]), pose_map_odom,
        types.LocalizationState.TRACKING, 0.1, 0.1, 0.1, "",
    )  # fmt: skip
    (to_base,) = shown("localization", "odometry", odometry)["/tf"].transforms
    messages = shown("localization", "localization/status", status)
    (to_odom,) = messages["/tf"].transforms
    assert (to_base.header.frame_id, to_base.child_frame_id) == ("odom", "base_link")
    assert (to_odom.header.frame_id, to_odom.child_frame_id) == ("map", "odom")
    chained = matrix(to_odom.transform) @ matrix(to_base.transform)
    np.testing.assert_allclose(chained, to_matrix(pose_map_base), atol=1e-9)
    pose = messages["localization/pose"]
    assert (pose.header.frame_id, pose.header.stamp.sec) == ("map", 7)
    covariance = np.reshape(pose.pose.covariance, (6, 6))
    assert np.diag(covariance).tolist() == [1.0, 2.0, 0.0, 0.0, 0.0, 3.0]


def test_pose_that_is_not_finite_is_not_put_on_tf(shown):
    lost = types.OdometryEstimate(7.0, np.full(3, np.nan), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match=r"odom -> base_link: pose .* is not finite"):
        shown("localization", "odometry", lost)


def test_mounts_and_map_are_there_from_the_start():
    messages = started("localization")
    mounts = {t.child_frame_id: t for t in messages["/tf_static"].transforms}
    assert set(mounts) == set(CONTEXT.robot.mounts) - {"base_link"}
    for frame, mount in mounts.items():
        assert mount.header.frame_id == "base_link"
        np.testing.assert_allclose(
            matrix(mount.transform), CONTEXT.robot.mounts[frame], atol=1e-9, err_msg=frame
        )
    assert messages["robot_description"].data == CONTEXT.robot.urdf
    grid, occupancy = messages["map"], CONTEXT.site.occupancy
    cells = np.reshape(grid.data, (grid.info.height, grid.info.width))
    np.testing.assert_array_equal(cells, occupancy.cells)
    assert grid.info.resolution == pytest.approx(occupancy.resolution_m)
    assert (grid.info.origin.position.x, grid.info.origin.position.y) == tuple(occupancy.origin)


def test_route_and_plan_are_paths_in_their_frames(shown):
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    path = shown("planner", "route", types.Route("r", points, (), np.nan))["route/path"]
    assert path.header.frame_id == "map"
    assert [(p.pose.position.x, p.pose.position.y) for p in path.poses] == [(0, 0), (1, 0), (1, 1)]
    yaws = [2.0 * np.arctan2(p.pose.orientation.z, p.pose.orientation.w) for p in path.poses]
    assert yaws == pytest.approx([0.0, np.pi / 2, np.pi / 2])
    plan = types.Trajectory(
        2.0, types.TrajectorySource.PLANNER, 0.1, np.array([[1.0, 2.0, 0.0]] * 3),
        np.zeros((3, 2)), True, "",
    )  # fmt: skip
    path = shown("planner", "plan", plan)["plan/path"]
    assert (path.header.frame_id, len(path.poses)) == ("odom", 3)


@pytest.mark.parametrize(
    ("speed_mps", "kinds"),
    [(0.0, ["outline"]), (1.2, ["outline", "velocity", "prediction", "number"])],
)
def test_obstacle_is_drawn_with_its_way_if_it_moves(shown, speed_mps, kinds):
    outline = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])
    obstacle = types.Obstacle(
        7, types.ObstacleKind.PERSON, np.array([5.0, 2.0]), np.array([speed_mps, 0.0]), np.eye(4),
        outline, 1.7, 1.0, True, np.array([[6.0, 2.0]]), np.zeros(1), 0.4,
    )  # fmt: skip
    value = types.ObstacleArray(1.0, (obstacle,))
    markers = shown("perception", "obstacles", value)["obstacles/markers"].markers
    assert [marker.ns for marker in markers] == kinds
    assert {(marker.header.frame_id, marker.id) for marker in markers} == {("odom", 7)}
    corners = [(p.x, p.y) for p in markers[0].points]
    assert corners == [*map(tuple, outline), tuple(outline[0])]
    if speed_mps:
        assert [(p.x, p.y) for p in markers[1].points] == [(5.0, 2.0), (5.0 + speed_mps, 2.0)]


def test_custody_is_told_in_a_sentence(shown):
    state = types.CustodyState(1.0, "p-1", "robot-1", 2, "h", "hold", "not docked")
    text = shown("handoff", "custody", state)["custody/text"].data
    assert text == "parcel p-1: robot-1, hold (not docked)"


def test_throttle_lets_values_through_at_its_period_and_after_the_clock_was_set_back():
    throttle = Throttle(0.2)
    stamps_s = [1.0, 1.1, 1.2, 1.35, 1.4, 0.5, 0.6, 0.7]
    let = [throttle.lets_through(stamp_s) for stamp_s in stamps_s]
    assert let == [True, False, True, False, True, True, False, True]
