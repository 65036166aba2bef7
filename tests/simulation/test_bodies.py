"""Rays against what moves, held against one mesh of everything."""

import numpy as np
import pytest
from tests.simulation.worlds import ROBOT

from lastmile.simulation.bodies import CAR, CYCLIST, LEG, SHAPES, TRUNK, place_bodies
from lastmile.simulation.config import DepthConfig, LidarConfig
from lastmile.simulation.range_sensors import DepthSensor, Lidar
from lastmile.simulation.rays import RayScene, StillRays
from lastmile.simulation.scenario import WeatherScenario

GROUND = RayScene(
    np.array(
        [
            [[-200, -200, 0], [200, -200, 0], [200, 200, 0]],
            [[-200, -200, 0], [200, 200, 0], [-200, 200, 0]],
        ]
    )
)
QUIET = LidarConfig(range_sigma_m=0.0, range_sigma_ratio=0.0, dropout_ratio=0.0)


def crowd(count: int):
    rng = np.random.default_rng(3)
    vehicles = np.column_stack(
        [
            np.arange(6),
            rng.uniform(-40.0, 40.0, (6, 2)),
            rng.uniform(-3.0, 3.0, 6),
            np.full(6, 5.0),
            [4.5, 1.8] * 3,
        ]
    )
    return place_bodies(
        rng.uniform(-25.0, 25.0, (count, 2)),
        rng.normal(0.0, 1.0, (count, 2)),
        np.arange(count),
        vehicles,
        2.3,
    )


def mesh_of(bodies) -> RayScene:
    placed = []
    for kind, position, yaw in zip(bodies.shape, bodies.positions, bodies.yaws, strict=True):
        c, s = np.cos(yaw), np.sin(yaw)
        turned = SHAPES[kind].triangles @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        placed.append(turned + np.append(position, 0.0))
    return RayScene(np.concatenate(placed))


def pose(x: float, y: float, yaw: float, pitch: float) -> np.ndarray:
    c, s, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    T = np.eye(4)
    pitched = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    T[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ pitched
    T[:2, 3] = x, y
    return T


def test_everybody_has_two_legs_and_a_trunk_and_vehicles_are_told_by_length():
    kinds = list(crowd(5).shape)
    assert [kinds.count(k) for k in (LEG, TRUNK, CAR, CYCLIST)] == [10, 5, 3, 3]


class Recorder:
    """A scene that keeps what was cast against it."""

    def __init__(self, scene: RayScene) -> None:
        self.scene = scene

    def cast(self, *rays):
        self.rays, self.found = rays, self.scene.cast(*rays)
        return self.found


@pytest.mark.parametrize("sensor", ["lidar", "depth"])
def test_bodies_answer_rays_as_one_mesh_of_all_does(sensor):
    """Rays of a turning and tilted robot in a crowd."""
    bodies = crowd(60)
    first, last = pose(0.5, -0.3, 0.4, 0.06), pose(0.58, -0.27, 0.55, 0.05)
    rng = np.random.default_rng(0)
    if sensor == "lidar":
        placed = Recorder(bodies.rays)
        lidar = Lidar(ROBOT.mount("lidar_link"), QUIET, WeatherScenario(), rng)
        lidar.scan(0.0, first, last, GROUND, placed)
    else:
        frame = "depth_front_optical_frame"
        bodies.positions[:5] = [[1.6 + 0.3 * i, 0.2 * i - 0.4] for i in range(5)]
        placed = Recorder(bodies.rays)
        DepthSensor(frame, ROBOT.mount(frame), DepthConfig(), rng).scan(0.0, last, GROUND, placed)
    limits, wanted = placed.rays[2], mesh_of(bodies).cast(*placed.rays)
    assert (wanted < limits).sum() > 50
    # A ray along an edge may fall to either side of it: 1 in 1000 of those that hit.
    apart = np.abs(placed.found - wanted) > 1e-3
    assert apart.sum() <= 1e-3 * (wanted < limits).sum()


def test_nobody_stands_in_the_way_of_no_ray():
    nobody = RayScene.of_shapes([], np.zeros((0, 2)), np.zeros(0))
    down = np.array([[0.0, 0.0, -1.0]], dtype=np.float32)
    limit = np.full(1, 9.0, dtype=np.float32)
    assert nobody.cast(-down, down, limit) == pytest.approx(limit)


def test_rays_are_cast_anew_only_once_the_sensor_moved():
    still = StillRays()
    down = np.array([[0.0, 0.0, -1.0]], dtype=np.float32)
    reaches = []
    for height in (2.0, 2.00005, 2.5):
        T = np.eye(4)
        T[2, 3] = height
        origin = T[None, :3, 3].astype(np.float32)
        rays = still.cast(GROUND, T, lambda origin=origin: (origin, down), 9.0)
        reaches.append(float(rays[2][0]))
    assert reaches == pytest.approx([2.0, 2.0, 2.5], abs=1e-6)
