import bz2
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import shapely

pytest.importorskip("osmium", reason="the import of OpenStreetMap needs the extra `maps`")

from tests.maps.osm_town import EPSG, LATITUDE, LONGITUDE, OsmTown, street

from lastmile.geometry.polyline import arc_lengths
from lastmile.maps.bundle import check_site
from lastmile.maps.lockers import locker_outline
from lastmile.maps.osm_extract import Box
from lastmile.maps.osm_import import box_around, build_site
from lastmile.maps.site import SiteError
from lastmile.planning.route_planner import RoutePlanner
from lastmile.types import EdgeKind


@pytest.fixture
def imported(tmp_path):
    def run(town, **options):
        path = tmp_path / "town.osm"
        path.write_text(town.text())
        return build_site(path, None, "town", epsg=EPSG, **options)

    return run


def length(edge):
    return arc_lengths(edge.points)[-1]


def edges_of(site, kind):
    return [e for e in site.edges if e.kind is kind]


def test_crossing_node_makes_a_crossing_from_kerb_to_kerb_with_the_road_s_figures(imported):
    site, _ = imported(street())
    crossing = next(e for e in edges_of(site, EdgeKind.CROSSING) if e.signalled)
    assert length(crossing) == pytest.approx(2 * 3.25 + 2 * 0.5, abs=0.05)
    assert crossing.lanes == 2
    assert crossing.road_speed_mps == pytest.approx(40 / 3.6)
    assert crossing.kerb == "lowered"
    assert "kerb" in crossing.guessed


def test_crossing_way_is_a_crossing_over_its_whole_length(imported):
    site, report = imported(street())
    crossing = next(e for e in edges_of(site, EdgeKind.CROSSING) if not e.signalled)
    assert length(crossing) == pytest.approx(12.0, abs=0.05)
    assert crossing.width_m == 4.0
    assert "width" not in crossing.guessed
    assert (report.crossings, report.signalled_crossings) == (2, 1)


def test_way_split_in_the_middle_of_the_road_is_one_crossing(imported):
    town = street()
    town.way([(60, 6), (60, 0)], highway="footway", footway="crossing")
    town.way([(60, 0), (60, -6)], highway="footway", footway="crossing")
    town.way([(30, 6), (60, 6)], highway="footway")
    town.way([(30, -6), (60, -6)], highway="footway")
    site, _ = imported(town)
    there = [e for e in edges_of(site, EdgeKind.CROSSING) if abs(e.points[0, 0] - 60) < 1]
    assert len({e.crossing_id for e in there}) == 1


def test_foot_way_over_a_road_without_a_shared_node_is_a_crossing(imported):
    town = street()
    town.way([(-50, 6), (-50, -6)], highway="footway")
    town.way([(-80, 6), (-50, 6)], highway="footway")
    town.way([(-80, -6), (-50, -6)], highway="footway")
    site, report = imported(town)
    assert report.crossings == 3
    bridge = OsmTown()
    bridge.way([(-100, 0), (100, 0)], highway="secondary")
    bridge.way([(0, 20), (0, -20)], highway="footway", bridge="yes", layer="1")
    site, report = imported(bridge)
    assert report.crossings == 0
    assert [e.kind for e in site.edges] == [EdgeKind.FOOTWAY]


def test_crossing_that_leads_onto_a_road_and_not_off_it_is_dropped(imported):
    town = street()
    town.way([(70, 6), (70, 0)], highway="footway")
    town.way([(30, 6), (70, 6)], highway="footway")
    _, report = imported(town)
    assert report.crossings == 2


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"highway": "steps"}, "steps"),
        ({"highway": "footway", "access": "private"}, "no access"),
        ({"highway": "footway", "foot": "no"}, "no access"),
        ({"highway": "path", "wheelchair": "no"}, "wheelchair=no"),
        ({"highway": "footway", "tunnel": "yes"}, "tunnel"),
        ({"highway": "footway", "layer": "-1"}, "below ground"),
        ({"highway": "footway", "level": "2"}, "below ground"),
        ({"highway": "footway", "incline": "12%"}, "steeper than 8 %"),
        ({"highway": "footway", "width": "0.5"}, "narrower than 0.9 m"),
        ({"highway": "footway", "surface": "sand"}, "surface=sand"),
        ({"highway": "corridor"}, "indoor"),
    ],
)
def test_unfit_way_is_left_out_and_counted_with_its_reason(imported, tags, reason):
    town = street()
    town.way([(80, 6), (95, 6), (95, -6), (80, -6)], **tags)
    site, report = imported(town)
    assert report.ways_left_out == {reason: 1}
    assert max(e.points[:, 0].max() for e in site.edges) < 81.0


def test_only_the_largest_connected_part_is_kept_and_the_rest_told(imported):
    town = street()
    town.way([(0, 100), (50, 100)], highway="footway")
    site, report = imported(town)
    assert report.components == 2
    assert report.largest_dropped_m == (50.0,)
    assert report.connected_share == pytest.approx(1 - 50 / report.usable_m, abs=1e-6)
    assert max(e.points[:, 1].max() for e in site.edges) < 10.0


