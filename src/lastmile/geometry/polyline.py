"""Polylines: arrays (K, 2) of vertices, addressed by arc length in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Projection:
    """Nearest point of a polyline: arc length, signed offset (left positive), heading."""

    arc_m: float
    offset_m: float
    heading: float
    distance_m: float


def arc_lengths(points: np.ndarray) -> np.ndarray:
    """Arc length (K,) of each vertex, starting at zero."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def resample(points: np.ndarray, spacing_m: float) -> np.ndarray:
    """Place vertices at equal distances of at most `spacing_m`; both ends are kept."""
    if not spacing_m > 0.0:
        raise ValueError(f"spacing is {spacing_m!r} m, it must be positive")
    arcs = arc_lengths(points)
    count = max(2, int(np.ceil(arcs[-1] / spacing_m)) + 1)
    return sample(points, np.linspace(0.0, arcs[-1], count))


def sample(points: np.ndarray, arcs_m: np.ndarray) -> np.ndarray:
    """Points (M, 2) at the given arc lengths, held at the ends."""
    arcs = arc_lengths(points)
    return np.stack([np.interp(arcs_m, arcs, points[:, i]) for i in range(2)], axis=-1)


def headings(points: np.ndarray) -> np.ndarray:
    """Heading (K,) of each segment, the last one repeated, unwrapped."""
    d = np.diff(points, axis=0)
    yaw = np.unwrap(np.arctan2(d[:, 1], d[:, 0]))
    return np.concatenate([yaw, yaw[-1:]])


def project(
    points: np.ndarray, point: np.ndarray, start_m: float = -np.inf, end_m: float = np.inf
) -> Projection:
    """
    Find the nearest point of a polyline, within a window of arc length.

    The window keeps the answer on the right branch where a path comes near itself.
    """
    arcs = arc_lengths(points)
    a, b = points[:-1], points[1:]
    d = b - a
    length2 = np.maximum((d * d).sum(axis=1), 1e-12)
    t = np.clip(((point - a) * d).sum(axis=1) / length2, 0.0, 1.0)
    t = np.clip(t, (start_m - arcs[:-1]) / np.sqrt(length2), (end_m - arcs[:-1]) / np.sqrt(length2))
    inside = (arcs[1:] >= start_m) & (arcs[:-1] <= end_m)
    foot = a + np.clip(t, 0.0, 1.0)[:, None] * d
    distance = np.hypot(*(point - foot).T)
    distance = np.where(inside, distance, np.inf)
    i = int(np.argmin(distance))
    heading = float(np.arctan2(d[i, 1], d[i, 0]))
    side = d[i, 0] * (point[1] - foot[i, 1]) - d[i, 1] * (point[0] - foot[i, 0])
    offset = float(np.copysign(distance[i], side))
    arc = float(arcs[i] + np.clip(t[i], 0.0, 1.0) * np.sqrt(length2[i]))
    return Projection(arc, offset, heading, float(distance[i]))
