"""
Things followed over time in odom, so that the robot's own motion is out of it.

Each scan: carry all tracks on, associate detections by a gated optimal assignment, correct, begin
and end tracks. Whether a thing moves is decided by two motion models and by whether it covers
ground that was free before (see `CostMap.freshness`); what stands has a velocity of zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.perception import motion_models
from lastmile.perception.association import assign, associate
from lastmile.perception.config import TrackerConfig
from lastmile.perception.detections import SMALL_M, Detections
from lastmile.perception.motion_evidence import FRESH_LONG, PROVEN_HITS, weigh_motion
from lastmile.types import ObstacleKind

ROAD_SPEED_SIGMA_MPS = 8.0
"""First deviation of the speed of long or distant things, which may be traffic."""
FAR_M = 15.0
MANY_POINTS_M, NEAREST_SHARE = 5.0, 0.4
"""Nearer than this the deviation of a centre shrinks with the distance, down to this share."""
VISIBLE_MISSES_MAX = 4
"""A track is dropped after so many scans that saw free ground at its centre."""
MOVING_HITS = 4
"""Fewer detections make no velocity."""
GAIT_S = 0.15
"""Who walked so short a time ago still does: a step looks like standing for a scan."""
MOVED_SCANS = 5
"""A thing that was taken to move in fewer scans is not remembered for it: pieces of a front right
before the robot flicker for a few scans and would count as people from then on."""
PERSON_WIDTH_MIN_M, PERSON_HEIGHT_MIN_M = 0.06, 1.2
"""New things that do not move must be so wide and so high to be thought of as people."""
WALKS_MPS, JUST_S = 1.5, 1.0
"""How fast a walker gets away from where it was last seen, and for how long it is sought there."""
OUT_OF_REACH_M = 1e3


@dataclass(slots=True)
class Track:
    """What is kept of one thing besides its motion."""

    id: int
    first_s: float
    seen_s: float
    seen_at: np.ndarray
    hits: int
    length_m: float
    width_m: float
    height_m: float
    outline: np.ndarray
    """(K, 2) about the track's position when last seen, in odom axes."""
    thing: int
    """Cluster in the last scan, -1 when not seen in it."""
    range_m: float
    confirmed: bool = False
    visible_misses: int = 0
    moved_s: float = -1e9
    """Last time that it was taken to move."""
    moved_scans: int = 0
    top_speed_mps: float = 0.0

    def grow(self, length_m: float, width_m: float, height_m: float) -> None:
        """Keep sizes at their greatest and forget slowly: views are mostly partial."""
        self.length_m = max(length_m, 0.95 * self.length_m + 0.05 * length_m)
        self.width_m = max(width_m, 0.95 * self.width_m + 0.05 * width_m)
        self.height_m = max(height_m, 0.95 * self.height_m + 0.05 * height_m)


