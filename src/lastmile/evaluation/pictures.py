"""Pictures of a run for its report, drawn with matplotlib without a display."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke

from lastmile.evaluation.encounters import is_moving, person_distances
from lastmile.evaluation.metrics import localization_errors
from lastmile.evaluation.run_log import RunLog
from lastmile.maps.site import Locker, Site
from lastmile.types import EdgeKind, SafetyLevel
from lastmile.vehicle.description import RobotDescription

MARGIN_M = 25.0
COLOURS = {
    EdgeKind.SIDEWALK: "#8fb3d9",
    EdgeKind.FOOTWAY: "#8fb3d9",
    EdgeKind.PATH: "#a8c79a",
    EdgeKind.SERVICE: "#c9b79c",
    EdgeKind.CROSSING: "#d98f8f",
}


def draw_map(log: RunLog, site: Site, robot: RobotDescription) -> Figure:
    """Draw the site around the drive, planned and driven path, encounters and contacts."""
    truth = log.truth_poses()
    low = truth[:, 1:3].min(axis=0) - MARGIN_M
    high = truth[:, 1:3].max(axis=0) + MARGIN_M
    width, height = high - low
    # Wide enough for the scale at the side, high enough for the map and no more.
    figure, axes = plt.subplots(
        figsize=(11, float(np.clip(9.5 * height / width + 0.6, 3.5, 11))), layout="constrained"
    )
    _draw_site(axes, site)
    for entry in log.routes:
        axes.plot(*entry.value.points.T, color="#3060a0", lw=5, alpha=0.25, label="route")
    for entry in log.plans_map:
        axes.plot(*entry.value.T, color="#e08020", lw=2.5, alpha=0.4, label="planned, each second")
    axes.plot(truth[:, 1], truth[:, 2], color="#106030", lw=1.2, label="driven (truth)")
    axes.plot(*truth[0, 1:3], "o", color="#106030", ms=6, label="start")
    _draw_encounters(axes, log, robot)
    for locker in site.lockers:
        if (low < locker.pose_map_port[:2]).all() and (locker.pose_map_port[:2] < high).all():
            _draw_locker(axes, locker)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="east [m]", ylabel="north [m]")
    axes.set_aspect("equal")
    _legend_once(axes)
    return figure


def _draw_locker(axes: plt.Axes, locker: Locker) -> None:
    place = locker.pose_map_port[:2]
    axes.plot(*place, "s", color="#702090", ms=7, zorder=5)
    text = axes.annotate(
        locker.name, place, xytext=(7, 7), textcoords="offset points", fontsize=9, zorder=5
    )
    text.set(color="#702090", path_effects=[withStroke(linewidth=2.5, foreground="white")])


def draw_speed(log: RunLog) -> Figure:
    """Draw commanded and true speed, with the times when the gate braked."""
    figure, axes = plt.subplots(figsize=(11, 2.6), layout="constrained")
    truth = log.truth_poses()
    if log.commands:
        commands = np.array([[c.stamp_s, c.speed_mps] for c in log.commands])
        axes.plot(*commands.T, color="#e08020", lw=0.8, label="commanded")
    axes.plot(
        truth[:, 0], [t.twist_base[0] for t in log.truth], color="#106030", lw=1, label="true"
    )
    ends = [entry.stamp_s for entry in log.safety[1:]] + [truth[-1, 0]]
    for entry, end in zip(log.safety, ends, strict=False):
        if entry.value.level in (SafetyLevel.BRAKE, SafetyLevel.EMERGENCY):
            axes.axvspan(entry.stamp_s, end, color="#c03030", alpha=0.2, label="gate brakes")
    axes.set(xlabel="time [s]", ylabel="speed [m/s]")
    _legend_once(axes)
    return figure


def draw_clearance(log: RunLog, robot: RobotDescription) -> Figure:
    """Draw the gap to the nearest person and to anything, moving or not."""
    figure, axes = plt.subplots(figsize=(11, 2.6), layout="constrained")
    stamps = [t.stamp_s for t in log.truth]
    axes.plot(stamps, [min(t.clearance_m, 5.0) for t in log.truth], color="#808080", lw=0.8)
    axes.plot(stamps, [min(t.clearance_people_m, 5.0) for t in log.truth], color="#3060a0", lw=1)
    moving = np.array([is_moving(t, robot.footprint) for t in log.truth])
    axes.fill_between(stamps, 0, 5, where=moving, color="#106030", alpha=0.06)
    axes.axhline(0.3, color="#c03030", lw=0.8, ls="--")
    axes.legend(["anything", "people", "robot moves", "0.3 m"], loc="upper right", fontsize=8)
    axes.set(xlabel="time [s]", ylabel="gap [m]", ylim=(0, 5))
    return figure


def draw_localization(log: RunLog) -> Figure:
    """Draw the error of the pose estimate against the truth, and its protection level."""
    figure, axes = plt.subplots(figsize=(11, 2.6), layout="constrained")
    stamps, position, yaw, _ = localization_errors(log)
    levels = [np.hypot(p.protection_along_m, p.protection_lateral_m) for p in log.poses]
    axes.plot(stamps, position, color="#3060a0", lw=1, label="position error [m]")
    axes.plot(
        log.estimated_poses()[:, 0], levels, color="#a0a0a0", lw=0.8, label="protection level [m]"
    )
    axes.plot(stamps, np.degrees(yaw) / 10, color="#e08020", lw=0.8, label="yaw error [10 deg]")
    # The search at the start is off by metres; what is of interest comes after it.
    usual = float(np.quantile(position, 0.98)) if len(position) else 0.0
    axes.set(xlabel="time [s]", ylim=(0, max(1.0, 1.5 * usual)))
    axes.legend(loc="upper right", fontsize=8)
    return figure


def _draw_site(axes: plt.Axes, site: Site) -> None:
    for road in site.roads:
        axes.plot(*road.points.T, color="#d8d8d8", lw=5, solid_capstyle="round", zorder=0)
    for footprint in site.footprints:
        if footprint.kind == "building":
            axes.add_patch(Polygon(footprint.points, color="#b9b2aa", zorder=0.5))
        elif not footprint.closed and len(footprint.points) > 1 and footprint.kind == "barrier":
            axes.plot(*footprint.points.T, color="#7a736b", lw=1, zorder=0.5)
    for edge in site.edges:
        axes.plot(*edge.points.T, color=COLOURS[edge.kind], lw=1, zorder=0.6)


def _draw_encounters(axes: plt.Axes, log: RunLog, robot: RobotDescription) -> None:
    """Mark each person where it came nearest, within 5 m."""
    nearest: dict[int, tuple[float, np.ndarray]] = {}
    for truth in log.truth[::5]:
        if not len(truth.people):
            continue
        distance, _ = person_distances(truth.pose_map_base, robot.footprint, truth.people)
        for i in np.flatnonzero(distance <= 5.0):
            person = int(truth.people[i, 0])
            if person not in nearest or distance[i] < nearest[person][0]:
                nearest[person] = (float(distance[i]), truth.people[i, 1:3])
    if nearest:
        where = np.array([position for _, position in nearest.values()])
        gaps = [gap for gap, _ in nearest.values()]
        dots = axes.scatter(*where.T, c=gaps, cmap="autumn", s=18, vmin=0, vmax=5, zorder=3)
        axes.figure.colorbar(dots, ax=axes, label="nearest gap to a person [m]", shrink=0.5)
    touched = [t.pose_map_base[:2] for t in log.truth if t.contact]
    if touched:
        axes.plot(*np.array(touched).T, "x", color="#d00000", ms=9, label="contact", zorder=4)


def _legend_once(axes: plt.Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), loc="upper right", fontsize=8)
