"""A scorecard is printed and written, and misses end it with 1; pages are written from the code."""

import json

import pytest
from typer.testing import CliRunner

from lastmile.cli import docs_commands, scorecard_commands
from lastmile.evaluation.scorecard import at_most, stated
from lastmile.nodes.interfaces_page import interfaces_page
from lastmile.stack.parameter_files import FILES, parameter_file


@pytest.mark.parametrize(("figure", "code"), [(4.0, 0), (6.0, 1), (None, 1)])
def test_scorecard_is_written_and_ends_with_1_where_a_target_is_missed(
    tmp_path, monkeypatch, figure, code
):
    def measure(checkout):
        assert checkout == tmp_path
        return [at_most("docking", figure, "cm", 5.0), stated("machine", "m", "")]

    monkeypatch.setitem(scorecard_commands.AREAS, "delivery", measure)
    arguments = ["delivery", "--checkout", str(tmp_path)]
    result = CliRunner().invoke(scorecard_commands.app, arguments)
    assert result.exit_code == code, result.output
    assert ("missed" in result.output) == bool(code)
    rows = json.loads((tmp_path / "runs/scorecard/delivery.json").read_text())
    assert [row["holds"] for row in rows] == [code == 0, None]
    assert "docking" in (tmp_path / "docs/scorecard/delivery.md").read_text()


def test_area_that_is_unknown_is_bad_usage(tmp_path):
    result = CliRunner().invoke(scorecard_commands.app, ["moon", "--checkout", str(tmp_path)])
    assert result.exit_code == 2
    assert "'moon' is not one of delivery" in result.output
    assert not list(tmp_path.iterdir())


def test_pages_and_parameter_files_are_written_from_the_code(tmp_path):
    page, folder = tmp_path / "interfaces.md", tmp_path / "config"
    folder.mkdir()
    app = docs_commands.app
    assert CliRunner().invoke(app, ["interfaces", "--output", str(page)]).exit_code == 0
    assert page.read_text(encoding="utf-8") == interfaces_page()
    assert CliRunner().invoke(app, ["parameters", "--folder", str(folder)]).exit_code == 0
    written = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert written == {name: parameter_file(spec) for name, spec in FILES.items()}
