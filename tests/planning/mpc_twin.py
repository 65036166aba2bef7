"""The controller's quadratic problem in plain NumPy: dense, slow, easy to read."""

from __future__ import annotations

import numpy as np
from tests.planning.motion_twin import step_rk4


def clearance_rows(config, problem, robot_discs_m, k, state):
    """Values (R,), gradients (R, 5) and slack weights (R,) of the soft rows of stage k."""
    values, gradients, weights = [], [], []
    for offset in robot_discs_m:
        arm = offset * np.array([np.cos(state[2]), np.sin(state[2])])
        point = state[:2] + arm
        turned = np.array([-arm[1], arm[0]])
        for x, y, radius, weight in problem.discs[k]:
            if weight <= 0.0:
                continue
            away = point - [x, y]
            distance = np.sqrt(away @ away + 1e-6)
            n = away / distance
            values.append(distance - radius)
            gradients.append([n[0], n[1], n @ turned, 0.0, 0.0])
            weights.append(weight)
        if problem.field is not None:
            field = problem.field
            value = field.sample(point, np.inf)
            if np.isfinite(value):
                n = bilinear_gradient(field, point)
                values.append(value - config.field_distance_m)
                gradients.append([n[0], n[1], n @ turned, 0.0, 0.0])
                weights.append(config.slack_field)
    return np.array(values), np.array(gradients).reshape(-1, 5), np.array(weights)


def optimality(model, config, problem, states, inputs, robot_discs_m, solution):
    """
    Residuals of a solution of the problem linearised about a trajectory.

    `solution` holds steps (N + 1, 5) and (N, 2), and the kernel's duals of bounds and soft rows.
    Gives stationarity, equality, inequality and complementarity, each the largest absolute entry;
    slacks are what the rows lack, and their duals what stationarity by the slack leaves.
    """
    dx, du, bounds, rows = solution
    n, pi = len(inputs), np.zeros(5)
    stationarity, equality, inequality, complementarity = [], [], [], []
    for k in range(n, -1, -1):
        Q = np.array(config.weights_state) * (config.weight_end if k == n else 1.0)
        by_state = Q * (states[k] + dx[k] - problem.reference[k])
        if k > 0:
            g, G, weights = clearance_rows(config, problem, robot_discs_m, k, states[k])
            present = np.tile(np.append(problem.discs[k, :, 3] > 0.0, True), len(robot_discs_m))
            lam, value = rows[k][present], g + G @ dx[k]
            slack = np.maximum(-value, 0.0)
            nu = weights + config.slack_quadratic * slack - lam
            by_state -= G.T @ lam
            inequality += [np.maximum(-nu, 0.0)]
            complementarity += [lam * (value + slack), nu * slack]
            speeds = states[k][3:] + dx[k][3:]
            low, high = bounds[k - 1, 2:4], bounds[k - 1, 6:8]
            by_state[3:] -= low - high
            above, below = speeds - problem.low[2:], problem.high[2:] - speeds
            inequality += [np.maximum(-above, 0.0), np.maximum(-below, 0.0)]
            complementarity += [low * above, high * below]
        if k < n:
            _, A, B = step_rk4(model, states[k], inputs[k], config.step_s)
            equality.append(A @ dx[k] + B @ du[k] - dx[k + 1])
            u, low, high = inputs[k] + du[k], bounds[k, :2], bounds[k, 4:6]
            stationarity.append(np.array(config.weights_input) * u - low + high + B.T @ pi)
            above, below = u - problem.low[:2], problem.high[:2] - u
            inequality += [np.maximum(-above, 0.0), np.maximum(-below, 0.0)]
            complementarity += [low * above, high * below]
            by_state += A.T @ pi
        pi = by_state
    parts = (stationarity, equality, inequality, complementarity)
    return [max(np.abs(entry).max(initial=0.0) for entry in part) for part in parts]


