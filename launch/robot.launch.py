"""The stack on a robot: every node of the table except the simulator and the lockers."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from lastmile.nodes.launching import run_folder, stack_actions, truth
from lastmile.nodes.stack_plan import StackSettings

ARGUMENTS = (
    ("map", "helsinki", "Site: the name of one of the project's, or the folder of a bundle."),
    ("config", "", "Folder of parameter files, one per node; empty for the defaults."),
    ("namespace", "/", "Namespace of the robot's topics."),
    ("party", "robot-1", "Name of the robot on the message link to the lockers."),
    ("broker", "127.0.0.1:1883", "MQTT broker of the lockers, host:port."),
    ("run_dir", "", "Folder of parameters, logs and recording; empty for runs/<time>."),
    ("state_dir", "", "Folder of journals and keys; empty for ~/.local/state/lastmile/<party>."),
    ("record", "true", "Record all topics to an MCAP file: true or false."),
    ("log_level", "info", "Least severity that is logged: debug, info, warn, error or fatal."),
)


def start(context):
    given = {name: context.launch_configurations[name] for name, _, _ in ARGUMENTS}
    settings = StackSettings(
        run_dir=run_folder(given["run_dir"]),
        site=given["map"],
        simulation=False,
        config_dir=Path(given["config"]) if given["config"] else None,
        namespace=given["namespace"],
        broker=given["broker"],
        state_dir=given["state_dir"],
        record=truth(given["record"], "record"),
        party=given["party"],
    )
    return stack_actions(settings, given["log_level"])


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
