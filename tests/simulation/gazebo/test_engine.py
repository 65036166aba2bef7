"""The Gazebo engine against a stand-in of Gazebo: lockstep, values, and what may go wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.simulation.gazebo import fake
from tests.simulation.worlds import EMPTY, ROBOT, drive, of

from lastmile.config import ConfigError
from lastmile.errors import UserError
from lastmile.geometry.wgs84 import MapProjection
from lastmile.maps.example import example_site
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.engines import engine_maker, require_engine
from lastmile.simulation.gazebo import bindings, engine, link
from lastmile.simulation.gazebo.robot import TOPICS
from lastmile.simulation.lockstep import History
from lastmile.simulation.scenario import scenario_from_mapping
from lastmile.simulation.town import Town, spawn_chance
from lastmile.simulation.world import World

CONFIG = SimulatorConfig()
PAVEMENT = [0.0, 4.75, 0.0]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(engine, "DISCOVERY_S", 0.0)


def make_gazebo_world(seed=1, **values):
    """Make a world on a stand-in, which is the second value."""
    gazebos = []

    def make(town, robot, config, chance):
        gazebo = fake.FakeGazebo(town, config)
        gazebos.append(gazebo)
        connection = link.Link(gazebo, fake.kind, gazebo, lambda: None, patience_s=0.2)
        return engine.GazeboEngine(town, robot, config, chance, connection, fake.kind)

    scenario = scenario_from_mapping({**EMPTY, "start_pose": PAVEMENT, **values})
    rng = np.random.default_rng(seed)
    world = World(example_site(), ROBOT, scenario, rng, CONFIG, make_engine=make)
    return world, gazebos[0]


def test_sensors_come_at_the_rates_of_the_embedded_engine():
    world, _ = make_gazebo_world()
    outputs = drive(world, 1.0, 0.5)
    counts = {"imu": 100, "wheel/odometry": 50, "gnss/fix": 5, "lidar/points": 10}
    counts |= {"depth/front/points": 10, "depth/rear/points": 10, "ground_truth": 50}
    assert {topic: len(of(outputs, topic)) for topic in counts} == counts


def test_world_time_begins_after_the_warm_up_and_moves_by_ticks():
    world, gazebo = make_gazebo_world()
    assert gazebo.now_ns == 1_000_000_000
    drive(world, 0.25)
    assert gazebo.now_ns == 1_250_000_000
    assert world.stamp_s == pytest.approx(0.25)


def test_robot_drives_as_commanded_through_the_base_controller():
    world, _ = make_gazebo_world()
    outputs = drive(world, 2.0, 1.0)
    # 1 m/s is reached after 1 / 3.5 s.
    assert world.motion.pose_map_base[0] == pytest.approx(2.0 - 0.5 / 3.5, abs=0.01)
    assert world.motion.twist_base[0] == pytest.approx(1.0)
    told = sum(v.twist_base[0] for v in of(outputs, "wheel/odometry")) * 0.02
    assert told == pytest.approx(world.motion.pose_map_base[0], rel=0.03)
    drive(world, 0.5, 0.0, 0.8)
    gyro = of(drive(world, 0.2, 0.0, 0.8), "imu")[-1].angular_velocity
    assert gyro[2] == pytest.approx(0.8, abs=0.03)


def test_lidar_has_both_blocks_top_to_bottom_and_open_sky_as_nothing():
    world, gazebo = make_gazebo_world()
    turn = of(drive(world, 0.2), "lidar/points")[-1]
    assert turn.points.shape == (32, 1024, 3)
    assert not np.isfinite(turn.points[:8]).any()
    wall = turn.points[10]
    assert np.nanmedian(np.hypot(wall[:, 0], wall[:, 1])) == pytest.approx(gazebo.wall_m, abs=0.01)
    assert np.nanmean(turn.points[31, :, 2]) == pytest.approx(
        -5.0 * np.tan(np.radians(30.0)), abs=0.02
    )
    assert np.nanmedian(wall[500:524, 0]) == pytest.approx(5.0, abs=0.02)
    assert turn.stamp_s == pytest.approx(0.2)
    assert turn.offset_s.max() == 0.0


def test_depth_is_looked_up_along_the_rays():
    world, _ = make_gazebo_world()
    image = of(drive(world, 0.1), "depth/front/points")[-1]
    assert image.points.shape == (48, 64, 3)
    assert np.nanmedian(image.points[..., 2]) == pytest.approx(0.64, abs=0.003)


def test_fix_is_gazebos_position_with_the_receivers_errors():
    world, _ = make_gazebo_world()
    origin = world.site.origin
    projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)
    fix = of(drive(world, 0.2), "gnss/fix")[-1]
    off = projection.to_map(fix.latitude_deg, fix.longitude_deg) - [-0.2, 4.75]
    assert 0.0 < np.hypot(*off) < 4.0 * np.sqrt(fix.covariance[0, 0])


def test_same_seed_repeats_bit_for_bit():
    digests = []
    for _ in range(2):
        world, _ = make_gazebo_world(4, people={"count": 5}, traffic={"cars": 2})
        history = History()
        for topic, value in drive(world, 1.0, 0.6, 0.05):
            history(world.stamp_s, "simulator", topic, value)
        digests.append(history.hexdigest())
    assert digests[0] == digests[1]


def test_people_are_placed_where_the_town_has_them():
    world, gazebo = make_gazebo_world(4, people={"count": 5})
    drive(world, 1.0)
    there = [p for n, p in gazebo.placed.items() if n.startswith("person_") and p.position.z == 0.0]
    assert len(there) == len(world.town.people.ids) > 0
    found = np.array(sorted((p.position.x, p.position.y) for p in there))
    truth = np.array(sorted(map(tuple, world.town.people_now())))
    # They are placed before the town steps, carried on by a tick.
    assert found == pytest.approx(truth, abs=0.05)
    assert gazebo.requests.count(engine.POSES) <= 1 + 100 / engine.MOVERS_TICKS


def test_bumper_that_touches_is_told_a_tick_later():
    world, gazebo = make_gazebo_world()
    drive(world, 0.1)
    gazebo.touches = ("building",)
    assert not any(s.bumper for s in of(world.step(), "base/state"))
    assert of(drive(world, 0.04), "base/state")[-1].bumper
    gazebo.touches = ("ground", "locker_a")
    assert not of(drive(world, 0.06), "base/state")[-1].bumper


def test_camera_is_heard_near_a_locker_only():
    world, gazebo = make_gazebo_world(start_pose=[])
    assert world.town.start is not None
    near = of(drive(world, 0.3), "camera/image")
    faced = TOPICS["camera"] in gazebo.callbacks
    assert faced == (len(near) > 0)
    far, gazebo = make_gazebo_world(start_pose=[20.0, 4.75, 0.0])
    assert of(drive(far, 0.2), "camera/image") == []


def test_image_is_told_with_a_straight_lens():
    world, gazebo = make_gazebo_world()
    locker = world.site.lockers[0]
    x, y, yaw = locker.pose_map_port
    start = [x + 3.0 * np.cos(yaw), y + 3.0 * np.sin(yaw), yaw + np.pi]
    world, gazebo = make_gazebo_world(start_pose=[float(v) for v in start])
    image = of(drive(world, 0.3), "camera/image")[-1]
    assert image.pixels.shape == (720, 1280)
    assert pytest.approx(np.zeros(5)) == image.model.D
    assert TOPICS["camera"] in gazebo.callbacks


def test_topic_that_never_comes_is_named():
    world, gazebo = make_gazebo_world()
    gazebo.silent.add("/lidar/upper/points")
    with pytest.raises(UserError, match=r"/lidar/upper/points: .* did not come from Gazebo"):
        drive(world, 0.1)


def test_command_that_is_not_heard_is_told():
    world, gazebo = make_gazebo_world()
    gazebo.silent.add(TOPICS["command_heard"])
    with pytest.raises(UserError, match="heard: 1 messages did not come"):
        drive(world, 0.1)


def test_world_that_somebody_else_runs_is_refused():
    world, gazebo = make_gazebo_world()
    drive(world, 0.1)
    gazebo.step()
    with pytest.raises(UserError, match="somebody else runs the world"):
        drive(world, 0.1)


def test_world_that_was_reset_is_refused():
    world, gazebo = make_gazebo_world()
    drive(world, 0.1)
    gazebo.now_ns = 0
    with pytest.raises(UserError, match=r"/joint_states: a value of 1\.110 s did not come"):
        drive(world, 0.1)


def test_close_hears_nothing_more():
    world, gazebo = make_gazebo_world()
    world.close()
    assert gazebo.callbacks == {}
    assert gazebo.closed


def test_fault_that_gazebo_cannot_have_is_refused_before_anything_starts():
    faults = [{"kind": "wheel_slip", "start_s": 0.0, "duration_s": 1.0}]
    scenario = scenario_from_mapping({**EMPTY, "faults": faults})
    town = Town(example_site(), ROBOT, scenario, spawn_chance(np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="fault wheel_slip: DART's friction"):
        engine.start_gazebo(town, ROBOT, CONFIG, {}, seed=0)


def test_gazebo_that_is_missing_is_told_with_what_it_is_for(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"gz: the program of Gazebo Harmonic .* --engine gazebo"):
        require_engine("gazebo")
    require_engine("embedded")


def test_bindings_that_are_missing_are_told_with_what_they_are_for(monkeypatch):
    monkeypatch.setattr(bindings, "TRANSPORT", "gz_not_there.transport13")
    with pytest.raises(UserError, match=r"gz_not_there\.transport13: .* carry commands"):
        bindings.transport()


def test_node_hears_its_partition_alone(monkeypatch):
    made = SimpleNamespace(NodeOptions=SimpleNamespace, Node=lambda options: options.partition)
    monkeypatch.setattr(bindings, "transport", lambda: made)
    assert bindings.transport_node("mine") == "mine"


def test_clouds_that_nobody_takes_do_not_pile_up():
    world, _ = make_gazebo_world()
    world._look = lambda faults: []
    drive(world, 1.0)
    assert len(world.engine._link.take("/lidar/upper/points")) == link.RENDERED_QUEUE


def test_unknown_message_kind_is_told_with_the_known():
    with pytest.raises(UserError, match=r"gz\.msgs\.Nonsense: known are Boolean"):
        bindings.message_kind("gz.msgs.Nonsense")


def test_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="'unreal' is not one of embedded, gazebo"):
        engine_maker("unreal", 0)
