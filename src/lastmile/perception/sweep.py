"""
Organised clouds brought into `base` at one instant.

A `Sweep` is a range image: row 0 looks at the ground next to the sensor, later rows look farther
out, columns follow the azimuth. All later stages work on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import se2
from lastmile.perception import _sweep
from lastmile.perception.config import InputConfig
from lastmile.types import PointGrid

# What a return is; the kernels write and read these numbers.
NOTHING, TOO_FAR, BODY, UNSORTED, GROUND, OBSTACLE, OVERHEAD = range(7)


class ScanError(ValueError):
    """A cloud that must not be used; the message gives the value and the rule."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """
    One cloud in base at `stamp_s`.

    `points` is float32 (rows, columns, 4): x, y, z in base and the planar distance from the
    sensor [m]. `label` is uint8 (rows, columns). `origin` (3,) is the sensor in base;
    `wraps` tells that the last column neighbours the first.
    """

    stamp_s: float
    points: np.ndarray
    label: np.ndarray
    origin: np.ndarray
    wraps: bool


def make_sweep(
    grid: PointGrid,
    T_base_sensor: np.ndarray,
    twist_base: np.ndarray,
    footprint: np.ndarray,
    config: InputConfig,
    wraps: bool,
) -> Sweep:
    """
    Undo the motion during the turn and take the robot's own body out.

    Every column is moved along the arc of the twist by its offset, so that the sweep shows the
    world as it stood at the grid's stamp.

    Parameters
    ----------
    grid : PointGrid
        A checked cloud; its last row looks nearest to the ground at the robot.
    T_base_sensor : ndarray, shape (4, 4)
        Mount of the cloud's frame.
    twist_base : ndarray, shape (2,)
        v [m/s], yaw rate [rad/s] during the turn.
    footprint : ndarray, shape (K, 2)
        The robot's outline in base.

    Returns
    -------
    Sweep
        Points in base; labels NOTHING, TOO_FAR, BODY or UNSORTED.

    """
    rows, columns = grid.points.shape[:2]
    points = np.empty((rows, columns, 4), np.float32)
    label = np.empty((rows, columns), np.uint8)
    margin = config.body_margin_m
    low, high = footprint.min(axis=0) - margin, footprint.max(axis=0) + margin
    _sweep.to_base(
        np.ascontiguousarray(grid.points, np.float32),
        np.ascontiguousarray(T_base_sensor, float),
        _column_motion(grid.offset_s, twist_base),
        config.range_min_m,
        config.range_max_m,
        low[0],
        high[0],
        low[1],
        high[1],
        config.body_height_m,
        True,
        points,
        label,
    )
    return Sweep(grid.stamp_s, points, label, np.array(T_base_sensor[:3, 3]), wraps)


def _column_motion(offset_s: np.ndarray, twist_base: np.ndarray) -> np.ndarray:
    """Pose (columns, 4: cos, sin, x, y) of base at each column in base at the stamp."""
    offset_s = np.asarray(offset_s, dtype=float)
    poses = np.empty((len(offset_s), 4))
    if (offset_s == offset_s[0]).all():
        # The columns of an image are of one time.
        offset_s = offset_s[:1]
    v, w = float(twist_base[0]), float(twist_base[1])
    half = 0.5 * w * offset_s
    chord = v * offset_s * np.sinc(half / np.pi)
    yaw = 2.0 * half
    poses[:, 0], poses[:, 1] = np.cos(yaw), np.sin(yaw)
    poses[:, 2], poses[:, 3] = chord * np.cos(half), chord * np.sin(half)
    return poses


def check_lidar(grid: PointGrid, config: InputConfig) -> None:
    """
    Refuse a lidar turn that is not what the config says.

    Raises
    ------
    ScanError
        For a wrong frame or shape, offsets that are not finite, no return at all, or a sector
        without any return that is wider than allowed.

    """
    shape = (config.lidar_rings, config.lidar_columns, 3)
    _check_grid(grid, config.lidar_frame, shape)
    seen = np.isfinite(grid.points[:, :, 0]).any(axis=0)
    if not seen.any():
        raise ScanError(f"lidar turn has no return in {seen.size} columns; it must have some")
    widest, at = longest_gap(seen)
    width = 2.0 * np.pi * widest / seen.size
    if width > config.missing_sector_max_rad:
        raise ScanError(
            f"lidar turn misses a sector of {width:.2f} rad from column {at}; "
            f"at most {config.missing_sector_max_rad:g} rad may be missing"
        )


def check_depth(grid: PointGrid, frame_id: str) -> None:
    """Refuse a depth image of the wrong frame or shape."""
    _check_grid(grid, frame_id, None)


def check_returns(grid: PointGrid) -> None:
    """Refuse a checked depth image without any return."""
    if not np.isfinite(grid.points[:, :, 0]).any():
        raise ScanError(f"depth image of {grid.frame_id} has no return; it must have some")


def _check_grid(grid: PointGrid, frame_id: str, shape: tuple[int, int, int] | None) -> None:
    if grid.frame_id != frame_id:
        raise ScanError(f"cloud is in frame {grid.frame_id!r}, it must be in {frame_id!r}")
    points = grid.points
    if not isinstance(points, np.ndarray) or points.ndim != 3 or points.shape[2] != 3:
        raise ScanError(f"cloud has shape {np.shape(points)}, it must be rows x columns x 3")
    if shape is not None and points.shape != shape:
        raise ScanError(f"cloud has shape {points.shape}, it must be {shape}")
    if points.shape[0] < 2 or points.shape[1] < 2:
        raise ScanError(f"cloud has shape {points.shape}, it needs two rows and columns at least")
    if points.dtype != np.float32:
        raise ScanError(f"cloud has points of {points.dtype}, they must be float32")
    if np.shape(grid.offset_s) != (points.shape[1],):
        raise ScanError(
            f"cloud has {np.shape(grid.offset_s)} offsets, it must have {points.shape[1]}"
        )
    if not (np.abs(np.asarray(grid.offset_s, float)) <= 1.0).all():
        raise ScanError("cloud has a column offset that is not within 1 s; offsets must be finite")


def longest_gap(seen: np.ndarray) -> tuple[int, int]:
    """Length and start of the longest run of False in a circle of flags."""
    if seen.all():
        return 0, 0
    hits = np.flatnonzero(seen)
    if hits.size == 0:
        return seen.size, 0
    gaps = np.diff(np.concatenate([hits, hits[:1] + seen.size])) - 1
    i = int(np.argmax(gaps))
    return int(gaps[i]), int((hits[i] + 1) % seen.size)


def odometry_between(before, after, stamp_s: float):
    """
    Give the pose of base in odom and its twist at `stamp_s`.

    `before` and `after` are the odometry estimates on both sides of the stamp, either may be
    missing; with one only, it is carried along its twist.
    """
    if before is not None and after is not None and after.stamp_s > before.stamp_s:
        share = (stamp_s - before.stamp_s) / (after.stamp_s - before.stamp_s)
        step = se2.between(before.pose_odom_base, after.pose_odom_base)
        pose = se2.compose(before.pose_odom_base, share * step)
        twist = (1.0 - share) * before.twist_base + share * after.twist_base
        return pose, np.asarray(twist, float)
    known = before if before is not None else after
    pose = se2.advance(known.pose_odom_base, known.twist_base, stamp_s - known.stamp_s)
    return pose, np.asarray(known.twist_base, float)
