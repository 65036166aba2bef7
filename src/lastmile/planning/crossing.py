"""
Whether to cross a road: decided at the kerb, and kept once the robot is on its way.

With a signal the robot goes on green that lasts long enough, the clearing time after it included:
signals hold traffic until people who set out at the end of green are over (RiLSA 2015: 1.0 to
1.5 m/s, the fastest is counted on). It waits while the feed does not tell. Without one it goes when
no vehicle reaches the crossing before it is over, for some time on end, and only over roads where
it would see such a vehicle: what comes at the road's speed limit must be within the distance to
which perception is trusted; a road that is too fast or too wide for that is barred. That nothing
hides the road is taken for granted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.planning.config import CrossingConfig
from lastmile.types import (
    CrossingSignal,
    Obstacle,
    ObstacleKind,
    RouteSpan,
    SignalPhase,
    SignalStates,
)

CLEAR_M = 1.5
"""A vehicle that passes this far beside the robot's way is no conflict."""
STANDS_MPS = 0.5
"""A vehicle slower than this stands, perhaps to let the robot go."""
GREEN_LEAST_S = 4.0
"""Nobody sets out in the last seconds of green."""
FRESH_S = 2.0
"""A green without a countdown is used while it is this young."""
BRAKING_MPS2 = 1.0
"""How the robot would stop in front of the road if it still could."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to go, what the robot waits for, and whether no waiting will help."""

    go: bool
    reason: str
    barred: bool = False


