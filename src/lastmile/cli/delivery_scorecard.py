"""
The lines of the scorecard `delivery`: from locker to locker, in lockstep and over ROS.

Every line is there whatever was measured: a figure that is not known is missed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lastmile.cli.ended_demos import PHASES, SIMULATOR_DEAD
from lastmile.evaluation.campaign import CRASHED
from lastmile.evaluation.faults import UNASKED_MAX_M
from lastmile.evaluation.scorecard import (
    CODE,
    SUITE,
    Line,
    at_least,
    at_most,
    exactly,
    is_clean,
    not_measured,
    read_campaign,
    same_code,
    stamp,
    stated,
)

CAMPAIGNS = Path("docs/scorecard/campaigns")
PICTURES = Path("runs/scorecard")
STOPS = 8
"""Nodes that are needed to drive, each killed and hung."""
IMPORT = ("src/lastmile/maps", "src/lastmile/geometry", "constraints.txt")
"""What the figures of a map's import depend on."""
NONE = "none"
LONGEST = 200
"""Most letters of an error in a line."""
Figures = dict[str, Any]
"""The figures of a campaign; empty if it was not run."""


def measure_delivery(checkout: Path) -> list[Line]:
    """Read the campaigns' figures and measure what is short."""
    names = ("ros", "lockstep", "lockstep-lidar-map", "twins", "faults", "tests")
    read = {name: read_campaign(checkout / CAMPAIGNS / f"{name}.json") or {} for name in names}
    return [
        *_demo_lines(read["ros"]),
        *_ros_lines(read["ros"]),
        *_lockstep_lines(read["lockstep"]),
        _latencies_line(checkout),
        *_twin_lines(read["twins"], read["ros"]),
        *_localization_lines(read["lockstep"], "OSM footprints", "lockstep", 40),
        *_localization_lines(read["ros"], "OSM footprints over ROS", "ros", 6),
        *_localization_lines(
            read["lockstep-lidar-map"], "another day's lidar map", "lidar-map", 40, (0.1, 0.25, 1.0)
        ),
        *_fault_lines(read["faults"]),
        *_map_lines(checkout),
        *_test_lines(read["tests"]),
        *_colcon_lines(checkout),
    ]


def _demo_lines(ros: Figures) -> list[Line]:
    demo = ros.get("demo", {})
    docking, contacts = demo.get("docking", []), demo.get("contacts")
    about = demo.get("about", {})
    docks = {about.get("start"), about.get("goal")} & {d["locker_id"] for d in docking}
    latency, pace = demo.get("latency_s", {}), demo.get("pace") or {}
    others = len(contacts) - demo["own_contacts"] if contacts is not None else None
    return [
        _source("demo and 5 other seeds over ROS", ros, "make campaign-ros"),
        exactly("demo: outcome", demo.get("outcome"), "", "succeeded"),
        at_least("demo: route", demo.get("route_m"), "m", 300.0),
        stated("demo: driven", demo.get("distance_m"), "m"),
        at_least("demo: crossings", demo.get("crossings"), "", 1),
        at_least("demo: people within 5 m", demo.get("people_met"), "", 10),
        at_least("demo: lockers of the order docked at", len(docks) if demo else None, "", 2),
        at_most("demo: docking error, worst", _most(docking, "distance_m"), "m", 0.05),
        at_most("demo: docking angle, worst", _most(docking, "angle_deg"), "deg", 3.0),
        exactly("demo: own contacts", demo.get("own_contacts"), "", 0),
        stated("demo: contacts made by others", others, ""),
        _nearest_person(demo),
        *_nearest_otherwise("demo", demo),
        stated("demo: latency, mid lidar turn to command, median", latency.get("median"), "s"),
        stated("demo: latency, mid lidar turn to command, 99 %", latency.get("p99"), "s"),
        *_pace_lines("demo", pace),
        *(
            stated(f"demo: CPU of {node}", ratio, "cores")
            for node, ratio in (demo.get("cpu_per_node") or {"each node": None}).items()
        ),
    ]


