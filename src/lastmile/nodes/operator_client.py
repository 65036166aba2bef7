"""
An operator's view of a running stack: order a delivery, watch it, cancel it.

Everything happens in the thread that calls; `spin` for callbacks while nothing is awaited.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor

from lastmile.errors import UserError
from lastmile.nodes import _task_conversions as convert
from lastmile.nodes.actions import PROBE_S, goal_uuid
from lastmile.nodes.conversions import reader
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.message_types import message_class
from lastmile.nodes.polling import Poller, take
from lastmile.nodes.qos import profile_of
from lastmile.stack.topics import ACTIONS, TOPICS
from lastmile.types import DeliverGoal, TaskFeedback, TaskOutcome, TaskResult

SPIN_S = 0.05
MISSION_S = 30.0
ANSWER_S = 10.0
ASK_S = 5.0 * PROBE_S


def _nothing(*_: Any) -> None:
    pass


class OperatorClient:
    """
    Talks to the mission of a robot.

    Parameters
    ----------
    namespace : str
        Namespace of the robot.
    name : str
        Node name of the operator.

    """

    def __init__(self, namespace: str = "/", name: str = "operator") -> None:
        ros_environment()
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(name, context=self._context, namespace=namespace)
        self._poller = Poller(self._node)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._type = message_class(ACTIONS["deliver"].message)
        self._client = ActionClient(self._node, self._type, "deliver")
        self._handle: Any = None
        self._goal: DeliverGoal | None = None
        self._on_feedback: Callable[[TaskFeedback], None] = _nothing
        self._result: TaskResult | None = None
        self._canceled = False
        self._asked_at = 0.0
        self.lost = False
        """The mission was restarted and does not know the goal; `rejoin` asks for it anew."""

    def __enter__(self) -> Self:
        """Be open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the graph."""
        self.close()

    def watch(self, topic: str, callback: Callable[[Any], None]) -> None:
        """Call back with each value of a topic of the table while spinning."""
        entry = TOPICS[topic]
        read = reader(entry.value)
        self._node.create_subscription(
            message_class(entry.message),
            topic,
            lambda message: callback(read(message)),
            profile_of(entry),
        )

    def newest(self, topic: str) -> Callable[[], Any]:
        """
        Subscribe to a topic of the table for its newest value alone.

        Returns
        -------
        callable
            Gives the newest value, None before the first; nothing is read between its calls.

        """
        entry = TOPICS[topic]
        read, kind = reader(entry.value), message_class(entry.message)
        quality = profile_of(entry)
        quality.depth = 1
        subscription = self._poller.subscribe(kind, topic, quality)
        value = None

        def look() -> Any:
            nonlocal value
            for message in take(subscription):
                value = read(message)
            return value

        return look

    def spin(self, duration_s: float = SPIN_S) -> None:
        """
        Let callbacks happen for a while.

        A mission that was restarted does not know the goal of ROS any more; it is asked again
        from time to time so that this shows.

        """
        now = time.monotonic()
        deadline = now + duration_s
        running = self._handle is not None and self._result is None and not self.lost
        if running and now - self._asked_at > ASK_S:
            self._ask()
        while (left := deadline - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left, SPIN_S))

    def order(
        self,
        goal: DeliverGoal,
        on_feedback: Callable[[TaskFeedback], None] = _nothing,
        within_s: float = MISSION_S,
        meanwhile: Callable[[], None] = _nothing,
    ) -> None:
        """
        Order a delivery; `result` tells its end.

        `meanwhile` is called while this waits. A cancel before the order was sent ends it there;
        one before the mission's answer is sent after it.

        Raises
        ------
        UserError
            If no mission answers in time or it refuses the order.

        """
        self._on_feedback, self._canceled = on_feedback, False
        self._await_mission(lambda: self._canceled, within_s, meanwhile)
        if self._canceled:
            text = "canceled before anything was ordered"
            self._result = TaskResult(goal.goal_id, 0.0, TaskOutcome.CANCELED, text)
            return
        self._send(goal, meanwhile)

    def rejoin(self, meanwhile: Callable[[], None] = _nothing) -> None:
        """
        Order what was ordered once more: the mission's journal knows it and lets the client join.

        A cancel that was asked for before is asked for again; the mission may not have heard it.

        Raises
        ------
        UserError
            If no mission answers in time or it refuses the order.

        """
        self._await_mission(lambda: False, MISSION_S, meanwhile)
        self._send(dataclasses.replace(self._goal, goal_id=uuid.uuid4().hex), meanwhile)

    def cancel(self) -> None:
        """Ask the mission to stop the delivery safely; its result still comes."""
        self._canceled = True
        if self._handle is not None and self._result is None:
            self._handle.cancel_goal_async()

    @property
    def result(self) -> TaskResult | None:
        """How the delivery ended, None while it runs."""
        return self._result

    def wait(self, timeout_s: float, meanwhile: Callable[[], None] = _nothing) -> TaskResult:
        """
        Spin until the delivery ended, whether or not the mission is restarted on the way.

        Raises
        ------
        TimeoutError
            If it did not end in time.
        UserError
            If a mission that was restarted does not let this client join again.

        """
        deadline = time.monotonic() + timeout_s
        while self._result is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no result of the delivery within {timeout_s:g} s")
            if self.lost:
                self.rejoin(meanwhile)
            self.spin(SPIN_S)
            meanwhile()
        return self._result

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _await_mission(
        self, given_up: Callable[[], bool], within_s: float, meanwhile: Callable[[], None]
    ) -> None:
        ready = self._client.server_is_ready
        if not self._until(lambda: given_up() or ready(), within_s, meanwhile):
            raise UserError(f"no mission answers within {within_s:g} s; is the stack up?")

    def _send(self, goal: DeliverGoal, meanwhile: Callable[[], None]) -> None:
        """Send an order and take the mission's answer."""
        self._handle, self._result = None, None
        answer = self._client.send_goal_async(
            convert.goal_message(goal),
            feedback_callback=lambda m: self._on_feedback(
                convert.feedback_value(m.feedback.feedback, goal.goal_id)
            ),
            goal_uuid=goal_uuid(goal.goal_id),
        )
        if not self._until(answer.done, ANSWER_S, meanwhile):
            raise UserError(
                f"the mission did not answer the order within {ANSWER_S:g} s; if it was taken,"
                " ordering it again joins it"
            )
        if not answer.result().accepted:
            raise UserError(f"the mission refused order {goal.order_id!r}")
        self._handle, self._goal, self.lost = answer.result(), goal, False
        self._ask()
        if self._canceled:
            self.cancel()

    def _ask(self) -> None:
        self._asked_at = time.monotonic()
        handle = self._handle
        handle.get_result_async().add_done_callback(lambda f: self._take(handle, f.result()))

    def _take(self, handle: Any, response: Any) -> None:
        if self._result is not None or handle is not self._handle:
            return
        result = response.result.result
        if result.outcome:
            self._result = convert.result_value(result, self._goal.goal_id)
        else:
            self.lost = True

    def _until(
        self, done: Callable[[], bool], within_s: float, meanwhile: Callable[[], None]
    ) -> bool:
        deadline = time.monotonic() + within_s
        while not done():
            if time.monotonic() > deadline:
                return False
            self.spin(SPIN_S)
            meanwhile()
        return True
