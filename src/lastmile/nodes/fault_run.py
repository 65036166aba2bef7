"""A delivery during which processes are killed and hung, and what came of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lastmile.errors import UserError
from lastmile.evaluation.faults import AFTERMATH_S, STANDING_MPS, Fault
from lastmile.nodes.delivery_run import DeliveryRun, Glance
from lastmile.nodes.stack_plan import locker_node
from lastmile.types import DeliverGoal, TaskResult

# The robot has settled at its cruising speed before anything happens to it.
CRUISE_MPS = 1.0
CRUISE_S = 1.0
ROOM_M = 8.0
# A hung node is let go on after so long (of simulated time).
HANG_S = 4.0
LOOK_S = 0.02
# What follows a fault is waited for at most so long (of simulated time).
WAIT_S = 3.0 * AFTERMATH_S
DRIVES, GIVES = "drive_", "give"
# A handover is under way, by the robot's journal.
UNDER_WAY = ("(offered)", "(released)")


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One fault to come: a node, a signal, and whether the robot must stop for it.

    It comes while the robot drives, or, with `giving`, while it gives the parcel to the locker.
    """

    node: str
    signal: signal.Signals
    stops: bool = True
    giving: bool = False


DRIVING_NODES = ("localization", "perception", "planner", "command_gate")
FULL = tuple(
    Plan(node, number) for number in (signal.SIGKILL, signal.SIGSTOP) for node in DRIVING_NODES
)


def besides(order: DeliverGoal) -> tuple[Plan, ...]:
    """List kills of what is not needed to drive: recorder, mission and both lockers of an order."""
    giver, receiver = locker_node(order.from_locker_id), locker_node(order.to_locker_id)
    return (
        *(Plan(node, signal.SIGKILL, stops=False) for node in ("recorder", "mission", giver)),
        Plan(receiver, signal.SIGKILL, stops=False, giving=True),
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """A killed process that is not needed to drive: when, in which phase, and if it came back."""

    node: str
    stamp_s: float
    phase: str
    restarted: bool


class FaultRun:
    """
    Sends signals to nodes of a delivery while the robot drives or gives the parcel.

    Parameters
    ----------
    run : DeliveryRun
        Entered, not begun.
    plans : iterable of Plan
        Faults, one after the other, each once the robot drives again or gives.
    tell : callable
        Called with a sentence at each step.

    """

    def __init__(
        self, run: DeliveryRun, plans: Iterable[Plan], tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self.faults: list[Fault] = []
        """Those for which the robot must stop."""
        self.back_s: dict[Fault, float] = {}
        """When their nodes were let go on or were seen started again."""
        self.losses: list[Loss] = []
        self._run = run
        self._plans = list(plans)
        self._tell = tell
        self._cruising_since_s: float | None = None
        self._truth: Callable[[], Any] = lambda: None

    def carry_out(self, limit_s: float, to_the_end: bool = True) -> TaskResult | None:
        """
        Let the delivery run with all faults on the way, to its end or until all had their turn.

        Raises
        ------
        UserError
            If the stack ended, no result came within `limit_s` of simulated time, or the drive was
            over before all faults had their turn.

        """
        self._run.begin()
        self._truth = self._run.newest("ground_truth")
        while (result := self._run.wait(LOOK_S)) is None:
            glance, now = self._run.look(), self._truth()
            if glance.stamp_s > limit_s:
                raise UserError(
                    f"no result of the delivery within {limit_s:g} s: {glance.phase}, {glance.text}"
                    f"; {glance.remaining_m:.1f} m left; gate {glance.gate}; planner "
                    f"{glance.planner}; faults left: {len(self._plans)}"
                )
            if (plan := self._due(glance, now)) is not None:
                self._plans.remove(plan)
                self._inject(plan, glance)
                self._cruising_since_s = None
            if not (self._plans or to_the_end):
                return None
        if self._plans:
            left = ", ".join(plan.node for plan in self._plans)
            raise UserError(f"the delivery was over before these had their turn: {left}")
        return result

    def _due(self, glance: Glance, truth: Any) -> Plan | None:
        """Give the next plan whose moment this is."""
        cruising = self._is_cruising(glance, truth)
        gives = glance.phase == GIVES and glance.custody.endswith(UNDER_WAY)
        return next((p for p in self._plans if (gives if p.giving else cruising)), None)

    def _is_cruising(self, glance: Glance, truth: Any) -> bool:
        """Tell whether the robot has driven at speed for a while and still has some way to go."""
        steady = (
            glance.phase.startswith(DRIVES)
            and truth is not None
            and truth.twist_base[0] > CRUISE_MPS
            and glance.remaining_m > ROOM_M
            and glance.gate == "drive"
        )
        if not steady:
            self._cruising_since_s = None
            return False
        if self._cruising_since_s is None:
            self._cruising_since_s = truth.stamp_s
        return truth.stamp_s - self._cruising_since_s > CRUISE_S

    def _inject(self, plan: Plan, glance: Glance) -> None:
        stack = self._run.stack
        pid = stack.pid(plan.node)
        # The signal falls between two looks at the time. The first counts: where the machine is
        # busy between them, the stop is judged by up to that much too hard, never too kindly.
        fault = Fault(plan.node, plan.signal.name, self._now_s())
        stack.kill(plan.node, plan.signal)
        between_s = self._now_s() - fault.stamp_s
        self._tell(
            f"{fault.stamp_s:.2f} s, {glance.phase}: {plan.signal.name} to {plan.node}"
            f" (known to {between_s:.2f} s)"
        )
        if plan.stops:
            self.faults.append(fault)
            self._wait_for(
                lambda: abs(self._truth().twist_base[0]) < STANDING_MPS,
                fault,
                "the robot does not stop",
            )
        if plan.signal is signal.SIGSTOP:
            self._wait_for(lambda: self._now_s() > fault.stamp_s + HANG_S, fault, "")
            self.back_s[fault] = self._now_s()
            stack.kill(plan.node, signal.SIGCONT)
            return
        restarted = self._wait_for(
            lambda: stack.pid(plan.node) not in (None, pid), fault, "it is not started again"
        )
        if restarted:
            self.back_s[fault] = self._now_s()
        if not plan.stops:
            self.losses.append(Loss(plan.node, fault.stamp_s, glance.phase, restarted))

    def _now_s(self) -> float:
        return self._truth().stamp_s

    def _wait_for(self, done: Callable[[], bool], fault: Fault, trouble: str) -> bool:
        """Wait within the bound of simulated time; a trouble is told, the verdict counts."""
        while not done():
            if self._now_s() > fault.stamp_s + WAIT_S:
                self._tell(f"after {fault.signal} to {fault.node}: {trouble}")
                return False
            self._run.wait(LOOK_S)
        return True
