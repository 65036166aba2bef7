from dataclasses import replace

import numpy as np
import pytest
from tests.perception import scenes

from lastmile.geometry import se2
from lastmile.perception.config import PerceptionConfig
from lastmile.perception.cost_map import CostMap, _roll
from lastmile.perception.pipeline import Pipeline
from lastmile.types import Cell

CONFIG = PerceptionConfig()
FRAMES = ("depth_front_optical_frame", "depth_rear_optical_frame")


def drive(scene_at, pose_at, scans, seed=1, pipeline=None):
    """Run a pipeline over scenes and poses by time; its last map and the pipeline."""
    rng = np.random.default_rng(seed)
    pipeline = pipeline or Pipeline(CONFIG, scenes.Robot())
    for k in range(scans):
        t = 0.1 * k
        scene, pose = scene_at(t), pose_at(t)
        lidar = scenes.scan(scene, pose, "lidar_link", t, rng)
        depths = [scenes.scan(scene, pose, frame, t, rng, noise=0.004) for frame in FRAMES]
        pipeline.update(t, lidar, depths, np.asarray(pose, float), np.zeros(2))
    return pipeline.cost_map.read(t), pipeline


def cells(cost_map, x, y):
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    column = np.floor((x - cost_map.origin[0]) / cost_map.resolution_m).astype(int)
    row = np.floor((y - cost_map.origin[1]) / cost_map.resolution_m).astype(int)
    return cost_map.cells[row, column]


def standing(t):
    return (0.0, 0.0, 0.0)


def test_open_ground_is_free_to_eight_metres_and_unseen_ground_unknown():
    cost_map, _ = drive(lambda t: scenes.Scene(), standing, 2)
    x, y = np.meshgrid(np.arange(2.2, 8.5, 0.1), np.arange(-1.0, 1.0, 0.1))
    assert (cells(cost_map, x, y) == Cell.FREE).mean() > 0.999
    assert (cells(cost_map, np.arange(0.7, 1.9, 0.1), 0.05) == Cell.FREE).all()
    # Beside the robot no sensor sees the ground.
    assert (cells(cost_map, 0.05, np.arange(0.6, 1.5, 0.1)) == Cell.UNKNOWN).all()
    assert (cost_map.cells.dtype, cost_map.cells.shape) == (np.int8, (200, 200))


def test_wall_is_occupied_and_nothing_is_known_behind_it():
    scene = scenes.Scene(things=(scenes.Box(6.0, 0.0, 0.2, 30.0, 4.0),))
    cost_map, pipeline = drive(lambda t: scene, standing, 5)
    y = np.arange(-5.0, 5.0, 0.1)
    wall = np.maximum(cells(cost_map, 5.85, y), cells(cost_map, 5.95, y))
    assert (wall == Cell.OCCUPIED).mean() > 0.98
    x, yy = np.meshgrid(np.arange(6.3, 9.5, 0.1), np.arange(-4.0, 4.0, 0.1))
    assert (cells(cost_map, x, yy) == Cell.UNKNOWN).all()
    assert pipeline.obstacles(0.4).obstacles == ()


def test_curb_of_twelve_centimetres_is_a_line_of_curb_and_a_dropped_kerb_is_free():
    scene = scenes.Scene(steps=(scenes.Step((0.0, 1.0), 1.55, -0.12),))
    cost_map, _ = drive(lambda t: scene, lambda t: (1.2 * t, 0.0, 0.0), 20)
    x = np.arange(1.0, 5.0, 0.1)
    across = np.stack([cells(cost_map, x, y) for y in (1.35, 1.45, 1.55, 1.65, 1.75)])
    assert (across == Cell.CURB).any(axis=0).mean() > 0.95
    assert (cells(cost_map, x[10:], 0.9) == Cell.FREE).all()
    assert not (cost_map.cells == Cell.OCCUPIED).any()
    scene = scenes.Scene(steps=(scenes.Step((1.0, 0.0), 4.0, -0.03),))
    cost_map, _ = drive(lambda t: scene, lambda t: (1.2 * t, 0.0, 0.0), 20)
    x, y = np.meshgrid(np.arange(3.0, 7.0, 0.1), np.arange(-1.0, 1.0, 0.1))
    assert (cells(cost_map, x, y) == Cell.FREE).mean() > 0.999


