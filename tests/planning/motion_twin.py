"""
Motion models with Jacobians, twins of those in the kernel: differential drive and Ackermann.

Both have five states and two inputs, so that one solver serves them. Differential drive:
x, y, yaw, v, yaw rate; inputs are acceleration and yaw acceleration. Ackermann (kinematic bicycle
about the rear axle): x, y, yaw, v, steering angle; inputs are acceleration and steering rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STATES, INPUTS = 5, 2


@dataclass(frozen=True, slots=True)
class DifferentialDrive:
    """Two driven wheels: speed and yaw rate are states of their own."""

    def derivative(self, state: np.ndarray, control: np.ndarray) -> np.ndarray:
        """Rate of the state."""
        _, _, yaw, v, w = state
        return np.array([v * np.cos(yaw), v * np.sin(yaw), w, control[0], control[1]])

    def jacobian(self, state: np.ndarray, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Jacobians of the rate by state and input."""
        _, _, yaw, v, _ = state
        A, B = np.zeros((STATES, STATES)), np.zeros((STATES, INPUTS))
        A[0, 2], A[0, 3] = -v * np.sin(yaw), np.cos(yaw)
        A[1, 2], A[1, 3] = v * np.cos(yaw), np.sin(yaw)
        A[2, 4] = 1.0
        B[3, 0] = B[4, 1] = 1.0
        return A, B

    def twist(self, state: np.ndarray) -> np.ndarray:
        """Body twist of a state."""
        return np.array([state[3], state[4]])


@dataclass(frozen=True, slots=True)
class Ackermann:
    """Steered front wheels at `wheelbase_m` ahead of the driven axle, which is the base."""

    wheelbase_m: float

    def derivative(self, state: np.ndarray, control: np.ndarray) -> np.ndarray:
        """Rate of the state."""
        _, _, yaw, v, steer = state
        turn = v * np.tan(steer) / self.wheelbase_m
        return np.array([v * np.cos(yaw), v * np.sin(yaw), turn, control[0], control[1]])

    def jacobian(self, state: np.ndarray, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Jacobians of the rate by state and input."""
        _, _, yaw, v, steer = state
        A, B = np.zeros((STATES, STATES)), np.zeros((STATES, INPUTS))
        A[0, 2], A[0, 3] = -v * np.sin(yaw), np.cos(yaw)
        A[1, 2], A[1, 3] = v * np.cos(yaw), np.sin(yaw)
        A[2, 3] = np.tan(steer) / self.wheelbase_m
        A[2, 4] = v / (self.wheelbase_m * np.cos(steer) ** 2)
        B[3, 0] = B[4, 1] = 1.0
        return A, B

    def twist(self, state: np.ndarray) -> np.ndarray:
        """Body twist of a state."""
        return np.array([state[3], state[3] * np.tan(state[4]) / self.wheelbase_m])


def step_rk4(
    model, state: np.ndarray, control: np.ndarray, dt_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Integrate one step of the classic Runge-Kutta method and its sensitivities.

    Returns
    -------
    tuple of ndarray
        Next state (5,), its Jacobian by the state (5, 5) and by the input (5, 2), exact
        derivatives of the discrete step.

    """
    weights, offsets = (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0)
    k, K, L = np.zeros(STATES), np.zeros((STATES, STATES)), np.zeros((STATES, INPUTS))
    rate, F, G = np.zeros(STATES), np.zeros((STATES, STATES)), np.zeros((STATES, INPUTS))
    eye = np.eye(STATES)
    for weight, offset in zip(weights, offsets, strict=True):
        h = offset * dt_s
        A, B = model.jacobian(state + h * k, control)
        k = model.derivative(state + h * k, control)
        K, L = A @ (eye + h * K), A @ (h * L) + B
        rate, F, G = rate + weight * k, F + weight * K, G + weight * L
    return state + dt_s * rate, eye + dt_s * F, dt_s * G
