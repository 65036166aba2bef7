"""The world as a whole: repeatable, apart from the map, and behind the component contract."""

import numpy as np
import pytest
import shapely
from tests.simulation.worlds import ROBOT, drive, make_world, of

from lastmile.config import ConfigError
from lastmile.maps.example import example_site
from lastmile.simulation.component import build
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.lockstep import History
from lastmile.simulation.picture import draw_moment
from lastmile.stack.context import Context
from lastmile.types import BayCommand, Command, LockerHardwareCommand

BUSY = {
    "people": {"count": 15, "encounters": 5},
    "traffic": {"cars": 5, "cyclists": 2},
    "surroundings": {"clutter_per_100m": 3.0},
}


def digest(seed):
    history = History()
    world = make_world(seed, **BUSY)
    for topic, value in drive(world, 1.5, 0.6, 0.05):
        history(world.stamp_s, "simulator", topic, value)
    return history.hexdigest()


@pytest.fixture(scope="module")
def history_of_seed_4():
    return digest(4)


def test_same_seed_and_commands_give_the_same_bytes(history_of_seed_4):
    assert digest(4) == history_of_seed_4


def test_another_seed_gives_another_world(history_of_seed_4):
    assert digest(5) != history_of_seed_4


def test_buildings_stand_off_the_map_by_the_stated_shift():
    scenario = {"facade_shift_min_m": 0.3, "facade_shift_max_m": 0.9}
    world = make_world(2, surroundings={"facade_changed_ratio": 0.0, **scenario})
    mapped = {
        f"building {f.id}": shapely.Polygon(f.points)
        for f in world.site.footprints
        if f.kind == "building"
    }
    shifts = [
        t.outline.hausdorff_distance(mapped[t.name])
        for t in world.town.streets.things
        if t.name in mapped
    ]
    assert len(shifts) == len(mapped)
    assert min(shifts) > 0.299
    assert max(shifts) < 0.901


def test_another_day_has_the_same_buildings_with_other_clutter_and_parked_vehicles():
    figures = {"clutter_per_100m": 10.0, "parked_ratio": 0.5, "facade_shift_max_m": 1.0}
    worlds = [make_world(6, surroundings={**figures, "day": day}) for day in (0, 1)]
    days = [world.town.streets.things for world in worlds]
    lasting, passing = [
        [{(t.name, t.outline.wkt) for t in things if (" " in t.name and t.name.split()[0] in kinds)}
         for things in days]
        for kinds in (("building", "tree", "pole", "locker"), ("bin", "bicycle", "box", "parked"))
    ]
    assert lasting[0] == lasting[1] != set()
    assert len(passing[0] & passing[1]) == 0 < min(map(len, passing))


def test_network_is_free_of_everything_that_stands():
    world = make_world(6, surroundings={"clutter_per_100m": 10.0, "parked_ratio": 1.0})
    lines = [shapely.LineString(edge.points).buffer(0.45) for edge in world.site.edges]
    for line in lines:
        touched = world.town.contacts.tree.query(line, predicate="intersects")
        assert [world.town.streets.things[i].name for i in touched] == []


def test_robot_starts_free_and_on_the_network():
    for seed in range(4):
        world = make_world(seed, surroundings={"clutter_per_100m": 6.0})
        _, distance = world.town.network.nearest(world.motion.pose_map_base)
        assert distance < 1.0
        assert world.clearance.anything_m > 0.2


def test_unknown_locker_is_refused_by_name():
    with pytest.raises(ConfigError, match="locker 'z' is not at site example: a, b"):
        make_world(goal="z")


def make_component(**values):
    context = Context(
        site=example_site(),
        robot=ROBOT,
        rng=np.random.default_rng(0),
        name="simulator",
        state_dir=":memory:",
        link=lambda name: None,
    )
    return build(SimulatorConfig(**values), context)


def test_component_brings_the_world_up_to_the_stamp():
    component = make_component()
    assert component.step(100.0) == []
    outputs = component.step(100.05)
    assert len(of(outputs, "imu")) == 5
    assert component.world.stamp_s == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("cmd_vel", Command(0.0, float("nan"), 0.0)),
        ("bay/command", BayCommand(0.0, 5, False)),
        ("lockers/command", LockerHardwareCommand(0.0, "z", True, "1", 0)),
        ("lockers/command", LockerHardwareCommand(0.0, "a", True, "1", 7)),
    ],
)
def test_component_counts_and_names_bad_commands(topic, value):
    component = make_component()
    component.receive(topic, value)
    diagnostic, _ = component.diagnose(0.0)
    assert diagnostic.values["rejected"] == "1"
    assert topic in diagnostic.message


def test_picture_of_a_moment_is_drawn(tmp_path):
    world = make_world(1, **BUSY)
    outputs = drive(world, 0.2)
    draw_moment(world, tmp_path / "moment.png", of(outputs, "lidar/points")[-1], 20.0)
    assert (tmp_path / "moment.png").stat().st_size > 10_000


def test_ground_truth_names_all_its_parcels():
    truth = of(drive(make_world(), 0.1), "ground_truth")[-1]
    assert truth.parcel_places == {"parcel-1": "a"}
