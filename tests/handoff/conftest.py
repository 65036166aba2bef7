"""A dock in miniature: a robot's bay, a locker's shuttle and a parcel that moves between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from tests.stepping import run_steps

from lastmile.handoff.component import HandoffComponent
from lastmile.handoff.config import CustodyConfig, HandoffConfig, LockerConfig
from lastmile.handoff.link import MemoryNetwork
from lastmile.handoff.locker import LockerComponent
from lastmile.types import (
    BayState,
    CompartmentState,
    Direction,
    HandOverGoal,
    LockerHardwareState,
    TaskCancel,
)

DT_S = 0.1
ROBOT, LOCKER, PARCEL = "robot-1", "locker-a", "parcel-1"
QUICK = CustodyConfig(transfer_timeout_s=8.0, start_timeout_s=8.0)


@dataclass
class FakeContext:
    name: str
    state_dir: str
    rng: np.random.Generator
    link: object


@dataclass
class FakeDock:
    """
    Physics of one parcel: 0 is deep in the robot's bay, 1 in the locker's compartment.

    The gap reaches from 0.2 to 0.8; a closed door stops the parcel at 0.4. `jam` is a place that
    the parcel does not pass. Violations of physical safety are collected in `wrongs`.
    """

    position: float
    docked: bool = True
    door: float = 0.0
    jam: float | None = None
    stuck_a: bool | None = None
    hand: bool = False
    parcel_id: str = PARCEL
    conveyors: list[int] = field(default_factory=lambda: [0, 0])
    busy: bool = False
    open_door: bool = False
    driven: bool = True
    closing_on: int = 0
    wrongs: list[str] = field(default_factory=list)

    @property
    def in_gap(self) -> bool:
        return 0.2 < self.position < 0.8

    @property
    def at_robot(self) -> bool:
        return self.position <= 0.1

    @property
    def at_locker(self) -> bool:
        return self.position >= 0.9

    def move(self) -> None:
        was_open = self.door > 0.0
        # Without commands the door holds.
        speed = (1.0 if self.open_door else -1.0) if self.driven else 0.0
        self.door = float(np.clip(self.door + speed * DT_S, 0.0, 1.0))
        closing = speed < 0.0 and was_open and (self.in_gap or self.hand)
        self.closing_on = self.closing_on + 1 if closing else 0
        # The controller sees the gap at its next step only.
        if self.closing_on > 2:
            self.wrongs.append(f"door closes on something in the gap at {self.position:.2f}")
        if self.door > 0.0 and not self.docked:
            self.wrongs.append("door open without a robot")
        robot, locker = self.conveyors
        drive = (robot if self.position < 0.6 else 0) - (locker if self.position > 0.4 else 0)
        wanted = float(np.clip(self.position + 0.3 * DT_S * drive, 0.0, 1.0))
        low, high = sorted((self.position, wanted))
        barrier = 0.4 if self.door < 0.9 else self.jam
        if barrier is None or not low < barrier <= high:
            self.position = wanted

    def bay(self, stamp_s: float) -> BayState:
        inside = self.position <= 0.1
        a = inside if self.stuck_a is None else self.stuck_a
        return BayState(
            stamp_s, a, inside, self.parcel_id if inside else "",
            not (0.1 < self.position < 0.9 or self.hand), self.docked,
            (self.door == 0.0) if self.docked else None,
        )  # fmt: skip

    def locker(self, stamp_s: float) -> LockerHardwareState:
        inside = self.position >= 0.9
        compartments = (
            CompartmentState("c1", inside, inside, self.parcel_id if inside else "", 20.0),
            CompartmentState("c2", False, False, "", 20.0),
        )
        return LockerHardwareState(
            stamp_s, LOCKER, self.docked, self.busy if self.docked else None, self.door == 0.0,
            self.door == 1.0, not (0.1 < self.position < 0.9 or self.hand), compartments,
        )  # fmt: skip


class Rig:
    """Robot and locker at a fake dock, with a network that may lose and double messages."""

    def __init__(self, tmp_path=None, seed=0, at="locker", loss=0.0, duplication=0.0):
        self.rng = np.random.default_rng(seed)
        self.network = MemoryNetwork(
            np.random.default_rng([seed, 1]), 0.02, 0.05, loss, duplication
        )
        self.state_dir = str(tmp_path) if tmp_path is not None else ":memory:"
        self.dock = FakeDock(1.0 if at == "locker" else 0.0)
        self.step_count, self.set_back_s = 0, 0.0
        self.results, self.feedback, self.custody = {}, [], []
        self.robot = self.make_robot()
        self.locker = self.make_locker()
        self.silent: set[str] = set()

    @property
    def now_s(self) -> float:
        return round(self.step_count * DT_S - self.set_back_s, 6)

    def context(self, name):
        rng = np.random.default_rng(self.rng.integers(2**32))
        return FakeContext(name, self.state_dir, rng, self.network.link)

    def make_robot(self):
        config = HandoffConfig(custody=QUICK, answer_timeout_s=10.0)
        return HandoffComponent(config, self.context(ROBOT))

    def make_locker(self):
        return LockerComponent(LockerConfig(LOCKER, QUICK), self.context(LOCKER))

    def step(self) -> None:
        self.step_count += 1
        self.network.advance(self.now_s + self.set_back_s)
        self.dock.move()
        if "robot" not in self.silent:
            self.step_robot()
        if "locker" not in self.silent:
            self.step_locker()
        self.check()

    def step_robot(self) -> None:
        self.robot.receive("bay/state", self.dock.bay(self.now_s))
        for topic, value in self.robot.step(self.now_s):
            if topic == "bay/command":
                self.dock.conveyors[0], self.dock.busy = value.conveyor, value.busy
            elif topic == "hand_over/result":
                self.results[value.goal_id] = value
            elif topic == "hand_over/feedback":
                self.feedback.append(value)
            elif topic == "custody":
                self.custody.append(value)

    def step_locker(self) -> None:
        self.locker.receive("lockers/state", self.dock.locker(self.now_s))
        for _, command in self.locker.step(self.now_s):
            self.dock.conveyors[1], self.dock.open_door = command.conveyor, command.open_door

    def check(self) -> None:
        """Hold the invariants: one custodian, and the ledger agrees with the place."""
        assert not self.dock.wrongs, self.dock.wrongs
        holders = [
            name
            for name, part in ((ROBOT, self.robot), (LOCKER, self.locker))
            if PARCEL in part.custodian.ledger.holdings
        ]
        # Between the receiver's acceptance and the giver's knowledge of it both books list the
        # parcel; the giver's then has an undecided handoff and asserts nothing.
        asserting = [
            name
            for name, part in ((ROBOT, self.robot), (LOCKER, self.locker))
            if name in holders
            and not (part.custodian.ledger.live is not None and part.custodian.ledger.live.giving)
        ]
        assert len(asserting) <= 1, f"custodians {asserting} at {self.now_s} s"
        if asserting == [ROBOT]:
            assert self.dock.at_robot, f"robot asserts, parcel at {self.dock.position}"
        if asserting == [LOCKER]:
            assert self.dock.at_locker, f"locker asserts, parcel at {self.dock.position}"

    def goal(self, direction=Direction.TO_ROBOT, goal_id="g1", parcel=PARCEL, order="order-1"):
        goal = HandOverGoal(goal_id, order, parcel, LOCKER, direction)
        self.robot.receive("hand_over/goal", goal)
        return goal

    def cancel(self, goal_id="g1"):
        self.robot.receive("hand_over/cancel", TaskCancel(goal_id))

    def run(self, seconds, until=lambda: False) -> bool:
        return run_steps(self.step, seconds / DT_S, until)

    def run_to_result(self, goal_id="g1", seconds=60.0):
        assert self.run(seconds, lambda: goal_id in self.results), f"no result of {goal_id}"
        return self.results[goal_id]


@pytest.fixture
def rig():
    """Make rigs; all are closed at the end."""
    made = []

    def make(*args, **kwargs):
        made.append(Rig(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.robot.close()
        one.locker.close()
