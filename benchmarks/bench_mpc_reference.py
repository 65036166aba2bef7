"""
Real-time iterations on the reference problem beside peers from PyPI, and solutions beside IPOPT.

    python -m pip install casadi osqp piqp
    OMP_NUM_THREADS=1 python benchmarks/bench_mpc_reference.py [--reference FILE] [--peers NAME ...]

FILE states the problem, its closed loop and the peers; all of them run in this process, one after
another. CPU is the thread's in the core call, wall the whole Python step.
"""

import argparse
import importlib.util
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from lastmile.planning.config import MpcConfig
from lastmile.planning.mpc import Mpc, MpcProblem, RealTimeMpc

REFERENCE = Path(__file__).parents[2] / "shared" / "bench" / "mpc_reference_ocp.py"
CONFIG = MpcConfig(
    stages=40,
    step_s=0.1,
    weights_state=(10.0, 10.0, 1.0, 1.0, 0.1),
    weights_input=(0.5, 0.1),
    weight_end=5.0,
    slack_quadratic=1e3,
    iterations_max=50,
    tolerance=1e-3,
)
SLACK_LINEAR = 1e3
LOW, HIGH = np.array([-1.0, -2.0, 0.0, -1.5]), np.array([1.0, 2.0, 2.0, 1.5])


class Ours:
    """`RealTimeMpc.step`, call by call, with the clock read around the core."""

    def __init__(self):
        self.mpc = RealTimeMpc(CONFIG, 8, (0.0,), LOW, HIGH)
        self.discs = np.full((CONFIG.stages + 1, 8, 4), SLACK_LINEAR)
        self.residuals, self.iterations = [], []

    def reset(self, _):
        """Start afresh."""
        self.mpc.reset(np.zeros((CONFIG.stages, 2)))
        self.started = False

    def solve(self, state, reference, parameters):
        """Give the first input, whether it was solved, and the time of the core [s]."""
        w, first = self.mpc._w, np.empty(2)
        self.discs[:, :, :3] = parameters.reshape(-1, 8, 3)
        w.set_state(state)
        w.set_reference(reference)
        w.set_discs(self.discs)
        began = time.thread_time()
        solved = w.iterate(
            int(self.started), CONFIG.iterations_max, CONFIG.tolerance, self.started, first
        )
        core_s = time.thread_time() - began
        self.started = True
        self.residuals.append(w.residuals)
        self.iterations.append(w.iterations)
        return first, solved, core_s


def run(name, peer, ref, seeds):
    """Drive all closed loops and print a line; gives median and p99 of the core [us]."""
    ref.closed_loop(peer, 0)
    if isinstance(peer, Ours):
        peer.residuals.clear()
        peer.iterations.clear()
    walls, cores, costs, clearances, failures = [], [], [], [], 0
    for seed in range(seeds):
        wall, core, cost, clearance, fails = ref.closed_loop(peer, seed)
        walls, cores = walls + wall, cores + core
        costs.append(cost)
        clearances.append(clearance)
        failures += fails
    core, wall = 1e6 * np.array(cores), 1e6 * np.array(walls)
    median, p99 = np.percentile(core, [50, 99])
    # Where the machine is loaded, the wall clock of a step has the time of others in it.
    ratio = np.median(wall / core)
    print(
        f"{name:22s} CPU median {median:8.1f} p99 {p99:8.1f} worst {core.max():8.1f} us, "
        f"wall {ratio:5.2f} times that, cost {np.mean(costs):6.1f}, "
        f"clearance {min(clearances):6.3f} m, failures {failures}/{len(core)}",
        flush=True,
    )
    if isinstance(peer, Ours):
        worst = np.array(peer.residuals).max(axis=0)
        print(
            f"{'':22s} iterations median {np.median(peer.iterations):.0f}, "
            f"p99 {np.percentile(peer.iterations, 99):.0f}, worst {max(peer.iterations)}; worst "
            f"stationarity {worst[0]:.1e}, equality {worst[1]:.1e}, "
            f"inequality {worst[2]:.1e}, complementarity {worst[3]:.1e}"
        )
    return median, p99


