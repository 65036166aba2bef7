"""Scorecards: a missed or unknown figure is shown as missed."""

import json
import math
import subprocess

import pytest

from lastmile.errors import UserError
from lastmile.evaluation import scorecard


def test_a_figure_at_the_limit_holds():
    assert scorecard.at_most("error", 5.0, "cm", 5.0).holds is True
    assert scorecard.at_least("length", 300.0, "m", 300.0).holds is True


@pytest.mark.parametrize("figure", [None, math.nan])
def test_an_unknown_figure_is_missed(figure):
    assert scorecard.at_most("error", figure, "cm", 5.0).holds is False
    assert scorecard.at_least("length", figure, "m", 1.0).holds is False


def test_json_has_exactly_the_promised_keys(tmp_path):
    lines = [scorecard.at_most("a", 6.0, "cm", 5.0), scorecard.not_measured("b", "0", "run it")]
    scorecard.write_scorecard("delivery", lines, tmp_path / "runs", tmp_path / "docs")
    rows = json.loads((tmp_path / "runs" / "delivery.json").read_text())
    assert [set(row) for row in rows] == [{"name", "figure", "unit", "target", "holds"}] * 2
    assert [row["holds"] for row in rows] == [False, False]


def test_the_page_shows_what_was_missed(tmp_path):
    lines = [scorecard.at_most("docking", 6.0, "cm", 5.0)]
    scorecard.write_scorecard("delivery", lines, tmp_path, tmp_path)
    assert "| docking | 6 | cm | at most 5 | missed |" in (tmp_path / "delivery.md").read_text()


def test_a_stated_figure_that_is_not_known_is_missed_and_says_so():
    line = scorecard.stated("latency", None, "s")
    assert (line.figure, line.holds) == ("not measured", False)


def test_json_has_no_word_that_json_does_not_know(tmp_path):
    lines = [scorecard.at_most("a", math.inf, "s", 1), scorecard.at_least("b", math.nan, "m", 1)]
    scorecard.write_scorecard("delivery", lines, tmp_path, tmp_path)
    json.loads((tmp_path / "delivery.json").read_text(), parse_constant=pytest.fail)
    assert [line.figure for line in lines] == ["inf", "nan"]


def test_campaigns_carry_date_commit_and_machine(tmp_path):
    path = tmp_path / "c.json"
    scorecard.write_campaign(path, {"runs": 3}, scorecard.begin_campaign(path))
    read = scorecard.read_campaign(path)
    assert read["runs"] == 3
    assert set(read["taken"]) == {"date", "commit", "machine"}


def test_a_campaign_that_begins_removes_its_older_figures(tmp_path):
    (tmp_path / "c.json").write_text("{}")
    scorecard.begin_campaign(tmp_path / "c.json")
    assert scorecard.read_campaign(tmp_path / "c.json") is None


def test_commits_with_changes_or_unknown_are_not_clean():
    assert scorecard.is_clean("abc1234")
    assert not any(map(scorecard.is_clean, ["abc1234+changes", "unknown", ""]))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Make a checkout of one commit, and take it for that of the code."""

    def git(*arguments):
        name = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *name, *arguments], check=True)

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("1")
    monkeypatch.setattr(scorecard, "__file__", str(tmp_path / "src" / "scorecard.py"))
    git("init", "-q")
    commit(git)
    return tmp_path, git


def commit(git):
    git("add", "-A")
    git("commit", "-q", "-m", "more")


@pytest.mark.parametrize("name", ["maps/helsinki/map.yaml", "setup.py", "config/planner.yaml"])
def test_maps_parameters_and_the_build_are_code(checkout, name):
    folder, _ = checkout
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("1")
    assert scorecard.stamp()["commit"].endswith("+changes")


def test_the_commit_is_marked_where_code_is_changed_or_new(checkout):
    folder, _ = checkout
    assert scorecard.is_clean(scorecard.stamp()["commit"])
    (folder / "src" / "new.py").write_text("2")
    assert scorecard.stamp()["commit"].endswith("+changes")
    (folder / "src" / "new.py").unlink()
    (folder / "src" / "code.py").write_text("2")
    assert scorecard.stamp()["commit"].endswith("+changes")


def test_the_commit_is_marked_where_no_git_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(scorecard, "__file__", str(tmp_path / "scorecard.py"))
    assert scorecard.stamp()["commit"] == "unknown"


@pytest.mark.parametrize(
    "name",
    ["docs/scorecard/c.json", "README.md", "tests/test_code.py", "maps/helsinki/report.json"],
)
def test_pages_tests_and_figures_that_change_do_not_mark_the_commit(checkout, name):
    folder, git = checkout
    page = folder / name
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("first")
    assert scorecard.is_clean(scorecard.stamp()["commit"])
    commit(git)
    page.write_text("second")
    assert scorecard.is_clean(scorecard.stamp()["commit"])


def test_commits_are_held_against_each_other_by_their_code(checkout):
    folder, git = checkout
    first = scorecard.stamp()["commit"]
    (folder / "README.md").write_text("page")
    commit(git)
    page = scorecard.stamp()["commit"]
    (folder / "src" / "code.py").write_text("2")
    commit(git)
    code = scorecard.stamp()["commit"]
    assert first != page and scorecard.same_code(first, page)
    assert not scorecard.same_code(page, code)
    assert not scorecard.same_code(first + "+changes", page)
    assert not scorecard.same_code("unknown", page)


def test_figures_of_tests_depend_on_the_tests_too(checkout):
    folder, git = checkout
    first = scorecard.stamp(scorecard.SUITE)["commit"]
    (folder / "tests").mkdir()
    (folder / "tests" / "test_code.py").write_text("1")
    assert scorecard.stamp(scorecard.SUITE)["commit"] == f"{first}+changes"
    assert scorecard.is_clean(scorecard.stamp()["commit"])
    commit(git)
    second = scorecard.stamp(scorecard.SUITE)["commit"]
    assert scorecard.is_clean(second)
    assert scorecard.same_code(first, second)
    assert not scorecard.same_code(first, second, scorecard.SUITE)


def test_a_stamp_is_marked_if_the_code_changed_since(checkout):
    folder, git = checkout
    taken = scorecard.stamp()
    assert scorecard.marked_if_changed(taken) == taken
    (folder / "README.md").write_text("page")
    commit(git)
    assert scorecard.marked_if_changed(taken) == taken
    (folder / "src" / "code.py").write_text("2")
    marked = scorecard.marked_if_changed(taken)
    assert marked == taken | {"commit": f"{taken['commit']}+changes"}
    assert scorecard.marked_if_changed(marked) == marked
    commit(git)
    assert scorecard.marked_if_changed(taken) == marked


def test_a_campaign_never_run_is_none_and_a_broken_one_an_error(tmp_path):
    assert scorecard.read_campaign(tmp_path / "c.json") is None
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UserError, match=r"c.json: not JSON"):
        scorecard.read_campaign(tmp_path / "c.json")


def test_upper_bound_of_no_events_is_the_rule_of_three():
    assert scorecard.upper_bound_95(0, 40) == pytest.approx(3.0 / 40, rel=0.01)
