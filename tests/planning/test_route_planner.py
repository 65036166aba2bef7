from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastmile.geometry.polyline import arc_lengths
from lastmile.maps.example import SIGNALLED_X_M, example_site
from lastmile.maps.lockers import staging_pose
from lastmile.maps.site import Footprint
from lastmile.planning.inputs import check_route
from lastmile.planning.route_planner import RouteError, RoutePlanner, edge_cost
from lastmile.types import EdgeKind

SITE = example_site()
PLANNER = RoutePlanner(SITE)


def crossings(route):
    return [s.crossing_id for s in route.spans if s.kind is EdgeKind.CROSSING]


def assert_sound(route, start, goal):
    arcs = arc_lengths(route.points)
    assert np.diff(arcs).max() <= 1.0
    # A route from a place to itself begins a centimetre before it, to have a length.
    same = np.hypot(*(np.asarray(goal) - start)) < 0.01
    assert np.allclose(route.points[0], start, atol=0.011 if same else 1e-6)
    assert np.allclose(route.points[-1], goal, atol=1e-6)
    assert route.spans[0].start_m == 0.0
    assert route.spans[-1].end_m == pytest.approx(arcs[-1], abs=1e-6)
    for before, after in zip(route.spans[:-1], route.spans[1:], strict=True):
        assert before.end_m == after.start_m
        assert before.end_m > before.start_m


def test_route_between_lockers_crosses_the_road_once_and_ends_facing_the_port():
    route = PLANNER.plan("a", "b")
    start, goal = (staging_pose(locker) for locker in SITE.lockers)
    assert_sound(route, start[:2], goal[:2])
    assert crossings(route) == ["crossing-signalled"]
    span = next(s for s in route.spans if s.signalled)
    assert (span.lanes, span.road_speed_mps) == (2, pytest.approx(50 / 3.6))
    assert route.goal_yaw == pytest.approx(goal[2])
    last = route.points[-1] - route.points[-2]
    assert np.arctan2(last[1], last[0]) == pytest.approx(goal[2], abs=0.05)


def test_crossing_span_lies_between_the_pavements():
    route = PLANNER.plan("a", "b")
    arcs = arc_lengths(route.points)
    span = next(s for s in route.spans if s.kind is EdgeKind.CROSSING)
    inside = route.points[(arcs > span.start_m + 1e-6) & (arcs < span.end_m - 1e-6)]
    assert np.abs(inside[:, 1]).max() <= 4.76
    assert span.end_m - span.start_m == pytest.approx(9.5, abs=0.6)


def test_closed_crossing_is_gone_around():
    route = PLANNER.plan("a", "b", closed=frozenset({"crossing-signalled"}))
    assert crossings(route) == ["crossing-unsignalled"]


def test_closing_every_way_says_so_and_names_both_ends():
    closed = frozenset({"crossing-signalled", "crossing-unsignalled"})
    with pytest.raises(RouteError, match="from locker 'a' to locker 'b': the closed edges part"):
        PLANNER.plan("a", "b", closed=closed)


def test_parts_that_are_not_joined_are_told_apart_from_closures():
    edges = tuple(e for e in SITE.edges if e.kind is not EdgeKind.CROSSING)
    with pytest.raises(RouteError, match="not joined"):
        RoutePlanner(replace(SITE, edges=edges)).plan("a", "b")


def test_end_off_the_network_is_named_with_its_distance():
    with pytest.raises(RouteError, match=r"start \(0\.0, 200\.0\) is 150\.0 m off"):
        PLANNER.plan(np.array([0.0, 200.0]), "b")


