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
    """
    A disc on its predicted way: centres (T, 2) at stamp + k * dt, sigma (T,).

    `seen_s` is how long its obstacle had been seen for, at the stamp.
    """

    id: int
    kind: ObstacleKind
    radius_m: float
    centres: np.ndarray
    sigma_m: np.ndarray
    moving: bool
    seen_s: float


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
    times_s = age_s + times_s
    concerning = list(_concerning(obstacles, times_s[-1], moving_mps, position, reach_m))
    centres, sigma = _paths(concerning, times_s)
    x, y = centres[..., 0] - position[0], centres[..., 1] - position[1]
    near = (x * x + y * y).min(axis=1) < (reach_m + LENGTH_MAX_M) ** 2
    sigma = np.minimum(sigma, sigma_max_m)
    return [
        Disc(
            obstacle.id,
            obstacle.kind,
            radius_m,
            centres[i] + offset,
            sigma[i],
            moving,
            obstacle.age_s,
        )
        for i, (obstacle, moving) in enumerate(concerning)
        if near[i]
        for offset, radius_m in _cover(obstacle)
    ]


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


def _paths(
    concerning: list[tuple[Obstacle, bool]], times_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, T, 2) and sigmas (N, T) at times after the stamp of the obstacles."""
    centres = np.empty((len(concerning), len(times_s), 2))
    sigma = np.zeros((len(concerning), len(times_s)))
    alike: dict[tuple[float, int], list[int]] = {}
    for i, (obstacle, moving) in enumerate(concerning):
        if moving:
            key = obstacle.prediction_dt_s, len(obstacle.predicted_path)
            alike.setdefault(key, []).append(i)
        else:
            centres[i] = obstacle.position
    for (dt_s, steps), rows in alike.items():
        moving_ones = [concerning[i][0] for i in rows]
        follow = _follow_predictions if steps else _follow_velocities
        centres[rows], sigma[rows] = follow(moving_ones, times_s, dt_s)
    return centres, sigma


def _follow_predictions(
    obstacles: list[Obstacle], times_s: np.ndarray, dt_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sigmas by predictions of the same steps, which mostly all have."""
    position = np.array([o.position for o in obstacles], float)
    path = np.concatenate(
        [position[:, None], np.array([o.predicted_path for o in obstacles])], axis=1
    )
    sigma = np.concatenate(
        [np.zeros((len(obstacles), 1)), np.array([o.predicted_sigma for o in obstacles])], axis=1
    )
    at = times_s / dt_s
    knot = np.clip(at.astype(int), 0, path.shape[1] - 2)
    # Beyond its end a prediction goes on with its last speed, while sigma stays.
    part = np.maximum(at - knot, 0.0)
    way, growth = path[:, 1:] - path[:, :-1], sigma[:, 1:] - sigma[:, :-1]
    return (
        path[:, knot] + part[:, None] * way[:, knot],
        sigma[:, knot] + np.minimum(part, 1.0) * growth[:, knot],
    )


def _follow_velocities(
    obstacles: list[Obstacle], times_s: np.ndarray, dt_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sigmas of obstacles that come without a prediction."""
    position = np.array([o.position for o in obstacles], float)[:, None]
    velocity = np.array([o.velocity for o in obstacles], float)[:, None]
    return position + times_s[:, None] * velocity, 0.05 + 0.15 * times_s


def _cover(obstacle: Obstacle) -> list[tuple[np.ndarray, float]]:
    """Discs (offset from the position, radius) that cover an outline."""
    outline = np.asarray(obstacle.footprint, float) - obstacle.position
    if len(outline) < 3:
        return [(np.zeros(2), 0.3)]
    middle = outline.sum(axis=0) / len(outline)
    about = outline - middle
    (xx, xy), (_, yy) = (about.T @ about).tolist()
    turn = 0.5 * math.atan2(2.0 * xy, xx - yy)
    c, s = math.cos(turn), math.sin(turn)
    axes = np.array([[c, s], [-s, c]])
    along, across = (about @ axes.T).T.tolist()
    low, high = np.array([min(along), min(across)]), np.array([max(along), max(across)])
    length, width = (high - low).tolist()
    centre = middle + 0.5 * (low + high) @ axes
    count = min(max(math.ceil(length / max(width, 0.4)), 1), 4)
    if count == 1:
        away = (outline - centre).tolist()
        return [(centre, math.sqrt(max(dx * dx + dy * dy for dx, dy in away)))]
    piece = length / count
    radius = math.hypot(0.5 * piece, 0.5 * width)
    steps = [(k + 0.5) * piece - 0.5 * length for k in range(count)]
    return [(centre + step * axes[0], radius) for step in steps]
