"""What a run of the tests came to, from the files that pytest leaves."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lastmile.errors import UserError

NAMED_TEST = re.compile(r"`(tests/[\w/]+)\.py::(test_\w+)`")


def suite_figures(folder: Path, page: Path) -> dict[str, Any]:
    """
    Sum up a run of the tests under coverage.

    Parameters
    ----------
    folder : Path
        Of `junit.xml` and `coverage.json`, as pytest leaves them.
    page : Path
        The page on bad input; each row of its tables names its tests.

    Raises
    ------
    UserError
        If a file is missing or broken.

    """
    try:
        suite = ElementTree.parse(folder / "junit.xml").getroot().find("testsuite")
        coverage = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
        rows = [r for r in map(NAMED_TEST.findall, page.read_text("utf-8").splitlines()) if r]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{folder}: {error}; run `make campaign-tests`") from error
    passed = _passed(suite)
    held = sum(
        all(passed.get(".".join(test).replace("/", "."), False) for test in row) for row in rows
    )
    return {
        "number": int(suite.get("tests")),
        "failed": int(suite.get("failures")) + int(suite.get("errors")),
        "skipped": int(suite.get("skipped")),
        "coverage_percent": coverage["totals"]["percent_covered"],
        "bad_input_rows": len(rows),
        "bad_input_rows_that_hold": held,
    }


def _passed(suite: ElementTree.Element) -> Mapping[str, bool]:
    """Tell of each test function whether it passed, with all its parameters."""
    passed: dict[str, bool] = {}
    for case in suite.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name').split('[')[0]}"
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        passed[name] = passed.get(name, True) and not bad
    return passed
