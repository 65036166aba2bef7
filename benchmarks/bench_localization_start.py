"""
How soon and how rightly the localizer starts, at random places of Helsinki's routes.

The robot stands among people and traffic, switched on without a word on where it is. Prints each
place, then the share that may move within 10 s, and of these how many were wrong (over 2 m or 10
degrees off), apart for those that were told as certain (tracking). A place takes about 20 s of CPU:

    python benchmarks/bench_localization_start.py [places] [first]
"""

import sys
from types import SimpleNamespace

import numpy as np

from lastmile.geometry.se2 import between
from lastmile.localization.component import build
from lastmile.localization.config import LocalizationConfig
from lastmile.maps.bundle import read_site
from lastmile.share import find_share, find_site
from lastmile.simulation.beginning import before_locker
from lastmile.simulation.network import Network
from lastmile.simulation.scenario import PeopleScenario, Scenario, TrafficScenario
from lastmile.simulation.world import World
from lastmile.types import LocalizationState, PoseEstimate
from lastmile.vehicle.description import read_robot

LIMIT_S = 10.0
WRONG_M, WRONG_RAD = 2.0, np.deg2rad(10.0)
FIT = (LocalizationState.TRACKING, LocalizationState.DEGRADED)


def random_pose(site, network, rng):
    """Draw a pose on the way between two random lockers, roughly along it."""
    start, goal = rng.choice(len(site.lockers), 2, replace=False)
    way = network.way(before_locker(site.lockers[start]), before_locker(site.lockers[goal])).points
    i = rng.integers(2, len(way) - 3)
    ahead = way[i + 1] - way[i]
    yaw = np.arctan2(ahead[1], ahead[0]) + rng.normal(0.0, 0.3)
    return tuple(float(v) for v in (*way[i], yaw))


def start_at(site, robot, pose, seed):
    """Stand at a pose; tell each status that lets the robot move, with its errors."""
    scenario = Scenario(
        site=site.name,
        seed=seed,
        start_pose=pose,
        people=PeopleScenario(count=25),
        traffic=TrafficScenario(cars=8, cyclists=3),
    )
    world = World(site, robot, scenario, np.random.default_rng(seed))
    part = build(LocalizationConfig(), SimpleNamespace(site=site, robot=robot))
    topics, told = ("imu", "wheel/odometry", "gnss/fix", "lidar/points"), []
    while world.stamp_s < LIMIT_S:
        for topic, value in world.step():
            if topic in topics:
                part.receive(topic, value)
        for _, value in part.step(world.stamp_s):
            if isinstance(value, PoseEstimate) and value.state in FIT:
                off = between(world.ground_truth().pose_map_base, value.pose_map_base)
                told.append((value.stamp_s, value.state, np.hypot(*off[:2]), abs(off[2])))
    return told


def is_wrong(entry):
    return entry[2] > WRONG_M or entry[3] > WRONG_RAD


def main(places, first):
    site = read_site(find_site("helsinki"))
    robot, network = read_robot(find_share("sim/robot/lastmile.urdf")), Network(site)
    started, certain, wrong, wrong_certain = [], 0, 0, 0
    for k in range(first, first + places):
        pose = random_pose(site, network, np.random.default_rng(900 + k))
        told = start_at(site, robot, pose, 100 + k)
        if not told:
            print(f"place {k}: not started")
            continue
        sure = [entry for entry in told if entry[1] is LocalizationState.TRACKING]
        started.append(told[0][0])
        certain += bool(sure)
        wrong += any(map(is_wrong, told))
        wrong_certain += any(map(is_wrong, sure))
        print(
            f"place {k}: may move at {told[0][0]:.1f} s, "
            f"certain {f'at {sure[0][0]:.1f} s' if sure else 'not yet'}, at the end "
            f"{told[-1][2]:.2f} m and {np.rad2deg(told[-1][3]):.1f} degrees off",
            flush=True,
        )
    print(f"may move within {LIMIT_S:g} s: {len(started)} of {places}", end="")
    print(f", median at {np.median(started):.1f} s" if started else "")
    print(f"certain within {LIMIT_S:g} s: {certain}")
    print(f"wrong: {wrong}, of these told as certain: {wrong_certain}")


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    main(*(words + [6, 0][len(words) :]))
