"""
What goes to Gazebo and comes back, by the stamps of its simulated time.

Subscribers' callbacks run on a thread of gz-transport and only put messages into queues; whoever
steps the world waits there for the message of the step.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from lastmile.errors import UserError

SECOND = 1_000_000_000
QUEUE, RENDERED_QUEUE = 512, 3
"""Messages kept of a topic; of clouds and images, half a megabyte each, the newest."""
RENDERED = ("PointCloudPacked", "Image")
PATIENCE_S = 30.0
"""How long a value of a step may take, a rendered one on a slow machine included."""
DISCOVERY_S = 0.5
"""Within this a new subscriber is known to the publisher (loopback: a few ms)."""


def stamp_ns(message: Any) -> int:
    """Give the simulated time of a message's header [ns]."""
    stamp = message.header.stamp
    return int(stamp.sec) * SECOND + int(stamp.nsec)


class Link:
    """
    Subscriptions, publishers and requests of one process.

    Parameters
    ----------
    node : gz.transport13.Node
        The transport.
    kind : function
        Gives a message class by its name.
    requester : Requester
        Makes service requests.
    alive : function
        Raises UserError once the server has ended.
    patience_s : float
        How long a value or an answer may take.

    """

    def __init__(
        self,
        node: Any,
        kind: Callable[[str], Any],
        requester: Any,
        alive: Callable[[], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._node = node
        self._kind = kind
        self._requester = requester
        self._alive = alive
        self._patience_s = patience_s
        self._queues: dict[str, deque] = {}
        self._publishers: dict[str, Any] = {}
        self._came = threading.Condition()

    def subscribe(self, topic: str, kind: str) -> None:
        """Begin to hear a topic."""
        kept = RENDERED_QUEUE if kind in RENDERED else QUEUE
        queue = self._queues[topic] = deque(maxlen=kept)

        def receive(message: Any) -> None:
            with self._came:
                queue.append(message)
                self._came.notify_all()

        if not self._node.subscribe(self._kind(kind), topic, receive):
            raise UserError(f"{topic}: Gazebo's transport refused the subscription")

    def unsubscribe(self, topic: str) -> None:
        """Stop hearing a topic, so that nobody renders for it."""
        if topic in self._queues:
            self._node.unsubscribe(topic)
            del self._queues[topic]

    def hears(self, topic: str) -> bool:
        """Tell whether a topic is subscribed to."""
        return topic in self._queues

    def wait_for_topics(self, topics: set[str], limit_s: float) -> None:
        """Wait until all topics are published; UserError that names those that are not."""
        end = time.monotonic() + limit_s
        while missing := topics - set(self._node.topic_list()):
            self._alive()
            if time.monotonic() > end:
                names = ", ".join(sorted(missing))
                raise UserError(
                    f"Gazebo did not publish {names} within {limit_s:g} s; the world did not load,"
                    " or its sensors cannot render (docs/gazebo.md)"
                )
            time.sleep(0.05)

    def advertise(self, topic: str, kind: str) -> None:
        """Begin to publish a topic; who subscribes to it knows within DISCOVERY_S."""
        self._publishers[topic] = self._node.advertise(topic, self._kind(kind))

    def publish(self, topic: str, message: Any) -> None:
        """Publish a message on a topic that was advertised."""
        self._publishers[topic].publish(message)

    def request(self, service: str, message: Any) -> None:
        """Ask a service that answers with a Boolean; UserError if it does not or says no."""
        if not self.try_request(service, message, self._patience_s):
            self._alive()
            raise UserError(f"{service}: Gazebo did not do it within {self._patience_s:g} s")

    def try_request(self, service: str, message: Any, limit_s: float) -> bool:
        """Ask a service that answers with a Boolean; tell whether it did and said yes."""
        kinds = (message.DESCRIPTOR.full_name, "gz.msgs.Boolean")
        answer = self._requester.request(service, message.SerializeToString(), kinds, limit_s)
        if answer is None:
            return False
        said = self._kind("Boolean")()
        said.ParseFromString(answer)
        return bool(said.data)

    def take(self, topic: str) -> list[Any]:
        """Take what came on a topic so far."""
        with self._came:
            queue = self._queues[topic]
            messages = list(queue)
            queue.clear()
        return messages

    def count(self, topic: str, least: int) -> None:
        """Wait until as many messages as `least` came on a topic, and take them."""
        self._wait(topic, lambda queue: len(queue) >= least, f"{least} messages")
        self.take(topic)

    def await_stamp(self, topic: str, at_ns: int) -> list[Any]:
        """
        Wait for the message of a time; take it and those before it.

        Raises
        ------
        UserError
            If it does not come, the server ended, or the time went back or ran ahead, because
            somebody else reset or ran the world.

        """
        self._wait(
            topic,
            lambda queue: bool(queue) and stamp_ns(queue[-1]) >= at_ns,
            f"a value of {at_ns / SECOND:.3f} s",
        )
        messages = self.take(topic)
        stamps = [stamp_ns(message) for message in messages]
        if sorted(stamps) != stamps:
            raise UserError(f"{topic}: Gazebo's time went back; somebody else reset the world")
        if stamps[-1] > at_ns:
            raise UserError(
                f"{topic}: Gazebo is at {stamps[-1] / SECOND:.3f} s where {at_ns / SECOND:.3f} s"
                " was asked for; somebody else runs the world"
            )
        return messages

    def _wait(self, topic: str, done: Callable[[deque], bool], what: str) -> None:
        limit_s = self._patience_s
        end = time.monotonic() + limit_s
        queue = self._queues[topic]
        with self._came:
            while not done(queue):
                left = end - time.monotonic()
                if left <= 0.0:
                    last = f"{stamp_ns(queue[-1]) / SECOND:.3f} s" if queue else "nothing"
                    raise UserError(
                        f"{topic}: {what} did not come from Gazebo within {limit_s:g} s; the last"
                        f" was {last}"
                    )
                # Now and then see whether the server still lives.
                if not self._came.wait(min(left, 0.5)):
                    self._alive()

    def close(self) -> None:
        """Hear nothing more."""
        for topic in list(self._queues):
            self.unsubscribe(topic)
        self._publishers.clear()
        self._requester.close()
