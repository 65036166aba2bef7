"""
One engine against another: the same motions on the same grounds, and what came of them.

Each pattern is driven open loop, through the base's controller; what is compared is where the
robot is in the end, how far it takes to stop, and what its lidar sees.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import wrap_angle
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.drive import FREE, Drive
from lastmile.simulation.engine import Engine
from lastmile.simulation.proving_ground import Terrain, make_town
from lastmile.simulation.range_sensors import lidar_elevations
from lastmile.simulation.rays import RayScene
from lastmile.simulation.sensor_statistics import STANDING
from lastmile.simulation.surroundings import triangles_of
from lastmile.simulation.town import TICK_S, Town, spawn_chance
from lastmile.simulation.world import EngineMaker
from lastmile.types import Command
from lastmile.vehicle.description import RobotDescription

POSITION_RATIO, POSITION_M = 0.02, 0.03
YAW_DEG, STOPPING_RATIO, LIDAR_M = 2.0, 0.05, 0.01
"""How far two engines may be apart."""
NOWHERE_M = 1.5
"""A pattern whose way is shorter than this goes nowhere."""
TURNS = 10
"""Lidar turns whose median is compared."""
STANDING_MPS = 0.005


@dataclass(frozen=True, slots=True)
class Pattern:
    """A motion: parts of (duration [s], speed [m/s], yaw rate [rad/s]) on a ground."""

    name: str
    parts: tuple[tuple[float, float, float], ...]
    terrain: Terrain = Terrain.LEVEL
    stops: bool = False
    """The last part is to stand; the way from its beginning to the stop is measured."""

    @property
    def duration_s(self) -> float:
        """How long it takes."""
        return sum(part[0] for part in self.parts)


PATTERNS = (
    Pattern("straight", ((60.0, 1.4, 0.0),)),
    Pattern("arc left", ((60.0, 1.0, 0.2),)),
    Pattern("arc right", ((60.0, 1.0, -0.2),)),
    Pattern("tight arc", ((60.0, 0.5, 0.8),)),
    Pattern("turn in place", ((60.0, 0.0, 0.8),)),
    Pattern("slow turn in place", ((60.0, 0.0, -0.2),)),
    Pattern("stop from full speed", ((10.0, 1.8, 0.0), (50.0, 0.0, 0.0)), stops=True),
    Pattern("slope up", ((60.0, 1.0, 0.0),), Terrain.SLOPE),
    Pattern("stand on a slope", ((20.0, 0.5, 0.0), (40.0, 0.0, 0.0)), Terrain.SLOPE),
    Pattern("kerb drop", ((20.0, 0.8, 0.0), (40.0, 0.0, 0.0)), Terrain.KERB),
)


@dataclass(frozen=True, slots=True)
class Driven:
    """What came of a pattern: the poses (N, 3) and heights (N,) of each tick, and figures."""

    pattern: str
    poses: np.ndarray
    heights: np.ndarray
    way_m: float
    """Length of the way."""
    stopping_m: float
    """NaN for a pattern that does not stop."""
    tilt_deg: float
    """Greatest tilt of the base."""

    @property
    def turned(self) -> float:
        """Angle turned in all [rad], whole turns included."""
        return float(np.sum(wrap_angle(np.diff(self.poses[:, 2]))))


def drive_pattern(
    make_engine: EngineMaker,
    robot: RobotDescription,
    pattern: Pattern,
    seed: int = 1,
    config: SimulatorConfig | None = None,
) -> Driven:
    """Drive a pattern on an engine."""
    config = config or SimulatorConfig()
    chance = spawn_chance(np.random.default_rng(seed))
    town = make_town(pattern.terrain, robot, chance)
    engine = make_engine(town, robot, config, chance)
    try:
        return _drive(engine, town, pattern, config)
    finally:
        engine.close()


def _drive(engine: Engine, town: Town, pattern: Pattern, config: SimulatorConfig) -> Driven:
    motions = [engine.motion]
    stamp_s, stopping_from = 0.0, 0
    for duration_s, speed, yaw_rate in pattern.parts:
        stopping_from = len(motions) - 1
        for _ in range(round(duration_s / TICK_S)):
            engine.obey(Command(stamp_s, speed, yaw_rate), stamp_s)
            stamp_s += TICK_S
            motion = engine.move(stamp_s, FREE, config.base.friction, STANDING)
            town.step(motion.pose_map_base, frozenset())
            motions.append(motion)
    poses = np.array([motion.pose_map_base for motion in motions])
    up = np.array([motion.T_map_base[2, 2] for motion in motions])
    return Driven(
        pattern=pattern.name,
        poses=poses,
        heights=np.array([motion.T_map_base[2, 3] for motion in motions]),
        way_m=_length(poses),
        stopping_m=_stopping(motions, stopping_from) if pattern.stops else float("nan"),
        tilt_deg=float(np.degrees(np.arccos(np.clip(up.min(), -1.0, 1.0)))),
    )


def _length(poses: np.ndarray) -> float:
    return float(np.hypot(*np.diff(poses[:, :2], axis=0).T).sum())


def _stopping(motions: list, first: int) -> float:
    """Give the way from the command to stand until the robot stands."""
    speeds = np.array([abs(motion.twist_base[0]) for motion in motions[first:]])
    stood = np.flatnonzero(speeds < STANDING_MPS)
    if len(stood) == 0:
        return float("inf")
    return _length(np.array([m.pose_map_base for m in motions[first : first + stood[0] + 1]]))


def ideal_pattern(pattern: Pattern, config: SimulatorConfig | None = None) -> Driven:
    """Give what wheels without slip on level ground would do."""
    config = config or SimulatorConfig()
    drive = Drive(config.base)
    pose, stamp_s = np.zeros(3), 0.0
    poses, speeds, stopping_from = [pose], [0.0], 0
    for duration_s, speed, yaw_rate in pattern.parts:
        stopping_from = len(poses) - 1
        for _ in range(round(duration_s / TICK_S)):
            drive.obey(Command(stamp_s, speed, yaw_rate), stamp_s)
            stamp_s += TICK_S
            v, w = drive.step(stamp_s, TICK_S, FREE)
            heading = pose[2] + 0.5 * TICK_S * w
            pose = pose + TICK_S * np.array([v * np.cos(heading), v * np.sin(heading), w])
            poses.append(pose)
            speeds.append(abs(v))
    path = np.array(poses)
    stopping = float("nan")
    if pattern.stops:
        stood = int(np.flatnonzero(np.array(speeds[stopping_from:]) < STANDING_MPS)[0])
        stopping = _length(path[stopping_from : stopping_from + stood + 1])
    path[:, 2] = wrap_angle(path[:, 2])
    return Driven(pattern.name, path, np.zeros(len(path)), _length(path), stopping, 0.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two engines on one pattern: how far apart, and how far they may be."""

    pattern: str
    position_m: float
    position_limit_m: float
    yaw_deg: float
    stopping_ratio: float
    """NaN for a pattern that does not stop."""

    @property
    def within(self) -> bool:
        """Tell whether all limits are kept."""
        stops_alike = np.isnan(self.stopping_ratio) or self.stopping_ratio <= STOPPING_RATIO
        near = self.position_m <= self.position_limit_m
        return bool(near and self.yaw_deg <= YAW_DEG and stops_alike)


