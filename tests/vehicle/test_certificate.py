"""The certificate's bound on discs, against a look at every disc."""

import types

import numpy as np
import pytest
from tests.robot import FOOTPRINT

from lastmile.geometry.grid import clearance_field
from lastmile.geometry.predicted_discs import Disc
from lastmile.types import ObstacleKind
from lastmile.vehicle import certificate
from lastmile.vehicle.motion_plan import Motion

TIMES_S = np.arange(0.0, 6.05, 0.1)


def random_disc(rng, number):
    start, velocity = rng.uniform(-3.0, 5.0, 2), rng.normal(0.0, 0.8, 2)
    moving = bool(rng.random() < 0.7)
    centres = start + TIMES_S[:, None] * velocity * moving
    kind = ObstacleKind.PERSON if rng.random() < 0.7 else ObstacleKind.CYCLIST
    return Disc(number, kind, rng.uniform(0.2, 0.5), centres, np.zeros(len(TIMES_S)), moving, 5.0)


def straight(speed_mps):
    v = np.concatenate([np.full(15, speed_mps), np.linspace(speed_mps, 0.0, 10)])
    x = np.concatenate([[0.0], np.cumsum(0.1 * v[:-1])])
    poses = np.stack([x, 0.0 * x, 0.0 * x], axis=1)
    return Motion(0.1, poses, np.stack([v, 0.0 * v], axis=1))


@pytest.mark.parametrize("seed", range(3))
def test_discs_left_out_change_no_verdict(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    middles_m, radius_m = certificate.cover_by_discs(FOOTPRINT)
    certifier = certificate.Certifier(FOOTPRINT, 0.05, 0.32, middles_m, radius_m)
    free = clearance_field(np.zeros((200, 200), np.uint8), np.array([-10.0, -10.0]), 0.1)
    ground = types.SimpleNamespace(clearance=free, known=free)
    scenes = [
        certificate.Surroundings(ground, [random_disc(rng, i) for i in range(3)], TIMES_S)
        for _ in range(60)
    ]

    def verdicts():
        return [
            (certifier.check(straight(1.0), around), certifier.is_walked_into(np.zeros(3), around))
            for around in scenes
        ]

    quick = verdicts()
    monkeypatch.setattr(certificate, "_that_may_come", lambda discs, *_: discs)
    assert quick == verdicts()
    assert {bool(drive) for drive, _ in quick} == {True, False}
    assert {bool(stand) for _, stand in quick} == {True, False}