def test_curb_ahead_bars_the_way_before_the_robot_reaches_it():
    scene = scenes.Scene(steps=(scenes.Step((1.0, 0.0), 5.0, -0.12),))
    cost_map, _ = drive(lambda t: scene, lambda t: (1.2 * t, 0.0, 0.0), 20)
    y = np.arange(-1.5, 1.5, 0.1)
    line = np.stack([cells(cost_map, x, y) for x in np.arange(4.65, 5.4, 0.1)])
    assert (line == Cell.CURB).any(axis=0).mean() > 0.95


def test_walking_person_leaves_no_trail():
    def scene(t):
        return scenes.Scene(things=(scenes.Cylinder(5.0, -3.0 + 1.3 * t, 0.25, 1.7),))

    cost_map, pipeline = drive(scene, standing, 30)
    here = -3.0 + 1.3 * 2.9
    trail = cells(cost_map, *np.meshgrid([4.85, 4.95, 5.05], np.arange(-3.5, here - 0.8, 0.1)))
    assert (trail == Cell.OCCUPIED).sum() == 0
    (person,) = pipeline.obstacles(2.9).obstacles
    assert np.hypot(*(person.velocity - [0.0, 1.3])) < 0.25


def test_wall_behind_walking_people_stands_and_stays_in_the_map():
    def scene(t):
        return scenes.Scene(
            things=(
                scenes.Cylinder(-3.0 + 1.3 * t, 1.6, 0.25, 1.7),
                scenes.Cylinder(-1.5 + 1.3 * t, 1.7, 0.25, 1.7),
                scenes.Box(0.0, 5.0, 40.0, 0.2, 6.0),
            )
        )

    cost_map, pipeline = drive(scene, standing, 30)
    walkers = [o for o in pipeline.obstacles(2.9).obstacles if np.hypot(*o.velocity) > 0.0]
    assert all(abs(o.position[1] - 1.6) < 0.5 for o in walkers)
    assert len(walkers) == 2
    wall = np.maximum(*(cells(cost_map, np.arange(-6.0, 6.0, 0.1), y) for y in (4.85, 4.95)))
    assert (wall == Cell.OCCUPIED).mean() > 0.97


def test_what_stands_far_off_is_followed_but_not_told():
    bins = [scenes.Box(x, 0.5, 0.6, 0.6, 1.1) for x in (8.0, 18.0)]
    _, pipeline = drive(lambda t: scenes.Scene(things=(bins[0], bins[1])), standing, 40)
    (told,) = pipeline.obstacles(3.9).obstacles
    assert abs(told.position[0] - 8.0) < 0.5
    assert sorted(round(t.seen_at[0]) for t in pipeline.tracker.tracks) == [8, 18]


def test_thing_that_is_taken_away_clears():
    def scene(t):
        box = scenes.Box(4.0, 0.0, 0.5, 0.5, 0.9)
        return scenes.Scene(things=(box,) if t < 1.95 else ())

    before, _ = drive(scene, standing, 19)
    assert (cells(before, [3.75, 3.85], 0.0) == Cell.OCCUPIED).any()
    after, _ = drive(scene, standing, 30)
    assert (cells(after, np.arange(3.5, 4.5, 0.1), 0.0) == Cell.FREE).all()


def test_person_who_stood_beside_the_robot_and_left_does_not_stay_in_the_map():
    def scene(t):
        # Comes near where the legs are seen, stands beside the robot where they are not, leaves.
        person = scenes.Cylinder(0.0, max(1.0, 3.0 - 4.0 * t), 0.22, 1.7)
        return scenes.Scene(things=(person,) if t < 1.95 else ())

    before, _ = drive(scene, standing, 19)
    assert (cells(before, [-0.05, 0.05], 0.85) == Cell.OCCUPIED).any()
    after, _ = drive(scene, standing, 22)
    around = cells(after, *np.meshgrid(np.arange(-0.5, 0.5, 0.1), np.arange(0.6, 1.3, 0.1)))
    assert not (around == Cell.OCCUPIED).any()
    assert not (around == Cell.FREE).any()


def test_ground_beside_a_standing_robot_is_not_forgotten_and_ground_out_of_sight_is():
    """The robot drives up, so that the ground beside it was seen before, and stands."""
    config = replace(CONFIG, cost_map=replace(CONFIG.cost_map, memory_s=1.0))
    wall = scenes.Box(-3.0, 2.5, 1.0, 0.2, 1.5)

    def pose(t):
        return (min(0.0, 1.4 * t - 4.0), 0.0, 0.0)

    def scene(t):
        # A wall that comes between the robot and ground that it saw.
        return scenes.Scene(things=(wall,) if t > 3.0 else ())

    after, _ = drive(scene, pose, 55, pipeline=Pipeline(config, scenes.Robot()))
    assert (cells(after, 0.0, np.arange(0.4, 1.9, 0.1)) == Cell.FREE).all()
    behind = np.arange(1.15, 1.5, 0.05)
    assert (cells(after, -3.0 * behind, 2.5 * behind) == Cell.UNKNOWN).all()


