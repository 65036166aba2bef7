import numpy as np
import shapely

from lastmile.maps.example import example_site
from lastmile.maps.lockers import locker_outline, staging_pose
from lastmile.types import EdgeKind


def test_example_has_both_kinds_of_crossing_and_two_lockers_about_100_m_apart():
    site = example_site()
    crossings = [e for e in site.edges if e.kind is EdgeKind.CROSSING]
    assert sorted(c.signalled for c in crossings) == [False, True]
    a, b = (locker.pose_map_port[:2] for locker in site.lockers)
    assert 90.0 < np.hypot(*(a - b)) < 110.0


def test_every_edge_of_the_example_ends_at_its_nodes_and_keeps_off_buildings():
    site = example_site()
    buildings = shapely.union_all(
        [shapely.Polygon(f.points) for f in site.footprints if f.kind == "building"]
    )
    for edge in site.edges:
        assert np.allclose(edge.points[0], site.nodes[edge.source])
        assert np.allclose(edge.points[-1], site.nodes[edge.target])
        assert shapely.LineString(edge.points).distance(buildings) > 0.9


def test_lockers_of_the_example_stand_free_with_a_free_apron():
    site = example_site()
    standing = [
        shapely.Polygon(f.points) if f.closed else shapely.Point(f.points[0])
        for f in site.footprints
        if f.kind != "kerb" and (f.closed or len(f.points) == 1)
    ]
    for locker in site.lockers:
        staging = shapely.Point(staging_pose(locker)[:2])
        for thing in standing:
            assert not thing.intersects(shapely.Polygon(locker_outline(locker)))
            assert thing.distance(staging) > 1.2


def test_docked_robot_faces_the_locker():
    locker = example_site().lockers[0]
    x, y, yaw = staging_pose(locker, 1.5)
    ahead = np.array([x, y]) + 1.5 * np.array([np.cos(yaw), np.sin(yaw)])
    assert np.allclose(ahead, locker.pose_map_port[:2], atol=1e-9)
