"""
The robot as an SDF model: its URDF, with drive and sensors.

Links that are fixed to `base_link` become one link, `base_link`, whose frame lies on the ground, so
that the model's pose is that of the base. Sensors sit on it where the URDF has their frames.
gpu_lidar renders uniform rings only, so the lidar is two, one for each block of 16 rings.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from lastmile.simulation.config import DepthConfig, SimulatorConfig
from lastmile.simulation.drive import STOP_DECELERATION_MPS2
from lastmile.simulation.gazebo import elements as sdf
from lastmile.simulation.gazebo.elements import element
from lastmile.simulation.range_sensors import LOWER_RINGS_DEG, UPPER_RINGS_DEG
from lastmile.vehicle.description import DescriptionError, RobotDescription, origin_matrix

MODEL = "robot"
RINGS = 16
"""Of each of the two lidars."""
CASTER_FRICTION = 0.01
BIAS_TIME_S = 3600.0
"""Longer than a run: the inertial unit's bias walks and does not come back."""

TOPICS = {
    "command": "/cmd_vel",
    "command_heard": "/cmd_vel/heard",
    "odometry": "/odometry",
    "joints": "/joint_states",
    "imu": "/imu",
    "navsat": "/navsat",
    "lidar_upper": "/lidar/upper",
    "lidar_lower": "/lidar/lower",
    "depth_front": "/depth/front",
    "depth_rear": "/depth/rear",
    "camera": "/camera/image",
    "bumper": "/bumper",
}
"""Names on gz-transport; a cloud is at `<name>/points`."""


@dataclass(frozen=True, slots=True)
class SensorRates:
    """Whether Gazebo itself adds noise, and how often it reads the inertial unit."""

    noise: bool = True
    imu_hz: float = 100.0


def robot_model(
    robot: RobotDescription,
    config: SimulatorConfig,
    place: Element,
    rates: SensorRates,
    friction_ratio: float = 1.0,
) -> Element:
    """
    Make the robot's model.

    Parameters
    ----------
    robot : RobotDescription
        Its URDF and where its frames sit.
    config : SimulatorConfig
        Figures of sensors and drive.
    place : Element
        Pose of its base.
    rates : SensorRates
        Noise and rates.
    friction_ratio : float
        Grip over that of dry paving.

    Raises
    ------
    DescriptionError
        If the URDF has a joint that is no wheel, caster or fixed one.

    """
    root = ElementTree.fromstring(robot.urdf)
    links = {link.get("name"): link for link in root.findall("link")}
    springs = {tag.get("reference"): tag for tag in root.findall("gazebo")}
    colours = {
        material.get("name"): [float(v) for v in material.find("color").get("rgba").split()]
        for material in root.findall("material")
    }
    moving = [joint for joint in root.findall("joint") if joint.get("type") != "fixed"]
    moved = {joint.find("child").get("link") for joint in moving}
    grip = config.base.friction * friction_ratio
    base = [links[name] for name in links if name not in moved and name in robot.mounts]
    model = element("model", place, name=MODEL)
    model.append(_base_link(base, robot, colours, config, rates))
    for joint in moving:
        name = joint.find("child").get("link")
        friction = grip if name.startswith("wheel") else CASTER_FRICTION
        model.append(_moving_link(links[name], robot.mount(name), colours, friction))
        model.append(_joint(joint, springs.get(joint.get("name"))))
    wheels = [f"wheel_{side}_joint" for side in ("left", "right")]
    model.append(_diff_drive(robot, config, wheels))
    model.append(
        sdf.plugin(
            "joint-state-publisher",
            "JointStatePublisher",
            element("topic", TOPICS["joints"]),
            *(element("joint_name", wheel) for wheel in wheels),
        )
    )
    return model


def _base_link(parts, robot, colours, config, rates) -> Element:
    heavy = [link for link in parts if link.find("inertial") is not None]
    if len(heavy) != 1:
        names = ", ".join(link.get("name") for link in heavy) or "none"
        raise DescriptionError(
            f"of the links fixed to base_link one must have the mass of all; it is {names}"
        )
    link = element("link", name="base_link")
    link.append(_inertial(heavy[0], robot.mount(heavy[0].get("name"))))
    for part in parts:
        T = robot.mount(part.get("name"))
        link.extend(_visuals(part, T, colours))
        link.extend(_collisions(part, T, None))
    link.extend(_sensors(robot, config, rates, [c.get("name") for c in link.iter("collision")]))
    return link


def _moving_link(link, T_base_link, colours, friction) -> Element:
    made = element("link", sdf.pose_of(T_base_link), name=link.get("name"))
    made.append(_inertial(link, np.eye(4)))
    made.extend(_visuals(link, np.eye(4), colours))
    made.extend(_collisions(link, np.eye(4), friction))
    return made


