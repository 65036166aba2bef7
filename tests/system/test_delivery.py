"""A whole delivery over DDS: nodes, world, lockers and broker as processes of their own."""

import json
from collections import Counter
from pathlib import Path

import pytest
from mcap.reader import make_reader

from lastmile.cli.demo_process import processes_of
from lastmile.cli.ended_demos import SIMULATOR_DEAD, interrupt, kill_simulator
from lastmile.handoff.journal import journal_path
from lastmile.nodes.pacing import LAGS_S
from lastmile.stack.topics import TOPICS

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

# Published by nobody while nobody steers by hand.
SILENT = {"teleop/cmd_vel", "initialpose"}
# How often the world and the gate speak.
TICK_S = 0.02


def test_parcel_comes_to_its_locker_and_the_run_is_told_in_full(demo):
    run = demo("--scenario", "quiet", "--rate", "4")
    assert run.process.wait(800.0) == 0, run.said()
    assert "succeeded: " in run.said()
    assert not processes_of(run.run_dir)

    summary = json.loads((run.run_dir / "summary.json").read_text())
    assert summary["delivered"]
    assert summary["parcels"] == {"parcel-1": "b"}
    assert summary["own_contacts"] == 0
    assert [d["locker_id"] for d in summary["docking"]] == ["a", "b"]
    assert all(d["distance_m"] < 0.05 and d["angle_deg"] < 3.0 for d in summary["docking"])
    assert summary["distance_m"] > 90.0
    assert 0.0 < summary["latency_s"]["median"] < 1.0
    # The world never runs ahead to make up for more than a moment.
    assert 0.0 < summary["pace"]["rate"] < 1.01 * summary["pace"]["wanted"]
    assert summary["pace"]["wanted"] == 4.0

    with (run.run_dir / "run.mcap").open("rb") as file:
        content = make_reader(file).get_summary()
    counts = Counter()
    for channel_id, count in content.statistics.channel_message_counts.items():
        counts[content.channels[channel_id].topic.lstrip("/")] += count
    assert not {topic for topic in TOPICS if not counts[topic]} - SILENT
    # How much the recorder loses depends on the machine; that it holds most of the run does not.
    # The gate skips ticks on a slow machine: time waits for it before a command is older than its
    # lag, which the world looks at once a tick, and the command itself is up to a tick old.
    assert counts["ground_truth"] > 0.5 * summary["duration_s"] / TICK_S
    assert counts["cmd_vel"] > summary["duration_s"] / (LAGS_S["cmd_vel"] + 2.0 * TICK_S)

    page = (run.run_dir / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http://" not in page
    assert {"localization", "perception", "planner", "command_gate"} <= set(
        page.replace("<td>", " ").replace("</td>", " ").split()
    )
    for party in ("mission-robot-1", "custody-robot-1", "custody-a", "custody-b"):
        assert Path(journal_path(str(run.run_dir / "state"), party)).exists()
    assert list((run.run_dir / "state" / "receipts").rglob("*.json"))


@pytest.mark.parametrize("phase", ["starting", "driving", "handing over"])
def test_ctrl_c_ends_everything_within_five_seconds_and_leaves_the_journals_whole(tmp_path, phase):
    ending = interrupt(phase, tmp_path / "run", "--scenario", "quiet", "--rate", "4")
    assert ending.exit_code == 130, ending
    assert ending.left == [], ending
    assert ending.journal_troubles == [], ending
    assert phase == "starting" or ending.journals == 4


def test_dead_simulator_ends_everything_with_a_message(tmp_path):
    ending = kill_simulator(tmp_path / "run", "--scenario", "quiet", "--rate", "4")
    assert ending.exit_code == 1, ending
    assert SIMULATOR_DEAD in ending.said
    assert ending.left == [], ending
    assert ending.journal_troubles == [], ending
