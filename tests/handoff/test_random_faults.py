"""Handovers under random crashes, partitions, loss, doubling and sensor faults stay safe."""

import numpy as np
import pytest

from lastmile.handoff.ledger import Status
from lastmile.types import Direction, TaskOutcome

ROBOT, LOCKER, PARCEL = "robot-1", "locker-a", "parcel-1"
FAULTS_END_S = 40.0


class Chaos:
    """Draws what goes wrong at each step."""

    def __init__(self, one, seed):
        self.one, self.rng = one, np.random.default_rng([7, seed])
        self.until = {}
        self.down = {}
        self.crashes = 0

    def step(self):
        one, now_s = self.one, self.one.now_s
        for victim in ("robot", "locker"):
            if victim in self.down:
                if now_s >= self.down[victim]:
                    del self.down[victim]
                    one.silent.discard(victim)
                    self.revive(victim)
            elif now_s < FAULTS_END_S and self.rng.random() < 0.006:
                self.crash(victim, now_s)
        self.blink("partition", 0.004, 4.0, now_s)
        self.blink("stuck", 0.002, 3.0, now_s)
        self.blink("hand", 0.004, 3.0, now_s)
        one.network.loss = 1.0 if "partition" in self.until else 0.2
        one.dock.stuck_a = (self.rng.random() < 0.5) if "stuck" in self.until else None
        one.dock.hand = "hand" in self.until and one.dock.door > 0.0

    def blink(self, name, probability, duration_s, now_s):
        if now_s >= self.until.get(name, -1.0):
            self.until.pop(name, None)
        if now_s < FAULTS_END_S and self.rng.random() < probability:
            self.until[name] = now_s + self.rng.uniform(0.2, duration_s)

    def crash(self, victim, now_s):
        self.crashes += 1
        self.one.silent.add(victim)
        self.down[victim] = now_s + self.rng.uniform(0.2, 4.0)
        if victim == "robot":
            self.one.dock.busy, self.one.dock.conveyors[0] = False, 0
        else:
            self.one.dock.conveyors[1], self.one.dock.driven = 0, False

    def revive(self, victim):
        part = getattr(self.one, victim)
        part.close()
        self.one.dock.driven = self.one.dock.driven or victim == "locker"
        setattr(self.one, victim, getattr(self.one, f"make_{victim}")())


@pytest.mark.parametrize("seed", range(10))
def test_random_faults_lose_and_double_nothing(rig, tmp_path, seed):
    one = rig(tmp_path, seed=seed, loss=0.2, duplication=0.3)
    chaos = Chaos(one, seed)
    one.run(1.5)
    direction, number = Direction.TO_ROBOT, 0
    wants = None
    for _ in range(2000):
        chaos.step()
        if wants is not None and wants in one.results:
            if one.results[wants].outcome is TaskOutcome.SUCCEEDED:
                flip = direction is Direction.TO_ROBOT
                direction = Direction.TO_LOCKER if flip else Direction.TO_ROBOT
            wants = None
        idle = one.robot._task.goal is None and "robot" not in one.silent
        if idle and one.now_s < FAULTS_END_S + 30.0:
            number += 1
            wants = f"g{number}"
            one.goal(direction, wants, order=f"order-{number}")
        if idle and wants is None and one.now_s > FAULTS_END_S + 50.0:
            break
        one.step()
    for part in (one.robot, one.locker):
        assert part.custodian.ledger.live is None, part.custodian.ledger.live
    assert one.dock.door == 0.0
    assert one.dock.at_robot != one.dock.at_locker
    holder = one.robot if one.dock.at_robot else one.locker
    other = one.locker if one.dock.at_robot else one.robot
    assert PARCEL in holder.custodian.ledger.holdings
    assert PARCEL not in other.custodian.ledger.holdings
    assert number >= 2
    assert chaos.crashes
    check_no_accept_with_void(one)


def check_no_accept_with_void(one):
    """A handoff that one side closed was accepted by the other, and never voided."""
    robot, locker = (part.custodian.ledger.handoffs for part in (one.robot, one.locker))
    for mine, theirs in ((robot, locker), (locker, robot)):
        for handoff in mine.values():
            if handoff.status is Status.GIVER_CLOSED:
                assert theirs[handoff.id].status in (Status.ACCEPTED, Status.RECEIVER_CLOSED)
            if handoff.status is Status.RETURNED:
                assert theirs[handoff.id].status is Status.VOIDED
