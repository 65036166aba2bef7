"""
From a search to a start: places that fit are followed until what speaks for one is enough.

A robot that does not know where it is may not move, and one that stands learns little. So the
start comes in two steps: places that agree in heading and lie close together are `likely` enough
to drive slowly, with a covariance that covers them, and the way driven then makes one `certain`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import between, compose, invert, wrap_angle
from lastmile.localization.config import GnssConfig, StartConfig
from lastmile.localization.global_start import GlobalSearch, Hypothesis, keep_distinct
from lastmile.localization.scan import PlanarScan
from lastmile.localization.scan_matching import ScanMatcher
from lastmile.localization.start_evidence import FixEvidence, StartFix, probabilities

FOLLOW_PERIOD_S = 0.2
GIVEN_DOUBT = 1e-2
"""Share of starts from a configured pose where the robot stands elsewhere after all."""
OPERATOR_DOUBT = 1e-6
"""The same where somebody just pointed at the place: the last word."""
EXCLUDED = 1e-3
"""Places less probable than this need not be covered by the covariance of a start."""


@dataclass(slots=True)
class _Track:
    """A place carried along by odometry; `gathered` are its scores over the way driven."""

    pose_map_odom: np.ndarray
    score: float
    log_given: float
    gathered: float = 0.0


@dataclass(frozen=True, slots=True)
class StartDecision:
    """
    Where to start: `covariance` (3, 3) in map covers the places that agree.

    `reach_m` is the distance to the farthest of them; `reason` says what keeps it from certainty.
    """

    pose_map_odom: np.ndarray
    covariance: np.ndarray
    certain: bool
    reach_m: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Given:
    """A pose that somebody gives, with its covariance (3, 3) and how far he is doubted."""

    pose_map_base: np.ndarray
    covariance: np.ndarray
    doubt: float

    def log_likelihood(self, pose_map_base: np.ndarray) -> float:
        difference = pose_map_base - self.pose_map_base
        difference[2] = wrap_angle(difference[2])
        return -0.5 * float(difference @ np.linalg.solve(self.covariance, difference))


class PoseStart:
    """
    Finds where the robot is, from satellite fixes or a given pose, and scans.

    `reason` says what is still missing.
    """

    def __init__(
        self, search: GlobalSearch, matcher: ScanMatcher, config: StartConfig, gnss: GnssConfig
    ) -> None:
        self._search = search
        self._matcher = matcher
        self._config = config
        self._fixes = FixEvidence(gnss.multipath_time_s)
        self._given: _Given | None = None
        self._tracks: list[_Track] = []
        self._log_elsewhere = 0.0
        self._searched_s = -np.inf
        self._followed_s = -np.inf
        self._searches = 0
        self._likely = self._certain = 0
        self._way_m = self._followed_way_m = 0.0
        self._last_pose_odom: np.ndarray | None = None
        self.agreement = 0.0
        """Probability of the places that agree with the best one."""
        self.reason = "no satellite fix and no start pose yet"

    def suggest(
        self, pose_map_base: np.ndarray, covariance: np.ndarray, by_operator: bool = False
    ) -> None:
        """Take a pose that is given: the dock's, the last one known, or an operator's word."""
        doubt = OPERATOR_DOUBT if by_operator else GIVEN_DOUBT
        self._given = _Given(
            np.array(pose_map_base, dtype=float), np.array(covariance, dtype=float), doubt
        )
        self._tracks.clear()

    def take_fix(self, fix: StartFix) -> None:
        """Take a satellite fix."""
        self._fixes.take(fix)

    def position_guess(self) -> np.ndarray | None:
        """Middle of the fixes so far, None without any."""
        middle = self._fixes.middle()
        return None if middle is None else middle[0]

    def best(self, pose_odom_base: np.ndarray) -> np.ndarray | None:
        """Pose in map of the best place, None without any."""
        if not self._tracks:
            return None
        return compose(self._tracks[0].pose_map_odom, pose_odom_base)

    def update(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> StartDecision | None:
        """
        Take a scan and the odometry at its stamp; decide once a start is likely.

        A scan with too few points speaks for no place: it is left out, and what was given is kept.
        """
        self._count_way(pose_odom_base)
        shortage = self._matcher.shortage(scan)
        if shortage:
            self.reason = shortage
            return None
        if not self._tracks:
            self._find(scan, pose_odom_base)
            return None
        if scan.stamp_s < self._followed_s + FOLLOW_PERIOD_S:
            return None
        self._follow(scan, pose_odom_base)
        return self._decide(scan.stamp_s, pose_odom_base)

    def _count_way(self, pose_odom_base: np.ndarray) -> None:
        if self._last_pose_odom is not None:
            self._way_m += float(np.hypot(*(pose_odom_base - self._last_pose_odom)[:2]))
        self._last_pose_odom = pose_odom_base

    def _find(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> None:
        if scan.stamp_s < self._searched_s + self._config.retry_s:
            return
        odom_map = invert(pose_odom_base)
        given, self._given = self._given, None
        found = self._search_given(scan, given) if given else self._search_fixes(scan)
        self._tracks = [
            _Track(
                compose(h.pose_map_base, odom_map),
                h.score,
                given.log_likelihood(h.pose_map_base) if given else 0.0,
            )
            for h in found
        ]
        if found:
            self._searched_s = self._followed_s = scan.stamp_s
            self._likely = self._certain = 0
            self._way_m = self._followed_way_m = 0.0
            self.reason = f"{len(found)} places fit, the best to {found[0].score:.2f}"

    def _search_given(self, scan: PlanarScan, given: _Given) -> list[Hypothesis]:
        """Find what fits within three standard deviations of a given pose."""
        sigma_m = float(np.sqrt(np.linalg.eigvalsh(given.covariance[:2, :2]).max()))
        sigma_rad = float(np.sqrt(given.covariance[2, 2]))
        radius_m = min(max(3.0 * sigma_m, 1.5), self._config.max_radius_m)
        self._log_elsewhere = float(np.log(given.doubt))
        pose = self._matcher.match(scan, given.pose_map_base).pose_map_base
        found = [Hypothesis(pose, self._search.score(scan, pose))]
        for hypothesis in self._search.search(scan, given.pose_map_base[:2], radius_m):
            off = between(given.pose_map_base, hypothesis.pose_map_base)
            if np.hypot(*off[:2]) < radius_m + 1.0 and abs(off[2]) < 3.0 * sigma_rad + 0.1:
                found.append(hypothesis)
        return keep_distinct(sorted(found, key=lambda hypothesis: -hypothesis.score))

    def _search_fixes(self, scan: PlanarScan) -> list[Hypothesis]:
        config, fixes = self._config, self._fixes.fixes
        middle = self._fixes.middle()
        if middle is None:
            return []
        waited_s = scan.stamp_s - fixes[0].stamp_s
        if len(fixes) < config.gnss_fixes and waited_s < config.gnss_wait_s:
            self.reason = f"waiting for satellite fixes, {len(fixes)} of {config.gnss_fixes}"
            return []
        centre, sigma_m = middle
        radius_m = float(
            np.clip(3.0 * sigma_m * 1.5**self._searches, config.radius_m, config.max_radius_m)
        )
        self._searches += 1
        # Mean likelihood of the fixes over the square of the search, wherever in it the robot is.
        share = 2.0 * np.pi * self._fixes.mean_sigma_m() ** 2 / (2.0 * radius_m) ** 2
        self._log_elsewhere = float(np.log(min(share, 1.0)))
        found = self._search.search(scan, centre, radius_m)
        if not found:
            self._searched_s = scan.stamp_s
            self.reason = f"no place within {radius_m:.0f} m of the satellite fix fits the scan"
        return found

    def _follow(self, scan: PlanarScan, pose_odom_base: np.ndarray) -> None:
        """Match each place to the scan anew, and drop those that became one with a better."""
        self._followed_s = scan.stamp_s
        stretch = (self._way_m - self._followed_way_m) / self._config.new_evidence_m
        self._followed_way_m = self._way_m
        odom_map = invert(pose_odom_base)
        followed: list[tuple[Hypothesis, _Track]] = []
        for track in self._tracks:
            match = self._matcher.match(scan, compose(track.pose_map_odom, pose_odom_base))
            track.score += 0.3 * (self._search.score(scan, match.pose_map_base) - track.score)
            track.gathered += stretch * track.score
            track.pose_map_odom = compose(match.pose_map_base, odom_map)
            followed.append((Hypothesis(match.pose_map_base, track.score), track))
        weights = {id(track): track.score + track.gathered for track in self._tracks}
        followed.sort(key=lambda pair: -weights[id(pair[1])])
        kept = {id(h) for h in keep_distinct([hypothesis for hypothesis, _ in followed])}
        self._tracks = [track for hypothesis, track in followed if id(hypothesis) in kept]

    def _decide(self, stamp_s: float, pose_odom_base: np.ndarray) -> StartDecision | None:
        config = self._config
        chances = self._weigh()
        best = self._tracks[0]
        steps = [self._apart(track, best, pose_odom_base) for track in self._tracks]
        agree = np.array([self._agrees(step) for step in steps])
        self.agreement = float(chances[agree].sum())
        self._likely = self._likely + 1 if self.agreement >= config.likely else 0
        self._certain = self._certain + 1 if chances[0] >= config.certain else 0
        certain = self._certain >= config.confirm_matches
        self.reason = (
            ""
            if certain
            else f"{len(self._tracks)} places fit, the best to {best.score:.2f}, probability "
            f"{chances[0]:.3f} (certain from {config.certain:g}), with its neighbours "
            f"{self.agreement:.3f} (likely from {config.likely:g})"
        )
        if chances.sum() < 0.5 and stamp_s > self._searched_s + config.retry_s:
            self._tracks.clear()
            self.agreement = 0.0
            return None
        if self._likely < config.confirm_matches:
            return None
        near = [
            step
            for step, agrees, chance in zip(steps, agree, chances, strict=True)
            if agrees and chance > EXCLUDED
        ]
        return self._start_at(best, near, certain)

    def _weigh(self) -> np.ndarray:
        """Probability of each track; sorts the tracks by it, most probable first."""
        log_priors = np.array(
            [t.log_given + self._fixes.log_likelihood(t.pose_map_odom) for t in self._tracks]
        )
        chances = probabilities(
            np.array([track.score for track in self._tracks]),
            np.array([track.gathered for track in self._tracks]),
            log_priors,
            self._log_elsewhere,
            self._config,
        )
        order = np.argsort(-chances, kind="stable")
        self._tracks = [self._tracks[i] for i in order]
        return chances[order]

    @staticmethod
    def _apart(track: _Track, other: _Track, pose_odom_base: np.ndarray) -> np.ndarray:
        """Difference (3,) in map of where two tracks put the base."""
        step = compose(track.pose_map_odom, pose_odom_base)
        step = step - compose(other.pose_map_odom, pose_odom_base)
        step[2] = wrap_angle(step[2])
        return step

    def _agrees(self, step: np.ndarray) -> bool:
        config = self._config
        return bool(np.hypot(*step[:2]) <= config.agree_m and abs(step[2]) <= config.agree_rad)

    def _start_at(self, best: _Track, near: list[np.ndarray], certain: bool) -> StartDecision:
        """Start at the best place, with the others within two standard deviations."""
        config = self._config
        covariance = np.diag(
            np.square([config.start_sigma_m, config.start_sigma_m, config.start_sigma_rad])
        )
        for step in near:
            covariance += 0.25 * np.outer(step, step)
        reach_m = 0.0 if certain else max(float(np.hypot(*step[:2])) for step in near)
        return StartDecision(best.pose_map_odom, covariance, certain, reach_m, self.reason)
