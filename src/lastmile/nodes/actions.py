"""
The table's actions over ROS: values of the four topics of a task to goals, feedback and results.

Servers accept a goal, hand it to the component and complete it when the component says so. Clients
send what the component asks for and turn every way in which a server can fail it (absent, refusing,
dying, restarted) into a TaskResult that says so. Nothing here blocks.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.task import Future
from unique_identifier_msgs.msg import UUID

from lastmile.nodes import _task_conversions as convert
from lastmile.nodes.message_types import message_class
from lastmile.stack.topics import Action
from lastmile.types import TaskCancel, TaskFeedback, TaskOutcome, TaskResult

Receive = Callable[[str, Any], None]

# A server that is not there by then is taken for absent; nodes need some seconds to start.
SERVER_WAIT_S = 10.0
# A server that vanished from the graph for this long is taken for dead.
GONE_S = 3.0
# Silence after which the server is asked whether it still knows the goal.
PROBE_S = 2.0

_NAMESPACE = uuid.UUID("7d0d2e4c-0f0e-4e5c-9d0a-6c6173746d69")


class TaskServer:
    """Serves one action for a component."""

    def __init__(
        self, node: Node, action: Action, receive: Receive, accepts: Callable[[], bool]
    ) -> None:
        self._action = action
        self._receive = receive
        self._accepts = accepts
        self._log = node.get_logger()
        self._type = message_class(action.message)
        self._running: dict[str, tuple[Any, Future]] = {}
        self._server = ActionServer(
            node,
            self._type,
            action.name,
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    def publish(self, value: TaskFeedback | TaskResult) -> None:
        """Send what the component says of a running goal."""
        if value.goal_id not in self._running:
            self._log.warning(f"{self._action.name}: goal {value.goal_id!r} is not running")
            return
        handle, future = self._running[value.goal_id]
        if isinstance(value, TaskFeedback):
            feedback = self._type.Feedback(feedback=convert.feedback_message(value))
            handle.publish_feedback(feedback)
        else:
            del self._running[value.goal_id]
            future.set_result(value)

    def abort_all(self, stamp_s: float, text: str) -> None:
        """
        End all running goals as failed, and have the component cancel them.

        Without the cancel it would go on with them as soon as it steps again, for nobody.

        """
        for goal_id in list(self._running):
            self.publish(TaskResult(goal_id, stamp_s, TaskOutcome.FAILED, text))
            self._receive(f"{self._action.name}/cancel", TaskCancel(goal_id))

    def close(self) -> None:
        """Take the action off the graph."""
        self._server.destroy()

    def _on_goal(self, request: Any) -> GoalResponse:
        try:
            convert.goal_value(self._action.goal, request, "")
        except ValueError as error:
            self._log.error(f"{self._action.name}: goal refused: {error}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT if self._accepts() else GoalResponse.REJECT

    def _on_accepted(self, handle: Any) -> None:
        goal_id = bytes(handle.goal_id.uuid).hex()
        self._running[goal_id] = (handle, Future())
        handle.execute()
        goal = convert.goal_value(self._action.goal, handle.request, goal_id)
        self._receive(f"{self._action.name}/goal", goal)

    def _on_cancel(self, handle: Any) -> CancelResponse:
        goal_id = bytes(handle.goal_id.uuid).hex()
        if goal_id not in self._running:
            return CancelResponse.REJECT
        self._receive(f"{self._action.name}/cancel", TaskCancel(goal_id))
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> Any:
        """Wait for the component's result; the executor resumes this when it is there."""
        _, future = self._running[bytes(handle.goal_id.uuid).hex()]
        value = await future
        if value.outcome is TaskOutcome.SUCCEEDED:
            handle.succeed()
        elif value.outcome is TaskOutcome.CANCELED and handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return self._type.Result(result=convert.result_message(value))


@dataclass
class _Call:
    """One goal under way."""

    goal: Any
    asked_at: float
    heard_at: float
    sent: bool = False
    handle: Any = None
    cancel: bool = False
    missing_since: float | None = None


