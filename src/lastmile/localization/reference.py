"""NumPy twins of the kernels: the same sums written plainly, which tests compare them with."""

from __future__ import annotations

import numpy as np

from lastmile.maps.likelihood import DistanceField, sample_distance


def accumulate(
    field: DistanceField, points: np.ndarray, pose: np.ndarray, scale: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Robust cost, Gauss-Newton Hessian (3, 3) and gradient (3,) of points at a pose."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    turned = points @ np.array([[c, s], [-s, c]])
    distance = sample_distance(field, turned + pose[:2])
    gradient = _gradient(field, turned + pose[:2])
    J = np.column_stack([gradient, gradient[:, 1] * turned[:, 0] - gradient[:, 0] * turned[:, 1]])
    weight = 1.0 / (1.0 + np.square(distance / scale))
    cost = 0.5 * scale**2 * np.log1p(np.square(distance / scale)).sum()
    return float(cost), J.T @ (weight[:, None] * J), J.T @ (weight * distance)


def score_candidates(
    likelihood: np.ndarray, cells: np.ndarray, candidates: np.ndarray
) -> np.ndarray:
    """Likelihood summed under the scan, for each candidate (yaw index, column, row)."""
    at = cells[candidates[:, 0]] + candidates[:, None, 1:]
    rows, columns = likelihood.shape
    inside = (at >= 0).all(axis=-1) & (at[..., 0] < columns) & (at[..., 1] < rows)
    at = np.where(inside[..., None], at, 0)
    return np.where(inside, likelihood[at[..., 1], at[..., 0]].astype(int), 0).sum(axis=1)


def _gradient(field: DistanceField, points_map: np.ndarray) -> np.ndarray:
    """Gradient (n, 2) of the bilinear surface, zero outside of the map."""
    rows, columns = field.distance.shape
    u = (points_map - field.centre) / field.resolution_m
    q, r = np.floor(u).astype(int).T
    inside = (q >= 0) & (r >= 0) & (q < columns - 1) & (r < rows - 1)
    q, r = np.clip(q, 0, columns - 2), np.clip(r, 0, rows - 2)
    fx, fy = (u - np.stack([q, r], axis=-1)).T
    d = field.distance
    gx = (1 - fy) * (d[r, q + 1] - d[r, q]) + fy * (d[r + 1, q + 1] - d[r + 1, q])
    gy = (1 - fx) * (d[r + 1, q] - d[r, q]) + fx * (d[r + 1, q + 1] - d[r, q + 1])
    return np.where(inside[:, None], np.stack([gx, gy], axis=-1) / field.resolution_m, 0.0)
