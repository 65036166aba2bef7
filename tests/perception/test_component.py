from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.perception import scenes

from lastmile.perception.component import build
from lastmile.perception.config import PerceptionConfig
from lastmile.types import Cell, DiagnosticLevel, LocalCostMap, ObstacleArray

SCENE = scenes.Scene(things=(scenes.Cylinder(5.0, 0.5, 0.22, 1.7),))
GOOD = scenes.scan(SCENE, (0, 0, 0), "lidar_link", 1.0)
FRONT = scenes.scan(SCENE, (0, 0, 0), "depth_front_optical_frame", 1.0)
REAR = scenes.scan(SCENE, (0, 0, 0), "depth_rear_optical_frame", 1.0)


@pytest.fixture
def node():
    return build(PerceptionConfig(), SimpleNamespace(robot=scenes.Robot()))


def feed(node, stamp, grid=GOOD, odometry_stamp=None):
    when = stamp if odometry_stamp is None else odometry_stamp
    node.receive("odometry", scenes.odometry(when, (0.0, 0.0, 0.0)))
    see_with_cameras(node, stamp)
    node.receive("lidar/points", replace(grid, stamp_s=stamp))
    return node.step(stamp + 0.02)


def see_with_cameras(node, stamp, front=FRONT, rear=REAR):
    node.receive("depth/front/points", replace(front, stamp_s=stamp))
    node.receive("depth/rear/points", replace(rear, stamp_s=stamp))


def message(node, stamp):
    return node.diagnose(stamp)[0]


def test_obstacles_come_with_each_scan_and_the_cost_map_with_every_second(node):
    topics = [[topic for topic, _ in feed(node, 1.0 + 0.1 * k)] for k in range(6)]
    assert topics == [["obstacles", "cost_map"], ["obstacles"]] * 3
    assert message(node, 1.52).level == DiagnosticLevel.OK
    out = dict(feed(node, 1.6))
    assert isinstance(out["obstacles"], ObstacleArray)
    assert isinstance(out["cost_map"], LocalCostMap)
    (person,) = out["obstacles"].obstacles
    assert person.predicted_path.shape == (10, 2)
    assert person.predicted_sigma.shape == (10,)
    assert person.age_s == pytest.approx(0.6)


def test_nothing_comes_without_a_scan(node):
    node.receive("odometry", scenes.odometry(1.0, (0, 0, 0)))
    assert node.step(1.0) == []
    assert message(node, 1.0).level == DiagnosticLevel.ERROR


def test_scan_without_odometry_near_it_is_refused_and_the_reason_told(node):
    assert feed(node, 1.0, odometry_stamp=0.84) == []
    assert "no odometry within 0.15 s" in message(node, 1.02).message
    assert [topic for topic, _ in feed(node, 1.1)] == ["obstacles", "cost_map"]


def spoil(kind):
    points = GOOD.points.copy()
    if kind == "half":
        points[:, 512:] = np.inf
    elif kind == "nan":
        points[:] = np.nan
    elif kind == "empty":
        points = points[:, :0]
    elif kind == "flat":
        points = points.reshape(-1, 3)
    elif kind == "none":
        points = None
    return replace(GOOD, points=points)


@pytest.mark.parametrize("kind", ["half", "nan", "empty", "flat", "none"])
def test_malformed_clouds_are_refused_and_the_node_lives_on(node, kind):
    assert len(feed(node, 1.0)) == 2
    assert feed(node, 1.1, spoil(kind)) == []
    told = message(node, 1.12)
    assert told.level == DiagnosticLevel.WARN
    assert told.values["refused lidar/points"] == "1"
    assert message(node, 1.5).level == DiagnosticLevel.ERROR
    assert len(feed(node, 1.2)) == 2


def test_wrong_frame_old_future_and_repeated_stamps_are_refused(node):
    assert feed(node, 1.0, replace(GOOD, frame_id="odom")) == []
    assert "'odom'" in message(node, 1.0).message
    node.receive("lidar/points", replace(GOOD, stamp_s=0.2))
    assert node.step(1.0) == []
    assert "0.800 s old" in message(node, 1.0).message
    node.receive("lidar/points", replace(GOOD, stamp_s=1.5))
    assert node.step(1.0) == []
    assert "ahead of the clock" in message(node, 1.0).message
    node.receive("lidar/points", replace(GOOD, stamp_s=np.nan))
    assert node.step(1.0) == []
    assert len(feed(node, 1.1)) == 2
    assert feed(node, 1.1) == []
    assert "stamps must rise" in message(node, 1.1).message


def test_odometry_that_is_not_finite_is_not_used(node):
    node.receive("odometry", scenes.odometry(1.0, (np.nan, 0, 0)))
    node.receive("lidar/points", replace(GOOD, stamp_s=1.0))
    assert node.step(1.02) == []
    assert message(node, 1.02).values["refused odometry"] == "1"


