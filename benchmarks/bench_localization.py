"""
Time of the localizer's stages on scans of the example street.

Prints median and worst of many runs beside the deadline; the whole component must stay under 10 %
of a core at 50 Hz with a 10 Hz lidar.
"""

import platform
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.localization.street import ROBOT, Drive, example_street

from lastmile.localization.component import build
from lastmile.localization.config import LocalizationConfig
from lastmile.localization.scan import extract_surfaces, sweep_of
from lastmile.localization.scan_matching import ScanMatcher
from lastmile.maps.likelihood import distance_field

POSE = np.array([-30.0, 4.75, 0.0])


def times_of(work, runs):
    """CPU time of each run [s]."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return np.array(taken)


def show(name, taken, deadline_ms):
    print(
        f"{name:34} median {1e3 * np.median(taken):8.3f} ms  worst {1e3 * taken.max():8.3f} ms  "
        f"deadline {deadline_ms:g} ms"
    )


def time_stages(config):
    site, street = example_street(1, 0.4)
    rng = np.random.default_rng(0)
    cloud = street.cloud(POSE, 0.0, rng)
    lidar, still = ROBOT.mounts["lidar_link"], sweep_of(cloud, lambda stamp_s: np.zeros(3))
    show(
        "scan: surfaces of 32 x 1024",
        times_of(lambda: extract_surfaces(cloud, lidar, still, config.scan), 100),
        10,
    )
    scan = extract_surfaces(cloud, lidar, still, config.scan)
    field = distance_field(site.occupancy, config.matcher.field_limit_m)
    matcher = ScanMatcher(field, config.matcher)
    starts = iter(POSE + rng.uniform(-1, 1, (200, 3)) * [0.3, 0.3, 0.03])
    show("match of a scan", times_of(lambda: matcher.match(scan, next(starts)), 200), 5)


def time_component(config):
    site, street = example_street(1, 0.4)
    part = build(config, SimpleNamespace(site=site, robot=ROBOT))
    drive = Drive(site, street, tuple(POSE), 1)
    taken = []
    for k in range(1500):
        twist = (0.0, 0.0) if k < 300 else (1.2, 0.0)
        for topic, value in drive.tick(twist):
            part.receive(topic, value)
        if k % 2 == 1:
            taken += list(times_of(lambda: part.step(drive.stamp_s), 1))
    show("component step at 50 Hz", np.array(taken), 20)
    print(
        f"{'component, share of a core':34} {100 * sum(taken) / drive.stamp_s:.1f} % (limit 10 %)"
    )


if __name__ == "__main__":
    print(f"{platform.machine()}, Python {platform.python_version()}, CPU time, one thread")
    time_stages(LocalizationConfig())
    time_component(LocalizationConfig())
