from types import SimpleNamespace

import pytest

from lastmile.cli import delivery_scorecard


@pytest.fixture
def code(monkeypatch):
    """Take the figures for those of the code at hand, which `unchanged` tells."""
    code = SimpleNamespace(unchanged=True)
    monkeypatch.setattr(delivery_scorecard, "same_code", lambda *_: code.unchanged)
    return code