def test_bad_depth_image_is_told_and_lidar_goes_on(node):
    feed(node, 1.0)
    node.receive(
        "depth/front/points",
        replace(FRONT, stamp_s=1.02, points=np.full_like(FRONT.points, np.nan)),
    )
    assert node.step(1.04) == []
    front = node.diagnose(1.04)[1]
    assert front.level == DiagnosticLevel.WARN
    assert "no return" in front.message
    node.receive("lidar/points", replace(GOOD, stamp_s=1.1))
    assert [topic for topic, _ in node.step(1.12)] == ["obstacles"]


def test_obstacles_stand_in_odom_whatever_the_pose_of_the_robot(node):
    world = scenes.Scene(things=(scenes.Cylinder(3.0, 9.0, 0.22, 1.7),))
    pose = (1.0, 4.0, 1.2)
    for k in range(4):
        stamp = 1.0 + 0.1 * k
        node.receive("odometry", scenes.odometry(stamp, pose))
        node.receive("lidar/points", scenes.scan(world, pose, "lidar_link", stamp))
        see_with_cameras(node, stamp)
        out = dict(node.step(stamp))
    (person,) = out["obstacles"].obstacles
    assert np.hypot(*(person.position - [3.0, 9.0])) < 0.25
    assert np.hypot(*(person.footprint.mean(axis=0) - [3.0, 9.0])) < 0.3
    assert person.velocity == pytest.approx([0.0, 0.0])


def test_unknown_topic_is_an_error(node):
    with pytest.raises(ValueError, match="imu"):
        node.receive("imu", None)


def test_same_inputs_give_the_same_outputs():
    runs = []
    for _ in range(2):
        node = build(PerceptionConfig(), SimpleNamespace(robot=scenes.Robot()))
        for k in range(4):
            out = dict(feed(node, 1.0 + 0.1 * k))
        runs.append((out["obstacles"].obstacles[0].position, node.pipeline.cost_map.read(0).cells))
    assert (runs[0][0] == runs[1][0]).all()
    assert (runs[0][1] == runs[1][1]).all()


def test_tracks_and_cost_map_are_forgotten_when_odom_begins_anew(node):
    pose = np.array([4.0, -3.0, 2.0])
    for k in range(5):
        node.receive("odometry", scenes.odometry(1.0 + 0.1 * k, pose))
        node.receive("lidar/points", scenes.scan(SCENE, pose, "lidar_link", 1.0 + 0.1 * k))
        see_with_cameras(node, 1.0 + 0.1 * k)
        node.step(1.02 + 0.1 * k)
    assert node.pipeline.tracker.tracks
    node.receive("odometry", scenes.odometry(2.99, (0.0, 0.0, 0.0)))
    assert node.step(2.99) == []
    assert node.pipeline.tracker.tracks == []
    fresh = build(PerceptionConfig(), SimpleNamespace(robot=scenes.Robot()))
    for k in range(5):
        out = dict(feed(node, 3.0 + 0.1 * k))
        feed(fresh, 3.0 + 0.1 * k)
    (person,) = out["obstacles"].obstacles
    assert np.hypot(*(person.position - [5.0, 0.5])) < 0.25
    maps = [part.pipeline.cost_map.read(3.4) for part in (node, fresh)]
    np.testing.assert_array_equal(maps[0].cells, maps[1].cells)
    assert message(node, 3.42).values["breaks of odometry"] == "1"


def test_outputs_go_on_when_the_clock_is_set_back(node):
    for k in range(10):
        feed(node, 10.0 + 0.1 * k)
    out = [dict(feed(node, 6.0 + 0.1 * k)) for k in range(10)]
    assert all("obstacles" in topics for topics in out)
    assert sum("cost_map" in topics for topics in out) == 5
    assert out[-1]["obstacles"].obstacles[0].age_s == pytest.approx(0.9)
    assert (out[-2]["cost_map"].cells == Cell.FREE).any()
    told = message(node, 6.92)
    assert told.level == DiagnosticLevel.OK, told
    assert told.values["clock set back"] == "1"


def test_clock_set_back_is_told_until_a_scan_comes(node):
    feed(node, 10.0)
    node.receive("odometry", scenes.odometry(10.02, (0.0, 0.0, 0.0)))
    assert node.step(5.0) == []
    told = message(node, 5.0)
    assert told.level == DiagnosticLevel.ERROR
    # The odometry of the clock before is refused, for it would keep out all that comes.
    assert "10.020 s is ahead of the clock" in told.message
    assert len(feed(node, 5.1)) == 2


