"""
The `gazebo_bridge` node as a program: topics of Gazebo in ROS 2, where ros_gz_bridge is not.

It reads the same file. What neither side knows a converter for is named and left out; so is a topic
of Gazebo that does not come.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from lastmile.errors import UserError
from lastmile.nodes._gazebo_conversions import TO_GAZEBO, TO_ROS
from lastmile.nodes.message_types import message_class
from lastmile.nodes.polling import Poller, take
from lastmile.nodes.running import poll_loop, run_node
from lastmile.share import find_share
from lastmile.simulation.gazebo import bindings
from lastmile.simulation.gazebo.bridge_file import (
    GZ_TO_ROS,
    ROS_TO_GZ,
    BridgeTopic,
    read_bridge_file,
)

SILENT_S = 10.0
"""A topic of Gazebo that did not come for so long is named, once."""


class Incoming:
    """A topic from Gazebo: kept by the transport's thread, published by the node's."""

    def __init__(self, topic: BridgeTopic, publisher: Any) -> None:
        self.topic = topic
        self.count = 0
        self.failures = 0
        self._convert = TO_ROS[topic.gz_type_name, topic.ros_type_name]
        self._publisher = publisher
        self._queue: deque[Any] = deque(maxlen=topic.subscriber_queue)
        self._lock = threading.Lock()

    def keep(self, message: Any) -> None:
        """Take a message from the transport's thread."""
        with self._lock:
            self._queue.append(message)

    def forward(self) -> None:
        """Publish what came; ValueError for what cannot be written in ROS."""
        with self._lock:
            messages = list(self._queue)
            self._queue.clear()
        for message in messages:
            self.count += 1
            self._publisher.publish(self._convert(message))


class GazeboBridgeNode(Node):
    """Bridges the topics of a file."""

    pause_s = 0.001

    def __init__(self, transport: Any = None, kind: Any = bindings.message_kind) -> None:
        super().__init__("gazebo_bridge")
        self.host = SimpleNamespace(autostart=False)
        self.failure = ""
        given = self.declare_parameter("config_file", "").value
        path = Path(given) if given else find_share("config/gazebo_bridge.yaml")
        self._service_executor = SingleThreadedExecutor()
        self._service_executor.add_node(self)
        self._poller = Poller(self)
        self._gazebo = transport or bindings.transport().Node()
        self._kind = kind
        self._incoming: list[Incoming] = []
        self._outgoing: list[tuple[Any, Any, Any]] = []
        self._began_at = time.monotonic()
        self._silence_told = False
        for topic in read_bridge_file(path):
            self._bridge(topic)
        if not self._incoming and not self._outgoing:
            raise UserError(f"{path}: none of its topics can be bridged")

    def spin_some(self) -> None:
        """Forward what came on both sides."""
        for incoming in self._incoming:
            try:
                incoming.forward()
            except ValueError as error:
                incoming.failures += 1
                if incoming.failures == 1:
                    self.get_logger().error(f"{incoming.topic.gz_topic}: {error}")
        for subscription, publisher, (convert, kind) in self._outgoing:
            for message in take(subscription):
                publisher.publish(convert(message, kind()))
        self._service_executor.spin_once(timeout_sec=0.0)
        if not self._silence_told and time.monotonic() - self._began_at > SILENT_S:
            self._silence_told = True
            self._tell_silent()

    def close(self) -> None:
        """Hear nothing more of Gazebo."""
        for incoming in self._incoming:
            self._gazebo.unsubscribe(incoming.topic.gz_topic)
        self._incoming.clear()
        self._outgoing.clear()

    def _bridge(self, topic: BridgeTopic) -> None:
        kinds = topic.gz_type_name, topic.ros_type_name
        to_ros = topic.direction != ROS_TO_GZ and kinds in TO_ROS
        to_gazebo = topic.direction != GZ_TO_ROS and kinds in TO_GAZEBO
        if not to_ros and not to_gazebo:
            self.get_logger().warning(
                f"{topic.ros_topic}: left out; there is no converter between {kinds[0]} and"
                f" {kinds[1]} {topic.direction}"
            )
            return
        message = message_class(topic.ros_type_name)
        quality = QoSProfile(depth=topic.publisher_queue)
        if to_ros:
            incoming = Incoming(topic, self.create_publisher(message, topic.ros_topic, quality))
            if not self._gazebo.subscribe(
                self._kind(topic.gz_type_name), topic.gz_topic, incoming.keep
            ):
                raise UserError(f"{topic.gz_topic}: Gazebo's transport refused the subscription")
            self._incoming.append(incoming)
        if to_gazebo:
            kind = self._kind(topic.gz_type_name)
            publisher = self._gazebo.advertise(topic.gz_topic, kind)
            subscription = self._poller.subscribe(message, topic.ros_topic, quality)
            self._outgoing.append((subscription, publisher, (TO_GAZEBO[kinds], kind)))

    def _tell_silent(self) -> None:
        silent = [i.topic.gz_topic for i in self._incoming if i.count + i.failures == 0]
        if silent:
            self.get_logger().warning(
                f"nothing came from Gazebo in {SILENT_S:g} s on {', '.join(silent)}; does the world"
                " run, with these sensors, in this GZ_PARTITION?"
            )


def main() -> int:
    """Run until SIGINT; see `running.py` for the exit codes."""
    return run_node("gazebo_bridge", GazeboBridgeNode, poll_loop)


if __name__ == "__main__":
    sys.exit(main())
