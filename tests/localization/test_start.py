"""Places that fit equally well, evidence that speaks for one, and what the start makes of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from lastmile.localization.config import GnssConfig, StartConfig
from lastmile.localization.global_start import Hypothesis
from lastmile.localization.scan import PlanarScan
from lastmile.localization.start import PoseStart
from lastmile.localization.start_evidence import FixEvidence, StartFix, probabilities

CONFIG, GNSS = StartConfig(), GnssConfig()
HERE = np.array([10.0, 5.0, 0.3])


def scan_at(stamp_s) -> PlanarScan:
    return PlanarScan(stamp_s, np.zeros((0, 2)), 0.0)


class Places:
    """Stands for search and matcher: a few places, each with the score that scans have there."""

    def __init__(self, *places):
        self.places = [(np.array(pose, dtype=float), score) for pose, score in places]

    def search(self, scan, centre_map, radius_m):
        found = [
            Hypothesis(pose, score)
            for pose, score in self.places
            if np.abs(pose[:2] - centre_map).max() <= radius_m
        ]
        return sorted(found, key=lambda hypothesis: -hypothesis.score)

    def shortage(self, scan):
        return ""

    def match(self, scan, pose):
        return SimpleNamespace(pose_map_base=np.array(pose))

    def score(self, scan, pose):
        apart = [np.hypot(*(place - pose)[:2]) for place, _ in self.places]
        near = int(np.argmin(apart))
        return self.places[near][1] if apart[near] < 1.0 else 0.0


def beside(x_m=0.0, y_m=0.0, yaw=0.0) -> np.ndarray:
    return HERE + np.array([x_m, y_m, yaw])


def fix_at(stamp_s, position=HERE[:2], antenna_odom=(0.0, 0.0)) -> StartFix:
    return StartFix(stamp_s, np.array(position), np.array(antenna_odom), 1.5, 3.0)


def start_among(*places) -> PoseStart:
    fake = Places(*places)
    return PoseStart(fake, fake, CONFIG, GNSS)


def stand(start, seconds):
    """Give five scans and fixes a second; the last decision."""
    decision = None
    for k in range(round(5 * seconds)):
        start.take_fix(fix_at(0.2 * k))
        decision = start.update(scan_at(0.21 * k), np.zeros(3))
    return decision


def test_one_place_that_fits_is_certain():
    decision = stand(start_among((HERE, 0.7)), 4.0)
    assert decision.certain
    assert decision.reach_m == 0.0
    np.testing.assert_allclose(decision.pose_map_odom, HERE, atol=1e-9)


def test_places_that_agree_are_a_start_that_covers_them():
    decision = stand(start_among((HERE, 0.70), (beside(y_m=3.0, yaw=0.02), 0.69)), 4.0)
    assert not decision.certain
    assert decision.reach_m == pytest.approx(3.0, abs=0.1)
    assert decision.covariance[1, 1] >= 1.5**2
    assert "certain from" in decision.reason


def test_places_that_differ_in_heading_are_no_start():
    start = start_among((HERE, 0.70), (beside(y_m=3.0, yaw=np.pi), 0.69))
    assert stand(start, 4.0) is None
    assert "2 places fit" in start.reason


def test_fixes_tell_far_places_apart():
    start = start_among((HERE, 0.60), (beside(14.0), 0.60))
    decision = stand(start, 4.0)
    np.testing.assert_allclose(decision.pose_map_odom, HERE, atol=1e-9)


def test_fixes_that_agree_for_long_say_more():
    evidence, far = FixEvidence(30.0), beside(6.0)
    logs = []
    for k in range(600):
        evidence.take(fix_at(0.2 * k))
        logs.append(evidence.log_likelihood(far))
    assert evidence.log_likelihood(HERE) == pytest.approx(0.0)
    assert logs[-1] < logs[24] - 1.0
    assert evidence.mean_sigma_m() > 1.0


def test_way_driven_settles_between_places_that_agree():
    places = Places((HERE, 0.70), (beside(y_m=3.0), 0.66))
    start = PoseStart(places, places, CONFIG, GNSS)
    assert not stand(start, 4.0).certain
    # Along the whole way the scans fit a little better from the one than from the other.
    places.score = lambda scan, pose: 0.70 if pose[1] - np.tan(HERE[2]) * pose[0] < 3.4 else 0.66
    for k in range(60):
        decision = start.update(scan_at(100.0 + 0.21 * k), np.array([0.1 * k, 0.0, 0.0]))
    assert decision.certain


def test_operator_has_the_last_word_over_fixes():
    told = beside(25.0)
    start = start_among((HERE, 0.70), (told, 0.55))
    start.suggest(beside(25.4), np.diag([0.25, 0.25, 0.07]), by_operator=True)
    decision = stand(start, 4.0)
    assert decision.certain
    np.testing.assert_allclose(decision.pose_map_odom, told, atol=0.5)


def test_configured_start_gives_way_where_fixes_and_scans_contradict():
    told = beside(25.0)
    start = start_among((HERE, 0.70), (told, 0.40))
    start.suggest(told, np.diag([0.25, 0.25, 0.01]))
    decision = stand(start, 12.0)
    assert decision.certain
    np.testing.assert_allclose(decision.pose_map_odom, HERE, atol=1e-9)


def test_bad_fit_leaves_room_for_a_place_that_was_not_found():
    one = np.array([0.35]), np.zeros(1), np.zeros(1)
    assert probabilities(*one, 0.0, CONFIG)[0] < 0.1
    good = np.array([0.6]), np.zeros(1), np.zeros(1)
    assert probabilities(*good, 0.0, CONFIG)[0] > 0.999
