"""
Reading subscriptions without an executor.

rclpy's executor builds its wait set anew for every message, which costs 0.3 to 0.5 ms with the
services of a managed node; at 300 messages per second, ten nodes of this stack would spend more
than a core on it. The data subscriptions are therefore polled, at some microseconds each, and the
executor is left with what comes seldom: services, actions, lifecycle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.executors import SingleThreadedExecutor, TimeoutException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

MOST_AT_ONCE = 200
MOST_PASSES = 5


class PolledGroup(CallbackGroup):
    """A callback group that no executor waits for."""

    def can_execute(self, entity: Any) -> bool:
        """Keep executors away."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Keep executors away."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was begun."""


class Poller:
    """Subscriptions of one node that are read by hand."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._group = PolledGroup()

    def subscribe(
        self, message_type: Any, topic: str, qos: QoSProfile, raw: bool = False
    ) -> Subscription:
        """Subscribe to a topic that `take` reads."""
        return self._node.create_subscription(
            message_type, topic, _never, qos, callback_group=self._group, raw=raw
        )


def take(subscription: Subscription) -> Iterator[Any]:
    """Yield the messages that came since the last call, oldest first."""
    for message, _ in take_stamped(subscription):
        yield message


def take_stamped(subscription: Subscription) -> Iterator[tuple[Any, float]]:
    """Yield the messages that came since the last call with the system time of publication."""
    handle = subscription.handle
    for _ in range(MOST_AT_ONCE):
        taken = handle.take_message(subscription.msg_type, subscription.raw)
        if taken is None:
            return
        yield taken[0], taken[1]["source_timestamp"] / 1e9


def _never(_: Any) -> None:
    raise AssertionError("a polled subscription was executed")


def drain(executor: SingleThreadedExecutor) -> None:
    """
    Run all callbacks that are ready, and those that they make ready, without waiting.

    One pass resumes waiting tasks and runs what is ready; only when it served an entity is there
    a reason for another pass.

    """
    for _ in range(MOST_PASSES):
        served = False
        while True:
            try:
                handler, entity, _ = executor.wait_for_ready_callbacks(timeout_sec=0)
            except TimeoutException:
                break
            handler()
            if handler.done():
                handler.result()
            served = served or entity is not None
        if not served:
            return