def test_ground_below_somebody_who_stood_beside_the_robot_for_long_is_free_again():
    """The robot drives up, so that the ground was seen before; nobody sees it afterwards."""
    config = replace(CONFIG, cost_map=replace(CONFIG.cost_map, memory_s=1.0))

    def pose(t):
        return (min(0.0, 1.4 * t - 4.0), 0.0, 0.0)

    def scene(t):
        person = scenes.Cylinder(0.0, max(1.0, 5.0 - 1.2 * (t - 2.5)), 0.22, 1.7)
        return scenes.Scene(things=(person,) if t < 11.95 else ())

    beside = np.arange(0.6, 1.35, 0.1)
    before, _ = drive(scene, pose, 119, pipeline=Pipeline(config, scenes.Robot()))
    assert (cells(before, 0.0, beside) == Cell.OCCUPIED).any()
    after, _ = drive(scene, pose, 124, pipeline=Pipeline(config, scenes.Robot()))
    assert (cells(after, 0.0, beside) == Cell.FREE).all()


BESIDE = (112, 100)
"""Row and column of a cell 1.2 m to the left of the robot."""


def watch(cost_map, scans, seen_at, yaw_rate=0.0):
    """Let the robot stand, or turn, with a thing beside it that is seen at some scans; its cell."""
    published = []
    for k in range(scans):
        hit = np.zeros(cost_map._shape, np.uint8)
        hit[BESIDE] = 1 if k in seen_at else 0
        cost_map.move_to(np.array([0.0, 0.0, 0.1 * k * yaw_rate]), 0.1 * k)
        cost_map._fold(hit)
        published.append(Cell(cost_map.read(0.1 * k).cells[BESIDE]))
    return published


@pytest.fixture
def beside_known_ground():
    """Give a map with a short memory that knows the ground beside the robot as free."""
    config = replace(CONFIG.cost_map, memory_s=3.0, visitor_memory_s=1.0)
    cost_map = CostMap(config, np.array([[-0.35, -0.275], [0.35, 0.275]]))
    cost_map.move_to(np.zeros(3), 0.0)
    cost_map._known_s[:] = 0.0
    return cost_map


def test_thing_beside_a_standing_robot_is_not_free_once_it_is_forgotten(beside_known_ground):
    cells = watch(beside_known_ground, 60, seen_at=range(5))
    assert cells[5:30] == [Cell.OCCUPIED] * 25 and cells[-1] is Cell.UNKNOWN


def test_what_came_to_the_standing_robot_is_forgotten_soon_and_leaves_free_ground(
    beside_known_ground,
):
    cells = watch(beside_known_ground, 60, seen_at=range(10, 16))
    assert cells[9] is Cell.FREE
    assert cells[10:25] == [Cell.OCCUPIED] * 15, "for as long as it may be there unseen"
    assert cells[27:] == [Cell.FREE] * 33


def test_what_appears_while_the_robot_turns_may_have_stood_there_before(beside_known_ground):
    cells = watch(beside_known_ground, 60, seen_at=range(10, 16), yaw_rate=0.5)
    assert cells[10:45] == [Cell.OCCUPIED] * 35 and cells[-1] is Cell.UNKNOWN


def test_visitor_that_is_seen_on_is_not_forgotten(beside_known_ground):
    cells = watch(beside_known_ground, 60, seen_at=range(10, 60, 5))
    assert set(cells[10:]) == {Cell.OCCUPIED}


@pytest.mark.parametrize("yaw_rate", [200.0, 1e300])
def test_turn_beyond_all_measure_looks_round_the_image_once_at_most(yaw_rate):
    scene = scenes.Scene(things=(scenes.Cylinder(2.5, 0.0, 0.22, 1.7),))
    pipeline = Pipeline(PerceptionConfig(), scenes.Robot())
    for k in range(3):
        lidar = scenes.scan(scene, (0.0, 0.0, 0.0), "lidar_link", 0.1 * k, turn_s=0.1)
        twist = np.array([0.0, yaw_rate if k == 2 else 0.0])
        pipeline.update(0.1 * k, lidar, [], np.zeros(3), twist)
    cells = pipeline.cost_map.read(0.2).cells
    assert (cells == Cell.OCCUPIED).any()


