"""The `mission` node: serves `deliver` by driving, docking and handing over, all journalled."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastmile.checks import is_set_back
from lastmile.errors import UserError
from lastmile.handoff.journal import Journal, JournalError, journal_path
from lastmile.mission import executive
from lastmile.mission.config import MissionConfig
from lastmile.mission.driving import Driving, NoWay
from lastmile.mission.order import (
    DOCKS,
    DRIVES,
    LEAVES,
    AnyRecord,
    Began,
    CancelAsked,
    Delivery,
    Ended,
    Ordered,
    Step,
    fold,
    write_record,
)
from lastmile.planning.route_planner import RouteError
from lastmile.types import (
    CustodyState,
    DeliverGoal,
    Diagnostic,
    DiagnosticLevel,
    Direction,
    DockGoal,
    FollowRouteGoal,
    HandOverGoal,
    MissionState,
    TaskCancel,
    TaskFeedback,
    TaskOutcome,
    TaskResult,
)

TELL_PERIOD_S = 1.0

Output = list[tuple[str, Any]]


def build(config: MissionConfig, context) -> MissionComponent:
    """Make the component; raises UserError when the journal cannot be used."""
    return MissionComponent(config, context)


class MissionComponent:
    """The delivery executive as a component."""

    def __init__(self, config: MissionConfig, context) -> None:
        self._config = config
        self._robot = context.name
        self._lockers = context.site.lockers
        self._driving = Driving(context.site, config)
        memory = context.state_dir == ":memory:"
        try:
            self._journal = Journal(
                journal_path(context.state_dir, f"mission-{context.name}"),
                f"mission of {context.name}",
                context.rng.bytes(4).hex() if memory else "",
            )
            self._deliveries = fold([entry.body for entry in self._journal.entries])
        except JournalError as error:
            raise UserError(str(error)) from error
        self._current = next((d for d in self._deliveries.values() if d.ended is None), None)
        self._goal_ids: dict[str, set[str]] = {
            name: {d.order.goal_id} for name, d in self._deliveries.items()
        }
        self._custody: CustodyState | None = None
        self._waiting: list[tuple[float, DeliverGoal]] = []
        self._refused = 0
        self._inbox: Output = []
        self._task: Began | None = None
        self._cancel_sent = False
        self._closing = ""
        self._now_s = -np.inf
        self._life_s = 0.0
        self._begin_after_s = -np.inf
        self._text = "resumed" if self._current is not None else ""
        self._told: MissionState | None = None
        self._feedback_s = -np.inf
        self._times_set_back = 0
        self._fault = ""

    def receive(self, topic: str, value: Any) -> None:
        """Take a value."""
        if "/" in topic and topic.rsplit("/", 1)[1] in ("goal", "cancel", "feedback", "result"):
            self._inbox.append((topic, value))
        elif not np.isfinite(value.stamp_s):
            self._refused += 1
        elif topic == "localization/status":
            self._driving.receive_pose(value)
        elif topic == "planner/status":
            self._driving.receive_progress(value)
        elif topic == "custody":
            self._custody = value

    def step(self, stamp_s: float) -> Output:
        """Take orders and results, begin what is next, tell."""
        self._follow_clock(stamp_s)
        out: Output = []
        waiting, self._waiting = self._waiting, []
        for since_s, goal in waiting:
            out += self._take_goal(stamp_s, goal, since_s)
        inbox, self._inbox = self._inbox, []
        for topic, value in inbox:
            out += self._take(stamp_s, topic, value)
        delivery = self._current
        if delivery is not None:
            out += self._go_on(stamp_s, delivery)
        return out + self._tell(stamp_s)

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell what the mission does and whether its journal works."""
        if self._fault:
            return [Diagnostic("mission", DiagnosticLevel.ERROR, self._fault)]
        delivery = self._current
        text = "idle" if delivery is None else f"{delivery.step.word}: {self._text}".rstrip(": ")
        values = {"refused": str(self._refused), "clock set back": str(self._times_set_back)}
        return [Diagnostic("mission", DiagnosticLevel.OK, text, values)]

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _follow_clock(self, stamp_s: float) -> None:
        """Let waits that were begun go on by a clock that was set back."""
        if is_set_back(self._now_s, stamp_s):
            by_s = stamp_s - self._now_s
            self._driving.follow_clock(by_s)
            self._life_s += by_s
            self._begin_after_s += by_s
            self._waiting = [(since_s + by_s, goal) for since_s, goal in self._waiting]
            self._told, self._feedback_s = None, -np.inf
            self._times_set_back += 1
        self._now_s = stamp_s

    # --------------------------------------------------------------------------- what comes in

    def _take(self, stamp_s: float, topic: str, value: Any) -> Output:
        action, part = topic.rsplit("/", 1)
        if action == "deliver" and part == "goal" and isinstance(value, DeliverGoal):
            return self._take_goal(stamp_s, value, stamp_s)
        if action == "deliver" and part == "cancel" and isinstance(value, TaskCancel):
            return self._take_cancel(stamp_s, value)
        if self._task is not None and (action, value.goal_id) == (
            self._task.action, self._task.task_id
        ):  # fmt: skip
            self._life_s = stamp_s
            if part == "feedback":
                self._text = value.text
            elif part == "result" and self._current is not None:
                return self._take_result(stamp_s, self._current, value)
        return []

    def _take_goal(self, stamp_s: float, goal: DeliverGoal, since_s: float) -> Output:
        """Begin an order, join it, refuse it, or let it wait until custody is known."""
        fault = executive.goal_fault(goal, tuple(locker.id for locker in self._lockers))
        if fault:
            return [_failed(stamp_s, goal.goal_id, fault)]
        known = self._deliveries.get(goal.order_id)
        if known is not None:
            return self._take_known_order(stamp_s, goal, known)
        current = self._current
        if current is not None:
            return [_failed(stamp_s, goal.goal_id, f"busy with order {current.order.order_id!r}")]
        custody = self._custody
        if custody is None:
            return self._wait_for_custody(stamp_s, goal, since_s)
        aboard = custody.parcel_id if custody.custodian == self._robot else ""
        if aboard and aboard != goal.parcel_id:
            text = f"{self._robot} holds {aboard!r}, parcel_id is {goal.parcel_id!r}: one at a time"
            return [_failed(stamp_s, goal.goal_id, text)]
        first = Step.DRIVE_TO_DESTINATION if aboard else Step.DRIVE_TO_ORIGIN
        ordered = Ordered(
            goal.order_id, goal.goal_id, goal.parcel_id, goal.from_locker_id, goal.to_locker_id,
            int(first),
        )  # fmt: skip
        if not self._append(stamp_s, ordered):
            return [_failed(stamp_s, goal.goal_id, f"the order cannot be kept: {self._fault}")]
        self._current = Delivery(ordered, first)
        self._deliveries[goal.order_id] = self._current
        self._goal_ids[goal.order_id] = {goal.goal_id}
        return []

    def _wait_for_custody(self, stamp_s: float, goal: DeliverGoal, since_s: float) -> Output:
        """Keep an order: without the word of custody a parcel may be aboard."""
        if stamp_s - since_s >= self._config.custody_wait_s:
            self._text = f"custody was not heard for {self._config.custody_wait_s:g} s"
            return [_failed(stamp_s, goal.goal_id, f"{self._text}: what is aboard is not known")]
        self._text = "waiting for custody"
        if all(waiting.goal_id != goal.goal_id for _, waiting in self._waiting):
            self._waiting.append((since_s, goal))
        return []

    def _take_known_order(self, stamp_s: float, goal: DeliverGoal, known: Delivery) -> Output:
        """Join a client to an order that is known, if it asks for the same."""
        order = known.order
        same = (goal.parcel_id, goal.from_locker_id, goal.to_locker_id) == (
            order.parcel_id, order.from_locker_id, order.to_locker_id
        )  # fmt: skip
        if not same:
            text = (
                f"order {goal.order_id!r} is known with {order.parcel_id!r} from "
                f"{order.from_locker_id} to {order.to_locker_id}, a new order needs a new order_id"
            )
            return [_failed(stamp_s, goal.goal_id, text)]
        if known.ended is None:
            self._goal_ids[goal.order_id].add(goal.goal_id)
            return []
        return [_result(stamp_s, goal.goal_id, known.ended)]

    def _take_cancel(self, stamp_s: float, cancel: TaskCancel) -> Output:
        waiting = [entry for entry in self._waiting if entry[1].goal_id != cancel.goal_id]
        if len(waiting) < len(self._waiting):
            self._waiting = waiting
            text = "canceled before anything moved"
            ended = TaskResult(cancel.goal_id, stamp_s, TaskOutcome.CANCELED, text)
            return [("deliver/result", ended)]
        delivery = self._current
        if delivery is None or delivery.canceled:
            return []
        asked = cancel.goal_id in self._goal_ids[delivery.order.order_id]
        if asked and not self._write(stamp_s, delivery, CancelAsked()):
            # The client asks once; it is tried again at every step until the journal takes it.
            self._inbox.append(("deliver/cancel", cancel))
        return []

    def _take_result(self, stamp_s: float, delivery: Delivery, result: TaskResult) -> Output:
        task, self._task = self._task, None
        closed, self._closing = self._closing, ""
        leaving_first = task.action == "dock" and delivery.step in DRIVES
        if leaving_first and result.outcome is TaskOutcome.SUCCEEDED and not delivery.canceled:
            return []
        if task.action == "follow_route":
            closed = closed or self._driving.blocked_edge()
        if leaving_first and result.outcome is TaskOutcome.SUCCEEDED:
            result = TaskResult(result.goal_id, stamp_s, TaskOutcome.CANCELED, result.text)
        records = executive.after_result(delivery, result, self._robot, self._config, closed)
        for record in records:
            if not self._write(stamp_s, delivery, record):
                # Nothing was decided: the step is begun again once the journal works.
                return []
        if result.outcome is not TaskOutcome.SUCCEEDED:
            self._begin_after_s = stamp_s + self._config.retry_wait_s
        self._text = result.text
        return self._finish(stamp_s, delivery)

    # ------------------------------------------------------------------------------ what goes on

    def _go_on(self, stamp_s: float, delivery: Delivery) -> Output:
        if delivery.ended is not None:
            return []
        if self._task is None:
            if delivery.canceled and delivery.last_began is None:
                return self._end_canceled(stamp_s, delivery)
            if stamp_s < self._begin_after_s and not delivery.canceled:
                return []
            return self._begin(stamp_s, delivery)
        if (
            delivery.canceled
            and not self._cancel_sent
            and delivery.step is not (Step.LEAVE_DESTINATION)
        ):
            self._cancel_sent = True
            return [(f"{self._task.action}/cancel", TaskCancel(self._task.task_id))]
        if self._task.action == "follow_route":
            blocked = self._watch_blockage(stamp_s, delivery)
            if blocked:
                return blocked
        if stamp_s - self._life_s > self._config.task_silence_s:
            self._text = f"{self._task.action} is silent, begun again"
            self._task = None
        return []

    def _begin(self, stamp_s: float, delivery: Delivery) -> Output:
        """Journal the task of the current step, then send it."""
        task_id = f"{delivery.order.order_id}/{delivery.step.word}/{delivery.begun + 1}"
        try:
            goal = self._goal(stamp_s, delivery, task_id)
        except (NoWay, RouteError) as error:
            where = executive.whereabouts(delivery, self._robot)
            text = f"no way to {delivery.locker_id}: {error}; {where}"
            self._write(stamp_s, delivery, Ended(TaskOutcome.FAILED, text))
            return self._finish(stamp_s, delivery)
        if goal is None:
            self._text = "waiting for localization"
            return []
        action = _ACTION_OF[type(goal)]
        began = Began(task_id, int(delivery.step), action)
        if not self._write(stamp_s, delivery, began):
            return []
        self._task, self._cancel_sent, self._closing = began, False, ""
        self._life_s = stamp_s
        return [(f"{action}/goal", goal)]

    def _goal(self, stamp_s: float, delivery: Delivery, task_id: str):
        """Make the goal of the current step; None to wait."""
        step, order = delivery.step, delivery.order
        if step in DRIVES:
            return self._driving.goal(stamp_s, delivery, task_id)
        if step in DOCKS or step in LEAVES:
            return DockGoal(task_id, delivery.locker_id, step in LEAVES)
        direction = Direction.TO_ROBOT if step is Step.TAKE else Direction.TO_LOCKER
        return HandOverGoal(task_id, order.order_id, order.parcel_id, delivery.locker_id, direction)

    def _watch_blockage(self, stamp_s: float, delivery: Delivery) -> Output:
        """Give up a way that stays blocked, and remember where."""
        if self._driving.hears_planner(stamp_s):
            self._life_s = stamp_s
        if self._closing or self._cancel_sent:
            return []
        if not self._driving.blocked_too_long(stamp_s, delivery):
            return []
        self._closing = self._driving.blocked_edge()
        return [("follow_route/cancel", TaskCancel(self._task.task_id))]

    def _end_canceled(self, stamp_s: float, delivery: Delivery) -> Output:
        if delivery.step is Step.LEAVE_DESTINATION:
            return self._begin(stamp_s, delivery)
        text = f"canceled: {executive.whereabouts(delivery, self._robot)}"
        self._write(stamp_s, delivery, Ended(TaskOutcome.CANCELED, text))
        return self._finish(stamp_s, delivery)

    # --------------------------------------------------------------------------------- journal

    def _append(self, stamp_s: float, record: AnyRecord) -> bool:
        try:
            self._journal.append(stamp_s, write_record(record))
        except JournalError as error:
            self._fault = str(error)
            return False
        self._fault = ""
        return True

    def _write(self, stamp_s: float, delivery: Delivery, record: AnyRecord) -> bool:
        """Make a record durable and take it over."""
        if not self._append(stamp_s, record):
            return False
        delivery.apply(record)
        return True

    # ----------------------------------------------------------------------------------- telling

    def _finish(self, stamp_s: float, delivery: Delivery) -> Output:
        """Answer all clients when the delivery is over."""
        if delivery.ended is None:
            return []
        self._current = None
        self._text = delivery.ended.text
        goal_ids = sorted(self._goal_ids[delivery.order.order_id])
        return [_result(stamp_s, goal_id, delivery.ended) for goal_id in goal_ids]

    def _tell(self, stamp_s: float) -> Output:
        delivery = self._current
        state = self._state(stamp_s)
        out: Output = []
        last = self._told
        changed = last is None or (last.phase, last.text) != (state.phase, state.text)
        if changed or stamp_s - last.stamp_s >= TELL_PERIOD_S:
            self._told = state
            out.append(("mission/state", state))
        if delivery is not None and stamp_s - self._feedback_s >= TELL_PERIOD_S:
            self._feedback_s = stamp_s
            for goal_id in sorted(self._goal_ids[delivery.order.order_id]):
                out.append(
                    (
                        "deliver/feedback",
                        TaskFeedback(
                            goal_id, stamp_s, state.phase, float(delivery.step), float(len(Step)),
                            state.text,
                        ),
                    )
                )  # fmt: skip
        return out

    def _state(self, stamp_s: float) -> MissionState:
        delivery = self._current
        if delivery is None:
            return MissionState(stamp_s, "", "", "idle", self._text, 0.0)
        order = delivery.order
        phase = f"canceling_{delivery.step.word}" if delivery.canceled else delivery.step.word
        driving = self._task is not None and self._task.action == "follow_route"
        remaining_m = self._driving.remaining_m() if driving else 0.0
        return MissionState(
            stamp_s, order.order_id, order.parcel_id, phase, self._text, remaining_m
        )


_ACTION_OF = {FollowRouteGoal: "follow_route", DockGoal: "dock", HandOverGoal: "hand_over"}


def _result(stamp_s: float, goal_id: str, ended: Ended) -> tuple[str, TaskResult]:
    return "deliver/result", TaskResult(goal_id, stamp_s, ended.outcome, ended.text)


def _failed(stamp_s: float, goal_id: str, text: str) -> tuple[str, TaskResult]:
    return "deliver/result", TaskResult(goal_id, stamp_s, TaskOutcome.FAILED, text)
