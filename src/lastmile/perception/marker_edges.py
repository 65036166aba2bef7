"""
Corners of a marker from straight lines fitted to its four edges.

A corner detector looks at a few pixels where blur rounds the corner off, which draws it inwards by
some tenths of a pixel (measured: 2 mm too far at 1 m). Edges have hundreds of pixels and blur does
not move them. Lines are straight only without lens distortion, so they are fitted after it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from lastmile.types import CameraModel

SAMPLES = 40
"""Profiles across each edge."""
END_SHARE = 0.12
"""Part of an edge left out at both ends, where blur rounds it."""
STEP_PX = 0.5
GRADIENT_MIN = 6.0
"""Smallest grey step per pixel of an edge."""
POINTS_MIN = 12
OUTLIER_PX = 0.6


def refine_corners(pixels: np.ndarray, quad: np.ndarray, model: CameraModel) -> np.ndarray | None:
    """
    Refine the corners of a dark square on a bright ground.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    quad : ndarray, shape (4, 2)
        Corners [px] in order round the square, right to about a pixel.

    Returns
    -------
    ndarray, shape (4, 2), or None
        Corners in the normalised plane z = 1 of the camera, without distortion; None where an
        edge cannot be seen.

    """
    K, D = np.asarray(model.K, float), np.asarray(model.D, float)
    reach = min(4.0, 0.05 * float(np.hypot(*(np.roll(quad, -1, axis=0) - quad).T).min()) + 1.0)
    corners = None
    for half_px in (reach, 0.6 * reach + 0.6):
        points, good = _edge_points(pixels, quad, half_px)
        if good.sum(axis=1).min() < POINTS_MIN:
            return None
        flat = cv2.undistortPoints(points.reshape(-1, 1, 2), K, D).reshape(points.shape)
        lines = [_fit_line(flat[k, good[k]], OUTLIER_PX / K[0, 0]) for k in range(4)]
        corners = np.array([_intersect(lines[k - 1], lines[k]) for k in range(4)])
        if not np.isfinite(corners).all():
            return None
        ahead = np.concatenate([corners, np.ones((4, 1))], axis=1)
        quad = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), K, D)[0].reshape(4, 2)
    return corners


def _edge_points(
    pixels: np.ndarray, quad: np.ndarray, half_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """
    Find points of the four edges, where they turn from dark inside to bright outside.

    Gives points (4, SAMPLES, 2) and which of them (4, SAMPLES) lie on an edge.
    """
    along = np.roll(quad, -1, axis=0) - quad
    outward = np.stack([along[:, 1], -along[:, 0]], axis=-1) / np.hypot(*along.T)[:, None]
    away = quad + 0.5 * along - quad.mean(axis=0)
    outward[(outward * away).sum(axis=1) < 0.0] *= -1.0
    share = np.linspace(END_SHARE, 1.0 - END_SHARE, SAMPLES)
    offset = np.arange(-half_px, half_px + 1e-9, STEP_PX)
    feet = quad[:, None] + share[:, None] * along[:, None]
    grid = feet[:, :, None] + offset[:, None] * outward[:, None, None]
    grid = grid.reshape(4 * SAMPLES, len(offset), 2).astype(np.float32)
    values = cv2.remap(
        pixels, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(float)
    slope = (values[:, 1:] - values[:, :-1]) / STEP_PX
    # What is far below the steepest place is noise or the next cell.
    steepest = slope.max(axis=1)
    weight = np.maximum(slope - 0.2 * steepest[:, None], 0.0)
    middle = 0.5 * (offset[1:] + offset[:-1])
    at = weight @ middle / np.maximum(weight.sum(axis=1), 1e-9)
    height, width = pixels.shape
    points = feet + at.reshape(4, SAMPLES, 1) * outward[:, None]
    inside = (points > 1.0).all(axis=2) & (points < [width - 2.0, height - 2.0]).all(axis=2)
    return points, inside & (steepest > GRADIENT_MIN).reshape(4, SAMPLES)


def _fit_line(points: np.ndarray, outlier: float) -> np.ndarray:
    """Fit (n_x, n_y, d) with n . p = d by total least squares, once without outliers."""
    for _ in range(2):
        centre = points.sum(axis=0) / len(points)
        away = points - centre
        (xx, xy), (_, yy) = (away.T @ away).tolist()
        along = 0.5 * math.atan2(2.0 * xy, xx - yy)
        normal = np.array([-math.sin(along), math.cos(along)])
        error = np.abs(away @ normal)
        ordered = np.sort(error)
        median = 0.5 * float(ordered[(len(error) - 1) // 2] + ordered[len(error) // 2])
        kept = points[error <= max(outlier, 2.0 * median)]
        if len(kept) == len(points) or len(kept) < POINTS_MIN:
            break
        points = kept
    return np.array([normal[0], normal[1], normal @ centre])


def _intersect(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Meet two lines; NaN where they are parallel."""
    det = p[0] * q[1] - p[1] * q[0]
    if abs(det) < 1e-9:
        return np.full(2, np.nan)
    return np.array([(p[2] * q[1] - p[1] * q[2]) / det, (p[0] * q[2] - p[2] * q[0]) / det])
