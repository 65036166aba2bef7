"""Quality of service of the table's topics, as rclpy profiles."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from lastmile.stack.topics import Qos, Topic

BULKY = ("sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image", "nav_msgs/msg/OccupancyGrid")
DEPTH_BULKY = 3
# A node that computes for 0.2 s still finds every sample of a 100 Hz sensor afterwards.
DEPTH = 50


def profile(qos: Qos, message: str = "", publishes: bool = False) -> QoSProfile:
    """
    Give the profile of a quality of service.

    Big messages get a short queue. Whoever publishes a latched topic keeps the last message for
    those who come late; a reader's queue is longer, so that a burst of changes comes through.

    """
    latched = qos is Qos.LATCHED
    depth = DEPTH_BULKY if message in BULKY else DEPTH
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1 if latched and publishes else depth,
        reliability=(
            ReliabilityPolicy.BEST_EFFORT if qos is Qos.SENSOR else ReliabilityPolicy.RELIABLE
        ),
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def profile_of(topic: Topic, publishes: bool = False) -> QoSProfile:
    """Give the profile of a topic of the table."""
    return profile(topic.qos, topic.message, publishes)


def newest_only() -> QoSProfile:
    """Give the profile of a reader that wants the newest message alone, as of /clock."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
    )
