"""The robot's `handoff` node: serves `hand_over`, drives conveyor and BUSY, tells custody."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lastmile.checks import is_fresh, is_set_back
from lastmile.handoff import messages
from lastmile.handoff.config import HandoffConfig
from lastmile.handoff.custodian import Custodian
from lastmile.handoff.custody import Evidence
from lastmile.handoff.hand_over_task import BAY, HandOverTask
from lastmile.handoff.ledger import Status
from lastmile.handoff.party import open_custodian
from lastmile.handoff.stamps import StampGuard
from lastmile.handoff.wires import HOLD, RobotDrive, RobotWires
from lastmile.types import (
    BayCommand,
    BayState,
    CustodyState,
    Diagnostic,
    DiagnosticLevel,
    HandOverGoal,
    TaskCancel,
    TaskFeedback,
    TaskResult,
)

FEEDBACK_PERIOD_S = 1.0


def build(config: HandoffConfig, context) -> HandoffComponent:
    """Make the component; raises UserError when journal or key cannot be used."""
    return HandoffComponent(config, context)


class HandoffComponent:
    """The robot as a party of handovers."""

    def __init__(self, config: HandoffConfig, context) -> None:
        self._config = config
        self._custodian = open_custodian(
            context.name, context, config.custody, self._judge_offer, _judge_request
        )
        self._drive = RobotDrive(config.custody)
        # A handoff that the last run left undecided may have its parcel in the gap.
        self._wires = RobotWires(busy=self._custodian.ledger.live is not None)
        self._task = HandOverTask(config, self._custodian)
        self._bay: BayState | None = None
        self._guard = StampGuard()
        self._inbox: list[tuple[str, Any]] = []
        self._told: CustodyState | None = None
        self._feedback_s = -1e9
        self._rejected: Counter[str] = Counter()
        self._forget_request_of_last_run = True

    @property
    def custodian(self) -> Custodian:
        """The party itself, for tests and tools."""
        return self._custodian

    def receive(self, topic: str, value: Any) -> None:
        """Take a value."""
        if topic == "bay/state":
            self._guard.put(topic, value)
        elif topic in ("hand_over/goal", "hand_over/cancel"):
            self._inbox.append((topic, value))

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Listen, decide, drive, speak, tell."""
        self._follow_clock(stamp_s)
        for _, bay in self._guard.take(stamp_s):
            self._bay = bay
        custodian = self._custodian
        if self._forget_request_of_last_run:
            # An offer for it would be granted without anybody waiting for the parcel.
            self._forget_request_of_last_run = not custodian.withdraw(stamp_s, "restarted")
        outputs = self._take_orders(stamp_s)
        custodian.listen(stamp_s)
        evidence = custodian.observe(stamp_s, self._evidence(stamp_s))
        outputs += self._advance_task(stamp_s, evidence)
        self._drive_wires(stamp_s, evidence)
        custodian.speak(stamp_s)
        outputs.append(("bay/command", BayCommand(stamp_s, self._wires.conveyor, self._wires.busy)))
        return outputs + self._tell_custody(stamp_s, evidence)

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell how journal, sensors and handoff are."""
        level, text = DiagnosticLevel.OK, "ready"
        if self._fresh_bay(stamp_s) is None:
            level, text = DiagnosticLevel.WARN, "bay/state is silent"
        if self._custodian.link_watch.fault:
            level, text = DiagnosticLevel.WARN, self._custodian.link_watch.fault
        if self._custodian.hold or (self._told is not None and self._told.state == "hold"):
            reason = self._custodian.hold or self._told.reason
            level, text = DiagnosticLevel.WARN, f"a person is needed: {reason}"
        if self._custodian.fault:
            level, text = DiagnosticLevel.ERROR, self._custodian.fault
        counts = self._custodian.rejected + self._guard.rejected + self._rejected
        values = {f"rejected_{name}": str(n) for name, n in sorted(counts.items())}
        values["clock set back"] = str(self._guard.times_set_back)
        values |= self._custodian.link_watch.values
        if self._custodian.last_rejected:
            values["last_rejected_message"] = self._custodian.last_rejected
        return [Diagnostic("handoff", level, text, values | self._guard.last)]

    def close(self) -> None:
        """Close journal and link."""
        self._custodian.close()

    # ------------------------------------------------------------------------------------ sensors

    def _follow_clock(self, stamp_s: float) -> None:
        """Go on with new inputs alone when the clock was set back; custody stays as it is."""
        if not is_set_back(self._guard.now_s, stamp_s):
            return
        by_s = stamp_s - self._guard.now_s
        self._guard.begin_anew()
        self._bay, self._feedback_s = None, -1e9
        self._custodian.follow_clock(by_s)
        self._task.follow_clock(by_s)

    def _fresh_bay(self, stamp_s: float) -> BayState | None:
        bay, age_max_s = self._bay, self._config.custody.sensor_age_max_s
        if bay is None or not is_fresh(bay.stamp_s, stamp_s, age_max_s):
            return None
        return bay

    def _evidence(self, stamp_s: float) -> Evidence | None:
        bay = self._fresh_bay(stamp_s)
        if bay is None:
            return None
        return Evidence(
            bay.stamp_s,
            bay.docked,
            bay.door_closed if bay.docked else None,
            bay.gap_clear,
            self._wires.busy,
            bay.occupied_a,
            bay.occupied_b,
            bay.parcel_id,
        )

    def _drive_wires(self, stamp_s: float, evidence: Evidence | None) -> None:
        custodian = self._custodian
        if evidence is None:
            # Blind: the parcel stops where it is, BUSY keeps what it protects.
            self._wires = RobotWires(HOLD, self._wires.busy)
            return
        live = custodian.ledger.live
        self._wires = self._drive.step(
            stamp_s, live, custodian.heard, custodian.wants_back, evidence
        )
        custodian.stuck = self._wires.stuck
        if self._wires.abort:
            custodian.call_off(self._wires.abort)

    def _judge_offer(self, offer: messages.Offer, giver: str) -> tuple[str, str]:
        request = self._custodian.ledger.request
        asked = (offer.request_id, offer.order_id, offer.parcel_id, giver)
        if request is None or asked != (
            request.request_id, request.order_id, request.parcel_id, request.giver
        ):  # fmt: skip
            return "", f"{self._custodian.name} did not ask for this offer"
        bay = self._fresh_bay(self._guard.now_s)
        if bay is None:
            return "", f"the bay's sensors of {self._custodian.name} are silent"
        if not bay.docked:
            return "", f"{self._custodian.name} is not docked"
        if bay.occupied_a or bay.occupied_b:
            return "", f"the bay of {self._custodian.name} is occupied"
        return BAY, ""

    # -------------------------------------------------------------------------------------- task

    def _take_orders(self, stamp_s: float) -> list[tuple[str, Any]]:
        results = []
        for topic, value in self._inbox:
            result = None
            if topic == "hand_over/goal" and isinstance(value, HandOverGoal):
                result = self._task.begin(stamp_s, value)
            elif topic == "hand_over/cancel" and isinstance(value, TaskCancel):
                self._task.cancel(value.goal_id)
            if result is not None:
                results.append(("hand_over/result", result))
        self._inbox.clear()
        return results

    def _advance_task(self, stamp_s: float, evidence: Evidence | None) -> list[tuple[str, Any]]:
        goal = self._task.goal
        if goal is None:
            return []
        verdict = self._task.step(stamp_s, evidence)
        if verdict is not None:
            outcome, text, data = verdict
            return [("hand_over/result", TaskResult(goal.goal_id, stamp_s, outcome, text, data))]
        if stamp_s - self._feedback_s < FEEDBACK_PERIOD_S:
            return []
        self._feedback_s = stamp_s
        phase, text = self._task.phase()
        waited_s = stamp_s - self._task.begun_s
        feedback = TaskFeedback(goal.goal_id, stamp_s, phase, waited_s, 0.0, text)
        return [("hand_over/feedback", feedback)]

    # ----------------------------------------------------------------------------------- custody

    def _tell_custody(self, stamp_s: float, evidence: Evidence | None) -> list[tuple[str, Any]]:
        state = custody_state(stamp_s, self._custodian, evidence)
        last = self._told
        if last is not None and _without_stamp(state) == _without_stamp(last):
            return []
        self._told = state
        return [("custody", state)]


def custody_state(stamp_s: float, custodian: Custodian, evidence: Evidence | None) -> CustodyState:
    """Read off the robot's journal who holds the parcel at stake."""
    ledger, name = custodian.ledger, custodian.name
    live = ledger.live
    if live is not None:
        custodian_name = name if live.giving else live.peer
        word = "hold" if custodian.hold else str(live.status)
        reason = custodian.hold or custodian.wants_back
        epoch = live.epoch - 1
        return CustodyState(stamp_s, live.parcel_id, custodian_name, epoch, live.id, word, reason)
    for holding in ledger.holdings.values():
        last = ledger.last_of(holding.parcel_id)
        reason = _bay_mismatch(holding.parcel_id, evidence)
        word = "hold" if reason else "aboard"
        return CustodyState(
            stamp_s, holding.parcel_id, name, holding.epoch, last.id if last else "", word, reason
        )
    for handoff in reversed(ledger.handoffs.values()):
        if handoff.status is Status.GIVER_CLOSED:
            return CustodyState(
                stamp_s, handoff.parcel_id, handoff.peer, handoff.epoch, handoff.id,
                "handed_over", "",
            )  # fmt: skip
    request = ledger.request
    if request is not None:
        return CustodyState(stamp_s, request.parcel_id, request.giver, 0, "", "requested", "")
    return CustodyState(stamp_s, "", "", 0, "", "idle", "")


def _bay_mismatch(parcel_id: str, evidence: Evidence | None) -> str:
    """Tell how the bay contradicts the journal, empty if not."""
    if evidence is None or evidence.steady_s < 2.0:
        return ""
    if not (evidence.occupied_a and evidence.occupied_b):
        return f"the journal says {parcel_id!r} is aboard, the bay's channels do not"
    if evidence.parcel_id != parcel_id:
        return f"the journal says {parcel_id!r} is aboard, the bay reads {evidence.parcel_id!r}"
    return ""


def _without_stamp(state: CustodyState) -> tuple:
    return (
        state.parcel_id, state.custodian, state.epoch, state.handoff_id, state.state, state.reason
    )  # fmt: skip


def _judge_request(request: messages.Request, asker: str) -> tuple[str, bool]:
    return "a robot offers by itself, it is not asked", True
