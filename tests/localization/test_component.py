import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.localization.street import ROBOT, Drive, example_street, pose_error

from lastmile.checks import odometry_breaks
from lastmile.geometry.se2 import compose
from lastmile.localization.component import LocalizationComponent, build
from lastmile.localization.config import LocalizationConfig
from lastmile.types import (
    DiagnosticLevel,
    FixType,
    GnssFix,
    ImuSample,
    InitialPose,
    LocalizationState,
    OdometryEstimate,
    PointGrid,
    PoseEstimate,
    WheelOdometry,
)

START = (-50.0, 4.75, 0.0)


def component(site, config: LocalizationConfig | None = None) -> LocalizationComponent:
    context = SimpleNamespace(site=site, robot=ROBOT, rng=np.random.default_rng(0))
    return build(config or LocalizationConfig(), context)


def from_dock(start=START) -> LocalizationConfig:
    config = LocalizationConfig()
    return replace(config, start=replace(config.start, use_start_pose=True, start_pose=start))


def run(part, drive, seconds, twist=(0.0, 0.0), drop=()) -> list[tuple[np.ndarray, list]]:
    """Drive, step at 50 Hz; give (truth, what was published) for each step."""
    steps = []
    for k in range(round(seconds * 100)):
        for topic, value in drive.tick(twist):
            if topic not in drop:
                part.receive(topic, value)
        if k % 2 == 1:
            steps.append((drive.pose, part.step(drive.stamp_s)))
    return steps


def published(steps, kind) -> list:
    return [value for _, out in steps for _, value in out if isinstance(value, kind)]


@pytest.fixture(scope="module")
def drive_of_the_street():
    """Stand, drive 60 m with a bend, and stand: the component, its steps and the true motion."""
    site, street = example_street(1, 0.4)
    part, drive = component(site), Drive(site, street, START, 1)
    steps = run(part, drive, 3.0)
    for bend in (0.12, -0.12, 0.12, -0.12):
        steps += run(part, drive, 4.0, (1.3, bend))
    steps += run(part, drive, 20.0, (1.3, 0.0))
    return part, drive, steps


def test_start_is_found_from_fixes_and_scans_while_standing(drive_of_the_street):
    _, _, steps = drive_of_the_street
    truth, out = steps[149]
    status = next(value for _, value in out if isinstance(value, PoseEstimate))
    error_m, error_rad = pose_error(status.pose_map_base, truth)
    assert status.state in (LocalizationState.TRACKING, LocalizationState.DEGRADED)
    assert error_m < 0.6
    assert error_rad < np.deg2rad(3.0)


def test_drive_along_shifted_facades_is_tracked(drive_of_the_street):
    _, _, steps = drive_of_the_street
    errors = []
    for truth, out in steps[200:]:
        for _, value in out:
            if isinstance(value, PoseEstimate):
                assert value.state is LocalizationState.TRACKING, value.reason
                errors.append(pose_error(value.pose_map_base, truth))
    errors = np.array(errors)
    assert len(errors) > 1600
    assert np.median(errors[:, 0]) < 0.35
    assert np.quantile(errors[:, 1], 0.95) < np.deg2rad(1.5)


def test_protection_level_bounds_the_error(drive_of_the_street):
    _, _, steps = drive_of_the_street
    outside = []
    for truth, out in steps[200:]:
        for _, value in out:
            if isinstance(value, PoseEstimate):
                bound = np.hypot(value.protection_along_m, value.protection_lateral_m)
                outside.append(pose_error(value.pose_map_base, truth)[0] > bound)
    assert np.mean(outside) < 0.01


def test_odometry_never_steps_beyond_its_motion(drive_of_the_street):
    _, _, steps = drive_of_the_street
    odometry = published(steps, OdometryEstimate)
    poses = np.array([o.pose_odom_base for o in odometry])
    stamps = np.array([o.stamp_s for o in odometry])
    assert (np.diff(stamps) > 0.0).all()
    way = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    assert (way <= 1.4 * np.diff(stamps) + 1e-3).all()


