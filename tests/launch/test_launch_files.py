"""The launch files against stand-ins of `launch`, which no wheel provides."""

import importlib.util
import sys
import tomllib
import types as python_types
from pathlib import Path

import pytest
import yaml

from lastmile.errors import UserError
from lastmile.nodes.stack_lock import StackLock
from lastmile.nodes.views import VIEWS
from lastmile.stack.table import NODES
from lastmile.stack.topics import TOPICS, Qos

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


class Action:
    """Stands for any launch action: keeps what it was made with."""

    def __init__(self, *arguments, **options):
        self.arguments, self.options = arguments, options


class Context:
    """Holds the values of the arguments."""

    def __init__(self, values):
        self.launch_configurations = values


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """Load a launch file with stand-ins in place of launch and launch_ros."""
    names = {
        "launch": ("LaunchDescription",),
        "launch.actions": ("DeclareLaunchArgument", "OpaqueFunction", "ExecuteProcess", "Shutdown"),
        "launch_ros": (),
        "launch_ros.actions": ("Node",),
    }
    for module, classes in names.items():
        stand_in = python_types.ModuleType(module)
        for name in classes:
            setattr(stand_in, name, type(name, (Action,), {}))
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.delitem(sys.modules, "lastmile.nodes.launching", raising=False)
    # No other stack is looked for on the graph, and none is kept from starting.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(StackLock, "refuse_running", lambda lock, names: None)

    def run(name, **given):
        path = ROOT / "launch" / f"{name}.launch.py"
        spec = importlib.util.spec_from_file_location(f"{name}_launch", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        (entities,) = module.generate_launch_description().arguments
        *declared, function = entities
        values = {a.arguments[0]: a.options["default_value"] for a in declared}
        assert set(given) <= set(values)
        assert all(a.options["description"].endswith(".") for a in declared)
        return function.options["function"](Context(values | given))

    yield run
    sys.modules.pop("lastmile.nodes.launching", None)


def nodes(actions):
    return {a.options["name"]: a.options for a in actions if type(a).__name__ == "Node"}


@pytest.fixture
def gazebo(monkeypatch):
    """Let Gazebo be there, as far as a plan looks."""
    monkeypatch.setattr("lastmile.simulation.gazebo.bindings.require_gazebo", lambda: None)


def test_robot_starts_every_node_but_the_world(launch, tmp_path):
    started = nodes(launch("robot", run_dir=str(tmp_path)))
    assert set(started) == set(NODES) - {"simulator", "locker"} | {"recorder"}
    for options in started.values():
        assert options["package"] == "lastmile"
        assert options["executable"] in SCRIPTS
        parameters = yaml.safe_load(Path(options["parameters"][0]).read_text())
        assert parameters["/**"]["ros__parameters"]["use_sim_time"] is False


def test_robot_keeps_its_state_apart_from_its_runs(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for number, given in enumerate(({}, {"state_dir": str(tmp_path / "elsewhere")})):
        folder = str(tmp_path / str(number))
        started = nodes(launch("robot", run_dir=folder, namespace=f"/robot_{number}", **given))
        parameters = yaml.safe_load(Path(started["handoff"]["parameters"][0]).read_text())
        state_dir = parameters["/**"]["ros__parameters"]["host"]["state_dir"]
        assert state_dir == given.get("state_dir", str(tmp_path / "lastmile" / "robot-1"))


def test_simulation_starts_world_lockers_and_broker_on_simulated_time(launch, tmp_path):
    actions = launch("simulation", run_dir=str(tmp_path), scenario="quiet", seed="11")
    started = nodes(actions)
    lockers = {name for name in started if name.startswith("locker_")}
    assert set(started) - lockers == set(NODES) - {"locker"} | {"recorder"}
    assert len(lockers) == 2
    assert [type(a).__name__ for a in actions].count("ExecuteProcess") == 1
    for name, options in started.items():
        parameters = yaml.safe_load(Path(options["parameters"][0]).read_text())
        parameters = parameters["/**"]["ros__parameters"]
        assert parameters["use_sim_time"] is (name != "simulator")
        assert parameters["host"]["seed"] == 11
    assert started["planner"]["respawn"] is True


@pytest.mark.parametrize(
    ("name", "given", "engine"),
    [
        ("simulation", {}, "embedded"),
        ("simulation", {"engine": "gazebo"}, "gazebo"),
        ("gazebo", {}, "gazebo"),
    ],
)
def test_engine_is_that_of_the_argument(launch, gazebo, tmp_path, name, given, engine):
    started = nodes(launch(name, run_dir=str(tmp_path), scenario="quiet", **given))
    parameters = yaml.safe_load(Path(started["simulator"]["parameters"][0]).read_text())
    assert parameters["/**"]["ros__parameters"]["engine"] == engine


def test_engine_that_there_is_not_is_refused(launch, tmp_path):
    with pytest.raises(UserError, match="engine:=unreal: expected embedded or gazebo"):
        launch("simulation", run_dir=str(tmp_path), engine="unreal")


def test_gazebo_that_is_missing_is_told_before_anything_starts(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="gz: the program of Gazebo Harmonic"):
        launch("gazebo", run_dir=str(tmp_path), scenario="quiet")


@pytest.mark.parametrize("installed", [True, False])
def test_world_alone_is_bridged_by_ros_gz_where_it_is(launch, tmp_path, monkeypatch, installed):
    marker = tmp_path / "ros" / "share/ament_index/resource_index/packages/ros_gz_bridge"
    marker.parent.mkdir(parents=True)
    if installed:
        marker.write_text("")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "ros"))
    folder = tmp_path / "run"
    actions = launch("gazebo", stack="false", run_dir=str(folder), scenario="quiet", seed="4")
    (process,) = [a for a in actions if type(a).__name__ == "ExecuteProcess"]
    world = folder / "world" / "world.sdf"
    assert world.is_file()
    command = ["gz", "sim", "-r", "-s", "--headless-rendering", "--seed", "5", str(world)]
    assert process.options["cmd"] == command
    bridge = nodes(actions)["gazebo_bridge"]
    assert bridge["package"] == ("ros_gz_bridge" if installed else "lastmile")
    assert Path(bridge["parameters"][0]["config_file"]).is_file()


