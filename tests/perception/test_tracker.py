from dataclasses import replace

import numpy as np
import pytest

from lastmile.perception.config import TrackerConfig
from lastmile.perception.detections import Detections
from lastmile.perception.tracker import Tracker
from lastmile.types import ObstacleKind

CONFIG = TrackerConfig()
SQUARE = np.array([[-0.2, -0.2], [0.2, -0.2], [0.2, 0.2], [-0.2, 0.2]])


def detections(positions, length=0.45, height=1.6, fresh=np.nan):
    positions = np.asarray(positions, float).reshape(-1, 2)
    n = len(positions)
    return Detections(
        positions,
        np.full(n, length),
        np.full(n, length * 0.6),
        np.full(n, height),
        np.hypot(*positions.T),
        np.full(n, fresh),
        np.zeros(n, bool),
        np.zeros(n, bool),
        [SQUARE] * n,
        np.arange(n),
    )


def nowhere(points):
    return np.zeros(len(points), bool)


def run(tracker, path, start=0.0, seen_free=nowhere, **shape):
    for k, positions in enumerate(path):
        tracker.update(start + 0.1 * k, detections(positions, **shape), seen_free)


def walk(rng, count, velocity=(-1.4, 0.0), start=(8.0, 1.0), noise=0.04):
    t = 0.1 * np.arange(count)[:, None]
    return np.asarray(start) + t * np.asarray(velocity) + rng.normal(0, noise, (count, 2))


@pytest.mark.parametrize("seed", range(8))
def test_walking_person_has_a_velocity_within_half_a_second(seed):
    tracker = Tracker(CONFIG)
    run(tracker, walk(np.random.default_rng(seed), 6)[:, None])
    assert len(tracker.tracks) == 1
    assert np.hypot(*(tracker.velocities()[0] - [-1.4, 0.0])) < 0.5


def test_velocity_of_a_walking_person_is_good_after_two_seconds():
    errors = []
    for seed in range(10):
        tracker = Tracker(CONFIG)
        run(tracker, walk(np.random.default_rng(seed), 21)[:, None])
        errors.append(np.hypot(*(tracker.velocities()[0] - [-1.4, 0.0])))
    assert np.median(errors) < 0.18


def test_standing_things_have_no_velocity():
    rng = np.random.default_rng(4)
    poles = rng.uniform(-12, 12, (30, 2))
    # Two centimetres right beside the robot, where hundreds of points are averaged; five far off.
    noise_m = np.clip(0.01 * np.hypot(*poles.T), 0.02, 0.05)[:, None]
    tracker = Tracker(CONFIG)
    moving = []
    for k in range(100):
        seen = poles + rng.normal(0, 1, poles.shape) * noise_m
        tracker.update(0.1 * k, detections(seen), nowhere)
        moving.append(np.hypot(*tracker.velocities().T) > 0.1)
    assert np.mean(np.concatenate(moving)) < 0.002


def test_occluded_person_is_carried_on_and_keeps_its_id():
    tracker = Tracker(CONFIG)
    path = walk(np.random.default_rng(1), 60)
    run(tracker, path[:20, None])
    first = tracker.tracks[0].id
    run(tracker, [np.zeros((0, 2))] * 15, start=2.0)
    assert len(tracker.tracks) == 1
    assert tracker.tracks[0].thing == -1
    assert np.hypot(*(tracker.positions()[0] - path[34])) < 0.5
    run(tracker, path[35:40, None], start=3.5)
    assert [t.id for t in tracker.tracks] == [first]


def test_lost_things_end_after_two_seconds_or_when_their_place_is_seen_free():
    path = walk(np.random.default_rng(1), 20)[:, None]
    tracker = Tracker(CONFIG)
    run(tracker, path)
    run(tracker, [np.zeros((0, 2))] * 22, start=2.0)
    assert tracker.tracks == []
    tracker = Tracker(CONFIG)
    run(tracker, path)
    run(
        tracker,
        [np.zeros((0, 2))] * 5,
        start=2.0,
        seen_free=lambda points: np.ones(len(points), bool),
    )
    assert tracker.tracks == []


def test_people_who_pass_each_other_keep_their_ids():
    rng = np.random.default_rng(6)
    a = walk(rng, 40, (-1.2, 0.0), (5.0, 0.5))
    b = walk(rng, 40, (1.2, 0.0), (0.5, -0.4))
    tracker = Tracker(CONFIG)
    run(tracker, np.stack([a, b], axis=1)[:5])
    ids = {t.id: v[0] > 0 for t, v in zip(tracker.tracks, tracker.velocities(), strict=True)}
    run(tracker, np.stack([a, b], axis=1)[5:], start=0.5)
    after = {t.id: v[0] > 0 for t, v in zip(tracker.tracks, tracker.velocities(), strict=True)}
    assert after == ids


