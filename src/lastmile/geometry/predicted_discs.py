"""Moving obstacles as discs over the horizon, and how near they come to a way."""

from __future__ import annotations

import math
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Knots:
    """Where times lie on a prediction: knot before, part of the step after it (T, 1), (T,)."""

    before: np.ndarray
    part: np.ndarray
    part_held: np.ndarray


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
    times_s = age_s + times_s
    knots: dict[tuple[float, int], Knots] = {}
    for obstacle, moving in _concerning(obstacles, times_s[-1], moving_mps, position, reach_m):
        key = obstacle.prediction_dt_s, len(obstacle.predicted_path)
        if key not in knots:
            knots[key] = _find_knots(times_s, *key)
        centres, sigma = _path(obstacle, times_s, knots[key], moving)
        x, y = centres[:, 0] - position[0], centres[:, 1] - position[1]
        if (x * x + y * y).min() >= (reach_m + LENGTH_MAX_M) ** 2:
            continue
        sigma = np.minimum(sigma, sigma_max_m)
        for offset, radius_m in _cover(obstacle):
            discs.append(
                Disc(obstacle.id, obstacle.kind, radius_m, centres + offset, sigma, moving)
            )
    return discs


def _concerning(
    obstacles: tuple[Obstacle, ...],
    last_s: float,
    moving_mps: float,
    position: np.ndarray,
    reach_m: float,
) -> Iterator[tuple[Obstacle, bool]]:
    """Give those that predictions speak for and that can come near, and whether they move."""
    x, y = float(position[0]), float(position[1])
    for obstacle in obstacles:
        speed = math.hypot(*obstacle.velocity.tolist())
        moving = speed > moving_mps
        if not moving and obstacle.kind is not ObstacleKind.PERSON:
            continue
        ox, oy = obstacle.position.tolist()
        if math.hypot(ox - x, oy - y) <= reach_m + LENGTH_MAX_M + speed * last_s:
            yield obstacle, moving


def _find_knots(times_s: np.ndarray, dt_s: float, steps: int) -> Knots:
    """Place times among the points of predictions, which mostly have the same steps."""
    if steps == 0:
        return Knots(np.zeros(0, int), np.zeros(0), np.zeros(0))
    at = times_s / dt_s
    before = np.clip(at.astype(int), 0, steps - 1)
    # Beyond its end a prediction goes on with its last speed, while sigma stays.
    part = np.maximum(at - before, 0.0)
    return Knots(before, part[:, None], np.minimum(part, 1.0))


def _path(
    obstacle: Obstacle, times_s: np.ndarray, knots: Knots, moving: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sigma at times after the stamp of the obstacle."""
    position = np.asarray(obstacle.position, float)
    if not moving:
        return np.repeat(position[None], len(times_s), axis=0), np.zeros(len(times_s))
    if len(obstacle.predicted_path) == 0:
        return position + times_s[:, None] * obstacle.velocity, 0.05 + 0.15 * times_s
    path = np.concatenate([position[None], obstacle.predicted_path])
    sigma = np.concatenate([[0.0], obstacle.predicted_sigma])
    way, growth = path[1:] - path[:-1], sigma[1:] - sigma[:-1]
    k = knots.before
    return path[k] + knots.part * way[k], sigma[k] + knots.part_held * growth[k]


def _cover(obstacle: Obstacle) -> list[tuple[np.ndarray, float]]:
    """Discs (offset from the position, radius) that cover an outline."""
    outline = np.asarray(obstacle.footprint, float) - obstacle.position
    if len(outline) < 3:
        return [(np.zeros(2), 0.3)]
    middle = outline.sum(axis=0) / len(outline)
    (xx, xy), (_, yy) = ((outline - middle).T @ (outline - middle)).tolist()
    turn = 0.5 * math.atan2(2.0 * xy, xx - yy)
    c, s = math.cos(turn), math.sin(turn)
    axes = np.array([[c, s], [-s, c]])
    spread = (outline - middle) @ axes.T
    low, high = spread.min(axis=0), spread.max(axis=0)
    length, width = (high - low).tolist()
    centre = middle + 0.5 * (low + high) @ axes
    count = min(max(math.ceil(length / max(width, 0.4)), 1), 4)
    if count == 1:
        away = outline - centre
        return [(centre, math.sqrt((away * away).sum(axis=1).max()))]
    piece = length / count
    radius = math.hypot(0.5 * piece, 0.5 * width)
    along = [(k + 0.5) * piece - 0.5 * length for k in range(count)]
    return [(centre + a * axes[0], radius) for a in along]