def _inertial(link: Element, T: np.ndarray) -> Element:
    inertial = link.find("inertial")
    figures = inertial.find("inertia")
    return element(
        "inertial",
        sdf.pose_of(T @ origin_matrix(inertial.find("origin"))),
        element("mass", float(inertial.find("mass").get("value"))),
        element("inertia", *(element(k, float(v)) for k, v in figures.attrib.items())),
    )


def _visuals(link: Element, T: np.ndarray, colours: dict[str, list[float]]) -> list[Element]:
    made = []
    for number, shape in enumerate(link.findall("visual")):
        rgb = colours.get(shape.find("material").get("name"), [0.5, 0.5, 0.5])[:3]
        place = sdf.pose_of(T @ origin_matrix(shape.find("origin")))
        name = f"{link.get('name')}_visual_{number}"
        made.append(sdf.visual(name, _geometry(shape), sdf.colour(*rgb), place))
    return made


def _collisions(link: Element, T: np.ndarray, friction: float | None) -> list[Element]:
    made = []
    for number, shape in enumerate(link.findall("collision")):
        place = sdf.pose_of(T @ origin_matrix(shape.find("origin")))
        name = f"{link.get('name')}_collision_{number}"
        made.append(sdf.collision(name, _geometry(shape), place, friction))
    return made


def _geometry(shape: Element) -> Element:
    solid = shape.find("geometry")[0]
    if solid.tag == "box":
        return sdf.box([float(v) for v in solid.get("size").split()])
    if solid.tag == "cylinder":
        return sdf.cylinder(float(solid.get("radius")), float(solid.get("length")))
    if solid.tag == "sphere":
        return sdf.sphere(float(solid.get("radius")))
    raise DescriptionError(f"geometry {solid.tag!r}: expected box, cylinder or sphere")


def _joint(joint: Element, spring: Element | None) -> Element:
    kinds = {"continuous": "revolute", "prismatic": "prismatic"}
    name = joint.get("name")
    if joint.get("type") not in kinds:
        raise DescriptionError(
            f"joint {name!r}: type {joint.get('type')!r} does not roll or spring"
        )
    dynamics, limit = joint.find("dynamics"), joint.find("limit")
    springs = []
    if spring is not None:
        springs = [
            element("spring_reference", float(spring.find("springReference").text)),
            element("spring_stiffness", float(spring.find("springStiffness").text)),
        ]
    axis = element(
        "axis",
        element("xyz", joint.find("axis").get("xyz")),
        element(
            "limit",
            *(element(end, float(limit.get(end))) for end in ("lower", "upper") if limit.get(end)),
            element("effort", float(limit.get("effort"))),
            element("velocity", float(limit.get("velocity"))),
        ),
        element(
            "dynamics",
            element("damping", float(dynamics.get("damping"))),
            element("friction", float(dynamics.get("friction"))),
            *springs,
        ),
    )
    return element(
        "joint",
        element("parent", "base_link"),
        element("child", joint.find("child").get("link")),
        axis,
        name=name,
        type=kinds[joint.get("type")],
    )


def _diff_drive(robot: RobotDescription, config: SimulatorConfig, wheels: list[str]) -> Element:
    base = config.base
    # Braking is as hard as the base's own controller brakes, or harder where that commands it.
    braking = max(base.acceleration_mps2, STOP_DECELERATION_MPS2)
    return sdf.plugin(
        "diff-drive",
        "DiffDrive",
        element("left_joint", wheels[0]),
        element("right_joint", wheels[1]),
        element("wheel_separation", robot.track_m),
        element("wheel_radius", robot.wheel_radius_m),
        element("max_linear_acceleration", base.acceleration_mps2),
        element("min_linear_acceleration", -braking),
        element("max_angular_acceleration", base.yaw_acceleration),
        element("min_angular_acceleration", -base.yaw_acceleration),
        element("topic", TOPICS["command"]),
        element("odom_topic", TOPICS["odometry"]),
        element("odom_publish_frequency", 50.0),
        element("frame_id", "odom"),
        element("child_frame_id", "base_link"),
    )


# ------------------------------------------------------------------------ sensors


def _sensors(
    robot: RobotDescription, config: SimulatorConfig, rates: SensorRates, body: list[str]
) -> list[Element]:
    made = [_imu(robot, config, rates), _navsat(robot, config, rates)]
    for name, rings_deg in (("upper", UPPER_RINGS_DEG), ("lower", LOWER_RINGS_DEG)):
        made.append(_lidar(f"lidar_{name}", rings_deg, robot, config, rates))
    for side in ("front", "rear"):
        made.append(_depth(side, robot, config.depth))
    made.append(_camera(robot, config, rates))
    contact = element(
        "contact",
        *(element("collision", name) for name in body),
        element("topic", TOPICS["bumper"]),
    )
    made.append(_sensor("bumper", "contact", "bumper", None, 50.0, contact))
    return made