def _ros_lines(ros: Figures) -> list[Line]:
    return [
        exactly("over ROS: delivered", _of(ros, "delivered", "runs"), "", "6 of 6"),
        *_contact_lines("over ROS", ros),
        *_people_lines("over ROS", ros),
        *_docking_lines("over ROS", ros),
        _begun_again_line("over ROS", ros),
    ]


def _lockstep_lines(lockstep: Figures) -> list[Line]:
    return [
        _source("lockstep", lockstep, "make campaign-lockstep"),
        at_least("lockstep: runs", lockstep.get("runs"), "", 40),
        at_least("lockstep: routes", lockstep.get("routes"), "", 8),
        stated("lockstep: delivered", _of(lockstep, "delivered", "runs"), ""),
        at_least("lockstep: share delivered", _ratio(lockstep, "delivered", "runs"), "", 39 / 40),
        *_contact_lines("lockstep", lockstep),
        stated(
            "lockstep: own contacts per run, 95 % bound",
            lockstep.get("own_contacts_per_run_bound_95"),
            "1/run",
        ),
        stated(
            "lockstep: own contacts per km, 95 % bound",
            lockstep.get("own_contacts_per_km_bound_95"),
            "1/km",
        ),
        *_people_lines("lockstep", lockstep),
        *_docking_lines("lockstep", lockstep),
        at_least(
            "lockstep: simulated s per CPU s", lockstep.get("simulated_s_per_cpu_s"), "s/s", 3.0
        ),
        _begun_again_line("lockstep", lockstep),
    ]


def _contact_lines(what: str, figures: Figures) -> list[Line]:
    """Make the lines on contacts; those of a run that crashed are not known."""
    own, all_contacts = figures.get("own_contacts"), figures.get("contacts")
    return [
        exactly(
            f"{what}: runs that crashed, their contacts not known", figures.get("crashed"), "", 0
        ),
        exactly(f"{what}: own contacts", own, "", 0),
        stated(f"{what}: contacts made by others", all_contacts - own if figures else None, ""),
        stated(
            f"{what}: longest time without ground truth", figures.get("longest_unseen_s"), "s"
        ),
    ]


def _begun_again_line(what: str, figures: Figures) -> Line:
    name = f"{what}: runs begun again, as the campaign was stopped"
    return stated(name, figures.get("begun_again"), "")


def _people_lines(what: str, figures: Figures) -> list[Line]:
    return [
        exactly(
            f"{what}: runs nearer than 0.3 m to a person by own move",
            figures.get("runs_too_close_to_a_person"),
            "",
            0,
        ),
        *_nearest_otherwise(what, figures),
    ]


def _docking_lines(what: str, figures: Figures) -> list[Line]:
    return [
        stated(f"{what}: docking error, worst", figures.get("docking_error_worst_m"), "m"),
        stated(f"{what}: docking angle, worst", figures.get("docking_angle_worst_deg"), "deg"),
    ]


def _latencies_line(checkout: Path) -> Line:
    """Say where the delays of lockstep runs come from, as their file does."""
    lines = (checkout / "config/latencies.yaml").read_text(encoding="utf-8").splitlines()
    measured = next((line for line in lines if line.startswith("# Measured over ROS 2")), None)
    return stated("lockstep: delays", measured.removeprefix("# ") if measured else None, "")


def _twin_lines(twins: Figures, ros: Figures) -> list[Line]:
    repeats = str(twins["repeats"]) if twins else None
    return [
        _source("lockstep against ROS", twins, "make campaign-twins"),
        exactly("lockstep: same seed twice, same history", repeats, "", "True"),
        _same_outcome(twins, ros),
    ]


def _same_outcome(twins: Figures, ros: Figures) -> Line:
    """Hold the outcomes of lockstep against those over ROS, if both are of the same code."""
    name, wanted = "lockstep and ROS: same outcome", "6 of 6"
    if not (twins and ros):
        return not_measured(name, wanted, "make campaign-twins campaign-ros")
    lockstep_commit, ros_commit = twins["taken"]["commit"], ros["taken"]["commit"]
    if not same_code(lockstep_commit, ros_commit):
        how = f"lockstep was run on {lockstep_commit}, ROS on {ros_commit}, whose code differs"
        return not_measured(name, wanted, how)
    over_ros = ros["outcomes"]
    # A crash is no outcome: two of them are not the same.
    same = sum(over_ros.get(seed) == end != CRASHED for seed, end in twins["outcomes"].items())
    return exactly(name, f"{same} of {len(over_ros)}", "seeds", wanted)