def test_window_rolls_with_the_robot_and_keeps_places():
    scene = scenes.Scene(things=(scenes.Cylinder(4.0, 2.0, 0.1, 1.0),))
    cost_map, _ = drive(lambda t: scene, lambda t: (2.0 * t, -0.5 * t, 0.3 * t), 15)
    occupied = np.argwhere(cost_map.cells == Cell.OCCUPIED)
    at = cost_map.origin + (occupied[:, ::-1] + 0.5) * cost_map.resolution_m
    assert len(at) > 0
    assert np.hypot(*(at - [4.0, 2.0]).T).max() < 0.3
    centre = cost_map.origin + 10.0
    assert np.abs(centre - [2.8, -0.7]).max() <= 0.11


def test_roll_moves_content_by_whole_cells():
    rng = np.random.default_rng(0)
    for rows, columns in [(0, 0), (2, -3), (-4, 1), (50, 0), (0, -8)]:
        grid = rng.integers(0, 9, (8, 8))
        rolled = grid.copy()
        _roll(rolled, rows, columns, -1)
        for i in range(8):
            for j in range(8):
                a, b = i + rows, j + columns
                inside = 0 <= a < 8 and 0 <= b < 8
                assert rolled[i, j] == (grid[a, b] if inside else -1)


def test_update_agrees_with_plain_rules():
    from lastmile.perception import _cost_map

    rng = np.random.default_rng(1)
    shape = (40, 30)
    seen = rng.integers(0, 128, shape, dtype=np.uint8) * (rng.random(shape) < 0.8)
    seen = seen.astype(np.uint8)
    hits = rng.integers(0, 10, shape, dtype=np.uint8)
    steps = rng.integers(0, 10, shape, dtype=np.uint8)
    kind = rng.integers(0, 3, shape, dtype=np.uint8)
    known = rng.uniform(0.0, 60.0, shape).astype(np.float32)
    cells_out = np.zeros(shape, np.int8)
    c = CONFIG.cost_map
    hit = (seen & 1) > 0
    moves = ~hit & ((seen & 8) > 0)
    free = ~hit & ~moves & ((seen & 2) > 0)
    want_hits = np.where(hit, np.minimum(hits + c.hit, c.evidence_max), hits)
    want_hits = np.where(moves, 0, want_hits)
    want_hits = np.where(free, np.maximum(want_hits.astype(int) - c.clear, 0), want_hits)
    want_known = np.where(free, np.float32(50.0), known)
    hit_s = rng.uniform(0.0, 60.0, shape).astype(np.float32)
    want_hits = np.where(np.where(hit, 50.0, hit_s) < 50.0 - c.memory_s, 0, want_hits)
    # A cell without hits has no range of heights, unless it lost them in this scan (64).
    empty = (hits == 0) & (seen == 0)
    low = np.where(empty, 1e6, 0.0).astype(np.float32)
    high = np.where(empty, -1e6, 1.0).astype(np.float32)
    edge = (seen & 48) > 0
    want_steps = np.where(edge, np.minimum(steps + c.step_hit, c.evidence_max), steps)
    flat = ~edge & ((seen & 4) > 0) & (want_steps > 0)
    want_steps = want_steps - flat
    rules = [c.hit, c.clear, c.evidence_max, c.occupied_from, c.step_hit, c.step_from, c.memory_s]
    _cost_map.update(
        seen, np.array(rules, float), 50.0, hits, steps, kind, known, hit_s, low, high, cells_out
    )
    assert (hits == want_hits).all()
    assert (steps == want_steps).all()
    assert (known == want_known).all()
    assert ((low > high) == (want_hits == 0)).all()
    step_cell = np.where(kind == 2, Cell.DROP_OFF, Cell.CURB)
    want = np.where(want_known >= 50.0 - c.memory_s, Cell.FREE, Cell.UNKNOWN)
    want = np.where(want_steps >= c.step_from, step_cell, want)
    want = np.where(want_hits >= c.occupied_from, Cell.OCCUPIED, want)
    assert (cells_out == want).all()


def test_far_points_are_not_known_to_be_free():
    cost_map = CostMap(CONFIG.cost_map, scenes.FOOTPRINT)
    cost_map.move_to(np.array([100.0, -50.0, 1.0]), 5.0)
    assert not cost_map.seen_free(np.array([[0.0, 0.0], [1e7, 1e7]])).any()


