"""The action `hand_over` on the robot: asks or offers, waits for the decision, says how it went."""

from __future__ import annotations

from lastmile.handoff.config import HandoffConfig
from lastmile.handoff.custodian import Custodian
from lastmile.handoff.custody import NOT_DOCKED, Evidence
from lastmile.handoff.ledger import Handoff, Status
from lastmile.types import Direction, HandOverGoal, TaskOutcome, TaskResult

BAY = "bay"

Verdict = tuple[TaskOutcome, str, dict[str, float]]


class HandOverTask:
    """
    The goal being worked on, if any.

    What was done is read off the ledger, so that a goal that comes again after a restart goes on
    where the handoff stands. A result's data has `retry` 1 where another attempt may help.
    """

    def __init__(self, config: HandoffConfig, custodian: Custodian) -> None:
        self.goal: HandOverGoal | None = None
        self.begun_s = 0.0
        self._config = config
        self._custodian = custodian
        self._canceled = False
        self._handoff_id = ""
        self._asked_s: float | None = None

    def begin(self, stamp_s: float, goal: HandOverGoal) -> TaskResult | None:
        """Take a goal; gives the result at once where it cannot be taken."""
        current = self.goal
        fault = _fault_of(goal)
        if current is not None and not fault and _errand(current) != _errand(goal):
            fault = f"busy with parcel {current.parcel_id!r} of order {current.order_id!r}"
        if fault:
            return _failed(stamp_s, goal.goal_id, fault)
        if current is not None:
            # The client lost sight of its goal and sent the errand again under another name.
            self.goal = goal
            self._canceled = False
            if current.goal_id == goal.goal_id:
                return None
            return _failed(stamp_s, current.goal_id, f"replaced by goal {goal.goal_id!r}")
        self.goal, self.begun_s = goal, stamp_s
        self._canceled, self._handoff_id, self._asked_s = False, "", None
        return None

    def cancel(self, goal_id: str) -> None:
        """Ask to stop; the handoff in hand is finished or brought back first."""
        if self.goal is not None and self.goal.goal_id == goal_id:
            self._canceled = True

    def follow_clock(self, by_s: float) -> None:
        """Count waits on by a clock that was set by so much."""
        self.begun_s += by_s
        if self._asked_s is not None:
            self._asked_s += by_s

    def phase(self) -> tuple[str, str]:
        """Word and text for the feedback."""
        custodian = self._custodian
        live = custodian.ledger.live
        if custodian.hold:
            return "hold", f"a person is needed: {custodian.hold}"
        if live is not None:
            return str(live.status), f"handoff {live.id} of {live.parcel_id!r} with {live.peer}"
        if custodian.refusal is not None:
            return "asking", custodian.refusal.reason
        return "asking", f"waiting for {self.goal.locker_id}" if self.goal else ""

    def step(self, stamp_s: float, evidence: Evidence | None) -> Verdict | None:
        """Do the next thing for the goal; gives the verdict when it is decided."""
        verdict = self._step(stamp_s, evidence)
        if verdict is not None:
            self.goal = None
        return verdict

    def _step(self, stamp_s: float, evidence: Evidence | None) -> Verdict | None:
        goal, custodian = self.goal, self._custodian
        done = self._done(stamp_s)
        if done is not None:
            return done
        live = custodian.ledger.live
        if live is not None:
            return self._wait_for_decision(stamp_s, live, evidence)
        if self._handoff_id:
            reason = custodian.ledger.handoffs[self._handoff_id].reason
            if self._canceled:
                return TaskOutcome.CANCELED, f"handed back before the door: {reason}", {}
            return _failure(f"{goal.locker_id} and robot called the handoff off: {reason}", True)
        if self._canceled:
            if not custodian.withdraw(stamp_s, "canceled"):
                return None
            return TaskOutcome.CANCELED, "canceled before anything moved", {}
        if custodian.ledger.request is not None:
            return self._wait_for_offer(stamp_s)
        if self._asked_s is not None and custodian.refused_offer:
            text = f"the offer of {goal.locker_id} was refused: {custodian.refused_offer}"
            return _failure(text, True)
        return self._start(stamp_s, evidence)

    def _done(self, stamp_s: float) -> Verdict | None:
        goal, ledger = self.goal, self._custodian.ledger
        data = {"duration_s": stamp_s - self.begun_s}
        holding = ledger.holdings.get(goal.parcel_id)
        if goal.direction is Direction.TO_ROBOT and holding is not None:
            text = f"{self._custodian.name} holds {goal.parcel_id!r}, epoch {holding.epoch}"
            return TaskOutcome.SUCCEEDED, text, data | {"epoch": float(holding.epoch)}
        last = ledger.last_of(goal.parcel_id)
        given = last is not None and last.giving and last.status is Status.GIVER_CLOSED
        same = given and (last.peer, last.order_id) == (goal.locker_id, goal.order_id)
        if goal.direction is Direction.TO_LOCKER and same:
            text = f"{goal.locker_id} holds {goal.parcel_id!r}, epoch {last.epoch}"
            return TaskOutcome.SUCCEEDED, text, data | {"epoch": float(last.epoch)}
        return None

    def _wait_for_decision(
        self, stamp_s: float, live: Handoff, evidence: Evidence | None
    ) -> Verdict | None:
        goal, custodian = self.goal, self._custodian
        mine = (live.parcel_id, live.peer) == (goal.parcel_id, goal.locker_id)
        if mine:
            self._handoff_id = live.id
        if self._canceled:
            custodian.call_off("canceled")
        if custodian.hold == NOT_DOCKED:
            # Docked again the parcel goes back to the giver, or the handoff ends where it got to.
            custodian.call_off(NOT_DOCKED)
            text = f"{NOT_DOCKED} {live.id} of {live.parcel_id!r} with {live.peer}"
            return _failure(f"{text}, which stays open", False)
        heard_s = custodian.last_heard_s.get(live.peer, self.begun_s)
        silent_s = stamp_s - max(heard_s, self.begun_s)
        if silent_s < self._config.answer_timeout_s:
            return None
        untouched = (
            live.giving and evidence is not None and evidence.full and evidence.door_closed is True
        )
        if untouched and not evidence.busy:
            return _failure(
                f"{live.peer} has been silent for {silent_s:.0f} s; handoff {live.id} stays open "
                f"and {custodian.name} custodian of {live.parcel_id!r}",
                True,
            )
        return None

    def _wait_for_offer(self, stamp_s: float) -> Verdict | None:
        goal, custodian = self.goal, self._custodian
        if self._asked_s is None:
            # Left open by an earlier goal, because the journal refused its withdrawal.
            custodian.withdraw(stamp_s, "another goal came")
            return None
        refusal = custodian.refusal
        if refusal is not None and refusal.final:
            if not custodian.withdraw(stamp_s, refusal.reason):
                return None
            return _failure(refusal.reason, False)
        if stamp_s - self._asked_s < self._config.answer_timeout_s:
            return None
        said = refusal.reason if refusal is not None else "no answer"
        if not custodian.withdraw(stamp_s, said):
            return None
        waited_s = self._config.answer_timeout_s
        return _failure(f"{goal.locker_id} made no offer within {waited_s:g} s: {said}", True)

    def _start(self, stamp_s: float, evidence: Evidence | None) -> Verdict | None:
        goal, custodian = self.goal, self._custodian
        to_robot = goal.direction is Direction.TO_ROBOT
        if not to_robot and goal.parcel_id not in custodian.ledger.holdings:
            return _failure(f"{custodian.name} does not hold {goal.parcel_id!r}", False)
        obstacle = self._not_ready(evidence, to_robot)
        if obstacle:
            if stamp_s - self.begun_s > self._config.dock_wait_s:
                return _failure(obstacle, True)
            return None
        if to_robot:
            custodian.ask(stamp_s, goal.locker_id, goal.order_id, goal.parcel_id)
            self._asked_s = stamp_s
        else:
            custodian.offer(stamp_s, goal.locker_id, goal.order_id, goal.parcel_id)
        return None

    def _not_ready(self, evidence: Evidence | None, to_robot: bool) -> str:
        if evidence is None:
            return "bay/state is silent"
        if not evidence.docked:
            return f"not docked at {self.goal.locker_id}"
        if to_robot and not evidence.empty:
            return f"the bay is not empty, it reads {evidence.parcel_id!r}"
        if not to_robot and not (evidence.full and evidence.parcel_id == self.goal.parcel_id):
            return (
                f"the bay's sensors do not show {self.goal.parcel_id!r}, they read "
                f"{evidence.parcel_id!r}"
            )
        return ""


def _errand(goal: HandOverGoal) -> tuple:
    return goal.order_id, goal.parcel_id, goal.locker_id, goal.direction


def _fault_of(goal: HandOverGoal) -> str:
    for name in ("goal_id", "order_id", "parcel_id", "locker_id"):
        value = getattr(goal, name)
        if not isinstance(value, str) or not 1 <= len(value) <= 96:
            return f"{name} is {value!r}, it must be a word of 1 to 96 characters"
    return ""


def _failure(text: str, retry: bool) -> Verdict:
    return TaskOutcome.FAILED, text, {"retry": float(retry)}


def _failed(stamp_s: float, goal_id: str, text: str) -> TaskResult:
    return TaskResult(goal_id, stamp_s, TaskOutcome.FAILED, text, {"retry": 0.0})
