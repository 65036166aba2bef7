"""Lidar maps made from drives, simulated or recorded, and written as site bundles."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lastmile.errors import UserError
from lastmile.localization.mapping import LidarMapper
from lastmile.maps.bundle import write_site
from lastmile.maps.site import Site
from lastmile.stack.build import read_node_config
from lastmile.stack.table import NODES
from lastmile.vehicle.description import RobotDescription

TOPICS = ("lidar/points", "gnss/fix", "odometry", "localization/status", "markers")
"""What a map is made from."""
LONGEST_STEP_M = 1.0
"""Keyframes further apart than this overlap too little where the street is narrow."""


def drive_mapper(site: Site, robot: RobotDescription, config_dir: Path | None) -> LidarMapper:
    """Make a mapper with the parameters of the localization node."""
    config = read_node_config(NODES["localization"], config_dir)
    return LidarMapper(config, site, robot.mounts)


def save_lidar_map(mapper: LidarMapper, site: Site, directory: Path) -> str:
    """
    Write the site with the map of a drive in place of its own; tell how it went.

    Raises
    ------
    UserError
        If the drive gave too few scans, or the directory cannot be written.

    """
    try:
        made = mapper.build()
        write_site(dataclasses.replace(site, occupancy=made.occupancy), directory)
    except OSError as error:
        raise UserError(f"{directory}: cannot be written: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"no map was made: {error}") from error
    rows, columns = made.occupancy.cells.shape
    side_m = made.occupancy.resolution_m
    lines = [
        f"wrote {directory}: {columns * side_m:.0f} x {rows * side_m:.0f} m about the drive, from "
        f"{len(made.stamps_s)} scans {made.step_m:.2f} m apart; anchors: {made.anchors}, "
        f"loops: {made.loops}, largest correction {made.largest_correction_m:.2f} m"
    ]
    if not made.anchors:
        lines.append("no locker's markers were seen: the map may be off as the drive's poses were")
    if made.step_m > LONGEST_STEP_M:
        lines.append(
            f"scans are {made.step_m:.2f} m apart, {LONGEST_STEP_M:g} m or less are wanted: record "
            "with lidar_every 3 or less, or drive slower"
        )
    return "\n".join(lines)
