"""
Cars and cyclists on the roads.

They keep right at the road's limit and follow each other by the intelligent driver model (Treiber,
Hennecke and Helbing 2000). The rule at crossings: all stop at red; at crossings without signals a
driver who gives way (90 %) stops for anybody on the crossing or within 1.5 m of its kerbs; all
brake, as hard as they can, for what is in their lane.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from lastmile.geometry import polyline
from lastmile.maps.site import Road, Site
from lastmile.simulation.scenario import TrafficScenario
from lastmile.simulation.signals import Crossing, Signals

NEAR_M, FAR_M, GONE_M = 50.0, 140.0, 180.0
ACCELERATION, COMFORT_BRAKING, HARD_BRAKING = 1.6, 2.0, 6.5
BRAKING_MEAN_MPS2 = math.sqrt(ACCELERATION * COMFORT_BRAKING)
HEADWAY_S, STANDSTILL_GAP_M = 1.4, 2.0
KERB_WAIT_M = 1.5
LANE_HALF_M = 1.5
WAY_M = 350.0
PARKING_WIDTH_M, PARKING_ONEWAY_WIDTH_M = 8.2, 6.0
"""Roads at least this wide have room for vehicles parked at both kerbs and the lanes between."""


@dataclass(slots=True)
class Vehicle:
    """
    A car or cyclist: its way, place on it, and the driver's habits.

    The way is in lists: looking one place up in them is ten times as quick as in arrays.
    """

    id: int
    length: float
    width: float
    height: float
    arcs: list[float]
    x: list[float]
    y: list[float]
    limits: list[float]
    stops: list[tuple[float, Crossing]]
    yields: bool
    top_speed: float
    arc: float
    speed: float
    pose: tuple[float, float, float]

    @property
    def is_cyclist(self) -> bool:
        """Tell bicycles from cars by their length."""
        return self.length < 2.5


class Traffic:
    """All vehicles near the robot; `step` moves them."""

    def __init__(
        self, site: Site, signals: Signals, scenario: TrafficScenario, rng: np.random.Generator
    ) -> None:
        """Index roads by their ends and the crossings on them."""
        self.scenario = scenario
        self.vehicles: list[Vehicle] = []
        self._rng = rng
        self._signals = signals
        self._roads = [r for r in site.roads if polyline.arc_lengths(r.points)[-1] > 3.0]
        self._state = np.zeros((0, 6))
        self._velocities = np.zeros((0, 2))
        self._lanes: dict[tuple[int, bool, bool], np.ndarray] = {}
        self._next_id = 10001
        self._tick = 0
        self._ends: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        for i, road in enumerate(self._roads):
            self._ends.setdefault(_key(road.points[0]), []).append((i, True))
            if not road.oneway:
                self._ends.setdefault(_key(road.points[-1]), []).append((i, False))
        self._crossings = list(signals.crossings.values())
        middles = [crossing.line.mean(axis=0) for crossing in self._crossings]
        self._middles = np.array(middles).reshape(-1, 2)
        unsignalled = [c for c in signals.crossings.values() if c.cycle_s <= 0.0]
        self._unsignalled = [c.id for c in unsignalled]
        self._unsignalled_lines = np.array([c.line for c in unsignalled]).reshape(-1, 2, 2)
        fine = [polyline.resample(r.points, 10.0) for r in self._roads]
        self._places = np.concatenate(fine) if fine else np.zeros((0, 2))
        self._owner = np.repeat(np.arange(len(fine)), [len(p) for p in fine])

    def step(
        self, stamp_s: float, dt_s: float, people: np.ndarray, pose_map_base: np.ndarray
    ) -> None:
        """Move all vehicles by `dt_s`; `people` (P, 2) and the robot are given way to."""
        robot = pose_map_base[:2]
        if self._tick % 10 == 0:
            self._refresh(robot)
        self._tick += 1
        if self.vehicles:
            self._drive(stamp_s, dt_s, np.vstack([people, robot]))
            self.vehicles = [v for v in self.vehicles if v.arc < v.arcs[-1] - 2.0]
        rows = [(v.id, *v.pose, v.speed, v.length) for v in self.vehicles]
        self._state = np.array(rows, dtype=float).reshape(-1, 6)
        yaws, speeds = self._state[:, 3], self._state[:, 4]
        self._velocities = speeds[:, None] * np.column_stack([np.cos(yaws), np.sin(yaws)])

    def state(self, since_s: float = 0.0) -> np.ndarray:
        """Vehicles (V, 6): id, x, y, yaw, speed, length, `since_s` after the last step."""
        state = self._state.copy()
        state[:, 1:3] += since_s * self._velocities
        return state

    def _drive(self, stamp_s: float, dt_s: float, walkers: np.ndarray) -> None:
        """Move all on; `walkers` (P, 2) are the people, and the robot at last."""
        busy = self._busy_crossings(walkers)
        poses = np.array([v.pose for v in self.vehicles])
        sizes = np.array([(v.length, v.width) for v in self.vehicles])
        gaps, leaders = _leaders(poses, sizes[:, 0])
        walker_gaps = _walker_gaps(poses, sizes, walkers)
        speeds = [v.speed for v in self.vehicles]
        for vehicle, gap, leader, walker_gap in zip(
            self.vehicles, gaps.tolist(), leaders.tolist(), walker_gaps.tolist(), strict=True
        ):
            ahead_speed = speeds[leader]
            if walker_gap <= gap:
                gap, ahead_speed = walker_gap, 0.0
            stop = self._stop_line(vehicle, stamp_s, busy)
            acceleration = _follow(vehicle, gap, ahead_speed)
            if stop < math.inf:
                acceleration = min(acceleration, _follow(vehicle, stop, 0.0))
            vehicle.speed = max(0.0, vehicle.speed + dt_s * acceleration)
            if vehicle.speed > 0.0:
                vehicle.arc += dt_s * vehicle.speed
                vehicle.pose = _pose(vehicle)

    def _refresh(self, robot: np.ndarray) -> None:
        """Drop vehicles that are far off; add others."""
        x, y = robot.tolist()
        self.vehicles = [
            v for v in self.vehicles if math.hypot(v.pose[0] - x, v.pose[1] - y) < GONE_M
        ]
        cyclists = sum(v.is_cyclist for v in self.vehicles)
        cars = len(self.vehicles) - cyclists
        least = 25.0 if self._tick == 0 else NEAR_M
        for _ in range(self.scenario.cars - cars):
            self._spawn(robot, least, cyclist=False)
        for _ in range(self.scenario.cyclists - cyclists):
            self._spawn(robot, least, cyclist=True)

    def _spawn(self, robot: np.ndarray, least: float, cyclist: bool) -> None:
        distance = np.hypot(*(self._places - robot).T)
        candidates = np.flatnonzero((distance > least) & (distance < FAR_M))
        if len(candidates) == 0:
            return
        place = int(candidates[self._rng.integers(len(candidates))])
        index = int(self._owner[place])
        forward = self._roads[index].oneway or bool(self._rng.random() < 0.5)
        points, limits = self._way(index, forward, cyclist)
        arcs = polyline.arc_lengths(points)
        start = int(np.argmin(np.hypot(*(points - self._places[place]).T)))
        if arcs[-1] - arcs[start] < 20.0:
            return
        others = np.array([v.pose[:2] for v in self.vehicles]).reshape(-1, 2)
        if len(others) and np.hypot(*(others - points[start]).T).min() < 14.0:
            return
        top = float(self._rng.uniform(4.0, 6.5)) if cyclist else 20.0
        length, width, height = (1.8, 0.6, 1.7) if cyclist else (4.5, 1.8, 1.5)
        vehicle = Vehicle(
            id=self._next_id,
            length=length,
            width=width,
            height=height,
            arcs=arcs.tolist(),
            x=points[:, 0].tolist(),
            y=points[:, 1].tolist(),
            limits=limits.tolist(),
            stops=self._stops(points, arcs),
            yields=bool(self._rng.random() < self.scenario.yielding_ratio),
            top_speed=top * float(self._rng.uniform(0.85, 1.0)),
            arc=float(arcs[start]),
            speed=0.6 * min(top, float(limits[start])),
            pose=(0.0, 0.0, 0.0),
        )
        vehicle.pose = _pose(vehicle)
        self._next_id += 1
        self.vehicles.append(vehicle)

    def _way(self, index: int, forward: bool, cyclist: bool) -> tuple[np.ndarray, np.ndarray]:
        """Drive on over roads that join end to end, straight on by preference."""
        pieces, limits, length = [], [], 0.0
        while True:
            road = self._roads[index]
            lane = self._lane(index, forward, cyclist)
            pieces.append(lane)
            limits.append(np.full(len(lane), road.speed_mps))
            length += float(polyline.arc_lengths(lane)[-1])
            end = road.points[-1] if forward else road.points[0]
            onward = [(i, f) for i, f in self._ends.get(_key(end), []) if i != index]
            if length > WAY_M or not onward:
                break
            last = lane[-1] - lane[-2]
            turns = [abs(_turn(last, _first(self._roads[i], f))) for i, f in onward]
            weights = np.exp(-2.0 * np.array(turns))
            chosen = self._rng.choice(len(onward), p=weights / weights.sum())
            index, forward = onward[chosen]
        points = polyline.resample(np.concatenate(pieces), 2.0)
        share = np.linspace(0.0, 1.0, len(points))
        merged = np.concatenate(limits)
        limit = np.interp(share, np.linspace(0.0, 1.0, len(merged)), merged)
        return points, np.minimum(limit, _corner_speed(points))

    def _lane(self, index: int, forward: bool, cyclist: bool) -> np.ndarray:
        """Middle of a road's right lane, worked out once."""
        key = index, forward, cyclist
        if key not in self._lanes:
            self._lanes[key] = _lane(self._roads[index], forward, cyclist)
        return self._lanes[key]

    def _stops(self, points: np.ndarray, arcs: np.ndarray) -> list[tuple[float, Crossing]]:
        """Find the crossings that a way crosses, with the arc length where."""
        stops = []
        low, high = points.min(axis=0) - 15.0, points.max(axis=0) + 15.0
        near = ((self._middles >= low) & (self._middles <= high)).all(axis=1)
        for i in np.flatnonzero(near):
            if np.abs(points - self._middles[i]).max(axis=1).min() > 15.0:
                continue
            hit = _first_meeting(points, arcs, self._crossings[i].line)
            if hit is not None:
                stops.append((hit, self._crossings[i]))
        return sorted(stops, key=lambda stop: stop[0])

    def _busy_crossings(self, walkers: np.ndarray) -> set[str]:
        """Crossings without signals that somebody walks on or is about to enter."""
        a = self._unsignalled_lines[:, 0]
        d = self._unsignalled_lines[:, 1] - a
        robot = walkers[-1]
        near = np.flatnonzero((np.abs(a - robot) < FAR_M).all(axis=1))
        if len(near) == 0:
            return set()
        away = walkers[None] - a[near, None]
        d = d[near, None]
        t = np.clip((away * d).sum(axis=2) / np.maximum((d * d).sum(axis=2), 1e-9), 0.0, 1.0)
        gap2 = ((away - t[..., None] * d) ** 2).sum(axis=2)
        busy = near[(gap2 < KERB_WAIT_M**2).any(axis=1)]
        return {self._unsignalled[i] for i in busy}

    def _stop_line(self, vehicle: Vehicle, stamp_s: float, busy: set[str]) -> float:
        """Gap to the next line to stop at, inf when the way is free."""
        nose = vehicle.arc + 0.5 * vehicle.length
        for arc, crossing in vehicle.stops:
            gap = arc - 3.0 - nose
            if gap < -1.0 or gap > 70.0:
                continue
            # Too late to stop without an emergency: drive on.
            if vehicle.speed**2 / (2.0 * max(gap, 0.1)) > 4.5:
                continue
            must = not crossing.cars_may_go(stamp_s)
            if must or (crossing.id in busy and vehicle.yields):
                return max(gap, 0.05) + STANDSTILL_GAP_M
        return float("inf")


