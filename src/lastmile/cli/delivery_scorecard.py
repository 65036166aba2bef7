"""The lines of the scorecard `delivery`: from locker to locker, in lockstep and over ROS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lastmile.evaluation.scorecard import (
    Line,
    at_least,
    at_most,
    exactly,
    not_measured,
    read_campaign,
    stated,
)

CAMPAIGNS = Path("docs/scorecard/campaigns")


def measure_delivery(checkout: Path) -> list[Line]:
    """Read the campaigns' figures and measure what is short."""
    folder = checkout / CAMPAIGNS
    ros = read_campaign(folder / "ros.json")
    return [
        *_demo_lines(ros),
        *_ros_lines(ros),
        *_lockstep_lines(read_campaign(folder / "lockstep.json")),
        *_twin_lines(read_campaign(folder / "twins.json"), ros),
        *_localization_lines(read_campaign(folder / "lockstep.json"), "OSM footprints", None),
        *_localization_lines(
            read_campaign(folder / "lockstep-lidar-map.json"), "lidar map", (0.10, 0.25, 1.0)
        ),
        *_fault_lines(read_campaign(folder / "faults.json")),
        *_map_lines(checkout),
        *_test_lines(read_campaign(folder / "tests.json")),
        *_colcon_lines(checkout),
    ]


def _demo_lines(ros: dict[str, Any] | None) -> list[Line]:
    if ros is None:
        return [not_measured("demo", "delivered", "make campaign-ros")]
    demo = ros["demo"]
    docking = demo["docking"]
    return [
        _source("demo over ROS", ros),
        exactly("demo: outcome", demo["outcome"], "", "succeeded"),
        at_least("demo: driven", demo["distance_m"], "m", 300.0),
        at_least("demo: crossings", demo["crossings"], "", 1),
        at_least("demo: people within 5 m", demo["people_met"], "", 10),
        at_least("demo: dockings", len(docking), "", 2),
        at_most(
            "demo: docking error", max((d["distance_m"] for d in docking), default=None), "m", 0.05
        ),
        at_most(
            "demo: docking angle", max((d["angle_deg"] for d in docking), default=None), "deg", 3.0
        ),
        exactly("demo: own contacts", demo["own_contacts"], "", 0),
        stated("demo: contacts made by others", len(demo["contacts"]) - demo["own_contacts"], ""),
        _nearest_person(demo["closest_person_own_m"]),
        stated("demo: latency scan to command, median", demo["latency_s"]["median"], "s"),
        stated("demo: latency scan to command, 99 %", demo["latency_s"]["p99"], "s"),
        *(
            stated(f"demo: CPU of {node}", ratio, "cores")
            for node, ratio in demo["cpu_per_node"].items()
        ),
    ]


def _ros_lines(ros: dict[str, Any] | None) -> list[Line]:
    if ros is None:
        return [not_measured("5 other seeds over ROS", "5 delivered", "make campaign-ros")]
    return [
        exactly("over ROS: delivered", f"{ros['delivered']} of {ros['runs']}", "", "6 of 6"),
        exactly("over ROS: own contacts", ros["own_contacts"], "", 0),
    ]


def _lockstep_lines(lockstep: dict[str, Any] | None) -> list[Line]:
    if lockstep is None:
        return [not_measured("40 seeds in lockstep", "39 delivered", "make campaign-lockstep")]
    return [
        _source("lockstep", lockstep),
        at_least("lockstep: runs", lockstep["runs"], "", 40),
        at_least("lockstep: routes", lockstep["routes"], "", 8),
        at_least("lockstep: delivered", lockstep["delivered"], "", 39),
        exactly("lockstep: own contacts", lockstep["own_contacts"], "", 0),
        stated(
            "lockstep: contacts made by others",
            lockstep["contacts"] - lockstep["own_contacts"],
            "",
        ),
        stated(
            "lockstep: own contacts per run, 95 % bound",
            lockstep["own_contacts_per_run_bound_95"],
            "1/run",
        ),
        stated(
            "lockstep: own contacts per km, 95 % bound",
            lockstep["own_contacts_per_km_bound_95"],
            "1/km",
        ),
        exactly(
            "lockstep: runs nearer than 0.3 m to a person by own move",
            lockstep["runs_too_close_to_a_person"],
            "",
            0,
        ),
        at_least(
            "lockstep: simulated s per CPU s", lockstep.get("simulated_s_per_cpu_s"), "s/s", 3.0
        ),
    ]


def _localization_lines(
    figures: dict[str, Any] | None, what: str, limits: tuple[float, float, float] | None
) -> list[Line]:
    if figures is None or "position_error_median_m" not in figures:
        target = f"{limits[0]} m / {limits[1]} m" if limits else "stated"
        return [not_measured(f"localization with {what}", target, "make campaign-lockstep")]
    names = ("position_error_median_m", "position_error_p95_m", "yaw_error_p95_deg")
    lines = []
    for i, name in enumerate(names):
        unit = name.rsplit("_", 1)[1]
        label = f"{what}: {name.rsplit('_', 1)[0].replace('_', ' ')}"
        figure = figures[name]
        lines.append(
            at_most(label, figure, unit, limits[i]) if limits else stated(label, figure, unit)
        )
    return lines


