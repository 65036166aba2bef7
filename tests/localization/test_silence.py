"""Gaps in gyro or wheels: what the pose, its protection level and odom make of them."""

import itertools

import numpy as np
import pytest
from tests.localization.street import ANTENNA, Drive, example_street, pose_error
from tests.localization.test_component import START, component, from_dock, published, run

from lastmile.checks import odometry_breaks
from lastmile.localization.filter import update_pose
from lastmile.localization.start import StartDecision
from lastmile.types import (
    FixType,
    GnssFix,
    ImuSample,
    LocalizationState,
    OdometryEstimate,
    PoseEstimate,
    WheelOdometry,
)

IMU, WHEELS = "imu", "wheel/odometry"
SILENT = [(IMU,), (WHEELS,), (IMU, WHEELS)]


class Facade:
    """
    A robot that drives along one facade, whose matches know lateral and yaw, and its localization.

    From a gap on it brakes as the gate does, which begins 0.2 s after the gap.
    """

    def __init__(self):
        site, _ = example_street(1)
        self.part = component(site)
        self.now_s, self.way_m, self.speed = 100.0, 0.0, 0.0
        self.odometry = []
        self._tick = 0
        self.drive(0.6, 0.0)
        begin = StartDecision(np.zeros(3), np.diag([0.01, 0.01, 0.0004]), True, 0.0, "")
        self.localizer._begin(begin)
        self.localizer._start = None

    @property
    def localizer(self):
        return self.part.localizer

    def drive(self, seconds, acceleration, drop=(), match=True):
        for _ in range(round(seconds * 100)):
            self._tick += 1
            self.now_s += 0.01
            self.speed = min(max(self.speed + 0.01 * acceleration, 0.0), 1.4)
            self.way_m += 0.01 * self.speed
            up = np.array([0.0, 0.0, 9.81])
            values = {IMU: ImuSample(self.now_s, np.zeros(3), up)}
            if self._tick % 2 == 0:
                twist = np.array([self.speed, 0.0])
                values[WHEELS] = WheelOdometry(self.now_s, twist, np.eye(2))
            for topic, value in values.items():
                if topic not in drop:
                    self.part.receive(topic, value)
            out = self.part.step(self.now_s)
            self.odometry += [v for _, v in out if isinstance(v, OdometryEstimate)]
            if match and self._tick % 20 == 0:
                self.match(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))

    def drive_over_a_gap(self, gap_s, drop, match=True):
        self.drive(3.0, 1.0)
        self.drive(min(gap_s, 0.2), 0.0, drop, match)
        self.drive(max(gap_s - 0.2, 0.0), -1.5, drop, match)
        self.drive(2.0, -1.5, (), match)

    def match(self, rows):
        """Take a match that is right along some directions, as a lidar turn of now does."""
        localizer, truth = self.localizer, np.array([self.way_m, 0.0, 0.0])
        if localizer.state is None:
            return
        localizer._end_silent_motion(self.now_s)
        variances = np.array([4e-4, 4e-4, 3e-5])[-len(rows) :]
        localizer._correct(
            "lidar",
            self.now_s,
            lambda s: update_pose(s, truth, rows, variances, 2.5),
        )
        localizer.monitor.last_match_s = self.now_s

    def fix(self, kind):
        """Take a satellite fix that is right."""
        fix = GnssFix(self.now_s, 0.0, 0.0, 0.0, 0.01 * np.eye(3), kind)
        self.localizer.take_fix(fix, np.array([self.way_m, 0.0]) + ANTENNA)

    def estimate(self) -> PoseEstimate:
        return self.localizer.estimate(self.now_s)

    def error_m(self) -> float:
        return abs(self.estimate().pose_map_base[0] - self.way_m)


@pytest.mark.parametrize("drop", SILENT)
@pytest.mark.parametrize("gap_s", [0.25, 0.5, 0.8, 1.5, 3.0])
def test_protection_level_bounds_the_way_that_a_gap_hid(gap_s, drop):
    facade = Facade()
    facade.drive_over_a_gap(gap_s, drop)
    status = facade.estimate()
    assert facade.error_m() < status.protection_along_m
    # What was not seen is doubted: half a metre at the least, where way can have been lost.
    if WHEELS in drop and gap_s > 0.4:
        assert status.protection_along_m > 0.5 + facade.error_m()