class CrossingGuard:
    """Decides for one crossing after another; `decide` is called at every step near one."""

    def __init__(self, config: CrossingConfig):
        self._config = config
        self._crossing = ""
        self._committed = False
        self._red_seen = False
        self._green_since_s = np.inf
        self._quiet_since_s = np.inf
        self._waiting_since_s = np.inf

    def reset(self) -> None:
        """Forget the crossing that was decided last."""
        self.__init__(self._config)

    def stop_m(self, span: RouteSpan) -> float:
        """Arc length of the route where the robot waits."""
        return span.start_m - self._config.stop_before_m

    def waited_s(self, stamp_s: float) -> float:
        """Time since the robot began to wait at the kerb."""
        return max(stamp_s - self._waiting_since_s, 0.0)

    def decide(
        self,
        span: RouteSpan,
        line_odom: np.ndarray,
        progress_m: float,
        speed_mps: float,
        signals: SignalStates | None,
        obstacles: tuple[Obstacle, ...],
        age_s: float,
        stamp_s: float,
    ) -> Verdict:
        """
        Decide about a crossing whose way over the road is `line_odom` (2, 2).

        `age_s` is the age of the obstacles; `signals` is None when the feed is stale.
        """
        name = f"{span.crossing_id}@{span.start_m:.1f}"
        if name != self._crossing:
            self.reset()
            self._crossing = name
        if self._committed or self._on_road(span, progress_m):
            self._committed = True
            return Verdict(True, "")
        time_s = self.crossing_time_s(span, progress_m, speed_mps)
        if span.signalled:
            verdict = self._by_signal(span, signals, time_s, stamp_s)
        else:
            verdict = self._by_traffic(span, line_odom, obstacles, time_s, age_s, stamp_s)
        if verdict.go:
            self._waiting_since_s = np.inf
            stopping_m = speed_mps**2 / (2.0 * BRAKING_MPS2)
            kerb_m = span.start_m - 0.5 * self._config.stop_before_m
            self._committed = progress_m + stopping_m > kerb_m
        else:
            self._waiting_since_s = min(self._waiting_since_s, stamp_s)
        return verdict

    def _on_road(self, span: RouteSpan, progress_m: float) -> bool:
        """
        Tell whether the robot is on the road and had better leave it.

        One that was told to wait does not get there by itself: then the pose in the map jumped.
        """
        return progress_m >= span.start_m and np.isinf(self._waiting_since_s)

    def crossing_time_s(self, span: RouteSpan, progress_m: float, speed_mps: float) -> float:
        """Time until the robot's rear has left the road."""
        length_m = span.end_m - progress_m + 0.5
        counted_mps = min(self._config.speed_mps, span.speed_mps)
        # Half of the speed is lost while the robot speeds up with 1 m/s2.
        lost_s = max(counted_mps - speed_mps, 0.0) ** 2 / (2.0 * counted_mps)
        return length_m / counted_mps + lost_s

    def green_needed_s(self, span: RouteSpan, time_s: float) -> float:
        """Rest of green that lets the robot be over, after `time_s`, before traffic goes."""
        clearing_s = (span.end_m - span.start_m) / self._config.clearing_mps
        return max(time_s + 0.5 * self._config.margin_s - clearing_s, GREEN_LEAST_S)

    def _by_signal(
        self, span: RouteSpan, signals: SignalStates | None, time_s: float, stamp_s: float
    ) -> Verdict:
        signal = _signal(span, signals)
        if signal is None or signal.phase is not SignalPhase.GREEN:
            self._red_seen = signal is not None
            self._green_since_s = np.inf
            shown = "red" if self._red_seen else "not known"
            return Verdict(False, f"crossing {span.crossing_id}: signal is {shown}")
        if self._red_seen:
            self._green_since_s = min(self._green_since_s, stamp_s)
        if np.isfinite(signal.remaining_s):
            # The countdown was true at the stamp of the feed, and ran on since.
            remaining_s = signal.remaining_s - max(stamp_s - signals.stamp_s, 0.0)
            needed_s = self.green_needed_s(span, time_s)
            if remaining_s >= needed_s:
                return Verdict(True, "")
            return Verdict(
                False,
                f"crossing {signal.crossing_id}: green for {max(remaining_s, 0.0):.0f} s, "
                f"{needed_s:.0f} s needed",
            )
        # Without a countdown only a green that was seen to begin is long enough.
        if 0.0 <= stamp_s - self._green_since_s < FRESH_S:
            return Verdict(True, "")
        return Verdict(False, f"crossing {signal.crossing_id}: waiting for a fresh green")

    def _by_traffic(self, span, line, obstacles, time_s, age_s, stamp_s) -> Verdict:
        config, name = self._config, f"crossing {span.crossing_id}"
        road_mps = span.road_speed_mps if span.road_speed_mps > 0.0 else config.road_speed_mps
        within_s = time_s + config.margin_s
        if road_mps * within_s > config.sight_m:
            self._quiet_since_s = np.inf
            bars = (
                f"traffic of {road_mps:.1f} m/s must be seen {road_mps * within_s:.0f} m away, "
                f"the robot sees {config.sight_m:.0f} m"
            )
            return Verdict(False, f"{name}: {bars}", barred=True)
        bars = self._threat(line, obstacles, within_s, age_s, road_mps)
        if bars:
            self._quiet_since_s = np.inf
            return Verdict(False, f"{name}: {bars}")
        self._quiet_since_s = min(self._quiet_since_s, stamp_s)
        if stamp_s - self._quiet_since_s < config.quiet_s:
            return Verdict(False, f"{name}: looking for traffic")
        return Verdict(True, "")

    def _threat(self, line, obstacles, within_s: float, age_s: float, road_mps: float) -> str:
        """Name a vehicle or cyclist that reaches the crossing's way within a time."""
        times = np.arange(0.0, within_s + age_s + 1e-9, 0.25)
        for obstacle in obstacles:
            speed = float(np.hypot(*obstacle.velocity))
            vehicle = obstacle.kind in (ObstacleKind.VEHICLE, ObstacleKind.CYCLIST)
            if speed < STANDS_MPS or not (vehicle or speed > self._config.fast_mps):
                continue
            # A car that is slow now may speed up; whoever gives way stands in the end.
            car = obstacle.kind is ObstacleKind.VEHICLE
            counted_mps = max(speed, road_mps) if car else speed
            outline = np.asarray(obstacle.footprint, float) - obstacle.position
            reach = float(np.hypot(*outline.T).max()) if len(outline) else 0.5
            direction = np.asarray(obstacle.velocity, float) / speed
            path = obstacle.position + (times * counted_mps)[:, None] * direction
            if _distance_to_segment(path, line).min() < min(reach, 3.0) + CLEAR_M:
                return f"{obstacle.kind.value} {obstacle.id} comes at {speed:.1f} m/s"
        return ""


def _signal(span: RouteSpan, signals: SignalStates | None) -> CrossingSignal | None:
    """Find what is known of a crossing's signal, None without."""
    for signal in signals.signals if signals is not None else ():
        if signal.crossing_id == span.crossing_id and signal.phase is not SignalPhase.UNKNOWN:
            return signal
    return None


def _distance_to_segment(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    a, d = line[0], line[1] - line[0]
    t = np.clip(((points - a) @ d) / max(float(d @ d), 1e-9), 0.0, 1.0)
    return np.hypot(*(points - a - t[:, None] * d).T)
