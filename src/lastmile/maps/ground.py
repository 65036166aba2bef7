"""The plane that an import draws on: vertices by id, with positions in `map`."""

from __future__ import annotations

import numpy as np

from lastmile.geometry.wgs84 import MapProjection
from lastmile.maps.osm_extract import Extract


class Ground:
    """Positions of the extract's nodes in `map`, and of vertices that the import adds."""

    def __init__(self, extract: Extract, projection: MapProjection) -> None:
        ids = list(extract.positions)
        degrees = np.array(list(extract.positions.values()))
        points = projection.to_map(degrees[:, 0], degrees[:, 1])
        self._points = dict(zip(ids, points, strict=True))
        self._next_id = -1

    def add(self, point: np.ndarray) -> int:
        """Make a vertex and return its id, a negative number."""
        vertex = self._next_id
        self._next_id -= 1
        self._points[vertex] = np.asarray(point, dtype=float)
        return vertex

    def move(self, vertex: int, point: np.ndarray) -> None:
        """Put a vertex somewhere else."""
        self._points[vertex] = np.asarray(point, dtype=float)

    def point(self, vertex: int) -> np.ndarray:
        """Position (2,) of a vertex."""
        return self._points[vertex]

    def line(self, vertices) -> np.ndarray:
        """Positions (K, 2) of many vertices."""
        return np.array([self._points[v] for v in vertices]).reshape(-1, 2)
