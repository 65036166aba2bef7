"""Handovers between two processes over a real broker."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import pytest
from tests.processes import wait_until

from lastmile.handoff.broker import Broker, free_port
from lastmile.handoff.component import HandoffComponent
from lastmile.handoff.config import CustodyConfig, HandoffConfig, LinkConfig, LockerConfig
from lastmile.handoff.link import LinkWatch, MqttLink
from lastmile.handoff.locker import LockerComponent
from lastmile.types import DiagnosticLevel, Direction, HandOverGoal, TaskOutcome

ROBOT, LOCKER, PARCEL = "robot-1", "locker-a", "parcel-1"
QUICK = CustodyConfig(transfer_timeout_s=20.0, start_timeout_s=20.0)
STEP_S, DT_S = 0.02, 0.1


@dataclass
class FakeContext:
    name: str
    state_dir: str
    rng: np.random.Generator
    link: object


def context(name, state_dir, port):
    config = LinkConfig(port=port, reconnect_max_s=0.5)
    return FakeContext(
        name, state_dir, np.random.default_rng(0), lambda party: MqttLink(party, config)
    )


def run_locker(pipe, state_dir, port):
    """Serve as the locker's controller: a hardware state in, a command out."""
    component = LockerComponent(LockerConfig(LOCKER, QUICK), context(LOCKER, state_dir, port))
    while (received := pipe.recv()) is not None:
        stamp_s, state = received
        component.receive("lockers/state", state)
        pipe.send(component.step(stamp_s)[0][1])
    component.close()


class Pair:
    """The robot's controller here, the locker's in a process of its own, a fake dock between."""

    def __init__(self, dock, state_dir, port):
        self.dock, self.state_dir, self.port = dock, state_dir, port
        self.count, self.results = 0, {}
        self.spawn = multiprocessing.get_context("fork")
        self.start_locker()
        self.robot = HandoffComponent(
            HandoffConfig(custody=QUICK, answer_timeout_s=60.0), context(ROBOT, state_dir, port)
        )

    def start_locker(self):
        self.pipe, far = self.spawn.Pipe()
        self.process = self.spawn.Process(
            target=run_locker, args=(far, self.state_dir, self.port), daemon=True
        )
        self.process.start()
        far.close()

    def kill_locker(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.pipe.close()
        self.dock.conveyors[1] = 0

    def step(self):
        self.count += 1
        now_s = self.count * DT_S
        self.dock.move()
        assert not self.dock.wrongs, self.dock.wrongs
        self.robot.receive("bay/state", self.dock.bay(now_s))
        for topic, value in self.robot.step(now_s):
            if topic == "bay/command":
                self.dock.conveyors[0], self.dock.busy = value.conveyor, value.busy
            elif topic == "hand_over/result":
                self.results[value.goal_id] = value
        self.pipe.send((now_s, self.dock.locker(now_s)))
        command = self.pipe.recv()
        self.dock.conveyors[1], self.dock.open_door = command.conveyor, command.open_door
        time.sleep(STEP_S)

    def run(self, steps, until=lambda: False):
        for _ in range(steps):
            if until():
                return True
            self.step()
        return until()

    def hand_over(self, direction, goal_id):
        goal = HandOverGoal(goal_id, f"order-{goal_id}", PARCEL, LOCKER, direction)
        self.robot.receive("hand_over/goal", goal)

    def close(self):
        self.pipe.send(None)
        self.process.join(5.0)
        self.robot.close()


@pytest.mark.system
def test_handover_between_processes_survives_a_killed_locker_and_broker(rig, tmp_path):
    dock = rig().dock
    port = free_port()
    with Broker(port, tmp_path / "broker") as broker:
        pair = Pair(dock, str(tmp_path / "state"), port)
        try:
            pair.run(25)
            pair.hand_over(Direction.TO_ROBOT, "take")
            assert pair.run(300, lambda: dock.position < 0.6)
            pair.kill_locker()
            pair.start_locker()
            assert pair.run(600, lambda: "take" in pair.results)
            assert pair.results["take"].outcome is TaskOutcome.SUCCEEDED
            pair.hand_over(Direction.TO_LOCKER, "give")
            assert pair.run(300, lambda: dock.position > 0.5)
            broker.stop()
            pair.run(60)
            assert "give" not in pair.results
            broker.start()
            assert pair.run(600, lambda: "give" in pair.results)
            assert pair.results["give"].outcome is TaskOutcome.SUCCEEDED
            assert pair.run(60, lambda: dock.door == 0.0)
        finally:
            pair.close()
    filed = {path.name for path in (tmp_path / "state" / "receipts" / ROBOT).glob("*.json")}
    assert len(filed) == 2
    assert not list((tmp_path / "state").glob("**/*.part"))


@pytest.mark.system
def test_what_is_sent_without_a_broker_arrives_when_it_is_back(tmp_path):
    port = free_port()
    config = LinkConfig(port=port, reconnect_max_s=0.5)
    with Broker(port, tmp_path / "broker") as broker:
        one, other = MqttLink("a", config), MqttLink("b", config)
        try:
            wait_until(lambda: one.connected and other.connected)
            one.send("b", b"first")
            came = []
            wait_until(lambda: came.extend(other.poll()) or came == [("a", b"first")])
            broker.stop()
            wait_until(lambda: not one.connected and not other.connected)
            for k in range(20):
                one.send("b", b"%d" % k)
            broker.start()
            wanted = {b"%d" % k for k in range(20)}
            wait_until(lambda: came.extend(other.poll()) or wanted <= {p for _, p in came})
        finally:
            one.close()
            other.close()


def test_full_outbox_drops_the_oldest_and_counts():
    link = MqttLink("a", LinkConfig(port=free_port(), outbox_max=10))
    for k in range(15):
        link.send("b", b"%d" % k)
    assert link.dropped == 5
    assert link._outbox[0][1] == b"5"
    link.close()


@pytest.mark.parametrize("part", ["robot", "locker"])
def test_missing_broker_and_dropped_messages_reach_the_diagnostics(rig, part):
    class Gone:
        connected, dropped = False, 3

        def poll(self):
            return []

    one = rig()
    one.run(1.0)
    component = getattr(one, part)
    component.custodian._link = link = Gone()
    component.custodian.link_watch = LinkWatch(link)
    one.run(7.1)
    diagnostic = component.diagnose(one.now_s)[0]
    assert diagnostic.level is DiagnosticLevel.WARN
    assert diagnostic.message == "broker gone since 7 s"
    assert diagnostic.values["dropped_messages"] == "3"
    link.connected = True
    one.run(0.1)
    assert component.diagnose(one.now_s)[0].message == "ready"
    link.close = lambda: None