def test_each_stamp_is_told_once():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    told = published(run(part, drive, 1.0), PoseEstimate)
    assert not part.step(drive.stamp_s)
    told += published(run(part, drive, 0.2), PoseEstimate)
    assert (np.diff([status.stamp_s for status in told]) > 0.0).all()


def test_correction_is_consistent_with_pose_and_odometry(drive_of_the_street):
    _, _, steps = drive_of_the_street
    for _, out in steps[-20:]:
        odometry, status = (value for _, value in out)
        assert status.stamp_s == odometry.stamp_s
        pose = compose(status.pose_map_odom, odometry.pose_odom_base)
        assert pose_error(pose, status.pose_map_base)[0] < 1e-9


def test_gyro_bias_and_wheel_scale_are_learnt(drive_of_the_street):
    part, _, _ = drive_of_the_street
    mean = part.localizer.state.mean
    assert mean[3] == pytest.approx(0.006, abs=0.001)
    assert mean[4] == pytest.approx(0.015, abs=0.008)


def test_known_dock_is_confirmed_without_satellites():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    steps = run(part, drive, 3.0, drop=("gnss/fix",))
    status = published(steps, PoseEstimate)[-1]
    assert status.state is LocalizationState.TRACKING
    assert pose_error(status.pose_map_base, drive.pose)[0] < 0.5


def test_operator_pose_starts_the_track_again():
    site, street = example_street(2, 0.3)
    part, drive = component(site), Drive(site, street, START, 2)
    sigma = np.diag([0.25, 0.25, 0.07])
    part.receive("initialpose", InitialPose(0.0, np.array([np.nan, 0.0, 0.0]), sigma))
    part.receive("initialpose", InitialPose(0.0, np.array([10.0, 0.0, 0.0]), -sigma))
    part.receive("initialpose", InitialPose(0.0, np.array([-49.3, 4.5, 0.1]), sigma))
    steps = run(part, drive, 3.0, drop=("gnss/fix",))
    status = published(steps, PoseEstimate)[-1]
    assert status.state is LocalizationState.TRACKING
    assert pose_error(status.pose_map_base, drive.pose)[0] < 0.5


@pytest.mark.parametrize(("topic", "name"), [("imu", "gyro"), ("wheel/odometry", "wheel odometry")])
def test_silent_motion_sensor_stops_odometry_and_is_named(topic, name):
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 2.0)
    steps = run(part, drive, 0.5, (1.0, 0.0), drop=(topic,))
    status = published(steps, PoseEstimate)[-1]
    assert status.state is LocalizationState.LOST
    assert status.reason.startswith(f"{name} 0.")
    assert "limit 0.2 s" in status.reason
    assert not published(steps[-10:], OdometryEstimate)
    again = run(part, drive, 1.0)
    assert published(again, PoseEstimate)[-1].state is not LocalizationState.LOST
    assert published(again[-5:], OdometryEstimate)


def test_lidar_that_falls_silent_degrades_with_its_age():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 2.0)
    steps = run(part, drive, 3.6, (0.5, 0.0), drop=("lidar/points",))
    status = published(steps, PoseEstimate)[-1]
    assert status.state is LocalizationState.DEGRADED
    assert status.reason.startswith("no lidar match for 3.")


