"""
Lidar clouds between two processes over DDS: latency and losses, with the project's profile.

A publisher process sends clouds of 32 x 1024 points at 10 Hz with sensor QoS; this process
receives them. Prints median, 99th percentile and worst latency beside the period, and the clouds
that did not arrive. `--default` leaves the transports as Fast DDS has them.
"""

import array
import os
import platform
import subprocess
import sys
import time

import numpy as np

from lastmile.nodes.environment import ros_environment

CLOUDS = 300
PERIOD_S = 0.1
POINTS = 32 * 1024
DISCOVERY_S = 20.0


def publish(topic: str) -> None:
    """Send the clouds, each with its time of sending, once somebody listens."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import PointCloud2

    rclpy.init()
    node = rclpy.create_node("cloud_source")
    publisher = node.create_publisher(PointCloud2, topic, qos_profile_sensor_data)
    give_up = time.monotonic() + DISCOVERY_S
    while publisher.get_subscription_count() == 0 and time.monotonic() < give_up:
        time.sleep(0.05)
    points = np.random.default_rng(0).random((POINTS, 4), dtype=np.float32)
    due = time.monotonic() + 1.0
    for _ in range(CLOUDS):
        time.sleep(max(0.0, due - time.monotonic()))
        due += PERIOD_S
        cloud = PointCloud2()
        cloud.data = array.array("B", points.tobytes())
        cloud.header.frame_id = str(time.monotonic())
        publisher.publish(cloud)
    time.sleep(1.0)
    rclpy.shutdown()


def receive(topic: str) -> np.ndarray:
    """Collect the latencies of the clouds that arrive [s]."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import PointCloud2

    latencies = []
    rclpy.init()
    node = rclpy.create_node("cloud_sink")
    node.create_subscription(
        PointCloud2,
        topic,
        lambda cloud: latencies.append(time.monotonic() - float(cloud.header.frame_id)),
        qos_profile_sensor_data,
    )
    with subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--publish", topic]) as source:
        while source.poll() is None:
            rclpy.spin_once(node, timeout_sec=0.1)
    rclpy.shutdown()
    return np.array(latencies)


def main() -> None:
    """Run the benchmark, or the publisher of one."""
    if "--default" in sys.argv:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    else:
        ros_environment()
    if "--publish" in sys.argv:
        publish(sys.argv[-1])
        return
    latencies = receive(f"bench_clouds_{os.getpid()}")
    lost = CLOUDS - len(latencies)
    print(f"machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"clouds of {POINTS} points, {CLOUDS} sent every {1e3 * PERIOD_S:.0f} ms, {lost} lost")
    if len(latencies):
        median, p99, worst = 1e3 * np.percentile(latencies, [50, 99, 100])
        print(f"latency [ms]: median {median:.1f}, 99 % {p99:.1f}, worst {worst:.1f}")


if __name__ == "__main__":
    main()
