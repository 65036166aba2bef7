"""The bridge to Gazebo: conversions, and the node against a stand-in of the transport."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Imu

from lastmile.nodes import _gazebo_conversions as conversions
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.gazebo_bridge_node import GazeboBridgeNode


def stamped(frame="imu_link", **values):
    data = [SimpleNamespace(key="frame_id", value=[frame])]
    header = SimpleNamespace(stamp=SimpleNamespace(sec=3, nsec=500), data=data)
    return SimpleNamespace(header=header, **values)


def vector(x, y, z):
    return SimpleNamespace(x=x, y=y, z=z)


def gazebo_imu():
    covariance = SimpleNamespace(data=[0.1] + [0.0] * 8)
    return stamped(
        angular_velocity=vector(0.1, 0.2, 0.3),
        linear_acceleration=vector(0.0, 0.0, 9.81),
        angular_velocity_covariance=covariance,
        linear_acceleration_covariance=SimpleNamespace(data=[]),
    )


def test_imu_keeps_stamp_frame_and_covariance():
    message = conversions.imu(gazebo_imu())
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 500)
    assert message.header.frame_id == "imu_link"
    assert message.angular_velocity.z == 0.3
    assert message.angular_velocity_covariance[0] == pytest.approx(0.1)
    assert message.orientation_covariance[0] == -1.0


def test_scoped_frames_are_written_as_ros_gz_writes_them():
    assert conversions.header_of(stamped(frame="robot::base_link")).frame_id == "robot/base_link"
    bare = SimpleNamespace(stamp=SimpleNamespace(sec=0, nsec=0), data=[])
    assert conversions.header_of(SimpleNamespace(header=bare)).frame_id == ""


def test_cloud_keeps_its_fields_and_bytes():
    fields = [
        SimpleNamespace(name=n, offset=4 * i, datatype=6, count=1) for i, n in enumerate("xyz")
    ]
    points = np.arange(12, dtype="<f4")
    message = conversions.cloud(
        stamped(
            field=fields,
            height=2,
            width=2,
            point_step=12,
            row_step=24,
            is_bigendian=False,
            is_dense=True,
            data=points.tobytes(),
        )
    )
    assert [(f.name, f.offset, f.datatype) for f in message.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
    ]
    assert np.frombuffer(message.data, "<f4") == pytest.approx(points)


@pytest.mark.parametrize(
    ("number", "encoding", "step"), [(1, "mono8", 4), (3, "rgb8", 12), (13, "32FC1", 16)]
)
def test_image_has_its_encoding(number, encoding, step):
    image = stamped(width=4, height=2, pixel_format_type=number, data=bytes(2 * step))
    message = conversions.image(image)
    assert (message.encoding, message.step) == (encoding, step)


def test_image_without_encoding_is_refused():
    with pytest.raises(ValueError, match="pixel format 11"):
        conversions.image(stamped(width=1, height=1, pixel_format_type=11, data=b""))


def test_camera_info_has_five_coefficients():
    message = conversions.camera_info(
        stamped(
            width=4,
            height=2,
            intrinsics=SimpleNamespace(k=[1.0] * 9),
            projection=SimpleNamespace(p=[]),
            rectification_matrix=[],
            distortion=SimpleNamespace(k=[0.1]),
        )
    )
    assert list(message.d) == [0.1, 0.0, 0.0, 0.0, 0.0]
    assert message.r == pytest.approx(np.eye(3).ravel())


def test_joints_are_told_by_name():
    axis = SimpleNamespace(position=1.0, velocity=2.0, force=3.0)
    message = conversions.joint_state(stamped(joint=[SimpleNamespace(name="left", axis1=axis)]))
    assert (message.name, list(message.position)) == (["left"], [1.0])


class Transport:
    """Stands for gz.transport13.Node."""

    def __init__(self):
        self.callbacks, self.published = {}, []

    def subscribe(self, kind, topic, callback):
        self.callbacks[topic] = callback
        return True

    def unsubscribe(self, topic):
        del self.callbacks[topic]

    def advertise(self, topic, kind):
        return SimpleNamespace(publish=lambda message: self.published.append((topic, message)))


def kind(name):
    return lambda: SimpleNamespace(linear=vector(0, 0, 0), angular=vector(0, 0, 0))


@pytest.fixture
def ros():
    ros_environment()
    rclpy.init()
    yield
    rclpy.shutdown()


def spun(nodes, done):
    end = time.monotonic() + 10.0
    while not done() and time.monotonic() < end:
        nodes[0].spin_some()
        rclpy.spin_once(nodes[1], timeout_sec=0.01)
    assert done()


def test_values_cross_the_bridge_both_ways(ros):
    transport, heard = Transport(), []
    bridge = GazeboBridgeNode(transport, kind)
    peer = rclpy.create_node("peer")
    try:
        peer.create_subscription(Imu, "imu", heard.append, 10)
        drive = peer.create_publisher(TwistStamped, "cmd_vel", 10)
        twist = TwistStamped()
        twist.twist.linear.x = 0.7

        def send():
            transport.callbacks["/imu"](gazebo_imu())
            drive.publish(twist)
            return bool(heard) and bool(transport.published)

        spun((bridge, peer), send)
        assert heard[0].angular_velocity.z == 0.3
        topic, sent = transport.published[0]
        assert (topic, sent.linear.x) == ("/cmd_vel", 0.7)
    finally:
        peer.destroy_node()
        bridge.close()
        bridge.destroy_node()
    assert transport.callbacks == {}


def test_topic_that_never_comes_is_named_once(ros, monkeypatch):
    monkeypatch.setattr("lastmile.nodes.gazebo_bridge_node.SILENT_S", 0.0)
    bridge = GazeboBridgeNode(Transport(), kind)
    told = []
    logger = SimpleNamespace(warning=told.append, error=told.append)
    monkeypatch.setattr(bridge, "get_logger", lambda: logger)
    try:
        bridge.spin_some()
        bridge.spin_some()
    finally:
        bridge.destroy_node()
    assert len(told) == 1
    assert "/imu" in told[0]
    assert "GZ_PARTITION" in told[0]


def test_value_that_ros_has_no_name_for_is_told_once(ros, monkeypatch):
    transport = Transport()
    bridge = GazeboBridgeNode(transport, kind)
    told = []
    monkeypatch.setattr(bridge, "get_logger", lambda: SimpleNamespace(error=told.append))
    try:
        for _ in range(2):
            transport.callbacks["/camera/image"](
                stamped(width=1, height=1, pixel_format_type=11, data=b"")
            )
            bridge.spin_some()
    finally:
        bridge.destroy_node()
    assert told == ["/camera/image: pixel format 11 has no encoding in ROS"]


def test_messages_kept_by_the_transports_thread_are_not_lost(ros):
    transport = Transport()
    bridge = GazeboBridgeNode(transport, kind)
    try:
        threads = [
            threading.Thread(target=transport.callbacks["/imu"], args=(gazebo_imu(),))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bridge.spin_some()
        counts = {i.topic.gz_topic: i.count for i in bridge._incoming}
    finally:
        bridge.destroy_node()
    assert counts["/imu"] == 8
