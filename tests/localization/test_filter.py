import numpy as np
import pytest

from lastmile.localization.config import GnssConfig, MotionConfig
from lastmile.localization.filter import (
    GYRO_BIAS,
    STATES,
    WHEEL_SCALE,
    Blind,
    FilterState,
    carry,
    start_state,
    take_motion,
    update,
    update_pose,
    update_position_fix,
    update_still_gyro,
)
from lastmile.localization.history import History

MOTION, GNSS = MotionConfig(), GnssConfig()


def start(pose=(1.0, 2.0, 0.7), sigma=0.3) -> FilterState:
    return start_state(0.0, np.array(pose), np.eye(3) * sigma**2, MOTION, GNSS)


def test_mean_follows_the_arc_of_its_twist():
    state = take_motion(start((0.0, 0.0, 0.0)), 1.0, 0.5, False)
    for k in range(1, 101):
        state = carry(state, 0.01 * k, MOTION, GNSS)
    # Radius 2 m, a turn of 0.5 rad.
    assert state.pose == pytest.approx(
        [2.0 * np.sin(0.5), 2.0 * (1.0 - np.cos(0.5)), 0.5], abs=1e-4
    )


def test_covariance_follows_the_numeric_jacobian_of_the_motion():
    dt = 0.02
    state = start()

    def moved(mean):
        s = FilterState(0.0, mean, state.covariance, np.zeros(2))
        return carry(take_motion(s, 1.28, 0.41, False), dt, MOTION, GNSS).mean

    step = 1e-6
    F = np.column_stack(
        [(moved(state.mean + d) - moved(state.mean - d)) / (2 * step) for d in step * np.eye(7)]
    )
    after = carry(take_motion(state, 1.28, 0.41, False), dt, MOTION, GNSS).covariance
    grown = after - F @ state.covariance @ F.T
    # What remains is process noise: small, symmetric, not negative.
    assert np.linalg.eigvalsh(grown).min() > -1e-7
    assert np.abs(grown[:3, :3]).max() < 1e-4


def test_standing_robot_spreads_in_nothing_but_the_slow_errors():
    state = take_motion(start(), 0.0, 0.004, True)
    later = carry(state, 60.0, MOTION, GNSS)
    np.testing.assert_array_equal(later.pose, state.pose)
    grown = np.diag(later.covariance - state.covariance)
    assert grown[GYRO_BIAS] == pytest.approx(60.0 * MOTION.gyro_bias_drift_radps**2)
    np.testing.assert_allclose(np.delete(grown, GYRO_BIAS), 0.0, atol=1e-12)


def test_blind_motion_spreads_by_its_way_in_whatever_steps():
    blind, begin = Blind(0.0, 1.2, 0.1), start()
    known = carry(take_motion(begin, 0.0, 0.0, False), 1.5, MOTION, GNSS).pose_covariance
    for steps in (1, 75):
        state = take_motion(begin, 0.0, 0.0, False, blind)
        for k in range(steps):
            state = carry(state, 1.5 * (k + 1) / steps, MOTION, GNSS)
        grown = np.sqrt(np.diag(state.pose_covariance - begin.pose_covariance))
        assert grown[:2] == pytest.approx([1.8, 1.8], abs=0.01)
        # The step over a gap of 1.5 s doubts the turn by itself.
        own = known[2, 2] - begin.pose_covariance[2, 2] if steps == 1 else 0.0
        assert grown[2] == pytest.approx(np.sqrt(0.15**2 + own), abs=0.01)


def test_far_fix_hardly_moves_a_pose_that_is_well_known():
    state = start(sigma=0.2)
    far, innovation = update_position_fix(
        state, state.pose[:2] + np.array([80.0, 0.0]), np.eye(2), np.zeros(2), True, 2.0
    )
    assert innovation.weight < 0.1
    assert 0.0 < far.pose[0] - state.pose[0] < 0.1


def test_fixes_that_agree_pull_a_wrong_filter_back():
    state = start((0.0, 0.0, 0.0), sigma=0.5)
    for k in range(1, 2400):
        state = carry(take_motion(state, 0.3, 0.0, False), 0.2 * k, MOTION, GNSS)
        truth = np.array([30.0 + 0.3 * 0.2 * k, 0.0])
        state, _ = update_position_fix(state, truth, np.eye(2), np.zeros(2), True, 2.0)
    assert abs(state.pose[0] - truth[0]) < 6.0


