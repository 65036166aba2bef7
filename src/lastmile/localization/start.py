"""From a search to a confirmed pose: hypotheses are followed until one is clearly the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import compose, invert
from lastmile.localization.config import StartConfig
from lastmile.localization.global_start import GlobalSearch, Hypothesis, keep_distinct
from lastmile.localization.scan import PlanarScan
from lastmile.localization.scan_matching import ScanMatcher

LEAST_SCORE = 0.3
FOLLOW_PERIOD_S = 0.2


@dataclass(slots=True)
class _Track:
    """A hypothesis carried along by odometry."""

    pose_map_odom: np.ndarray
    score: float


class PoseStart:
    """
    Finds where the robot is, from satellite fixes or a given pose, and scans.

    `reason` says what is still missing.
    """

    def __init__(self, search: GlobalSearch, matcher: ScanMatcher, config: StartConfig) -> None:
        self._search = search
        self._matcher = matcher
        self._config = config
        self._fixes: list[tuple[float, np.ndarray, float]] = []
        self._given: list[np.ndarray] = []
        self._tracks: list[_Track] = []
        self._searched_s = -np.inf
        self._followed_s = -np.inf
        self._searches = 0
        self._clear = 0
        self._way_m = 0.0
        self._last_pose_odom: np.ndarray | None = None
        self.reason = "no satellite fix and no start pose yet"

    def suggest(self, pose_map_base: np.ndarray) -> None:
        """Take a pose that somebody gives: the dock's, the operator's or the last one known."""
        self._given.append(np.asarray(pose_map_base, dtype=float))
        self._tracks.clear()

    def take_fix(self, stamp_s: float, position_map: np.ndarray, sigma_m: float) -> None:
        """Take a satellite fix (2,) with its standard deviation."""
        self._fixes = [*self._fixes[-49:], (stamp_s, position_map, sigma_m)]

    def position_guess(self) -> np.ndarray | None:
        """Middle of the fixes so far, None without any."""
        if not self._fixes:
            return None
        return np.median([position for _, position, _ in self._fixes], axis=0)

    def best(self, pose_odom_base: np.ndarray) -> np.ndarray | None:
        """Pose in map of the best hypothesis, None without any."""
        if not self._tracks:
            return None
        return compose(self._tracks[0].pose_map_odom, pose_odom_base)

    def update(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> np.ndarray | None:
        """Take a scan and the odometry at its stamp; give pose_map_odom once it is confirmed."""
        self._count_way(pose_odom_base)
        if not self._tracks:
            self._find(scan, pose_odom_base)
            return None
        if scan.stamp_s < self._followed_s + FOLLOW_PERIOD_S:
            return None
        self._follow(scan, pose_odom_base)
        return self._confirmed(scan.stamp_s)

    def _count_way(self, pose_odom_base: np.ndarray) -> None:
        if self._last_pose_odom is not None:
            self._way_m += float(np.hypot(*(pose_odom_base - self._last_pose_odom)[:2]))
        self._last_pose_odom = pose_odom_base

    def _find(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> None:
        if scan.stamp_s < self._searched_s + self._config.retry_s:
            return
        found = self._refine_given(scan) or self._search_fixes(scan)
        if not found:
            return
        map_odom = invert(pose_odom_base)
        self._tracks = [_Track(compose(h.pose_map_base, map_odom), h.score) for h in found]
        self._searched_s = self._followed_s = scan.stamp_s
        self._clear, self._way_m = 0, 0.0
        self.reason = f"{len(found)} places fit, the best to {found[0].score:.2f}"

    def _refine_given(self, scan: PlanarScan) -> list[Hypothesis]:
        if not self._given:
            return []
        poses = [self._matcher.match(scan, pose).pose_map_base for pose in self._given]
        self._given.clear()
        found = [Hypothesis(pose, self._search.score(scan, pose)) for pose in poses]
        return keep_distinct(sorted(found, key=lambda hypothesis: -hypothesis.score))

    def _search_fixes(self, scan: PlanarScan) -> list[Hypothesis]:
        config = self._config
        if not self._fixes:
            return []
        waited_s = scan.stamp_s - self._fixes[0][0]
        if len(self._fixes) < config.gnss_fixes and waited_s < config.gnss_wait_s:
            self.reason = f"waiting for satellite fixes, {len(self._fixes)} of {config.gnss_fixes}"
            return []
        centre = self.position_guess()
        sigma_m = float(np.median([sigma for _, _, sigma in self._fixes]))
        radius_m = float(
            np.clip(3.0 * sigma_m * 1.5**self._searches, config.radius_m, config.max_radius_m)
        )
        self._searches += 1
        found = self._search.search(scan, centre, radius_m)
        if not found:
            self._searched_s = scan.stamp_s
            self.reason = f"no place within {radius_m:.0f} m of the satellite fix fits the scan"
        return found

    def _follow(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> None:
        self._followed_s = scan.stamp_s
        base_odom = invert(pose_odom_base)
        leader = self._tracks[0]
        followed: list[tuple[Hypothesis, _Track]] = []
        for track in self._tracks:
            match = self._matcher.match(scan, compose(track.pose_map_odom, pose_odom_base))
            track.score += 0.3 * (self._search.score(scan, match.pose_map_base) - track.score)
            track.pose_map_odom = compose(match.pose_map_base, base_odom)
            followed.append((Hypothesis(match.pose_map_base, track.score), track))
        followed.sort(key=lambda pair: -pair[0].score)
        kept = {id(h) for h in keep_distinct([hypothesis for hypothesis, _ in followed])}
        self._tracks = [track for hypothesis, track in followed if id(hypothesis) in kept]
        if self._tracks[0] is not leader:
            self._clear, self._way_m = 0, 0.0

    def _confirmed(self, stamp_s: float) -> np.ndarray | None:
        config = self._config
        best = self._tracks[0]
        ratio = self._tracks[1].score / max(best.score, 1e-9) if len(self._tracks) > 1 else 0.0
        if best.score < LEAST_SCORE:
            self.reason = f"the best place fits to {best.score:.2f} only (least {LEAST_SCORE:g})"
            if stamp_s > self._searched_s + config.retry_s:
                self._tracks.clear()
            return None
        self._clear = self._clear + 1 if ratio < config.clear_ratio else 0
        stayed = self._way_m >= config.confirm_motion_m and ratio < 0.5 * (1 + config.clear_ratio)
        if self._clear >= config.confirm_matches or stayed:
            return best.pose_map_odom
        self.reason = (
            f"{len(self._tracks)} places fit, second over best {ratio:.2f} (clear below "
            f"{config.clear_ratio:g}), moved {self._way_m:.1f} m"
        )
        return None
