"""Grids of the plane: distance to taken cells, unseen gaps, rolling windows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.geometry import _distance

FAR_M = 5.0


@dataclass(frozen=True, slots=True)
class ClearanceField:
    """
    Signed distance [m] to the blocked cells, float32 (rows, columns), negative inside of them.

    Values belong to the middles of the cells; `origin` is the outer corner of cell (0, 0).
    """

    distance_m: np.ndarray
    origin: np.ndarray
    resolution_m: float

    def sample(self, points: np.ndarray, outside_m: float = -1.0) -> np.ndarray:
        """Bilinear distance at points (..., 2); `outside_m` where the field does not reach."""
        points = np.ascontiguousarray(points, float)
        sampled = np.empty(points.shape[:-1])
        _distance.sample(
            self.distance_m,
            float(self.origin[0]),
            float(self.origin[1]),
            self.resolution_m,
            points.reshape(-1, 2),
            outside_m,
            sampled.reshape(-1),
        )
        return sampled


def clearance_field(
    taken: np.ndarray, origin: np.ndarray, resolution_m: float
) -> ClearanceField:
    """Signed distance to the edge of the nearest taken cell (uint8, 0 or 1), bounded."""
    taken = np.ascontiguousarray(taken, np.uint8)
    far = int(np.ceil(FAR_M / resolution_m)) + 1
    distance = np.sqrt(np.arange(far * far + 1, dtype=np.float32))
    table = np.minimum((distance - np.float32(0.5)) * np.float32(resolution_m), np.float32(FAR_M))
    signed = np.empty(taken.shape, np.float32)
    _distance.signed_distance(taken, table, far, signed)
    return ClearanceField(signed, origin, resolution_m)


def close_gaps(unknown: np.ndarray, gap_m: float, resolution_m: float) -> np.ndarray:
    """Take unseen gaps (uint8, 0 or 1) narrower than `gap_m` for seen."""
    width = int(gap_m / resolution_m + 1e-6)
    if width < 1:
        return unknown
    kernel = np.ones((width + 1, width + 1), np.uint8)
    return cv2.morphologyEx(unknown, cv2.MORPH_OPEN, kernel)


def shifted(grid: np.ndarray, shift: np.ndarray, fill) -> np.ndarray:
    """Move a grid's content when its origin moved by whole cells (x, y)."""
    rows, columns = grid.shape
    out = np.full_like(grid, fill)
    dx, dy = int(shift[0]), int(shift[1])
    if abs(dx) >= columns or abs(dy) >= rows:
        return out
    to = (slice(max(-dy, 0), rows - max(dy, 0)), slice(max(-dx, 0), columns - max(dx, 0)))
    of = (slice(max(dy, 0), rows - max(-dy, 0)), slice(max(dx, 0), columns - max(-dx, 0)))
    out[to] = grid[of]
    return out
