"""`lastmile map`: build a site bundle from OpenStreetMap and draw it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lastmile.errors import UserError
from lastmile.evaluation.scorecard import stamp
from lastmile.maps.bundle import read_site, write_site
from lastmile.maps.osm_extract import Box
from lastmile.maps.osm_import import RESOLUTION_M, ImportReport, box_around, build_site
from lastmile.maps.picture import draw_site
from lastmile.planning.route_planner import RouteError, RoutePlanner
from lastmile.share import find_share, find_site
from lastmile.vehicle.description import read_robot

FAILURE = 1

app = typer.Typer(help="Build and look at the map of a site.", no_args_is_help=True)


@app.command()
def build(
    osm: Annotated[Path, typer.Option(help="Extract: .osm, .osm.gz, .osm.bz2 or .osm.pbf.")],
    name: Annotated[str, typer.Option(help="Name of the site.")],
    bbox: Annotated[
        str | None, typer.Option(metavar="W,S,E,N", help="Degrees on WGS84; default: all.")
    ] = None,
    around: Annotated[
        str | None, typer.Option(metavar="LAT,LON,RADIUS", help="Degrees, degrees, metres.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Directory of the bundle; default: maps/NAME.")
    ] = None,
    lockers: Annotated[
        str | None, typer.Option(metavar="auto:N", help="Place N lockers along facades.")
    ] = None,
    locker: Annotated[
        list[str] | None, typer.Option(metavar="ID=LAT,LON", help="Place one locker near here.")
    ] = None,
    epsg: Annotated[
        int | None, typer.Option(help="Projected system of the map; default: UTM zone.")
    ] = None,
    resolution_m: Annotated[
        float, typer.Option(min=0.02, max=2.0, help="Cell side of the occupancy map.")
    ] = RESOLUTION_M,
    image: Annotated[
        str, typer.Option(help="Image of the occupancy map: pgm, png, or auto by size.")
    ] = "auto",
) -> None:
    """Make a site bundle from an extract of OpenStreetMap."""
    if bbox and around:
        raise typer.BadParameter("--bbox and --around exclude each other")
    if lockers and locker:
        raise typer.BadParameter("--lockers and --locker exclude each other")
    if image not in ("auto", "pgm", "png"):
        raise typer.BadParameter(f"--image {image!r} is none of auto, pgm, png")
    box = _box(bbox, around)
    wanted = _count(lockers) if lockers else dict(_wanted(text) for text in locker or [])
    directory, taken = output or Path("maps") / name, stamp()
    try:
        site, report = build_site(
            osm, box, name, lockers=wanted, epsg=epsg, resolution_m=resolution_m
        )
        write_site(site, directory, image)
        text = json.dumps({"taken": taken, **report.to_mapping()}, indent=1) + "\n"
        (directory / "report.json").write_text(text, encoding="utf-8")
    except ImportError as error:
        _fail(f"{error}; install the extra: pip install 'lastmile[maps]'")
    except OSError as error:
        _fail(f"{directory}: cannot be written: {error.strerror or error}")
    except ValueError as error:
        _fail(str(error))
    typer.echo(_summary(report, directory))


@app.command()
def show(
    site: Annotated[Path, typer.Argument(help="Site by name, or directory of a bundle.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG to write.")] = Path(
        "site.png"
    ),
    route: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="Draw the route between two lockers."),
    ] = None,
) -> None:
    """Draw a site, or a route on it, to a PNG."""
    try:
        loaded = read_site(find_site(site))
        found = RoutePlanner(loaded).plan(*route) if route else None
        draw_site(loaded, output, found)
    except (UserError, RouteError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{output}: cannot be written: {error.strerror or error}")
    if found is not None:
        crossed = len({s.crossing_id for s in found.spans if s.crossing_id})
        typer.echo(f"route {route[0]} to {route[1]}: {found.spans[-1].end_m:.0f} m, "
                   f"crossings: {crossed}")  # fmt: skip
    typer.echo(f"wrote {output}")


@app.command()
def scan(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run with its recording.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory of the bundle.")],
    site: Annotated[
        str, typer.Option(help="Site by name or folder; that of the run if not given.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="Folder of parameter files; defaults if not given.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="The robot's namespace in the recording.")] = "/",
) -> None:
    """Make a lidar map from a recorded drive; record with `lidar_every` 3 or less for it."""
    from lastmile.cli.lidar_maps import TOPICS, drive_mapper, save_lidar_map
    from lastmile.nodes.delivery_run import read_about
    from lastmile.nodes.playback import read_run
    from lastmile.nodes.surroundings import ROBOT, read_named_site

    try:
        loaded = read_named_site(site or read_about(run_dir)["site"])
        mapper = drive_mapper(loaded, read_robot(find_share(ROBOT)), config)
        for _, _, topic, value in read_run(run_dir, TOPICS, namespace):
            mapper.receive(topic, value)
        typer.echo(save_lidar_map(mapper, loaded, output))
    except ValueError as error:
        _fail(str(error))


def _box(bbox: str | None, around: str | None) -> Box | None:
    if bbox:
        west, south, east, north = _numbers("--bbox", bbox, "W,S,E,N")
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise typer.BadParameter(
                f"--bbox {bbox}: west < east within [-180, 180] and south < north within "
                "[-90, 90] are wanted"
            )
        return Box(west, south, east, north)
    if around:
        latitude, longitude, radius = _numbers("--around", around, "LAT,LON,RADIUS")
        try:
            return box_around(latitude, longitude, radius)
        except ValueError as error:
            raise typer.BadParameter(f"--{error}") from error
    return None


def _count(text: str) -> int:
    word, _, number = text.partition(":")
    if word != "auto" or not number.isdecimal() or not 1 <= int(number) <= 500:
        raise typer.BadParameter(f"--lockers {text!r}: auto:N with N in 1 to 500 is wanted")
    return int(number)


def _wanted(text: str) -> tuple[str, tuple[float, float]]:
    name, _, place = text.partition("=")
    if not name:
        raise typer.BadParameter(f"--locker {text!r}: ID=LAT,LON is wanted")
    latitude, longitude = _numbers("--locker", place, "ID=LAT,LON")
    return name, (latitude, longitude)


def _numbers(option: str, text: str, form: str) -> list[float]:
    wanted = form.count(",") + 1
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != wanted:
        raise typer.BadParameter(f"{option} {text!r}: {form} is wanted, {wanted} numbers")
    return values


def _summary(report: ImportReport, directory: Path) -> str:
    guessed = ", ".join(f"{k} {100 * v:.0f} %" for k, v in report.guessed_share.items())
    left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(report.ways_left_out.items()))
    conflicts = ", ".join(f"{how} {metres:.0f} m" for how, metres in report.buildings.items())
    dropped = ", ".join(f"{length:.0f} m" for length in report.largest_dropped_m[:5])
    return "\n".join(
        (
            f"wrote {directory} in {report.seconds:.1f} s",
            f"network: {report.nodes} nodes, {report.edges} edges, "
            f"{report.network_m / 1000:.1f} km, {100 * report.connected_share:.0f} % of the usable "
            f"foot ways; {report.components - 1} unconnected parts left out ({dropped or 'none'})",
            f"crossings: {report.crossings}, signalled {report.signalled_crossings}",
            f"guessed: {guessed}",
            f"ways left out: {left_out or 'none'}",
            f"buildings and walls in the way: {conflicts or 'none'}; unexplained "
            f"{report.unexplained_through_buildings}",
            f"lockers: {report.lockers}",
        )
    )


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(FAILURE)
