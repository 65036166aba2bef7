"""The town is the seed's alone; the engine moves the robot and senses."""

import numpy as np
import pytest
from tests.simulation.worlds import EMPTY, ROBOT, drive, make_world, of

from lastmile.maps.example import example_site
from lastmile.simulation.config import BaseConfig
from lastmile.simulation.drive import Drive, Hold
from lastmile.simulation.motion import Motion
from lastmile.simulation.scenario import scenario_from_mapping
from lastmile.simulation.world import World
from lastmile.types import Command

BUSY = {"people": {"count": 12}, "traffic": {"cars": 4}, "surroundings": {"parked_ratio": 0.5}}


class StandingEngine:
    """A robot that stands at the start and senses nothing."""

    braked, timed_out, touched = True, True, False

    def __init__(self, town, robot, config, chance):
        T = np.eye(4)
        T[:2, 3] = town.start[:2]
        zeros = np.zeros(3)
        self.motion = Motion(town.start, T, np.zeros(2), zeros, zeros, np.zeros(2))
        self.asked = []

    def obey(self, command, stamp_s):
        pass

    def move(self, stamp_s, hold, grip, clearance):
        return self.motion

    def imu(self, stamp_s):
        self.asked.append(("imu", stamp_s))

    def wheels(self, stamp_s):
        self.asked.append(("wheels", stamp_s))

    def fix(self, stamp_s, spike_m):
        self.asked.append(("fix", stamp_s))

    def turn(self, stamp_s):
        self.asked.append(("turn", stamp_s))

    def depth(self, stamp_s):
        return {}

    def image(self, stamp_s):
        return None

    def close(self):
        self.asked.append(("close", None))


def standing_world(seed=1, **values):
    scenario = scenario_from_mapping({**EMPTY, **values})
    rng = np.random.default_rng(seed)
    return World(example_site(), ROBOT, scenario, rng, make_engine=StandingEngine)


def test_town_is_the_same_for_every_engine():
    start = [0.0, 4.75, 0.0]
    embedded, standing = (
        make_world(3, start_pose=start, **BUSY),
        standing_world(3, start_pose=start, **BUSY),
    )
    outlines = [[t.outline.wkt for t in w.town.streets.things] for w in (embedded, standing)]
    assert outlines[0] == outlines[1]
    feeds = [w.town.signals.feed(40.0, w.town.start) for w in (embedded, standing)]
    assert feeds[0] == feeds[1]
    truths = [of(drive(w, 0.3), "ground_truth")[-1] for w in (embedded, standing)]
    assert len(truths[0].people) == len(truths[1].people) > 0
    assert len(truths[0].vehicles) == len(truths[1].vehicles) > 0


def test_sensor_that_has_nothing_new_publishes_nothing():
    topics = {topic for topic, _ in drive(standing_world(), 0.2)}
    assert topics == {"base/state", "ground_truth", "bay/state", "lockers/state"}


def test_faults_do_not_touch_what_a_sensor_did_not_give():
    kinds = ("lidar_nan", "lidar_stuck", "imu_nan", "depth_nan")
    faults = [{"kind": kind, "start_s": 0.0, "duration_s": 1.0} for kind in kinds]
    drive(standing_world(faults=faults), 0.2)


def test_engine_is_asked_for_each_sensor_at_its_rate():
    world = standing_world()
    drive(world, 1.0)
    names = [name for name, _ in world.engine.asked]
    assert {name: names.count(name) for name in set(names)} == {
        "imu": 100,
        "wheels": 50,
        "fix": 5,
        "turn": 10,
    }


def test_world_closes_its_engine():
    world = standing_world()
    world.close()
    assert world.engine.asked == [("close", None)]


def driven(hold, seconds=1.0, speed=1.0, since_s=0.0):
    drive_ = Drive(BaseConfig())
    drive_.obey(Command(0.0, speed, 0.0), since_s)
    asked = 0.0
    for tick in range(1, round(seconds * 100) + 1):
        stamp = tick * 0.01
        drive_.obey(Command(stamp, speed, 0.0), stamp)
        asked, _ = drive_.step(stamp, 0.01, hold)
    return asked


@pytest.mark.parametrize(
    ("hold", "speed", "asked"),
    [
        (Hold(), 1.0, 1.0),
        (Hold(estop=True), 1.0, 0.0),
        (Hold(ahead=True), 1.0, 0.0),
        (Hold(ahead=True), -0.3, -0.3),
        (Hold(behind=True), -0.3, 0.0),
        (Hold(behind=True), 1.0, 1.0),
    ],
)
def test_drive_obeys_but_for_what_holds_it(hold, speed, asked):
    assert driven(hold, speed=speed) == pytest.approx(asked)


def test_drive_changes_speed_no_faster_than_its_config_says():
    assert driven(Hold(), seconds=0.1, speed=1.8) == pytest.approx(0.35, abs=1e-9)
