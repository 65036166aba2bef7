import os
from pathlib import Path

import pytest

from lastmile.errors import UserError
from lastmile.nodes.stack_lock import StackLock
from lastmile.nodes.stack_plan import locker_node, read_broker, settings_of_scenario


@pytest.fixture
def runtime_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_second_stack_in_a_domain_and_namespace_is_refused(runtime_dir):
    first, second = StackLock(7, "/"), StackLock(7, "/")
    first.take("run folder runs/one")
    with pytest.raises(UserError, match=r"ROS domain 7, namespace /: process \d+ \(run folder"):
        second.take("run folder runs/two")
    first.release()
    second.take("run folder runs/two")
    second.release()


def test_stacks_in_other_domains_and_namespaces_are_welcome(runtime_dir):
    locks = [StackLock(7, "/"), StackLock(8, "/"), StackLock(7, "/robot_2")]
    for lock in locks:
        lock.take("")
    for lock in locks:
        lock.release()


@pytest.mark.system
def test_nodes_on_the_graph_are_found_whoever_started_them(runtime_dir, ros):
    node = ros.create_node("planner")
    lock = StackLock(int(os.environ["ROS_DOMAIN_ID"]), "/")
    with pytest.raises(UserError, match="node planner; end it, or choose another domain"):
        lock.refuse_running({"planner", "command_gate"})
    node.destroy_node()
    StackLock(lock.domain, "/elsewhere").refuse_running({"planner"})


def test_settings_come_from_the_scenario():
    settings = settings_of_scenario(Path("run"), scenario="quiet")
    assert settings.lockers
    assert settings.scenario.endswith("quiet.yaml")
    assert settings_of_scenario(Path("run"), scenario="quiet", seed=41).seed == 41


def test_a_locker_that_the_site_lacks_is_refused():
    with pytest.raises(UserError, match="locker 'nowhere' is not at site"):
        settings_of_scenario(Path("run"), scenario="quiet", lockers=("nowhere",))


@pytest.mark.parametrize("broker", ["1883", "host:", "host:0", "host:70000", "host:port"])
def test_a_broker_that_is_no_address_is_refused(broker):
    with pytest.raises(UserError, match="expected host:port"):
        read_broker(broker)


def test_locker_ids_become_node_names():
    assert locker_node("kamppi-2") == "locker_kamppi_2"
