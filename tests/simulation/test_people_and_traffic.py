"""People, vehicles and signals."""

import numpy as np
import pytest
import shapely
from tests.simulation.worlds import drive, make_world, of

from lastmile.geometry import se2
from lastmile.simulation import people, traffic
from lastmile.simulation.people import RADIUS_M, nearest_on_outline
from lastmile.types import Command, SignalPhase


@pytest.fixture(scope="module")
def busy():
    """Twelve seconds with a standing robot, people and cars."""
    world = make_world(
        seed=3,
        start_pose=[0.0, 4.75, 0.0],
        people={"count": 25},
        traffic={"cars": 8, "cyclists": 3},
    )
    world._look = lambda faults: []
    return world, of(drive(world, 12.0), "ground_truth")


def test_people_are_there_and_walk(busy):
    _, truth = busy
    assert len(truth[-1].people) >= 20
    speed = np.hypot(*truth[-1].people[:, 3:5].T)
    assert 0.5 < np.median(speed) < 2.0


def test_people_appear_neither_in_buildings_nor_near_the_robot(busy):
    world, truth = busy
    seen: set[int] = set()
    for moment in truth:
        for number, x, y, _, _ in moment.people:
            if number not in seen:
                seen.add(number)
                assert np.hypot(x - moment.pose_map_base[0], y - moment.pose_map_base[1]) > 4.5
                assert len(world.town.contacts.tree.query(shapely.Point(x, y), "intersects")) == 0


def test_people_never_walk_through_the_robot(busy):
    world, truth = busy
    for moment in truth[5:]:
        outline = se2.transform(moment.pose_map_base, world.robot.footprint)
        _, distance, inside = nearest_on_outline(outline, moment.people[:, 1:3])
        assert not inside.any()
        assert distance.min() > RADIUS_M - 0.1


def test_people_near_the_robot_walk_on_at_the_end_of_their_way():
    world = make_world(seed=4, start_pose=[0.0, 4.75, 0.0], people={"count": 0})
    world._look = lambda faults: []
    points = np.column_stack([np.arange(-11.0, 3.0), np.full(14, -4.75)])
    assert world.town.people.add(points, ("",) * len(points), 1.4)
    truth = of(drive(world, 14.0), "ground_truth")
    x = np.array([m.people[0, 1] for m in truth if len(m.people)])
    assert x[-1] > 5.0
    assert np.diff(x).min() > -1e-3


def test_nobody_goes_back_for_a_point_of_the_way_that_was_passed_aside():
    here, after = [10.0, 0.0], [11.0, 0.0]
    assert not people._passed(8.5, 0.0, here, after)
    assert people._passed(9.2, 0.5, here, after)
    assert people._passed(10.2, 1.8, here, after)
    assert not people._passed(10.2, 4.0, here, after)


def test_people_round_the_corners_of_their_way():
    world = make_world(seed=4, start_pose=[0.0, 4.75, 0.0], people={"count": 0})
    world._look = lambda faults: []
    along = np.column_stack([np.arange(-11.0, 0.0), np.full(11, -4.75)])
    aside = np.column_stack([np.full(7, -1.0), np.arange(-3.75, 3.0)])
    points = np.concatenate([along, aside])
    assert world.town.people.add(points, ("",) * len(points), 1.4)
    truth = [m for m in of(drive(world, 12.0), "ground_truth") if len(m.people)]
    heading = np.unwrap([np.arctan2(m.people[0, 4], m.people[0, 3]) for m in truth])
    stamps = np.array([m.stamp_s for m in truth])
    turn = np.abs(np.interp(stamps + 0.5, stamps, heading) - heading)
    assert np.abs(heading - heading[0]).max() > 1.3
    assert turn.max() < 0.8


def test_cars_keep_right_and_within_the_limit(busy):
    _, truth = busy
    cars = np.concatenate([m.vehicles for m in truth])
    assert cars[:, 4].max() < 50.0 / 3.6 + 0.5
    for sense in (1.0, -1.0):
        there = cars[sense * np.cos(cars[:, 3]) > 0.9]
        assert len(there)
        assert (sense * there[:, 2] < 0.0).all()


def test_vehicles_do_not_run_into_each_other(busy):
    pairs = 0
    for moment in busy[1][::25]:
        for i, a in enumerate(moment.vehicles):
            for b in moment.vehicles[i + 1 :]:
                if np.cos(a[3] - b[3]) > 0.9 and abs(a[2] - b[2]) < 0.3:
                    assert abs(a[1] - b[1]) > 0.5 * (a[5] + b[5])
                    pairs += 1
    assert pairs > 50


