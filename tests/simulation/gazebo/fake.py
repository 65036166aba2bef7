"""Stands for Gazebo: the bindings' calls, and a robot that does exactly as it is told."""

import pickle
from types import SimpleNamespace

import numpy as np

from lastmile.simulation.gazebo.robot import TOPICS, depth_size
from lastmile.simulation.range_sensors import lidar_elevations

STEP_NS = 2_000_000


class Message:
    """A message of a kind; nested values are namespaces, serialised by pickle."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def SerializeToString(self):
        return pickle.dumps(self.__dict__)

    def ParseFromString(self, data):
        self.__dict__.update(pickle.loads(data))


class Poses(list):
    def add(self):
        self.append(
            SimpleNamespace(name="", position=SimpleNamespace(), orientation=SimpleNamespace())
        )
        return self[-1]


def kind(name):
    """Give a message class by name, as `bindings.message_kind` does."""

    class Kind(Message):
        DESCRIPTOR = SimpleNamespace(full_name=f"gz.msgs.{name}")

        def __init__(self, **values):
            if name == "Twist":
                values |= {"linear": SimpleNamespace(x=0.0), "angular": SimpleNamespace(z=0.0)}
            if name == "Pose_V":
                values["pose"] = Poses()
            if name == "WorldControl":
                values |= {"pause": False, "multi_step": 0}
            super().__init__(**values)

    return Kind


def stamped(stamp_ns, **values):
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nsec=stamp_ns % 10**9)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), **values)


def cloud(stamp_ns, points):
    """Make a packed cloud of points (rows, columns, 3), laid out as gpu_lidar does."""
    kind_ = np.dtype(
        {
            "names": ["x", "y", "z", "intensity", "ring"],
            "formats": ["<f4", "<f4", "<f4", "<f4", "<u2"],
            "offsets": [0, 4, 8, 16, 20],
            "itemsize": 24,
        }
    )
    packed = np.zeros(points.shape[:2], kind_)
    for i, axis in enumerate("xyz"):
        packed[axis] = points[..., i]
    names = (("x", 0, 6), ("y", 4, 6), ("z", 8, 6), ("intensity", 16, 6), ("ring", 20, 3))
    fields = [SimpleNamespace(name=n, offset=o, datatype=d) for n, o, d in names]
    return stamped(
        stamp_ns,
        field=fields,
        height=points.shape[0],
        width=points.shape[1],
        point_step=24,
        data=packed.tobytes(),
    )


def vector(x, y, z):
    return SimpleNamespace(x=float(x), y=float(y), z=float(z))


class FakeGazebo:
    """A node, a requester and a world in one; time moves on by `multi_step` alone."""

    def __init__(self, town, config, wall_m=5.0):
        self.town, self.config, self.wall_m = town, config, wall_m
        self.callbacks = {}
        self.pose = np.array(town.start, dtype=float)
        self.angles = np.zeros(2)
        self.twist = (0.0, 0.0)
        self.now_ns = 0
        self.placed = {}
        self.requests = []
        self.closed = False
        self.silent = set()
        self.touches = ()
        origin = town.site.origin
        from lastmile.geometry.wgs84 import MapProjection

        self.projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)

    # ---- the node

    def subscribe(self, kind, topic, callback):
        self.callbacks[topic] = callback
        return True

    def unsubscribe(self, topic):
        del self.callbacks[topic]

    def topic_list(self):
        return [*TOPICS.values(), "/lidar/upper/points", "/lidar/lower/points"]

    def advertise(self, topic, kind):
        return SimpleNamespace(publish=self.obey)

    def obey(self, twist):
        self.twist = (twist.linear.x, twist.angular.z)
        self.emit(TOPICS["command_heard"], SimpleNamespace())

    # ---- the requester

    def request(self, service, payload, kinds, timeout_s):
        self.requests.append(service)
        values = pickle.loads(payload)
        if service.endswith("/control"):
            for _ in range(values["multi_step"]):
                self.step()
        else:
            self.placed |= {p.name: p for p in values["pose"]}
        return pickle.dumps({"data": True})

    def close(self):
        self.closed = True

    # ---- the world

    def emit(self, topic, message):
        if topic in self.callbacks and topic not in self.silent:
            self.callbacks[topic](message)

    def step(self):
        speed, yaw_rate = self.twist
        dt = STEP_NS / 1e9
        x, y, yaw = self.pose
        self.pose = np.array(
            [x + dt * speed * np.cos(yaw), y + dt * speed * np.sin(yaw), yaw + dt * yaw_rate]
        )
        self.angles += dt * (speed + 0.23 * yaw_rate * np.array([-1.0, 1.0])) / 0.12
        self.now_ns += STEP_NS
        self.publish_motion()
        if self.now_ns % 200_000_000 == 0:
            self.publish_fix()
        if self.now_ns % 100_000_000 == 0:
            self.publish_views()

    def publish_motion(self):
        x, y, yaw = self.pose
        pose = SimpleNamespace(
            position=vector(x, y, 0.0),
            orientation=SimpleNamespace(w=np.cos(yaw / 2), x=0.0, y=0.0, z=np.sin(yaw / 2)),
        )
        joints = [
            SimpleNamespace(name=f"wheel_{side}_joint", axis1=SimpleNamespace(position=angle))
            for side, angle in zip(("left", "right"), self.angles, strict=True)
        ]
        self.emit(TOPICS["joints"], stamped(self.now_ns, pose=pose, joint=joints))
        turn, force = vector(0, 0, self.twist[1]), vector(0, 0, 9.81)
        self.emit(
            TOPICS["imu"], stamped(self.now_ns, angular_velocity=turn, linear_acceleration=force)
        )
        if self.touches:
            sides = [
                SimpleNamespace(
                    collision1=SimpleNamespace(name="robot::base_link::body"),
                    collision2=SimpleNamespace(name=f"{name}::link::{name}"),
                )
                for name in self.touches
            ]
            self.emit(TOPICS["bumper"], stamped(self.now_ns, contact=sides))

    def publish_fix(self):
        x, y, yaw = self.pose
        antenna = np.array([x - 0.2 * np.cos(yaw), y - 0.2 * np.sin(yaw)])
        latitude, longitude = self.projection.to_wgs84(antenna * self.projection.scale)
        fix = stamped(self.now_ns, latitude_deg=latitude, longitude_deg=longitude, altitude=1.0)
        self.emit(TOPICS["navsat"], fix)

    def publish_views(self):
        """Show a cylinder of a wall all round, whose upper half is open sky."""
        elevations = lidar_elevations()
        azimuth = -np.pi + 2.0 * np.pi * np.arange(1024) / 1024
        for name, rings in (("upper", elevations[:16]), ("lower", elevations[16:])):
            rings = rings[::-1, None]
            with np.errstate(invalid="ignore"):
                reach = np.where(rings > 0.0, np.inf, self.wall_m / np.cos(rings))
                points = np.stack(
                    [
                        reach * np.cos(rings) * np.cos(azimuth),
                        reach * np.cos(rings) * np.sin(azimuth),
                        reach * np.sin(rings) * np.ones_like(azimuth),
                    ],
                    axis=-1,
                )
            self.emit(f"/lidar/{name}/points", cloud(self.now_ns, points))
        width, height = depth_size(self.config.depth)
        depths = np.full((height, width), 0.64, "<f4")
        for side in ("front", "rear"):
            image = stamped(
                self.now_ns, width=width, height=height, pixel_format_type=13, data=depths.tobytes()
            )
            self.emit(TOPICS[f"depth_{side}"], image)
        pixels = np.full((720, 1280), 90, np.uint8)
        self.emit(
            TOPICS["camera"],
            stamped(
                self.now_ns, width=1280, height=720, pixel_format_type=1, data=pixels.tobytes()
            ),
        )