def bilinear_gradient(field, point):
    (j, a), (i, b) = (divmod(f, 1.0) for f in (point - field.origin) / field.resolution_m - 0.5)
    j, i, d = int(j), int(i), field.distance_m.astype(float)
    gx = (1 - b) * (d[i, j + 1] - d[i, j]) + b * (d[i + 1, j + 1] - d[i + 1, j])
    gy = (1 - a) * (d[i + 1, j] - d[i, j]) + a * (d[i + 1, j + 1] - d[i, j + 1])
    return np.array([gx, gy]) / field.resolution_m


def solve_qp(model, config, problem, states, inputs, robot_discs_m):
    """Solve the problem linearised about a trajectory: steps (N + 1, 5) and (N, 2)."""
    n = len(inputs)
    # Condense: every state step is a linear map of all input steps.
    M = np.zeros((n + 1, 5, 2 * n))
    for k in range(n):
        _, A, B = step_rk4(model, states[k], inputs[k], config.step_s)
        M[k + 1] = A @ M[k]
        M[k + 1][:, 2 * k : 2 * k + 2] += B
    H = np.kron(np.eye(n), np.diag(config.weights_input))
    h = (inputs * config.weights_input).ravel()
    C, c, soft, linear = [], [], [], []
    for k in range(n + 1):
        Q = np.diag(config.weights_state) * (config.weight_end if k == n else 1.0)
        H += M[k].T @ Q @ M[k]
        h += M[k].T @ Q @ (states[k] - problem.reference[k])
        if k < n:
            E = np.zeros((2, 2 * n))
            E[:, 2 * k : 2 * k + 2] = np.eye(2)
            C += [E, -E]
            c += [inputs[k] - problem.low[:2], problem.high[:2] - inputs[k]]
            soft += [0] * 4
            linear += [0.0] * 4
        if k == 0:
            continue
        C += [M[k][3:], -M[k][3:]]
        c += [states[k][3:] - problem.low[2:], problem.high[2:] - states[k][3:]]
        soft += [0] * 4
        linear += [0.0] * 4
        g, G, weights = clearance_rows(config, problem, robot_discs_m, k, states[k])
        C.append(G @ M[k])
        c.append(g)
        soft += [1] * len(g)
        linear += list(weights)
    C, c = np.concatenate(C), np.concatenate(c)
    du = _interior_point(H, h, C, c, np.array(soft, bool), np.array(linear), config)
    return np.stack([M[k] @ du for k in range(n + 1)]), du.reshape(n, 2)


def _interior_point(H, h, C, c, soft, linear, config):
    """
    Minimise 1/2 z'Hz + h'z + slack costs subject to Cz + c + s >= 0, s >= 0 for the soft rows.

    Slacks are kept as variables here; a path-following method with a fixed centring.
    """
    n, index = len(h), np.flatnonzero(soft)
    m = len(index)
    E = np.zeros((len(c), m))
    E[index, np.arange(m)] = 1.0
    A = np.block([[C, E], [np.zeros((m, n)), np.eye(m)]])
    a = np.concatenate([c, np.zeros(m)])
    P = np.zeros((n + m, n + m))
    P[:n, :n] = H
    P[n:, n:] = config.slack_quadratic * np.eye(m)
    p = np.concatenate([h, linear[index]])
    z = np.concatenate([np.zeros(n), np.maximum(-c[index], 0.0) + 1.0])
    t = np.maximum(A @ z + a, 1.0)
    lam = np.ones(len(a))
    for _ in range(200):
        gradient, gap, mu = P @ z + p - A.T @ lam, A @ z + a - t, t @ lam / len(t)
        if max(np.abs(gradient).max(), np.abs(gap).max(), mu) < 1e-9:
            break
        W = lam / t
        rc = t * lam - 0.1 * mu
        dz = np.linalg.solve(P + A.T * W @ A, -gradient - A.T @ (rc / t + W * gap))
        dt = A @ dz + gap
        dlam = -(rc + lam * dt) / t
        ratios = np.concatenate([-t[dt < 0] / dt[dt < 0], -lam[dlam < 0] / dlam[dlam < 0], [1.0]])
        step = min(1.0, 0.99 * ratios.min())
        z, t, lam = z + step * dz, t + step * dt, lam + step * dlam
    return z[:n]
