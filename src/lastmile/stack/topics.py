"""
Every topic and action of the stack, once: name, value, ROS message, quality of service, text.

Names are relative, so that a namespace holds one robot. Nodes, lockstep runs, the recorder and the
generated docs all read this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lastmile import types


class Qos(StrEnum):
    """Quality of service of a topic."""

    SENSOR = "sensor"
    """Best effort, the newest few (SensorDataQoS)."""
    RELIABLE = "reliable"
    """Reliable, volatile."""
    LATCHED = "latched"
    """Reliable, transient local: a late subscriber gets the last one."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: str
    value: type
    message: str
    qos: Qos
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """
    One action.

    In lockstep it is four topics, `<name>/goal`, `/cancel`, `/feedback` and `/result`, that carry
    `goal`, TaskCancel, TaskFeedback and TaskResult.
    """

    name: str
    goal: type
    message: str
    text: str


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("imu", types.ImuSample, "sensor_msgs/msg/Imu", Qos.SENSOR,
              "Inertial unit, 100 Hz, imu_link."),
        Topic("wheel/odometry", types.WheelOdometry, "nav_msgs/msg/Odometry", Qos.SENSOR,
              "Body twist from the encoders, 50 Hz; its pose is not used."),
        Topic("gnss/fix", types.GnssFix, "sensor_msgs/msg/NavSatFix", Qos.SENSOR,
              "Satellite position, 5 Hz, gnss_link."),
        Topic("lidar/points", types.PointGrid, "sensor_msgs/msg/PointCloud2", Qos.SENSOR,
              "Organised lidar turn, 32 x 1024, 10 Hz, lidar_link; fields x y z intensity t."),
        Topic("depth/front/points", types.PointGrid, "sensor_msgs/msg/PointCloud2", Qos.SENSOR,
              "Near-field depth ahead, 10 Hz, depth_front_optical_frame."),
        Topic("depth/rear/points", types.PointGrid, "sensor_msgs/msg/PointCloud2", Qos.SENSOR,
              "Near-field depth behind, 10 Hz, depth_rear_optical_frame."),
        Topic("camera/image", types.CameraImage, "sensor_msgs/msg/Image", Qos.SENSOR,
              "Front camera, mono8; its CameraInfo is camera/camera_info."),
        Topic("base/state", types.BaseState, "lastmile_msgs/msg/BaseState", Qos.RELIABLE,
              "E-stop, bumper, brake and battery of the base, 50 Hz."),
        Topic("signals", types.SignalStates, "lastmile_msgs/msg/SignalStates", Qos.RELIABLE,
              "Pedestrian signals from the city's feed, 2 Hz."),
        Topic("odometry", types.OdometryEstimate, "nav_msgs/msg/Odometry", Qos.RELIABLE,
              "Pose of base in odom, never jumps, 50 Hz."),
        Topic("localization/status", types.PoseEstimate, "lastmile_msgs/msg/LocalizationStatus",
              Qos.RELIABLE, "Pose of base in map, state and protection level, 50 Hz."),
        Topic("obstacles", types.ObstacleArray, "lastmile_msgs/msg/ObstacleArray", Qos.RELIABLE,
              "Tracked obstacles with predicted paths in odom, 10 Hz."),
        Topic("cost_map", types.LocalCostMap, "nav_msgs/msg/OccupancyGrid", Qos.RELIABLE,
              "Ground around the robot in odom, 5 Hz; values of Cell."),
        Topic("markers", types.MarkerArray, "lastmile_msgs/msg/FiducialArray", Qos.RELIABLE,
              "Fiducials in the front camera's optical frame, at most 10 Hz."),
        Topic("plan", types.Trajectory, "lastmile_msgs/msg/Trajectory", Qos.RELIABLE,
              "The planner's trajectory in odom, ends in a stop, 10 Hz."),
        Topic("planner/status", types.PlannerStatus, "lastmile_msgs/msg/PlannerStatus",
              Qos.RELIABLE, "Progress along the route, 10 Hz."),
        Topic("route", types.Route, "lastmile_msgs/msg/Route", Qos.LATCHED,
              "The route being followed, in map."),
        Topic("docking/plan", types.Trajectory, "lastmile_msgs/msg/Trajectory", Qos.RELIABLE,
              "The docking motion in odom, 20 Hz while docking."),
        Topic("initialpose", types.InitialPose, "geometry_msgs/msg/PoseWithCovarianceStamped",
              Qos.RELIABLE, "A person's word on the robot's pose in map (RViz: 2D Pose Estimate)."),
        Topic("teleop/cmd_vel", types.Command, "geometry_msgs/msg/TwistStamped", Qos.RELIABLE,
              "A person's steering; goes before autonomy."),
        Topic("cmd_vel", types.Command, "geometry_msgs/msg/TwistStamped", Qos.RELIABLE,
              "The gate's command to the base, 50 Hz."),
        Topic("safety_state", types.SafetyState, "lastmile_msgs/msg/SafetyState", Qos.RELIABLE,
              "What the gate lets through and why, 10 Hz and at each change."),
        Topic("bay/state", types.BayState, "lastmile_msgs/msg/BayState", Qos.RELIABLE,
              "Sensors of the parcel bay and the dock's wires, 10 Hz."),
        Topic("bay/command", types.BayCommand, "lastmile_msgs/msg/BayCommand", Qos.RELIABLE,
              "Conveyor and BUSY line, 10 Hz."),
        Topic("lockers/state", types.LockerHardwareState, "lastmile_msgs/msg/LockerHardwareState",
              Qos.RELIABLE, "Sensors of each locker, 10 Hz; read by that locker only."),
        Topic("lockers/command", types.LockerHardwareCommand,
              "lastmile_msgs/msg/LockerHardwareCommand", Qos.RELIABLE,
              "Actuators of each locker, 10 Hz; sent by that locker only."),
        Topic("custody", types.CustodyState, "lastmile_msgs/msg/CustodyState", Qos.LATCHED,
              "Who holds the parcel, at each change."),
        Topic("mission/state", types.MissionState, "lastmile_msgs/msg/MissionState", Qos.LATCHED,
              "Phase of the delivery, at each change and at 1 Hz."),
        Topic("ground_truth", types.GroundTruth, "lastmile_msgs/msg/GroundTruth", Qos.RELIABLE,
              "What is really so in the simulator, 50 Hz; for evaluation only."),
    )
}  # fmt: skip

ACTIONS = {
    action.name: action
    for action in (
        Action("follow_route", types.FollowRouteGoal, "lastmile_msgs/action/FollowRoute",
               "Drive a route to its end; served by the planner."),
        Action("dock", types.DockGoal, "lastmile_msgs/action/Dock",
               "Dock at or leave a locker; served by docking."),
        Action("hand_over", types.HandOverGoal, "lastmile_msgs/action/HandOver",
               "Take or give a parcel at the locker docked at; served by handoff."),
        Action("deliver", types.DeliverGoal, "lastmile_msgs/action/Deliver",
               "Bring a parcel from one locker to another; served by the mission."),
    )
}  # fmt: skip