def test_edge_through_a_building_stays_only_where_a_passage_is_tagged(imported):
    def town(**tags):
        made = street()
        made.way([(30, 6), (30, 50)], highway="footway", **tags)
        return made

    site, report = imported(town())
    assert report.buildings["removed: through a building, no passage tagged"] == (
        pytest.approx(32.0, abs=0.5)
    )
    assert not any(e.covered for e in site.edges)
    site, report = imported(town(tunnel="building_passage"))
    assert report.buildings["kept: tagged as a passage"] == pytest.approx(32.0, abs=0.5)
    assert any(e.covered for e in site.edges)
    assert report.unexplained_through_buildings == 0


def test_edge_that_grazes_a_building_is_shifted_clear_of_it(imported):
    town = street()
    town.building(82, 5.5, 90, 20)
    town.way([(80, 6), (95, 6), (95, 0)], highway="footway")
    site, report = imported(town)
    solid = shapely.box(82, 5.5, 90, 20)
    assert report.buildings["shifted"] == pytest.approx(8.0, abs=0.5)
    assert max(e.points[:, 0].max() for e in site.edges) == pytest.approx(95.0, abs=5.0)
    origin_shift = _shift(site)
    for edge in site.edges:
        assert shapely.LineString(edge.points + origin_shift).distance(solid) > 0.3


def _shift(site):
    """Where the site's origin lies in the town's coordinates."""
    from lastmile.geometry.wgs84 import MapProjection

    town = MapProjection(LATITUDE, LONGITUDE, EPSG)
    return town.to_map(site.origin.latitude_deg, site.origin.longitude_deg)


def test_way_through_a_fence_is_removed_unless_they_share_a_gate(imported):
    def town(fence_points):
        made = street()
        made.way([(80, 6), (90, 6), (100, 6)], highway="footway")
        made.way(fence_points, barrier="fence")
        return made

    site, report = imported(town([(85, 3), (85, 9)]))
    assert report.buildings["removed: through a wall or fence"] == pytest.approx(10.0, abs=0.1)
    site, report = imported(town([(90, 3), (90, 6), (90, 9)]))
    assert "removed: through a wall or fence" not in report.buildings
    fences = [f for f in site.footprints if f.kind == "barrier"]
    gap = min(np.abs(f.points - _at(site, 90, 6)).sum(axis=1).min() for f in fences)
    assert gap >= 0.75


def _at(site, x, y):
    return np.array([x, y]) - _shift(site)


def test_stile_parts_the_way(imported):
    town = street()
    town.way([(80, 6), (90, 6), (100, 6)], highway="footway")
    town.node(90, 6, barrier="stile")
    _, report = imported(town)
    assert report.components == 2


def test_square_is_crossed_between_its_entries(imported):
    town = OsmTown()
    town.way(
        [(0, 0), (20, 0), (40, 0), (40, 40), (20, 40), (0, 40)],
        closed=True,
        highway="pedestrian",
        area="yes",
    )
    town.way([(20, -30), (20, 0)], highway="footway")
    town.way([(20, 40), (20, 70)], highway="footway")
    site, _ = imported(town)
    assert sum(length(e) for e in site.edges) == pytest.approx(100.0, abs=0.1)


def test_building_with_a_courtyard_becomes_outlines_that_leave_it_open():
    from lastmile.maps.standing import without_courtyards

    ring = shapely.box(0, 0, 30, 20).difference(shapely.box(10, 5, 15, 10))
    outlines = [shapely.Polygon(o) for o in without_courtyards(ring)]
    assert all(o.is_valid for o in outlines)
    assert sum(o.area for o in outlines) == pytest.approx(ring.area, abs=0.01)
    assert not any(o.contains(shapely.Point(12, 7)) for o in outlines)


def test_guessed_attributes_are_named_and_their_share_told(imported):
    site, report = imported(street())
    sidewalk = edges_of(site, EdgeKind.SIDEWALK)[0]
    assert {"width", "surface"} <= sidewalk.guessed
    assert 0.5 < report.guessed_share["surface"] < 1.0
    assert report.guessed_share["kerb"] == 1.0


def test_lockers_are_placed_apart_free_and_reachable(imported):
    site, _ = imported(_wide_street(), lockers=3)
    check_site(site)
    walls = shapely.union_all([shapely.Polygon(f.points) for f in site.footprints if f.closed])
    for locker in site.lockers:
        assert not walls.intersects(shapely.Polygon(locker_outline(locker)))
    planner = RoutePlanner(site)
    for goal in ("b", "c"):
        assert planner.plan("a", goal).points.shape[0] > 10


