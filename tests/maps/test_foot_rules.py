"""Figures as OpenStreetMap's contributors write them."""

import pytest

from lastmile.maps.foot_rules import parse_incline, parse_metres
from lastmile.maps.roads import parse_speed


@pytest.mark.parametrize(
    ("text", "metres"),
    [("2", 2.0), ("2.5 m", 2.5), ("2,5", 2.5), (" 3m ", 3.0), ("0", None), ("-1", None),
     ("2'6\"", None), ("2-3", None), ("nan", None), ("", None), (None, None)],
)  # fmt: skip
def test_length_is_read_in_metres_or_not_at_all(text, metres):
    assert parse_metres(text) == metres


@pytest.mark.parametrize(
    ("text", "ratio"),
    [("5 %", 0.05), ("-12%", -0.12), ("+2,5 %", 0.025), ("3", 0.03), ("-3°", -0.0524),
     ("up", None), ("", None), (None, None)],
)  # fmt: skip
def test_incline_is_rise_over_run(text, ratio):
    assert parse_incline(text) == (None if ratio is None else pytest.approx(ratio, abs=1e-4))


@pytest.mark.parametrize(
    ("text", "speed_mps"),
    [("40", 40 / 3.6), ("30 km/h", 30 / 3.6), ("20 mph", 8.9408), ("walk", None), ("0", None),
     ("999", None), ("nan", None), ("", None), (None, None)],
)  # fmt: skip
def test_speed_limit_is_read_in_its_unit(text, speed_mps):
    assert parse_speed(text) == (None if speed_mps is None else pytest.approx(speed_mps))