class Tracker:
    """All tracks; `update` takes one scan's detections."""

    def __init__(self, config: TrackerConfig):
        self.config = config
        self.tracks: list[Track] = []
        self.stamp_s: float | None = None
        self.moving = np.zeros(0, bool)
        """Which tracks are taken to move, as of the last scan."""
        self.dropped = 0
        """Tracks that gave way to nearer things, for the want of room."""
        self._state = motion_models.start(np.zeros((0, 2)), np.zeros(0), np.zeros(0))
        self._next_id = 1

    def update(self, stamp_s: float, detections: Detections, seen_free) -> None:
        """
        Take the detections of a scan.

        Parameters
        ----------
        stamp_s : float
            Later than that of the call before.
        detections : Detections
            In odom.
        seen_free : callable
            Takes points (N, 2) in odom, tells which lie on ground that was just seen free.

        """
        p_before = self._state.p_moving
        if self.stamp_s is not None:
            self._state = motion_models.predict(self._state, stamp_s - self.stamp_s, self.config)
        self.stamp_s = stamp_s
        sigma = self._sigma(detections)
        length_m = np.array([track.length_m for track in self.tracks])
        rows, columns = associate(self._state, length_m, detections, sigma, self.config)
        self._correct(rows, columns, detections, sigma)
        again, found = self._find_again(rows, columns, detections)
        self._restart(again, found, detections, sigma)
        rows, columns = np.append(rows, again), np.append(columns, found)
        self._miss(_others(len(self.tracks), rows), p_before, seen_free)
        self._end()
        self._begin(_others(len(detections.thing), columns), detections, sigma)
        self._judge()

    def positions(self) -> np.ndarray:
        """Centres (N, 2) in odom by the likelier model."""
        return self._positions(self.moving)

    def velocities(self) -> np.ndarray:
        """Velocities (N, 2), zero for what stands."""
        return np.where(self.moving[:, None], self._state.moving[:, 2:], 0.0)

    def covariances(self) -> np.ndarray:
        """Covariances (N, 4, 4) of x, y, vx, vy by the likelier model."""
        stands = ~self.moving
        P = self._state.moving_P.copy()
        P[stands] = 0.0
        P[stands, :2, :2] = self._state.standing_P[stands]
        P[stands, 2, 2] = P[stands, 3, 3] = self.config.static_drift_mps**2
        return P

    def walkers(self, stamp_s: float) -> np.ndarray:
        """Give where (N, 2) in odom those are expected who walk, or just did, and look small."""
        rows = [
            i
            for i, t in enumerate(self.tracks)
            if t.moved_scans >= MOVED_SCANS
            and self.stamp_s - t.moved_s < JUST_S
            and np.ptp(t.outline, axis=0).max() < SMALL_M
        ]
        lag_s = stamp_s - self.stamp_s if rows else 0.0
        return self._state.moving[rows, :2] + lag_s * self._state.moving[rows, 2:]

    def kind(self, i: int) -> ObstacleKind:
        """Judge a track by size, speed and history."""
        track, config = self.tracks[i], self.config
        moved = track.moved_scans >= MOVED_SCANS or self.moving[i]
        size = track.length_m
        if size < SMALL_M and track.height_m > 0.7:
            if track.top_speed_mps > 3.2:
                return ObstacleKind.CYCLIST
            new = self.stamp_s - track.first_s < config.static_after_s
            if moved or (new and _like_a_person(track)):
                return ObstacleKind.PERSON
        elif SMALL_M <= size < 2.4 and moved and track.top_speed_mps > 1.8:
            return ObstacleKind.CYCLIST
        elif size >= 2.4 and track.height_m > 0.7 and (moved or size > 3.2):
            return ObstacleKind.VEHICLE
        if self.stamp_s - max(track.first_s, track.moved_s) > config.static_after_s:
            return ObstacleKind.STATIC
        return ObstacleKind.UNKNOWN

    def _moving(self) -> np.ndarray:
        """Tell for all tracks whether they are now taken to move."""
        speed = np.hypot(self._state.moving[:, 2], self._state.moving[:, 3])
        variance = 0.5 * (self._state.moving_P[:, 2, 2] + self._state.moving_P[:, 3, 3])
        hits = np.array([t.hits for t in self.tracks], int)
        return (
            (hits >= MOVING_HITS)
            & (self._state.p_moving > self.config.moving_probability)
            & (speed > self.config.speed_min_mps)
            & (speed > 2.0 * np.sqrt(variance))
        )

    def _just_moved(self) -> np.ndarray:
        """Tell which tracks are of small things that moved for a while, up to a moment ago."""
        return np.array(
            [
                t.moved_scans >= MOVED_SCANS
                and t.length_m < SMALL_M
                and self.stamp_s - t.moved_s < JUST_S
                and self.stamp_s - t.seen_s < JUST_S
                for t in self.tracks
            ],
            bool,
        )

    def _positions(self, moving: np.ndarray) -> np.ndarray:
        return np.where(moving[:, None], self._state.moving[:, :2], self._state.standing)

    def _sigma(self, detections: Detections) -> np.ndarray:
        c = self.config
        # Up close a thing's hundreds of points average out; who sets off there must show soon.
        share = np.clip(detections.range_m / MANY_POINTS_M, NEAREST_SHARE, 1.0)
        return (
            share * c.position_sigma_m
            + c.extent_sigma * np.maximum(detections.length_m - 0.5, 0.0)
            + c.range_sigma * detections.range_m
        )

    def _correct(self, rows, columns, detections: Detections, sigma: np.ndarray) -> None:
        if rows.size == 0:
            return
        seen = self._state.take(rows)
        hits = np.array([self.tracks[i].hits for i in rows])
        evidence = weigh_motion(seen, hits, detections, columns, self.config)
        motion_models.correct(seen, detections.position[columns], sigma[columns], evidence)
        self._state.put(rows, seen)
        self._note(rows, columns, detections)

    def _find_again(self, rows, columns, detections: Detections):
        """
        Assign detections that are left over to the tracks of walkers just lost, as a second stage.

        Who brakes or turns round unseen is not where the track coasts to, but no farther from where
        it was last seen than it can have gone. A pole that comes into view there is nobody: it
        stands on ground that was never free.
        """
        lost = np.flatnonzero(self._just_moved() & _without(len(self.tracks), rows))
        pole = detections.tall | (detections.fresh < FRESH_LONG)
        left = np.flatnonzero(
            (detections.length_m < SMALL_M) & ~pole & _without(len(detections.thing), columns)
        )
        if lost.size == 0 or left.size == 0:
            return lost[:0], left[:0]
        seen_at, unseen_s = self._last_seen(lost)
        dx = seen_at[:, 0, None] - detections.position[left, 0]
        dy = seen_at[:, 1, None] - detections.position[left, 1]
        distance = np.hypot(dx, dy)
        reach = self.config.gate_min_m + WALKS_MPS * unseen_s
        i, j = assign(distance, distance < reach[:, None], OUT_OF_REACH_M)
        return lost[i], left[j]

    def _last_seen(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give where (N, 2) and how long ago (N,) tracks were last seen."""
        seen_at = np.array([self.tracks[i].seen_at for i in rows])
        return seen_at, self.stamp_s - np.array([self.tracks[i].seen_s for i in rows])

    def _restart(self, rows, columns, detections: Detections, sigma: np.ndarray) -> None:
        """Begin the motion of things found again anew, at the mean velocity since last seen."""
        if rows.size == 0:
            return
        position = detections.position[columns]
        speed_sigma = np.full(rows.size, self.config.speed_prior_mps)
        state = motion_models.start(position, sigma[columns], speed_sigma)
        seen_at, unseen_s = self._last_seen(rows)
        state.moving[:, 2:] = (position - seen_at) / unseen_s[:, None]
        self._state.put(rows, state)
        self._note(rows, columns, detections)

    def _note(self, rows, columns, detections: Detections) -> None:
        """Note what was seen of tracks."""
        for i, j, *sizes, range_m in zip(
            rows.tolist(),
            columns.tolist(),
            detections.length_m[columns].tolist(),
            detections.width_m[columns].tolist(),
            detections.height_m[columns].tolist(),
            detections.range_m[columns].tolist(),
            strict=True,
        ):
            track = self.tracks[i]
            track.seen_s = self.stamp_s
            track.seen_at = detections.position[j]
            track.hits += 1
            track.visible_misses = 0
            track.thing = int(detections.thing[j])
            track.range_m = range_m
            track.grow(*sizes)
            track.outline = detections.outline[j]

    def _miss(self, rows: np.ndarray, p_before: np.ndarray, seen_free) -> None:
        """Carry on what was not seen; it is not thought to stop because it is hidden."""
        if rows.size == 0:
            return
        self._state.p_moving[rows] = p_before[rows]
        visible = seen_free(self._positions(self._moving())[rows])
        for i, free in zip(rows.tolist(), visible.tolist(), strict=True):
            self.tracks[i].thing = -1
            self.tracks[i].visible_misses += free

    def _end(self) -> None:
        c = self.config
        keep = np.array(
            [
                self.stamp_s - t.seen_s
                <= (c.coast_s if t.hits >= PROVEN_HITS else c.coast_tentative_s)
                and t.visible_misses < VISIBLE_MISSES_MAX
                for t in self.tracks
            ],
            bool,
        )
        if not keep.all():
            self._keep(np.flatnonzero(keep))

    def _keep(self, rows: np.ndarray) -> None:
        self.tracks = [self.tracks[i] for i in rows]
        self._state = self._state.take(rows)

    def _begin(self, columns: np.ndarray, detections: Detections, sigma: np.ndarray) -> None:
        columns = self._make_room(columns, detections)
        if columns.size == 0:
            return
        traffic = (detections.length_m[columns] > SMALL_M) | (detections.range_m[columns] > FAR_M)
        speed_sigma = np.where(traffic, ROAD_SPEED_SIGMA_MPS, self.config.speed_prior_mps)
        self._state = self._state.join(
            motion_models.start(detections.position[columns], sigma[columns], speed_sigma)
        )
        for j in columns:
            self.tracks.append(
                Track(
                    self._next_id,
                    self.stamp_s,
                    self.stamp_s,
                    detections.position[j],
                    1,
                    float(detections.length_m[j]),
                    float(detections.width_m[j]),
                    float(detections.height_m[j]),
                    detections.outline[j],
                    int(detections.thing[j]),
                    float(detections.range_m[j]),
                )
            )
            self._next_id += 1

    def _make_room(self, columns: np.ndarray, detections: Detections) -> np.ndarray:
        """
        Give the new things that get a track, the nearest first.

        The nearest of tracks and new things have room: the farthest tracks give way.
        """
        n = len(self.tracks)
        range_m = np.append([t.range_m for t in self.tracks], detections.range_m[columns])
        stay = np.argsort(range_m, kind="stable")[: self.config.tracks_max]
        rows = np.sort(stay[stay < n])
        if len(rows) < n:
            self.dropped += n - len(rows)
            self._keep(rows)
        return columns[stay[stay >= n] - n]

    def _judge(self) -> None:
        """Confirm tracks and note motion."""
        now = self._moving()
        speed = np.hypot(self._state.moving[:, 2], self._state.moving[:, 3])
        for track, moves, v in zip(self.tracks, now, speed.tolist(), strict=True):
            track.confirmed |= (
                track.hits >= self.config.confirm_hits or track.range_m < self.config.confirm_near_m
            )
            if moves:
                track.moved_s = self.stamp_s
                track.moved_scans += 1
                if track.hits >= 5:
                    track.top_speed_mps = max(0.98 * track.top_speed_mps, v)
        moved_s = np.array([t.moved_s for t in self.tracks])
        self.moving = now | (self.stamp_s - moved_s < GAIT_S)


def _without(count: int, taken: np.ndarray) -> np.ndarray:
    """Give a mask (count,) that is false where taken."""
    free = np.ones(count, bool)
    free[taken] = False
    return free


def _others(count: int, taken: np.ndarray) -> np.ndarray:
    """Give the numbers below `count` that are not taken."""
    return np.flatnonzero(_without(count, taken))


def _like_a_person(track: Track) -> bool:
    """Tell by its shape whether a thing that never moved may be somebody who stands."""
    slim_pole = track.width_m < 0.2 and track.height_m > 2.0
    high = track.height_m >= PERSON_HEIGHT_MIN_M
    return high and track.width_m >= PERSON_WIDTH_MIN_M and not slim_pole
