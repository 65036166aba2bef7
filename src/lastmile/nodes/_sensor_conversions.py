"""Conversions of what the robot's drivers send."""

from __future__ import annotations

import array

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, Imu, NavSatFix, NavSatStatus

from lastmile import types
from lastmile.nodes._fields import header, seconds, square, vector, vector_array, word
from lastmile_msgs import msg as lm


def imu_message(value: types.ImuSample) -> Imu:
    """Write an inertial sample; orientation is not given (REP-145: -1)."""
    message = Imu(
        header=header(value.stamp_s, "imu_link"),
        angular_velocity=vector(value.angular_velocity),
        linear_acceleration=vector(value.linear_acceleration),
    )
    message.orientation_covariance[0] = -1.0
    return message


def imu_value(message: Imu) -> types.ImuSample:
    """Read an inertial sample."""
    return types.ImuSample(
        stamp_s=seconds(message.header.stamp),
        angular_velocity=vector_array(message.angular_velocity),
        linear_acceleration=vector_array(message.linear_acceleration),
    )


# Rows of v and yaw rate in the 6 x 6 covariance of a twist.
TWIST_ROWS = (0, 5)


def write_twist(message: Odometry, twist_base: np.ndarray, covariance: np.ndarray) -> None:
    """Put a body twist and its (2, 2) covariance into an odometry message."""
    message.twist.twist.linear.x = float(twist_base[0])
    message.twist.twist.angular.z = float(twist_base[1])
    for i, row in enumerate(TWIST_ROWS):
        for j, column in enumerate(TWIST_ROWS):
            message.twist.covariance[6 * row + column] = float(covariance[i, j])


def read_twist(message: Odometry) -> tuple[np.ndarray, np.ndarray]:
    """Take a body twist and its (2, 2) covariance out of an odometry message."""
    twist = np.array([message.twist.twist.linear.x, message.twist.twist.angular.z])
    covariance = square(message.twist.covariance, 6, "twist.covariance")
    return twist, covariance[np.ix_(TWIST_ROWS, TWIST_ROWS)]


def wheel_odometry_message(value: types.WheelOdometry) -> Odometry:
    """Write wheel odometry; only the twist is meant."""
    message = Odometry(header=header(value.stamp_s, "odom"), child_frame_id="base_link")
    message.pose.pose.orientation.w = 1.0
    write_twist(message, value.twist_base, value.covariance)
    return message


def wheel_odometry_value(message: Odometry) -> types.WheelOdometry:
    """Read wheel odometry."""
    return types.WheelOdometry(seconds(message.header.stamp), *read_twist(message))


def fix_message(value: types.GnssFix) -> NavSatFix:
    """Write a satellite fix."""
    return NavSatFix(
        header=header(value.stamp_s, "gnss_link"),
        status=NavSatStatus(status=int(value.fix_type), service=NavSatStatus.SERVICE_GPS),
        latitude=float(value.latitude_deg),
        longitude=float(value.longitude_deg),
        altitude=float(value.altitude_m),
        position_covariance=np.asarray(value.covariance, dtype=float).ravel(),
        position_covariance_type=NavSatFix.COVARIANCE_TYPE_KNOWN,
    )


def fix_value(message: NavSatFix) -> types.GnssFix:
    """Read a satellite fix."""
    return types.GnssFix(
        stamp_s=seconds(message.header.stamp),
        latitude_deg=message.latitude,
        longitude_deg=message.longitude,
        altitude_m=message.altitude,
        covariance=square(message.position_covariance, 3, "position_covariance"),
        fix_type=word(types.FixType, message.status.status, "status"),
    )


def image_message(value: types.CameraImage) -> Image:
    """Write a grey image; its model travels as `camera_info_message`."""
    pixels = np.ascontiguousarray(value.pixels, dtype=np.uint8)
    height, width = pixels.shape
    return Image(
        header=header(value.stamp_s, value.frame_id),
        height=height,
        width=width,
        encoding="mono8",
        is_bigendian=0,
        step=width,
        data=array.array("B", pixels.tobytes()),
    )