def test_wanted_locker_stands_at_the_facade_nearest_to_its_place(imported):
    place = (LATITUDE, LONGITUDE)
    site, _ = imported(_wide_street(), lockers={"kiosk": place})
    assert site.lockers[0].id == "kiosk"
    assert np.abs(site.lockers[0].pose_map_port[:2] + _shift(site)).max() < 15.0


def test_locker_that_cannot_be_reached_is_named(imported):
    with pytest.raises(SiteError, match="locker 'far' is not reachable"):
        imported(_wide_street(), lockers={"far": (LATITUDE + 0.01, LONGITUDE)})
    with pytest.raises(SiteError, match="500 lockers asked for"):
        imported(_wide_street(), lockers=500)


def _wide_street():
    """Sidewalks 9 m from the middle of the road, facades at 14 m."""
    town = OsmTown()
    town.way([(-100, 0), (0, 0), (100, 0)], highway="residential")
    for y in (9, -9):
        town.way([(-80, y), (0, y), (80, y)], highway="footway", footway="sidewalk")
    town.way([(0, 9), (0, 0), (0, -9)], highway="footway", footway="crossing")
    town.building(-80, 14, 80, 40)
    town.building(-80, -40, 80, -14)
    return town


def write_pbf(plain, path):
    import osmium

    with osmium.SimpleWriter(str(path)) as writer:
        for item in osmium.FileProcessor(str(plain)):
            writer.add(item)


@pytest.mark.parametrize("suffix", [".osm.gz", ".osm.bz2", ".osm.pbf"])
def test_plain_and_packed_extracts_give_the_same_site(tmp_path, suffix):
    plain, packed = tmp_path / "town.osm", tmp_path / f"town{suffix}"
    plain.write_text(street().text())
    if suffix == ".osm.pbf":
        write_pbf(plain, packed)
    else:
        pack = {".osm.gz": gzip.compress, ".osm.bz2": bz2.compress}[suffix]
        packed.write_bytes(pack(plain.read_bytes()))
    site, other = (build_site(path, None, "town", epsg=EPSG)[0] for path in (plain, packed))
    assert len(edges_of(site, EdgeKind.CROSSING)) >= 2
    for part in ("edges", "roads", "footprints"):
        assert list(map(drawn, getattr(other, part))) == list(map(drawn, getattr(site, part)))
    np.testing.assert_array_equal(other.occupancy.cells, site.occupancy.cells)


def drawn(thing):
    """Give a part of a site as plain values."""
    values = {name: getattr(thing, name) for name in thing.__slots__}
    return values | {"points": thing.points.tolist()}


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("none.osm", None, "cannot be read"),
        ("empty.osm", b"", "empty"),
        ("garbage.osm", b"\x00\x01 not xml", "not a readable"),
        ("cut.osm", street().text().encode()[:900], "not a readable"),
        ("cut.osm.gz", gzip.compress(street().text().encode())[:300], "not a readable"),
        ("garbage.osm.pbf", b"\x00\x00\x00\x0dgarbage garbage", "not a readable"),
        ("nothing.osm", b'<osm version="0.6"></osm>', "no nodes"),
        ("town.txt", b"x", "must end in one of"),
    ],
)
def test_bad_extract_is_named_with_the_rule(tmp_path, name, data, rule):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SiteError, match=rf"{name}.*{rule}"):
        build_site(path, None, "x")


def test_box_off_the_extract_is_named_with_what_the_extract_covers(tmp_path):
    path = tmp_path / "town.osm"
    path.write_text(street().text())
    with pytest.raises(SiteError, match=r"lies off the extract .*town\.osm, which covers 24\.9"):
        build_site(path, Box(10.0, 50.0, 10.1, 50.1), "x")


def test_box_without_foot_ways_is_told(tmp_path):
    town = OsmTown()
    town.way([(-100, 0), (100, 0)], highway="secondary")
    path = tmp_path / "town.osm"
    path.write_text(town.text())
    with pytest.raises(SiteError, match="no way that a sidewalk robot may use"):
        build_site(path, None, "x")


def test_box_around_a_place_reaches_the_radius():
    box = box_around(60.0, 25.0, 1000.0)
    assert (box.north - box.south) * 111_195 == pytest.approx(2000.0, rel=1e-3)
    assert (box.east - box.west) * 111_195 * 0.5 == pytest.approx(2000.0, rel=1e-3)
    assert (box.north + box.south, box.east + box.west) == pytest.approx((120.0, 50.0))
    with pytest.raises(ValueError, match="positive radius"):
        box_around(60.0, 25.0, 0.0)


def test_krems_extract_imports_without_conflicts_left():
    data = Path(os.environ.get("LASTMILE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = data / "maps" / "krems.osm.gz"
    if not path.exists():
        pytest.skip(f"no extract at {path}; set LASTMILE_DATA")
    site, report = build_site(path, None, "krems", resolution_m=0.5)
    check_site(site)
    assert report.unexplained_through_buildings == 0
    assert report.network_m > 5000.0
