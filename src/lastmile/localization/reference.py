"""NumPy twins of the kernels: the same sums written plainly, which tests compare them with."""

from __future__ import annotations

import numpy as np

from lastmile.geometry.se2 import wrap_angle
from lastmile.localization.config import GnssConfig, MotionConfig, ScanConfig
from lastmile.localization.filter import (
    GNSS_EAST,
    GNSS_NORTH,
    GYRO_BIAS,
    STATES,
    WHEEL_SCALE,
    YAW,
    FilterState,
    X,
    Y,
)
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


def farthest_surfaces(
    points_lidar: np.ndarray, T_base_lidar: np.ndarray, config: ScanConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Means (n, 2) in base of the farthest upright surfaces, and their columns of those used."""
    points_lidar = points_lidar[:, :: config.column_step].astype(float)
    with np.errstate(invalid="ignore"):
        points = points_lidar @ T_base_lidar[:3, :3].T + T_base_lidar[:3, 3]
        x, y, height = np.moveaxis(points, -1, 0)
        reach = np.hypot(x, y)
        valid = (
            (reach > config.min_range_m)
            & (reach < config.max_range_m)
            & (height > config.min_height_m)
            & (height < config.max_height_m)
        )
    reach = np.where(valid, reach, -np.inf)
    surface, upright = _upright(reach, config)
    second, second_upright = _upright(np.where(surface, -np.inf, reach), config)
    surface = np.where(upright, surface, second)
    columns = np.flatnonzero(upright | second_upright)
    surface = surface[:, columns]
    count = surface.sum(axis=0)
    planar = [np.where(surface, axis[:, columns], 0.0).sum(axis=0) / count for axis in (x, y)]
    return np.stack(planar, axis=-1).astype(float), columns


def _upright(reach: np.ndarray, config: ScanConfig) -> tuple[np.ndarray, np.ndarray]:
    """Mark the returns of each column's farthest surface, and the columns where it is upright."""
    farthest = reach.max(axis=0)
    surface = (reach > farthest - config.upright_tolerance_m) & np.isfinite(reach)
    return surface, surface.sum(axis=0) >= config.upright_returns


def predict(
    state: FilterState, dt: float, motion: MotionConfig, gnss: GnssConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (7,) and covariance (7, 7) after a time along the twist of a state."""
    mean, F, Q = state.mean.copy(), np.eye(STATES), np.zeros((STATES, STATES))
    if not state.still:
        _move(mean, F, Q, state, dt, motion)
    fade = np.exp(-dt / gnss.multipath_time_s)
    mean[GNSS_EAST:] *= fade
    F[GNSS_EAST, GNSS_EAST] = F[GNSS_NORTH, GNSS_NORTH] = fade
    Q[GNSS_EAST, GNSS_EAST] = Q[GNSS_NORTH, GNSS_NORTH] = gnss.multipath_sigma_m**2 * (1 - fade**2)
    Q[GYRO_BIAS, GYRO_BIAS] = motion.gyro_bias_drift_radps**2 * dt
    return mean, F @ state.covariance @ F.T + Q


def _move(
    mean: np.ndarray,
    F: np.ndarray,
    Q: np.ndarray,
    state: FilterState,
    dt: float,
    motion: MotionConfig,
) -> None:
    """Fill in the motion along an arc, its Jacobian and its noise."""
    speed, yaw_rate = state.twist_base
    heading = mean[YAW] + 0.5 * yaw_rate * dt
    c, s = np.cos(heading), np.sin(heading)
    way = speed * dt
    mean[X] += way * c
    mean[Y] += way * s
    mean[YAW] = wrap_angle(mean[YAW] + yaw_rate * dt)
    F[X, YAW], F[Y, YAW] = -way * s, way * c
    F[X, GYRO_BIAS], F[Y, GYRO_BIAS] = 0.5 * way * s * dt, -0.5 * way * c * dt
    F[X, WHEEL_SCALE], F[Y, WHEEL_SCALE] = way * c, way * s
    F[YAW, GYRO_BIAS] = -dt
    # Noise of rolling grows with the way, not with time: a robot that stands does not spread.
    driven = min(abs(speed), 1.0) * dt
    along, across = motion.speed_noise_mps**2 * driven, motion.lateral_noise_mps**2 * driven
    Q[X, X] = along * c * c + across * s * s + 1e-6 * dt
    Q[Y, Y] = along * s * s + across * c * c + 1e-6 * dt
    Q[X, Y] = Q[Y, X] = (along - across) * c * s
    # A gap in the gyro leaves the turn within it unknown.
    gap = max(dt - 0.05, 0.0)
    Q[YAW, YAW] = motion.gyro_noise_radps**2 * dt + (0.5 * gap) ** 2
    Q[WHEEL_SCALE, WHEEL_SCALE] = motion.wheel_scale_drift**2 * driven
