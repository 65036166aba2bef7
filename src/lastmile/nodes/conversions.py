"""
Values to messages and back, for every topic of the table.

A malformed message raises ValueError that names the value and the rule. Only the form is checked
here; whether a value makes sense is for the component that reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lastmile import types
from lastmile.nodes import _motion_conversions as motion
from lastmile.nodes import _sensor_conversions as sensors
from lastmile.nodes import _task_conversions as tasks
from lastmile.nodes.clouds import to_cloud, to_grid

CAMERA_INFO_TOPIC = "camera/camera_info"

# An image and its CameraInfo make one value together, see `CameraReader`.
PAIRS: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    types.ImuSample: (sensors.imu_message, sensors.imu_value),
    types.WheelOdometry: (sensors.wheel_odometry_message, sensors.wheel_odometry_value),
    types.GnssFix: (sensors.fix_message, sensors.fix_value),
    types.PointGrid: (to_cloud, to_grid),
    types.BaseState: (sensors.base_state_message, sensors.base_state_value),
    types.SignalStates: (sensors.signals_message, sensors.signals_value),
    types.OdometryEstimate: (motion.odometry_message, motion.odometry_value),
    types.InitialPose: (motion.initial_pose_message, motion.initial_pose_value),
    types.PoseEstimate: (motion.pose_message, motion.pose_value),
    types.ObstacleArray: (motion.obstacles_message, motion.obstacles_value),
    types.LocalCostMap: (motion.cost_map_message, motion.cost_map_value),
    types.MarkerArray: (motion.fiducials_message, motion.fiducials_value),
    types.Trajectory: (motion.trajectory_message, motion.trajectory_value),
    types.Command: (motion.command_message, motion.command_value),
    types.SafetyState: (motion.safety_message, motion.safety_value),
    types.Route: (tasks.route_message, tasks.route_value),
    types.PlannerStatus: (tasks.planner_status_message, tasks.planner_status_value),
    types.BayState: (tasks.bay_state_message, tasks.bay_state_value),
    types.BayCommand: (tasks.bay_command_message, tasks.bay_command_value),
    types.LockerHardwareState: (tasks.locker_state_message, tasks.locker_state_value),
    types.LockerHardwareCommand: (tasks.locker_command_message, tasks.locker_command_value),
    types.CustodyState: (tasks.custody_message, tasks.custody_value),
    types.MissionState: (tasks.mission_message, tasks.mission_value),
    types.GroundTruth: (tasks.ground_truth_message, tasks.ground_truth_value),
    types.CameraImage: (sensors.image_message, sensors.image_value),
}


def to_message(value: Any) -> Any:
    """Write a value as the message of its topic."""
    return PAIRS[type(value)][0](value)


def reader(value_type: type) -> Callable[[Any], Any]:
    """Give the function that reads messages of a topic; it may keep state between calls."""
    if value_type is types.CameraImage:
        return CameraReader()
    return PAIRS[value_type][1]


class CameraReader:
    """Joins images with the newest camera model, which comes on a topic of its own."""

    def __init__(self) -> None:
        self._model: types.CameraModel | None = None

    def take_info(self, message: Any) -> None:
        """Keep the model of the images to come."""
        self._model = sensors.camera_model(message)

    def __call__(self, message: Any) -> types.CameraImage:
        """Read an image; without a model so far this raises ValueError."""
        if self._model is None:
            raise ValueError(f"image without a camera model; none came on {CAMERA_INFO_TOPIC}")
        return sensors.image_value(message, self._model)
