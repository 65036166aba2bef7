"""Parcels between locker and robot."""

import numpy as np
import pytest
from tests.simulation.worlds import ROBOT

from lastmile.geometry import se2
from lastmile.maps.lockers import standard_locker
from lastmile.simulation.transfer import Transfer
from lastmile.types import BayCommand, LockerHardwareCommand

LOCKER = standard_locker("a", "A", np.array([3.0, 1.0, 0.4]), 0)
DOCKED = se2.compose(
    np.array([*LOCKER.pose_map_port[:2], LOCKER.pose_map_port[2] + np.pi]),
    np.array([-0.37, 0.0, 0.0]),
)
AWAY = se2.compose(DOCKED, np.array([-1.0, 0.0, 0.0]))


class Bench:
    """A transfer with its clock and standing commands."""

    def __init__(self, at="1"):
        self.transfer = Transfer(
            (LOCKER,), ROBOT.mount("port_link"), {"p": ("a", at)}, np.random.default_rng(0)
        )
        self.t = 0.0

    def run(self, seconds, *, door=True, locker=0, robot=0, pose=DOCKED, faults=frozenset()):
        for _ in range(round(seconds * 100)):
            self.t += 0.01
            self.transfer.command_bay(BayCommand(self.t, robot, True))
            self.transfer.command_locker(LockerHardwareCommand(self.t, "a", door, "1", locker))
            self.transfer.step(self.t, 0.01, pose, faults)
        return self.transfer.places()["p"]

    def state(self, faults=frozenset()):
        return (
            self.transfer.bay_state(self.t, faults),
            self.transfer.locker_states(self.t, faults)[0],
        )


def test_parcel_moves_to_the_robot_when_both_conveyors_agree():
    bench = Bench()
    bench.run(2.1)
    assert bench.run(1.5, locker=1, robot=-1) == "gap"
    assert not bench.state()[0].gap_clear
    assert bench.run(2.0, locker=1, robot=-1) == "robot"
    bay, locker = bench.state()
    assert (bay.occupied_a, bay.occupied_b, bay.parcel_id, bay.gap_clear) == (True, True, "p", True)
    assert not locker.compartments[0].occupied_a


def test_parcel_goes_back_into_the_compartment_it_is_given_to():
    bench = Bench()
    bench.run(2.1)
    bench.run(4.0, locker=1, robot=-1)
    assert bench.run(4.0, locker=-1, robot=1) == "a"
    assert bench.state()[1].compartments[0].parcel_id == "p"


def test_parcel_stays_while_the_door_is_shut():
    bench = Bench()
    assert bench.run(4.0, door=False, locker=1, robot=-1) == "a"
    assert bench.state()[1].compartments[0].occupied_a


def test_parcel_waits_in_the_gap_when_conveyors_disagree():
    bench = Bench()
    bench.run(2.1)
    bench.run(1.2, locker=1, robot=-1)
    assert bench.run(3.0, locker=1, robot=0) == "gap"
    assert bench.run(3.0, locker=1, robot=-1) == "robot"


def test_door_does_not_close_on_a_parcel_in_the_gap():
    bench = Bench()
    bench.run(2.1)
    bench.run(1.2, locker=1, robot=-1)
    bench.run(3.0, door=False)
    assert bench.state()[1].door_open


def test_parcel_falls_when_the_robot_leaves_with_it_in_the_gap():
    bench = Bench()
    bench.run(2.1)
    bench.run(1.2, locker=1, robot=-1)
    assert bench.run(0.1, pose=AWAY) == "ground"


def test_parcel_given_out_with_nobody_there_falls():
    bench = Bench()
    bench.run(2.1)
    bench.run(4.0, locker=1, robot=-1)
    assert bench.run(1.0, robot=1, pose=AWAY) == "ground"


def test_jam_holds_the_parcel():
    bench = Bench()
    bench.run(2.1)
    bench.run(1.2, locker=1, robot=-1)
    assert bench.run(4.0, locker=1, robot=-1, faults=frozenset({"conveyor_jam"})) == "gap"


@pytest.mark.parametrize(
    ("offset", "docked"),
    [
        ((0.0, 0.0, 0.0), True),
        ((0.03, 0.0, 0.0), True),
        ((-0.06, 0.0, 0.0), False),
        ((0.0, 0.0, np.radians(6.0)), False),
    ],
)
def test_dock_contact_closes_within_5_cm_and_5_degrees(offset, docked):
    bench = Bench()
    port = se2.compose(se2.compose(DOCKED, np.array([0.37, 0, 0])), np.array(offset))
    pose = se2.compose(port, np.array([-0.37, 0.0, 0.0]))
    bench.run(0.1, door=False, pose=pose)
    bay, locker = bench.state()
    assert (bay.docked, locker.docked) == (docked, docked)
    assert bay.door_closed is (True if docked else None)
    assert locker.busy is (True if docked else None)


def test_unknown_compartment_is_refused_by_name():
    with pytest.raises(ValueError, match="compartment '99'"):
        Bench(at="99")