@pytest.mark.parametrize("gap_s", [0.5, 1.5, 3.0])
def test_wheels_tell_the_way_while_the_gyro_is_silent(gap_s):
    facade = Facade()
    facade.drive_over_a_gap(gap_s, (IMU,))
    assert facade.error_m() < 0.1
    assert facade.estimate().state is LocalizationState.TRACKING


def test_heading_is_doubted_after_a_gap_of_the_gyro_until_a_match_tells_it():
    facade = Facade()
    facade.drive_over_a_gap(1.5, (IMU,), match=False)
    assert facade.estimate().protection_yaw_rad > 0.3
    facade.match(np.eye(3))
    assert facade.estimate().protection_yaw_rad < 0.1


@pytest.mark.parametrize("gap_s", [0.8, 1.5, 3.0])
def test_match_that_knows_the_place_ends_the_doubt(gap_s):
    facade = Facade()
    facade.drive_over_a_gap(gap_s, (WHEELS,))
    for _ in range(5):
        facade.match(np.eye(3))
    status = facade.estimate()
    assert facade.error_m() < 0.1
    assert status.protection_along_m < 0.6
    assert status.state is LocalizationState.TRACKING


@pytest.mark.parametrize("kind", [FixType.SINGLE, FixType.RTK])
def test_fixes_end_the_doubt_far_enough_to_drive_on(kind):
    facade = Facade()
    facade.drive_over_a_gap(3.0, (WHEELS,))
    assert facade.estimate().state is LocalizationState.LOST
    for _ in range(10):
        facade.drive(1.0, 0.0)
        facade.fix(kind)
    status = facade.estimate()
    assert status.state is not LocalizationState.LOST, status.reason
    assert facade.error_m() < (0.2 if kind is FixType.RTK else 0.5)


def test_robot_that_stands_without_wheels_may_be_driven_off():
    facade = Facade()
    before = facade.estimate().protection_along_m
    facade.drive(1.0, 1.0, (WHEELS,))
    facade.drive(1.0, -1.5)
    assert facade.way_m > 0.5
    assert before < facade.error_m() < facade.estimate().protection_along_m


@pytest.mark.parametrize("drop", SILENT)
@pytest.mark.parametrize("gap_s", [0.1, 0.3, 0.8, 1.5])
def test_odom_does_not_jump_over_a_gap_and_breaks_where_way_was_lost(gap_s, drop):
    facade = Facade()
    facade.drive_over_a_gap(gap_s, drop)
    breaks = 0
    for before, after in itertools.pairwise(facade.odometry):
        way_m = np.hypot(*(after.pose_odom_base - before.pose_odom_base)[:2])
        assert way_m <= 1.41 * (after.stamp_s - before.stamp_s)
        breaks += odometry_breaks(before, after)
    # Wheels tell the turn too, well enough for a while.
    assert breaks == (gap_s > (0.4 if WHEELS not in drop else 0.2))
    assert facade.odometry[-1].stamp_s == pytest.approx(facade.now_s, abs=0.011)


@pytest.mark.parametrize("drop", SILENT)
def test_scans_bring_the_pose_back_after_a_gap(drop):
    site, street = example_street(2, 0.3)
    part, drive = component(site, from_dock()), Drive(site, street, START, 2)
    run(part, drive, 2.0)
    run(part, drive, 4.0, (1.3, 0.0))
    run(part, drive, 1.5, (1.3, 0.0), drop)
    steps = run(part, drive, 4.0, (0.3, 0.0))
    status = published(steps, PoseEstimate)[-1]
    assert status.state is LocalizationState.TRACKING, status.reason
    assert pose_error(status.pose_map_base, drive.pose)[0] < 0.5
    for truth, out in steps:
        for _, value in out:
            if isinstance(value, PoseEstimate) and value.state is LocalizationState.TRACKING:
                error_m = pose_error(value.pose_map_base, truth)[0]
                assert error_m < np.hypot(value.protection_along_m, value.protection_lateral_m)


def test_gyro_readings_that_come_after_wheels_went_on_are_late():
    facade = Facade()
    facade.drive(2.0, 1.0)
    facade.drive(0.5, 0.0, (IMU,))
    before = facade.localizer.reckoning.stamp_s
    facade.part.receive(IMU, ImuSample(facade.now_s - 0.4, np.array([0.0, 0.0, 9.0]), np.zeros(3)))
    facade.part.step(facade.now_s)
    assert facade.localizer.late == 1
    assert facade.localizer.reckoning.stamp_s == before
