"""`lastmile campaign`: many deliveries, and the figures that scorecards read."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from lastmile.cli.fault_campaign import faults
from lastmile.cli.latency_campaign import latencies
from lastmile.errors import UserError
from lastmile.evaluation.campaign import read_runs, sum_up
from lastmile.evaluation.scorecard import show_figure, stamp, write_campaign
from lastmile.maps.site import Site
from lastmile.planning.route_planner import RouteError, RoutePlanner
from lastmile.simulation.scenario import read_scenario
from lastmile.simulation.setting import find_scenario, named_site
from lastmile.types import EdgeKind

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command()(faults)
app.command()(latencies)
RESULTS = Path("docs/scorecard/campaigns")


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
    results: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS / "lockstep.json",
) -> None:
    """
    Run deliveries in lockstep, one seed each, over the routes of a site.

    Runs that already ended in the output folder are kept: a campaign that was stopped goes on, on
    the commit that it began with.
    """
    site = named_site(read_scenario(find_scenario(scenario)).site)
    routes = long_routes(site, length_min_m)
    output.mkdir(parents=True, exist_ok=True)
    _refuse_other_commits(output)
    commands = {}
    for seed in range(1, seeds + 1):
        name = f"seed-{seed:03d}"
        if (output / name / "summary.json").exists():
            continue
        start, goal = routes[(seed - 1) % len(routes)]
        command = ["simulate", scenario, "--seed", str(seed), "--start", start, "--goal", goal]
        command += ["--output", str(output / name)]
        command += ["--save-map", str(output / "maps" / name)] if save_maps else []
        command += ["--map", str(maps / name)] if maps else []
        commands[output / name] = command
    _run_all(commands, jobs)
    figures = sum_up(read_runs(output))
    write_campaign(results, {"scenario": scenario, "seeds": seeds, **figures})
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
    results: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS / "ros.json",
) -> None:
    """
    Run deliveries over ROS 2 nodes, one after another, on the scenario's route.

    Runs that already ended in the output folder are kept: a campaign that was stopped goes on.
    """
    own_seed, *others = _demo_seeds(scenario, seeds)
    output.mkdir(parents=True, exist_ok=True)
    _refuse_other_commits(output)
    commands = {}
    for seed in (own_seed, *others):
        run_dir = output / f"seed-{seed:03d}"
        if not (run_dir / "summary.json").exists():
            commands[run_dir] = ["demo", "--scenario", scenario, "--seed", str(seed)]
            commands[run_dir] += ["--no-view", "--output", str(run_dir)]
    _run_all(commands, jobs=1)
    runs = read_runs(output)
    figures = sum_up(runs)
    figures["demo"] = {run.name: run.summary for run in runs}[f"seed-{own_seed:03d}"]
    figures["outcomes"] = {run.name: run.summary["outcome"] for run in runs}
    write_campaign(results, {"scenario": scenario, **figures})
    typer.echo(f"figures: {results}")


@app.command()
def twins(
    scenario: Annotated[str, typer.Option(help="Scenario of every run.")] = "demo",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, as in `ros`.")] = 6,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/twins"),
    results: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS / "twins.json",
) -> None:
    """Run the seeds of `ros` in lockstep, the first of them twice, and compare."""
    own_seed, *others = _demo_seeds(scenario, seeds)
    output.mkdir(parents=True, exist_ok=True)
    _refuse_other_commits(output)
    names = {f"seed-{seed:03d}": seed for seed in (own_seed, *others)}
    commands = {}
    for name, seed in {**names, "again": own_seed}.items():
        if not (output / name / "summary.json").exists():
            commands[output / name] = ["simulate", scenario, "--seed", str(seed)]
            commands[output / name] += ["--output", str(output / name)]
    _run_all(commands, jobs)
    runs = {run.name: run.summary for run in read_runs(output)}
    again, first = runs.pop("again"), runs[f"seed-{own_seed:03d}"]
    figures = {
        "outcomes": {name: summary["outcome"] for name, summary in runs.items()},
        "repeats": again["about"]["history"] == first["about"]["history"],
    }
    write_campaign(results, {"scenario": scenario, **figures})
    typer.echo(f"figures: {results}")


@app.command()
def tests(
    folder: Annotated[Path, typer.Option(help="Folder of junit.xml and coverage.json.")] = Path(
        "runs/tests"
    ),
    results: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS / "tests.json",
) -> None:
    """Sum up a run of the tests under coverage, as `make campaign-tests` leaves it."""
    try:
        suite = ElementTree.parse(folder / "junit.xml").getroot().find("testsuite")
        coverage = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{folder}: {error}; run `make campaign-tests`") from error
    figures = {
        "number": int(suite.get("tests")),
        "failed": int(suite.get("failures")) + int(suite.get("errors")),
        "skipped": int(suite.get("skipped")),
        "seconds": float(suite.get("time")),
        "coverage_percent": coverage["totals"]["percent_covered"],
    }
    write_campaign(results, figures)
    typer.echo(f"figures: {results}")


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


def _refuse_other_commits(output: Path) -> None:
    """
    Hold the runs that are there to the commit that is checked out.

    Raises
    ------
    UserError
        If a run was made on another commit: one file of figures speaks of one commit.

    """
    commit = stamp()["commit"]
    for path in output.glob("*/summary.json"):
        made_on = json.loads(path.read_text(encoding="utf-8"))["about"].get("commit")
        if made_on != commit:
            raise UserError(
                f"{path.parent} was run on commit {made_on}, the checkout is at {commit}; "
                "take another --output"
            )


def _run_all(commands: dict[Path, list[str]], jobs: int) -> None:
    """Run commands of this program beside each other; a run's words go into its own log."""
    with Progress() as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task("runs", total=len(commands))
        waiting = {pool.submit(_run, run_dir, command) for run_dir, command in commands.items()}
        for done in as_completed(waiting):
            progress.console.print(done.result())
            progress.advance(bar)


def _run(run_dir: Path, command: list[str]) -> str:
    log = run_dir.with_suffix(".log")
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [sys.executable, "-m", "lastmile", *command],
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    lines = log.read_text(encoding="utf-8").splitlines()
    said = next((line for line in reversed(lines) if not line.startswith("report:")), "")
    return f"{run_dir.name}: exit {done.returncode}: {said}"