def compare_driven(one: Driven, other: Driven) -> Difference:
    """
    Hold two engines' runs of a pattern against each other, at their ends.

    Raises
    ------
    ValueError
        If they drove different patterns.

    """
    if one.pattern != other.pattern:
        raise ValueError(f"patterns {one.pattern!r} and {other.pattern!r} are not the same")
    way = max(one.way_m, other.way_m)
    apart = one.poses[-1] - other.poses[-1]
    stopping = abs(one.stopping_m - other.stopping_m) / other.stopping_m
    return Difference(
        pattern=one.pattern,
        position_m=float(np.hypot(*apart[:2])),
        position_limit_m=POSITION_RATIO * way if way > NOWHERE_M else POSITION_M,
        # Of the whole turn: a robot that is a full turn behind is not alike.
        yaw_deg=float(np.degrees(abs(one.turned - other.turned))),
        stopping_ratio=float(stopping),
    )


# -------------------------------------------------------------------------------- lidar


@dataclass(frozen=True, slots=True)
class Seen:
    """Median ranges (32, columns) of turns at rest, and what each ray ought to meet."""

    ranges: np.ndarray
    groups: dict[str, np.ndarray]
    """Masks (32, columns) by what is met: walls, people, ground."""
    true_ranges: np.ndarray
    """By rays against the meshes, without noise."""


