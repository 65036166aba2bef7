"""Sensor values: rates, shapes, frames, and agreement with the truth."""

import cv2
import numpy as np
import pytest
from tests.geometry.matrices import to_matrix
from tests.simulation.worlds import ROBOT, drive, make_world, of

from lastmile.geometry import se2
from lastmile.geometry.wgs84 import MapProjection
from lastmile.simulation import camera
from lastmile.simulation.camera import Camera, camera_model
from lastmile.simulation.config import CameraConfig
from lastmile.simulation.range_sensors import lidar_elevations
from lastmile.types import FixType

PAVEMENT = [0.0, 4.75, 0.0]


@pytest.fixture(scope="module")
def second():
    """One second of standing still on the pavement."""
    world = make_world(start_pose=PAVEMENT)
    return world, drive(world, 1.0)


@pytest.mark.parametrize(
    ("topic", "count"),
    [
        ("imu", 100),
        ("wheel/odometry", 50),
        ("base/state", 50),
        ("ground_truth", 50),
        ("gnss/fix", 5),
        ("signals", 2),
        ("lidar/points", 10),
        ("depth/front/points", 10),
        ("depth/rear/points", 10),
        ("bay/state", 10),
        ("lockers/state", 20),
    ],
)
def test_sensors_come_at_their_rates(second, topic, count):
    assert len(of(second[1], topic)) == count


def test_level_imu_at_rest_feels_gravity_upwards(second):
    force = np.mean([v.linear_acceleration for v in of(second[1], "imu")], axis=0)
    assert force == pytest.approx([0.0, 0.0, 9.81], abs=0.15)


def test_lidar_sees_the_facade_at_its_place(second):
    turn = of(second[1], "lidar/points")[-1]
    assert turn.points.shape == (32, 1024, 3)
    assert turn.points.dtype == np.float32
    left = turn.points[8, 768]
    # The pavement is 4.75 m, the facade 6.0 m from the road's middle.
    assert left[1] == pytest.approx(1.25, abs=0.06)
    assert abs(left[0]) < 0.02


def test_lidar_ground_ring_lies_at_the_mast_height(second):
    turn = of(second[1], "lidar/points")[-1]
    ahead = turn.points[31, 500:524]
    assert np.nanmean(ahead[:, 2]) == pytest.approx(-1.10, abs=0.02)
    assert np.degrees(lidar_elevations()[[0, 15, 16, 31]]) == pytest.approx([4, -4, -5, -30])


def test_lidar_turn_begins_a_turn_before_it_comes(second):
    turn = of(second[1], "lidar/points")[-1]
    assert turn.stamp_s == pytest.approx(0.9)
    assert turn.offset_s[0] == 0.0
    assert turn.offset_s[-1] == pytest.approx(0.1, abs=2e-4)


def test_lidar_columns_are_seen_from_where_the_robot_was():
    world = make_world(start_pose=PAVEMENT)
    world.engine.lidar.config = world.engine.lidar.config.__class__(
        range_sigma_m=0.0, range_sigma_ratio=0.0, dropout_ratio=0.0
    )
    outputs = drive(world, 2.0, 0.3, 0.6)
    turn = of(outputs, "lidar/points")[-1]
    truth = {round(v.stamp_s, 3): v.pose_map_base for v in of(outputs, "ground_truth")}
    first, last = truth[round(turn.stamp_s, 3)], truth[round(turn.stamp_s + 0.1, 3)]
    for share, column in ((0.05, 51), (0.5, 512), (0.95, 973)):
        pose = first + share * (last - first)
        points = turn.points[:16, column].astype(float)
        points = points[np.isfinite(points).all(axis=1)]
        assert len(points) > 10
        place = se2.transform(pose, points[:, :2])
        gap = [
            min(t.outline.exterior.distance(_point(p)) for t in world.town.streets.things)
            for p in place
        ]
        assert np.median(gap) < 0.05


def _point(p):
    import shapely

    return shapely.Point(p)


def test_depth_sees_the_ground_below(second):
    image = of(second[1], "depth/front/points")[-1]
    assert image.points.shape == (48, 64, 3)
    points = image.points.reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)].astype(float)
    T = ROBOT.mount("depth_front_optical_frame")
    in_base = points @ T[:3, :3].T + T[:3, 3]
    assert np.median(in_base[:, 2]) == pytest.approx(0.0, abs=0.01)
    assert in_base[:, 0].min() > 0.3


def test_wheel_odometry_covers_its_own_error():
    world = make_world(start_pose=PAVEMENT)
    outputs = drive(world, 3.0, 1.0)
    readings = of(outputs, "wheel/odometry")[75:]
    error = np.array([v.twist_base[0] for v in readings]) - world.motion.twist_base[0]
    sigma = np.sqrt(readings[-1].covariance[0, 0])
    assert np.abs(error.mean()) < 0.03
    assert 0.25 * sigma < error.std() < sigma


def test_fix_lies_within_a_few_sigma_of_the_antenna(second):
    world, outputs = second
    origin = world.site.origin
    projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)
    fixes = of(outputs, "gnss/fix")
    for fix in fixes:
        antenna = (world.motion.T_map_base @ ROBOT.mount("gnss_link"))[:2, 3]
        error = projection.to_map(fix.latitude_deg, fix.longitude_deg) - antenna
        assert np.hypot(*error) < 4.0 * np.sqrt(fix.covariance[0, 0])
        assert fix.fix_type in (FixType.SINGLE, FixType.SBAS)


def test_sky_is_narrower_beside_a_building_than_over_the_road():
    world = make_world(start_pose=PAVEMENT)
    high = np.eye(4)
    high[:3, 3] = [0.0, 4.75, 40.0]
    street = world.engine.gnss.sky_ratio(world.motion.T_map_base, world.town.streets.all_rays)
    assert street < 0.75
    assert world.engine.gnss.sky_ratio(high, world.town.streets.all_rays) == 1.0


