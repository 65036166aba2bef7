"""The stack in a simulated world: robot, lockers, people, traffic, and a broker of its own."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from lastmile.nodes.launching import choice, number, run_folder, stack_actions, truth
from lastmile.nodes.stack_plan import settings_of_scenario
from lastmile.simulation.config import ENGINES

ARGUMENTS = (
    ("scenario", "demo", "Scenario: a name of sim/scenarios or a file."),
    ("seed", "", "Seed of everything by chance; empty for the scenario's."),
    ("rate", "1.0", "Simulated seconds per second."),
    ("engine", "embedded", "What moves the robot and senses: embedded or gazebo."),
    ("map", "", "Site, by name or folder; empty for the scenario's."),
    ("lockers", "", "Lockers to run, separated by commas; empty for those of the order."),
    ("config", "", "Folder of parameter files, one per node; empty for the defaults."),
    ("namespace", "/", "Namespace of the robot's topics."),
    ("broker", "", "MQTT broker, host:port; empty for one of its own."),
    ("run_dir", "", "Folder of parameters, logs and recording; empty for runs/<time>."),
    ("state_dir", "", "Folder of journals and keys; empty for that of the run."),
    ("record", "true", "Record all topics to an MCAP file: true or false."),
    ("log_level", "info", "Least severity that is logged: debug, info, warn, error or fatal."),
)


def start(context):
    given = {name: context.launch_configurations[name] for name, _, _ in ARGUMENTS}
    settings = settings_of_scenario(
        run_folder(given["run_dir"]),
        scenario=given["scenario"],
        seed=number(int, given["seed"], "seed") if given["seed"] else None,
        engine=choice(given["engine"], "engine", ENGINES),
        site=given["map"],
        lockers=tuple(name for name in given["lockers"].split(",") if name),
        rate=number(float, given["rate"], "rate"),
        config_dir=Path(given["config"]) if given["config"] else None,
        namespace=given["namespace"],
        broker=given["broker"],
        state_dir=given["state_dir"],
        record=truth(given["record"], "record"),
    )
    return stack_actions(settings, given["log_level"])


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
