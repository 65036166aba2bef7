"""The command line as a whole."""

import sys

import pytest

from lastmile.cli.main import main


def test_help_shows_the_units_of_options(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lastmile", "simulate", "--help"])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (None, 0)
    assert "Most simulated time [s]." in capsys.readouterr().out