def test_bad_values_are_counted_and_change_nothing():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 2.0)
    before = part.localizer.state.mean.copy()
    t = drive.stamp_s
    nan3, up = np.full(3, np.nan), np.array([0.0, 0.0, 9.81])
    bad = [
        ("imu", ImuSample(t + 0.01, nan3, up)),
        ("imu", ImuSample(t + 90.0, np.zeros(3), up)),
        ("imu", ImuSample(np.nan, np.zeros(3), up)),
        ("wheel/odometry", WheelOdometry(t, np.array([1.0, 0.0]), np.eye(2))),
        ("wheel/odometry", WheelOdometry(t - 60.0, np.array([1.0, 0.0]), np.eye(2))),
        ("wheel/odometry", WheelOdometry(t + 0.01, np.array([np.inf, 0.0]), np.eye(2))),
        ("gnss/fix", GnssFix(t, 95.0, 0.0, 0.0, np.eye(3), FixType.SINGLE)),
        ("gnss/fix", GnssFix(t, 60.0, 24.0, 0.0, np.eye(2), FixType.SINGLE)),
        # The projection has no finite numbers for the first of these places.
        ("gnss/fix", GnssFix(t, 0.0, 115.0, 0.0, np.eye(3), FixType.SINGLE)),
        ("gnss/fix", GnssFix(t, 48.0, 11.0, 0.0, np.eye(3), FixType.SINGLE)),
        (
            "lidar/points",
            PointGrid(t, "lidar_link", np.zeros((4, 8)), np.zeros((4, 8)), np.zeros(8)),
        ),
    ]
    for topic, value in bad:
        part.receive(topic, value)
    part.step(t)
    np.testing.assert_array_equal(part.localizer.state.mean, before)
    report = part.diagnose(t)[1]
    assert report.level is DiagnosticLevel.WARN
    assert report.message.startswith("11 values refused")
    assert "4 malformed" in report.values["gnss/fix"]
    assert "1 future" in report.values["imu"]
    assert "1 duplicate" in report.values["wheel/odometry"]
    assert "1 old" in report.values["wheel/odometry"]


def test_lidar_turn_of_another_frame_is_refused_with_value_and_rule():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 1.0, drop=("lidar/points",))
    cloud = street.cloud(drive.pose, drive.stamp_s - 0.1, np.random.default_rng(0))
    part.receive("lidar/points", replace(cloud, frame_id="camera"))
    part.step(drive.stamp_s)
    assert part.localizer.last_scan is None
    report = part.diagnose(drive.stamp_s)[1]
    rule = "lidar/points: cloud is in frame 'camera', it must be in 'lidar_link'"
    assert report.message == f"1 values refused; last: {rule}"
    assert report.values["lidar/points"] == "0 used; refused: 1 malformed"
    run(part, drive, 0.5)
    assert part.localizer.last_scan is not None


@pytest.mark.parametrize(("offset_s", "refused"), [(-10.0, 1), (1e6, 1), (np.nan, 1), (-0.9, 0)])
def test_lidar_turn_from_before_the_motion_is_known_is_not_used(offset_s, refused):
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 0.3, drop=("lidar/points",))
    cloud = street.cloud(drive.pose, drive.stamp_s, np.random.default_rng(0), (0.0, 0.0))
    part.receive("lidar/points", replace(cloud, offset_s=np.full_like(cloud.offset_s, offset_s)))
    part.step(drive.stamp_s)
    assert part.localizer.last_scan is None
    values = part.diagnose(drive.stamp_s)[1].values
    assert values["lidar/points"].endswith("1 malformed") is bool(refused)
    assert values["too late"] == str(1 - refused)
    run(part, drive, 1.0)
    assert part.localizer.last_scan is not None