def compare_with_ipopt(ref, count):
    """Solve random problems to convergence, and let IPOPT go on from there."""
    rng = np.random.default_rng(0)
    config = replace(CONFIG, tolerance=1e-6, iterations_max=100)
    mpc, options = Mpc(config, 8, (0.0,)), {**ref.IP, "ipopt": {**ref.IP["ipopt"], "tol": 1e-7}}
    ipopt = ref.CasadiPeer("ipopt", options)
    bounds = {k: ipopt.b[k] for k in ("lbg", "ubg")}
    excess, moved, unsolved = [], [], 0
    for i in range(count):
        start_s = rng.uniform(0.0, 18.0)
        reference, parameters = ref.params(start_s, ref.obstacles(1000 + i))
        state = reference[0] + rng.normal(0.0, [0.2, 0.2, 0.1, 0.1, 0.1])
        state[3:] = np.clip(state[3:], [0.0, -1.4], [1.9, 1.4])
        discs = np.full((config.stages + 1, 8, 4), SLACK_LINEAR)
        discs[:, :, :3] = parameters.reshape(-1, 8, 3)
        problem = MpcProblem(state, reference, discs, None, LOW, HIGH)
        solution = mpc.solve(problem, np.zeros((config.stages, 2)), sqp_steps=50)
        for _ in range(100):
            better = mpc.solve(problem, solution.inputs, sqp_steps=50, duals=solution.duals)
            gain, solution = solution.cost - better.cost, better
            if gain < 1e-7 * better.cost:
                break
        w = np.zeros(ipopt.b["n"])
        for k, (ix, iu, isl) in enumerate(ipopt.b["idx"]):
            w[ix : ix + 5] = solution.states[k]
            if k < config.stages:
                w[iu : iu + 2] = solution.inputs[k]
            if k > 0:
                away = solution.states[k, :2] - discs[k, :, :2]
                depth = discs[k, :, 2] - np.sqrt((away**2).sum(axis=1) + 1e-6)
                w[isl : isl + 8] = np.maximum(depth, 0.0)
        p = np.concatenate([state, reference.ravel(), parameters.ravel()])
        found = ipopt.S(x0=w, p=p, lbx=ipopt.b["lbw"], ubx=ipopt.b["ubw"], **bounds)
        if not ipopt.S.stats()["success"]:
            unsolved += 1
            continue
        z = np.array(found["x"]).ravel()
        inputs = np.array([z[iu : iu + 2] for _, iu, _ in ipopt.b["idx"][:-1]])
        excess.append(solution.cost / float(found["f"]) - 1.0)
        moved.append(np.abs(inputs - solution.inputs).max())
    excess, moved = np.array(excess), np.array(moved)
    print(
        f"IPOPT from our solutions of {count} random problems ({unsolved} it did not solve): "
        f"our cost is above its by {np.median(excess):.1e} (median), "
        f"{np.percentile(excess, 99):.1e} (p99), {excess.max():.1e} (worst) of itself; "
        f"inputs differ by {np.median(moved):.1e} (median), "
        f"{np.percentile(moved, 90):.1e} (p90)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    parser.add_argument("--peers", nargs="*", default=["rti_piqp_sparse_ldl"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ipopt", type=int, default=100, help="problems to compare with IPOPT")
    options = parser.parse_args()
    missing = [name for name in ("casadi", "piqp") if importlib.util.find_spec(name) is None]
    if missing or not options.reference.exists():
        print(f"left out: {' and '.join(missing) or options.reference} not there")
        return
    spec = importlib.util.spec_from_file_location("reference_ocp", options.reference)
    ref = sys.modules["reference_ocp"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ref)
    os.makedirs(ref.OUT, exist_ok=True)
    print(f"machine: {platform.machine()}, Python {platform.python_version()}")
    median, p99 = run("lastmile", Ours(), ref, options.seeds)
    for name in options.peers:
        theirs = run(name, ref.PEERS[name](), ref, options.seeds)
        print(
            f"{'':22s} {theirs[0] / median:.0f} times our median, {theirs[1] / p99:.0f} times p99"
        )
    run("lastmile, once more", Ours(), ref, options.seeds)
    if options.ipopt:
        compare_with_ipopt(ref, options.ipopt)


if __name__ == "__main__":
    main()
