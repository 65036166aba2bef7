"""`lastmile sim export`."""

from typer.testing import CliRunner

from lastmile.cli.sim_commands import app


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
