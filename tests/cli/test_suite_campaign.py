"""Figures of the tests are of the code that the tests began with."""

import json

import pytest
from typer.testing import CliRunner

from lastmile.cli import suite_campaign
from lastmile.cli.campaign_commands import app
from lastmile.errors import UserError

TESTS = """
from pathlib import Path

def test_good(): Path("src.py").write_text("edited while the tests run")

def test_bad(): raise AssertionError
"""
ROWS = "".join(f"| bad | `tests/test_small.py::{name}` |\n" for name in ("test_good", "test_bad"))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Make a project of two tests, of which one fails, and a page; go there."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_small.py").write_text(TESTS)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "troubleshooting.md").write_text(ROWS)
    (tmp_path / "src.py").write_text("as the tests begin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def campaign(*more):
    return CliRunner().invoke(app, ["tests", *more])


def test_figures_have_the_stamp_of_the_beginning_and_count_what_failed(checkout, monkeypatch):
    seen = []

    def begin(results, places):
        seen.append((checkout / "src.py").read_text())
        return {"commit": "abc"}

    def mark(taken, places):
        seen.append((checkout / "src.py").read_text())
        return taken | {"commit": "abc+changes"}

    monkeypatch.setattr(suite_campaign, "begin_campaign", begin)
    monkeypatch.setattr(suite_campaign, "marked_if_changed", mark)
    result = campaign()
    assert result.exit_code == 0, result.output
    assert seen == ["as the tests begin", "edited while the tests run"]
    figures = json.loads((checkout / "runs/tests/figures.json").read_text())
    assert figures["taken"] == {"commit": "abc+changes"}
    assert (figures["number"], figures["failed"]) == (2, 1)
    assert (figures["bad_input_rows_that_hold"], figures["bad_input_rows"]) == (1, 2)
    assert figures["seconds"] > 0.0


def test_tests_that_did_not_run_to_their_end_leave_no_figures(checkout):
    (checkout / "tests" / "test_small.py").write_text("def broken(")
    result = campaign("--results", "older.json")
    assert isinstance(result.exception, UserError)
    assert "pytest ended with exit code 2" in str(result.exception)
    assert not (checkout / "older.json").exists()


def test_what_an_earlier_run_left_is_not_summed_up_again(checkout):
    (checkout / "runs" / "tests").mkdir(parents=True)
    (checkout / "runs" / "tests" / "junit.xml").write_text("")
    assert "is not empty" in str(campaign().exception)