def _localization_lines(
    figures: Figures,
    what: str,
    campaign: str,
    runs_min: int,
    limits: tuple[float, float, float] | None = None,
) -> list[Line]:
    """Make the lines on the error of the pose; without limits they are stated."""
    position = [figures.get(f"position_error_{share}_m") for share in ("median", "p95")]
    yaw = [figures.get(f"yaw_error_{share}_deg") for share in ("median", "p95")]
    known = figures["runs"] - figures["crashed"] if figures else None
    labels = [f"{what}: position error {share}" for share in ("median", "95 %")]
    turns = [f"{what}: yaw error {share}" for share in ("median", "95 %")]
    lines = [
        _source(what, figures, f"make campaign-{campaign}"),
        at_least(f"{what}: runs with figures", known, "", runs_min),
        stated(turns[0], yaw[0], "deg"),
    ]
    if limits is None:
        lines += [
            stated(label, figure, "m") for label, figure in zip(labels, position, strict=True)
        ]
        return [*lines, stated(turns[1], yaw[1], "deg")]
    lines += [at_most(labels[i], position[i], "m", limits[i]) for i in range(2)]
    return [*lines, at_most(turns[1], yaw[1], "deg", limits[2])]


def _pace_lines(what: str, pace: Figures) -> list[Line]:
    """Say how fast the world was: times are on a clock that may be slower than the wall's."""
    return [
        stated(f"{what}: pace of the world, simulated s per wall s", pace.get("rate"), "s/s"),
        stated(f"{what}: pace of the world, wanted", pace.get("wanted"), "s/s"),
        stated(f"{what}: wall time that the world waited for nodes", pace.get("waited_s"), "s"),
    ]


def _fault_lines(faults: Figures) -> list[Line]:
    stops, losses = faults.get("stops", []), faults.get("losses", [])
    wanted = f"{STOPS} of {STOPS}"
    troubles = faults.get("journal_troubles")
    # Of fewer stops, or of one that could not be judged, the worst is not known.
    known = len(stops) == STOPS and all(stop.get("unasked_m") is not None for stop in stops)
    worst = stops if known else []
    used = [stop["stopped_m"] / max(stop["allowed_m"], 1e-6) for stop in worst]
    rates = [stop["slowest_rate"] for stop in worst if stop["slowest_rate"] is not None]
    simulator = faults.get("simulator_killed")
    drive, others = "killed and hung", "recorder, mission, lockers killed"
    return [
        _source("faults", faults, "make campaign-faults"),
        exactly("faults: parts that failed", _failures(faults), "", NONE),
        exactly("faults: parts not carried out", _listed(faults, "not_carried_out"), "", NONE),
        exactly(f"{drive}: stops that hold", _share(s["holds"] for s in stops), "", wanted),
        at_most(f"{drive}: braking begins, worst", _most(worst, "braking_after_s"), "s", 0.3),
        at_most(
            f"{drive}: way to a stand over v t + v^2 / 2b, worst",
            max(used, default=None),
            "",
            1.0,
        ),
        at_most(
            f"{drive}: moved unasked after its stop, worst",
            _most(worst, "unasked_m"),
            "m",
            UNASKED_MAX_M,
        ),
        exactly(
            f"{drive}: cause on /diagnostics", _share(bool(s["cause"]) for s in stops), "", wanted
        ),
        exactly(f"{drive}: cause in the report", _share(s["in_report"] for s in stops), "", wanted),
        exactly(f"{drive}: delivered all the same", _word(faults, "delivered"), "", "True"),
        exactly(f"{drive}: own contacts", faults.get("own_contacts"), "", 0),
        stated(f"{drive}: longest time without ground truth", faults.get("longest_unseen_s"), "s"),
        *_pace_lines(drive, faults.get("pace") or {}),
        stated(
            f"{drive}: slowest second of the world after a fault", min(rates, default=None), "s/s"
        ),
        exactly(f"{others}: restarted", _share(loss["restarted"] for loss in losses), "", "4 of 4"),
        exactly(
            f"{others}: parcel delivered exactly once", _word(faults, "delivered_once"), "", "True"
        ),
        exactly(
            f"{others}: journals and receipts hold",
            str(not troubles) if troubles is not None else None,
            "",
            "True",
        ),
        exactly(
            "simulator killed: says why",
            str(SIMULATOR_DEAD in simulator["said"]) if simulator else None,
            "",
            "True",
        ),
        *_ending_lines([simulator] if simulator else [], "simulator killed", ["1"]),
        *_ending_lines(
            faults.get("interrupts", []),
            f"Ctrl-C while {', '.join(PHASES)}",
            ["130"] * len(PHASES),
        ),
    ]


