"""Scorecards: a missed or unknown figure is shown as missed."""

import json
import math

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


def test_campaigns_carry_date_commit_and_machine(tmp_path):
    scorecard.write_campaign(tmp_path / "c.json", {"runs": 3})
    read = scorecard.read_campaign(tmp_path / "c.json")
    assert read["runs"] == 3
    assert set(read["taken"]) == {"date", "commit", "machine"}


def test_a_campaign_never_run_is_none_and_a_broken_one_an_error(tmp_path):
    assert scorecard.read_campaign(tmp_path / "c.json") is None
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(UserError, match=r"c.json: not JSON"):
        scorecard.read_campaign(tmp_path / "c.json")


def test_upper_bound_of_no_events_is_the_rule_of_three():
    assert scorecard.upper_bound_95(0, 40) == pytest.approx(3.0 / 40, rel=0.01)
