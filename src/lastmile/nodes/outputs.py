"""What a node publishes: the values of its component, and views of them in standard messages."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo

from lastmile.nodes import conversions
from lastmile.nodes._sensor_conversions import camera_info_message
from lastmile.nodes.message_types import message_class
from lastmile.nodes.qos import profile, profile_of
from lastmile.nodes.views import View, views_of
from lastmile.stack.context import Context
from lastmile.stack.table import NodeSpec
from lastmile.stack.topics import TOPICS, Qos
from lastmile.types import CameraImage, PlannerStatus


class Outputs:
    """Publishers of one node."""

    def __init__(self, node: LifecycleNode, spec: NodeSpec, context: Context) -> None:
        self._node = node
        self._publishers = {}
        for name in spec.publishes:
            topic = TOPICS[name]
            self._publishers[name] = node.create_lifecycle_publisher(
                message_class(topic.message), topic.name, profile_of(topic, publishes=True)
            )
        if "camera/image" in spec.publishes:
            self._publishers[conversions.CAMERA_INFO_TOPIC] = node.create_lifecycle_publisher(
                CameraInfo, conversions.CAMERA_INFO_TOPIC, profile(Qos.SENSOR)
            )
        self._views = views_of(spec.name, context)
        for view in self._views:
            for name, (message_type, qos) in view.topics.items():
                self._publishers[name] = node.create_publisher(
                    message_type, name, profile(qos, publishes=True)
                )
        for view in self._views:
            self._send(view.start())

    def publish(self, topic: str, value: Any, computed_s: float) -> None:
        """Publish a value on its topic; `computed_s` is how long its step took."""
        if topic not in self._publishers:
            raise KeyError(f"{self._node.get_name()} may not publish {topic!r}; see the node table")
        if isinstance(value, PlannerStatus) and math.isnan(value.solve_time_s):
            value = dataclasses.replace(value, solve_time_s=computed_s)
        if isinstance(value, CameraImage):
            self._publishers[conversions.CAMERA_INFO_TOPIC].publish(camera_info_message(value))
        self._publishers[topic].publish(conversions.to_message(value))

    def show(self, topic: str, value: Any) -> None:
        """Publish what the views make of a value."""
        for view in self._views:
            if self._is_seen(view):
                self._send(view.show(topic, value))

    def _is_seen(self, view: View) -> bool:
        """Tell whether anybody looks at a view, or may come late and look at it then."""
        return any(
            qos is Qos.LATCHED or self._publishers[name].get_subscription_count() > 0
            for name, (_, qos) in view.topics.items()
        )

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def _send(self, messages: list[tuple[str, Any]]) -> None:
        for name, message in messages:
            self._publishers[name].publish(message)
