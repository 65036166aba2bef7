"""Summing up many runs: counts, bounds, pooled errors."""

import json
import os

import pytest

from lastmile.errors import UserError
from lastmile.evaluation.campaign import read_run, sum_up, write_crash


def write_run(folder, name, delivered=True, own_contacts=0, errors=(0.1,), nearest=None):
    run = folder / name
    run.mkdir(parents=True)
    summary = {
        "about": {"start": "a", "goal": name[-1], "cpu_s": 50.0, "simulated_s": 200.0},
        "delivered": delivered,
        "outcome": "succeeded" if delivered else "failed",
        "text": "blocked",
        "own_contacts": own_contacts,
        "contacts": [{}] * own_contacts,
        "distance_m": 500.0,
        "mean_speed_mps": 1.0,
        "closest_person_own_m": nearest,
        "closest_person_closing_m": nearest,
        "closest_person_any_m": 0.2,
        "longest_unseen_s": 0.02,
        "docking": [{"distance_m": 0.01, "angle_deg": 0.5}],
    }
    (run / "summary.json").write_text(json.dumps(summary))
    rows = "".join(f"{i},{error},0.5,1\n" for i, error in enumerate(errors))
    (run / "localization.csv").write_text("stamp_s,p,y,c\n" + rows)


def read_runs(folder):
    return [read_run(path) for path in sorted(folder.iterdir())]


def test_figures_count_runs_routes_and_kilometres(tmp_path):
    write_run(tmp_path, "run-b")
    write_run(tmp_path, "run-c", delivered=False, own_contacts=1, nearest=0.25)
    figures = sum_up(read_runs(tmp_path))
    assert (figures["runs"], figures["routes"], figures["delivered"]) == (2, 2, 1)
    assert figures["km"] == pytest.approx(1.0)
    assert figures["own_contacts"] == 1
    assert figures["runs_too_close_to_a_person"] == 1
    assert figures["not_delivered"] == {"run-c": "blocked"}
    assert figures["simulated_s_per_cpu_s"] == pytest.approx(4.0)


def test_errors_are_pooled_over_runs(tmp_path):
    write_run(tmp_path, "run-b", errors=[0.1, 0.1, 0.1])
    write_run(tmp_path, "run-c", errors=[0.3])
    figures = sum_up(read_runs(tmp_path))
    assert figures["position_error_median_m"] == pytest.approx(0.1)
    assert figures["position_error_p95_m"] == pytest.approx(0.27)


def test_a_run_without_poses_does_not_spoil_the_rest(tmp_path):
    write_run(tmp_path, "run-b", errors=[])
    write_run(tmp_path, "run-c", errors=[0.3])
    assert sum_up(read_runs(tmp_path))["position_error_median_m"] == pytest.approx(0.3)


def test_a_crashed_run_counts_as_not_delivered_and_is_no_trial_of_the_bounds(tmp_path):
    write_run(tmp_path, "run-b")
    write_crash(tmp_path / "run-c", {"seed": 3}, "exit -9: killed")
    figures = sum_up(read_runs(tmp_path))
    assert (figures["runs"], figures["delivered"], figures["crashed"]) == (2, 1, 1)
    assert figures["not_delivered"] == {"run-c": "exit -9: killed"}
    assert figures["own_contacts_per_run_bound_95"] == pytest.approx(3.0, rel=0.01)


def test_a_campaign_of_crashes_has_figures(tmp_path):
    write_crash(tmp_path / "run-c", {}, "exit 1")
    figures = sum_up(read_runs(tmp_path))
    assert figures["delivered"] == 0
    assert "position_error_median_m" not in figures


def test_a_run_that_did_not_end_is_an_error(tmp_path):
    with pytest.raises(UserError, match="run-b: not a run that ended"):
        read_run(tmp_path / "run-b")


def test_a_broken_summary_names_its_run(tmp_path):
    write_run(tmp_path, "run-b")
    (tmp_path / "run-b" / "summary.json").write_text("{")
    with pytest.raises(UserError, match="run-b: not a run that ended"):
        read_runs(tmp_path)


def test_a_summary_that_could_not_be_written_whole_leaves_a_run_that_did_not_end(
    tmp_path, monkeypatch
):
    def fail(*_):
        raise OSError("power is gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="power is gone"):
        write_crash(tmp_path / "run-b", {}, "exit 1")
    assert not (tmp_path / "run-b" / "summary.json").exists()