class TaskClient:
    """Calls one action for a component."""

    def __init__(self, node: Node, action: Action, receive: Receive) -> None:
        self._action = action
        self._receive = receive
        self._log = node.get_logger()
        self._type = message_class(action.message)
        self._client = ActionClient(node, self._type, action.name)
        self._calls: dict[str, _Call] = {}
        self._now = 0.0
        self._stamp_s = 0.0

    def send(self, goal: Any) -> None:
        """Begin a task; its end comes as a TaskResult in any case."""
        if goal.goal_id in self._calls:
            self._log.error(f"{self._action.name}: goal {goal.goal_id!r} is under way already")
            return
        self._now = time.monotonic()
        self._calls[goal.goal_id] = _Call(goal, self._now, self._now)

    def cancel(self, cancel: TaskCancel) -> None:
        """Ask the server to stop a task."""
        call = self._calls.get(cancel.goal_id)
        if call is None:
            return
        call.cancel = True
        if not call.sent:
            self._finish(cancel.goal_id, TaskOutcome.CANCELED, "canceled before it was sent")
        elif call.handle is not None:
            call.handle.cancel_goal_async()

    def watch(self, stamp_s: float) -> None:
        """Send goals whose server appeared and notice servers that are gone; call it often."""
        self._now, self._stamp_s = time.monotonic(), stamp_s
        if not self._calls:
            return
        present = self._client.server_is_ready()
        for goal_id, call in list(self._calls.items()):
            if not call.sent:
                self._begin(goal_id, call, present)
            elif call.handle is None:
                if self._now - call.asked_at > SERVER_WAIT_S:
                    self._fail(goal_id, f"no answer to the goal within {SERVER_WAIT_S:g} s")
            else:
                self._check(goal_id, call, present)

    def close(self) -> None:
        """Take the client off the graph."""
        self._client.destroy()

    def _begin(self, goal_id: str, call: _Call, present: bool) -> None:
        if not present:
            if self._now - call.asked_at > SERVER_WAIT_S:
                self._fail(goal_id, f"no server within {SERVER_WAIT_S:g} s")
            return
        call.sent, call.asked_at = True, self._now
        future = self._client.send_goal_async(
            convert.goal_message(call.goal),
            feedback_callback=lambda message: self._on_feedback(goal_id, message),
            goal_uuid=goal_uuid(goal_id),
        )
        future.add_done_callback(lambda future: self._on_answer(goal_id, future.result()))

    def _check(self, goal_id: str, call: _Call, present: bool) -> None:
        if present:
            call.missing_since = None
        elif call.missing_since is None:
            call.missing_since = self._now
        elif self._now - call.missing_since > GONE_S:
            self._fail(goal_id, "the server is gone")
            return
        if self._now - call.heard_at > PROBE_S:
            # A server that was restarted answers that it does not know the goal.
            call.heard_at = self._now
            self._ask_result(goal_id, call)

    def _on_answer(self, goal_id: str, handle: Any) -> None:
        call = self._calls.get(goal_id)
        if call is None:
            if handle.accepted:
                handle.cancel_goal_async()
            return
        if not handle.accepted:
            self._fail(goal_id, "the server refused the goal")
            return
        call.handle, call.heard_at = handle, self._now
        self._ask_result(goal_id, call)
        if call.cancel:
            handle.cancel_goal_async()

    def _ask_result(self, goal_id: str, call: _Call) -> None:
        future = call.handle.get_result_async()
        future.add_done_callback(lambda future: self._on_result(goal_id, future.result()))

    def _on_feedback(self, goal_id: str, message: Any) -> None:
        call = self._calls.get(goal_id)
        if call is not None:
            call.heard_at = self._now
            feedback = convert.feedback_value(message.feedback.feedback, goal_id)
            self._receive(f"{self._action.name}/feedback", feedback)

    def _on_result(self, goal_id: str, response: Any) -> None:
        if goal_id not in self._calls:
            return
        if response.status == GoalStatus.STATUS_UNKNOWN:
            self._fail(goal_id, "the server does not know the goal, it was restarted")
            return
        try:
            result = convert.result_value(response.result.result, goal_id)
        except ValueError as error:
            self._fail(goal_id, f"the server's result is malformed: {error}")
            return
        del self._calls[goal_id]
        self._receive(f"{self._action.name}/result", result)

    def _fail(self, goal_id: str, text: str) -> None:
        call = self._calls[goal_id]
        if call.handle is not None:
            call.handle.cancel_goal_async()
        self._finish(goal_id, TaskOutcome.FAILED, f"{self._action.name}: {text}")

    def _finish(self, goal_id: str, outcome: TaskOutcome, text: str) -> None:
        del self._calls[goal_id]
        result = TaskResult(goal_id, self._stamp_s, outcome, text)
        self._receive(f"{self._action.name}/result", result)


def goal_uuid(goal_id: str) -> UUID:
    """Give the ROS id of a goal: itself if it is 32 hex digits, else a fixed image of the text."""
    try:
        number = uuid.UUID(hex=goal_id)
    except ValueError:
        number = uuid.uuid5(_NAMESPACE, goal_id)
    return UUID(uuid=list(number.bytes))
