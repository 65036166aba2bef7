"""A run in lockstep leaves a mark when it begins, and its figures last of all."""

import json

import pytest
from typer.testing import CliRunner

from lastmile.cli import simulate_commands
from lastmile.cli.simulate_commands import app
from lastmile.errors import UserError
from lastmile.simulation import delivery


def simulate(run_dir, *more):
    arguments = ["quiet", "--limit-s", "1", "--output", run_dir, *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_run_that_is_stopped_on_its_way_leaves_what_it_is_made_of(tmp_path, monkeypatch):
    def stop(_setting):
        raise KeyboardInterrupt

    monkeypatch.setattr(delivery, "LockstepDelivery", stop)
    simulate(tmp_path / "run", "--seed", 7)
    begun = json.loads((tmp_path / "run" / "begun.json").read_text())
    assert (begun["scenario"], begun["seed"]) == ("quiet", 7)
    assert not (tmp_path / "run" / "summary.json").exists()


@pytest.mark.parametrize("error", [RuntimeError("power is gone"), UserError("too few scans")])
def test_the_map_of_a_drive_is_saved_before_the_figures_that_make_it_ended(
    tmp_path, monkeypatch, error
):
    summary, ended = tmp_path / "run" / "summary.json", []

    def fail(_mapper, _site, directory):
        assert directory == tmp_path / "map"
        ended.append(summary.exists())
        raise error

    monkeypatch.setattr(simulate_commands, "save_lidar_map", fail)
    result = simulate(tmp_path / "run", "--save-map", tmp_path / "map")
    assert ended == [False]
    assert result.exit_code == 1
    # No map could be made: told, and the drive counts. The process broke: it did not end.
    assert summary.exists() == isinstance(error, UserError)
    assert ("lastmile: too few scans" in result.output) == isinstance(error, UserError)


def test_gazebo_that_is_missing_is_told_and_leaves_no_run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    arguments = ["quiet", "--engine", "gazebo", "--output", str(tmp_path / "run")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UserError)
    assert "gz: the program of Gazebo Harmonic" in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_unknown_engine_is_bad_usage():
    assert CliRunner().invoke(app, ["quiet", "--engine", "unreal"]).exit_code == 2
