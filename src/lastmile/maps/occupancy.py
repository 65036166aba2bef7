"""
The static map on a grid, drawn from footprints and lockers.

A lidar sees facades, not what is behind them: outlines are occupied, the inside of a closed
outline is unknown, everything else is free. Kerbs are too low to be drawn.
"""

from __future__ import annotations

import cv2
import numpy as np

from lastmile.maps.lockers import locker_outline
from lastmile.maps.site import POINT_RADIUS_M, Footprint, Locker, OccupancyMap

FREE, OCCUPIED, UNKNOWN = 0, 100, -1

_FRACTION_BITS = 6
"""OpenCV draws with vertices in 1/64 of a cell."""


def rasterise(
    footprints: tuple[Footprint, ...],
    lockers: tuple[Locker, ...],
    low: np.ndarray,
    high: np.ndarray,
    resolution_m: float,
) -> OccupancyMap:
    """
    Draw what stands on the ground between two corners.

    Parameters
    ----------
    low, high : ndarray, shape (2,)
        Corners in map; the lower one becomes the outer corner of cell (0, 0).
    resolution_m : float
        Side of a cell.

    Raises
    ------
    ValueError
        If the resolution is not positive or the corners enclose nothing.

    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    if not resolution_m > 0.0:
        raise ValueError(f"resolution is {resolution_m!r} m, it must be positive")
    columns, rows = np.ceil((high - low) / resolution_m - 1e-9).astype(int)
    if columns <= 0 or rows <= 0:
        raise ValueError(f"corners {low} and {high} enclose no area")
    cells = np.zeros((rows, columns), np.uint8)
    image = _Canvas(cells, low, resolution_m)
    outlines = [f for f in footprints if f.closed]
    for outline in outlines:
        image.fill(outline.points, 255)
    for outline in outlines:
        image.line(outline.points, closed=True)
    for locker in lockers:
        image.fill(locker_outline(locker), OCCUPIED)
    for footprint in footprints:
        if len(footprint.points) == 1:
            image.disc(footprint.points[0], POINT_RADIUS_M[footprint.kind])
        elif not footprint.closed and footprint.kind != "kerb":
            image.line(footprint.points, closed=False)
    return OccupancyMap(low, float(resolution_m), cells.view(np.int8))


class _Canvas:
    """A grid that shapes given in map are drawn on."""

    def __init__(self, cells: np.ndarray, origin: np.ndarray, resolution_m: float) -> None:
        self._cells = cells
        self._origin = origin
        self._resolution_m = resolution_m

    def fill(self, points: np.ndarray, value: int) -> None:
        cv2.fillPoly(self._cells, [self._pixels(points)], value, cv2.LINE_8, _FRACTION_BITS)

    def line(self, points: np.ndarray, closed: bool) -> None:
        pixels = [self._pixels(points)]
        cv2.polylines(self._cells, pixels, closed, OCCUPIED, 1, cv2.LINE_8, _FRACTION_BITS)

    def disc(self, centre: np.ndarray, radius_m: float) -> None:
        x, y = self._pixels(centre[None])[0].tolist()
        radius = round(radius_m / self._resolution_m * (1 << _FRACTION_BITS))
        cv2.circle(self._cells, (x, y), radius, OCCUPIED, -1, cv2.LINE_8, _FRACTION_BITS)

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        # OpenCV's pixel (0, 0) has its centre at the integer, ours at half a cell.
        cells = (points - self._origin) / self._resolution_m - 0.5
        return np.round(cells * (1 << _FRACTION_BITS)).astype(np.int32)
