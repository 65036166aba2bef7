"""The bridge's file: read as ros_gz_bridge reads it, but strictly."""

import xml.etree.ElementTree as ElementTree

import pytest
import yaml
from tests.simulation.worlds import ROBOT, ROOT

from lastmile.config import ConfigError
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.gazebo import elements
from lastmile.simulation.gazebo.bindings import MODULES
from lastmile.simulation.gazebo.bridge_file import GZ_TO_ROS, ROS_TO_GZ, read_bridge_file
from lastmile.simulation.gazebo.robot import SensorRates, robot_model
from lastmile.stack.topics import TOPICS

COMMITTED = ROOT / "config" / "gazebo_bridge.yaml"
GOOD = {"topic_name": "imu", "ros_type_name": "sensor_msgs/msg/Imu", "gz_type_name": "gz.msgs.IMU"}


def written(tmp_path, *entries):
    path = tmp_path / "bridge.yaml"
    path.write_text(yaml.safe_dump(list(entries)))
    return path


def test_committed_file_bridges_every_sensor_of_the_robot():
    topics = read_bridge_file(COMMITTED)
    place = elements.pose((0.0, 0.0, 0.0))
    robot = robot_model(ROBOT, SimulatorConfig(), place, SensorRates())
    clouds = ("gpu_lidar", "depth_camera")
    sensors = {
        s.find("topic").text + ("/points" if s.get("type") in clouds else "")
        for s in robot.iter("sensor")
    }
    assert sensors <= {topic.gz_topic for topic in topics}
    drive = ElementTree.tostring(robot.find("plugin")).decode()
    assert "/cmd_vel" in drive
    assert {t.gz_topic for t in topics if t.direction == ROS_TO_GZ} == {"/cmd_vel"}


def test_committed_file_names_topics_and_messages_of_the_stack():
    for topic in read_bridge_file(COMMITTED):
        assert topic.gz_type_name.removeprefix("gz.msgs.") in MODULES
        if topic.ros_topic in TOPICS:
            assert topic.ros_type_name == TOPICS[topic.ros_topic].message


def test_one_name_stands_for_both(tmp_path):
    (topic,) = read_bridge_file(written(tmp_path, GOOD))
    assert (topic.ros_topic, topic.gz_topic) == ("imu", "imu")
    entry = {**GOOD, "topic_name": "", "gz_topic_name": "/a", "direction": GZ_TO_ROS}
    (topic,) = read_bridge_file(written(tmp_path, entry))
    assert (topic.ros_topic, topic.gz_topic) == ("/a", "/a")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"gz_topic_name": "/imu"}, "stands for both names"),
        ({"topic_name": ""}, "no topic"),
        ({"ros_type_name": "Imu"}, "'Imu': expected package/msg/Name"),
        ({"gz_type_name": "ignition.msgs.IMU"}, "expected gz.msgs.Name"),
        ({"direction": "SIDEWAYS"}, "SIDEWAYS"),
        ({"queue": 3}, "queue: unknown key"),
    ],
)
def test_entry_that_breaks_a_rule_is_named(tmp_path, changes, rule):
    with pytest.raises(ConfigError, match=rule) as told:
        read_bridge_file(written(tmp_path, {**GOOD, **changes}))
    assert "bridge.yaml: [0]" in str(told.value)


def test_topic_that_is_bridged_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'imu' is bridged twice"):
        read_bridge_file(written(tmp_path, GOOD, GOOD))


@pytest.mark.parametrize("text", ["", "a: 1", "[", "- 3"])
def test_file_that_is_no_list_of_topics_is_refused(tmp_path, text):
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bridge\.yaml"):
        read_bridge_file(path)
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read"):
        read_bridge_file(tmp_path / "gone.yaml")