def camera_info_message(value: types.CameraImage) -> CameraInfo:
    """Write the camera model of an image."""
    K = np.asarray(value.model.K, dtype=float)
    P = np.zeros((3, 4))
    P[:, :3] = K
    return CameraInfo(
        header=header(value.stamp_s, value.frame_id),
        height=value.model.height_px,
        width=value.model.width_px,
        distortion_model="plumb_bob",
        d=np.asarray(value.model.D, dtype=float).tolist(),
        k=K.ravel(),
        r=np.eye(3).ravel(),
        p=P.ravel(),
    )


def camera_model(message: CameraInfo) -> types.CameraModel:
    """
    Read a camera model.

    Raises
    ------
    ValueError
        If the distortion is not plumb_bob with five coefficients or K is not invertible.

    """
    if message.distortion_model != "plumb_bob" or len(message.d) != 5:
        raise ValueError(
            f"distortion {message.distortion_model!r} with {len(message.d)} coefficients;"
            " plumb_bob with 5 is needed"
        )
    K = square(message.k, 3, "k")
    if not (np.isfinite(K).all() and K[0, 0] > 0.0 and K[1, 1] > 0.0):
        raise ValueError(f"k has focal lengths {K[0, 0]}, {K[1, 1]}; both must be positive")
    return types.CameraModel(message.width, message.height, K, np.array(message.d, dtype=float))


def image_value(message: Image, model: types.CameraModel) -> types.CameraImage:
    """
    Read a grey image that was taken with `model`.

    Raises
    ------
    ValueError
        If encoding, sizes or the model do not fit.

    """
    if message.encoding != "mono8":
        raise ValueError(f"encoding {message.encoding!r}; mono8 is needed")
    if (message.width, message.height) != (model.width_px, model.height_px):
        raise ValueError(
            f"image is {message.width} x {message.height}, its CameraInfo says"
            f" {model.width_px} x {model.height_px}"
        )
    if message.step < message.width or len(message.data) != message.step * message.height:
        raise ValueError(
            f"data holds {len(message.data)} bytes with step {message.step};"
            f" {message.width} x {message.height} needs step x height"
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    return types.CameraImage(
        stamp_s=seconds(message.header.stamp),
        frame_id=message.header.frame_id,
        pixels=np.ascontiguousarray(rows[:, : message.width]),
        model=model,
    )


def base_state_message(value: types.BaseState) -> lm.BaseState:
    """Write the state of the base."""
    return lm.BaseState(
        header=header(value.stamp_s, "base_link"),
        estop=bool(value.estop),
        bumper=bool(value.bumper),
        braked=bool(value.braked),
        command_timeout=bool(value.command_timeout),
        battery_ratio=float(value.battery_ratio),
    )


def base_state_value(message: lm.BaseState) -> types.BaseState:
    """Read the state of the base."""
    return types.BaseState(
        stamp_s=seconds(message.header.stamp),
        estop=message.estop,
        bumper=message.bumper,
        braked=message.braked,
        command_timeout=message.command_timeout,
        battery_ratio=message.battery_ratio,
    )


def signals_message(value: types.SignalStates) -> lm.SignalStates:
    """Write the pedestrian signals."""
    return lm.SignalStates(
        header=header(value.stamp_s, "map"),
        signals=[
            lm.CrossingSignal(
                crossing_id=signal.crossing_id,
                phase=signal.phase.value,
                remaining=float(signal.remaining_s),
            )
            for signal in value.signals
        ],
    )


def signals_value(message: lm.SignalStates) -> types.SignalStates:
    """Read the pedestrian signals."""
    return types.SignalStates(
        stamp_s=seconds(message.header.stamp),
        signals=tuple(
            types.CrossingSignal(
                signal.crossing_id,
                word(types.SignalPhase, signal.phase, "phase"),
                signal.remaining,
            )
            for signal in message.signals
        ),
    )
