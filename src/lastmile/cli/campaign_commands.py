"""`lastmile campaign`: many deliveries, and the figures that scorecards read."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import typer

from lastmile.cli.campaign_runs import FIGURES, PlannedRun, Results, carry_out, stopped_runs
from lastmile.cli.fault_campaign import faults
from lastmile.cli.latency_campaign import latencies
from lastmile.cli.suite_campaign import tests
from lastmile.errors import UserError
from lastmile.evaluation.campaign import sum_up
from lastmile.evaluation.scorecard import show_figure, write_campaign
from lastmile.maps.site import Site
from lastmile.planning.route_planner import RouteError, RoutePlanner
from lastmile.simulation.scenario import read_scenario
from lastmile.simulation.setting import find_scenario, named_site
from lastmile.types import EdgeKind

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command()(faults)
app.command()(latencies)
app.command()(tests)


@app.command()
def lockstep(
    scenario: Annotated[str, typer.Option(help="Scenario of every run.")] = "city",
    seeds: Annotated[int, typer.Option(min=1, help="Number of runs, seeds 1 to this.")] = 40,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    length_min_m: Annotated[float, typer.Option(help="Shortest route [m].")] = 300.0,
    output: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/lockstep"),
    save_maps: Annotated[
        bool, typer.Option(help="Make a lidar map from every run, in <output>/maps.")
    ] = False,
    maps: Annotated[
        Path | None, typer.Option(help="Folder of such maps, to run with in place of the site's.")
    ] = None,
    results: Results = None,
) -> None:
    """
    Run deliveries in lockstep, one seed each, over the routes of a site.

    Runs that already ended in the output folder are kept: a campaign that was stopped goes on, with
    the code that it began with.
    """
    results = results or output / FIGURES
    site = named_site(read_scenario(find_scenario(scenario)).site)
    routes = long_routes(site, length_min_m)
    output.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in range(1, seeds + 1):
        name = f"seed-{seed:03d}"
        start, goal = routes[(seed - 1) % len(routes)]
        about = {"start": start, "goal": goal, "map": str(maps / name) if maps else ""}
        more = ["--start", start, "--goal", goal]
        more += ["--save-map", str(output / "maps" / name)] if save_maps else []
        more += ["--map", str(maps / name)] if maps else []
        runs.append(_simulate(scenario, seed, output / name, more, about))
    records, taken = carry_out(runs, jobs, results)
    figures = sum_up(records) | {"begun_again": stopped_runs(runs)}
    write_campaign(results, {"scenario": scenario, "seeds": seeds, **figures}, taken)
    for name, figure in figures.items():
        typer.echo(f"{name}: {figure if isinstance(figure, dict) else show_figure(figure)}")
    typer.echo(f"figures: {results}")


@app.command()
def ros(
    scenario: Annotated[str, typer.Option(help="Scenario of every run.")] = "demo",
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of runs: the scenario's seed, then 1 and on.")
    ] = 6,
    output: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/ros"),
    results: Results = None,
) -> None:
    """
    Run deliveries over ROS 2 nodes, one after another, on the scenario's route.

    Runs that already ended in the output folder are kept: a campaign that was stopped goes on.
    """
    results = results or output / FIGURES
    output.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in _demo_seeds(scenario, seeds):
        folder = output / f"seed-{seed:03d}"
        command = ("demo", "--scenario", scenario, "--seed", str(seed), "--no-view")
        about = {"scenario": Path(scenario).stem, "seed": seed}
        runs.append(PlannedRun(folder, (*command, "--output", str(folder)), about))
    records, taken = carry_out(runs, 1, results)
    figures = sum_up(records) | {"begun_again": stopped_runs(runs)}
    figures["demo"] = records[0].summary
    figures["outcomes"] = {record.name: record.summary["outcome"] for record in records}
    write_campaign(results, {"scenario": scenario, **figures}, taken)
    typer.echo(f"figures: {results}")


@app.command()
def twins(
    scenario: Annotated[str, typer.Option(help="Scenario of every run.")] = "demo",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, as in `ros`.")] = 6,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/twins"),
    results: Results = None,
) -> None:
    """Run the seeds of `ros` in lockstep, the first of them twice, and compare."""
    results = results or output / FIGURES
    output.mkdir(parents=True, exist_ok=True)
    own_seed, *others = _demo_seeds(scenario, seeds)
    named = [(f"seed-{seed:03d}", seed) for seed in (own_seed, *others)]
    runs = [
        _simulate(scenario, seed, output / name, [], {})
        for name, seed in [*named, ("again", own_seed)]
    ]
    records, taken = carry_out(runs, jobs, results)
    *summaries, again = [record.summary for record in records]
    first, second = (summary["about"].get("history") for summary in (summaries[0], again))
    figures = {
        "outcomes": {name: s["outcome"] for (name, _), s in zip(named, summaries, strict=True)},
        "repeats": first is not None and first == second,
    }
    write_campaign(results, {"scenario": scenario, **figures}, taken)
    typer.echo(f"figures: {results}")


def _simulate(
    scenario: str, seed: int, folder: Path, more: list[str], about: dict[str, Any]
) -> PlannedRun:
    """Plan a run in lockstep."""
    command = ("simulate", scenario, "--seed", str(seed), *more, "--output", str(folder))
    return PlannedRun(folder, command, {"scenario": scenario, "seed": seed, **about})


def _demo_seeds(scenario: str, count: int) -> list[int]:
    """List the scenario's own seed and others, counted from 1."""
    own = read_scenario(find_scenario(scenario)).seed
    return [own, *[seed for seed in range(1, count + 1) if seed != own][: count - 1]]


def long_routes(site: Site, length_min_m: float) -> list[tuple[str, str]]:
    """
    List the pairs of lockers whose route is long enough and has a crossing.

    Raises
    ------
    UserError
        If there is none.

    """
    planner = RoutePlanner(site)
    pairs = []
    for start, goal in itertools.permutations([locker.id for locker in site.lockers], 2):
        try:
            spans = planner.plan(start, goal).spans
        except RouteError:
            continue
        crosses = any(span.kind is EdgeKind.CROSSING for span in spans)
        if crosses and spans[-1].end_m >= length_min_m:
            pairs.append((start, goal))
    if not pairs:
        raise UserError(f"site {site.name} has no route of {length_min_m:g} m with a crossing")
    return pairs
