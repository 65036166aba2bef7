"""A picture of a site: buildings, network by kind, crossings, lockers and a route."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lastmile.maps.site import Site
from lastmile.types import EdgeKind, Route

_COLOUR_OF_KIND = {
    EdgeKind.SIDEWALK: "#1f77b4",
    EdgeKind.FOOTWAY: "#2ca02c",
    EdgeKind.PATH: "#8c8c1a",
    EdgeKind.SERVICE: "#9467bd",
    EdgeKind.CROSSING: "#d62728",
}
_COLOUR_OF_POINT = {"tree": "#7fbf7f", "pole": "#555555", "furniture": "#b07030"}
_LARGEST_INCHES = 14.0
_MARGIN_M = 60.0


def draw_site(site: Site, path: Path | str, route: Route | None = None) -> None:
    """Draw a site to a PNG; with a route, only what lies around it."""
    from matplotlib.figure import Figure  # Slow to import, and only this picture needs it.

    low, high = _window(site, route)
    size = high - low
    inches = size * (_LARGEST_INCHES / size.max())
    figure = Figure(figsize=(max(inches[0], 7.0) / 0.8, max(inches[1], 5.0)), dpi=130)
    axes = figure.add_axes((0.06, 0.06, 0.76, 0.88))
    axes.set_facecolor("#faf8f3")
    _draw_ground(axes, site)
    _draw_network(axes, site, thin=route is not None)
    if route is not None:
        axes.plot(*route.points.T, color="#ff7f0e", linewidth=3.0, zorder=6, label="route")
        for span in route.spans:
            if span.kind is EdgeKind.CROSSING:
                middle = 0.5 * (span.start_m + span.end_m)
                point = route.points[_nearest_index(route, middle)]
                word = "signal" if span.signalled else f"{span.lanes} lanes"
                axes.annotate(
                    word, point, textcoords="offset points", xytext=(7, 7), fontsize=8, zorder=9
                )
    for locker in site.lockers:
        x, y, yaw = locker.pose_map_port
        if (low <= [x, y]).all() and ([x, y] <= high).all():
            axes.plot(x, y, marker="s", markersize=8, color="black", zorder=8)
            ahead = 0.03 * size.max() * np.array([np.cos(yaw), np.sin(yaw)])
            axes.annotate(
                locker.id,
                (x, y),
                textcoords="offset points",
                xytext=(-10 * np.cos(yaw) - 4, -10 * np.sin(yaw) - 4),
                fontsize=13,
                fontweight="bold",
                zorder=9,
            )
            axes.arrow(x, y, *(0.5 * ahead), width=0.002 * size.max(), color="black", zorder=8)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_xlabel("x east in map [m]")
    axes.set_ylabel("y north in map [m]")
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), fontsize=9, frameon=False)
    axes.set_title(_title(site, route), fontsize=11)
    figure.text(0.985, 0.01, site.attribution, ha="right", fontsize=7)
    figure.savefig(path, format="png")


def _window(site: Site, route: Route | None) -> tuple[np.ndarray, np.ndarray]:
    if route is None:
        points = np.vstack([e.points for e in site.edges])
        margin = 20.0
    else:
        points, margin = route.points, _MARGIN_M
    return points.min(axis=0) - margin, points.max(axis=0) + margin


def _draw_ground(axes, site: Site) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    roads = [r.points for r in site.roads]
    axes.add_collection(LineCollection(roads, colors="#dddddd", linewidths=3.0, zorder=1))
    outlines = [f.points for f in site.footprints if f.closed]
    axes.add_collection(
        PolyCollection(
            outlines, facecolors="#d8d0c4", edgecolors="#8a8072", linewidths=0.6, zorder=2
        )
    )
    for kind, colour, width in (("barrier", "#5a4030", 1.0), ("kerb", "#999999", 0.7)):
        lines = [
            f.points
            for f in site.footprints
            if f.kind == kind and not f.closed and len(f.points) > 1
        ]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=3))
    for kind, colour in _COLOUR_OF_POINT.items():
        points = [f.points[0] for f in site.footprints if f.kind == kind and len(f.points) == 1]
        if points:
            axes.scatter(*np.array(points).T, s=4.0, color=colour, zorder=3, label=kind)


def _draw_network(axes, site: Site, thin: bool) -> None:
    from matplotlib.collections import LineCollection

    for kind, colour in _COLOUR_OF_KIND.items():
        for signalled in (False, True):
            lines = [e.points for e in site.edges if e.kind is kind and e.signalled == signalled]
            if not lines:
                continue
            label = f"{kind.value}, signalled" if signalled else kind.value
            width = (2.4 if kind is EdgeKind.CROSSING else 1.2) * (1.0 if thin else 0.9)
            style = (0, (1.5, 0.7)) if signalled else "solid"
            axes.add_collection(
                LineCollection(
                    lines,
                    colors=colour,
                    linewidths=width,
                    linestyles=[style],
                    zorder=5,
                    label=label,
                )
            )


def _nearest_index(route: Route, arc_m: float) -> int:
    steps = np.hypot(*np.diff(route.points, axis=0).T)
    return int(np.searchsorted(np.cumsum(steps), arc_m))


def _title(site: Site, route: Route | None) -> str:
    if route is None:
        crossings = len({e.crossing_id for e in site.edges if e.crossing_id})
        return f"{site.name}: {len(site.edges)} edges, {crossings} crossings"
    crossed = len({s.crossing_id for s in route.spans if s.crossing_id})
    return f"{site.name}: route of {route.spans[-1].end_m:.0f} m, crossings: {crossed}"
