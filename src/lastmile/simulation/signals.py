"""Pedestrian signals at crossings and what their feed tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import polyline
from lastmile.maps.site import Site
from lastmile.simulation.scenario import SignalScenario
from lastmile.types import CrossingSignal, EdgeKind, SignalPhase, SignalStates

CLEARING_SPEED_MPS = 0.9
FEED_RANGE_M = 300.0


@dataclass(frozen=True, slots=True)
class Crossing:
    """A crossing: line of its ends (2, 2), and its signal's plan, cycle 0 without one."""

    id: str
    line: np.ndarray
    cycle_s: float
    green_s: float
    clearing_s: float
    offset_s: float
    in_feed: bool

    def phase(self, stamp_s: float) -> tuple[SignalPhase, float]:
        """Phase for pedestrians and the time left of it; unknown and NaN without a signal."""
        if self.cycle_s <= 0.0:
            return SignalPhase.UNKNOWN, float("nan")
        t = (stamp_s + self.offset_s) % self.cycle_s
        if t < self.green_s:
            return SignalPhase.GREEN, self.green_s - t
        return SignalPhase.RED, self.cycle_s - t

    def cars_may_go(self, stamp_s: float) -> bool:
        """Green for cars: not while people walk, clear the road, or are about to get green."""
        if self.cycle_s <= 0.0:
            return True
        t = (stamp_s + self.offset_s) % self.cycle_s
        return self.green_s + self.clearing_s < t < self.cycle_s - 3.0


class Signals:
    """All crossings of a site."""

    def __init__(self, site: Site, scenario: SignalScenario, rng: np.random.Generator) -> None:
        """Draw the plans of the signals."""
        lines: dict[str, list[np.ndarray]] = {}
        signalled: dict[str, bool] = {}
        for edge in site.edges:
            if edge.kind == EdgeKind.CROSSING and edge.crossing_id:
                lines.setdefault(edge.crossing_id, []).append(edge.points)
                signalled[edge.crossing_id] = signalled.get(edge.crossing_id, False) or (
                    edge.signalled
                )
        self.crossings: dict[str, Crossing] = {}
        for name, parts in lines.items():
            cycle, offset, covered = rng.uniform([0.85, 0.0, 0.0], [1.15, 1.0, 1.0])
            line = _longest(parts)
            length = float(polyline.arc_lengths(line)[-1])
            cycle_s = cycle * scenario.cycle_s if signalled[name] else 0.0
            self.crossings[name] = Crossing(
                name,
                line,
                cycle_s,
                min(scenario.green_s, 0.6 * cycle_s),
                length / CLEARING_SPEED_MPS,
                offset * cycle_s,
                covered <= scenario.feed_ratio,
            )
        self._with_signal = [c for c in self.crossings.values() if c.cycle_s > 0.0]
        self._middles = np.array([c.line.mean(axis=0) for c in self._with_signal]).reshape(-1, 2)

    def feed(self, stamp_s: float, position: np.ndarray) -> SignalStates:
        """States of the signals within 300 m, as a city's feed gives them."""
        near = np.hypot(*(self._middles - position[:2]).T) < FEED_RANGE_M
        signals = []
        for crossing, inside in zip(self._with_signal, near, strict=True):
            if inside and crossing.in_feed:
                phase, remaining = crossing.phase(stamp_s)
                signals.append(CrossingSignal(crossing.id, phase, remaining))
        return SignalStates(stamp_s, tuple(signals))

    def may_walk(self, crossing_id: str, stamp_s: float) -> bool:
        """Tell whether a law-abiding person sets out over a crossing now."""
        crossing = self.crossings.get(crossing_id)
        if crossing is None or crossing.cycle_s <= 0.0:
            return True
        phase, remaining = crossing.phase(stamp_s)
        return phase == SignalPhase.GREEN and remaining > 2.0


def _longest(parts: list[np.ndarray]) -> np.ndarray:
    """Find the ends of a crossing whose edges may be split: the two vertices farthest apart."""
    points = np.concatenate(parts)
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    i, j = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return points[[i, j]]