def look_around(
    make_engine: EngineMaker,
    robot: RobotDescription,
    seed: int = 1,
    config: SimulatorConfig | None = None,
) -> Seen:
    """Let the robot stand among walls and people and take turns of its lidar."""
    config = config or SimulatorConfig()
    chance = spawn_chance(np.random.default_rng(seed))
    town = make_town(Terrain.HALL, robot, chance)
    engine = make_engine(town, robot, config, chance)
    turns = []
    try:
        for tick in range(1, 10 * TURNS + 1):
            stamp_s = tick * TICK_S
            engine.move(stamp_s, FREE, config.base.friction, STANDING)
            town.step(engine.motion.pose_map_base, frozenset())
            if tick % 10 == 0:
                points = engine.turn(stamp_s).points.astype(float)
                turns.append(np.linalg.norm(points, axis=-1))
        T_map_lidar = engine.motion.T_map_base @ robot.mount("lidar_link")
    finally:
        engine.close()
    ranges = np.array(turns)
    ranges[~np.isfinite(ranges)] = np.nan
    counted = np.isfinite(ranges).sum(axis=0)
    median = np.full(ranges.shape[1:], np.nan)
    seen = counted > TURNS // 2
    median[seen] = np.nanmedian(ranges[:, seen], axis=0)
    groups, true_ranges = _what_rays_meet(town, T_map_lidar, config)
    return Seen(median, groups, true_ranges)


def _what_rays_meet(
    town: Town, T_map_lidar: np.ndarray, config: SimulatorConfig
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    directions = ray_directions(config.lidar.columns) @ T_map_lidar[:3, :3].T.astype(np.float32)
    shape = directions.shape[:2]
    directions = np.ascontiguousarray(directions.reshape(-1, 3))
    origins = np.tile(T_map_lidar[:3, 3].astype(np.float32), (len(directions), 1))
    limits = np.full(len(directions), config.lidar.range_max_m, np.float32)
    kinds = {
        "walls": [t for t in town.streets.things if t.name.startswith("wall")],
        "people": [t for t in town.streets.things if t.name.startswith("person")],
    }
    scenes = {kind: RayScene(triangles_of(things)) for kind, things in kinds.items()}
    scenes["ground"] = town.streets.ground_rays
    reach = {
        kind: scene.cast(origins, directions, limits).reshape(shape)
        for kind, scene in scenes.items()
    }
    nearest = functools.reduce(np.minimum, reach.values())
    met = nearest < config.lidar.range_max_m
    return {kind: met & (found == nearest) for kind, found in reach.items()}, nearest


def ray_directions(columns: int) -> np.ndarray:
    """Give the directions (32, columns, 3) of a turn in `lidar_link`."""
    elevation = lidar_elevations()[:, None]
    azimuth = -np.pi + 2.0 * np.pi * np.arange(columns) / columns
    shape = (len(elevation), columns)
    return np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.broadcast_to(np.sin(elevation), shape),
        ],
        axis=-1,
    ).astype(np.float32)


@dataclass(frozen=True, slots=True)
class LidarDifference:
    """Ranges to one kind of thing: median of the differences' sizes, and of the rays compared."""

    kind: str
    median_m: float
    bias_m: float
    rays: int

    @property
    def within(self) -> bool:
        """Tell whether the limit is kept."""
        return self.median_m <= LIDAR_M


def compare_seen(
    one: np.ndarray, other: np.ndarray, groups: dict[str, np.ndarray]
) -> list[LidarDifference]:
    """
    Hold ranges (32, columns) against each other by what was met; rays that both saw count.

    Raises
    ------
    ValueError
        If no ray of both met one of the kinds.

    """
    differences = []
    for kind, mask in groups.items():
        off = (one - other)[mask]
        off = off[np.isfinite(off)]
        if len(off) == 0:
            raise ValueError(f"no ray of both engines met {kind}")
        differences.append(
            LidarDifference(kind, float(np.median(np.abs(off))), float(np.median(off)), len(off))
        )
    return differences