def test_pose_update_leaves_unseen_directions_alone():
    state = start((0.0, 0.0, 0.0))
    rows, variances = np.array([[0.0, 1.0, 0.0]]), np.array([0.01])
    after, _ = update_pose(state, np.array([5.0, 0.1, 0.5]), rows, variances, 2.5)
    assert after.pose[0] == 0.0
    assert after.pose[2] == 0.0
    assert 0.05 < after.pose[1] < 0.1
    assert after.covariance[0, 0] == pytest.approx(state.covariance[0, 0])


def test_covariance_stays_symmetric_and_positive():
    rng, state = np.random.default_rng(0), start()
    for k in range(1, 500):
        state = carry(take_motion(state, 1.0, rng.normal(0, 0.3), False), 0.02 * k, MOTION, GNSS)
        state, _ = update_pose(state, state.pose + 0.01, np.eye(3), np.full(3, 1e-4), 2.5)
        state, _ = update_still_gyro(state, 0.01, 0.01)
    np.testing.assert_array_equal(state.covariance, state.covariance.T)
    assert np.linalg.eigvalsh(state.covariance).min() > 0.0
    assert state.covariance.shape == (STATES, STATES)


def test_late_measurement_gives_the_result_of_order():
    rng = np.random.default_rng(1)
    events = []
    for k in range(1, 60):
        twist = (1.0, float(rng.normal(0, 0.5)))
        events.append((0.01 * k, lambda s, t=twist: (take_motion(s, *t, False), None)))
    for k in range(1, 6):
        z = np.array([1.0 + 0.1 * k, 2.0, 0.7]) + rng.normal(0, 0.05, 3)
        events.append(
            (
                0.1 * k + 0.003,
                lambda s, z=z: update_pose(s, z, np.eye(3), np.full(3, 0.01), 2.5),
            )
        )

    def run(order):
        history = History(start(), lambda s, t: carry(s, t, MOTION, GNSS), 2.0)
        for stamp_s, apply in order:
            history.insert(stamp_s, apply)
        return history.state

    in_order = run(sorted(events, key=lambda event: event[0]))
    shuffled = run([events[i] for i in rng.permutation(len(events))])
    np.testing.assert_allclose(shuffled.mean, in_order.mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(shuffled.covariance, in_order.covariance, rtol=0, atol=1e-12)


def test_history_refuses_what_is_older_than_it_remembers():
    history = History(start(), lambda s, t: carry(s, t, MOTION, GNSS), 0.5)
    for k in range(1, 300):
        history.insert(0.01 * k, lambda s: (take_motion(s, 1.0, 0.0, False), None))
    with pytest.raises(ValueError, match="older than the history"):
        history.insert(1.0, lambda s: (s, None))
    assert history.oldest_s > 2.2


def test_nothing_is_learnt_about_the_wheels_while_they_slip():
    state = start((0.0, 0.0, 0.0), sigma=0.1)
    for k in range(1, 200):
        state = carry(take_motion(state, 1.3, 0.0, False), 0.02 * k, MOTION, GNSS)
    ahead = state.pose + np.array([1.0, 0.0, 0.0])
    missed, _ = update_pose(state, ahead, np.eye(3), np.full(3, 0.04), 2.5, slip_sigma_m=0.5)
    believed, _ = update_pose(state, ahead, np.eye(3), np.full(3, 0.04), 2.5)
    assert missed.mean[WHEEL_SCALE] == state.mean[WHEEL_SCALE]
    assert believed.mean[WHEEL_SCALE] > state.mean[WHEEL_SCALE] + 0.001
    assert missed.pose[0] - state.pose[0] > 0.8


def test_wheel_scale_stays_within_what_wheels_can_be():
    state = start((0.0, 0.0, 0.0))
    H = np.zeros((1, STATES))
    H[0, WHEEL_SCALE] = 1.0
    after, _ = update(state, H, np.array([-0.3]), np.array([[1e-6]]), 100.0)
    assert after.mean[WHEEL_SCALE] == pytest.approx(-0.05)


def test_innovation_that_is_not_finite_changes_nothing():
    state = start()
    for bad in (np.nan, np.inf):
        after, innovation = update_position_fix(
            state, np.array([bad, 1.0]), np.eye(2), np.zeros(2), True, 2.0
        )
        assert after is state
        assert innovation is None
