"""Configuration of the planner."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param, section


@dataclass(frozen=True)
class MpcConfig:
    """The model predictive controller."""

    stages: int = param(40, "Stages of the horizon.", low=5, high=100)
    step_s: float = param(0.1, "Time between stages.", unit="s", low=0.02, high=0.5)
    weights_state: tuple[float, float, float, float, float] = param(
        (4.0, 4.0, 1.0, 1.5, 0.2),
        "Cost of errors in x, y, yaw, v, yaw rate.",
        low=0.0,
        high=1e4,
    )
    weights_input: tuple[float, float] = param(
        (0.5, 0.3), "Cost of acceleration and yaw acceleration.", low=1e-4, high=1e4
    )
    weight_end: float = param(3.0, "Times the cost of errors at the end.", low=0.0, high=100.0)
    slack_quadratic: float = param(
        200.0, "Quadratic cost of coming too near.", unit="1/m2", low=0.0, high=1e6
    )
    slack_field: float = param(
        200.0, "Linear cost of coming too near to blocked cells.", unit="1/m", low=0.0, high=1e6
    )
    field_distance_m: float = param(
        0.40, "Distance of a robot disc's middle from blocked cells.", unit="m", low=0.0, high=2.0
    )
    sqp_steps: int = param(2, "SQP steps for each start.", low=1, high=50)
    iterations_max: int = param(25, "Interior point iterations in an SQP step.", low=1, high=200)
    tolerance: float = param(1e-3, "Residual at which they end.", low=1e-9, high=1.0)


@dataclass(frozen=True)
class InputsConfig:
    """How old inputs may be, by their stamps, before the planner brakes."""

    odometry_s: float = param(0.2, "Odometry.", unit="s", low=0.05, high=1.0)
    localization_s: float = param(0.3, "Pose in the map.", unit="s", low=0.05, high=1.0)
    obstacles_s: float = param(0.35, "Tracked obstacles.", unit="s", low=0.05, high=1.0)
    cost_map_s: float = param(0.6, "Local cost map.", unit="s", low=0.05, high=2.0)
    signals_s: float = param(1.5, "Pedestrian signals.", unit="s", low=0.1, high=10.0)
    base_state_s: float = param(0.3, "State of the base.", unit="s", low=0.05, high=1.0)
    ahead_s: float = param(0.1, "Stamps further ahead are refused.", unit="s", low=0.0, high=1.0)


@dataclass(frozen=True)
class LocalMapConfig:
    """What the planner makes of the local cost map."""

    memory_s: float = param(
        20.0, "Cells that are no longer seen keep what was seen.", unit="s", low=0.0, high=120.0
    )
    near_m: float = param(
        1.5,
        "Cells this near to the robot are remembered without end.",
        unit="m",
        low=0.0,
        high=3.0,
    )
    start_margin_m: float = param(
        0.8,
        "Where it starts, unseen ground this near to the robot is free: start it on level ground.",
        unit="m",
        low=0.0,
        high=2.0,
    )
    unknown_gap_m: float = param(
        0.3, "Unseen gaps narrower than this count as free.", unit="m", low=0.0, high=1.0
    )
    moving_mps: float = param(
        0.35,
        "Obstacles faster than this are predicted, slower ones are part of the map.",
        unit="m/s",
        low=0.0,
        high=2.0,
    )
    erase_margin_m: float = param(
        0.1,
        "Occupied cells this near to a moving obstacle belong to it.",
        unit="m",
        low=0.0,
        high=0.1,
    )


@dataclass(frozen=True)
class GuideConfig:
    """Local search for a way through the free cells along the route."""

    length_m: float = param(9.0, "Way to look ahead.", unit="m", low=2.0, high=15.0)
    clearance_min_m: float = param(
        0.32,
        "Least distance of the robot's middle from blocked cells.",
        unit="m",
        low=0.0,
        high=1.0,
    )
    clearance_wanted_m: float = param(0.9, "Nearer than this costs.", unit="m", low=0.0, high=3.0)
    clearance_cost: float = param(6.0, "Cost of no clearance.", unit="1/m2", low=0.0, high=100.0)
    offset_cost: float = param(
        0.15, "Cost of being off the route, per square metre.", unit="1/m2", low=0.0, high=10.0
    )
    offset_max_m: float = param(
        1.6,
        "Beyond half the width of the way, the robot may leave it by this.",
        unit="m",
        low=0.0,
        high=5.0,
    )
    unknown_cost: float = param(1.0, "Extra cost of unseen cells.", low=0.0, high=100.0)
    progress_gain: float = param(3.0, "Worth of a metre of progress.", low=1.0, high=100.0)
    keep_gain: float = param(
        0.75, "Cells of the last guide cost this much of their cost.", low=0.1, high=1.0
    )


@dataclass(frozen=True)
class SpeedConfig:
    """How fast to go where."""

    lateral_acceleration_mps2: float = param(0.5, "In bends.", unit="m/s2", low=0.05, high=3.0)
    braking_mps2: float = param(0.8, "Planned slowing down.", unit="m/s2", low=0.1, high=3.0)
    arrival_braking_mps2: float = param(
        0.35, "Slowing down to the goal.", unit="m/s2", low=0.05, high=2.0
    )
    degraded_mps: float = param(
        0.6, "While localization is degraded.", unit="m/s", low=0.0, high=2.0
    )
    narrow_mps: float = param(0.4, "With no room at the sides.", unit="m/s", low=0.1, high=2.0)
    narrow_gain: float = param(
        2.5, "Faster by this per metre of room.", unit="1/s", low=0.0, high=20.0
    )
    people_mps: float = param(
        0.35, "At the least distance to a person.", unit="m/s", low=0.05, high=2.0
    )
    people_gain: float = param(
        1.0, "Faster by this per metre farther away.", unit="1/s", low=0.0, high=20.0
    )
    standing_mps: float = param(
        0.5, "Right beside people who stand and may walk off.", unit="m/s", low=0.05, high=2.0
    )
    standing_gain: float = param(
        0.8, "Faster by this per metre farther away.", unit="1/s", low=0.0, high=20.0
    )
    headway_s: float = param(
        2.0, "Time headway to whoever walks on before the robot.", unit="s", low=0.5, high=5.0
    )
    turning_mps2: float = param(
        2.4,
        "Anybody ahead may change their way by this at any moment; the robot is slow enough to "
        "stand before they could reach it.",
        unit="m/s2",
        low=0.0,
        high=5.0,
    )
    turning_least_mps: float = param(
        0.25, "Where nothing is slow enough for that.", unit="m/s", low=0.25, high=1.0
    )
    correction_mps: float = param(
        0.5, "Right after a jump of the pose in the map.", unit="m/s", low=0.0, high=2.0
    )


@dataclass(frozen=True)
class PeopleConfig:
    """Distances between the outlines of robot and obstacles."""

    comfort_m: float = param(0.5, "Wanted from people.", unit="m", low=0.0, high=2.0)
    least_m: float = param(0.32, "Never less by own motion.", unit="m", low=0.0, high=1.0)
    other_m: float = param(0.3, "Wanted from other moving things.", unit="m", low=0.0, high=2.0)
    weight: float = param(60.0, "Linear cost of coming nearer.", unit="1/m", low=0.0, high=1e5)
    sigma_max_m: float = param(
        0.3, "Uncertainty of predictions counts up to this.", unit="m", low=0.0, high=2.0
    )
    near_m: float = param(
        2.5, "Nearer people than this are close by.", unit="m", low=0.5, high=10.0
    )
    yaw_rate_near: float = param(
        0.7, "Yaw rate while people are close by.", unit="rad/s", low=0.1, high=3.0
    )
    discs: int = param(8, "Discs of moving obstacles in the controller.", low=1, high=32)


@dataclass(frozen=True)
class CertificateConfig:
    """The check that every plan ends in a stop."""

    margin_m: float = param(
        0.03, "Least distance of the outline from blocked cells.", unit="m", low=0.0, high=0.5
    )
    drive_stages: tuple[int, ...] = param(
        (8, 5, 3, 1), "Stages driven before braking, tried in this order.", low=1, high=40
    )


@dataclass(frozen=True)
class CrossingConfig:
    """When to cross a road."""

    stop_before_m: float = param(
        1.0, "Middle of the robot stops this far before the crossing.", unit="m", low=0.3, high=5.0
    )
    margin_s: float = param(2.0, "Time to spare.", unit="s", low=0.0, high=20.0)
    quiet_s: float = param(
        1.5, "Without signal: no vehicle for this long before going.", unit="s", low=0.0, high=20.0
    )
    sight_m: float = param(
        80.0,
        "Without signal: vehicles are trusted to be seen from this far.",
        unit="m",
        low=5.0,
        high=300.0,
    )
    road_speed_mps: float = param(
        14.0,
        "Without signal: traffic's speed where the map does not tell.",
        unit="m/s",
        low=1.0,
        high=50.0,
    )
    speed_mps: float = param(1.4, "Counted on while crossing.", unit="m/s", low=0.2, high=2.0)
    drive_mps: float = param(1.6, "Speed limit on crossings.", unit="m/s", low=0.2, high=2.0)
    clearing_mps: float = param(
        1.5,
        "Signals hold traffic after green until somebody this fast is over.",
        unit="m/s",
        low=0.5,
        high=5.0,
    )
    fast_mps: float = param(
        2.2, "Tracks faster than this count as vehicles.", unit="m/s", low=0.5, high=10.0
    )
    fail_s: float = param(240.0, "Waiting longer fails the route.", unit="s", low=5.0, high=3600.0)


@dataclass(frozen=True)
class ArrivalConfig:
    """When a route is done, and when it cannot be done."""

    distance_m: float = param(0.08, "Near enough to the goal.", unit="m", low=0.01, high=1.0)
    heading_deg: float = param(3.0, "Turned well enough.", unit="deg", low=0.2, high=30.0)
    blocked_s: float = param(8.0, "Standing this long is BLOCKED.", unit="s", low=1.0, high=600.0)
    fail_s: float = param(
        240.0, "Blocked this long fails the route.", unit="s", low=2.0, high=3600.0
    )
    route_distance_max_m: float = param(
        6.0, "Farther from its route the robot does not start.", unit="m", low=0.5, high=50.0
    )


@dataclass(frozen=True)
class PlannerConfig:
    """The planner."""

    mpc: MpcConfig = section(MpcConfig, "Model predictive controller.")
    inputs: InputsConfig = section(InputsConfig, "How old inputs may be.")
    local_map: LocalMapConfig = section(LocalMapConfig, "Local map.")
    guide: GuideConfig = section(GuideConfig, "Local search.")
    speed: SpeedConfig = section(SpeedConfig, "Speeds.")
    people: PeopleConfig = section(PeopleConfig, "Distances.")
    certificate: CertificateConfig = section(CertificateConfig, "Stop certificate.")
    crossing: CrossingConfig = section(CrossingConfig, "Crossings.")
    arrival: ArrivalConfig = section(ArrivalConfig, "End of the route.")
