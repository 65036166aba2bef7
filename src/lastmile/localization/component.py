"""The localization node's component: topics in and out around the localizer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lastmile.checks import BREAK_S, is_set_back
from lastmile.geometry.wgs84 import MapProjection
from lastmile.localization.config import LocalizationConfig
from lastmile.localization.inputs import InputGuard, malformed, malformed_place, malformed_start
from lastmile.localization.localizer import Localizer, SensorMounts
from lastmile.types import (
    Diagnostic,
    DiagnosticLevel,
    FixType,
    GnssFix,
    InitialPose,
    LocalizationState,
    OdometryEstimate,
    PointGrid,
    PoseEstimate,
)

if TYPE_CHECKING:
    from lastmile.stack.context import Context

_LEVELS = {
    LocalizationState.INITIALIZING: DiagnosticLevel.WARN,
    LocalizationState.TRACKING: DiagnosticLevel.OK,
    LocalizationState.DEGRADED: DiagnosticLevel.WARN,
    LocalizationState.LOST: DiagnosticLevel.ERROR,
}

# At equal stamps the wheels go first, so that the gyro's step uses the newest speed.
_ORDER = {"wheel/odometry": 0, "imu": 1, "gnss/fix": 2, "lidar/points": 3}

STEP_S = 0.02
"""Time that a step counts for when the clock was set back before it."""
HIDDEN_MAX = np.array([0.05, 0.04])
"""
Way [m] and turn [rad] that odom may lose between two estimates without being broken: half a cell of
the cost map, and one at 2.5 m. Wheels tell the turn for 0.4 s that well: a gyro that is only late
must not cost what is known of the ground around.
"""


def build(config: LocalizationConfig, context: Context) -> LocalizationComponent:
    """Make the component for a site and a robot."""
    return LocalizationComponent(config, context)


class LocalizationComponent:
    """
    Gathers sensor values and steps the localizer through them in the order of their stamps.

    Odometry is published at the stamp of the newest gyro reading, and not at all while gyro or
    wheels are silent: whoever drives by it then sees it grow old and stops. After its start it is
    held back for a while, so that readers tell by the gap that odom began at zero again; after a
    silence too, in which odom, that does not jump, may have lost more way than readers can bear.

    When the clock is set back the localizer's own time goes on: stamps are brought to it on their
    way in and back to the clock on their way out, and the pose is kept.
    """

    def __init__(self, config: LocalizationConfig, context: Context) -> None:
        robot, origin = context.robot, context.site.origin
        self._projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)
        self.localizer = Localizer(
            context.site.occupancy,
            SensorMounts(
                robot.mount(config.scan.lidar_frame),
                robot.mount("imu_link"),
                np.array(robot.mount("gnss_link")[:2, 3]),
            ),
            config,
        )
        self._lidar_frame = config.scan.lidar_frame
        faults = {"gnss/fix": self._malformed_fix, "lidar/points": self._malformed_cloud}
        self._guards = {
            topic: InputGuard(topic, config.motion.history_s, faults.get(topic)) for topic in _ORDER
        }
        self._queue: list[tuple[str, Any]] = []
        self._now_s = -np.inf
        """The localizer's time of the last step."""
        self._ahead_s = 0.0
        """How far that time is ahead of the clock."""
        self._times_set_back = 0
        self._published_s = -np.inf
        self._hidden_before = np.zeros(2)
        self._began_s: float | None = None
        self._status: PoseEstimate | None = None
        self._told_s = -np.inf
        motion = config.motion
        self._twist_covariance = np.diag(
            np.square([motion.speed_noise_mps, motion.gyro_noise_radps])
        )
        start = config.start
        sigma = [start.start_sigma_m, start.start_sigma_m, start.start_sigma_rad]
        self._start_covariance = np.diag(np.square(sigma))
        self._bad_start_poses = 0
        self._last_bad_start = ""

    def receive(self, topic: str, value: Any) -> None:
        """Take a sensor value, or an operator's word on the pose."""
        if topic == "initialpose":
            self._take_start_pose(value)
        elif topic in _ORDER:
            self._queue.append((topic, value))
        else:
            raise ValueError(f"localization does not read topic {topic!r}")

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Work through what came and tell odometry and pose."""
        now_s = self._follow_clock(stamp_s)
        queue, self._queue = self._queue, []
        if self._ahead_s:
            queue = [(topic, _later(value, self._ahead_s)) for topic, value in queue]
        admitted = [
            (value.stamp_s, _ORDER[topic], value)
            for topic, value in queue
            if self._guards[topic].admit(value, now_s)
        ]
        admitted.sort(key=lambda item: item[:2])
        for _, order, value in admitted:
            self._take(order, value)
        published = self._publish(now_s)
        if self._ahead_s:
            published = [(topic, _later(value, -self._ahead_s)) for topic, value in published]
        return published

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell state and trust of the pose, and what inputs were refused."""
        return [self._diagnose_pose(stamp_s + self._ahead_s), self._diagnose_inputs()]

    def close(self) -> None:
        """Nothing is held open."""

    def _follow_clock(self, stamp_s: float) -> float:
        """Give the localizer's time of a step; it goes on by a step when the clock is set back."""
        if is_set_back(self._now_s, stamp_s + self._ahead_s):
            self._ahead_s = self._now_s + STEP_S - stamp_s
            self._times_set_back += 1
        self._now_s = stamp_s + self._ahead_s
        return self._now_s

    def _take_start_pose(self, value: InitialPose) -> None:
        """Start again where an operator says; his stamp is of no account, his clock is his own."""
        fault = malformed_start(value)
        if fault:
            self._bad_start_poses += 1
            self._last_bad_start = f"initialpose: {fault}"
            return
        covariance = value.covariance if np.any(value.covariance) else self._start_covariance
        self.localizer.take_start_pose(value.pose_map_base, covariance)

    def _malformed_fix(self, fix: GnssFix) -> str:
        text = malformed(fix)
        if text or fix.fix_type == FixType.NONE:
            return text
        return malformed_place(self._position_map(fix))

    def _malformed_cloud(self, cloud: PointGrid) -> str:
        if cloud.frame_id != self._lidar_frame:
            return f"cloud is in frame {cloud.frame_id!r}, it must be in {self._lidar_frame!r}"
        return malformed(cloud)

    def _position_map(self, fix: GnssFix) -> np.ndarray:
        return self._projection.to_map(fix.latitude_deg, fix.longitude_deg)

    def _take(self, order: int, value: Any) -> None:
        if order == 0:
            self.localizer.take_wheels(value.stamp_s, value.twist_base)
        elif order == 1:
            self.localizer.take_gyro(value.stamp_s, value.angular_velocity)
        elif order == 2:
            if value.fix_type == FixType.NONE:
                return
            self.localizer.take_fix(value, self._position_map(value))
        else:
            self.localizer.take_cloud(value)

    def _publish(self, stamp_s: float) -> list[tuple[str, Any]]:
        self._status = self.localizer.estimate(stamp_s)
        reckoning, monitor = self.localizer.reckoning, self.localizer.monitor
        out: list[tuple[str, Any]] = []
        silent = monitor.assess_sensors(
            stamp_s - self.localizer.imu_stamp_s, stamp_s - self.localizer.wheel_stamp_s
        )
        if self._began_s is None and np.isfinite(reckoning.stamp_s):
            self._began_s = reckoning.stamp_s
        known = self._began_s is not None and reckoning.stamp_s - self._began_s > BREAK_S
        hidden = self.localizer.hidden - self._hidden_before
        whole = bool((hidden <= HIDDEN_MAX).all())
        apart_s = reckoning.stamp_s - self._published_s
        if known and not silent and apart_s > (0.0 if whole else BREAK_S):
            self._published_s = reckoning.stamp_s
            self._hidden_before = self.localizer.hidden.copy()
            out.append(
                (
                    "odometry",
                    OdometryEstimate(
                        reckoning.stamp_s,
                        reckoning.pose_odom_base.copy(),
                        reckoning.twist_base.copy(),
                        self._twist_covariance,
                    ),
                )
            )
        if self._status is not None and self._status.stamp_s > self._told_s:
            self._told_s = self._status.stamp_s
            out.append(("localization/status", self._status))
        return out

    def _diagnose_pose(self, stamp_s: float) -> Diagnostic:
        status = self._status
        if status is None:
            text = self.localizer.waiting_for
            return Diagnostic("localization: pose", DiagnosticLevel.WARN, text)
        values = {
            "state": str(status.state),
            "protection along [m]": f"{status.protection_along_m:.2f}",
            "protection lateral [m]": f"{status.protection_lateral_m:.2f}",
            "protection yaw [rad]": f"{status.protection_yaw_rad:.3f}",
        }
        for source in ("gnss", "lidar", "standstill"):
            values[f"NIS {source}"] = f"{self.localizer.monitor.mean_nis(source):.2f}"
        if self.localizer.state is not None:
            values["gyro bias [rad/s]"] = f"{self.localizer.state.mean[3]:.5f}"
            values["wheel scale"] = f"{1.0 + self.localizer.state.mean[4]:.4f}"
        match = self.localizer.last_match
        if match is not None:
            values["explained share"] = f"{match.inlier_share:.2f}"
            values["spread [m]"] = f"{match.spread_m:.3f}"
            values["match age [s]"] = f"{stamp_s - match.stamp_s:.2f}"
        text = status.reason or str(status.state)
        return Diagnostic("localization: pose", _LEVELS[status.state], text, values)

    def _diagnose_inputs(self) -> Diagnostic:
        values, refused, last = {}, self._bad_start_poses, self._last_bad_start
        for topic, guard in self._guards.items():
            counts = ", ".join(f"{n} {rule}" for rule, n in sorted(guard.refused.items()))
            values[topic] = f"{guard.accepted} used" + (f"; refused: {counts}" if counts else "")
            refused += guard.refused.total()
            last = guard.last_refusal or last
        values["too late"] = str(self.localizer.late)
        values["clock set back"] = str(self._times_set_back)
        values["start poses refused"] = str(self._bad_start_poses)
        level = DiagnosticLevel.WARN if refused else DiagnosticLevel.OK
        text = f"{refused} values refused; last: {last}" if refused else "all inputs used"
        return Diagnostic("localization: inputs", level, text, values)


def _later(value: Any, by_s: float) -> Any:
    """Give a value with a later stamp."""
    return replace(value, stamp_s=value.stamp_s + by_s)
