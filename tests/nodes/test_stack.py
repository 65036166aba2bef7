"""The whole stack over DDS: it comes up, the gate notices what hangs, and it comes down."""

import json
import os
import signal

import pytest

from lastmile.nodes.stack_plan import settings_of_scenario
from lastmile.nodes.supervisor import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_gate_tells_of_a_hung_node_and_a_dead_simulator_ends_the_stack(peer, tmp_path):
    states = peer.listen("safety_state")
    settings = settings_of_scenario(tmp_path / "run", scenario="quiet")
    with Stack(settings) as stack:
        stack.wait_ready(120.0)
        pids = [stack.pid(name) for name in stack.names()]

        def complains_of(topic):
            return any(cause.startswith(topic) for cause in states[-1].causes)

        peer.until(lambda: states and not complains_of("odometry"))
        stack.kill("localization", signal.SIGSTOP)
        peer.until(lambda: complains_of("odometry"))
        stack.kill("localization", signal.SIGCONT)
        peer.until(lambda: not complains_of("odometry"))
        stack.kill("simulator", signal.SIGSTOP)
        peer.until(lambda: complains_of("odometry"))
        stack.kill("simulator", signal.SIGCONT)
        peer.until(lambda: not complains_of("odometry"))
        stack.kill("simulator")
        assert stack.wait(90.0)
        assert stack.reason.startswith("simulator killed by SIGKILL")
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").open()]
    assert {"started", "ready", "died", "given up", "stopping", "ended"} <= {
        event["kind"] for event in events
    }
    ends = {e["program"]: e["text"] for e in events if e["kind"] == "ended"}
    assert ends["command_gate"] == "command_gate ended with exit code 0"
    assert ends["recorder"] == "recorder ended with exit code 0"
