"""Faults come in the moment that they are meant for, on a delivery that is only played."""

import signal
from types import SimpleNamespace

import numpy as np
import pytest

from lastmile.errors import UserError
from lastmile.nodes.delivery_run import Glance
from lastmile.nodes.fault_run import FULL, FaultRun, Plan, besides
from lastmile.types import DeliverGoal, TaskOutcome, TaskResult

ORDER = DeliverGoal("g", "order-1", "parcel-1", "a", "b")


class PlayedRun:
    """Drives for 200 s, hands the parcel over for 20 s, and stops for what it needs to drive."""

    rate = 1.0

    def __init__(self):
        self.now_s, self.signals, self.pids, self.down_until_s = 0.0, [], {}, -1.0
        self.stack = SimpleNamespace(kill=self.kill, pid=lambda name: self.pids.get(name, 1))

    def begin(self):
        pass

    def newest(self, topic):
        return lambda: SimpleNamespace(stamp_s=self.now_s, twist_base=np.array([self.speed, 0.0]))

    @property
    def phase(self):
        return "drive_to_destination" if self.now_s < 200.0 else "give"

    @property
    def speed(self):
        return 1.4 if self.phase.startswith("drive") and self.now_s > self.down_until_s else 0.0

    def kill(self, name, number):
        self.signals.append((name, number, self.look()))
        if number == signal.SIGKILL:
            self.pids[name] = self.pids.get(name, 1) + 1
        if name in {plan.node for plan in FULL}:
            self.down_until_s = self.now_s + 5.0

    def wait(self, duration_s):
        self.now_s += 0.1
        if self.now_s > 220.0:
            return TaskResult("g", self.now_s, TaskOutcome.SUCCEEDED, "")
        return None

    def look(self):
        custody = "robot-1 (released)" if self.now_s > 210.0 else "robot-1 (aboard)"
        gate = "drive" if self.speed else "brake"
        return Glance(self.now_s, phase=self.phase, remaining_m=50.0, gate=gate, custody=custody)


def test_every_fault_has_its_turn_while_driving_and_the_receiver_during_the_handover():
    played = PlayedRun()
    drive = FaultRun(played, (*FULL, *besides(ORDER)))
    assert drive.carry_out(900.0).outcome is TaskOutcome.SUCCEEDED
    struck = [(name, number) for name, number, _ in played.signals if number != signal.SIGCONT]
    assert struck[:8] == [(plan.node, plan.signal) for plan in FULL]
    assert [name for name, _ in struck[8:]] == ["recorder", "mission", "locker_a", "locker_b"]
    assert [loss.phase for loss in drive.losses] == ["drive_to_destination"] * 3 + ["give"]
    assert all(loss.restarted for loss in drive.losses)
    assert played.signals[-1][2].custody == "robot-1 (released)"
    assert len(drive.faults) == 8
    hung = [name for name, number, _ in played.signals if number == signal.SIGCONT]
    assert hung == [plan.node for plan in FULL if plan.signal is signal.SIGSTOP]


def test_fault_that_had_no_turn_is_named():
    plans = [Plan("locker_b", signal.SIGKILL, stops=False, giving=True)]
    played = PlayedRun()
    played.look = lambda: Glance(played.now_s, phase="drive_to_destination", gate="drive")
    with pytest.raises(UserError, match="before these had their turn: locker_b"):
        FaultRun(played, plans).carry_out(900.0)
