"""`lastmile campaign tests`: run the tests under coverage and sum up what came of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from lastmile.cli.campaign_runs import FIGURES, ONE_THREAD, Results
from lastmile.cli.run_folders import new_run_dir
from lastmile.errors import UserError
from lastmile.evaluation.scorecard import (
    SUITE,
    begin_campaign,
    marked_if_changed,
    write_campaign,
)
from lastmile.evaluation.suite_figures import suite_figures

PASSED, SOME_FAILED = 0, 1
"""Exit codes of pytest with which its tests ran to their end."""


def tests(
    folder: Annotated[Path, typer.Option(help="Folder of what pytest leaves; must be empty.")] = (
        Path("runs/tests")
    ),
    results: Results = None,
) -> None:
    """
    Run the tests of the checkout under coverage, and sum up; those that fail are a figure too.

    The figures are of the code as the tests began. If it changed while they ran, they say so.
    """
    new_run_dir(folder)
    results = results or folder / FIGURES
    taken, began_s = begin_campaign(results, SUITE), time.monotonic()
    code = _run_tests(folder)
    seconds = time.monotonic() - began_s
    if code not in (PASSED, SOME_FAILED):
        raise UserError(f"the tests did not run to their end: pytest ended with exit code {code}")
    figures = suite_figures(folder, Path("docs/troubleshooting.md"))
    taken = marked_if_changed(taken, SUITE)
    write_campaign(results, figures | {"seconds": round(seconds, 1)}, taken)
    typer.echo(f"figures of {taken['commit']}: {results}")


def _run_tests(folder: Path) -> int:
    """Run pytest in this folder, under coverage; give its exit code."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "pytest", "--cov"),
            f"--cov-report=json:{folder / 'coverage.json'}",
            f"--junitxml={folder / 'junit.xml'}",
        ],
        env=os.environ | ONE_THREAD,
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        # It got the signal as well, and ends what its tests have started.
        process.wait()
        raise
