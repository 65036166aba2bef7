import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

from lastmile.maps.bundle import read_site, write_site
from lastmile.maps.example import example_site
from lastmile.maps.site import SiteError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    directory = tmp_path_factory.mktemp("maps") / "example"
    write_site(example_site(), directory)
    return directory


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copy")


def assert_same(a, b, atol):
    for name in a.__slots__:
        left, right = getattr(a, name), getattr(b, name)
        if isinstance(left, np.ndarray):
            np.testing.assert_allclose(left, right, atol=atol)
        elif isinstance(left, float):
            assert left == pytest.approx(right, abs=1e-3)
        else:
            assert left == right


def test_site_comes_back_as_it_was_written(bundle):
    written, read = example_site(), read_site(bundle)
    assert (read.name, read.origin, read.attribution) == (
        written.name,
        written.origin,
        written.attribution,
    )
    np.testing.assert_allclose(read.nodes, written.nodes, atol=0.006)
    # Coordinates are written by the centimetre, ports by a tenth of a milliradian.
    parts = {"edges": 0.006, "roads": 0.006, "footprints": 0.006, "lockers": 6e-5}
    for part, atol in parts.items():
        assert len(getattr(read, part)) == len(getattr(written, part))
        for a, b in zip(getattr(read, part), getattr(written, part), strict=True):
            assert_same(a, b, atol)
    np.testing.assert_array_equal(read.occupancy.cells, written.occupancy.cells)
    np.testing.assert_allclose(read.occupancy.origin, written.occupancy.origin)
    assert read.occupancy.resolution_m == written.occupancy.resolution_m


@pytest.mark.parametrize("image", ["pgm", "png"])
def test_both_forms_of_image_give_the_same_map(copy, image):
    site = example_site()
    write_site(site, copy, image)
    assert {p.name for p in copy.glob("map.p*")} == {f"map.{image}"}
    np.testing.assert_array_equal(read_site(copy).occupancy.cells, site.occupancy.cells)


def test_map_remembers_what_it_was_drawn_from(bundle, tmp_path):
    assert read_site(bundle).occupancy.source == "footprints"
    site = example_site()
    write_site(replace(site, occupancy=replace(site.occupancy, source="lidar")), tmp_path)
    assert read_site(tmp_path).occupancy.source == "lidar"


def test_routes_are_a_graph_that_nav2_route_loads(bundle):
    """Follow the rules of nav2_route's GeoJSON loader: ids, ends, types of metadata."""
    collection = json.loads((bundle / "routes.geojson").read_text())
    nodes = [f for f in collection["features"] if f["geometry"]["type"] == "Point"]
    edges = [f for f in collection["features"] if f["geometry"]["type"] == "LineString"]
    assert len(nodes) + len(edges) == len(collection["features"])
    position = {n["properties"]["id"]: n["geometry"]["coordinates"] for n in nodes}
    assert len(position) == len(nodes)
    assert all(n["properties"]["frame"] == "map" for n in nodes)
    ends = set()
    for edge in edges:
        start, end = edge["properties"]["startid"], edge["properties"]["endid"]
        assert edge["geometry"]["coordinates"] == [position[start], position[end]]
        assert edge["properties"]["id"] not in position
        ends.add((start, end))
    assert {(end, start) for start, end in ends} == ends
    assert len({e["properties"]["id"] for e in edges}) == len(edges)


def test_map_is_read_by_the_rules_of_map_server(bundle):
    """Row 0 of the image is the top; how dark a cell is is held against the thresholds."""
    settings = yaml.safe_load((bundle / "map.yaml").read_text())
    assert (settings["mode"], settings["negate"]) == ("trinary", 0)
    data = (bundle / "map.pgm").read_bytes()
    magic, size, depth, pixels = data.split(b"\n", 3)
    assert (magic, depth) == (b"P5", b"255")
    width, height = map(int, size.split())
    image = np.frombuffer(pixels, np.uint8).reshape(height, width)
    dark = (255 - image[::-1].astype(int)) / 255
    sure = [dark > settings["occupied_thresh"], dark < settings["free_thresh"]]
    cells = example_site().occupancy.cells
    assert {-1, 0, 100} == set(np.unique(cells))
    np.testing.assert_array_equal(np.select(sure, [100, 0], -1), cells)


@pytest.mark.parametrize(
    "name",
    ["site.yaml", "routes.geojson", "footprints.geojson", "roads.geojson", "lockers.yaml",
     "map.yaml", "map.pgm"],
)  # fmt: skip
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_damaged_file_is_named(copy, name, damage):
    path = copy / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(data[:7])
    else:
        path.write_bytes(b"\x00\xff{[" + data[:40])
    with pytest.raises(SiteError, match=name):
        read_site(copy)


@pytest.mark.parametrize(
    ("name", "old", "new", "rule"),
    [
        ("site.yaml", "format: 1", "format: 9", "format 9"),
        ("site.yaml", "latitude_deg: 60.17", "latitude_deg: 160.17", "latitude_deg"),
        ("site.yaml", "attribution:", "surprise: 1\nattribution:", "surprise"),
        ("routes.geojson", '"width_m":2.5', '"width_m":-2.5', "width_m"),
        ("routes.geojson", '"kind":"sidewalk"', '"kind":"runway"', "runway"),
        ("routes.geojson", '"endid":1', '"endid":999', "999 does not exist"),
        ("routes.geojson", '"id":1,"frame"', '"id":0,"frame"', "used twice"),
        ("footprints.geojson", '"kind":"tree"', '"kind":"bush"', "bush"),
        ("footprints.geojson", "[-56.0,6.0]", "[NaN,6.0]", "not a GeoJSON file"),
        ("roads.geojson", '"lanes":2', '"lanes":"two"', "lanes"),
        ("lockers.yaml", "depth_m: 0.8", "depth_m: 0", "depth_m"),
        ("map.yaml", "resolution: 0.1", "resolution: 0", "resolution"),
        ("map.yaml", "source: footprints", "source: hearsay", "hearsay"),
    ],
)
def test_broken_rule_names_file_and_value(copy, name, old, new, rule):
    edit(copy / name, old, new)
    with pytest.raises(SiteError, match=rf"/{name}: .*{rule}"):
        read_site(copy)


def test_files_that_do_not_fit_together_are_told(copy):
    edit(copy / "map.yaml", "image: map.pgm", "image: other.pgm")
    with pytest.raises(SiteError, match=r"/other\.pgm: cannot be read"):
        read_site(copy)
    edit(copy / "map.yaml", "image: other.pgm", "image: map.pgm")
    edit(copy / "lockers.yaml", "id: b", "id: a")
    with pytest.raises(SiteError, match="/copy: locker id 'a' is used twice"):
        read_site(copy)


def edit(path, old, new):
    """Replace a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_missing_directory_is_named(tmp_path):
    with pytest.raises(SiteError, match=r"nowhere.*site\.yaml"):
        read_site(tmp_path / "nowhere")


def test_bundle_cut_short_while_writing_does_not_load(copy, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("lastmile.maps.bundle.write_map", fail)
    with pytest.raises(OSError, match="disk full"):
        write_site(example_site(), copy)
    with pytest.raises(SiteError, match=r"site\.yaml"):
        read_site(copy)
