"""Distances to people and whose move closed the gap, on cases done by hand."""

import numpy as np
import pytest
from tests.robot import FOOTPRINT

from lastmile.evaluation.encounters import closing_speeds, encounters, person_distances
from lastmile.types import GroundTruth


def truth(pose=(0.0, 0.0, 0.0), twist=(0.0, 0.0), people=(), stamp_s=0.0, contact=""):
    return GroundTruth(
        stamp_s,
        np.array(pose),
        np.array(twist),
        np.array(people, dtype=float).reshape(-1, 5),
        np.empty((0, 6)),
        np.inf,
        np.inf,
        contact,
    )


def test_distance_ahead_is_from_bumper_to_body():
    distance, nearest = person_distances(np.zeros(3), FOOTPRINT, np.array([[1, 1.6, 0, 0, 0.0]]))
    assert distance == pytest.approx([1.0])
    assert nearest[0] == pytest.approx([0.35, 0.0])


def test_distance_turns_with_the_robot():
    people = np.array([[1, 0.0, 1.6, 0, 0.0]])
    distance, _ = person_distances(np.array([0, 0, np.pi / 2]), FOOTPRINT, people)
    assert distance == pytest.approx([1.0])


def test_distance_inside_the_footprint_is_negative():
    distance, _ = person_distances(np.zeros(3), FOOTPRINT, np.array([[1, 0.3, 0, 0, 0.0]]))
    assert distance == pytest.approx([-0.3])


def test_closing_speeds_tell_who_moves():
    moment = truth(twist=(1.0, 0.0), people=[(7, 2.0, 0, -0.5, 0)])
    robot_mps, person_mps = closing_speeds(moment, np.array([[0.35, 0.0]]))
    assert robot_mps == pytest.approx([1.0])
    assert person_mps == pytest.approx([0.5])


def test_closing_speeds_turn_with_the_robot():
    moment = truth(pose=(0, 0, np.pi / 2), twist=(1.0, 0.0), people=[(7, 0, 2.0, 0, 0)])
    robot_mps, _ = closing_speeds(moment, np.array([[0.35, 0.0]]))
    assert robot_mps == pytest.approx([1.0])


def test_turning_closes_the_gap_at_the_corner():
    moment = truth(twist=(0.0, 1.0), people=[(7, 0.35, 1.0, 0, 0)])
    robot_mps, _ = closing_speeds(moment, np.array([[0.35, 0.275]]))
    assert robot_mps == pytest.approx([0.35])


def test_an_own_approach_counts_beside_somebody_nearer_who_came():
    log = [truth(twist=(0.3, 0.0), people=[(1, 0.7, 0, -1.2, 0), (2, 0.9, 0, 0, 0)])]
    assert encounters(log, FOOTPRINT).closest_own_m == pytest.approx(0.3)


def test_a_creeping_robot_moves():
    log = [truth(twist=(0.03, 0.0), people=[(1, 0.9, 0, 0, 0)])]
    assert encounters(log, FOOTPRINT).closest_own_m == pytest.approx(0.3)


def test_a_person_who_walks_into_a_moving_robot_is_not_its_own_approach():
    log = [truth(twist=(0.3, 0.0), people=[(1, 0.7, 0, -1.2, 0)])]
    found = encounters(log, FOOTPRINT)
    assert found.closest_any_m == pytest.approx(0.1)
    assert found.closest_own_m == np.inf


def test_an_own_approach_counts():
    log = [truth(twist=(0.3, 0.0), people=[(1, 0.9, 0, 0, 0)])]
    assert encounters(log, FOOTPRINT).closest_own_m == pytest.approx(0.3)


def test_a_standing_robot_approaches_nobody():
    log = [truth(people=[(1, 0.7, 0, -1.2, 0)])]
    assert encounters(log, FOOTPRINT).closest_any_m == np.inf


def test_people_within_five_metres_are_met_once():
    log = [
        truth(people=[(1, 4.0, 0, 0, 0), (2, 9.0, 0, 0, 0)]),
        truth(people=[(1, 3.0, 0, 0, 0), (3, 0, -5.0, 0, 0)], stamp_s=1.0),
    ]
    assert encounters(log, FOOTPRINT).met == 2


def test_any_closing_of_the_robot_is_stated_too():
    log = [truth(twist=(1.3, 0.0), people=[(1, 0.73, 0, -1.34, 0)])]
    found = encounters(log, FOOTPRINT)
    assert found.closest_own_m == np.inf
    assert found.closest_closing_m == pytest.approx(0.13)
