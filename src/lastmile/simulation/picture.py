"""Top view of a moment of the simulated world, as a PNG, for looking at what goes on."""

from __future__ import annotations

from pathlib import Path

import matplotlib.figure
import numpy as np
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection

from lastmile.geometry import se2
from lastmile.simulation.world import World
from lastmile.types import PointGrid

COLOURS = {
    "building": "#c9c2b8",
    "locker": "#e08a2e",
    "parked": "#8f9aa6",
    "tree": "#7aa874",
    "carriageway": "#dcdfe3",
    "ramp": "#f3d9a4",
    "network": "#8fb5d9",
    "person": "#c0392b",
    "ignoring": "#7d1d6f",
    "vehicle": "#2c3e50",
    "robot": "#1f7a4d",
}


def draw_moment(
    world: World, path: Path | str, turn: PointGrid | None = None, half_m: float = 40.0
) -> None:
    """
    Draw map, world, people, vehicles, robot and, if given, a lidar turn.

    Parameters
    ----------
    world : World
        The world as it is now.
    path : Path
        Where the PNG goes.
    turn : PointGrid, optional
        A lidar turn; its points are drawn from the robot's pose now.
    half_m : float
        Half the side of the picture.

    """
    pose = world.motion.pose_map_base
    figure = matplotlib.figure.Figure(figsize=(9, 9), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    window = shapely.box(*(pose[:2] - half_m), *(pose[:2] + half_m))
    ground, things = world.town.streets.ground, world.town.streets.things
    _fill(axes, ground.carriageway.intersection(window), COLOURS["carriageway"], 0)
    _fill(axes, ground.ramps.intersection(window), COLOURS["ramp"], 1)
    for thing in things:
        if thing.outline.intersects(window):
            kind = thing.name.split()[0]
            _fill(axes, thing.outline, COLOURS.get(kind, "#a07850"), 2)
    _draw_map(axes, world, window)
    if turn is not None:
        points = turn.points.reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)].astype(float)
        world_points = se2.transform(pose, points[:, :2])
        high = points[:, 2] > -0.95
        for shown, colour in ((~high, "#6aa0ff"), (high, "#0b3fb3")):
            axes.plot(*world_points[shown].T, ",", color=colour, alpha=0.6, zorder=5)
    _draw_movers(axes, world)
    axes.set(
        xlim=(pose[0] - half_m, pose[0] + half_m),
        ylim=(pose[1] - half_m, pose[1] + half_m),
        aspect="equal",
        xlabel="x in map [m]",
        ylabel="y in map [m]",
        title=f"{world.site.name}, {world.stamp_s:.1f} s; people red, ignoring ones purple",
    )
    figure.tight_layout()
    figure.savefig(path)


def _fill(axes, geometry: shapely.Geometry, colour: str, order: int) -> None:
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon"]
    rings = [np.asarray(p.exterior.coords) for p in parts]
    axes.add_collection(PolyCollection(rings, facecolor=colour, edgecolor="none", zorder=order))
    holes = [np.asarray(ring.coords) for p in parts for ring in p.interiors]
    axes.add_collection(PolyCollection(holes, facecolor="white", zorder=order))


def _draw_map(axes, world: World, window: shapely.Geometry) -> None:
    """Draw what the map says: network lines, route, outlines of buildings."""
    for edge in world.site.edges:
        if shapely.LineString(edge.points).intersects(window):
            axes.plot(*edge.points.T, "-", color=COLOURS["network"], lw=1.0, zorder=3)
    if world.town.route is not None:
        axes.plot(*world.town.route.points.T, "--", color=COLOURS["robot"], lw=1.0, zorder=3)
    for footprint in world.site.footprints:
        if footprint.kind == "building" and len(footprint.points) > 2:
            ring = np.vstack([footprint.points, footprint.points[:1]])
            if shapely.LineString(ring).intersects(window):
                axes.plot(*ring.T, "-", color="#6b5f50", lw=0.6, zorder=3)


def _draw_movers(axes, world: World) -> None:
    pose = world.motion.pose_map_base
    outline = se2.transform(pose, world.robot.footprint)
    axes.fill(*outline.T, color=COLOURS["robot"], zorder=8)
    nose = se2.transform(pose, np.array([[0.0, 0.0], [0.9, 0.0]]))
    axes.plot(*nose.T, "-", color=COLOURS["robot"], zorder=8)
    people = world.town.people
    for ignoring, kind in ((False, "person"), (True, "ignoring")):
        chosen = people.ignoring == ignoring
        axes.scatter(*people.positions[chosen].T, s=18, color=COLOURS[kind], zorder=7)
        ends = people.positions[chosen] + people.velocities[chosen]
        for a, b in zip(people.positions[chosen], ends, strict=True):
            axes.plot([a[0], b[0]], [a[1], b[1]], "-", color=COLOURS[kind], lw=0.8, zorder=7)
    for vehicle in world.town.traffic.vehicles:
        half = 0.5 * np.array([vehicle.length, vehicle.width])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        outline = se2.transform(vehicle.pose, corners)
        axes.fill(*outline.T, color=COLOURS["vehicle"], zorder=6)
