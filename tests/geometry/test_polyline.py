"""Polylines: arc length, sampling and projection on cases done by hand."""

import numpy as np
import pytest

from lastmile.geometry import polyline

CORNER = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 5.0]])


def test_arc_lengths_of_a_corner():
    assert polyline.arc_lengths(CORNER) == pytest.approx([0.0, 10.0, 15.0])


def test_resample_keeps_both_ends_and_the_spacing():
    points = polyline.resample(CORNER, 0.4)
    assert points[0] == pytest.approx(CORNER[0])
    assert points[-1] == pytest.approx(CORNER[-1])
    assert np.hypot(*np.diff(points, axis=0).T).max() <= 0.4 + 1e-9


def test_resample_refuses_a_spacing_of_zero():
    with pytest.raises(ValueError, match="spacing is 0"):
        polyline.resample(CORNER, 0)


def test_project_tells_left_from_right():
    assert polyline.project(CORNER, np.array([4.0, 1.0])).offset_m == pytest.approx(1.0)
    assert polyline.project(CORNER, np.array([4.0, -2.0])).offset_m == pytest.approx(-2.0)


def test_project_gives_arc_and_heading_on_the_second_leg():
    found = polyline.project(CORNER, np.array([11.0, 3.0]))
    assert found.arc_m == pytest.approx(13.0)
    assert found.heading == pytest.approx(np.pi / 2)


def test_project_stays_in_its_window():
    back = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 1.0], [0.0, 1.0]])
    near_return = np.array([5.0, 0.9])
    assert polyline.project(back, near_return).arc_m == pytest.approx(16.0)
    assert polyline.project(back, near_return, 0.0, 8.0).arc_m == pytest.approx(5.0)


def test_project_before_the_start_holds_the_end():
    found = polyline.project(CORNER, np.array([-3.0, 4.0]))
    assert found.arc_m == pytest.approx(0.0)
    assert found.distance_m == pytest.approx(5.0)