@pytest.mark.parametrize(
    ("stamp_s", "rule"),
    [(1000.0, "ahead"), (1.0, "must rise"), (0.2, "must rise"), (np.nan, "finite")],
)
def test_depth_image_with_a_wrong_stamp_replaces_none_and_is_told(node, stamp_s, rule):
    feed(node, 1.0)
    node.receive("depth/front/points", replace(FRONT, stamp_s=stamp_s))
    node.receive("odometry", scenes.odometry(1.1, (0.0, 0.0, 0.0)))
    node.receive("lidar/points", replace(GOOD, stamp_s=1.1))
    assert [topic for topic, _ in node.step(1.12)] == ["obstacles"]
    assert len(node.scan.pairs) == 3
    front = node.diagnose(1.12)[1]
    assert front.level == DiagnosticLevel.WARN
    assert rule in front.message


def test_image_ahead_of_the_clock_is_not_said_to_be_used(node):
    feed(node, 10.0)
    assert node.diagnose(10.02)[1].level == DiagnosticLevel.OK
    assert node.diagnose(5.0)[1].level == DiagnosticLevel.WARN


@pytest.mark.parametrize("twist", [(0.0, 1e300), (0.0, 200.0), (0.0, -4.1), (50.0, 0.0)])
def test_odometry_faster_than_any_robot_is_refused(node, twist):
    feed(node, 1.0)
    node.receive("odometry", scenes.odometry(1.1, (0.0, 0.0, 0.0), twist))
    node.receive("lidar/points", replace(GOOD, stamp_s=1.1))
    node.step(1.12)
    told = message(node, 1.12)
    assert told.values["refused odometry"] == "1"
    assert len(feed(node, 1.2)) == 2


@pytest.mark.parametrize("side", ["front", "rear"])
def test_nothing_comes_while_a_depth_camera_is_silent(node, side):
    feed(node, 1.0)
    images = {"front": FRONT, "rear": REAR}
    other = "rear" if side == "front" else "front"
    counts = []
    for k in range(1, 10):
        stamp = 1.0 + 0.1 * k
        node.receive("odometry", scenes.odometry(stamp, (0.0, 0.0, 0.0)))
        node.receive(f"depth/{other}/points", replace(images[other], stamp_s=stamp))
        node.receive("lidar/points", replace(GOOD, stamp_s=stamp))
        counts.append(len(node.step(stamp + 0.02)))
    assert all(counts[:4])
    assert not any(counts[5:])
    told = message(node, 1.92)
    assert told.level == DiagnosticLevel.ERROR
    assert f"depth/{side}/points: no image within 0.5 s" in told.message
    assert feed(node, 2.0)
    assert message(node, 2.02).level == DiagnosticLevel.OK


def test_nothing_comes_before_the_first_images(node):
    node.receive("odometry", scenes.odometry(1.0, (0.0, 0.0, 0.0)))
    node.receive("lidar/points", replace(GOOD, stamp_s=1.0))
    assert node.step(1.02) == []
    assert "none came yet" in message(node, 1.02).message


def drive_blind(node, speeds, blind=FRONT, side="front"):
    """Drive with one camera covered, a tenth of a second at each speed; how many scans came."""
    cover = replace(blind, points=np.full_like(blind.points, np.nan))
    counts = []
    for k, speed in enumerate(speeds):
        stamp = 1.0 + 0.1 * k
        node.receive("odometry", scenes.odometry(stamp, (0.0, 0.0, 0.0), (speed, 0.0)))
        see_with_cameras(node, stamp, **{side: cover})
        node.receive("lidar/points", replace(GOOD, stamp_s=stamp))
        counts.append(len(node.step(stamp + 0.02)))
    return counts


def test_camera_that_stands_too_near_to_measure_is_not_silent(node):
    assert all(drive_blind(node, [0.0] * 10))
    assert node.diagnose(1.92)[1].level == DiagnosticLevel.WARN


@pytest.mark.parametrize(("side", "image"), [("front", FRONT), ("rear", REAR)])
def test_nothing_comes_when_a_robot_drives_with_a_covered_camera(node, side, image):
    counts = drive_blind(node, [1.4] * 20, image, side)
    assert all(counts[:11])
    assert not any(counts[11:])
    told = message(node, 2.92)
    assert told.level == DiagnosticLevel.ERROR
    assert f"depth/{side}/points: no return in any image since 1.000 s" in told.message
    assert feed(node, 3.0)
    assert message(node, 3.02).level == DiagnosticLevel.OK


def test_robot_that_stopped_for_a_covered_camera_does_not_creep_on_with_it(node):
    counts = drive_blind(node, [1.4] * 12 + [0.0] * 20)
    assert not any(counts[12:])


def test_robot_that_only_was_quick_for_a_moment_before_a_locker_drives_on(node):
    assert all(drive_blind(node, ([1.0] * 8 + [0.3] * 5) * 3))
