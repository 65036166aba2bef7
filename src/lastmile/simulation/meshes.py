"""Triangles (N, 3, 3) of simple bodies."""

from __future__ import annotations

import numpy as np
import shapely

NO_TRIANGLES = np.zeros((0, 3, 3))


def rectangle(centre: np.ndarray, yaw: float, length: float, width: float) -> shapely.Polygon:
    """Outline of a box on the ground, counter-clockwise."""
    c, s = np.cos(yaw), np.sin(yaw)
    half = 0.5 * np.array([[-length, -width], [length, -width], [length, width], [-length, width]])
    return shapely.Polygon(half @ np.array([[c, s], [-s, c]]) + np.asarray(centre)[:2])


def walls(outline: shapely.Geometry, bottom: float, top: float) -> np.ndarray:
    """Vertical walls over all rings of polygons or along lines."""
    parts = shapely.get_parts(np.atleast_1d(outline))
    lines = shapely.get_parts(shapely.boundary(parts[shapely.get_dimensions(parts) == 2]))
    lines = np.concatenate([lines, parts[shapely.get_dimensions(parts) == 1]])
    if len(lines) == 0:
        return NO_TRIANGLES
    coordinates, index = shapely.get_coordinates(lines, return_index=True)
    same = index[1:] == index[:-1]
    a, b = coordinates[:-1][same], coordinates[1:][same]
    return strips(a, b, np.full(len(a), bottom), np.full(len(a), top), np.full(len(a), top))


def strips(
    a: np.ndarray, b: np.ndarray, bottom: np.ndarray, top_a: np.ndarray, top_b: np.ndarray
) -> np.ndarray:
    """Vertical quadrilaterals over segments a-b (N, 2) from `bottom` to the tops at both ends."""
    a0, b0 = np.column_stack([a, bottom]), np.column_stack([b, bottom])
    a1, b1 = np.column_stack([a, top_a]), np.column_stack([b, top_b])
    return np.concatenate([np.stack([a0, b0, b1], axis=1), np.stack([a0, b1, a1], axis=1)])


def flat(area: shapely.Geometry, height: float) -> np.ndarray:
    """Cover a plane area at one height."""
    return surface(area, lambda points: np.full(len(points), height))


def surface(area: shapely.Geometry, height_of) -> np.ndarray:
    """Cover an area with triangles whose corners lie at `height_of(points (N, 2))`."""
    polygons = shapely.get_parts(area)
    polygons = polygons[shapely.get_dimensions(polygons) == 2]
    if len(polygons) == 0:
        return NO_TRIANGLES
    pieces = shapely.get_parts(shapely.constrained_delaunay_triangles(polygons))
    corners = shapely.get_coordinates(pieces).reshape(-1, 4, 2)[:, :3]
    heights = np.asarray(height_of(corners.reshape(-1, 2))).reshape(-1, 3, 1)
    return np.concatenate([corners, heights], axis=2)


def prism(outline: shapely.Polygon, bottom: float, top: float) -> np.ndarray:
    """Walls and lid over an outline."""
    return np.concatenate([walls(outline, bottom, top), flat(outline, top)])


def column(centre: np.ndarray, radius: float, bottom: float, top: float, sides: int = 8):
    """Give an upright column with a lid, cheap enough to be made anew for each scan."""
    angles = np.arange(sides) * (2.0 * np.pi / sides)
    ring = np.asarray(centre)[:2] + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    following = np.roll(ring, -1, axis=0)
    full = np.full(sides, top)
    sheet = strips(ring, following, np.full(sides, bottom), full, full)
    middle = np.tile(np.append(np.asarray(centre)[:2], top), (sides, 1))
    lid = np.stack(
        [np.column_stack([ring, full]), np.column_stack([following, full]), middle], axis=1
    )
    return np.concatenate([sheet, lid])


def box(centre: np.ndarray, yaw: float, size: tuple[float, float], bottom: float, top: float):
    """Walls and lid of a turned box."""
    corners = np.asarray(rectangle(centre, yaw, *size).exterior.coords)[:4]
    following = np.roll(corners, -1, axis=0)
    full = np.full(4, top)
    lid = np.column_stack([corners, full])
    return np.concatenate(
        [strips(corners, following, np.full(4, bottom), full, full), lid[[[0, 1, 2], [0, 2, 3]]]]
    )
