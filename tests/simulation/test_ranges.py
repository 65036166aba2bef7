"""The kernels of lidar and depth sensors, held against plain numpy."""

import numpy as np
import pytest

from lastmile.simulation import _ranges
from lastmile.simulation.range_sensors import NoiseBank

SHAPE = (6, 40)
NEAREST, FARTHEST, SIGMA, SIGMA_RATIO, DROPOUT = 0.5, 120.0, 0.012, 0.0003, 0.1


def unit_vectors(rng) -> np.ndarray:
    vectors = rng.normal(size=(*SHAPE, 3))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def test_aim_turns_each_column_by_its_own_rotation():
    rng = np.random.default_rng(1)
    directions = unit_vectors(rng)
    rotations = np.linalg.qr(rng.normal(size=(SHAPE[1], 3, 3)))[0].astype(np.float32)
    aimed = np.empty_like(directions)
    _ranges.aim(directions, rotations, aimed)
    assert aimed == pytest.approx(np.einsum("cij,rcj->rci", rotations, directions), abs=1e-6)


@pytest.mark.parametrize("haunted", [False, True])
def test_measure_makes_the_points_that_plain_numpy_makes(haunted):
    rng = np.random.default_rng(2)
    directions = unit_vectors(rng)
    ranges = rng.uniform(0.3, 150.0, SHAPE).clip(max=FARTHEST).astype(np.float32)
    ranges[0] = rng.uniform(0.3, 0.7, SHAPE[1])
    noise = rng.standard_normal(SHAPE, dtype=np.float32)
    chance = rng.random(SHAPE, dtype=np.float32)
    seen = (rng.random(SHAPE) < 0.3) & haunted
    ghosts = np.where(seen, rng.uniform(0.4, 8.0, SHAPE), np.inf).astype(np.float32)
    points, intensity = np.empty_like(directions), np.empty_like(ranges)
    figures = NEAREST, FARTHEST, SIGMA, SIGMA_RATIO, DROPOUT
    told = ghosts if haunted else None
    _ranges.measure(ranges, noise, chance, told, directions, *figures, points, intensity)

    measured = ranges + noise * (SIGMA + SIGMA_RATIO * ranges)
    measured = np.where(ghosts < ranges, ghosts, measured)
    echo = np.clip(200.0 / (1.0 + 0.05 * measured) + 10.0 * noise, 0.0, 255.0)
    missed = (ranges >= FARTHEST) & ~seen
    lost = chance < DROPOUT + 0.05 * (ranges / FARTHEST) ** 2
    measured = np.where(missed, np.inf, measured)
    bad = lost | (measured < NEAREST)
    wanted = np.where(bad[..., None], np.nan, directions * measured[..., None])
    wanted[missed & ~bad] = np.inf
    assert bad.any() and missed.any() and not (bad | missed).all()
    assert points == pytest.approx(wanted, rel=1e-6, nan_ok=True)
    assert intensity == pytest.approx(np.where(bad | missed, 0.0, echo), abs=1e-4)


def test_measure_depth_makes_the_points_that_plain_numpy_makes():
    rng = np.random.default_rng(3)
    rays = rng.uniform(-1.0, 1.0, (*SHAPE, 3)).astype(np.float32)
    rays[..., 2] = 1.0
    stretch = np.linalg.norm(rays, axis=-1)
    reach = rng.uniform(0.1, 8.0, SHAPE).astype(np.float32)
    noise = rng.standard_normal(SHAPE, dtype=np.float32)
    chance = rng.random(SHAPE, dtype=np.float32)
    points = np.empty_like(rays)
    _ranges.measure_depth(reach, stretch, noise, chance, rays, 0.5, 4.0, 0.002, DROPOUT, points)

    depth = reach / stretch
    far, lost = depth > 4.0, (chance < DROPOUT) | (depth < 0.5)
    wanted = rays * (depth + noise * 0.002 * depth**2)[..., None]
    wanted[lost] = np.nan
    wanted[far] = np.inf
    assert (lost & ~far).any() and far.any() and not (lost | far).all()
    assert points == pytest.approx(wanted, rel=1e-6, nan_ok=True)


def test_bank_gives_numbers_of_its_kind_that_change_from_image_to_image():
    bank = NoiseBank((32, 128), np.random.default_rng(4))
    images = [bank.draw() for _ in range(200)]
    normal, uniform = (np.array(kind) for kind in zip(*images, strict=True))
    assert normal.shape == uniform.shape == (200, 32, 128)
    assert (normal.mean(), normal.std()) == pytest.approx((0.0, 1.0), abs=0.02)
    assert (uniform < 0.05).mean() == pytest.approx(0.05, abs=0.005)
    # One ray from image to image, and its neighbours, are as strangers.
    for kind in (normal, uniform):
        ray = kind[:, 3, :]
        assert np.corrcoef(ray[1:].ravel(), ray[:-1].ravel())[0, 1] == pytest.approx(0.0, abs=0.05)
        assert np.corrcoef(ray[:, 1:].ravel(), ray[:, :-1].ravel())[0, 1] < 0.05
