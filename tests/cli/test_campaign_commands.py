"""Campaigns keep their figures beside their runs, away from those that the scorecard reads."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lastmile.cli import campaign_commands, fault_campaign
from lastmile.cli.campaign_commands import app
from lastmile.errors import UserError
from lastmile.evaluation.campaign import RunRecord
from lastmile.maps.example import example_site

CRASHED = {"about": {}, "delivered": False, "outcome": "crashed", "text": "exit 1"}


def carry_out_nothing(runs, _jobs, results):
    results.unlink(missing_ok=True)
    records = [RunRecord(run.folder.name, CRASHED, np.empty((0, 3))) for run in runs]
    return records, {"commit": "abc"}


@pytest.mark.parametrize("name", ["lockstep", "ros", "twins"])
def test_figures_of_a_campaign_do_not_go_where_the_scorecard_reads_unless_told(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(campaign_commands, "carry_out", carry_out_nothing)
    read = tmp_path / "docs/scorecard/campaigns" / f"{name}.json"
    read.parent.mkdir(parents=True)
    read.write_text("of 40 runs")
    result = CliRunner().invoke(app, [name, "--seeds", "2"])
    assert result.exit_code == 0, result.output
    assert read.read_text() == "of 40 runs"
    written = tmp_path / "runs" / name / "figures.json"
    assert json.loads(written.read_text())["taken"] == {"commit": "abc"}

    told = CliRunner().invoke(app, [name, "--seeds", "2", "--results", str(read)])
    assert told.exit_code == 0, told.output
    assert json.loads(read.read_text())["taken"] == {"commit": "abc"}


def test_seeds_go_round_the_routes_that_are_long_enough_and_cross_a_road():
    site = example_site()
    assert campaign_commands.long_routes(site, 50.0) == [("a", "b"), ("b", "a")]
    with pytest.raises(UserError, match="site example has no route of 5000 m with a crossing"):
        campaign_commands.long_routes(site, 5000.0)


def test_runs_in_lockstep_are_planned_by_seed_and_route(tmp_path, monkeypatch):
    planned = []

    def carry_out(runs, jobs, results):
        planned.extend(runs)
        return carry_out_nothing(runs, jobs, results)

    monkeypatch.setattr(campaign_commands, "carry_out", carry_out)
    arguments = ["lockstep", "--scenario", "quiet", "--seeds", "3", "--length-min-m", "50"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    commands = [" ".join(run.command) for run in planned]
    wanted = zip(commands, planned, (1, 2, 3), ("ab", "ba", "ab"), strict=True)
    for command, run, seed, ends in wanted:
        assert f"--seed {seed}" in command
        assert f"--start {ends[0]} --goal {ends[1]}" in command
        assert str(run.folder) in command
        assert (run.about["seed"], run.about["start"]) == (seed, ends[0])


def test_figures_of_faults_stay_with_their_runs_as_well(tmp_path, monkeypatch):
    def keep_and_stop(_parts, keep):
        keep({"delivered": True})
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fault_campaign, "carry_out_parts", keep_and_stop)
    CliRunner().invoke(app, ["faults", "--output", "runs/faults"])
    assert json.loads((tmp_path / "runs/faults/figures.json").read_text())["delivered"] is True
    assert not (tmp_path / "docs").exists()
