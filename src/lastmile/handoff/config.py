"""Settings of docking, of the custody of parcels, of lockers and of the link between them."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param, section


@dataclass(frozen=True, slots=True)
class CustodyConfig:
    """Times of the custody protocol; no time ever decides who holds a parcel."""

    resend_s: float = param(
        1.0, "Time between two sendings of a message without answer.", unit="s", low=0.05, high=60.0
    )
    settle_s: float = param(
        0.4,
        "How long sensors and wires must stand unchanged before they count as evidence; longer "
        "than the worst latency of a wire.",
        unit="s",
        low=0.05,
        high=10.0,
    )
    sensor_age_max_s: float = param(
        0.5, "Oldest sensor state that is acted on.", unit="s", low=0.05, high=10.0
    )
    door_wait_s: float = param(
        1.0,
        "Wait of the robot between the door's leaving its closed position and its conveyor.",
        unit="s",
        low=0.0,
        high=30.0,
    )
    transfer_timeout_s: float = param(
        25.0,
        "Longest transfer in one direction; then the parcel goes back, then a person is needed.",
        unit="s",
        low=1.0,
        high=600.0,
    )
    start_timeout_s: float = param(
        20.0,
        "Longest wait between grant and open door before the handoff is called off.",
        unit="s",
        low=1.0,
        high=600.0,
    )


@dataclass(frozen=True, slots=True)
class HandoffConfig:
    """The robot's side of a handover."""

    custody: CustodyConfig = section(CustodyConfig, "Times of the custody protocol.")
    answer_timeout_s: float = param(
        30.0,
        "Longest silence of a locker before the task fails; custody stays where it is.",
        unit="s",
        low=1.0,
        high=3600.0,
    )
    dock_wait_s: float = param(
        3.0, "Longest wait for the dock contact at the start.", unit="s", low=0.0, high=60.0
    )


@dataclass(frozen=True, slots=True)
class LockerConfig:
    """A locker's controller."""

    locker_id: str = param("locker-a", "Id of the locker in the site bundle.")
    custody: CustodyConfig = section(CustodyConfig, "Times of the custody protocol.")
    deposit_settle_s: float = param(
        1.0,
        "How long a parcel unknown to the journal must be seen before it is taken as deposited.",
        unit="s",
        low=0.0,
        high=60.0,
    )


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """The MQTT connection to the broker."""

    host: str = param("localhost", "Name or address of the broker.")
    port: int = param(1883, "Port of the broker.", low=1, high=65535)
    keep_alive_s: int = param(10, "MQTT keep-alive.", unit="s", low=1, high=600)
    reconnect_max_s: float = param(
        5.0, "Longest wait between two attempts to connect.", unit="s", low=0.5, high=300.0
    )
    outbox_max: int = param(
        1000, "Messages kept while the broker is gone; beyond, the oldest go.", low=1, high=100000
    )


@dataclass(frozen=True, slots=True)
class ApproachConfig:
    """Control law of the approach (Park and Kuipers, 2011)."""

    k1: float = param(2.0, "Turning towards the axis against distance.", low=0.5, high=10.0)
    k2: float = param(4.0, "Convergence of the heading against distance.", low=0.5, high=20.0)
    aim_beyond_m: float = param(
        0.15,
        "The law steers to a point this far behind contact, so that it stays smooth there.",
        unit="m",
        low=0.05,
        high=1.0,
    )
    speed_mps: float = param(0.25, "Speed far from contact.", unit="m/s", low=0.02, high=0.5)
    contact_speed_mps: float = param(
        0.08, "Speed over the last stretch.", unit="m/s", low=0.01, high=0.1
    )
    slow_distance_m: float = param(
        0.25, "Length of the last, slow stretch.", unit="m", low=0.05, high=1.0
    )
    reverse_speed_mps: float = param(
        0.25, "Speed when leaving or going back to staging.", unit="m/s", low=0.02, high=0.5
    )
    yaw_rate_max: float = param(0.6, "Largest yaw rate.", unit="rad/s", low=0.05, high=1.5)
    acceleration_mps2: float = param(
        0.4, "Acceleration and braking.", unit="m/s2", low=0.05, high=1.5
    )
    yaw_acceleration: float = param(1.5, "Yaw acceleration.", unit="rad/s2", low=0.1, high=2.5)
    horizon_s: float = param(
        2.0, "Planned motion before the braking tail.", unit="s", low=0.5, high=10.0
    )
    dt_s: float = param(0.1, "Step of the trajectory.", unit="s", low=0.02, high=0.2)


