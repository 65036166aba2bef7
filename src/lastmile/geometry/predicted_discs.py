"""Moving obstacles as discs over the horizon, and how near they come to a way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lastmile.types import Obstacle, ObstacleKind

LENGTH_MAX_M = 3.5
"""Half of the longest thing that is tracked."""


@dataclass(frozen=True, slots=True)
class Disc:
    """A disc on its predicted way: centres (T, 2) at stamp + k * dt, sigma (T,)."""

    id: int
    kind: ObstacleKind
    radius_m: float
    centres: np.ndarray
    sigma_m: np.ndarray
    moving: bool


def predict_discs(
    obstacles: tuple[Obstacle, ...],
    age_s: float,
    times_s: np.ndarray,
    sigma_max_m: float,
    moving_mps: float,
    position: np.ndarray,
    reach_m: float,
) -> list[Disc]:
    """
    Cover obstacles by discs at times from now.

    Parameters
    ----------
    obstacles : tuple of Obstacle
        Standing people and all that moves; other standing things belong to the local map.
    age_s : float
        Time since the stamp of the obstacles.
    times_s : ndarray, shape (T,)
        Times from now.
    sigma_max_m : float
        Uncertainty is not let grow beyond this, or the robot would freeze in a crowd.
    moving_mps : float
        Slower obstacles stand.
    position : ndarray, shape (2,)
        Where the robot is.
    reach_m : float
        What does not come so near to it is left out.

    """
    discs = []
    for obstacle in obstacles:
        speed = math.hypot(*obstacle.velocity)
        moving = speed > moving_mps
        if not moving and obstacle.kind is not ObstacleKind.PERSON:
            continue
        away_m = math.dist(obstacle.position, position)
        if away_m > reach_m + LENGTH_MAX_M + speed * (age_s + times_s[-1]):
            continue
        centres, sigma = _path(obstacle, age_s + times_s, moving)
        if not (np.hypot(*(centres - position).T) < reach_m + LENGTH_MAX_M).any():
            continue
        sigma = np.minimum(sigma, sigma_max_m)
        for offset, radius_m in _cover(obstacle):
            discs.append(
                Disc(obstacle.id, obstacle.kind, radius_m, centres + offset, sigma, moving)
            )
    return discs


def _path(obstacle: Obstacle, times_s: np.ndarray, moving: bool) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sigma at times after the stamp of the obstacle."""
    position = np.asarray(obstacle.position, float)
    if not moving:
        return np.repeat(position[None], len(times_s), axis=0), np.zeros(len(times_s))
    steps = len(obstacle.predicted_path)
    if steps == 0:
        return position + times_s[:, None] * obstacle.velocity, 0.05 + 0.15 * times_s
    knots_s = obstacle.prediction_dt_s * np.arange(steps + 1)
    path = np.concatenate([position[None], np.asarray(obstacle.predicted_path, float)])
    sigma = np.concatenate([[0.0], np.asarray(obstacle.predicted_sigma, float)])
    centres = np.stack([np.interp(times_s, knots_s, path[:, i]) for i in range(2)], axis=-1)
    # Beyond its end a prediction goes on with its last speed.
    late = np.maximum(times_s - knots_s[-1], 0.0)[:, None]
    centres += late * (path[-1] - path[-2]) / obstacle.prediction_dt_s
    return centres, np.interp(times_s, knots_s, sigma)


def _cover(obstacle: Obstacle) -> list[tuple[np.ndarray, float]]:
    """Discs (offset from the position, radius) that cover an outline."""
    outline = np.asarray(obstacle.footprint, float) - obstacle.position
    if len(outline) < 3:
        return [(np.zeros(2), 0.3)]
    middle = outline.mean(axis=0)
    x, y = (outline - middle).T
    turn = 0.5 * math.atan2(2.0 * float(x @ y), float(x @ x - y @ y))
    c, s = math.cos(turn), math.sin(turn)
    axes = np.array([[c, s], [-s, c]])
    spread = (outline - middle) @ axes.T
    low, high = spread.min(axis=0), spread.max(axis=0)
    length, width = high - low
    centre = middle + 0.5 * (low + high) @ axes
    count = int(np.clip(np.ceil(length / max(width, 0.4)), 1, 4))
    if count == 1:
        return [(centre, float(np.hypot(*(outline - centre).T).max()))]
    piece = length / count
    radius = float(np.hypot(0.5 * piece, 0.5 * width))
    along = (np.arange(count) + 0.5) * piece - 0.5 * length
    return [(centre + a * axes[0], radius) for a in along]