def gait(rng, times):
    """Where a lidar sees the centre of somebody, against where it is: noise, and steps at 2 Hz."""
    phase = 4.0 * np.pi * times + rng.uniform(0.0, 2.0 * np.pi)
    wobble = 0.03 * np.stack([np.sin(phase), np.cos(phase)], axis=1)
    return wobble + rng.normal(0.0, 0.05, (len(times), 2))


def walk_by_speeds(rng, times_s, speeds_mps, start=(5.0, 1.0), seconds=4.0):
    """Positions seen (N, 2) and true velocities (N, 2) at 10 Hz of a walk along x."""
    fine = np.arange(0.0, seconds, 0.01)
    speed = np.interp(fine, times_s, speeds_mps)
    way = np.concatenate([[0.0], np.cumsum(0.01 * speed)[:-1]])
    times, speed, way = fine[::10], speed[::10], way[::10]
    still = np.zeros(len(times))
    seen = np.asarray(start) + np.stack([way, still], axis=1) + gait(rng, times)
    return seen, np.stack([speed, still], axis=1)


TURNS_ROUND = (0.0, 2.5, 2.75, 3.27), (-1.3, -1.3, 0.0, 1.3)


@pytest.mark.parametrize("unseen", [0, 4, 8])
@pytest.mark.parametrize("seed", range(8))
def test_walker_who_turns_round_keeps_its_id_and_has_no_ghost(seed, unseen):
    seen, velocity = walk_by_speeds(np.random.default_rng(seed), *TURNS_ROUND, seconds=4.5)
    tracker = Tracker(CONFIG)
    for k, position in enumerate(seen):
        hides = 26 <= k < 26 + unseen
        tracker.update(0.1 * k, detections([] if hides else position), nowhere)
        assert [t.id for t in tracker.tracks] == [1]
    assert np.hypot(*(tracker.velocities()[0] - velocity[-1])) < 0.5


@pytest.mark.parametrize("seed", range(8))
def test_walker_who_stood_has_a_velocity_soon_after_setting_off(seed):
    setting_off = (0.0, 2.0, 2.25, 5.0, 5.52), (1.3, 1.3, 0.0, 0.0, 1.3)
    seen, velocity = walk_by_speeds(np.random.default_rng(seed), *setting_off, seconds=6.0)
    tracker = Tracker(CONFIG)
    run(tracker, seen[:50, None])
    assert not tracker.moving.any()
    run(tracker, seen[50:59, None], start=5.0)
    assert [t.id for t in tracker.tracks] == [1]
    assert np.hypot(*(tracker.velocities()[0] - velocity[58])) < 0.5


def test_who_sets_off_beside_the_robot_has_a_velocity_within_four_tenths_of_a_second():
    late = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        t = 0.1 * np.arange(40)
        way = np.where(t > 3.0, 0.9 * (t - 3.0) ** 2, 0.0)
        seen = np.stack([1.0 - way, 1.0 + 0.0 * way], axis=1) + rng.normal(0, 0.015, (40, 2))
        tracker = Tracker(CONFIG)
        run(tracker, seen[:30, None])
        for k in range(30, 40):
            run(tracker, seen[k : k + 1, None], start=t[k])
            if tracker.moving[0]:
                break
        late.append(t[k] - 3.0)
    assert np.median(late) < 0.45
    assert max(late) < 0.65


def test_pole_that_comes_into_view_is_not_taken_for_the_walker_lost_there():
    seen, _ = walk_by_speeds(np.random.default_rng(2), *TURNS_ROUND)
    tracker = Tracker(CONFIG)
    run(tracker, seen[:25, None])
    run(tracker, [np.zeros((0, 2))] * 5, start=2.5)
    run(tracker, [seen[24, None] + [0.6, 0.6]], start=3.0, fresh=0.0)
    assert [t.id for t in tracker.tracks] == [1, 2]
    assert [t.thing for t in tracker.tracks] == [-1, 0]


