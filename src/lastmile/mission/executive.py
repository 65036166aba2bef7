"""
What a delivery does next: the rules, without any input or output.

A failed task is tried again as often as its kind allows; what cannot be mended ends the delivery
with a text that tells who holds the parcel and what is needed.
"""

from __future__ import annotations

from lastmile.mission.config import MissionConfig
from lastmile.mission.order import (
    DOCKS,
    DRIVES,
    HANDOVERS,
    AnyRecord,
    Delivery,
    Ended,
    Finished,
    Step,
    Stumbled,
)
from lastmile.types import DeliverGoal, TaskOutcome, TaskResult

BACK_TO = {Step.TAKE: Step.DOCK_AT_ORIGIN, Step.GIVE: Step.DOCK_AT_DESTINATION}
"""A failed handover is tried again from docking on, which costs nothing while docked."""


def goal_fault(goal: DeliverGoal, locker_ids: tuple[str, ...]) -> str:
    """Tell which rule an order breaks, empty for none."""
    for name in ("goal_id", "order_id", "parcel_id", "from_locker_id", "to_locker_id"):
        value = getattr(goal, name)
        if not isinstance(value, str) or not 1 <= len(value) <= 96:
            return f"{name} is {value!r}, it must be a word of 1 to 96 characters"
    for name in ("from_locker_id", "to_locker_id"):
        value = getattr(goal, name)
        if value not in locker_ids:
            known = ", ".join(sorted(locker_ids)) or "none"
            return f"{name} is {value!r}, which is no locker of this site: {known}"
    if goal.from_locker_id == goal.to_locker_id:
        return f"from_locker_id and to_locker_id are both {goal.to_locker_id!r}, they must differ"
    return ""


def after_result(
    delivery: Delivery, result: TaskResult, robot: str, config: MissionConfig, closed: str = ""
) -> list[AnyRecord]:
    """
    Decide what a task's result means.

    Parameters
    ----------
    delivery : Delivery
        The delivery in its current step.
    result : TaskResult
        How the step's task ended.
    robot : str
        The robot's name, for the texts.
    config : MissionConfig
        Retries.
    closed : str
        Edge to close when the task was a drive that got blocked, empty for none.

    Returns
    -------
    list of records
        To be written in order.

    """
    step = delivery.step
    if result.outcome is TaskOutcome.SUCCEEDED:
        return _after_success(delivery, result, robot)
    if delivery.canceled:
        return [Ended(TaskOutcome.CANCELED, f"canceled: {whereabouts(delivery, robot)}")]
    if result.outcome is TaskOutcome.CANCELED and not closed and step not in DRIVES:
        # Somebody else stopped the task; what they wanted is not known.
        return _after_failure(delivery, f"task was canceled: {result.text}", True, robot, config)
    mendable = result.data.get("retry", 1.0) > 0.0
    return _after_failure(delivery, result.text, mendable, robot, config, closed)


def whereabouts(delivery: Delivery, robot: str) -> str:
    """Tell a person who holds the parcel and where the robot stopped."""
    order, step = delivery.order, delivery.step
    if step is Step.LEAVE_DESTINATION:
        holder = f"{order.to_locker_id} holds {order.parcel_id!r}"
    elif delivery.aboard:
        holder = f"{robot} holds {order.parcel_id!r}"
    else:
        holder = f"{robot} does not hold {order.parcel_id!r}, it is left to {order.from_locker_id}"
    return f"{holder}; {robot} stands still, step {step.word}"


def _after_success(delivery: Delivery, result: TaskResult, robot: str) -> list[AnyRecord]:
    step, order = delivery.step, delivery.order
    finished = Finished(int(step), result.text)
    if step is Step.LEAVE_DESTINATION:
        text = f"{order.parcel_id!r} was handed over to {order.to_locker_id}"
        return [finished, Ended(TaskOutcome.SUCCEEDED, text)]
    if delivery.canceled and step is not Step.GIVE:
        after = Delivery(order, step)
        after.apply(finished)
        return [finished, Ended(TaskOutcome.CANCELED, f"canceled: {whereabouts(after, robot)}")]
    # A cancel that came after the parcel was handed over came too late: the robot still leaves.
    return [finished]


def _after_failure(
    delivery: Delivery,
    text: str,
    mendable: bool,
    robot: str,
    config: MissionConfig,
    closed: str = "",
) -> list[AnyRecord]:
    step = delivery.step
    failures = delivery.failures.get(step, 0) + 1
    if mendable and failures < _attempts(step, config):
        edges = (closed,) if closed else ()
        return [Stumbled(int(step), int(BACK_TO.get(step, step)), text, edges)]
    if step is Step.LEAVE_DESTINATION:
        done = f"{delivery.order.parcel_id!r} was handed over to {delivery.order.to_locker_id}"
        return [Ended(TaskOutcome.SUCCEEDED, f"{done}; {robot} could not leave: {text}")]
    tried = f" after {failures} attempts" if failures > 1 else ""
    return [
        Ended(
            TaskOutcome.FAILED, f"{step.word} failed{tried}: {text}; {whereabouts(delivery, robot)}"
        )
    ]


def _attempts(step: Step, config: MissionConfig) -> int:
    if step in DRIVES:
        return config.drive_attempts
    if step in DOCKS:
        return config.dock_attempts
    if step in HANDOVERS:
        return config.hand_over_attempts
    return config.leave_attempts