def _fault_lines(faults: dict[str, Any] | None) -> list[Line]:
    if faults is None:
        return [not_measured("killed and hung nodes, Ctrl-C", "all hold", "make campaign-faults")]
    stops, losses = faults["stops"], faults["losses"]
    held = sum(stop["holds"] for stop in stops)
    named = sum(stop["in_report"] for stop in stops)
    back = sum(loss["restarted"] for loss in losses)
    whole = not faults["journal_troubles"]
    return [
        _source("faults", faults),
        exactly("killed and hung: stops that hold", f"{held} of {len(stops)}", "", "8 of 8"),
        at_most(
            "killed and hung: braking begins, worst",
            max((stop["braking_after_s"] for stop in stops), default=None),
            "s",
            0.3,
        ),
        exactly("killed and hung: cause in the report", f"{named} of {len(stops)}", "", "8 of 8"),
        exactly("killed and hung: delivered all the same", str(faults["delivered"]), "", "True"),
        exactly(
            "recorder, mission, lockers killed: restarted",
            f"{back} of {len(losses)}",
            "",
            "4 of 4",
        ),
        exactly(
            "recorder, mission, lockers killed: parcel delivered exactly once",
            str(faults["delivered_once"]),
            "",
            "True",
        ),
        exactly(
            "recorder, mission, lockers killed: journals and receipts hold", str(whole), "", "True"
        ),
        *_ending_lines([faults["simulator_killed"]], "simulator killed", "1"),
        *_ending_lines(
            faults["interrupts"],
            "Ctrl-C while starting, driving, docking, handing over",
            "130, 130, 130, 130",
        ),
    ]


def _ending_lines(endings: list[dict[str, Any]], what: str, codes: str) -> list[Line]:
    troubles = sum(len(ending["journal_troubles"]) for ending in endings)
    return [
        exactly(f"{what}: exit code", ", ".join(str(e["exit_code"]) for e in endings), "", codes),
        exactly(f"{what}: processes left after 5 s", sum(len(e["left"]) for e in endings), "", 0),
        exactly(f"{what}: journals that do not hold", troubles, "", 0),
    ]


def _map_lines(checkout: Path) -> list[Line]:
    helsinki = json.loads((checkout / "maps/helsinki/report.json").read_text(encoding="utf-8"))
    lines = _import_lines("Helsinki", helsinki, helsinki["seconds"])
    data = Path(os.environ.get("LASTMILE_DATA", checkout / "../shared/data"))
    krems = data / "maps/krems.osm.gz"
    if not krems.exists():
        return [*lines, not_measured("Krems", "built", f"{krems.name} is not in LASTMILE_DATA")]
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        build = ["map", "build", "--osm", str(krems), "--name", "krems"]
        subprocess.run(
            [sys.executable, "-m", "lastmile", *build, "--output", f"{folder}/krems"],
            check=True,
            capture_output=True,
        )
        seconds = time.perf_counter() - began_s
        report = json.loads(Path(folder, "krems/report.json").read_text(encoding="utf-8"))
    return lines + _import_lines("Krems", report, seconds)


def _import_lines(name: str, report: dict[str, Any], seconds: float) -> list[Line]:
    guessed = report["guessed_share"]
    return [
        at_most(f"{name}: time to build", seconds, "s", 30.0),
        stated(f"{name}: nodes, edges", f"{report['nodes']}, {report['edges']}", ""),
        stated(f"{name}: network", report["network_m"] / 1000.0, "km"),
        stated(f"{name}: footway length in the network", report["connected_share"], "share"),
        *(
            stated(f"{name}: {key} guessed", guessed[key], "share")
            for key in ("width", "kerb", "surface")
        ),
        stated(f"{name}: crossings kept", report["crossings"], ""),
        exactly(
            f"{name}: edges through buildings unexplained",
            report["unexplained_through_buildings"],
            "",
            0,
        ),
    ]


def _test_lines(tests: dict[str, Any] | None) -> list[Line]:
    if tests is None:
        return [not_measured("tests", "stated", "make campaign-tests")]
    return [
        stated("tests: number", tests["number"], ""),
        stated("tests: coverage of src/lastmile", tests["coverage_percent"], "%"),
        at_most("tests: wall time", tests["seconds"], "s", 1200.0),
    ]


def _colcon_lines(checkout: Path) -> list[Line]:
    found = sorted((checkout / "install/lastmile/lib/lastmile").glob("*"))
    if not found:
        return [not_measured("colcon build: entry points", "at least 11", "make colcon-build")]
    return [at_least("colcon build: entry points in install/", len(found), "", 11)]


def _source(what: str, figures: dict[str, Any]) -> Line:
    taken = figures["taken"]
    return stated(f"{what}: taken", f"{taken['date'][:10]} on {taken['commit']}", "")


def _nearest_person(gap_m: float | None) -> Line:
    name = "demo: nearest person by own move"
    if gap_m is None:
        return Line(name, "nobody was approached", "m", "at least 0.3", True)
    return at_least(name, gap_m, "m", 0.3)


def _twin_lines(twins: dict[str, Any] | None, ros: dict[str, Any] | None) -> list[Line]:
    if twins is None:
        return [not_measured("lockstep against ROS", "same outcome", "make campaign-twins")]
    over_ros = (ros or {}).get("outcomes", {})
    same = sum(over_ros.get(name) == outcome for name, outcome in twins["outcomes"].items())
    return [
        exactly("lockstep: same seed twice, same history", str(twins["repeats"]), "", "True"),
        exactly("lockstep and ROS: same outcome", f"{same} of {len(over_ros)}", "seeds", "6 of 6"),
    ]
