"""What a run of the tests came to."""

import pytest

from lastmile.errors import UserError
from lastmile.evaluation.suite_figures import suite_figures

JUNIT = """<testsuites><testsuite tests="4" failures="1" errors="0" skipped="1" time="3">
<testcase classname="tests.cli.test_a" name="test_good[1]"/>
<testcase classname="tests.cli.test_a" name="test_half[1]"/>
<testcase classname="tests.cli.test_a" name="test_half[2]"><failure/></testcase>
<testcase classname="tests.cli.test_a" name="test_left_out"><skipped/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "junit.xml").write_text(JUNIT)
    (tmp_path / "coverage.json").write_text('{"totals": {"percent_covered": 81.5}}')
    return tmp_path


def rows(*names):
    return "".join(f"| bad | said | 1 | `tests/cli/test_a.py::{name}` |\n" for name in names)


def test_failed_and_skipped_tests_are_counted(suite):
    (suite / "page.md").write_text(rows("test_good"))
    figures = suite_figures(suite, suite / "page.md")
    assert (figures["number"], figures["failed"], figures["skipped"]) == (4, 1, 1)
    assert figures["coverage_percent"] == 81.5


def test_a_row_holds_when_its_tests_ran_and_passed_with_all_parameters(suite):
    page = suite / "page.md"
    page.write_text("| what | test |\n" + rows("test_good", "test_half", "test_left_out", "test_x"))
    figures = suite_figures(suite, page)
    assert (figures["bad_input_rows_that_hold"], figures["bad_input_rows"]) == (1, 4)


def test_a_run_that_left_no_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="run `make campaign-tests`"):
        suite_figures(tmp_path, tmp_path / "page.md")
