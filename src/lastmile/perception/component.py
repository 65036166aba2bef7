"""
The node `perception`: lidar, depth and odometry in, obstacles and cost map out.

Nothing is published for a scan that cannot be trusted; the planner and the gate then see their
inputs grow old and stop the robot. Why is told in `diagnose`. So it is while a depth camera is
silent, for the lidar does not see low things nearer than 1.9 m, and once the robot drove with one
that is covered, until it sees again.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from lastmile.checks import (
    SPEED_MAX_MPS,
    YAW_RATE_MAX_RADPS,
    is_set_back,
    odometry_breaks,
)
from lastmile.perception.config import PerceptionConfig
from lastmile.perception.pipeline import Pipeline, Scan
from lastmile.perception.sweep import (
    ScanError,
    check_depth,
    check_lidar,
    check_returns,
    odometry_between,
)
from lastmile.types import Diagnostic, DiagnosticLevel, OdometryEstimate, PointGrid

FUTURE_MAX_S = 0.1
"""Stamps farther ahead of the time of work than this are wrong."""
ODOMETRY_KEPT = 200
RECEIVED_MAX = 1000
"""Values of odometry and depth kept until the next step."""
SILENT_S = 0.35
"""Without a good scan for this long the node is in error."""
DEPTH_SILENT_S = 0.5
"""Scans are refused when the last image of a depth camera is so much older: four were lost."""
BLIND_MPS, BLIND_S = 0.35, 1.0
"""No robot is faster for so long where all is too near to be measured, as it is before a locker."""


def build(config: PerceptionConfig, context: Any) -> PerceptionComponent:
    """Make the component of the node `perception`."""
    return PerceptionComponent(config, context.robot)


class PerceptionComponent:
    """Checks inputs, brings them together in time, and runs the pipeline."""

    def __init__(self, config: PerceptionConfig, robot: Any):
        self.config = config
        self._robot = robot
        self._breaks = 0
        self.pipeline = Pipeline(config, robot)
        self.scan: Scan | None = None
        """The stages of the last scan, for pictures."""
        self._frames = {
            "depth/front/points": config.input.depth_front_frame,
            "depth/rear/points": config.input.depth_rear_frame,
        }
        for frame in (config.input.lidar_frame, *self._frames.values()):
            robot.mount(frame)
        self._odometry: deque[OdometryEstimate] = deque(maxlen=ODOMETRY_KEPT)
        self._waiting: PointGrid | None = None
        self._received: deque[tuple[str, Any]] = deque(maxlen=RECEIVED_MAX)
        self._depths: dict[str, PointGrid] = {}
        self._imaged_s = dict.fromkeys(self._frames, -np.inf)
        """Stamps of the last image of each depth camera, with or without returns."""
        self._blind_since_s = dict.fromkeys(self._frames, np.inf)
        """Since when the robot drives while no image of a camera has returns."""
        self._now_s = -np.inf
        self._times_set_back = 0
        self._last_s = -np.inf
        self._map_s = -np.inf
        self._refused: Counter[str] = Counter()
        self._reason = "no scan came yet"
        self._depth_reason = dict.fromkeys(self._frames, "no image came yet")
        self._scans = 0

    def receive(self, topic: str, value: Any) -> None:
        """Take a value; `step` works on it."""
        if topic == "lidar/points":
            self._waiting = value
        elif topic == "odometry" or topic in self._frames:
            # Looked at in the next step, whose stamp tells the future and a clock set back.
            self._received.append((topic, value))
        else:
            raise ValueError(f"perception does not read topic {topic!r}")

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Work on the lidar turn that waits, if any."""
        if is_set_back(self._now_s, stamp_s):
            self._forget_stamps()
        self._now_s = stamp_s
        while self._received:
            topic, value = self._received.popleft()
            if topic == "odometry":
                self._take_odometry(value, stamp_s)
            else:
                self._take_depth(topic, value, stamp_s)
        grid, self._waiting = self._waiting, None
        if grid is None:
            return []
        try:
            self._check_stamp("lidar turn", grid.stamp_s, self._last_s, stamp_s)
            check_lidar(grid, self.config.input)
            self._check_cameras(grid.stamp_s)
            middle_s = grid.stamp_s + float(np.mean(grid.offset_s))
            pose, twist = self._pose_at(middle_s)
        except ScanError as error:
            self._refuse("lidar/points", str(error))
            return []
        # What moves was seen at the time of its column; the middle of the turn halves the error.
        self.scan = self.pipeline.update(middle_s, grid, self._depths_at(middle_s), pose, twist)
        self._last_s = grid.stamp_s
        self._scans += 1
        self._reason = ""
        out: list[tuple[str, Any]] = [("obstacles", self.pipeline.obstacles(middle_s))]
        # Half a scan of slack, or jitter of the stamps would halve the rate.
        if middle_s - self._map_s > self.config.cost_map.period_s - 0.05:
            self._map_s = middle_s
            out.append(("cost_map", self.pipeline.cost_map.read(middle_s)))
        return out

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell whether scans are worked on, and what was refused and why."""
        tracker = self.pipeline.tracker
        tracks = tracker.tracks
        values = {
            "scans": str(self._scans),
            "tracks": str(len(tracks)),
            "tracks_confirmed": str(sum(t.confirmed for t in tracks)),
            "tracks dropped for nearer ones": str(tracker.dropped),
            "breaks of odometry": str(self._breaks),
            "clock set back": str(self._times_set_back),
            **{f"refused {topic}": str(n) for topic, n in sorted(self._refused.items())},
        }
        if abs(stamp_s - self._last_s) > SILENT_S:
            reason = self._reason or f"no scan since {self._last_s:.2f} s"
            scan = Diagnostic("perception/scan", DiagnosticLevel.ERROR, reason, values)
        elif self._reason:
            scan = Diagnostic("perception/scan", DiagnosticLevel.WARN, self._reason, values)
        else:
            scan = Diagnostic("perception/scan", DiagnosticLevel.OK, "scans are used", values)
        return [scan, *(self._diagnose_depth(topic, stamp_s) for topic in self._frames)]

    def close(self) -> None:
        """Nothing is held."""

    def _diagnose_depth(self, topic: str, stamp_s: float) -> Diagnostic:
        name = f"perception/{topic.removesuffix('/points')}"
        grid = self._depths.get(topic)
        if self._depth_reason[topic]:
            return Diagnostic(name, DiagnosticLevel.WARN, self._depth_reason[topic])
        if abs(stamp_s - grid.stamp_s) > SILENT_S:
            return Diagnostic(
                name,
                DiagnosticLevel.WARN,
                f"last image is of {grid.stamp_s:.2f} s, too far from {stamp_s:.2f} s",
            )
        return Diagnostic(name, DiagnosticLevel.OK, "images are used")

    def _take_odometry(self, value: OdometryEstimate, now_s: float) -> None:
        numbers = np.concatenate(
            [[value.stamp_s], np.ravel(value.pose_odom_base), np.ravel(value.twist_base)]
        )
        if numbers.shape != (6,) or not np.isfinite(numbers).all():
            self._refuse("odometry", f"odometry {numbers} must be six finite numbers")
        elif abs(numbers[4]) > SPEED_MAX_MPS or abs(numbers[5]) > YAW_RATE_MAX_RADPS:
            self._refuse(
                "odometry",
                f"odometry moves at {numbers[4]:g} m/s and {numbers[5]:g} rad/s, at most "
                f"{SPEED_MAX_MPS:g} m/s and {YAW_RATE_MAX_RADPS:g} rad/s are possible",
            )
        elif value.stamp_s > now_s + FUTURE_MAX_S:
            self._refuse(
                "odometry",
                f"odometry of {value.stamp_s:.3f} s is ahead of the clock, {now_s:.3f} s",
            )
        elif self._odometry and value.stamp_s <= self._odometry[-1].stamp_s:
            self._refuse(
                "odometry",
                f"odometry of {value.stamp_s:.3f} s came after that of "
                f"{self._odometry[-1].stamp_s:.3f} s; stamps must rise",
            )
        else:
            if self._odometry and odometry_breaks(self._odometry[-1], value):
                self._begin_anew()
            self._odometry.append(value)

    def _forget_stamps(self) -> None:
        """Go on when the clock was set back: whatever is known by its stamp is forgotten."""
        self._times_set_back += 1
        self._last_s = self._map_s = -np.inf
        self._depths.clear()
        self._imaged_s = dict.fromkeys(self._frames, -np.inf)
        self._blind_since_s = dict.fromkeys(self._frames, np.inf)
        self._depth_reason = dict.fromkeys(
            self._frames, "no image came since the clock was set back"
        )
        self._reason = "no scan came since the clock was set back"
        self._forget_odom()

    def _begin_anew(self) -> None:
        """Forget what is in an odom that holds no more."""
        self._breaks += 1
        self._forget_odom()

    def _forget_odom(self) -> None:
        """Forget tracks and cost map."""
        self._odometry.clear()
        self.pipeline = Pipeline(self.config, self._robot)

    def _take_depth(self, topic: str, grid: PointGrid, now_s: float) -> None:
        try:
            self._check_stamp("depth image", grid.stamp_s, self._imaged_s[topic], now_s)
            check_depth(grid, self._frames[topic])
            # Right before a locker all is nearer than a camera can measure, and yet it works.
            self._imaged_s[topic] = grid.stamp_s
            self._watch_returns(topic, grid)
        except ScanError as error:
            self._refused[topic] += 1
            self._depth_reason[topic] = str(error)
        else:
            self._depths[topic] = grid
            self._depth_reason[topic] = ""

    def _watch_returns(self, topic: str, grid: PointGrid) -> None:
        """Refuse an image without returns, and note since when the robot drives with no other."""
        try:
            check_returns(grid)
        except ScanError:
            since_s = self._blind_since_s[topic]
            if self._odometry and abs(self._odometry[-1].twist_base[0]) > BLIND_MPS:
                self._blind_since_s[topic] = min(since_s, grid.stamp_s)
            elif grid.stamp_s - since_s <= BLIND_S:
                self._blind_since_s[topic] = np.inf
            # Else the robot stands because of it, and would only set off again.
            raise
        self._blind_since_s[topic] = np.inf

    def _check_stamp(self, what: str, stamp_s: float, last_s: float, now_s: float) -> None:
        if not np.isfinite(stamp_s):
            raise ScanError(f"{what} has stamp {stamp_s}, it must be finite")
        if stamp_s <= last_s:
            raise ScanError(
                f"{what} of {stamp_s:.3f} s came after that of {last_s:.3f} s; stamps must rise"
            )
        age, age_max = now_s - stamp_s, self.config.input.age_max_s
        if age > age_max:
            raise ScanError(f"{what} is {age:.3f} s old, at most {age_max:g} s allowed")
        if age < -FUTURE_MAX_S:
            raise ScanError(
                f"{what} is {-age:.3f} s ahead of the clock, at most {FUTURE_MAX_S:g} s allowed"
            )

    def _check_cameras(self, stamp_s: float) -> None:
        for topic, imaged_s in self._imaged_s.items():
            if stamp_s - imaged_s > DEPTH_SILENT_S:
                newest = (
                    f"the last is of {imaged_s:.3f} s" if np.isfinite(imaged_s) else "none came yet"
                )
                raise ScanError(
                    f"{topic}: no image within {DEPTH_SILENT_S:g} s of the scan of "
                    f"{stamp_s:.3f} s; {newest}"
                )
            since_s = self._blind_since_s[topic]
            if stamp_s - since_s > BLIND_S:
                raise ScanError(
                    f"{topic}: no return in any image since {since_s:.3f} s, when the robot drove "
                    f"faster than {BLIND_MPS:g} m/s: the camera is covered or blinded"
                )

    def _pose_at(self, stamp_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Pose of base in odom and twist at a scan's stamp."""
        before = after = None
        for estimate in reversed(self._odometry):
            if estimate.stamp_s <= stamp_s:
                before = estimate
                break
            after = estimate
        gap_max = self.config.input.odometry_gap_max_s
        if before is not None and stamp_s - before.stamp_s > gap_max:
            before = None
        if after is not None and after.stamp_s - stamp_s > gap_max:
            after = None
        if before is None and after is None:
            newest = "none came yet"
            if self._odometry:
                newest = f"the newest is of {self._odometry[-1].stamp_s:.3f} s"
            raise ScanError(
                f"no odometry within {gap_max:g} s of the scan of {stamp_s:.3f} s; {newest}"
            )
        return odometry_between(before, after, stamp_s)

    def _depths_at(self, stamp_s: float) -> list[PointGrid]:
        gap_max = self.config.input.depth_gap_max_s
        return [
            self._depths[topic]
            for topic in self._frames
            if topic in self._depths and abs(self._depths[topic].stamp_s - stamp_s) <= gap_max
        ]

    def _refuse(self, topic: str, reason: str) -> None:
        self._refused[topic] += 1
        self._reason = reason
