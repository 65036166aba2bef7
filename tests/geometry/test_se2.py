"""Planar transforms against identities and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.geometry.matrices import to_matrix

from lastmile.geometry import se2

numbers = st.floats(-1e3, 1e3)
poses = st.builds(lambda x, y, a: np.array([x, y, a]), numbers, numbers, st.floats(-3.14, 3.14))


@given(poses)
def test_pose_with_its_inverse_is_identity(pose):
    assert se2.compose(pose, se2.invert(pose)) == pytest.approx([0, 0, 0], abs=1e-9)


@given(poses, poses, poses)
def test_compose_is_associative(a, b, c):
    left = se2.compose(se2.compose(a, b), c)
    right = se2.compose(a, se2.compose(b, c))
    assert left[:2] == pytest.approx(right[:2], abs=1e-6)
    assert se2.wrap_angle(left[2] - right[2]) == pytest.approx(0.0, abs=1e-9)


@given(poses, poses)
def test_compose_equals_the_matrix_product(a, b):
    np.testing.assert_allclose(to_matrix(se2.compose(a, b)), to_matrix(a) @ to_matrix(b), atol=1e-6)


@given(poses, poses)
def test_between_is_what_leads_from_the_one_pose_to_the_other(a, b):
    T = to_matrix(a) @ to_matrix(se2.between(a, b))
    np.testing.assert_allclose(T, to_matrix(b), atol=1e-6)


@given(poses)
def test_pose_is_read_out_of_its_matrix(pose):
    assert se2.from_matrix(to_matrix(pose)) == pytest.approx(pose, abs=1e-9)


@given(poses, st.tuples(numbers, numbers))
def test_transform_moves_points_as_the_matrix_does(pose, point):
    expected = (to_matrix(pose) @ [*point, 0.0, 1.0])[:2]
    assert se2.transform(pose, np.array(point)) == pytest.approx(expected, abs=1e-6)
    many = se2.transform(pose, np.array([[0.0, 0.0], point]))
    assert many == pytest.approx(np.array([pose[:2], expected]), abs=1e-6)


@given(st.floats(-1e4, 1e4))
def test_wrap_angle_keeps_the_direction_and_stays_in_range(angle):
    wrapped = float(se2.wrap_angle(angle))
    assert -np.pi < wrapped <= np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


def test_wrap_angle_maps_minus_pi_to_pi():
    assert float(se2.wrap_angle(-np.pi)) == pytest.approx(np.pi)


def test_advance_drives_a_quarter_circle():
    pose = se2.advance(np.zeros(3), np.array([np.pi / 2, np.pi / 2]), 1.0)
    assert pose == pytest.approx([1.0, 1.0, np.pi / 2])


def test_advance_drives_straight_without_yaw_rate():
    assert se2.advance(np.array([1.0, 2.0, 0.0]), np.array([2.0, 0.0]), 0.5) == pytest.approx(
        [2.0, 2.0, 0.0]
    )


def test_one_pose_is_moved_as_one_of_many_is():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.0, 4.0, (2, 200, 3))
    many = (se2.compose(a, b), se2.invert(a), se2.between(a, b), se2.wrap_angle(a))
    for i in range(len(a)):
        assert se2.compose(a[i], b[i]) == pytest.approx(many[0][i], abs=1e-12)
        assert se2.invert(a[i]) == pytest.approx(many[1][i], abs=1e-12)
        assert se2.between(a[i], b[i]) == pytest.approx(many[2][i], abs=1e-12)
        assert se2.wrap_angle(float(a[i, 2])) == pytest.approx(many[3][i, 2], abs=1e-12)
