"""Configuration of the planner."""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.config import param


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
