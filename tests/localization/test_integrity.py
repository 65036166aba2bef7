import numpy as np
import pytest

from lastmile.localization.config import GnssConfig, IntegrityConfig, MapError, MotionConfig
from lastmile.localization.filter import Innovation, start_state
from lastmile.localization.integrity import IntegrityMonitor, Protection
from lastmile.localization.scan_matching import Match
from lastmile.types import LocalizationState

CONFIG = IntegrityConfig()
MAP = MapError()
SMALL = Protection(0.3, 0.2, 0.02)


def match(stamp_s: float) -> Match:
    return Match(stamp_s, np.zeros(3), np.eye(3), 0.9, 0.1, 200, True, "")


def test_protection_follows_the_axes_of_the_robot():
    covariance = np.diag([1.0, 0.01, 1e-4])
    state = start_state(
        0.0, np.array([0.0, 0.0, np.pi / 2]), covariance, MotionConfig(), GnssConfig()
    )
    level = IntegrityMonitor(CONFIG, MAP).protection(state)
    # At a risk of 1e-3 a level is 3.29 standard deviations.
    assert level.lateral_m == pytest.approx(3.29, abs=0.02)
    assert level.along_m == pytest.approx(3.29 * np.hypot(0.1, MAP.frame_sigma_m), abs=0.02)


def test_innovations_too_large_widen_the_protection():
    state = start_state(0.0, np.zeros(3), np.eye(3) * 0.01, MotionConfig(), GnssConfig())
    monitor = IntegrityMonitor(CONFIG, MAP)
    before = monitor.protection(state).along_m
    for _ in range(50):
        monitor.note_innovation("lidar", Innovation(9.0, 1.0))
    assert monitor.protection(state).along_m > 2.0 * before


def test_states_come_with_value_and_limit():
    monitor = IntegrityMonitor(CONFIG, MAP)
    monitor.note_match(match(10.0), np.zeros((3, 3)))
    assert monitor.assess(11.0, SMALL).state is LocalizationState.TRACKING
    old = monitor.assess(13.2, SMALL)
    assert old.state is LocalizationState.DEGRADED
    assert old.reason == "no lidar match for 3.2 s (limit 3 s)"
    wide = monitor.assess(11.0, Protection(5.0, 0.2, 0.02))
    assert wide.state is LocalizationState.DEGRADED
    assert wide.reason == "position known to 5.00 m only (limit 4 m)"
    gone = monitor.assess(11.0, Protection(0.2, 20.0, 0.02))
    assert gone.state is LocalizationState.LOST


def test_nan_protection_is_never_tracking():
    monitor = IntegrityMonitor(CONFIG, MAP)
    monitor.note_match(match(10.0), np.zeros((3, 3)))
    assert monitor.assess(10.1, Protection(np.nan, np.nan, 0.0)).state is LocalizationState.LOST


def test_scans_that_do_not_fit_in_a_row_mean_lost_and_one_that_fits_ends_the_row():
    monitor = IntegrityMonitor(CONFIG, MAP)
    for _ in range(CONFIG.lost_matches):
        monitor.note_misfit("map explains 0.10 of the scan (least 0.35)")
    assessment = monitor.assess(0.0, SMALL)
    assert assessment.state is LocalizationState.LOST
    assert "30 scans in a row" in assessment.reason
    monitor.note_match(match(1.0), np.zeros((3, 3)))
    assert monitor.assess(1.1, SMALL).state is LocalizationState.TRACKING


def test_one_spike_of_a_fix_degrades_nothing_but_lasting_ones_do():
    monitor = IntegrityMonitor(CONFIG, MAP)
    monitor.note_match(match(10.0), np.zeros((3, 3)))
    for _ in range(20):
        monitor.note_innovation("gnss", Innovation(0.3, 1.0))
    monitor.note_innovation("gnss", Innovation(4000.0, 1e-3))
    assert monitor.assess(10.1, SMALL).state is LocalizationState.TRACKING
    for _ in range(50):
        monitor.note_innovation("gnss", Innovation(60.0, 0.1))
    assessment = monitor.assess(10.1, SMALL)
    assert assessment.state is LocalizationState.DEGRADED
    assert assessment.reason.startswith("satellite fixes disagree")


@pytest.mark.parametrize(
    ("imu_s", "wheel_s", "text"),
    [
        (0.02, 0.02, ""),
        (0.3, 0.02, "gyro 0.30 s old (limit 0.2 s)"),
        (0.02, np.inf, "wheel odometry missing (limit 0.2 s)"),
    ],
)
def test_silent_sensor_is_named(imu_s, wheel_s, text):
    assert IntegrityMonitor(CONFIG, MAP).assess_sensors(imu_s, wheel_s) == text
