"""The bundle that is part of the project."""

from itertools import combinations
from pathlib import Path

import pytest
import shapely

from lastmile.maps.bundle import read_site
from lastmile.planning.route_planner import RoutePlanner

DIRECTORY = Path(__file__).parents[2] / "maps" / "helsinki"


@pytest.fixture(scope="module")
def site():
    return read_site(DIRECTORY)


def test_bundle_is_at_most_5_mb_and_names_its_source(site):
    assert sum(p.stat().st_size for p in DIRECTORY.iterdir()) <= 5_000_000
    assert "OpenStreetMap contributors" in site.attribution
    assert "ODbL" in site.attribution


def test_at_least_8_routes_of_300_m_with_a_crossing_join_the_lockers(site):
    planner = RoutePlanner(site)
    routes = [planner.plan(a.id, b.id) for a, b in combinations(site.lockers, 2)]
    good = [r for r in routes if r.spans[-1].end_m >= 300 and any(s.crossing_id for s in r.spans)]
    assert len(good) >= 8


def test_no_open_edge_leads_through_a_building(site):
    solid = shapely.union_all(
        [shapely.Polygon(f.points) for f in site.footprints if f.kind == "building"]
    )
    shapely.prepare(solid)
    for edge in site.edges:
        line = shapely.LineString(edge.points)
        if not edge.covered and solid.intersects(line):
            assert solid.intersection(line).length < 0.1


def test_network_is_connected(site):
    from lastmile.maps.network import Network, components

    assert len(components(Network(site.nodes, site.edges))) == 1