@dataclass(frozen=True, slots=True)
class DockingConfig:
    """The last two metres to a locker's port."""

    approach: ApproachConfig = section(ApproachConfig, "The motion.")
    undock_distance_m: float = param(
        1.2, "How far to reverse when leaving.", unit="m", low=0.3, high=3.0
    )
    input_age_max_s: float = param(
        0.3, "Oldest odometry that is driven on.", unit="s", low=0.05, high=2.0
    )
    marker_age_max_s: float = param(
        1.0,
        "Oldest sight of a marker that is driven on while markers should be in view.",
        unit="s",
        low=0.1,
        high=10.0,
    )
    blind_distance_m: float = param(
        0.75,
        "Distance of base from the docked pose below which markers may leave the view and "
        "odometry carries on.",
        unit="m",
        low=0.1,
        high=2.0,
    )
    images_min: int = param(5, "Images with a marker before the approach begins.", low=1, high=100)
    images_kept: int = param(60, "Images that the port's pose is averaged over.", low=1, high=1000)
    port_gate_m: float = param(
        0.15, "A port pose farther from the median is left out.", unit="m", low=0.01, high=1.0
    )
    search_wait_s: float = param(
        1.5, "Standing look before the search turns the robot.", unit="s", low=0.0, high=30.0
    )
    search_angle_deg: float = param(
        30.0, "The search turns this far to either side.", unit="deg", low=0.0, high=90.0
    )
    search_back_m: float = param(
        0.8,
        "How far to go back before another search where no marker is in view: right before a "
        "locker the camera looks between them.",
        unit="m",
        low=0.0,
        high=2.0,
    )
    search_yaw_rate: float = param(
        0.25, "Yaw rate of the search.", unit="rad/s", low=0.05, high=1.0
    )
    align_distance_m: float = param(
        0.3,
        "Distance to contact from which the alignment is judged.",
        unit="m",
        low=0.05,
        high=1.0,
    )
    align_lateral_m: float = param(
        0.015,
        "Largest offset that the approach may be about to end with; beyond, back to staging.",
        unit="m",
        low=0.001,
        high=0.2,
    )
    align_heading_deg: float = param(
        2.0,
        "Largest heading error that the approach may be about to end with.",
        unit="deg",
        low=0.1,
        high=20.0,
    )
    stand_off_m: float = param(
        0.012,
        "Gap left between the robot's port and the locker's: a robot a degree off the axis would "
        "else touch the locker with a corner before the ports meet.",
        unit="m",
        low=0.0,
        high=0.05,
    )
    press_m: float = param(
        0.012,
        "How far to creep on, in steps, while the dock contact has not closed.",
        unit="m",
        low=0.0,
        high=0.05,
    )
    contact_wait_s: float = param(
        1.0, "Wait for the dock contact at each step.", unit="s", low=0.1, high=30.0
    )
    attempts: int = param(3, "Approaches before the task fails.", low=1, high=20)
    margin_m: float = param(
        0.03, "Least distance of the outline from blocked cells.", unit="m", low=0.0, high=0.5
    )
    people_m: float = param(
        0.32, "Least distance to people, never less by own motion.", unit="m", low=0.0, high=1.0
    )
    front_ignore_m: float = param(
        0.2,
        "Before the port, things nearer to the locker's front than this are the locker itself.",
        unit="m",
        low=0.0,
        high=1.0,
    )
    unknown_gap_m: float = param(
        0.3, "Unseen gaps narrower than this count as free.", unit="m", low=0.0, high=1.0
    )
    wait_timeout_s: float = param(
        120.0, "Longest wait for a free way.", unit="s", low=1.0, high=3600.0
    )