def _sensor(name, kind, topic, T_base_sensor, rate_hz, *content, frame="") -> Element:
    place = [] if T_base_sensor is None else [sdf.pose_of(T_base_sensor)]
    frames = [element("gz_frame_id", frame)] if frame else []
    return element(
        "sensor",
        *place,
        element("topic", TOPICS[topic]),
        element("update_rate", rate_hz),
        element("always_on", True),
        *frames,
        *content,
        name=name,
        type=kind,
    )


def _imu(robot, config, rates) -> Element:
    figures, root = config.imu, np.sqrt(rates.imu_hz)
    triads = []
    for triad, density, bias, walk in (
        ("angular_velocity", figures.gyro_density, figures.gyro_bias, figures.gyro_bias_walk),
        ("linear_acceleration", figures.accel_density, figures.accel_bias, figures.accel_bias_walk),
    ):
        noise = [
            element(axis, sdf.gaussian(density * root, bias, walk, BIAS_TIME_S)) for axis in "xyz"
        ]
        triads.append(element(triad, *noise))
    noisy = triads if rates.noise else []
    T = robot.mount("imu_link")
    imu = element("imu", *noisy)
    return _sensor("imu", "imu", "imu", T, rates.imu_hz, imu, frame="imu_link")


def _navsat(robot, config, rates) -> Element:
    # Gazebo adds the horizontal noise to the degrees of latitude and of longitude, and none that
    # lasts from fix to fix; multipath is the engine's (`motion_sensors.GnssReceiver`).
    metre_deg = 1.0 / 111_319.5
    sigma = config.gnss.white_sigma_m
    noise = element(
        "position_sensing",
        element("horizontal", sdf.gaussian(sigma * metre_deg)),
        element("vertical", sdf.gaussian(1.8 * sigma)),
    )
    navsat = element("navsat", *([noise] if rates.noise else []))
    T = robot.mount("gnss_link")
    return _sensor("navsat", "navsat", "navsat", T, 5.0, navsat, frame="gnss_link")


def _lidar(name, rings_deg, robot, config, rates) -> Element:
    figures = config.lidar
    low, high = np.radians(sorted(rings_deg))
    last = np.pi - 2.0 * np.pi / figures.columns
    scan = element(
        "scan",
        _angles("horizontal", figures.columns, -np.pi, last),
        _angles("vertical", RINGS, low, high),
    )
    reach = element(
        "range", element("min", figures.range_min_m), element("max", figures.range_max_m)
    )
    noise = [sdf.image_noise(figures.range_sigma_m)] if rates.noise else []
    T = robot.mount("lidar_link")
    lidar = element("lidar", scan, reach, *noise)
    return _sensor(name, "gpu_lidar", name, T, 10.0, lidar, frame="lidar_link")


def _angles(tag: str, samples: int, low: float, high: float) -> Element:
    return element(
        tag,
        element("samples", str(samples)),
        element("resolution", 1.0),
        element("min_angle", low),
        element("max_angle", high),
    )


def depth_size(config: DepthConfig) -> tuple[int, int]:
    """
    Width and height [px] of the image that Gazebo renders for a depth sensor.

    Its pixels are square and the sensor's rays are not, so that it is rendered at twice the rays
    across and as high as the sensor looks; each ray then takes the pixel that it goes through.
    """
    half = np.tan(0.5 * np.radians([config.horizontal_deg, config.vertical_deg]))
    width = 2 * config.columns
    return width, 2 * int(np.ceil(config.columns * half[1] / half[0]))


def _depth(side: str, robot: RobotDescription, config: DepthConfig) -> Element:
    width, height = depth_size(config)
    camera = element(
        "camera",
        element("horizontal_fov", np.radians(config.horizontal_deg)),
        element(
            "image",
            element("width", str(width)),
            element("height", str(height)),
            element("format", "R_FLOAT32"),
        ),
        element(
            "clip", element("near", config.range_min_m), element("far", 1.5 * config.range_max_m)
        ),
    )
    name, frame = f"depth_{side}", f"depth_{side}_link"
    optical = f"depth_{side}_optical_frame"
    T = robot.mount(frame)
    return _sensor(name, "depth_camera", name, T, 10.0, camera, frame=optical)


def _camera(robot: RobotDescription, config: SimulatorConfig, rates: SensorRates) -> Element:
    figures = config.camera
    noise = [sdf.image_noise(figures.noise_sigma / 255.0)] if rates.noise else []
    camera = element(
        "camera",
        element("horizontal_fov", np.radians(figures.horizontal_deg)),
        element(
            "image",
            element("width", str(figures.width_px)),
            element("height", str(figures.height_px)),
            element("format", "L8"),
        ),
        element("clip", element("near", 0.05), element("far", 200.0)),
        *noise,
        element("camera_info_topic", "/camera/camera_info"),
        element("optical_frame_id", "camera_optical_frame"),
    )
    T = robot.mount("camera_link")
    return _sensor("camera", "camera", "camera", T, 10.0, camera, frame="camera_optical_frame")