@pytest.mark.parametrize("seed", range(8))
def test_people_who_pass_at_arms_length_keep_their_ids(seed):
    rng = np.random.default_rng(seed)
    there, _ = walk_by_speeds(rng, (0.0, 4.0), (1.3, 1.3), start=(0.0, 1.0))
    back, _ = walk_by_speeds(rng, (0.0, 4.0), (-1.3, -1.3), start=(5.2, 1.6))
    tracker = Tracker(CONFIG)
    for k, both in enumerate(np.stack([there, back], axis=1)):
        tracker.update(0.1 * k, detections(both), nowhere)
        assert [(t.id, t.thing) for t in tracker.tracks] == [(1, 0), (2, 1)]


def test_car_at_fifty_km_per_hour_is_followed():
    rng = np.random.default_rng(2)
    tracker = Tracker(CONFIG)
    run(tracker, walk(rng, 20, (-13.9, 0.0), (70.0, 4.0), 0.3)[:, None], length=4.2, height=1.4)
    assert len(tracker.tracks) == 1
    assert np.hypot(*(tracker.velocities()[0] - [-13.9, 0.0])) < 1.5
    assert tracker.kind(0) == ObstacleKind.VEHICLE


def test_kinds_follow_size_speed_and_history():
    rng = np.random.default_rng(3)
    tracker = Tracker(CONFIG)
    run(tracker, walk(rng, 20)[:, None])
    assert tracker.kind(0) == ObstacleKind.PERSON
    tracker = Tracker(CONFIG)
    run(tracker, walk(rng, 20, (-5.0, 0.0), (12.0, 1.0))[:, None], length=1.8)
    assert tracker.kind(0) == ObstacleKind.CYCLIST
    tracker = Tracker(CONFIG)
    run(tracker, walk(rng, 45, (0.0, 0.0))[:, None], height=0.4)
    assert tracker.kind(0) == ObstacleKind.STATIC


def test_flat_or_low_pieces_that_never_moved_are_nobody():
    for shape in ({"length": 0.09}, {"height": 1.0}):
        tracker = Tracker(CONFIG)
        run(tracker, [[[0.6, 0.1]]] * 5, **shape)
        assert tracker.kind(0) == ObstacleKind.UNKNOWN


def test_thing_that_flickered_for_two_scans_is_not_remembered_as_a_person():
    tracker = Tracker(CONFIG)
    run(tracker, [[[5.0, 0.0]]] * 20)
    track = tracker.tracks[0]
    track.moved_s, track.moved_scans = 1.85, 2
    run(tracker, [[[5.0, 0.0]]] * 40, start=2.0)
    assert tracker.kind(0) == ObstacleKind.STATIC
    track.moved_scans = 20
    assert tracker.kind(0) == ObstacleKind.PERSON


def test_covering_free_ground_tells_motion():
    slow = walk(np.random.default_rng(9), 12, (-0.5, 0.0))[:, None]
    told, untold = Tracker(CONFIG), Tracker(CONFIG)
    run(told, slow, fresh=0.4)
    run(untold, slow, fresh=0.0)
    assert np.hypot(*told.velocities()[0]) > 0.2
    assert untold._state.p_moving[0] < told._state.p_moving[0]


def test_near_newcomer_takes_the_place_of_the_farthest_track():
    tracker = Tracker(replace(CONFIG, tracks_max=8))
    far = [(40.0 + 3.0 * k, 10.0) for k in range(8)]
    run(tracker, [far] * 3)
    farthest = max(tracker.tracks, key=lambda t: t.range_m).id
    run(tracker, [[*far, (2.0, 0.0)]] * 6, start=0.3)
    assert len(tracker.tracks) == 8
    assert farthest not in [t.id for t in tracker.tracks]
    at = tracker.positions()
    assert len(at) == 8
    assert np.hypot(*(at - [2.0, 0.0]).T).min() < 0.1
    # What gave way comes again in each scan and takes the place of none.
    assert tracker.dropped == 1
    assert max(t.id for t in tracker.tracks) == 9


def test_a_hand_apart_from_its_body_does_not_take_the_track_when_a_wall_is_near():
    rng = np.random.default_rng(2)
    path = walk(rng, 20, start=(4.0, 0.3), noise=0.02)
    tracker = Tracker(CONFIG)
    wall = (path[-1] + [-0.3, 0.1]).tolist()
    for k, walker in enumerate(path[:-1]):
        both = detections([walker, wall])
        both.length_m[1] = 2.8
        tracker.update(0.1 * k, both, nowhere)
    (walker,) = (t for t, moves in zip(tracker.tracks, tracker.moving, strict=True) if moves)
    apart = detections([path[-1], path[-1] + [0.35, -0.05]])
    apart.length_m[1] = 0.09
    tracker.update(1.9, apart, nowhere)
    assert walker.thing == 0
