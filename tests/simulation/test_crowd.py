"""The crowd's kernels, held against plain numpy."""

import numpy as np
import pytest

from lastmile.simulation import _crowd
from lastmile.simulation.people import nearest_on_outline

OUTLINE = np.array([[-0.35, -0.275], [0.35, -0.275], [0.42, 0.1], [0.35, 0.275], [-0.35, 0.275]])


def test_nearest_on_outline_is_what_plain_numpy_finds():
    points = np.random.default_rng(1).uniform(-1.0, 1.0, (300, 2))
    feet, distance, inside = nearest_on_outline(OUTLINE, points)
    d = np.roll(OUTLINE, -1, axis=0) - OUTLINE
    away = points[:, None] - OUTLINE
    t = np.clip((away * d).sum(axis=2) / (d * d).sum(axis=1), 0.0, 1.0)
    every = OUTLINE + t[..., None] * d
    gaps = np.linalg.norm(points[:, None] - every, axis=2)
    assert distance == pytest.approx(gaps.min(axis=1), abs=1e-9)
    assert feet == pytest.approx(every[np.arange(300), gaps.argmin(axis=1)], abs=1e-9)
    cross = d[:, 0] * away[..., 1] - d[:, 1] * away[..., 0]
    assert (inside == (cross >= 0.0).all(axis=1)).all()
    assert 0 < inside.sum() < 300


def test_people_are_pushed_apart_as_by_plain_numpy():
    rng = np.random.default_rng(2)
    positions, velocities = rng.uniform(-3.0, 3.0, (20, 2)), rng.normal(0.0, 1.0, (20, 2))
    force = np.empty((20, 2))
    _crowd.part(positions, velocities, 2.5, 0.35, 0.5, 0.4, 0.35, force)
    away = positions[:, None] - positions[None]
    distance = np.sqrt((away**2).sum(axis=2)) + 1e-6
    np.fill_diagonal(distance, np.inf)
    ahead = (away * velocities[:, None]).sum(axis=2) < 0.0
    right = np.stack([away[..., 1], -away[..., 0]], axis=-1)
    push = 2.5 * np.exp((0.5 - distance) / 0.35) * np.where(ahead, 1.0, 0.4)
    wanted = (push / distance)[..., None] * (away - 0.35 * ahead[..., None] * right)
    assert force == pytest.approx(wanted.sum(axis=1), abs=1e-9)


def test_one_person_alone_is_not_pushed():
    force = np.ones((1, 2))
    _crowd.part(np.zeros((1, 2)), np.ones((1, 2)), 2.5, 0.35, 0.5, 0.4, 0.35, force)
    assert (force == 0.0).all()


def test_people_turn_aside_as_by_plain_numpy():
    rng = np.random.default_rng(3)
    positions, velocities = rng.uniform(-4.0, 4.0, (30, 2)), rng.normal(0.0, 1.0, (30, 2))
    velocities[0] = 0.0
    force = np.zeros((30, 2))
    _crowd.foresee(positions, velocities, 2.5, 3.0, 0.8, force)
    wanted = np.zeros((30, 2))
    for i in range(1, 30):
        speed = np.hypot(*velocities[i])
        right = np.array([velocities[i, 1], -velocities[i, 0]]) / speed
        for j in set(range(30)) - {i}:
            p, w = positions[j] - positions[i], velocities[j] - velocities[i]
            soon = -(p @ w) / (w @ w)
            miss = p + soon * w
            if 0.0 < soon < 3.0 and np.hypot(*miss) < 0.8 and speed >= 0.2:
                push = 2.5 * (1.0 - np.hypot(*miss) / 0.8) * (1.0 - soon / 3.0)
                wanted[i] += push * right * (-1.0 if -(miss @ right) < -0.1 else 1.0)
    assert force == pytest.approx(wanted, abs=1e-9)
    assert (np.abs(force).sum(axis=1) > 0.0).sum() > 10


def test_two_who_walk_at_each_other_pass_on_the_right_without_stopping():
    positions = np.array([[0.0, 0.0], [8.0, 0.0]])
    goal = np.array([[1.3, 0.0], [-1.3, 0.0]])
    velocities, slowest, nearest = goal.copy(), np.inf, np.inf
    for _ in range(160):
        force = np.empty((2, 2))
        _crowd.part(positions, velocities, 2.5, 0.35, 0.5, 0.4, 0.35, force)
        _crowd.foresee(positions, velocities, 2.5, 3.0, 0.8, force)
        velocities = velocities + 0.05 * (force + (goal - velocities) / 0.5)
        positions = positions + 0.05 * velocities
        slowest = min(slowest, np.hypot(*velocities.T).min())
        nearest = min(nearest, np.hypot(*(positions[1] - positions[0])))
    assert positions[0, 0] > 8.0
    assert positions[0, 1] < 0.0 < positions[1, 1]
    assert slowest > 0.8
    assert nearest > 0.5
