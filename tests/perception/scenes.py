"""
Analytic scenes: rays of the reference robot's lidar and depth sensors on simple shapes.

Everything is written in the frame `world`; the robot stands at a pose of it. The ground is a
height in terraces (level, edge) so that curbs have vertical faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from tests.robot import FOOTPRINT

from lastmile.types import OdometryEstimate, PointGrid

RINGS, COLUMNS = 32, 1024
LIDAR_HEIGHT = 1.10


def _mount(x, z, pitch):
    """Sensor link: x ahead turned down by pitch."""
    c, s = np.cos(pitch), np.sin(pitch)
    T = np.eye(4)
    T[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    T[:3, 3] = [x, 0, z]
    return T


def _optical(T_base_link):
    T = np.eye(4)
    T[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    return T_base_link @ T


def _turned(T):
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    return turn @ T


MOUNTS = {
    "base_link": np.eye(4),
    "lidar_link": _mount(0.0, LIDAR_HEIGHT, 0.0),
    "depth_front_optical_frame": _optical(_mount(0.35, 0.45, np.pi / 4)),
    "depth_rear_optical_frame": _turned(_optical(_mount(0.35, 0.45, np.pi / 4))),
    "camera_optical_frame": _optical(_mount(0.33, 0.60, 0.0)),
}


@dataclass(frozen=True)
class Robot:
    """What the perception room reads of the robot."""

    footprint: np.ndarray = field(default_factory=lambda: FOOTPRINT)
    mounts: dict = field(default_factory=lambda: MOUNTS)

    def mount(self, frame):
        return self.mounts[frame]


@dataclass(frozen=True)
class Cylinder:
    x: float
    y: float
    radius: float
    height: float
    base: float = 0.0


@dataclass(frozen=True)
class Box:
    """Upright box at x, y with yaw; `base` is the height of its underside."""

    x: float
    y: float
    length: float
    width: float
    height: float
    yaw: float = 0.0
    base: float = 0.0


@dataclass(frozen=True)
class Step:
    """Half plane `normal . (x, y) > offset` in which the ground is `rise` higher."""

    normal: tuple[float, float]
    offset: float
    rise: float


@dataclass(frozen=True)
class Scene:
    things: tuple = ()
    steps: tuple = ()
    slope: tuple[float, float] = (0.0, 0.0)
    """Rise of the ground per metre of x and y."""


def lidar_directions():
    elevation = np.deg2rad(np.concatenate([np.linspace(4, -4, 16), np.linspace(-5, -30, 16)]))
    azimuth = -np.pi + 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    return np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)


def depth_directions(rows=48, columns=64, fov=1.4):
    focal = columns / 2 / np.tan(fov / 2)
    v, u = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    rays = np.stack(
        [(u - columns / 2 + 0.5) / focal, (v - rows / 2 + 0.5) / focal, np.ones(u.shape)], axis=-1
    )
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def scan(
    scene, pose, frame, stamp, rng=None, noise=0.01, range_max=100.0, twist=(0.0, 0.0), turn_s=0.0
):
    """One cloud of `scene` from the robot at `pose` (x, y, yaw, optionally pitch) in world."""
    lidar = frame == "lidar_link"
    directions = lidar_directions() if lidar else depth_directions()
    range_max = range_max if lidar else 4.0
    columns = directions.shape[1]
    offset = turn_s * np.arange(columns) / columns
    distance = np.empty(directions.shape[:2])
    T = MOUNTS[frame]
    groups = (
        [(slice(None), 0.0)]
        if turn_s == 0.0
        else [(slice(k, k + 32), offset[k + 16]) for k in range(0, columns, 32)]
    )
    for part, t in groups:
        T_world_sensor = _pose_matrix(pose, twist, t, scene) @ T
        rays = directions[:, part].reshape(-1, 3) @ T_world_sensor[:3, :3].T
        distance[:, part] = cast(scene, T_world_sensor[:3, 3], rays).reshape(
            directions[:, part].shape[:2]
        )
    if rng is not None:
        distance = distance + rng.normal(0.0, noise, distance.shape)
    with np.errstate(invalid="ignore"):
        points = directions * distance[..., None]
    points[distance > range_max] = np.inf
    shape = points.shape[:2]
    return PointGrid(
        stamp,
        frame,
        points.astype(np.float32),
        np.full(shape, 0.5, np.float32),
        offset.astype(np.float32),
    )


def _pose_matrix(pose, twist, t, scene):
    x, y, yaw = pose[:3]
    x, y, yaw = x + twist[0] * t * np.cos(yaw), y + twist[0] * t * np.sin(yaw), yaw + twist[1] * t
    pitch = pose[3] if len(pose) > 3 else 0.0
    c, s = np.cos(yaw), np.sin(yaw)
    T = np.eye(4)
    T[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ _mount(0, 0, pitch)[:3, :3]
    T[:3, 3] = [x, y, ground_height(scene, np.array([[x, y]]))[0]]
    return T


def ground_height(scene, xy):
    z = xy @ np.asarray(scene.slope, float)
    for step in scene.steps:
        z = z + np.where(xy @ np.asarray(step.normal) > step.offset, step.rise, 0.0)
    return z


def cast(scene, origin, rays):
    """Distance along each ray to the first thing, inf where nothing is hit."""
    best = _terrain(scene, origin, rays)
    for thing in scene.things:
        hit = (
            _cylinder(thing, origin, rays)
            if isinstance(thing, Cylinder)
            else _box(thing, origin, rays)
        )
        best = np.minimum(best, hit)
    return best


def _terrain(scene, origin, rays):
    """Planes of each combination of steps, valid where the combination holds, and step faces."""
    sx, sy = scene.slope
    best = np.full(len(rays), np.inf)
    count = len(scene.steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        for mask in range(2**count):
            rise = sum(s.rise for k, s in enumerate(scene.steps) if mask >> k & 1)
            t = (sx * origin[0] + sy * origin[1] + rise - origin[2]) / (
                rays[:, 2] - sx * rays[:, 0] - sy * rays[:, 1]
            )
            xy = origin[:2] + t[:, None] * rays[:, :2]
            valid = t > 1e-6
            for k, s in enumerate(scene.steps):
                valid &= ((xy @ np.asarray(s.normal)) > s.offset) == bool(mask >> k & 1)
            best = np.where(valid & (t < best), t, best)
        for s in scene.steps:
            n = np.asarray(s.normal)
            t = (s.offset - origin[:2] @ n) / (rays[:, :2] @ n)
            p = origin + t[:, None] * rays
            below = ground_height(scene, p[:, :2] - 1e-4 * n)
            above = ground_height(scene, p[:, :2] + 1e-4 * n)
            valid = (
                (t > 1e-6)
                & (p[:, 2] > np.minimum(below, above))
                & (p[:, 2] < np.maximum(below, above))
            )
            best = np.where(valid & (t < best), t, best)
    return best


def _cylinder(c, origin, rays):
    o = origin[:2] - np.array([c.x, c.y])
    a = (rays[:, :2] ** 2).sum(axis=1)
    b = rays[:, :2] @ o
    k = o @ o - c.radius**2
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - a * k)
        t = (-b - root) / a
        z = origin[2] + t * rays[:, 2]
        side = np.where((t > 0) & (z > c.base) & (z < c.base + c.height), t, np.inf)
        top = (c.base + c.height - origin[2]) / rays[:, 2]
        at = o + top[:, None] * rays[:, :2]
        top = np.where((top > 0) & ((at**2).sum(axis=1) < c.radius**2), top, np.inf)
    return np.fmin(np.where(np.isnan(side), np.inf, side), top)


def _box(b, origin, rays):
    c, s = np.cos(b.yaw), np.sin(b.yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    o = turn @ (origin - np.array([b.x, b.y, b.base + b.height / 2]))
    d = rays @ turn.T
    half = np.array([b.length, b.width, b.height]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        t1, t2 = (-half - o) / d, (half - o) / d
    near = np.nanmax(np.minimum(t1, t2), axis=1)
    far = np.nanmin(np.maximum(t1, t2), axis=1)
    return np.where((near < far) & (near > 0), near, np.inf)


def odometry(stamp, pose, twist=(0.0, 0.0)):
    return OdometryEstimate(
        stamp, np.array(pose[:3], float), np.array(twist, float), np.diag([1e-4, 1e-4])
    )