def _failures(faults: Figures) -> str | None:
    """Name the parts of the campaign that failed, each with the first line of its error."""
    if not faults:
        return None
    told = (f"{part}: {text.splitlines()[0][:LONGEST]}" for part, text in faults["failed"].items())
    return "; ".join(told).replace("|", "/") or NONE


def _listed(figures: Figures, key: str) -> str | None:
    return ", ".join(figures[key]) or NONE if figures else None


def _ending_lines(
    endings: Sequence[dict[str, Any]], what: str, codes: Sequence[str]
) -> list[Line]:
    """Make the lines on demos that were ended; sums are known once all of them were."""
    given = ", ".join(str(ending["exit_code"]) for ending in endings) or None
    ended = endings if len(endings) == len(codes) else []
    left = sum(len(ending["left"]) for ending in ended) if ended else None
    troubles = sum(len(ending["journal_troubles"]) for ending in ended) if ended else None
    # While the stack starts there may be none yet.
    written = [e["journals"] for e in ended if "starting" not in e["when"]]
    return [
        exactly(f"{what}: exit code", given, "", ", ".join(codes)),
        exactly(f"{what}: processes left after 5 s", left, "", 0),
        exactly(f"{what}: journals that do not hold", troubles, "", 0),
        at_least(
            f"{what}: journals, fewest once the robot drives", min(written, default=None), "", 1
        ),
    ]


def _map_lines(checkout: Path) -> list[Line]:
    helsinki = checkout / "maps/helsinki"
    report = json.loads((helsinki / "report.json").read_text(encoding="utf-8"))
    how = "lastmile map build, as maps/helsinki/README.md says"
    lines = [
        _source("Helsinki's bundle", report if "taken" in report else {}, how, IMPORT),
        at_most("Helsinki: time to build, when its bundle was made", report["seconds"], "s", 30.0),
        *_import_lines("Helsinki", report),
        _picture_line("Helsinki", helsinki, checkout),
    ]
    data = Path(os.environ.get("LASTMILE_DATA", checkout / "../shared/data"))
    return lines + _krems_lines(data / "maps/krems.osm.gz", checkout)


