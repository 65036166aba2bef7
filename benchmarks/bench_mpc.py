"""Time of one controller solve: 40 stages, two robot discs, eight moving discs, a wall."""

import platform
import time

import numpy as np

from lastmile.geometry.grid import ClearanceField
from lastmile.planning.config import MpcConfig
from lastmile.planning.mpc import Mpc, MpcProblem

RUNS = 300
DEADLINE_S = 0.005
LOW, HIGH = np.array([-1.5, -2.2, 0.0, -1.3]), np.array([1.0, 2.2, 1.8, 1.3])


def random_problem(config, rng):
    """Draw a way of 1.4 m/s among discs, beside a wall."""
    n = config.stages + 1
    times = config.step_s * np.arange(n)
    reference = np.zeros((n, 5))
    reference[:, 0], reference[:, 3] = 1.4 * times, 1.4
    discs = np.zeros((n, 8, 4))
    velocity = rng.uniform(-1.0, 1.0, (8, 2))
    start = np.stack([rng.uniform(1.0, 6.0, 8), rng.uniform(-2.5, 2.5, 8)], axis=-1)
    discs[..., :2] = start + times[:, None, None] * velocity
    discs[..., 2], discs[..., 3] = 0.9, 60.0
    y = np.arange(200) * 0.1 - 9.95
    wall = np.repeat((1.5 - y)[:, None], 200, axis=1).astype(np.float32)
    field = ClearanceField(np.clip(wall, -5.0, 5.0), np.array([-10.0, -10.0]), 0.1)
    state = np.array([0.0, 0.0, rng.uniform(-0.2, 0.2), rng.uniform(0.0, 1.4), 0.0])
    return MpcProblem(state, reference, discs, field, LOW, HIGH)


def main():
    config = MpcConfig()
    mpc = Mpc(config, 8, (-0.175, 0.175))
    rng = np.random.default_rng(0)
    problems = [random_problem(config, rng) for _ in range(RUNS)]
    guess = np.zeros((config.stages, 2))
    print(f"machine: {platform.machine()}, Python {platform.python_version()}")
    for steps in (1, config.sqp_steps, 10):
        times, iterations, solved = [], [], 0
        for problem in problems:
            began = time.thread_time()
            solution = mpc.solve(problem, guess, sqp_steps=steps)
            times.append(time.thread_time() - began)
            iterations.append(solution.iterations)
            solved += solution.solved
        ms = 1e3 * np.array(times)
        print(
            f"{steps:2d} SQP steps: median {np.median(ms):.2f} ms, "
            f"p99 {np.percentile(ms, 99):.2f}, "
            f"worst {ms.max():.2f} (deadline {1e3 * DEADLINE_S:.0f} ms), interior point "
            f"iterations {np.median(iterations):.0f}, solved {solved}/{RUNS}"
        )


if __name__ == "__main__":
    main()
