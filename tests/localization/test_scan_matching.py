import numpy as np
import pytest
from tests.localization.street import ROBOT, Street, example_street, pose_error

from lastmile.geometry.se2 import advance, invert, transform
from lastmile.localization.config import MatcherConfig, ScanConfig, StartConfig
from lastmile.localization.global_start import GlobalSearch
from lastmile.localization.scan import PlanarScan, extract_surfaces, sweep_of
from lastmile.localization.scan_matching import ScanMatcher, observed_directions
from lastmile.maps.likelihood import distance_field
from lastmile.maps.site import OccupancyMap

LIDAR = ROBOT.mounts["lidar_link"]
POSE = np.array([-30.0, 4.75, 0.3])


def matcher_of(occupancy: OccupancyMap) -> ScanMatcher:
    config = MatcherConfig()
    return ScanMatcher(distance_field(occupancy, config.field_limit_m), config)


def scan_at(street: Street, pose: np.ndarray, twist=(0.0, 0.0), seed=0) -> PlanarScan:
    cloud = street.cloud(pose, 5.0, np.random.default_rng(seed), twist)
    sweep = sweep_of(cloud, lambda stamp_s: advance(np.zeros(3), np.array(twist), stamp_s - 5.0))
    return extract_surfaces(cloud, LIDAR, sweep, ScanConfig())


def corridor() -> OccupancyMap:
    cells = np.zeros((100, 2000), np.int8)
    cells[[30, 70]] = 100
    return OccupancyMap(np.array([-100.0, -5.0]), 0.1, cells)


def test_scan_shows_walls_and_not_the_people_before_them():
    wall = np.array([[[8.0, -6.0], [8.0, 6.0]]])
    people = np.array([[4.0, 0.0], [3.0, -1.0], [5.0, 2.0]])
    scan = scan_at(Street(wall, people), np.zeros(3))
    facade = np.abs(scan.points_base[:, 0] - 8.0) < 0.1
    assert facade.sum() > 40
    assert facade.mean() > 0.8


def test_scan_of_a_moving_robot_is_straightened():
    wall = np.array([[[10.0, -8.0], [10.0, 8.0]]])
    scan = scan_at(Street(wall, np.zeros((0, 2))), np.zeros(3), twist=(1.8, 0.8))
    assert np.abs(scan.points_base[:, 0] - 10.0).max() < 0.06


def test_nothing_returned_gives_a_scan_without_points():
    scan = scan_at(Street(np.zeros((0, 2, 2)), np.zeros((0, 2))), np.zeros(3))
    assert scan.points_base.shape == (0, 2)


def test_match_converges_from_half_a_metre_and_three_degrees():
    site, street = example_street(1, 0.0, people=10)
    matcher, scan = matcher_of(site.occupancy), scan_at(street, POSE)
    rng = np.random.default_rng(2)
    for _ in range(20):
        turn, way = rng.uniform(-0.05, 0.05), rng.uniform(-np.pi, np.pi)
        guess = POSE + np.array([0.5 * np.cos(way), 0.5 * np.sin(way), turn])
        match = matcher.match(scan, guess)
        error_m, error_rad = pose_error(match.pose_map_base, POSE)
        # Half a cell: the lines of this map lie on cell borders and are drawn beside them.
        assert error_m < 0.12
        assert error_rad < np.deg2rad(0.3)
        assert match.accepted


def test_match_does_not_correct_along_a_corridor():
    xs = np.linspace(-40.0, 40.0, 150)
    walls = np.concatenate([np.column_stack([xs, 0 * xs + y]) for y in (-1.95, 2.05)])
    truth = np.array([3.0, 0.2, 0.05])
    scan = PlanarScan(0.0, transform(invert(truth), walls), 160.0)
    match = matcher_of(corridor()).match(scan, truth + np.array([0.7, 0.2, 0.02]))
    assert match.pose_map_base[0] == pytest.approx(truth[0] + 0.7, abs=0.2)
    assert match.pose_map_base[1] == pytest.approx(truth[1], abs=0.03)
    seen = observed_directions(match.information, MatcherConfig())
    assert len(seen.rows) == 2
    assert np.abs(seen.rows[:, 0]).max() < 0.05


def test_scan_of_another_place_is_not_accepted():
    _, street = example_street(1, 0.0)
    scan = scan_at(street, POSE)
    match = matcher_of(corridor()).match(scan, np.array([0.0, 0.0, np.pi / 4]))
    assert not match.accepted
    assert match.reason.startswith("map explains 0.")


def test_prediction_that_is_not_finite_is_refused():
    site, street = example_street(1, 0.0)
    with pytest.raises(ValueError, match="three finite numbers"):
        matcher_of(site.occupancy).match(scan_at(street, POSE), np.array([0.0, np.nan, 0.0]))


def test_scan_without_points_scores_nothing():
    occupancy = corridor()
    search = GlobalSearch(occupancy, matcher_of(occupancy), StartConfig())
    assert search.score(PlanarScan(0.0, np.zeros((0, 2)), 0.0), np.zeros(3)) == 0.0


def test_search_finds_the_place_from_one_scan_in_a_map_that_is_off():
    found_right = 0
    for seed, x in enumerate((-48.0, -35.0, -12.0, 10.0, 33.0)):
        site, street = example_street(seed, 0.4)
        matcher = matcher_of(site.occupancy)
        search = GlobalSearch(site.occupancy, matcher, StartConfig())
        truth = np.array([x, 4.75, 2.0 * seed - 3.0])
        found = search.search(scan_at(street, truth), truth[:2] + np.array([6.0, -5.0]), 15.0)
        error_m, error_rad = pose_error(found[0].pose_map_base, truth)
        found_right += error_m < 0.6 and error_rad < np.deg2rad(3.0)
    assert found_right == 5


def test_arc_of_a_turn_moves_points_as_the_base_moved():
    twist, pose = np.array([1.2, 0.9]), np.array([1.0, 2.0, 0.4])
    wall = np.array([[[12.0, -5.0], [12.0, 9.0]], [[-5.0, 9.0], [12.0, 9.0]]])
    scan = scan_at(Street(wall, np.zeros((0, 2))), pose, tuple(twist))
    seen = transform(pose, scan.points_base)
    off = np.minimum(np.abs(seen[:, 0] - 12.0), np.abs(seen[:, 1] - 9.0))
    assert np.quantile(off, 0.95) < 0.06
    assert np.hypot(*(advance(pose, twist, 0.1) - pose)[:2]) > 0.1
