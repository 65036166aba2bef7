"""RViz with the stack's view: map, route, plan, obstacles, lidar, robot, tf."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from lastmile.nodes.domain import checked_namespace
from lastmile.nodes.launching import truth
from lastmile.share import find_share

ARGUMENTS = (
    ("namespace", "/", "Namespace of the robot's topics."),
    ("use_sim_time", "true", "Follow /clock: true in simulation and replay, false on a robot."),
    ("rviz_config", "", "Another RViz config; empty for the stack's."),
)


def start(context):
    given = {name: context.launch_configurations[name] for name, _, _ in ARGUMENTS}
    rviz_config = given["rviz_config"] or str(find_share("config/rviz/lastmile.rviz"))
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz",
            namespace=checked_namespace(given["namespace"]),
            arguments=["-d", rviz_config],
            parameters=[{"use_sim_time": truth(given["use_sim_time"], "use_sim_time")}],
            output="screen",
        )
    ]


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, text in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
