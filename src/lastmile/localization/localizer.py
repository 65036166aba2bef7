"""
The localizer: sensor values in, pose in map with its trust out.

Wheels and gyro carry the pose; fixes and lidar matches, which come late, correct it at their own
stamps. Odometry is integrated apart and never sees a correction of the pose, only of its rates.
While the gyro is silent the wheels tell the turn too; a speed that no wheels tell is taken for 0,
and the covariance grows by the way that it may have been.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lastmile.geometry.se2 import between, compose, invert, transform
from lastmile.localization.config import LocalizationConfig
from lastmile.localization.dead_reckoning import DeadReckoning, Standstill
from lastmile.localization.filter import (
    Blind,
    FilterState,
    carry,
    start_state,
    take_motion,
    update_pose,
    update_position_fix,
    update_still_gyro,
)
from lastmile.localization.global_start import SAME_HEADING_RAD, SAME_PLACE_M, GlobalSearch
from lastmile.localization.history import History
from lastmile.localization.integrity import Assessment, IntegrityMonitor, Protection
from lastmile.localization.scan import PlanarScan, extract_surfaces, sweep_of
from lastmile.localization.scan_matching import (
    Match,
    ObservedDirections,
    ScanMatcher,
    observed_directions,
)
from lastmile.localization.slip import SlipWatch
from lastmile.localization.start import PoseStart, StartDecision
from lastmile.localization.start_evidence import StartFix
from lastmile.maps.likelihood import distance_field
from lastmile.maps.site import OccupancyMap
from lastmile.types import FixType, GnssFix, LocalizationState, PointGrid, PoseEstimate

STILL_GYRO_SIGMA_RADPS = 0.0005
"""Noise of the mean gyro reading over a window of standstill."""
RESUME_MATCHES = 5
"""Matches in a row after which a track that was lost is trusted again without a search."""

UNSEEN_SPEED_MPS = 0.5
"""
Least standard deviation of a speed that no wheels tell; it is the last one where that was more.

