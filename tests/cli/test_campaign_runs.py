"""Runs of a campaign: each counts, however it ended; none of another campaign does."""

import json

import pytest

from lastmile.cli import campaign_runs
from lastmile.cli.campaign_runs import PlannedRun, carry_out, stopped_runs
from lastmile.errors import UserError
from lastmile.evaluation.campaign import sum_up, write_crash
from lastmile.evaluation.scorecard import stamp


@pytest.fixture
def results(tmp_path):
    return tmp_path / "figures.json"


def planned(folder, *command):
    return PlannedRun(folder / "seed-001", command or ("--version",), {"seed": 1})


def test_a_run_that_ends_without_figures_is_written_down_and_not_tried_again(tmp_path, results):
    run = planned(tmp_path, "no-such-command")
    (record,), _ = carry_out([run], 1, results)
    assert record.summary["outcome"] == "crashed"
    assert record.summary["text"].startswith("exit 2: ")
    written = (run.folder / "summary.json").stat().st_mtime_ns
    assert sum_up(carry_out([run], 1, results)[0])["delivered"] == 0
    assert (run.folder / "summary.json").stat().st_mtime_ns == written


def test_a_run_that_hangs_is_ended_and_written_down(tmp_path, results):
    (record,), _ = carry_out([planned(tmp_path)], 1, results, longest_s=0.001)
    assert record.summary["text"].startswith("no end within")


def test_what_a_stopped_run_left_is_kept_beside_and_counted(tmp_path, results):
    run = planned(tmp_path)
    run.folder.mkdir()
    (run.folder / "run.mcap").write_text("half")
    run.log.write_text("on its way")
    carry_out([run], 1, results)
    aside = tmp_path / "seed-001-stopped-1"
    assert (aside / "run.mcap").read_text() == "half"
    assert (aside / "seed-001.log").read_text() == "on its way"
    assert stopped_runs([run]) == 1


def test_a_run_that_was_stopped_before_it_wrote_anything_but_its_log_is_counted(tmp_path, results):
    run = planned(tmp_path)
    run.folder.mkdir()
    for stops in (1, 2):
        run.log.write_text(f"stopped {stops}")
        carry_out([run], 1, results)
        assert stopped_runs([run]) == stops
        (run.folder / "summary.json").unlink()
    assert (tmp_path / "seed-001-stopped-1" / "seed-001.log").read_text() == "stopped 1"


def test_a_run_that_was_never_begun_is_not_counted(tmp_path, results):
    run = planned(tmp_path)
    carry_out([run], 1, results)
    carry_out([run], 1, results)
    assert stopped_runs([run]) == 0


@pytest.mark.parametrize("broken", ["{", "[]", '{"about": {}}'])
def test_a_broken_summary_is_told_before_the_campaign_begins(tmp_path, results, broken):
    run = planned(tmp_path)
    run.folder.mkdir()
    (run.folder / "summary.json").write_text(broken)
    results.write_text("older")
    with pytest.raises(UserError, match=r"seed-001: not a run that ended: summary\.json: .*remove"):
        carry_out([run], 1, results)
    assert results.read_text() == "older"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seed": 2}, "with seed 2, wanted is 1"), ({"commit": "abc1234"}, "on commit abc1234")],
)
def test_a_run_of_something_else_or_of_other_code_is_refused(tmp_path, results, change, words):
    run = planned(tmp_path)
    write_crash(run.folder, {"seed": 1, "commit": stamp()["commit"]} | change, "")
    results.write_text("older")
    with pytest.raises(UserError, match=words):
        carry_out([run], 1, results)
    assert results.read_text() == "older"


def test_older_figures_go_when_a_campaign_begins_and_stops(tmp_path, results, monkeypatch):
    def fail(*_):
        raise RuntimeError("stopped")

    results.write_text("older")
    monkeypatch.setattr(campaign_runs, "_run", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        carry_out([planned(tmp_path)], 1, results)
    assert not results.exists()


def test_a_commit_in_the_midst_ends_the_campaign_with_the_first_run_that_meets_it(
    tmp_path, results, monkeypatch
):
    first, second = (PlannedRun(tmp_path / name, (), {}) for name in ("first", "second"))
    told = []

    def end(run, _commit, _longest_s, stopping):
        if run is second:
            told.append(stopping.wait(10.0))
        write_crash(run.folder, {"commit": "new"}, "")
        return "ended"

    monkeypatch.setattr(campaign_runs, "_run", end)
    with pytest.raises(UserError, match="first was run on commit new"):
        carry_out([first, second], 2, results)
    assert False not in told
    assert not results.exists()


def test_other_runs_in_the_folder_do_not_count(tmp_path, results):
    write_crash(tmp_path / "seed-099", {"seed": 99}, "")
    assert [r.name for r in carry_out([planned(tmp_path)], 1, results)[0]] == ["seed-001"]
    assert json.loads((tmp_path / "seed-099" / "summary.json").read_text())["about"]["seed"] == 99
