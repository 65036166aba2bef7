"""
A small world to localize in: walls seen by the reference robot's lidar, wheels, gyro and GNSS.

Facades stand off their footprints and people are about, as in the real world; `example_street`
makes it from the example site. Rays are cast in the plane, for walls are upright.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from lastmile.geometry.se2 import advance, rotate, wrap_angle
from lastmile.geometry.wgs84 import MapProjection
from lastmile.maps.example import example_site
from lastmile.maps.site import Site
from lastmile.types import FixType, GnssFix, ImuSample, PointGrid, WheelOdometry

LIDAR_HEIGHT_M = 1.1
ELEVATIONS = np.deg2rad(np.concatenate([np.linspace(4, -4, 16), np.linspace(-5, -30, 16)]))
AZIMUTHS = -np.pi + 2.0 * np.pi * np.arange(1024) / 1024
ANTENNA = np.array([-0.2, 0.0])


def mount(x: float, y: float, z: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = [x, y, z]
    return T


MOUNTS = {
    "lidar_link": mount(0.0, 0.0, LIDAR_HEIGHT_M),
    "imu_link": mount(0.0, 0.0, 0.3),
    "gnss_link": mount(-0.2, 0.0, 1.0),
}
ROBOT = SimpleNamespace(mounts=MOUNTS, mount=MOUNTS.__getitem__)


@dataclass
class Street:
    """Walls (n, 2, 2) of 10 m height, and people (k, 2) of 1.75 m height and 0.25 m radius."""

    walls: np.ndarray
    people: np.ndarray

    def ranges(self, origin: np.ndarray, yaws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance along each heading to the nearest wall and to the nearest person."""
        d = np.stack([np.cos(yaws), np.sin(yaws)], axis=-1)
        a, e = self.walls[:, 0] - origin, self.walls[:, 1] - self.walls[:, 0]
        cross = d[:, None, 0] * e[None, :, 1] - d[:, None, 1] * e[None, :, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (a[None, :, 0] * e[None, :, 1] - a[None, :, 1] * e[None, :, 0]) / cross
            u = (a[None, :, 0] * d[:, None, 1] - a[None, :, 1] * d[:, None, 0]) / cross
        hit = (t > 0.05) & (u >= 0.0) & (u <= 1.0)
        wall = np.where(hit, t, np.inf).min(axis=1, initial=np.inf)
        p = self.people - origin
        along = p @ d.T
        off = np.abs(p[:, 1:] * d[None, :, 0] - p[:, :1] * d[None, :, 1])
        near = (along > 0.0) & (off < 0.25)
        reach = np.where(near, along - np.sqrt(np.maximum(0.0625 - off**2, 0.0)), np.inf)
        return wall, reach.min(axis=0, initial=np.inf)

    def cloud(
        self,
        pose: np.ndarray,
        stamp_s: float,
        rng: np.random.Generator,
        twist: tuple[float, float] = (0.0, 0.0),
    ) -> PointGrid:
        """A lidar turn that begins at a stamp, each column from where the robot then is."""
        offsets = np.arange(len(AZIMUTHS)) / len(AZIMUTHS) * 0.1
        wall, person = np.empty(len(AZIMUTHS)), np.empty(len(AZIMUTHS))
        for part in np.array_split(np.arange(len(AZIMUTHS)), 8):
            at = advance(pose, np.array(twist), float(offsets[part].mean()))
            wall[part], person[part] = self.ranges(at[:2], AZIMUTHS[part] + at[2])
            offsets[part] = offsets[part].mean()
        slope = np.tan(ELEVATIONS)[:, None]
        with np.errstate(invalid="ignore"):
            reach = np.where((wall * slope + LIDAR_HEIGHT_M < 10.0), wall[None, :], np.inf)
            passes = person[None, :] * slope + LIDAR_HEIGHT_M < 1.75
            reach = np.where(passes & (person < wall)[None, :], person[None, :], reach)
            ground = np.where(slope < 0.0, -LIDAR_HEIGHT_M / slope, np.inf)
        reach = np.minimum(reach, ground)
        reach = np.where(reach < 90.0, reach + rng.normal(0.0, 0.01, reach.shape), np.nan)
        points = np.stack(
            [reach * np.cos(AZIMUTHS), reach * np.sin(AZIMUTHS), reach * slope], axis=-1
        )
        return PointGrid(
            stamp_s,
            "lidar_link",
            points.astype(np.float32),
            np.zeros(reach.shape, np.float32),
            offsets.astype(np.float32),
        )


def example_street(seed: int, shift_m: float = 0.4, people: int = 12) -> tuple[Site, Street]:
    """The example site, and a world whose facades stand off its footprints by `shift_m`."""
    site, rng = example_site(), np.random.default_rng(seed)
    walls = []
    for footprint in site.footprints:
        if footprint.kind == "building":
            # Facades stand inside or outside of what was mapped, each building by itself.
            middle = footprint.points.mean(axis=0)
            outward = np.sign(footprint.points - middle)
            p = footprint.points + outward * rng.normal(0.0, shift_m / 2.0)
            p = p + rng.normal(0.0, shift_m / 2.0, 2)
            walls += [(p[i], p[(i + 1) % len(p)]) for i in range(len(p))]
        elif footprint.kind == "barrier":
            walls += list(zip(footprint.points[:-1], footprint.points[1:], strict=True))
        elif footprint.kind in ("pole", "tree"):
            x, y = footprint.points[0]
            walls += [((x - 0.1, y), (x + 0.1, y)), ((x, y - 0.1), (x, y + 0.1))]
    crowd = np.column_stack([rng.uniform(-55, 55, people), rng.choice([-4.9, 4.9, 0.0], people)])
    return site, Street(np.array(walls), crowd)


class Drive:
    """
    A robot that follows twists through a street, and what its sensors say, in order of arrival.

    Wheels read 1.5 % short, the gyro is biased, fixes carry an error that wanders over some metres.
    """

    def __init__(
        self, site: Site, street: Street, pose: tuple[float, float, float], seed: int
    ) -> None:
        self.street = street
        self.pose = np.array(pose, dtype=float)
        self.stamp_s = 0.0
        self.truth: list[tuple[float, np.ndarray]] = [(0.0, self.pose)]
        self._rng = np.random.default_rng(seed)
        origin = site.origin
        self._projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)
        self._multipath = self._rng.normal(0.0, 2.0, 2)
        self._tick = 0

    def tick(self, twist: tuple[float, float]) -> list[tuple[str, object]]:
        """Drive for 0.01 s and give what the sensors sent."""
        rng, out = self._rng, []
        if self._tick % 10 == 0:
            cloud = self.street.cloud(self.pose, self.stamp_s, rng, twist)
            out.append(("lidar/points", cloud))
        if self._tick % 20 == 0:
            out.append(("gnss/fix", self._fix()))
        self.pose = advance(self.pose, np.array(twist), 0.01)
        self._tick += 1
        self.stamp_s = round(0.01 * self._tick, 6)
        self.truth.append((self.stamp_s, self.pose))
        if self._tick % 2 == 0:
            noise = rng.normal(0.0, 0.01, 2) * (abs(twist[0]) > 0.0)
            wheels = np.array([twist[0] / 1.015, twist[1] * 1.05]) + noise
            out.append(("wheel/odometry", WheelOdometry(self.stamp_s, wheels, np.eye(2) * 1e-4)))
        gyro = np.array([0.0, 0.0, twist[1] + 0.006 + rng.normal(0.0, 0.003)])
        out.append(("imu", ImuSample(self.stamp_s, gyro, np.array([0.0, 0.0, 9.81]))))
        return out

    def _fix(self) -> GnssFix:
        self._multipath = 0.99 * self._multipath + self._rng.normal(0.0, 0.28, 2)
        at = self.pose[:2] + rotate(float(self.pose[2]), ANTENNA) + self._multipath
        latitude, longitude = self._projection.to_wgs84(at + self._rng.normal(0.0, 0.5, 2))
        covariance = np.diag([1.0, 1.0, 4.0])
        return GnssFix(
            self.stamp_s, float(latitude), float(longitude), 10.0, covariance, FixType.SINGLE
        )


def pose_error(pose: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Distance [m] and turn [rad] between two poses."""
    return float(np.hypot(*(pose - truth)[:2])), float(abs(wrap_angle(pose[2] - truth[2])))