def test_cars_stop_for_the_robot_on_a_crossing():
    world = make_world(
        seed=5,
        start_pose=[25.0, 0.0, -np.pi / 2],
        traffic={"cars": 8, "yielding_ratio": 1.0},
    )
    world._look = lambda faults: []
    truth = of(drive(world, 15.0), "ground_truth")
    assert not any(m.contact for m in truth)
    waiting = [v for v in truth[-1].vehicles if v[4] < 0.1 and abs(v[1] - 25.0) < 25.0]
    assert waiting


def test_asked_for_encounters_happen():
    world = make_world(seed=2, start_pose=[0.0, -4.75, 0.0], people={"encounters": 3})
    world._look = lambda faults: []
    points, met = world.town.route.points, set()
    for _ in range(4000):
        pose = world.motion.pose_map_base
        i = int(np.argmin(np.hypot(*(points - pose[:2]).T)))
        if i >= len(points) - 3:
            break
        ahead = points[min(i + 2, len(points) - 1)] - pose[:2]
        error = float(se2.wrap_angle(np.arctan2(ahead[1], ahead[0]) - pose[2]))
        speed = 1.2 * max(0.0, np.cos(error)) if world.clearance.people_m > 0.8 else 0.0
        world.command(Command(world.stamp_s, speed, float(np.clip(2.0 * error, -1.2, 1.2))))
        for moment in of(world.step(), "ground_truth"):
            gap = np.hypot(*(moment.people[:, 1:3] - moment.pose_map_base[:2]).T)
            met |= set(moment.people[gap < 5.0, 0])
    assert len(met) == 3


def test_signals_alternate_and_cars_never_have_green_with_pedestrians():
    signals = make_world().town.signals
    crossing = signals.crossings["crossing-signalled"]
    times = np.arange(0.0, 2.0 * crossing.cycle_s, 0.5)
    phases = [crossing.phase(t)[0] for t in times]
    assert {SignalPhase.GREEN, SignalPhase.RED} == set(phases)
    for t, phase in zip(times, phases, strict=True):
        assert not (phase == SignalPhase.GREEN and crossing.cars_may_go(t))
        assert crossing.phase(t)[1] > 0.0


def test_feed_tells_signalled_crossings_only():
    world = make_world()
    feed = world.town.signals.feed(3.0, np.zeros(2))
    assert [s.crossing_id for s in feed.signals] == ["crossing-signalled"]


def test_leader_is_the_next_ahead_in_the_same_lane_and_sense():
    poses = np.array([[0, 0, 0], [20, 0.5, 0], [12, 3.0, 0], [9, 0, np.pi], [35, 0, 0.1]], float)
    gaps, leaders = traffic._leaders(poses, np.array([4.5, 4.5, 4.5, 4.5, 1.8]))
    assert leaders[[0, 1]].tolist() == [1, 4]
    assert gaps == pytest.approx([15.5, 15.0 - 3.15, np.inf, np.inf, np.inf])


def test_only_who_is_in_the_way_is_braked_for():
    poses = np.array([[0.0, 0.0, np.pi / 2], [0.0, 0.0, 0.0]])
    sizes = np.array([[4.5, 1.8], [1.8, 0.6]])
    walkers = np.array([[1.4, 10.0], [-1.6, 5.0], [0.0, -3.0], [6.0, 0.8], [50.0, 0.0]])
    assert traffic._walker_gaps(poses, sizes, walkers) == pytest.approx([7.75, 5.1])


def test_place_on_a_way_is_linear_and_held_at_the_ends():
    arcs = [0.0, 2.0, 5.0]
    places = [traffic._segment(arcs, arc) for arc in (-1.0, 0.5, 2.0, 4.25, 6.0)]
    assert places == [(0, 0.0), (0, 0.25), (1, 0.0), (1, 0.75), (1, 1.0)]


def test_who_is_pressed_against_what_stands_keeps_a_body_s_width_off_it():
    world = make_world(seed=4, start_pose=[0.0, 4.75, 0.0], people={"count": 0})
    world._look = lambda faults: []
    here = np.array([0.0, -4.75])
    buildings = [t.outline for t in world.town.streets.things if t.name.startswith("building")]
    wall = min(buildings, key=lambda outline: outline.distance(shapely.Point(here)))
    foot = shapely.get_coordinates(shapely.shortest_line(wall, shapely.Point(here)))[0]
    inward = (foot - here) / np.hypot(*(foot - here))
    # A way that leads into the wall and on behind it.
    way = here + np.arange(12)[:, None] * inward
    assert world.town.people.add(way, ("",) * len(way), 1.4)
    truth = of(drive(world, 8.0), "ground_truth")
    away = [wall.distance(shapely.Point(m.people[0, 1:3])) for m in truth if len(m.people)]
    assert min(away) < RADIUS_M + 0.3
    assert min(away) > RADIUS_M - 0.03
