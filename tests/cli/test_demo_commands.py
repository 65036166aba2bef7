"""What the demo and the report tell a person, without starting anything."""

import io
import json
import types as kinds

import pytest
from rich.console import Console

from lastmile.cli import progress_view
from lastmile.cli.demo_commands import app as demo
from lastmile.cli.progress_view import LineView, LiveView, rows_of
from lastmile.cli.report_commands import app as report
from lastmile.errors import UserError
from lastmile.nodes.delivery_run import Glance, read_about, read_events

GLANCE = Glance(
    stamp_s=83.2,
    rate=0.97,
    phase="drive_to_destination",
    text="people near",
    remaining_m=211.4,
    speed_mps=1.2,
    obstacles=31,
    people=4,
    custody="robot-1 (aboard)",
    gate="drive",
    planner="driving",
)


def run(app, *arguments):
    """Call a command as the command line does; give its exit code."""
    with pytest.raises(SystemExit) as ended:
        app(args=list(arguments))
    return ended.value.code


def event(kind, text=""):
    return kinds.SimpleNamespace(kind=kind, sentence=lambda: f"{kind}: {text}")


def test_state_names_phase_way_to_go_custody_and_how_fast_time_runs():
    rows = dict(rows_of(GLANCE))
    assert rows["phase"] == "drive_to_destination: people near"
    assert rows["to go"] == "211 m"
    assert rows["in view"] == "31 obstacles, 4 of them people"
    assert rows["custody"] == "robot-1 (aboard)"
    assert rows["simulated"] == "83.2 s at 0.97 of real time"
    assert dict(rows_of(Glance()))["to go"] == ""


def test_lines_come_every_ten_seconds_and_at_each_change_of_phase(capsys, monkeypatch):
    times = iter((100.0, 104.0, 109.0, 111.0, 112.0))
    monkeypatch.setattr(progress_view.time, "monotonic", lambda: next(times))
    view = LineView()
    for glance in (GLANCE, GLANCE, GLANCE, GLANCE, Glance(phase="dock_at_destination")):
        view.update(glance)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("phase drive_to_destination: people near; to go 211 m")
    assert "dock_at_destination" in lines[2]


def test_lines_tell_of_deaths_and_keep_silent_about_starts(capsys):
    view = LineView()
    view.event(event("started", "planner"))
    view.event(event("died", "planner killed by SIGKILL"))
    assert capsys.readouterr().out == "died: planner killed by SIGKILL\n"


def test_live_view_draws_the_state_and_the_last_notes():
    view = LiveView("parcel-1: a to h")
    view.update(GLANCE)
    for number in range(20):
        view.note(f"note {number}")
    console = Console(width=90, record=True, file=io.StringIO())
    console.print(view.render())
    text = console.export_text()
    assert "parcel-1: a to h" in text
    assert "robot-1 (aboard)" in text
    assert "note 19" in text
    assert "note 3" not in text


@pytest.mark.parametrize("rate", ["0", "-1", "1000", "fast"])
def test_rate_out_of_range_is_bad_usage(rate):
    assert run(demo, "--rate", rate) == 2


def test_scenario_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="scenario 'nowhere' is no file"):
        demo(args=["--scenario", "nowhere", "--output", str(tmp_path / "run")])


def test_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "old").touch()
    with pytest.raises(UserError, match="is not empty"):
        demo(args=["--scenario", "quiet", "--output", str(tmp_path)])


def test_report_of_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not the folder of a run"):
        report(args=[str(tmp_path)])
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_about(tmp_path)


def test_events_end_at_a_line_that_is_cut_off(tmp_path):
    assert read_events(tmp_path) == []
    line = json.dumps({"kind": "died", "program": "planner"})
    (tmp_path / "events.jsonl").write_text(f"{line}\n{line}\n{line[:20]}")
    assert [e["program"] for e in read_events(tmp_path)] == ["planner", "planner"]
