"""Where things are when a run begins: the robot, its goal, its parcels."""

from __future__ import annotations

import numpy as np
import shapely

from lastmile.config import ConfigError
from lastmile.geometry import se2
from lastmile.maps.site import Locker, Site
from lastmile.simulation.network import Network, Walk
from lastmile.simulation.scenario import Scenario

MARGIN_M = 130.0


def start_pose(site: Site, network: Network, scenario: Scenario) -> np.ndarray:
    """Pose (3,) at which the robot starts: as given, or on the network near a locker."""
    if scenario.start_pose:
        return np.array(scenario.start_pose)
    if not site.lockers:
        raise ValueError(f"site {site.name!r} has no lockers and the scenario no start_pose")
    locker = find_locker(site, scenario.start or site.lockers[0].id)
    goal = find_locker(site, scenario.goal or site.lockers[-1].id)
    way = network.way(before_locker(locker), before_locker(goal))
    place = min(round(scenario.start_distance_m), len(way.points) - 2)
    while way.crossing[place] and place > 1:
        place -= 1
    ahead = way.points[max(0, place - 1)] - way.points[place]
    return np.array([*way.points[place], np.arctan2(ahead[1], ahead[0])])


def expected_route(
    site: Site, network: Network, scenario: Scenario, start: np.ndarray
) -> Walk | None:
    """Shortest way from the start to the goal, for people to meet the robot on; None without."""
    if len(site.lockers) == 0:
        return None
    goal = find_locker(site, scenario.goal or site.lockers[-1].id)
    return network.way(start, before_locker(goal))


def find_locker(site: Site, locker_id: str) -> Locker:
    """Look a locker up by id; ConfigError for one that the site lacks."""
    for locker in site.lockers:
        if locker.id == locker_id:
            return locker
    known = ", ".join(locker.id for locker in site.lockers)
    raise ConfigError(f"locker {locker_id!r} is not at site {site.name}: {known}")


def before_locker(locker: Locker) -> np.ndarray:
    """Place 1.5 m in front of a locker."""
    return se2.compose(locker.pose_map_port, np.array([1.5, 0.0, 0.0]))[:2]


def parcel_placements(site: Site, scenario: Scenario) -> dict[str, tuple[str, str]]:
    """Locker and compartment ids by parcel id; the start's first compartment unless said."""
    if not site.lockers:
        return {}
    placements = {}
    for parcel in scenario.parcels:
        locker = find_locker(site, parcel.locker or scenario.start or site.lockers[0].id)
        compartment = parcel.compartment or locker.compartments[0].id
        placements[parcel.id] = (locker.id, compartment)
    return placements


def world_extent(site: Site) -> tuple[float, float, float, float]:
    """Bounds of the ground: those of the site and a margin as far as the lidar sees."""
    parts = [site.nodes, *(f.points for f in site.footprints), *(e.points for e in site.edges)]
    bounds = shapely.total_bounds(shapely.multipoints(np.concatenate(parts)))
    return tuple(bounds + MARGIN_M * np.array([-1.0, -1.0, 1.0, 1.0]))