def _krems_lines(extract: Path, checkout: Path) -> list[Line]:
    """Build a bundle now; a build that fails gives lines that are missed."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "krems")
        build = ("map", "build", "--osm", str(extract), "--name", "krems", "--output", str(bundle))
        began_s = time.perf_counter()
        done = _lastmile(*build)
        seconds, report = time.perf_counter() - began_s, {}
        if done.returncode == 0:
            report = json.loads((bundle / "report.json").read_text(encoding="utf-8"))
        return [
            at_most("Krems: time to build", seconds if report else None, "s", 30.0),
            *_import_lines("Krems", report),
            _picture_line("Krems", bundle, checkout),
        ]


def _picture_line(name: str, bundle: Path, checkout: Path) -> Line:
    picture = PICTURES / f"{name.lower()}.png"
    (checkout / PICTURES).mkdir(parents=True, exist_ok=True)
    done = _lastmile("map", "show", str(bundle), "--output", str(checkout / picture))
    return stated(f"{name}: picture", str(picture) if done.returncode == 0 else None, "")


def _lastmile(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lastmile", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _import_lines(name: str, report: dict[str, Any]) -> list[Line]:
    guessed, network_m = report.get("guessed_share", {}), report.get("network_m")
    size = f"{report['nodes']}, {report['edges']}" if report else None
    return [
        stated(f"{name}: nodes, edges", size, ""),
        stated(f"{name}: network", network_m / 1000.0 if report else None, "km"),
        stated(f"{name}: footway length in the network", report.get("connected_share"), "share"),
        *(
            stated(f"{name}: {key} guessed", guessed.get(key), "share")
            for key in ("width", "kerb", "surface")
        ),
        stated(f"{name}: crossings kept", report.get("crossings"), ""),
        exactly(
            f"{name}: edges through buildings unexplained",
            report.get("unexplained_through_buildings"),
            "",
            0,
        ),
    ]


def _test_lines(tests: Figures) -> list[Line]:
    rows = tests.get("bad_input_rows")
    return [
        _source("tests", tests, "make campaign-tests", SUITE),
        stated("tests: number", tests.get("number"), ""),
        exactly("tests: failed", tests.get("failed"), "", 0),
        stated("tests: skipped", tests.get("skipped"), ""),
        exactly(
            "tests: rows of the bad-input table that hold",
            _of(tests, "bad_input_rows_that_hold", "bad_input_rows"),
            "",
            f"{rows} of {rows}" if rows else "all",
        ),
        stated("tests: coverage of src/lastmile", tests.get("coverage_percent"), "%"),
        at_most("tests: wall time, under coverage", tests.get("seconds"), "s", 1200.0),
    ]


def _colcon_lines(checkout: Path) -> list[Line]:
    """Build with colcon from nothing and look for the entry points."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    names = project["project"]["scripts"]
    shutil.rmtree(checkout / "install", ignore_errors=True)
    build = ["make", "colcon-build"]
    code = subprocess.run(build, cwd=checkout, check=False, capture_output=True).returncode
    found = sum((checkout / "install/lastmile/lib/lastmile" / name).exists() for name in names)
    return [
        exactly("colcon build: exit code", code, "", 0),
        exactly(
            "colcon build: entry points in install/",
            f"{found} of {len(names)}",
            "",
            f"{len(names)} of {len(names)}",
        ),
    ]


def _source(what: str, figures: Figures, how: str, places: Sequence[str] = CODE) -> Line:
    """Say when, on what commit and machine figures were taken; only this code's own hold."""
    name, target = f"{what}: taken", "on this code, committed"
    if not figures:
        return not_measured(name, target, how)
    taken = figures["taken"]
    words = f"{taken['date'][:10]} on {taken['commit']}, {taken['machine']}"
    same = same_code(taken["commit"], stamp(places)["commit"], places)
    if not same:
        words += "; the code has changed since"
    return Line(name, words, "", target, same and is_clean(taken["commit"]))


def _nearest_person(demo: Figures) -> Line:
    name = "demo: nearest person by own move"
    if "closest_person_own_m" in demo and demo["closest_person_own_m"] is None:
        return Line(name, "nobody was approached", "m", "at least 0.3", True)
    return at_least(name, demo.get("closest_person_own_m"), "m", 0.3)


def _nearest_otherwise(what: str, figures: Figures) -> list[Line]:
    """State the gaps that the target on own moves leaves out, where people came too."""
    lines = []
    for key, how in (
        ("closest_person_closing_m", "while the robot closed in too"),
        ("closest_person_any_m", "while moving, whoever came"),
    ):
        gap_m = figures.get(key)
        none = "nobody within 2 m" if key in figures else None
        name = f"{what}: nearest person {how}"
        lines.append(stated(name, none if gap_m is None else gap_m, "m"))
    return lines


def _most(items: Sequence[dict[str, Any]], key: str) -> float | None:
    return max((item[key] for item in items), default=None)


def _share(held: Iterable[bool]) -> str | None:
    """Write how many of all hold; None of none."""
    held = list(held)
    return f"{sum(held)} of {len(held)}" if held else None


def _of(figures: Figures, part: str, whole: str) -> str | None:
    return f"{figures[part]} of {figures[whole]}" if figures else None


def _ratio(figures: Figures, part: str, whole: str) -> float | None:
    return figures[part] / figures[whole] if figures and figures[whole] else None


def _word(figures: Figures, key: str) -> str | None:
    return str(figures[key]) if key in figures else None
