"""`lastmile sim export`."""

import json

from typer.testing import CliRunner

from lastmile.cli.sim_commands import app
from lastmile.simulation import parity
from lastmile.simulation.parity import Pattern


def test_export_writes_a_world_that_repeats_by_its_seed(tmp_path):
    for name in ("one", "two"):
        arguments = ["export", "--to", "sdf", "quiet", "--seed", "3"]
        result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "seed 3" in result.output
    first, second = (
        {p.name: p.read_bytes() for p in sorted((tmp_path / name).rglob("*")) if p.is_file()}
        for name in ("one", "two")
    )
    assert first == second
    assert "world.sdf" in first


def test_export_refuses_another_format(tmp_path):
    result = CliRunner().invoke(app, ["export", "--to", "usd", "--output", str(tmp_path)])
    assert result.exit_code == 2


def test_parity_tells_how_far_an_engine_is_from_wheels_without_slip(tmp_path, monkeypatch):
    short = Pattern("short", ((1.0, 1.0, 0.0),))
    monkeypatch.setattr(parity, "PATTERNS", (short,))
    arguments = ["parity", "--pattern", "short", "--output", str(tmp_path / "parity.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("short: 0.0")
    (drive,) = json.loads((tmp_path / "parity.json").read_text())["drives"]
    assert drive["within"] is True


def test_parity_refuses_a_pattern_that_there_is_not():
    result = CliRunner().invoke(app, ["parity", "--pattern", "moonwalk"])
    assert result.exit_code == 2
    assert "straight" in result.output
