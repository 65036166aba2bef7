"""Configuration of the command gate."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param, section


@dataclass(frozen=True)
class TimeoutConfig:
    """How old each input may be before the gate brakes, by the time at which it arrived."""

    plan_s: float = param(0.25, "The planner's trajectory.", unit="s", low=0.02, high=1.0)
    docking_plan_s: float = param(0.2, "The docking trajectory.", unit="s", low=0.02, high=1.0)
    teleop_s: float = param(0.25, "A person's steering.", unit="s", low=0.02, high=1.0)
    odometry_s: float = param(0.15, "Odometry.", unit="s", low=0.02, high=1.0)
    localization_s: float = param(0.2, "Pose in the map.", unit="s", low=0.02, high=1.0)
    obstacles_s: float = param(0.25, "Tracked obstacles.", unit="s", low=0.02, high=1.0)
    base_state_s: float = param(0.2, "State of the base.", unit="s", low=0.02, high=1.0)
    stamp_age_s: float = param(
        0.6, "Stamps older than this at arrival are rejected.", unit="s", low=0.05, high=5.0
    )
    stamp_ahead_s: float = param(
        0.1, "Stamps further in the future are rejected.", unit="s", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class TrackingConfig:
    """Feedback of the pose about the plan; Kanayama et al. (1990), bounded."""

    gain_along: float = param(1.2, "Speed per error along.", unit="1/s", low=0.0, high=10.0)
    gain_lateral: float = param(3.0, "Yaw rate per error across.", unit="1/m2", low=0.0, high=30.0)
    gain_heading: float = param(2.0, "Yaw rate per heading error.", unit="1/s", low=0.0, high=10.0)
    speed_correction_max_mps: float = param(
        0.2, "Greatest correction of speed.", unit="m/s", low=0.0, high=1.0
    )
    yaw_rate_correction_max: float = param(
        0.4, "Greatest correction of yaw rate.", unit="rad/s", low=0.0, high=2.0
    )
    delay_s: float = param(
        0.03, "Feedforward is read this far ahead of the step.", unit="s", low=0.0, high=0.3
    )
    error_max_m: float = param(
        0.5, "Farther from the plan than this, the gate brakes.", unit="m", low=0.05, high=5.0
    )
    error_max_rad: float = param(
        0.8, "Turned from the plan more than this, the gate brakes.", unit="rad", low=0.05, high=3.1
    )


@dataclass(frozen=True)
class GateConfig:
    """The command gate."""

    timeouts: TimeoutConfig = section(TimeoutConfig, "How old inputs may be.")
    tracking: TrackingConfig = section(TrackingConfig, "How plans are followed.")
    command_timeout_s: float = param(
        0.25,
        "The base stops by itself without a command for this long; the gate then begins anew.",
        unit="s",
        low=0.1,
        high=1.0,
    )
    safety_period_s: float = param(
        0.1, "Time between messages on safety_state without a change.", unit="s", low=0.02, high=1.0
    )
    release_s: float = param(
        2.0,
        "After e-stop or bumper were released the robot stands this long before it may move.",
        unit="s",
        low=0.0,
        high=86400.0,
    )
