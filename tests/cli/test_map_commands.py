import json

import pytest
from tests.maps.osm_town import street
from typer.testing import CliRunner

from lastmile.cli.map_commands import app
from lastmile.maps.bundle import read_site, write_site
from lastmile.maps.example import example_site

PNG = b"\x89PNG"


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    directory = tmp_path_factory.mktemp("maps") / "example"
    write_site(example_site(), directory)
    return directory


@pytest.fixture(scope="module")
def extract(tmp_path_factory):
    pytest.importorskip("osmium", reason="the import of OpenStreetMap needs the extra `maps`")
    path = tmp_path_factory.mktemp("osm") / "town.osm"
    path.write_text(street().text())
    return path


def test_show_draws_a_site_and_a_route(bundle, tmp_path):
    for extra in ((), ("--route", "a", "b")):
        result = run("show", bundle, "-o", tmp_path / "site.png", *extra)
        assert result.exit_code == 0, result.output
        assert (tmp_path / "site.png").read_bytes()[:4] == PNG
    assert "route a to b: 1" in result.output


def test_build_writes_a_bundle_that_loads_and_its_report(extract, tmp_path):
    result = run("build", "--osm", extract, "--name", "town", "--output", tmp_path / "town")
    assert result.exit_code == 0, result.output
    assert "crossings: 2, signalled 1" in result.output
    assert read_site(tmp_path / "town").name == "town"
    report = json.loads((tmp_path / "town" / "report.json").read_text())
    assert report["crossings"] == 2
    assert set(report["taken"]) == {"date", "commit", "machine"}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--bbox", "1,2,3"), "--bbox '1,2,3': W,S,E,N is wanted, 4 numbers"),
        (("--bbox", "3,2,1,4"), "--bbox 3,2,1,4: west < east"),
        (("--bbox", "a,b,c,d"), "--bbox 'a,b,c,d': W,S,E,N is wanted"),
        (("--around", "60,25,-1"), "--around 60.0, 25.0, -1.0: latitude in"),
        (("--around", "60,25,100", "--bbox", "1,2,3,4"), "--bbox and --around exclude each other"),
        (("--lockers", "six"), "--lockers 'six': auto:N with N in 1 to 500 is wanted"),
        (("--lockers", "auto:0"), "--lockers 'auto:0': auto:N with N in 1 to 500 is wanted"),
        (("--locker", "a"), "ID=LAT,LON is wanted"),
        (("--image", "jpg"), "--image 'jpg' is none of auto, pgm, png"),
        (("--resolution-m", "0"), "greater than or equal to 0.02"),
        (("--unknown", "1"), "No such option: --unknown"),
    ],
)
def test_bad_usage_exits_with_2(tmp_path, monkeypatch, options, rule):
    monkeypatch.setenv("COLUMNS", "300")
    result = run("build", "--osm", tmp_path / "x.osm", "--name", "x", *options)
    assert result.exit_code == 2
    assert rule in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bbox", "10,50,10.1,50.1"), "lies off the extract"),
        (("--epsg", "4326"), "projected system in metres"),
        (("--locker", "far=61,24.94"), "locker 'far' is not reachable"),
    ],
)
def test_failed_build_exits_with_1_and_says_why(extract, tmp_path, options, message):
    result = run("build", "--osm", extract, "--name", "x", "--output", tmp_path / "x", *options)
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "x").exists()


def test_missing_extract_or_site_exits_with_1_and_names_it(extract, bundle, tmp_path):
    result = run("build", "--osm", tmp_path / "none.osm", "--name", "x", "--output", tmp_path)
    assert result.exit_code == 1
    assert "none.osm" in result.output
    result = run("show", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "nowhere" in result.output
    result = run("show", bundle, "--route", "a", "z", "-o", tmp_path / "x.png")
    assert result.exit_code == 1
    assert "no locker 'z'" in result.output
    result = run("show", bundle, "-o", tmp_path / "no" / "x.png")
    assert result.exit_code == 1
    assert "cannot be written" in result.output
