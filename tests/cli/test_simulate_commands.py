"""A run in lockstep leaves a mark when it begins, and its figures last of all."""

import json

from typer.testing import CliRunner

from lastmile.cli.simulate_commands import app
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