@pytest.mark.parametrize("stand", [(1.2, 0.0, 0.0), (2.0, 0.3, 0.1), (4.0, -0.5, -0.1)])
def test_markers_are_seen_where_they_are(stand):
    site = make_world().site
    locker = site.lockers[1]
    T_base_camera = ROBOT.mount("camera_optical_frame")
    lens = Camera(T_base_camera, site.lockers, CameraConfig(), np.random.default_rng(0))
    pose = se2.compose(locker.pose_map_port, np.array([stand[0], stand[1], np.pi + stand[2]]))
    T_map_base = to_matrix(pose)
    image = lens.take(0.0, T_map_base, {})
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    corners, ids, _ = cv2.aruco.ArucoDetector(dictionary).detectMarkers(image.pixels)
    assert sorted(ids.ravel()) == sorted(locker.markers)
    T_camera_port = np.linalg.inv(T_map_base @ T_base_camera) @ to_matrix(locker.pose_map_port)
    half = 0.5 * locker.marker_side_m
    model = camera_model(CameraConfig())
    for found, marker_id in zip(corners, ids.ravel(), strict=True):
        _, y, z = locker.markers[int(marker_id)]
        square = np.array(
            [[0, y + i * half, z + j * half, 1] for i, j in ((-1, 1), (1, 1), (1, -1), (-1, -1))]
        )
        in_camera = (T_camera_port @ square.T)[:3].T
        pixels, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), model.K, model.D)
        error = pixels.reshape(4, 2) - found.reshape(4, 2)
        # Corners come on whole pixels from the detector; the middle is better than that.
        assert np.abs(error).max() < 2.0
        assert np.abs(error.mean(axis=0)).max() < 0.75


def test_camera_gives_nothing_far_from_lockers(second):
    assert of(second[1], "camera/image") == []


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("lidar_dropout", "lidar/points"),
        ("imu_dropout", "imu"),
        ("wheel_dropout", "wheel/odometry"),
        ("gnss_outage", "gnss/fix"),
        ("depth_dropout", "depth/rear/points"),
        ("signals_dropout", "signals"),
    ],
)
def test_dropout_silences_a_sensor_for_its_time(kind, topic):
    faults = [{"kind": kind, "start_s": 0.0, "duration_s": 0.6}]
    world = make_world(start_pose=PAVEMENT, faults=faults)
    assert of(drive(world, 0.59), topic) == []
    assert of(drive(world, 0.45), topic) != []


def test_blinded_depth_cameras_give_images_without_returns_for_their_time():
    faults = [{"kind": "depth_nan", "start_s": 0.0, "duration_s": 0.6}]
    world = make_world(start_pose=PAVEMENT, faults=faults)
    outputs = drive(world, 0.59)
    for topic in ("depth/front/points", "depth/rear/points"):
        images = of(outputs, topic)
        assert len(images) == 5
        assert all(np.isnan(image.points).all() for image in images)
    assert np.isfinite(of(drive(world, 0.45), "depth/front/points")[-1].points).any()


def test_stuck_lidar_repeats_its_turn():
    faults = [{"kind": "lidar_stuck", "start_s": 0.25, "duration_s": 1.0}]
    world = make_world(start_pose=PAVEMENT, faults=faults)
    turns = of(drive(world, 0.5, 0.5), "lidar/points")
    assert turns[-1].stamp_s == turns[-2].stamp_s


@pytest.mark.parametrize("stand", [(1.2, 0.0, 0.0), (2.0, 0.3, 0.1), (0.45, 0.1, 0.6)])
def test_door_is_drawn_where_it_is(stand):
    """Points 1 cm inside and outside of the door's edges, also with the front partly behind."""
    site = make_world().site
    locker = site.lockers[1]
    T_base_camera = ROBOT.mount("camera_optical_frame")
    plain = CameraConfig(noise_sigma=0.0, blur_sigma_px=0.0)
    seen = Camera(T_base_camera, site.lockers, plain, np.random.default_rng(0))
    pose = se2.compose(locker.pose_map_port, np.array([stand[0], stand[1], np.pi + stand[2]]))
    T_map_base = to_matrix(pose)
    pixels = seen.take(0.0, T_map_base, {locker.id: True}).pixels
    T_camera_port = np.linalg.inv(T_map_base @ T_base_camera) @ to_matrix(locker.pose_map_port)
    share = np.linspace(-0.9, 0.9, 19)
    found = []
    for grow, grey in ((-0.01, camera.DOOR_OPEN), (0.01, camera.BODY)):
        half_y, half_z = (0.5 * size + grow for size in camera.DOOR_SIZE_M)
        # Markers hide the upper ends of the sides.
        sides = [(sign * half_y, 0.6 * half_z * (q - 0.3)) for sign in (-1, 1) for q in share]
        ends = [(0.9 * half_y * q, sign * half_z) for sign in (-1, 1) for q in share]
        y, z = np.array(sides + ends).T
        points = np.column_stack([0.0 * y, y, z + camera.DOOR_MIDDLE_M, np.ones_like(y)])
        in_camera = points @ T_camera_port[:3].T
        in_camera = in_camera[in_camera[:, 2] > 0.1]
        model = camera_model(plain)
        places, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), model.K, model.D)
        x, y = np.round(places.reshape(-1, 2).T).astype(int)
        inside = (x >= 0) & (x < model.width_px) & (y >= 0) & (y < model.height_px)
        assert (pixels[y[inside], x[inside]] == grey).all()
        found.append(inside.sum())
    assert min(found) > 5
