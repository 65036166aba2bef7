"""The SDF world: the same town as the embedded engine has, the robot as its URDF says."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from tests.simulation.worlds import ROBOT, make_world

from lastmile.errors import UserError
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.gazebo import elements, mesh_files
from lastmile.simulation.gazebo.movers import AWAY, Movers, door_place, model_name
from lastmile.simulation.gazebo.robot import (
    TOPICS,
    SensorRates,
    depth_size,
    robot_model,
)
from lastmile.simulation.gazebo.world import WorldOptions, write_world
from lastmile.simulation.rays import RayScene
from lastmile.simulation.surroundings import triangles_of
from lastmile.vehicle.description import DescriptionError

CONFIG = SimulatorConfig()
BUSY = {
    "people": {"count": 6, "encounters": 2},
    "traffic": {"cars": 3, "cyclists": 1},
    "surroundings": {"clutter_per_100m": 4.0, "parked_ratio": 0.5},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    town = make_world(3, **BUSY).town
    folder = tmp_path_factory.mktemp("world")
    path = write_world(town, ROBOT, CONFIG, folder)
    return town, folder, ElementTree.parse(path).getroot()


def place_of(node):
    pose = node.find("pose")
    return np.zeros(6) if pose is None else np.array([float(v) for v in pose.text.split()])


def test_every_file_that_the_world_names_is_there(written):
    _, folder, root = written
    named = {uri.text for uri in root.iter("uri")} | {p.text for p in root.iter("albedo_map")}
    assert len(named) > 10
    assert all((folder / name).is_file() for name in named)
    files = {f"meshes/{p.name}" for p in (folder / "meshes").iterdir()}
    assert files == named


def test_model_names_are_unique(written):
    names = [model.get("name") for model in written[2].find("world").findall("model")]
    assert len(names) == len(set(names))


def test_rays_meet_the_written_meshes_where_they_meet_the_town(written):
    town, folder, _ = written
    still = [p for p in (folder / "meshes").glob("*.stl") if "_" in p.stem or p.stem == "ground"]
    moving = ("leg", "person", "cyclist", "car")
    triangles = [mesh_files.read_stl(p) for p in still if p.stem not in moving]
    lockers = [t for t in town.streets.things if t.name.startswith("locker")]
    scene = RayScene(np.concatenate([*triangles, triangles_of(lockers)]))
    azimuth, elevation = np.meshgrid(np.linspace(-3.1, 3.1, 300), np.linspace(-0.5, 0.1, 20))
    azimuth, elevation = azimuth.ravel(), elevation.ravel()
    directions = np.column_stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    ).astype(np.float32)
    origins = np.tile(np.array([*town.start[:2], 1.1], np.float32), (len(directions), 1))
    limits = np.full(len(directions), 120.0, np.float32)
    off = scene.cast(origins, directions, limits) - town.streets.all_rays.cast(
        origins, directions, limits
    )
    assert np.median(np.abs(off)) < 1e-4
    # A ray along an edge may slip past one of the two.
    assert np.mean(np.abs(off) > 0.01) < 0.002


def test_ground_looks_up(written):
    triangles = mesh_files.read_stl(written[1] / "meshes" / "ground.stl")
    assert mesh_files.unit_normals(triangles)[:, 2].min() > -0.5


def test_robot_stands_at_the_start_with_the_mass_of_its_urdf(written):
    town, _, root = written
    robot = root.find("world/model[@name='robot']")
    x, y, z, roll, pitch, yaw = place_of(robot)
    assert [x, y, yaw] == pytest.approx(town.start)
    assert abs(z) < 0.01
    assert roll == pitch == 0.0
    assert sum(float(m.text) for m in robot.iter("mass")) == pytest.approx(45.0)


def test_wheels_are_spheres_and_grip_while_casters_slide(written):
    robot = written[2].find("world/model[@name='robot']")
    for link in robot.findall("link")[1:]:
        radius = float(link.find("collision/geometry/sphere/radius").text)
        friction = float(link.find("collision/surface/friction/ode/mu").text)
        wheel = link.get("name").startswith("wheel")
        assert (radius, friction) == ((0.12, CONFIG.base.friction) if wheel else (0.06, 0.01))
        assert place_of(link)[2] == pytest.approx(radius)


def test_casters_have_their_springs(written):
    for side in ("front", "rear"):
        joint = written[2].find(f"world/model/joint[@name='caster_{side}_joint']")
        assert joint.get("type") == "prismatic"
        assert float(joint.find("axis/dynamics/spring_stiffness").text) == 9000.0
        assert float(joint.find("axis/dynamics/spring_reference").text) == -0.005


def test_sensors_sit_where_the_urdf_has_them(written):
    sensors = {s.get("name"): s for s in written[2].iter("sensor")}
    frames = {
        "imu": "imu_link",
        "navsat": "gnss_link",
        "lidar_upper": "lidar_link",
        "lidar_lower": "lidar_link",
        "depth_front": "depth_front_link",
        "camera": "camera_link",
    }
    for name, frame in frames.items():
        place, T = place_of(sensors[name]), ROBOT.mount(frame)
        assert place[:3] == pytest.approx(T[:3, 3])
        turned = elements.pose_of(T).text.split()[3:]
        assert place[3:] == pytest.approx([float(v) for v in turned], abs=1e-9)
    assert {s.find("topic").text for s in sensors.values()} <= set(TOPICS.values())


@pytest.mark.parametrize(
    ("name", "low_deg", "high_deg"), [("lidar_upper", -4.0, 4.0), ("lidar_lower", -30.0, -5.0)]
)
def test_lidars_render_the_rings_of_the_data_sheet(written, name, low_deg, high_deg):
    scan = next(s for s in written[2].iter("sensor") if s.get("name") == name).find("lidar/scan")
    vertical, horizontal = scan.find("vertical"), scan.find("horizontal")
    assert vertical.find("samples").text == "16"
    assert np.degrees(float(vertical.find("min_angle").text)) == pytest.approx(low_deg)
    assert np.degrees(float(vertical.find("max_angle").text)) == pytest.approx(high_deg)
    assert float(horizontal.find("min_angle").text) == pytest.approx(-np.pi)
    step = (float(horizontal.find("max_angle").text) + np.pi) / 1023
    assert step == pytest.approx(2.0 * np.pi / 1024)


def test_noise_of_gazebo_is_that_of_the_data_sheets_or_none():
    place = elements.pose((0.0, 0.0, 0.0))
    noisy = robot_model(ROBOT, CONFIG, place, SensorRates(noise=True, imu_hz=100.0))
    gyro = noisy.find("link/sensor[@name='imu']/imu/angular_velocity/x/noise")
    # White noise of a reading is its density times the root of the rate.
    assert float(gyro.find("stddev").text) == pytest.approx(CONFIG.imu.gyro_density * 10.0)
    walk = float(gyro.find("dynamic_bias_stddev").text)
    assert walk == pytest.approx(CONFIG.imu.gyro_bias_walk)
    quiet = robot_model(ROBOT, CONFIG, place, SensorRates(noise=False, imu_hz=500.0))
    assert list(quiet.iter("noise")) == []


def test_depth_image_sees_at_least_what_the_sensor_sees():
    width, height = depth_size(CONFIG.depth)
    half_x = np.tan(0.5 * np.radians(CONFIG.depth.horizontal_deg))
    half_y = half_x * height / width
    assert half_y >= np.tan(0.5 * np.radians(CONFIG.depth.vertical_deg))
    assert width == 128


def test_lockers_show_their_markers_on_their_fronts(written):
    town, _, root = written
    for locker in town.site.lockers:
        model = root.find(f"world/model[@name='{model_name('locker', locker.id)}']")
        x, y, _, _, _, yaw = place_of(model)
        assert [x, y, yaw] == pytest.approx(locker.pose_map_port)
        shown = {v.get("name"): v for v in model.iter("visual")}
        for marker_id, place in locker.markers.items():
            visual = shown[f"marker_{marker_id}"]
            assert place_of(visual)[1:3] == pytest.approx(place[1:])
            # The quiet zone adds an eighth to each side.
            side = float(visual.find("geometry/mesh/scale").text.split()[1])
            assert side == pytest.approx(1.25 * locker.marker_side_m)


def test_world_lies_on_earth_where_the_site_does(written):
    town, _, root = written
    earth = root.find("world/spherical_coordinates")
    origin = town.site.origin
    assert float(earth.find("latitude_deg").text) == pytest.approx(origin.latitude_deg, abs=1e-10)
    assert float(earth.find("longitude_deg").text) == pytest.approx(origin.longitude_deg, abs=1e-10)


def test_unwritable_folder_is_told(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken cannot be written"):
        write_world(make_world().town, ROBOT, CONFIG, tmp_path / "taken", WorldOptions())


def test_robot_with_two_heavy_bodies_is_refused():
    urdf = ROBOT.urdf.replace(
        '<link name="imu_link"/>',
        '<link name="imu_link"><inertial><mass value="1"/>'
        '<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>',
    )
    robot = dataclasses.replace(ROBOT, urdf=urdf)
    place = elements.pose((0.0, 0.0, 0.0))
    with pytest.raises(DescriptionError, match="chassis_link, imu_link"):
        robot_model(robot, CONFIG, place, SensorRates())


# ------------------------------------------------------------------------- what moves


def stepped_town(seconds=0.5):
    town = make_world(3, **BUSY).town
    for _ in range(round(seconds * 100)):
        town.step(town.start, frozenset())
    return town


def test_everybody_has_a_model_at_their_place():
    town = stepped_town()
    places = Movers(town).places(town.start)
    there = {n: p for n, p in places.items() if n.startswith("person_") and p != AWAY}
    assert len(there) == len(town.people.ids) > 0
    found = np.array(sorted(p[:2] for p in there.values()))
    assert found == pytest.approx(np.array(sorted(map(tuple, town.people_now()))))
    legs = [p for n, p in places.items() if n.startswith("leg_") and p != AWAY]
    assert len(legs) == 2 * len(there)
    cars = [p for n, p in places.items() if n.startswith("car_") and p != AWAY]
    assert len(cars) == sum(not v.is_cyclist for v in town.traffic.vehicles)


def test_only_what_moved_is_told_again():
    town = stepped_town()
    movers = Movers(town)
    first = movers.changes(town.start)
    assert set(first) == set(movers.places(town.start))
    assert movers.changes(town.start) == {}
    for _ in range(10):
        town.step(town.start, frozenset())
    told = movers.changes(town.start)
    assert 0 < len(told) < len(first)
    assert not any(name.startswith(("door_", "parcel_")) for name in told)


def test_door_slides_up_clear_of_its_opening():
    locker = make_world().site.lockers[0]
    assert door_place(locker, 0.0)[2] == 0.0
    assert door_place(locker, 1.0)[2] == pytest.approx(0.4)


def test_parcel_waits_in_its_locker_and_rides_in_the_robot():
    town = make_world().town
    locker = town.site.lockers[0]
    x, y, z, _ = Movers(town).places(town.start)["parcel_parcel-1"]
    assert np.hypot(x - locker.pose_map_port[0], y - locker.pose_map_port[1]) == pytest.approx(0.4)
    assert z == pytest.approx(0.55)
    town.transfer.bodies[locker.id].contents.clear()
    town.transfer._bay_parcel = "parcel-1"
    x, y, _, yaw = Movers(town).places(np.array([2.0, 3.0, 0.0]))["parcel_parcel-1"]
    assert [x, y, yaw] == pytest.approx([2.37 - 0.25, 3.0, 0.0])


def test_names_that_gazebo_refuses_are_made_plain():
    assert model_name("door", "main st. 4/b") == "door_main_st__4_b"
