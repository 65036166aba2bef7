"""What counts as touched."""

import numpy as np
import pytest
import shapely
from scipy.spatial.transform import Rotation
from tests.robot import FOOTPRINT

from lastmile.simulation.contacts import ContactWatch
from lastmile.simulation.surroundings import Thing


def test_all_that_is_touched_is_named():
    things = [
        Thing("bin 1", shapely.box(0.3, -0.1, 0.6, 0.1), 1.0),
        Thing("pole 2", shapely.box(-0.5, -0.1, -0.34, 0.1), 3.0),
        Thing("pole 3", shapely.box(1.0, 1.0, 1.1, 1.1), 3.0),
    ]
    watch = ContactWatch(FOOTPRINT, things)
    people = np.array([[0.0, 0.5], [0.2, 0.5], [0.0, 2.0]])
    cars = np.array([[4, 0.0, -1.1, 0.0, 0.0, 4.5]])
    found = watch.measure(np.zeros(3), np.eye(4), people, np.array([7, 8, 9]), cars)
    assert found.contact == "person 7, person 8, car 4, bin 1, pole 2"
    assert found.people_m == 0.0


def test_bumper_is_pressed_where_somebody_stands_and_not_by_a_locker():
    watch = ContactWatch(FOOTPRINT, [Thing("locker a", shapely.box(-0.6, -0.2, -0.34, 0.2), 1.0)])
    nobody, nothing = np.zeros((0, 2)), np.zeros((0, 6))
    docked = watch.measure(np.zeros(3), np.eye(4), nobody, np.zeros(0, int), nothing)
    assert docked.contact == "locker a"
    assert not docked.pressed_ahead
    assert not docked.pressed_behind
    for x, ahead in ((0.6, True), (-0.6, False)):
        person = np.array([[x, 0.0]])
        found = watch.measure(np.zeros(3), np.eye(4), person, np.array([1]), nothing)
        assert (found.pressed_ahead, found.pressed_behind) == (ahead, not ahead)
    car = np.array([[4, 2.6, 0.0, 0.0, 0.0, 4.5]])
    found = watch.measure(np.zeros(3), np.eye(4), nobody, np.zeros(0, int), car)
    assert found.pressed_ahead
    assert not found.pressed_behind


@pytest.mark.parametrize(
    ("axis", "angle_deg", "contact"),
    [("y", 11.3, ""), ("y", -13.0, "kerb"), ("x", 5.0, ""), ("x", 11.3, "kerb")],
)
def test_wheel_off_a_kerb_is_told_from_braking_on_a_ramp(axis, angle_deg, contact):
    T = np.eye(4)
    T[:3, :3] = (
        Rotation.from_euler("z", 1.0) * Rotation.from_euler(axis, angle_deg, degrees=True)
    ).as_matrix()
    nobody, nothing = np.zeros((0, 2)), np.zeros((0, 6))
    watch = ContactWatch(FOOTPRINT, [])
    found = watch.measure(np.zeros(3), T, nobody, np.zeros(0, int), nothing)
    assert found.contact == contact