def test_tracking_goes_on_when_the_clock_is_set_back():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 2.0)
    before = published(run(part, drive, 2.0, (1.0, 0.0)), OdometryEstimate)[-1]
    by_s = 5.0
    told = []
    for k in range(300):
        for topic, value in drive.tick((1.0, 0.0)):
            part.receive(topic, replace(value, stamp_s=value.stamp_s - by_s))
        if k % 2 == 1:
            told.append((drive.pose, part.step(drive.stamp_s - by_s)))
    odometry, status = published(told, OdometryEstimate), published(told, PoseEstimate)
    assert len(odometry) >= 148
    assert odometry[-1].stamp_s == pytest.approx(drive.stamp_s - by_s, abs=0.011)
    assert (np.diff([value.stamp_s for value in odometry]) > 0.0).all()
    # Odom goes on where it was: 1 m/s for at most three steps to the first that is told.
    assert np.hypot(*(odometry[0].pose_odom_base - before.pose_odom_base)[:2]) < 0.07
    assert status[-1].state is LocalizationState.TRACKING, status[-1].reason
    assert pose_error(status[-1].pose_map_base, drive.pose)[0] < 0.5
    assert part.diagnose(drive.stamp_s - by_s)[1].values["clock set back"] == "1"
    assert float(part.diagnose(drive.stamp_s - by_s)[0].values["match age [s]"]) < 0.5


def test_empty_lidar_turns_do_not_pass_for_matches():
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 2.0)
    street.walls, street.people = np.zeros((0, 2, 2)), np.zeros((0, 2))
    steps = run(part, drive, 4.5, (0.3, 0.0))
    status = published(steps, PoseEstimate)[-1]
    assert status.state in (LocalizationState.DEGRADED, LocalizationState.LOST)
    assert "0 points of upright surfaces" in status.reason


@pytest.mark.parametrize("give", ["operator", "config"])
def test_pose_that_was_given_is_kept_over_lidar_turns_without_surfaces(give):
    site, street = example_street(2, 0.3)
    part = component(site, from_dock() if give == "config" else None)
    drive, walls = Drive(site, street, START, 2), street.walls
    if give == "operator":
        part.receive("initialpose", InitialPose(0.0, np.array(START), np.zeros((3, 3))))
    street.walls, street.people = np.zeros((0, 2, 2)), np.zeros((0, 2))
    steps = run(part, drive, 1.0, drop=("gnss/fix",))
    assert not published(steps, PoseEstimate)
    reason = part.diagnose(drive.stamp_s)[0].message
    assert reason == "scan has 0 points of upright surfaces (least 30)"
    street.walls = walls
    status = published(run(part, drive, 3.0, drop=("gnss/fix",)), PoseEstimate)[-1]
    assert status.state is LocalizationState.TRACKING, status.reason
    assert pose_error(status.pose_map_base, drive.pose)[0] < 0.5


def test_lidar_turns_without_surfaces_do_not_end_a_search():
    site, street = example_street(1, 0.4)
    part, drive, walls = component(site), Drive(site, street, START, 1), street.walls
    run(part, drive, 1.4)
    assert "places fit" in part.localizer.waiting_for
    street.walls, street.people = np.zeros((0, 2, 2)), np.zeros((0, 2))
    run(part, drive, 0.5)
    assert "points of upright surfaces" in part.localizer.waiting_for
    street.walls = walls
    status = published(run(part, drive, 3.0), PoseEstimate)[-1]
    assert status.state is LocalizationState.TRACKING, status.reason


def test_unknown_topic_is_refused():
    site, _ = example_street(2, 0.3)
    with pytest.raises(ValueError, match="does not read topic 'plan'"):
        component(site).receive("plan", None)


def test_odometry_of_a_drive_has_no_break(drive_of_the_street):
    _, _, steps = drive_of_the_street
    odometry = published(steps, OdometryEstimate)
    assert len(odometry) > 1500
    assert not any(odometry_breaks(a, b) for a, b in itertools.pairwise(odometry))


def test_start_anew_leaves_a_break_wherever_the_robot_stands():
    site, street = example_street(1, 0.4)
    drive = Drive(site, street, START, 1)
    # A robot that stood all along: both runs place it at zero, only the gap tells them apart.
    last = published(run(component(site), drive, 1.0), OdometryEstimate)[-1]
    first = published(run(component(site), drive, 1.0), OdometryEstimate)[0]
    np.testing.assert_allclose(first.pose_odom_base, last.pose_odom_base, atol=0.01)
    assert odometry_breaks(last, first)