A person may drive the robot off meanwhile, at most at 1.8 m/s.
"""
UNSEEN_YAW_RATE_RADPS = 0.5
"""Standard deviation of a yaw rate that neither gyro nor wheels tell."""
WHEEL_YAW_RATE_RADPS = 0.1
"""The same where the wheels tell it, which differ in radius and slip."""

LEAST_AGREEMENT = 0.5
"""Probability of the places that agree below which a start that seemed likely is given up."""


@dataclass(frozen=True, slots=True)
class SensorMounts:
    """Where the sensors sit: `T_base_lidar`, `T_base_imu` (4, 4), antenna (2,) in base."""

    T_base_lidar: np.ndarray
    T_base_imu: np.ndarray
    antenna_base: np.ndarray


class Localizer:
    """Estimates the pose of base in map; the `take_` methods want values in the order of time."""

    def __init__(
        self, occupancy: OccupancyMap, mounts: SensorMounts, config: LocalizationConfig
    ) -> None:
        self._config = config
        self._mounts = mounts
        field = distance_field(occupancy, config.matcher.field_limit_m)
        self._map_error = config.map_error(occupancy.source)
        self._matcher = ScanMatcher(field, config.matcher)
        self._search = GlobalSearch(occupancy, self._matcher, config.start)
        self._start: PoseStart | None = self._new_start()
        self._provisional: StartDecision | None = None
        """The start as it was last decided while it is likely but not certain."""
        if config.start.use_start_pose:
            start = config.start
            sigma = [start.start_sigma_m, start.start_sigma_m, start.start_sigma_rad]
            self._start.suggest(np.array(start.start_pose), np.diag(np.square(sigma)))
        self.monitor = IntegrityMonitor(config.integrity, self._map_error)
        self.reckoning = DeadReckoning(config.motion.history_s)
        self._standstill = Standstill(config.motion)
        self._slip = SlipWatch(config.motion)
        self._still = False
        self._history: History | None = None
        self._gyro_bias = 0.0
        self._wheel_twist: np.ndarray | None = None
        self._gyro_yaw_rate = 0.0
        self.imu_stamp_s = self.wheel_stamp_s = -np.inf
        self._blind: Blind | None = None
        self.hidden = np.zeros(2)
        """Way [m] and turn [rad] that odom may have lost so far by silent gyro or wheels."""
        self._matched_s = -np.inf
        self._matches_in_row = 0
        self.last_match: Match | None = None
        self.last_scan: PlanarScan | None = None
        self.late = 0
        """Measurements that came too late for the history."""

    def take_start_pose(self, pose_map_base: np.ndarray, covariance: np.ndarray) -> None:
        """Start, or start again, near a pose that an operator gives with its covariance (3, 3)."""
        self._history = self._provisional = None
        self._start = self._new_start()
        self._start.suggest(pose_map_base, covariance, by_operator=True)

    def take_wheels(self, stamp_s: float, twist_base: np.ndarray) -> None:
        """Take the body twist of the encoders; only its speed carries the pose beside a gyro."""
        self._end_silent_motion(stamp_s)
        self.wheel_stamp_s = stamp_s
        self._wheel_twist = np.asarray(twist_base, dtype=float)
        if self._is_moving_on(stamp_s) and stamp_s >= self._gyro_until_s:
            self._move(stamp_s)

    def take_gyro(self, stamp_s: float, angular_velocity_imu: np.ndarray) -> None:
        """Take a gyro reading (3,) in the unit's frame and move on."""
        self._end_silent_motion(stamp_s)
        self.imu_stamp_s = stamp_s
        self._gyro_yaw_rate = float(self._mounts.T_base_imu[2, :3] @ angular_velocity_imu)
        if self._wheel_twist is None:
            return
        if stamp_s <= self.reckoning.stamp_s:
            # The wheels went on without it.
            self.late += 1
            return
        self._move(stamp_s)

    def take_fix(self, fix: GnssFix, position_map: np.ndarray) -> None:
        """Take a satellite fix of any kind but NONE, and its antenna position (2,) in map."""
        self._end_silent_motion(fix.stamp_s)
        covariance = self._fix_covariance(fix)
        scale, antenna = self._config.gnss.robust_scale, self._mounts.antenna_base
        wanders = fix.fix_type != FixType.RTK
        motion = self.reckoning.at(fix.stamp_s)
        if self._start is not None and motion is not None:
            sigma_m = float(np.sqrt(np.trace(covariance) / 2.0))
            wander_m = max(sigma_m, self._config.gnss.multipath_sigma_m) if wanders else 0.0
            antenna_odom = transform(motion[0], antenna)
            self._start.take_fix(
                StartFix(fix.stamp_s, position_map, antenna_odom, sigma_m, wander_m)
            )
        self._correct(
            "gnss",
            fix.stamp_s,
            lambda s: update_position_fix(s, position_map, covariance, antenna, wanders, scale),
        )

    def take_cloud(self, cloud: PointGrid) -> None:
        """Take a lidar turn: match it to the map, or search with it."""
        self._end_silent_motion(cloud.stamp_s)
        motion = self.reckoning.at(cloud.stamp_s)
        if motion is None or not self._is_due(cloud.stamp_s):
            return
        if self.reckoning.at(cloud.stamp_s + float(np.min(cloud.offset_s))) is None:
            # The turn began before the motion is known.
            self.late += 1
            return
        pose_odom_base, _ = motion
        sweep = sweep_of(cloud, lambda stamp_s: self.reckoning.at(stamp_s)[0])
        scan = extract_surfaces(cloud, self._mounts.T_base_lidar, sweep, self._config.scan)
        self._matched_s = cloud.stamp_s
        self.last_scan = scan
        if self._history is not None:
            self._match(scan)
        if self._start is not None:
            self._follow_start(scan, pose_odom_base)

    def estimate(self, stamp_s: float) -> PoseEstimate | None:
        """Tell the pose at the newest gyro stamp and its trust now; None without any idea."""
        fault = self.monitor.assess_sensors(
            stamp_s - self.imu_stamp_s, stamp_s - self.wheel_stamp_s
        )
        pose_odom_base = self.reckoning.pose_odom_base
        if self._history is None:
            return self._guess(stamp_s, pose_odom_base, fault)
        state = self._history.state_at(max(self.reckoning.stamp_s, self._history.oldest_s))
        protection = self.monitor.protection(state).widened(self._slip.missed_m)
        if self._provisional is not None:
            protection = protection.widened(self._provisional.reach_m)
        assessment = self._assess(stamp_s, protection, fault)
        return PoseEstimate(
            stamp_s=stamp_s if fault else state.stamp_s,
            pose_map_base=state.pose.copy(),
            covariance=state.pose_covariance.copy(),
            pose_map_odom=compose(state.pose, invert(pose_odom_base)),
            state=assessment.state,
            protection_along_m=protection.along_m,
            protection_lateral_m=protection.lateral_m,
            protection_yaw_rad=protection.yaw_rad,
            reason=assessment.reason,
        )

    @property
    def state(self) -> FilterState | None:
        """Belief after the newest measurement, None before the start is confirmed."""
        return None if self._history is None else self._history.state

    @property
    def waiting_for(self) -> str:
        """What the search for the start still needs, empty when there is none under way."""
        return "" if self._start is None else self._start.reason

    @property
    def _gyro_until_s(self) -> float:
        """Stamp from which the last gyro reading says nothing any more."""
        return self.imu_stamp_s + self._config.integrity.imu_timeout_s

    @property
    def _wheels_until_s(self) -> float:
        return self.wheel_stamp_s + self._config.integrity.wheel_timeout_s

    def _is_moving_on(self, stamp_s: float) -> bool:
        """Tell that motion is carried on, and not yet to a stamp."""
        return -np.inf < self.reckoning.stamp_s < stamp_s

    def _end_silent_motion(self, stamp_s: float) -> None:
        """Carry the last motion no further than it is known, before a later value is taken."""
        for until_s in sorted((self._gyro_until_s, self._wheels_until_s)):
            if self._is_moving_on(until_s) and until_s < stamp_s:
                self._move(until_s)

    def _move(self, stamp_s: float) -> None:
        """Carry pose and odometry on with the motion that gyro and wheels tell at a stamp."""
        turns, rolls = stamp_s < self._gyro_until_s, stamp_s < self._wheels_until_s
        speed, wheel_yaw_rate = self._wheel_twist.tolist() if rolls else (0.0, 0.0)
        # Without a gyro, what one would read.
        yaw_rate = self._gyro_yaw_rate if turns else wheel_yaw_rate + self._gyro_bias
        self._blind = blind = self._blind_at(stamp_s, turns, rolls)
        if blind is None:
            still = self._standstill.update(stamp_s, self._wheel_twist, yaw_rate, self._gyro_bias)
        else:
            self._standstill.forget()
            still = rolls and self._standstill.wheels_stand(self._wheel_twist)
            if not still:
                lasts_s = max(stamp_s - self.reckoning.stamp_s, 0.0)
                self.hidden += lasts_s * np.array([blind.speed_mps, blind.yaw_rate_radps])
        self._still = still
        scale = 0.0
        if self._history is not None:
            self._insert(stamp_s, lambda s: (take_motion(s, speed, yaw_rate, still, blind), None))
            self._gyro_bias, scale = self._history.state.mean[3:5]
        bias = self._standstill.take_gyro_bias(stamp_s)
        if bias is not None:
            self._take_gyro_bias(stamp_s, bias)
        rate = 0.0 if still else yaw_rate - self._gyro_bias
        self.reckoning.update(stamp_s, np.array([speed * (1.0 + scale), rate]))

    def _blind_at(self, stamp_s: float, turns: bool, rolls: bool) -> Blind | None:
        """Tell what is not known of the motion, None while both gyro and wheels tell it."""
        if turns and rolls:
            return None
        speed = 0.0 if rolls else max(abs(float(self._wheel_twist[0])), UNSEEN_SPEED_MPS)
        unseen = WHEEL_YAW_RATE_RADPS if rolls else UNSEEN_YAW_RATE_RADPS
        since_s = stamp_s if self._blind is None else self._blind.since_s
        return Blind(since_s, speed, 0.0 if turns else unseen)

    def _new_start(self) -> PoseStart:
        return PoseStart(self._search, self._matcher, self._config.start, self._config.gnss)

    def _follow_start(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> None:
        """Search on with a scan; begin at a likely start, and settle or move it when certain."""
        decision = self._start.update(scan, pose_odom_base)
        if decision is None:
            if self._provisional is not None and self._start.agreement < LEAST_AGREEMENT:
                # The places do not agree any more: the robot stops and the search goes on.
                self._history = self._provisional = None
            return
        begun = self._history is not None and self._provisional is not None
        moved = decision.certain and begun and not self._is_near(decision.pose_map_odom)
        if not begun or moved:
            self._begin(decision)
        self._provisional = None if decision.certain else decision
        if decision.certain:
            self._start = None

    def _is_near(self, pose_map_odom: np.ndarray) -> bool:
        pose = compose(pose_map_odom, self.reckoning.pose_odom_base)
        apart = between(self._history.state.pose, pose)
        return bool(np.hypot(*apart[:2]) < SAME_PLACE_M and abs(apart[2]) < SAME_HEADING_RAD)

    def _take_gyro_bias(self, stamp_s: float, bias: float) -> None:
        """Learn the gyro bias from a window of standstill."""
        if self._history is None:
            self._gyro_bias = bias
            return
        self._correct(
            "standstill",
            stamp_s,
            lambda s: update_still_gyro(s, bias, STILL_GYRO_SIGMA_RADPS),
        )

    def _fix_covariance(self, fix: GnssFix) -> np.ndarray:
        """Receiver's covariance (2, 2), inflated and never below the floor for its kind."""
        config = self._config.gnss
        rtk = fix.fix_type == FixType.RTK
        floor_m = config.rtk_sigma_floor_m if rtk else config.sigma_floor_m
        R = np.asarray(fix.covariance, dtype=float)[:2, :2] * config.inflation**2
        return R + np.eye(2) * floor_m**2

    def _is_due(self, stamp_s: float) -> bool:
        matcher = self._config.matcher
        period_s = matcher.standing_period_s if self._still else matcher.period_s
        # A search wants every scan that it can get; a tenth of slack lets a 10 Hz lidar keep step.
        if self._start is not None:
            period_s = matcher.period_s
        return stamp_s >= self._matched_s + 0.9 * period_s

    def _match(self, scan: PlanarScan) -> None:
        """Correct by a scan, where the belief stood at its stamp."""
        if scan.stamp_s < self._history.oldest_s:
            self.late += 1
            return
        config = self._config.matcher
        match = self._matcher.match(scan, self._history.state_at(scan.stamp_s).pose)
        self.last_match = match
        if not match.accepted:
            self.monitor.note_misfit(match.reason)
            self._matches_in_row = 0
            self._search_if_lost()
            return
        self._matches_in_row += 1
        seen = observed_directions(match.information, config)
        if not len(seen.variances):
            return
        variances = seen.variances * config.scan_correlation
        slip_m = self._slip.update(
            scan.stamp_s, match.pose_map_base, self.reckoning.at(scan.stamp_s)[0]
        )
        self._correct(
            "lidar",
            scan.stamp_s,
            lambda s: update_pose(
                s, match.pose_map_base, seen.rows, variances, config.robust_scale, slip_m
            ),
        )
        self.monitor.note_match(match, self._map_covariance(match, seen))

    def _map_covariance(self, match: Match, seen: ObservedDirections) -> np.ndarray:
        """Give the covariance (3, 3) that the map's stated error alone gives a match."""
        error, matcher = self._map_error, self._config.matcher
        # A scan moves with a facade that it sees alone, so that the distances that are left, and
        # with them the match's own covariance, tell too little of how far the facade is off.
        stated = error.surface_sigma_m**2 * error.surface_length_m
        found = match.spread_m**2 * matcher.surface_length_m
        inverse = np.linalg.pinv(seen.rows)
        covariance = inverse @ np.diag(seen.variances * stated / found) @ inverse.T
        turn = np.array([1.0, 1.0, error.heading_share])
        return covariance * np.outer(turn, turn)

    def _search_if_lost(self) -> None:
        lost = self.monitor.misfits >= self._config.integrity.lost_matches
        if lost and self._start is None:
            self._start = self._new_start()

    def _begin(self, start: StartDecision) -> None:
        """Track from a start on."""
        motion, gnss = self._config.motion, self._config.gnss
        state = start_state(
            self.reckoning.stamp_s,
            compose(start.pose_map_odom, self.reckoning.pose_odom_base),
            start.covariance,
            motion,
            gnss,
            self._gyro_bias,
        )
        self._history = History(
            replace(state, blind=self._blind),
            lambda s, stamp_s: carry(s, stamp_s, motion, gnss),
            motion.history_s,
        )
        self._matched_s = -np.inf
        self._matches_in_row = 0
        self.monitor.restart()
        self._slip.restart()

    def _correct(self, source: str, stamp_s: float, apply) -> None:
        """Insert a correction and watch its innovation."""
        if self._history is None:
            return
        innovation = self._insert(stamp_s, apply)
        if innovation is not None:
            self.monitor.note_innovation(source, innovation)

    def _insert(self, stamp_s: float, apply):
        if stamp_s < self._history.oldest_s:
            self.late += 1
            return None
        return self._history.insert(stamp_s, apply)

    def _assess(self, stamp_s: float, protection: Protection, fault: str) -> Assessment:
        if fault:
            return Assessment(LocalizationState.LOST, fault)
        if self._provisional is not None:
            reason = f"start is not certain yet: {self._start.reason}"
            return Assessment(LocalizationState.DEGRADED, reason)
        if self._start is not None:
            # Lost, and searching again; the old track may still prove right by itself.
            if self._matches_in_row < RESUME_MATCHES:
                reason = f"{self.monitor.misfit_reason}; searching: {self._start.reason}"
                return Assessment(LocalizationState.LOST, reason)
            self._start = None
        return self.monitor.assess(stamp_s, protection)

    def _guess(self, stamp_s: float, pose_odom_base: np.ndarray, fault: str) -> PoseEstimate | None:
        """Tell the best hypothesis, or the middle of the fixes, while nothing is confirmed."""
        config = self._config.start
        pose, yaw_sigma = self._start.best(pose_odom_base), 0.5
        if pose is None:
            position = self._start.position_guess()
            if position is None:
                return None
            pose, yaw_sigma = np.array([*position, 0.0]), np.pi
        sigma_m = config.radius_m
        return PoseEstimate(
            stamp_s=stamp_s if fault else max(self.reckoning.stamp_s, self.imu_stamp_s),
            pose_map_base=pose,
            covariance=np.diag(np.square([sigma_m, sigma_m, yaw_sigma])),
            pose_map_odom=compose(pose, invert(pose_odom_base)),
            state=LocalizationState.INITIALIZING,
            protection_along_m=3.0 * sigma_m,
            protection_lateral_m=3.0 * sigma_m,
            protection_yaw_rad=float(np.pi),
            reason=fault or self._start.reason,
        )
