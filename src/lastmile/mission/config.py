"""Settings of the delivery executive."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param


@dataclass(frozen=True, slots=True)
class MissionConfig:
    """Patience and retries of a delivery."""

    drive_attempts: int = param(6, "Routes tried on one way before it fails.", low=1, high=100)
    dock_attempts: int = param(3, "Docking tasks tried before it fails.", low=1, high=20)
    hand_over_attempts: int = param(3, "Handovers tried before it fails.", low=1, high=20)
    leave_attempts: int = param(5, "Undocking tasks tried before it fails.", low=1, high=20)
    retry_wait_s: float = param(3.0, "Wait before another try.", unit="s", low=0.0, high=600.0)
    blocked_timeout_s: float = param(
        30.0,
        "How long the planner is blocked, at least, before another route is tried.",
        unit="s",
        low=1.0,
        high=3600.0,
    )
    blocked_timeout_max_s: float = param(
        120.0,
        "The same at most: between the two the robot waits as long as the detour takes longer.",
        unit="s",
        low=1.0,
        high=3600.0,
    )
    task_silence_s: float = param(
        6.0,
        "A task that tells nothing for this long is begun again; its server may have restarted.",
        unit="s",
        low=1.0,
        high=600.0,
    )
    localization_wait_s: float = param(
        120.0, "Longest wait for a pose before the delivery fails.", unit="s", low=1.0, high=3600.0
    )
    custody_wait_s: float = param(
        10.0,
        "Longest wait of a new order for the word of the robot's custody before it fails.",
        unit="s",
        low=0.0,
        high=600.0,
    )
    input_age_max_s: float = param(
        1.0, "Oldest pose that a route is planned from.", unit="s", low=0.1, high=10.0
    )
