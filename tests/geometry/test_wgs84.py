import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastmile.geometry.wgs84 import MapProjection, utm_epsg

HELSINKI = (60.17, 24.94)


def test_origin_of_the_map_is_zero():
    projection = MapProjection(*HELSINKI, 3879)
    assert projection.to_map(*HELSINKI) == pytest.approx([0.0, 0.0], abs=1e-9)


@given(st.floats(-2000.0, 2000.0), st.floats(-2000.0, 2000.0))
def test_wgs84_and_map_are_inverse_within_a_millimetre(x, y):
    projection = MapProjection(*HELSINKI, 3879)
    latitude, longitude = projection.to_wgs84([x, y])
    assert projection.to_map(latitude, longitude) == pytest.approx([x, y], abs=1e-3)


def test_town_system_is_east_north_up_within_a_milliradian():
    projection = MapProjection(*HELSINKI, 3879)
    assert projection.scale == pytest.approx(1.0, abs=1e-5)
    assert abs(projection.convergence_rad) < 1e-3


def test_utm_states_its_scale_and_convergence():
    projection = MapProjection(*HELSINKI, 32635)
    # A point due north of the origin leans by the convergence.
    east, north = projection.to_map(HELSINKI[0] + 0.001, HELSINKI[1])
    assert math.atan2(east, north) == pytest.approx(-projection.convergence_rad, abs=1e-4)
    assert projection.scale == pytest.approx(0.99976, abs=2e-5)


def test_many_positions_keep_their_shape():
    projection = MapProjection(*HELSINKI, 3879)
    points = projection.to_map(np.full((3, 4), 60.1), np.full((3, 4), 24.9))
    assert points.shape == (3, 4, 2)
    assert projection.to_wgs84(points).shape == (3, 4, 2)


@pytest.mark.parametrize(
    ("latitude", "longitude", "epsg"),
    [(60.17, 24.94, 32635), (-33.9, 151.2, 32756), (48.4, 15.6, 32633), (0.0, -180.0, 32601)],
)
def test_utm_zone_of_known_places(latitude, longitude, epsg):
    assert utm_epsg(latitude, longitude) == epsg


@pytest.mark.parametrize(
    ("origin", "epsg", "rule"),
    [
        ((91.0, 24.9), 3879, "latitude"),
        ((math.nan, 24.9), 3879, "latitude"),
        ((60.0, 181.0), 3879, "longitude"),
        ((60.0, 24.9), 4326, "projected system in metres"),
        ((60.0, 24.9), 2263, "projected system in metres"),
        ((60.0, 24.9), 1, "not a known"),
    ],
)
def test_impossible_origin_or_code_names_the_rule(origin, epsg, rule):
    with pytest.raises(ValueError, match=rule):
        MapProjection(*origin, epsg)