def _leaders(poses: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gap (V,) to the next vehicle ahead in the same lane and sense, inf without, and its index."""
    ahead, side = _in_front(poses, poses[:, :2])
    same = np.cos(poses[None, :, 2] - poses[:, None, 2]) > 0.3
    candidate = (ahead > 0.5) & (np.abs(side) < LANE_HALF_M) & same & (ahead < 60.0)
    np.fill_diagonal(candidate, False)
    gaps = np.where(candidate, ahead - 0.5 * (lengths + lengths[:, None]), np.inf)
    leaders = gaps.argmin(axis=1)
    return np.maximum(0.05, gaps[np.arange(len(poses)), leaders]), leaders


def _walker_gaps(poses: np.ndarray, sizes: np.ndarray, walkers: np.ndarray) -> np.ndarray:
    """Gap (V,) to the next walker (P, 2) in each vehicle's way, inf without."""
    ahead, side = _in_front(poses, walkers)
    half_length, half_width = 0.5 * sizes.T[..., None]
    near = (ahead > 0.0) & (ahead < 40.0) & (np.abs(side) < half_width + 0.6)
    return np.maximum(0.05, np.where(near, ahead - half_length, np.inf).min(axis=1))


def _follow(vehicle: Vehicle, gap: float, ahead_speed: float) -> float:
    """Acceleration by the intelligent driver model, bounded by hard braking."""
    speed = vehicle.speed
    k, share = _segment(vehicle.arcs, vehicle.arc + 2.0 * speed)
    limit = vehicle.limits[k] + share * (vehicle.limits[k + 1] - vehicle.limits[k])
    free = 1.0 - (speed / max(0.5, min(limit, vehicle.top_speed))) ** 4
    closing = speed - ahead_speed
    wanted = STANDSTILL_GAP_M + max(
        0.0, speed * HEADWAY_S + speed * closing / (2.0 * BRAKING_MEAN_MPS2)
    )
    # A way without an end ahead has a gap of inf, and the share of it is zero.
    acceleration = ACCELERATION * (free - (wanted / gap) ** 2)
    return min(max(acceleration, -HARD_BRAKING), ACCELERATION)


def _pose(vehicle: Vehicle) -> tuple[float, float, float]:
    """Place of the middle, heading from the rear axle to the front one."""
    half = 0.3 * vehicle.length
    rear, middle, front = (_place(vehicle, vehicle.arc + shift) for shift in (-half, 0.0, half))
    return *middle, math.atan2(front[1] - rear[1], front[0] - rear[0])


def _place(vehicle: Vehicle, arc: float) -> tuple[float, float]:
    k, share = _segment(vehicle.arcs, arc)
    x, y = vehicle.x, vehicle.y
    return x[k] + share * (x[k + 1] - x[k]), y[k] + share * (y[k + 1] - y[k])


def _segment(arcs: list[float], arc: float) -> tuple[int, float]:
    """Segment of a way that holds an arc length, and the share of it; held at the ends."""
    k = min(max(bisect_right(arcs, arc) - 1, 0), len(arcs) - 2)
    return k, min(max((arc - arcs[k]) / (arcs[k + 1] - arcs[k]), 0.0), 1.0)


def _in_front(poses: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far points (P, 2) lie ahead and to the left of poses (V, 3), (V, P) each."""
    x, y = (points.T[:, None] - poses.T[:2, :, None])
    c, s = np.cos(poses[:, 2, None]), np.sin(poses[:, 2, None])
    return c * x + s * y, c * y - s * x


def _key(point: np.ndarray) -> tuple[int, int]:
    return (round(float(point[0]) * 2), round(float(point[1]) * 2))


def _lane(road: Road, forward: bool, cyclist: bool) -> np.ndarray:
    """Middle of the right lane in driving sense; cyclists keep further right."""
    points = road.points if forward else road.points[::-1]
    fine = polyline.resample(points, 4.0)
    along = np.gradient(fine, axis=0)
    normal = np.column_stack([along[:, 1], -along[:, 0]])
    normal /= np.maximum(np.hypot(*normal.T), 1e-6)[:, None]
    offset = 0.0 if road.oneway else 0.25 * road.width_m
    if not road.oneway and road.width_m >= PARKING_WIDTH_M:
        offset = min(offset, max(0.95, 0.5 * road.width_m - 3.1))
    if cyclist:
        offset = min(offset + 0.5, 0.5 * road.width_m - 0.6)
    return fine + offset * normal


def _first(road: Road, forward: bool) -> np.ndarray:
    points = road.points if forward else road.points[::-1]
    return points[1] - points[0]


def _turn(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b))


def _corner_speed(points: np.ndarray) -> np.ndarray:
    """Speed that keeps 2 m/s2 across in the bends, smoothed over the way into them."""
    yaw = polyline.headings(points)
    bend = np.abs(np.gradient(yaw)) / 2.0
    bend = np.convolve(bend, np.ones(3) / 3.0, mode="same")
    return np.maximum(2.5, np.sqrt(2.0 / np.maximum(bend, 1e-4)))


def _first_meeting(points: np.ndarray, arcs: np.ndarray, line: np.ndarray) -> float | None:
    """Arc length at which a polyline first crosses a segment."""
    a, b = points[:-1], points[1:]
    d, e = b - a, line[1] - line[0]
    cross = d[:, 0] * e[1] - d[:, 1] * e[0]
    w = line[0] - a
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (w[:, 0] * e[1] - w[:, 1] * e[0]) / cross
        s = (w[:, 0] * d[:, 1] - w[:, 1] * d[:, 0]) / cross
    hits = np.flatnonzero((t >= 0.0) & (t <= 1.0) & (s >= -0.1) & (s <= 1.1))
    if len(hits) == 0:
        return None
    i = int(hits[0])
    return float(arcs[i] + t[i] * (arcs[i + 1] - arcs[i]))
