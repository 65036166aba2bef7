import types
from pathlib import Path

import pytest
import yaml

from lastmile.config import ConfigError
from lastmile.errors import UserError
from lastmile.handoff.config import LinkConfig
from lastmile.nodes import stack_lock
from lastmile.nodes.domain import ros_domain
from lastmile.nodes.stack_lock import StackLock
from lastmile.nodes.stack_plan import (
    StackSettings,
    locker_node,
    plan_nodes,
    read_broker,
    settings_of_scenario,
)
from lastmile.stack.parameter_files import write_parameter_files


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
    places = [(7, "/"), (8, "/"), (7, "/robot_2"), (7, "/root"), (7, "/root/a"), (7, "/root_a")]
    locks = [StackLock(*place) for place in places]
    for lock in locks:
        lock.take("")
    for lock in locks:
        lock.release()


@pytest.mark.system
def test_nodes_on_the_graph_are_found_whoever_started_them(runtime_dir, ros, monkeypatch):
    node = ros.create_node("planner")
    lock = StackLock(ros_domain(), "/")
    with monkeypatch.context() as patch:
        # However slow the machine is: the search ends with what it finds.
        patch.setattr(stack_lock, "DISCOVERY_S", 30.0)
        with pytest.raises(UserError, match="node planner; end it, or choose another domain"):
            lock.refuse_running({"planner", "command_gate"})
    lock.refuse_running({"command_gate"})
    StackLock(lock.domain, "/elsewhere").refuse_running({"planner"})
    node.destroy_node()


def test_search_for_nodes_ends_with_the_first_that_is_seen(monkeypatch):
    monkeypatch.setattr(stack_lock, "DISCOVERY_S", 30.0)
    looks = iter([[], [("planner", "/elsewhere")], [("planner", "/")]])
    node = types.SimpleNamespace(get_node_names_and_namespaces=lambda: next(looks))
    assert StackLock(7, "/")._look_for({"planner", "mission"}, node) == {"planner"}
    assert not list(looks)


def test_settings_come_from_the_scenario():
    settings = settings_of_scenario(Path("run"), scenario="quiet")
    assert settings.lockers
    assert settings.scenario.endswith("quiet.yaml")
    assert settings_of_scenario(Path("run"), scenario="quiet", seed=41).seed == 41


@pytest.mark.parametrize(
    ("given", "namespace"),
    [("", "/"), ("/", "/"), ("robot_1", "/robot_1"), ("/robot_1/", "/robot_1"), ("a/b", "/a/b")],
)
def test_a_namespace_is_spelt_in_one_way(given, namespace):
    assert StackSettings(Path("run"), namespace=given).namespace == namespace


@pytest.mark.parametrize("namespace", ["1x", "/robot-1", "/a//2", "~/x", "rö"])
def test_a_namespace_that_ros_would_refuse_is_refused(namespace):
    with pytest.raises(ConfigError, match=r"must be letters, digits and underscores"):
        StackSettings(Path("run"), namespace=namespace)


def test_a_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="seed: -1 is below the least allowed 0"):
        settings_of_scenario(Path("run"), scenario="quiet", seed=-1)


def test_a_locker_that_the_site_lacks_is_refused():
    with pytest.raises(UserError, match="locker 'nowhere' is not at site"):
        settings_of_scenario(Path("run"), scenario="quiet", lockers=("nowhere",))


@pytest.mark.parametrize("broker", ["1883", "host:", "host:0", "host:70000", "host:port"])
def test_a_broker_that_is_no_address_is_refused(broker):
    with pytest.raises(UserError, match="expected host:port"):
        read_broker(broker)


def test_locker_ids_become_node_names():
    assert locker_node("kamppi-2") == "locker_kamppi_2"


def planned_parameters(settings):
    """Plan a stack; give each node's parameters."""
    nodes = plan_nodes(settings, LinkConfig())
    files = {node.name: yaml.safe_load(node.parameters.read_text()) for node in nodes}
    return {name: file["/**"]["ros__parameters"] for name, file in files.items()}


def test_a_robot_finds_its_journals_again_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    states = set()
    for run in ("first", "second"):
        settings = StackSettings(tmp_path / run, simulation=False, party="robot-7")
        hosts = [values["host"] for values in planned_parameters(settings).values()]
        states |= {host["state_dir"] for host in hosts}
    assert states == {str(tmp_path / "home" / "lastmile" / "robot-7")}


def test_the_state_folder_is_where_it_is_asked_for_and_in_the_run_folder_in_simulation(tmp_path):
    asked = StackSettings(tmp_path, simulation=False, state_dir=str(tmp_path / "x" / ".." / "y"))
    assert asked.state_path == str(tmp_path / "y")
    assert StackSettings(tmp_path).state_path == str(tmp_path / "state")
    assert StackSettings(tmp_path, state_dir=":memory:").state_path == ":memory:"


def test_a_robot_that_would_forget_its_parcel_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"state folder :memory:: allowed in simulation only"):
        StackSettings(tmp_path, simulation=False, state_dir=":memory:")


def test_the_recorder_reads_its_parameter_file(tmp_path):
    write_parameter_files(tmp_path / "config")
    path = tmp_path / "config" / "recorder.yaml"
    path.write_text(path.read_text().replace("lidar_every: 10", "lidar_every: 3"))
    settings = StackSettings(tmp_path / "run", config_dir=tmp_path / "config")
    recorder = planned_parameters(settings)["recorder"]
    assert recorder["lidar_every"] == 3
    assert recorder["output"] == str(tmp_path / "run" / "run.mcap")
