"""Distance fields of occupancy maps: how far the nearest mapped surface is from a point."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.maps.site import OccupancyMap

SIGHT_M = 0.5
"""An occupied cell farther than this from free space is not seen."""


@dataclass(frozen=True, slots=True)
class DistanceField:
    """
    Distance to the nearest surface of a map, on a grid.

    `distance` is float32 (rows, columns) [m], cut off at `limit_m`; `centre` (2,) is the middle of
    cell (0, 0) in map, row 0 is the smallest y.
    """

    centre: np.ndarray
    resolution_m: float
    limit_m: float
    distance: np.ndarray


def distance_field(occupancy: OccupancyMap, limit_m: float) -> DistanceField:
    """
    Compute the distance field of an occupancy map.

    Distances are to the surfaces that a lidar can see, so that a facade that stands inside its
    mapped footprint is pulled outwards and party walls between houses attract nothing.

    Raises
    ------
    ValueError
        If the map is empty, its cells are not two-dimensional, or the limit is not positive.

    """
    if occupancy.cells.ndim != 2 or occupancy.cells.size == 0:
        raise ValueError(
            f"map has cells of shape {occupancy.cells.shape}, it must be 2D, not empty"
        )
    if not limit_m > 0.0:
        raise ValueError(f"limit is {limit_m!r} m, it must be positive")
    surface = surface_cells(occupancy)
    if surface.any():
        distance = cv2.distanceTransform((~surface).astype(np.uint8), cv2.DIST_L2, 5)
        distance *= np.float32(occupancy.resolution_m)
        np.minimum(distance, np.float32(limit_m), out=distance)
    else:
        distance = np.full(surface.shape, limit_m, dtype=np.float32)
    return DistanceField(
        centre=np.asarray(occupancy.origin, dtype=float) + 0.5 * occupancy.resolution_m,
        resolution_m=float(occupancy.resolution_m),
        limit_m=float(limit_m),
        distance=distance,
    )


def surface_cells(occupancy: OccupancyMap) -> np.ndarray:
    """Mark the occupied cells on the rim of what is occupied, near a free one where any is free."""
    occupied = occupancy.cells == 100
    inside = np.zeros_like(occupied)
    inside[1:-1, 1:-1] = (
        occupied[:-2, 1:-1] & occupied[2:, 1:-1] & occupied[1:-1, :-2] & occupied[1:-1, 2:]
    )
    surface = occupied & ~inside
    free = (occupancy.cells == 0).astype(np.uint8)
    if free.any():
        side = 2 * max(1, round(SIGHT_M / occupancy.resolution_m)) + 1
        surface &= cv2.dilate(free, np.ones((side, side), np.uint8)) > 0
    return surface


def sample_distance(field: DistanceField, points_map: np.ndarray) -> np.ndarray:
    """Distances (n,) of points (n, 2), bilinear; the limit outside of the map."""
    rows, columns = field.distance.shape
    u = (np.asarray(points_map, dtype=float) - field.centre) / field.resolution_m
    column, row = np.floor(u).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < columns - 1) & (row < rows - 1)
    column, row = np.clip(column, 0, columns - 2), np.clip(row, 0, rows - 2)
    fx, fy = (u - np.stack([column, row], axis=-1)).T
    d = field.distance
    low = (1.0 - fx) * d[row, column] + fx * d[row, column + 1]
    high = (1.0 - fx) * d[row + 1, column] + fx * d[row + 1, column + 1]
    return np.where(inside, (1.0 - fy) * low + fy * high, field.limit_m)
