"""
Scorecards: what the stack promises, measured, with what was missed in plain sight.

A line holds a figure against a target. Long measurements (campaigns) write their figures, date,
commit and machine to `docs/scorecard/campaigns/<name>.json`; a scorecard reads them from there.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scipy.special import gammaincinv

from lastmile.errors import UserError


@dataclass(frozen=True, slots=True)
class Line:
    """
    One promise: `figure` in `unit`, `target` as a person reads it, and whether it holds.

    `holds` is None where no target is set: the figure is stated only. A figure that is not known is
    missed, whatever the target.
    """

    name: str
    figure: float | str
    unit: str
    target: str
    holds: bool | None


NOT_MEASURED = "not measured"


def at_most(name: str, figure: float | None, unit: str, limit: float) -> Line:
    """Make a line that holds if the figure is known and not above the limit."""
    known = figure is not None and math.isfinite(figure)
    return Line(name, _shown(figure), unit, f"at most {limit:g}", known and figure <= limit)


def at_least(name: str, figure: float | None, unit: str, limit: float) -> Line:
    """Make a line that holds if the figure is known and not below the limit."""
    known = figure is not None and math.isfinite(figure)
    return Line(name, _shown(figure), unit, f"at least {limit:g}", known and figure >= limit)


def exactly(name: str, figure: float | str | None, unit: str, wanted: float | str) -> Line:
    """Make a line that holds if the figure is what is wanted."""
    return Line(name, _shown(figure), unit, f"{wanted}", figure == wanted)


def stated(name: str, figure: float | str | None, unit: str) -> Line:
    """Make a line without a target; without a figure it is missed."""
    return Line(name, _shown(figure), unit, "stated", None if figure is not None else False)


def _shown(figure: float | str | None) -> float | str:
    """Put into words what is not a number; JSON has no word for it."""
    if figure is None:
        return NOT_MEASURED
    return figure if isinstance(figure, str) or math.isfinite(figure) else str(figure)


def not_measured(name: str, target: str, how: str) -> Line:
    """Make a line for a figure that is not there yet; it is missed, and says how to get it."""
    return Line(name, f"{NOT_MEASURED}: {how}", "", target, False)


def write_scorecard(area: str, lines: Sequence[Line], run_dir: Path, docs_dir: Path) -> None:
    """Write `<run_dir>/<area>.json` and `<docs_dir>/<area>.md`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    docs_dir.mkdir(parents=True, exist_ok=True)
    rows = [asdict(line) for line in lines]
    (run_dir / f"{area}.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    (docs_dir / f"{area}.md").write_text(_page(area, lines), encoding="utf-8")


def verdict(line: Line) -> str:
    """Say in a word whether a line holds."""
    return {True: "holds", False: "missed", None: "stated"}[line.holds]


def show_figure(figure: float | str) -> str:
    """Write a figure with at most four significant digits."""
    return f"{figure:.4g}" if isinstance(figure, float) else str(figure)


def _page(area: str, lines: Sequence[Line]) -> str:
    taken = stamp()
    head = [
        f"# Scorecard: {area}",
        "",
        f"Written by `make scorecard-{area}` on {taken['date'][:10]}, commit {taken['commit']}, "
        f"{taken['machine']}.",
        "",
        "| what | figure | unit | target | |",
        "| --- | --- | --- | --- | --- |",
    ]
    body = [
        f"| {line.name} | {show_figure(line.figure)} | {line.unit} | {line.target} "
        f"| {verdict(line)} |"
        for line in lines
    ]
    return "\n".join(head + body) + "\n"


# ------------------------------------------------------------------------------- campaigns


CODE = (
    *("src", "config", "sim", "maps", "launch"),
    *("setup.py", "pyproject.toml", "constraints.txt"),
)
"""What figures depend on; tests and pages are not among it."""
SUITE = (*CODE, "tests", "docs/troubleshooting.md")
"""What figures of the tests depend on."""
CHANGED, UNKNOWN = "+changes", "unknown"


def stamp(places: Sequence[str] = CODE) -> dict[str, str]:
    """
    Say when, on which commit and on what machine figures are taken that depend on `places`.

    The commit is marked where what they depend on differs from it; an edit of a page in the
    midst of a campaign does not.
    """
    commit = _git("rev-parse", "--short", "HEAD")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit + (CHANGED if commit != UNKNOWN and _is_changed(places) else ""),
        "machine": f"{os.cpu_count()} cores, {_cpu_name()}, Python {platform.python_version()}",
    }


def is_clean(commit: str) -> bool:
    """Tell whether a stamp names a commit, and nothing but it."""
    return commit not in ("", UNKNOWN) and not commit.endswith(CHANGED)


def marked_if_changed(taken: dict[str, str], places: Sequence[str] = CODE) -> dict[str, str]:
    """Mark the stamp of a beginning if what its figures depend on is not the same any more."""
    commit = taken["commit"]
    if commit == UNKNOWN or same_code(commit, stamp(places)["commit"], places):
        return taken
    return taken | {"commit": commit.removesuffix(CHANGED) + CHANGED}


def same_code(commit: str, other: str, places: Sequence[str] = CODE) -> bool:
    """Tell whether what figures depend on is the same in the commits of two stamps."""
    if commit == other:
        return True
    if not (is_clean(commit) and is_clean(other)):
        return False
    return _git("diff", "--name-only", commit, other, "--", *_places(places)) == ""


def begin_campaign(path: Path, places: Sequence[str] = CODE) -> dict[str, str]:
    """
    Begin a campaign: give the stamp for its figures and remove older ones.

    A campaign that fails on its way then leaves none, in place of those of another commit.
    """
    path.unlink(missing_ok=True)
    return stamp(places)


def write_campaign(path: Path, figures: dict[str, Any], taken: dict[str, str]) -> None:
    """Write the figures of a campaign with when, where and on which commit they were taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, {"taken": taken, **figures})


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all: half of it would be taken for all, or for broken."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)


def read_campaign(path: Path) -> dict[str, Any] | None:
    """Read the figures of a campaign; None where it was never run, or did not come to its end."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON: {error}") from error


def upper_bound_95(events: int, trials: float) -> float:
    """
    Give the one-sided 95 % upper bound of a Poisson rate per trial.

    With zero events it is the rule of three, 3 / n (Hanley and Lippman-Hand 1983).
    """
    return float(gammaincinv(events + 1, 0.95)) / trials if trials > 0 else math.inf


def _is_changed(places: Sequence[str]) -> bool:
    status = ("status", "--porcelain", "--untracked-files=normal", "--", *_places(places))
    return _git(*status) != ""


def _places(paths: Sequence[str]) -> list[str]:
    """Name paths from the top of the checkout, as git takes them, without the reports of maps."""
    return [*(f":/{path}" for path in paths), ":(top,exclude,glob)maps/*/report.json"]


def _git(*arguments: str) -> str:
    """Ask git about the checkout that this code is in, wherever it is run."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
