"""
Which topics of Gazebo are bridged to ROS, in the YAML of ros_gz_bridge.

Read strictly: ros_gz_bridge drops an entry that it cannot use and goes on; here it is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from lastmile.config import ConfigError, from_mapping, param

GZ_TO_ROS, ROS_TO_GZ, BOTH = "GZ_TO_ROS", "ROS_TO_GZ", "BIDIRECTIONAL"


@dataclass(frozen=True)
class BridgeTopic:
    """One entry; `topic_name` stands for both names."""

    topic_name: str = param("", "Topic in ROS and in Gazebo.")
    ros_topic_name: str = param("", "Topic in ROS; that of Gazebo if not given.")
    gz_topic_name: str = param("", "Topic in Gazebo; that of ROS if not given.")
    ros_type_name: str = param("", "Message in ROS, package/msg/Name.")
    gz_type_name: str = param("", "Message in Gazebo, gz.msgs.Name.")
    direction: str = param(BOTH, "Which way.", choices=(GZ_TO_ROS, ROS_TO_GZ, BOTH))
    subscriber_queue: int = param(10, "Messages kept while the bridge is busy.", low=1)
    publisher_queue: int = param(10, "Messages kept for slow readers.", low=1)
    lazy: bool = param(False, "Bridge only while somebody reads.")

    @property
    def ros_topic(self) -> str:
        """Name in ROS."""
        return self.topic_name or self.ros_topic_name or self.gz_topic_name

    @property
    def gz_topic(self) -> str:
        """Name in Gazebo."""
        return self.topic_name or self.gz_topic_name or self.ros_topic_name


def read_bridge_file(path: Path) -> tuple[BridgeTopic, ...]:
    """
    Read the topics of a file.

    Raises
    ------
    ConfigError
        If the file is missing, no YAML list, or an entry breaks a rule; the message names both.

    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path}: expected a list of topics, got {entries!r}")
    topics = tuple(
        _checked(from_mapping(BridgeTopic, entry, f"{path}: [{number}]"), f"{path}: [{number}]")
        for number, entry in enumerate(entries)
    )
    for way in ("ros_topic", "gz_topic"):
        names = [getattr(topic, way) for topic in topics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"{path}: {way}_name {twice[0]!r} is bridged twice")
    return topics


def _checked(topic: BridgeTopic, where: str) -> BridgeTopic:
    if topic.topic_name and (topic.ros_topic_name or topic.gz_topic_name):
        raise ConfigError(f"{where}: topic_name stands for both names; give it or them")
    if not topic.ros_topic:
        raise ConfigError(f"{where}: no topic; give topic_name, or one of each")
    if topic.ros_type_name.count("/") != 2 or "/msg/" not in topic.ros_type_name:
        raise ConfigError(
            f"{where}: ros_type_name {topic.ros_type_name!r}: expected package/msg/Name"
        )
    if not topic.gz_type_name.startswith("gz.msgs."):
        raise ConfigError(f"{where}: gz_type_name {topic.gz_type_name!r}: expected gz.msgs.Name")
    return topic