def test_walled_in_end_is_named():
    yard = np.array([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
    wall = Footprint("yard", "barrier", yard + np.array([61.0, 56.0]), 2.0, False)
    site = replace(SITE, footprints=(*SITE.footprints, wall))
    with pytest.raises(RouteError, match=r"goal \(61\.0, 56\.0\) cannot be joined"):
        RoutePlanner(site).plan("a", np.array([61.0, 56.0]))


@pytest.mark.parametrize(
    ("end", "rule"),
    [
        (np.array([np.nan, 0.0]), "finite position"),
        (np.zeros(4), "finite position"),
        ("z", "no locker 'z'; it has a, b"),
    ],
)
def test_impossible_end_is_refused(end, rule):
    with pytest.raises(RouteError, match=rule):
        PLANNER.plan(end, "b")


def test_docked_robot_can_leave_its_locker():
    docked = staging_pose(SITE.lockers[0], 0.37)[:2]
    assert_sound(PLANNER.plan(docked, "b"), docked, staging_pose(SITE.lockers[1])[:2])


@pytest.mark.parametrize("off_m", [0.0, 0.0005, 0.02])
@pytest.mark.parametrize("goal", ["a", np.array([0.0, 4.75])], ids=["locker", "place"])
def test_goal_where_the_robot_stands_gives_a_short_route(goal, off_m):
    place = staging_pose(SITE.lockers[0])[:2] if isinstance(goal, str) else goal
    route = PLANNER.plan(place + np.array([off_m, 0.0]), goal)
    assert arc_lengths(route.points)[-1] < 0.1
    assert route.points[-1] == pytest.approx(place)
    check_route(route)


def test_robot_beside_its_goal_is_not_sent_by_way_of_the_network():
    goal = staging_pose(SITE.lockers[0])
    start = goal[:2] - 0.2 * np.array([np.cos(goal[2]), np.sin(goal[2])])
    route = PLANNER.plan(start, "a")
    assert arc_lengths(route.points)[-1] == pytest.approx(0.2, abs=1e-6)
    assert route.goal_yaw == goal[2]


def test_start_and_goal_on_one_edge_go_straight():
    start, goal = np.array([0.0, 4.75]), np.array([10.0, 4.75])
    route = PLANNER.plan(start, goal, goal_yaw=1.0)
    assert arc_lengths(route.points)[-1] == pytest.approx(10.0, abs=0.01)
    assert route.goal_yaw == 1.0


def test_same_question_gives_the_same_route():
    a, b = PLANNER.plan("a", "b"), PLANNER.plan("a", "b")
    assert a.id == b.id
    np.testing.assert_array_equal(a.points, b.points)


@settings(max_examples=40)
@given(
    st.tuples(st.floats(-60.0, 60.0), st.floats(-1.0, 1.0), st.sampled_from([1.0, -1.0])),
    st.tuples(st.floats(-60.0, 60.0), st.floats(-1.0, 1.0), st.sampled_from([1.0, -1.0])),
)
def test_any_two_places_on_the_pavements_are_joined(start, goal):
    (a, b) = (np.array([x, side * (4.75 + 0.3 * dy)]) for x, dy, side in (start, goal))
    route = PLANNER.plan(a, b)
    assert_sound(route, a, b)
    assert len(crossings(route)) == (0 if a[1] * b[1] > 0.0 else 1)


def test_corners_are_rounded_without_leaving_the_edge_far():
    route = PLANNER.plan(np.array([SIGNALLED_X_M - 10.0, 4.75]), np.array([SIGNALLED_X_M, -4.75]))
    steps = np.diff(route.points, axis=0)
    steps = steps[np.hypot(*steps.T) > 1e-3]
    turns = np.abs(np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))))
    assert turns.max() < np.radians(30.0)
    corner = np.array([SIGNALLED_X_M, 4.75])
    assert np.hypot(*(route.points - corner).T).min() < 0.25


def test_costs_prefer_signals_good_ground_and_no_climb():
    edge = next(e for e in SITE.edges if e.kind is EdgeKind.CROSSING and e.signalled)
    plain = next(e for e in SITE.edges if e.kind is EdgeKind.SIDEWALK)
    assert edge_cost(edge, 10.0) < edge_cost(replace(edge, signalled=False), 10.0)
    assert edge_cost(edge, 10.0) < edge_cost(replace(edge, kerb="raised"), 10.0)
    quiet = replace(edge, signalled=False, road_speed_mps=30.0 / 3.6)
    for road_mps in (40.0 / 3.6, 0.0):
        busy = replace(quiet, road_speed_mps=road_mps)
        assert edge_cost(busy, 10.0) > edge_cost(quiet, 10.0) + 100.0
    for worse in ({"surface": "sett"}, {"width_m": 1.2}, {"covered": True}, {"incline": 0.06}):
        assert edge_cost(plain, 10.0) < edge_cost(replace(plain, **worse), 10.0)
    assert edge_cost(replace(plain, incline=-0.06), 10.0) == edge_cost(plain, 10.0)
