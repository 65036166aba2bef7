"""
The stack in Gazebo, in lockstep with it; or a world of Gazebo alone, with a bridge to ROS.

With `stack:=true` lockers, people and parcels are there and deliveries can be ordered, as with
simulation.launch.py engine:=gazebo. With `stack:=false` Gazebo runs by itself at real time, for
nodes of one's own: config/gazebo_bridge.yaml says which topics are bridged.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch_ros.actions import Node

from lastmile.nodes.domain import checked_namespace
from lastmile.nodes.launching import bridge_package, number, run_folder, stack_actions, truth
from lastmile.nodes.stack_plan import settings_of_scenario
from lastmile.share import find_share
from lastmile.simulation.gazebo.export import export_world
from lastmile.simulation.setting import read_setting

ARGUMENTS = (
    ("stack", "true", "The stack in lockstep with Gazebo; false for the world and a bridge."),
    ("scenario", "demo", "Scenario: a name of sim/scenarios or a file."),
    ("seed", "", "Seed of everything by chance; empty for the scenario's."),
    ("rate", "1.0", "Simulated seconds per second, at most."),
    ("map", "", "Site, by name or folder; empty for the scenario's."),
    ("lockers", "", "Lockers to run, separated by commas; empty for those of the order."),
    ("config", "", "Folder of parameter files, one per node; empty for the defaults."),
    ("namespace", "/", "Namespace of the robot's topics."),
    ("broker", "", "MQTT broker, host:port; empty for one of its own."),
    ("run_dir", "", "Folder of parameters, logs, recording and world; empty for runs/<time>."),
    ("state_dir", "", "Folder of journals and keys; empty for that of the run."),
    ("record", "true", "Record all topics to an MCAP file: true or false."),
    ("log_level", "info", "Least severity that is logged: debug, info, warn, error or fatal."),
    ("gui", "false", "Show Gazebo's window; with stack:=false only."),
    ("bridge", "auto", "Bridge: ros_gz_bridge, lastmile, or auto for the first if installed."),
)


def start(context):
    given = {name: context.launch_configurations[name] for name, _, _ in ARGUMENTS}
    seed = number(int, given["seed"], "seed") if given["seed"] else None
    config_dir = Path(given["config"]) if given["config"] else None
    if not truth(given["stack"], "stack"):
        return world_actions(given, seed, config_dir)
    settings = settings_of_scenario(
        run_folder(given["run_dir"]),
        scenario=given["scenario"],
        seed=seed,
        engine="gazebo",
        site=given["map"],
        lockers=tuple(name for name in given["lockers"].split(",") if name),
        rate=number(float, given["rate"], "rate"),
        config_dir=config_dir,
        namespace=given["namespace"],
        broker=given["broker"],
        state_dir=given["state_dir"],
        record=truth(given["record"], "record"),
    )
    return stack_actions(settings, given["log_level"])


def world_actions(given, seed, config_dir):
    site = Path(given["map"]) if given["map"] else None
    setting = read_setting(given["scenario"], seed, map_dir=site, config_dir=config_dir)
    world = export_world(setting, run_folder(given["run_dir"]) / "world")
    window = [] if truth(given["gui"], "gui") else ["-s", "--headless-rendering"]
    package, executable = bridge_package(given["bridge"])
    return [
        ExecuteProcess(
            cmd=["gz", "sim", "-r", *window, "--seed", str(setting.seed + 1), str(world)],
            name="gazebo",
            output="both",
            on_exit=Shutdown(reason="Gazebo ended"),
        ),
        Node(
            package=package,
            executable=executable,
            name="gazebo_bridge",
            namespace=checked_namespace(given["namespace"]),
            parameters=[{"config_file": str(find_share("config/gazebo_bridge.yaml"))}],
            arguments=["--ros-args", "--log-level", given["log_level"]],
            output="both",
            on_exit=Shutdown(reason="the bridge ended"),
        ),
    ]


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
