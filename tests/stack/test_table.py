"""The node table and the topic table agree."""

import dataclasses

import pytest

from lastmile.stack.table import NODES
from lastmile.stack.topics import ACTIONS, TOPICS


@pytest.mark.parametrize("spec", NODES.values(), ids=lambda spec: spec.name)
def test_nodes_name_known_topics_and_actions(spec):
    assert set(spec.subscribes) | set(spec.publishes) <= set(TOPICS)
    assert set(spec.serves) | set(spec.calls) <= set(ACTIONS)
    assert not spec.trigger or spec.trigger in spec.subscribes


def test_every_topic_has_one_publisher():
    publishers = [topic for spec in NODES.values() for topic in spec.publishes]
    assert len(publishers) == len(set(publishers))
    from_outside = {"initialpose", "teleop/cmd_vel"}
    assert set(TOPICS) - set(publishers) == from_outside


def test_only_the_gate_moves_the_robot():
    assert [spec.name for spec in NODES.values() if "cmd_vel" in spec.publishes] == ["command_gate"]


def test_no_node_reads_the_ground_truth():
    assert not [spec.name for spec in NODES.values() if "ground_truth" in spec.subscribes]


def test_every_action_has_one_server():
    served = sorted(action for spec in NODES.values() for action in spec.serves)
    assert served == sorted(ACTIONS)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_every_value_tells_its_time(topic):
    names = {f.name for f in dataclasses.fields(topic.value)}
    assert "stamp_s" in names or topic.name == "route"
