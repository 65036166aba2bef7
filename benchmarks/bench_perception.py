"""
CPU time of the perception chain per scan, on a street scene of 32 x 1024 lidar points.

Median and worst of many scans on one thread, stage by stage, beside the deadline.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.perception import scenes

from lastmile.perception.clusters import find_clusters
from lastmile.perception.config import PerceptionConfig
from lastmile.perception.ground import find_ground
from lastmile.perception.pipeline import Pipeline
from lastmile.perception.sweep import make_sweep

SCANS = 100
DEADLINE_MS = 12.0
FRAMES = ("depth_front_optical_frame", "depth_rear_optical_frame")


def street(t):
    rng = np.random.default_rng(8)
    walkers = [
        scenes.Cylinder(x + v * t, y, 0.22, 1.7)
        for x, y, v in zip(
            rng.uniform(-15, 20, 25), rng.uniform(-2, 2, 25), rng.normal(0, 1.2, 25), strict=True
        )
        if np.hypot(x + v * t, y) > 1.0
    ]
    cars = [scenes.Box(x, 5.5, 4.5, 1.8, 1.45) for x in range(-30, 60, 12)]
    poles = [scenes.Cylinder(x, 1.4, 0.08, 5.0) for x in range(-20, 40, 8)]
    walls = [scenes.Box(0, -4, 200, 0.3, 15), scenes.Box(0, 14, 200, 0.3, 15)]
    curb = scenes.Step((0.0, 1.0), 2.5, -0.12)
    return scenes.Scene(things=(*walkers, *cars, *poles, *walls), steps=(curb,))


def recordings():
    rng = np.random.default_rng(1)
    for k in range(12):
        t = 0.1 * k
        pose = (1.2 * t, 0.0, 0.0)
        scene = street(t)
        lidar = scenes.scan(scene, pose, "lidar_link", t, rng)
        depths = [scenes.scan(scene, pose, frame, t, rng, noise=0.004) for frame in FRAMES]
        yield t, np.array(pose), lidar, depths


def milliseconds(work):
    start = time.thread_time()
    out = work()
    return 1e3 * (time.thread_time() - start), out


def main():
    config = PerceptionConfig()
    robot = scenes.Robot()
    recorded = list(recordings())
    times = {"sweep": [], "ground": [], "clusters": [], "whole chain": []}
    for n in range(SCANS):
        if n % len(recorded) == 0:
            pipeline = Pipeline(config, robot)
        t, pose, lidar, depths = recorded[n % len(recorded)]
        mount = scenes.MOUNTS["lidar_link"]
        twist = np.array([1.2, 0.0])
        spent, made = milliseconds(
            lambda: make_sweep(lidar, mount, twist, scenes.FOOTPRINT, config.input, True)  # noqa: B023
        )
        times["sweep"].append(spent)
        spent, terrain = milliseconds(lambda: find_ground(made, config.ground, 7.0))  # noqa: B023
        times["ground"].append(spent)
        spent, _ = milliseconds(lambda: find_clusters([(made, terrain)], config.clusters))  # noqa: B023
        times["clusters"].append(spent)
        spent, _ = milliseconds(
            lambda: (pipeline.update(t, lidar, depths, pose, twist), pipeline.obstacles(t))  # noqa: B023
        )
        times["whole chain"].append(spent)
    print(f"{SCANS} scans of 32 x 1024 and two depth images, CPU time on one thread")
    for stage, spent in times.items():
        line = f"{stage:12s} median {np.median(spent):6.2f} ms   worst {np.max(spent):6.2f} ms"
        print(line + (f"   deadline {DEADLINE_MS:g} ms" if stage == "whole chain" else ""))


if __name__ == "__main__":
    main()
