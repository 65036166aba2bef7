"""IMU, wheel encoders and satellite receiver."""

from __future__ import annotations

import math

import numpy as np

from lastmile.geometry.wgs84 import MapProjection
from lastmile.simulation.config import GnssConfig, ImuConfig, WheelConfig
from lastmile.simulation.motion import Motion
from lastmile.simulation.rays import RayScene
from lastmile.types import FixType, GnssFix, ImuSample, WheelOdometry
from lastmile.vehicle.description import RobotDescription

SKY_RANGE_M = 150.0


class Imu:
    """Inertial unit with white noise, a bias that walks, and the shaking of the drive."""

    def __init__(self, config: ImuConfig, rng: np.random.Generator) -> None:
        """Draw the first biases."""
        self.config = config
        self._rng = rng
        self._gyro_bias = config.gyro_bias * rng.standard_normal(3)
        self._accel_bias = config.accel_bias * rng.standard_normal(3)

    def read(self, stamp_s: float, motion: Motion, dt_s: float) -> ImuSample:
        """Give the mean over the last `dt_s`."""
        config = self.config
        root = math.sqrt(dt_s)
        gyro_walk, accel_walk, gyro_noise, accel_noise = self._rng.standard_normal((4, 3))
        self._gyro_bias += config.gyro_bias_walk * root * gyro_walk
        self._accel_bias += config.accel_bias_walk * root * accel_walk
        shaking = config.vibration * min(1.5, abs(float(motion.twist_base[0])))
        turn = motion.angular_velocity_imu + self._gyro_bias
        turn += (config.gyro_density / root) * gyro_noise
        force = motion.specific_force_imu + self._accel_bias
        force += (config.accel_density / root + shaking) * accel_noise
        return ImuSample(stamp_s, turn, force)


class WheelEncoders:
    """Counts of both wheels, read as a twist with slightly wrong radii and track."""

    def __init__(
        self, robot: RobotDescription, config: WheelConfig, rng: np.random.Generator
    ) -> None:
        """Draw this robot's errors of radius and track."""
        self.config = config
        self._rng = rng
        self._count = 2.0 * np.pi / config.counts_per_turn
        radius = robot.wheel_radius_m
        radii = radius * (1.0 + config.radius_sigma_ratio * rng.standard_normal(2))
        self._radii: list[float] = radii.tolist()
        self._track = robot.track_m * (1.0 + config.track_sigma_ratio * rng.standard_normal())
        self._last: tuple[int, int] | None = None

    def read(self, stamp_s: float, motion: Motion, dt_s: float) -> WheelOdometry:
        """Give the mean twist over the last `dt_s`."""
        counts = tuple(math.floor(angle / self._count) for angle in motion.wheel_angles.tolist())
        last = counts if self._last is None else self._last
        self._last = counts
        left, right = (
            (now - before) * self._count * radius / dt_s
            for now, before, radius in zip(counts, last, self._radii, strict=True)
        )
        speed, yaw_rate = 0.5 * (left + right), (right - left) / self._track
        ratio = self.config.speed_sigma_ratio
        speed_sigma, turn_sigma = ratio * abs(speed), ratio * abs(yaw_rate)
        by_chance = self._rng.standard_normal(2).tolist()
        step = self._count * 0.5 * sum(self._radii) / dt_s
        return WheelOdometry(
            stamp_s,
            np.array([speed + speed_sigma * by_chance[0], yaw_rate + turn_sigma * by_chance[1]]),
            np.array(
                [
                    [(step + 1.5 * speed_sigma) ** 2, 0.0],
                    [0.0, (2.0 * step / self._track + 1.5 * turn_sigma) ** 2],
                ]
            ),
        )


class GnssReceiver:
    """
    Satellite receiver whose fix gets worse with the sky that buildings hide.

    The error is white noise plus a bias that wanders as a first-order Gauss-Markov process; its
    size grows with the square of the hidden share of the sky (multipath and satellites lost).
    """

    def __init__(
        self,
        projection: MapProjection,
        T_base_gnss: np.ndarray,
        config: GnssConfig,
        rng: np.random.Generator,
    ) -> None:
        """Lay out the rays to the sky, four elevations by 24 azimuths."""
        self.config = config
        self._projection = projection
        self._T_base_gnss = T_base_gnss
        self._rng = rng
        elevation, azimuth = np.meshgrid(
            np.radians([15.0, 30.0, 45.0, 65.0]), np.radians(np.arange(0.0, 360.0, 15.0))
        )
        self._rays = np.stack(
            [
                np.cos(elevation) * np.cos(azimuth),
                np.cos(elevation) * np.sin(azimuth),
                np.sin(elevation),
            ],
            axis=-1,
        )
        self._rays = np.ascontiguousarray(self._rays.reshape(-1, 3), dtype=np.float32)
        self._wander = rng.standard_normal(3)

    def sky_ratio(self, T_map_base: np.ndarray, scene: RayScene) -> float:
        """Share of the sky above 15 degrees that is open."""
        origin = (T_map_base @ self._T_base_gnss)[:3, 3].astype(np.float32)
        limit = np.full(len(self._rays), SKY_RANGE_M, dtype=np.float32)
        reach = scene.cast(np.tile(origin, (len(self._rays), 1)), self._rays, limit)
        return float(np.mean(reach >= SKY_RANGE_M))

    def read(
        self, stamp_s: float, T_map_base: np.ndarray, scene: RayScene, dt_s: float, spike_m: float
    ) -> GnssFix:
        """Give a fix; `spike_m` is added to the east by a fault."""
        antenna = (T_map_base @ self._T_base_gnss)[:3, 3]
        return self.receive(stamp_s, antenna, self.sky_ratio(T_map_base, scene), dt_s, spike_m)

    def receive(
        self, stamp_s: float, antenna: np.ndarray, sky_ratio: float, dt_s: float, spike_m: float
    ) -> GnssFix:
        """Give a fix of the antenna at (3,) in map under so much open sky."""
        config, rng = self.config, self._rng
        keep = np.exp(-dt_s / config.multipath_time_s)
        self._wander = keep * self._wander + np.sqrt(1.0 - keep**2) * rng.standard_normal(3)
        fix, white, bias = self._quality(sky_ratio)
        scale = np.array([1.0, 1.0, 1.8])
        error = scale * (bias * self._wander + white * rng.standard_normal(3))
        error[0] += spike_m
        antenna = antenna + error
        latitude, longitude = self._projection.to_wgs84(antenna[:2])
        sigma = max(config.rtk_sigma_m, config.stated_ratio * float(np.hypot(white, bias)))
        if fix == FixType.NONE:
            latitude = longitude = float("nan")
        return GnssFix(
            stamp_s,
            float(latitude),
            float(longitude),
            float(antenna[2]),
            np.diag((sigma * scale) ** 2),
            fix,
        )

    def _quality(self, sky: float) -> tuple[FixType, float, float]:
        """Kind of fix, white noise and bias, one sigma, by the open share of the sky."""
        config = self.config
        bias = config.multipath_open_m + config.multipath_blocked_m * (1.0 - sky) ** 2
        if sky >= config.rtk_sky_ratio:
            return FixType.RTK, config.rtk_sigma_m, config.rtk_sigma_m
        if sky >= config.sbas_sky_ratio:
            return FixType.SBAS, config.white_sigma_m, bias
        if sky >= config.none_sky_ratio:
            return FixType.SINGLE, 2.0 * config.white_sigma_m, bias
        return FixType.NONE, 2.0 * config.white_sigma_m, bias