def test_stand_marks_the_cells_whose_middles_are_under_the_robot():
    from lastmile.perception import _cost_map

    x, y, yaw = 100.03, -50.07, 1.0
    corner, resolution = np.array([90.0, -60.0]), 0.1
    seen = np.zeros((200, 200), np.uint8)
    window = np.array([np.cos(yaw), np.sin(yaw), x, y, *corner, resolution])
    _cost_map.stand(window, -0.45, 0.3, -0.2, 0.35, seen)
    middles = np.stack(np.meshgrid(*[(np.arange(200) + 0.5) * resolution] * 2), axis=-1) + corner
    bx, by = np.moveaxis(se2.transform(se2.invert(np.array([x, y, yaw])), middles), -1, 0)
    want = (bx > -0.45) & (bx < 0.3) & (by > -0.2) & (by < 0.35)
    assert want.sum() > 30
    assert (seen == np.where(want, 2, 0)).all()


def test_count_fresh_agrees_with_plain_counting():
    from lastmile.perception import _cost_map

    rng = np.random.default_rng(4)
    hits = (rng.random((40, 40)) < 0.03).astype(np.uint8)
    known_s = rng.uniform(0.0, 10.0, (40, 40)).astype(np.float32)
    xy = np.repeat(rng.uniform(-3.0, 3.0, (300, 2)), 2, axis=0).astype(np.float32)
    start = np.array([0, 100, 100, 600], np.int32)
    inside, fresh = np.zeros(3, np.int32), np.zeros(3, np.int32)
    free_at = np.zeros(600, np.uint8)
    pose = np.array([7.0, -4.0, 0.4])
    window = np.array([np.cos(0.4), np.sin(0.4), 7.0, -4.0, 5.0, -6.0, 0.1])
    _cost_map.count_fresh(xy, start, hits, known_s, 6.0, window, inside, fresh, free_at)
    want, want_at = np.zeros((2, 3), int), np.zeros(600, int)
    for k, (u, v) in enumerate((se2.transform(pose, xy) - [5.0, -6.0]) / 0.1):
        i, j, c = int(np.floor(v)), int(np.floor(u)), 0 if k < 100 else 2
        if 1 <= i < 39 and 1 <= j < 39 and (hits[i, j] or known_s[i, j] > 6.0):
            want[:, c] += 1, not hits[i - 1 : i + 2, j - 1 : j + 2].any()
            want_at[k] = 2 if not hits[i - 1 : i + 2, j - 1 : j + 2].any() else hits[i, j] == 0
    assert (inside == want[0]).all()
    assert (fresh == want[1]).all()
    assert 0 < fresh[2] < inside[2] < 500
    assert (free_at == want_at).all()


def test_lines_between_returns_mark_what_plain_steps_along_them_mark():
    from lastmile.perception import _cost_map

    # Two ground returns a column, seen from 1 m up: within the window, out of it and beside it.
    rng = np.random.default_rng(6)
    near = rng.uniform(-2.4, 2.4, (120, 2))
    xy = np.stack([near, near * rng.uniform(1.1, 20.0, (120, 1))]).astype(np.float32)
    reach = np.hypot(xy[..., 0], xy[..., 1])
    points = np.stack([xy[..., 0], xy[..., 1], np.zeros_like(reach), reach], axis=-1)
    shape = points.shape[:2]
    seen, grid = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.float32)
    _cost_map.observe(
        points, np.full(shape, 4, np.uint8), np.zeros(shape, np.float32),
        np.full(shape, -1, np.int32), np.zeros(0, np.uint8),
        np.array([1.0, 0.0, 0.0, 0.0, -2.0, -2.0, 0.1]), 1.0, 2.0, 1.0, 4.0,
        np.empty(120, np.int32), seen, grid, grid.copy(),
    )  # fmt: skip
    want = np.zeros((40, 40), bool)
    for a, b in np.moveaxis(xy.astype(float), 1, 0):
        steps = int(1.2 * np.hypot(*(b - a)) / 0.1) + 1
        along = np.linspace(a, b, steps + 1)[: None if np.hypot(*a) < 0.71 * 4.0 + 1.0 else 0]
        cells = np.floor((np.concatenate([along, [a, b]]) + 2.0) / 0.1).astype(int)
        column, row = cells[((cells >= 0) & (cells < 40)).all(axis=1)].T
        want[row, column] = True
    assert 300 < want.sum() < 1500
    assert ((seen & 2) > 0).tolist() == want.tolist()
