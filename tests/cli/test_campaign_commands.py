"""Campaigns keep their figures beside their runs, away from those that the scorecard reads."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lastmile.cli import campaign_commands, fault_campaign
from lastmile.cli.campaign_commands import app
from lastmile.evaluation.campaign import RunRecord

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


def test_figures_of_faults_stay_with_their_runs_as_well(tmp_path, monkeypatch):
    def keep_and_stop(_parts, keep):
        keep({"delivered": True})
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fault_campaign, "carry_out_parts", keep_and_stop)
    CliRunner().invoke(app, ["faults", "--output", "runs/faults"])
    assert json.loads((tmp_path / "runs/faults/figures.json").read_text())["delivered"] is True
    assert not (tmp_path / "docs").exists()
