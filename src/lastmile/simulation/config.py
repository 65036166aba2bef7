"""Figures of the simulated robot's sensors and drives, with the data sheets that they come from."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param, section

ENGINES = ("embedded", "gazebo")
"""What moves the robot and senses: MuJoCo and rays in this process, or Gazebo Harmonic."""


@dataclass(frozen=True)
class LidarConfig:
    """Rotating lidar; noise of the Ouster OS1 Rev7 data sheet (range precision 0.5 to 3 cm)."""

    columns: int = param(1024, "Columns of a turn.", low=64, high=4096)
    range_min_m: float = param(0.5, "Nearest range (OS1 Rev7).", unit="m", low=0.0, high=5.0)
    range_max_m: float = param(120.0, "Farthest range.", unit="m", low=10.0, high=300.0)
    range_sigma_m: float = param(0.012, "Range noise, one sigma.", unit="m", low=0.0, high=0.2)
    range_sigma_ratio: float = param(
        0.0003, "Growth of the range noise with range.", low=0.0, high=0.01
    )
    dropout_ratio: float = param(0.005, "Returns lost by chance.", low=0.0, high=1.0)


@dataclass(frozen=True)
class DepthConfig:
    """Near-field depth sensors; field of view of the Intel RealSense D435 data sheet."""

    columns: int = param(64, "Rays across.", low=8, high=640)
    rows: int = param(48, "Rays down.", low=8, high=480)
    horizontal_deg: float = param(87.0, "Horizontal field of view.", unit="deg", low=20, high=120)
    vertical_deg: float = param(58.0, "Vertical field of view.", unit="deg", low=20, high=120)
    range_min_m: float = param(0.15, "Nearest depth.", unit="m", low=0.0, high=1.0)
    range_max_m: float = param(4.0, "Farthest depth.", unit="m", low=1.0, high=20.0)
    sigma_ratio: float = param(
        0.002, "Noise per square metre of depth (stereo: error grows with the square).", high=0.05
    )
    dropout_ratio: float = param(0.01, "Pixels lost by chance.", low=0.0, high=1.0)


@dataclass(frozen=True)
class ImuConfig:
    """Inertial unit; Bosch BMI088 data sheet (0.014 deg/s/sqrt(Hz), 175 ug/sqrt(Hz))."""

    gyro_density: float = param(2.4e-4, "Gyro noise.", unit="rad/s/sqrt(Hz)", low=0.0, high=0.1)
    gyro_bias: float = param(2e-3, "First gyro bias, one sigma.", unit="rad/s", low=0.0, high=0.1)
    gyro_bias_walk: float = param(2e-5, "Gyro bias walk.", unit="rad/s/sqrt(s)", low=0, high=0.01)
    accel_density: float = param(1.7e-3, "Accelerometer noise.", unit="m/s2/sqrt(Hz)", high=0.5)
    accel_bias: float = param(0.03, "First accelerometer bias.", unit="m/s2", low=0.0, high=1.0)
    accel_bias_walk: float = param(1e-4, "Its walk.", unit="m/s2/sqrt(s)", low=0.0, high=0.1)
    vibration: float = param(0.15, "Shaking while driving at 1 m/s.", unit="m/s2", high=5.0)


@dataclass(frozen=True)
class WheelConfig:
    """Wheel encoders: 4096 counts per turn, radius and track known to about a percent."""

    counts_per_turn: int = param(4096, "Encoder counts per turn.", low=32, high=100000)
    radius_sigma_ratio: float = param(0.008, "Error of the wheel radius.", low=0.0, high=0.1)
    track_sigma_ratio: float = param(0.01, "Error of the track.", low=0.0, high=0.1)
    speed_sigma_ratio: float = param(0.02, "Noise of a speed reading.", low=0.0, high=0.5)


@dataclass(frozen=True)
class GnssConfig:
    """Satellite receiver; u-blox ZED-F9P data sheet (RTK 0.01 m + 1 ppm, standalone 1.5 m CEP)."""

    rtk_sigma_m: float = param(0.02, "Noise of a fix under open sky with corrections.", unit="m")
    white_sigma_m: float = param(0.25, "White noise of other fixes.", unit="m", low=0, high=10)
    multipath_open_m: float = param(0.3, "Multipath bias under open sky.", unit="m", high=20.0)
    multipath_blocked_m: float = param(6.0, "Added bias with all sky blocked.", unit="m", high=50)
    multipath_time_s: float = param(25.0, "Correlation time of the bias.", unit="s", low=1.0)
    rtk_sky_ratio: float = param(0.8, "Open sky that RTK needs.", low=0.0, high=1.0)
    sbas_sky_ratio: float = param(0.5, "Open sky that SBAS needs.", low=0.0, high=1.0)
    none_sky_ratio: float = param(0.12, "Open sky below which there is no fix.", high=1.0)
    stated_ratio: float = param(
        0.6, "The receiver's own sigma over the true one: receivers are optimists in streets."
    )


@dataclass(frozen=True)
class CameraConfig:
    """Front camera: 1280 x 720, global shutter, 70 degrees across, mild barrel distortion."""

    width_px: int = param(1280, "Width.", unit="px", low=160, high=4096)
    height_px: int = param(720, "Height.", unit="px", low=120, high=4096)
    horizontal_deg: float = param(70.0, "Field of view across.", unit="deg", low=20, high=120)
    distortion: tuple[float, float, float, float, float] = param(
        (-0.09, 0.05, 0.0004, -0.0003, 0.0), "Plumb-bob k1 k2 p1 p2 k3."
    )
    blur_sigma_px: float = param(0.7, "Lens blur.", unit="px", low=0.0, high=10.0)
    noise_sigma: float = param(3.0, "Noise in grey levels of 255.", low=0.0, high=50.0)
    locker_range_m: float = param(
        8.0, "Images are made only this near to a locker; elsewhere nothing reads them.", unit="m"
    )


@dataclass(frozen=True)
class BaseConfig:
    """Drive of the base: what it can do and when it stops by itself."""

    timestep_s: float = param(0.002, "Step of the rigid-body model.", unit="s", low=5e-4, high=0.01)
    acceleration_mps2: float = param(3.5, "Greatest speed change.", unit="m/s2", low=0.5, high=9)
    yaw_acceleration: float = param(6.0, "Greatest yaw rate change.", unit="rad/s2", low=0.5)
    command_timeout_s: float = param(0.25, "Stops without a command for this long.", unit="s")
    friction: float = param(0.9, "Rubber on dry paving.", low=0.05, high=1.5)
    slip_friction: float = param(0.12, "While a wheel_slip fault lasts (ice, leaves).", high=1.5)
    endurance_s: float = param(28800.0, "Battery life while driving.", unit="s", low=60.0)
    endurance_standing_s: float = param(115200.0, "Battery life standing.", unit="s", low=60.0)


@dataclass(frozen=True)
class SimulatorConfig:
    """The embedded world in place of the robot's drivers."""

    scenario: str = param("", "Scenario file; empty for the quiet world of the site given.")
    seed: int = param(-1, "Seed; -1 takes that of the scenario.", low=-1)
    engine: str = param(
        "embedded", "What moves the robot and senses: embedded or gazebo.", choices=ENGINES
    )
    base: BaseConfig = section(BaseConfig, "Drive of the base.")
    lidar: LidarConfig = section(LidarConfig, "Lidar on the mast.")
    depth: DepthConfig = section(DepthConfig, "Near-field depth sensors.")
    imu: ImuConfig = section(ImuConfig, "Inertial unit.")
    wheels: WheelConfig = section(WheelConfig, "Wheel encoders.")
    gnss: GnssConfig = section(GnssConfig, "Satellite receiver.")
    camera: CameraConfig = section(CameraConfig, "Front camera.")
