import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from tests.processes import is_running, wait_until

from lastmile.nodes.process_group import ProcessGroup, Program

DEADLINE_S = 60.0
READY = "import os; os.write(int(os.environ['LASTMILE_READY_PIPE']), b'ready'); "
SLEEP = "import time; time.sleep(600)"
DEAF = (
    "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]; "
)


@pytest.fixture
def group(tmp_path):
    group = ProcessGroup(dict(os.environ), tmp_path, tmp_path / "events.jsonl")
    yield group
    group.stop()


def kinds(tmp_path, program):
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    return [e["kind"] for e in map(json.loads, lines) if e["program"] == program]


def test_programs_are_ready_when_they_say_so(group, tmp_path):
    group.start([Program("one", ("-c", READY + SLEEP)), Program("two", ("-c", READY + SLEEP))])
    assert group.wait_ready(DEADLINE_S)
    assert kinds(tmp_path, "one") == ["started", "ready"]
    assert is_running(group.pid("two"))


def test_a_program_that_says_nothing_is_not_ready(group):
    group.start([Program("mute", ("-c", SLEEP))])
    assert not group.wait_ready(0.5)


def test_a_killed_program_is_started_again(group, tmp_path):
    group.start([Program("one", ("-c", READY + SLEEP), respawn=True)])
    assert group.wait_ready(DEADLINE_S)
    first = group.pid("one")
    group.send("one", signal.SIGKILL)
    wait_until(lambda: kinds(tmp_path, "one").count("ready") == 2)
    assert group.pid("one") != first
    assert kinds(tmp_path, "one") == ["started", "ready", "died", "restarted", "ready"]


def test_a_program_that_keeps_failing_ends_the_group_with_its_last_words(group, tmp_path):
    group.start(
        [
            Program(
                "bad", ("-c", "import sys; sys.exit('the lidar is upside down')"), respawn=True
            ),
            Program("good", ("-c", READY + SLEEP)),
        ]
    )
    assert group.wait(DEADLINE_S)
    assert group.reason == "bad ended with exit code 1: the lidar is upside down"
    assert kinds(tmp_path, "bad").count("restarted") == 3
    assert kinds(tmp_path, "good")[-1] == "ended"


def test_words_of_an_earlier_process_are_not_given_as_the_last(group, tmp_path):
    marker = tmp_path / "second"
    script = (
        f"import os, pathlib; m = pathlib.Path({str(marker)!r}); second = m.exists(); m.touch();"
        "second or exit('the first end'); " + READY + SLEEP
    )
    group.start([Program("one", ("-c", script), respawn=True)])
    assert group.wait_ready(DEADLINE_S)
    wait_until(lambda: kinds(tmp_path, "one").count("ready") == 1)
    assert group.last_words("one") == ""


def test_a_program_that_refuses_its_usage_is_not_tried_again(group, tmp_path):
    group.start([Program("bad", ("-c", "import sys; sys.exit(2)"), respawn=True)])
    assert group.wait(DEADLINE_S)
    assert "restarted" not in kinds(tmp_path, "bad")


def test_the_group_goes_on_without_a_program_that_is_not_essential(group, tmp_path):
    group.start(
        [
            Program("extra", ("-c", "import sys; sys.exit('disk full')"), essential=False),
            Program("good", ("-c", READY + SLEEP)),
        ]
    )
    assert group.wait_ready(DEADLINE_S)
    assert kinds(tmp_path, "extra")[-1] == "given up"
    assert not group.wait(0.3)


def test_stop_leaves_no_process_not_even_deaf_or_halted_ones(group):
    group.start(
        [
            Program("deaf", ("-c", DEAF + READY + SLEEP)),
            Program("halted", ("-c", READY + SLEEP), phase=1),
            Program("plain", ("-c", READY + SLEEP), phase=2),
        ]
    )
    assert group.wait_ready(DEADLINE_S)
    group.send("halted", signal.SIGSTOP)
    pids = [group.pid(name) for name in group.names()]
    group.stop()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_a_group_whose_listener_raises_ends_all_and_says_why(tmp_path):
    def listen(event):
        raise RuntimeError("the terminal is gone")

    group = ProcessGroup(dict(os.environ), tmp_path, tmp_path / "events.jsonl", listen)
    group.start([Program("deaf", ("-c", DEAF + READY + SLEEP))])
    assert group.wait(DEADLINE_S)
    assert group.reason.endswith("RuntimeError: the terminal is gone")
    assert group.pid("deaf") is None
    group.stop()


def test_a_group_that_cannot_open_a_log_ends_all_and_says_why(group, tmp_path):
    group.start([Program("good", ("-c", READY + SLEEP))])
    assert group.wait_ready(DEADLINE_S)
    good = group.pid("good")
    (tmp_path / "bad.log").mkdir()
    group.start([Program("bad", ("-c", READY + SLEEP))])
    assert group.wait(DEADLINE_S)
    assert "IsADirectoryError" in group.reason
    assert not os.path.exists(f"/proc/{good}")
    assert kinds(tmp_path, "good")[-1] == "ended"


def test_programs_do_not_outlive_a_killed_supervisor(tmp_path):
    script = f"""
        import os, sys, time
        from pathlib import Path
        from lastmile.nodes.process_group import ProcessGroup, Program
        here = Path({str(tmp_path)!r})
        group = ProcessGroup(dict(os.environ), here, here / "events.jsonl")
        group.start([Program("deaf", ("-c", {DEAF + READY + SLEEP!r}))])
        assert group.wait_ready({DEADLINE_S})
        print(group.pid("deaf"), flush=True)
        time.sleep(600)
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    child = int(supervisor.stdout.readline())
    assert is_running(child)
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not is_running(child))