def test_simulation_refuses_an_unknown_scenario(launch, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        launch("simulation", run_dir=str(tmp_path), scenario="nowhere")


@pytest.mark.parametrize(
    ("given", "rule"),
    [({"seed": "seven"}, "seed:=seven: expected a number"), ({"rate": "fast"}, "rate:=fast")],
)
def test_simulation_refuses_what_is_no_number(launch, tmp_path, given, rule):
    with pytest.raises(UserError, match=rule):
        launch("simulation", run_dir=str(tmp_path), **given)


def ends(options, *codes):
    """Tell for each exit code of a node in a row whether the launch ends with it."""
    on_exit = options["on_exit"]
    return [
        on_exit(python_types.SimpleNamespace(returncode=code), None) is not None for code in codes
    ]


def test_launch_ends_with_a_node_that_is_not_to_be_started_again(launch, tmp_path):
    started = nodes(launch("simulation", run_dir=str(tmp_path), scenario="quiet"))
    assert ends(started["simulator"], 1) == [True]
    assert ends(started["planner"], 2) == [True]
    assert ends(started["mission"], -9, 1, 1, 1) == [False, False, False, True]
    assert ends(started["recorder"], 1, 1, 1, 1) == [False] * 4
    assert ends(started["recorder"], 2) == [True]


def test_launch_refuses_a_second_stack(launch, tmp_path):
    launch("robot", run_dir=str(tmp_path / "one"))
    with pytest.raises(UserError, match=r"a stack runs already .*one\)"):
        launch("robot", run_dir=str(tmp_path / "two"))


@pytest.mark.parametrize("name", ["robot", "simulation", "gazebo"])
@pytest.mark.parametrize(
    ("record", "records"), [("false", False), ("0", False), ("True", True), ("1", True)]
)
def test_recorder_is_started_as_asked_for(launch, gazebo, tmp_path, name, record, records):
    started = nodes(launch(name, run_dir=str(tmp_path), record=record))
    assert ("recorder" in started) is records


@pytest.mark.parametrize(
    ("name", "argument"),
    [("robot", "record"), ("simulation", "record"), ("gazebo", "stack"), ("rviz", "use_sim_time")],
)
@pytest.mark.parametrize("text", ["yes", "ture", ""])
def test_what_is_neither_true_nor_false_is_refused(launch, tmp_path, name, argument, text):
    given = {} if name == "rviz" else {"run_dir": str(tmp_path)}
    with pytest.raises(UserError, match=f"{argument}:={text}: expected true or false"):
        launch(name, **given, **{argument: text})


def test_namespace_is_taken_with_or_without_its_slash(launch, tmp_path):
    started = nodes(launch("robot", run_dir=str(tmp_path), namespace="robot_1"))
    assert {options["namespace"] for options in started.values()} == {"/robot_1"}
    (rviz,) = launch("rviz", namespace="robot_1/")
    assert rviz.options["namespace"] == "/robot_1"


@pytest.mark.parametrize("name", ["robot", "simulation", "rviz"])
def test_namespace_that_ros_would_refuse_is_refused(launch, tmp_path, name):
    given = {} if name == "rviz" else {"run_dir": str(tmp_path)}
    with pytest.raises(UserError, match="namespace 'robot-1'"):
        launch(name, namespace="robot-1", **given)


def test_rviz_opens_the_committed_view(launch):
    (rviz,) = launch("rviz")
    assert rviz.options["arguments"][0] == "-d"
    assert Path(rviz.options["arguments"][1]).is_file()


def test_every_node_of_the_table_is_a_program():
    for name in (*NODES, "recorder", "gazebo_bridge"):
        assert SCRIPTS[name] == f"lastmile.nodes.{name}_node:main"


def test_rviz_view_names_topics_that_exist_with_their_quality_of_service():
    view = yaml.safe_load((ROOT / "config" / "rviz" / "lastmile.rviz").read_text())
    known = {topic.name: topic.qos for topic in TOPICS.values()}
    for views in VIEWS.values():
        for one in views:
            known |= {name: qos for name, (_, qos) in one.topics.items()}
    shown = set()
    for display in view["Visualization Manager"]["Displays"]:
        topic = display.get("Topic") or display.get("Description Topic")
        if topic is None:
            continue
        shown.add(topic["Value"])
        qos = known[topic["Value"]]
        best_effort = topic["Reliability Policy"] == "Best Effort"
        latched = topic["Durability Policy"] == "Transient Local"
        assert (best_effort, latched) == (qos is Qos.SENSOR, qos is Qos.LATCHED), topic
    assert {
        "map",
        "route/path",
        "plan/path",
        "obstacles/markers",
        "lidar/points",
        "robot_description",
    } <= shown
