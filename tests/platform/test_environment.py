"""What a process finds around it: Fast DDS settings, clean shared memory."""

import fcntl
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from lastmile.nodes.environment import clean_stale_shared_memory, ros_environment

SEGMENT = "fastrtps_0123456789abcdef"
PORT = "fastrtps_port7411"


def test_environment_is_completed():
    environ = {}
    found = ros_environment(environ)
    assert environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert found == environ
    profile = Path(environ["FASTRTPS_DEFAULT_PROFILES_FILE"])
    assert profile.is_file()


def test_environment_keeps_what_the_operator_chose():
    environ = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
        "FASTRTPS_DEFAULT_PROFILES_FILE": "/etc/own.xml",
        "AMENT_PREFIX_PATH": "/opt/ros/jazzy",
    }
    ros_environment(environ)
    assert environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert environ["FASTRTPS_DEFAULT_PROFILES_FILE"] == "/etc/own.xml"
    assert environ["AMENT_PREFIX_PATH"].split(os.pathsep)[0] == "/opt/ros/jazzy"


def test_environment_can_be_completed_twice():
    environ = {}
    ros_environment(environ)
    once = dict(environ)
    ros_environment(environ)
    assert environ == once


def test_profile_holds_many_clouds_in_shared_memory():
    environ = {}
    ros_environment(environ)
    names = {"": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    root = ElementTree.parse(environ["FASTRTPS_DEFAULT_PROFILES_FILE"]).getroot()
    kinds = [element.text for element in root.iterfind(".//transport_descriptor/type", names)]
    size = int(root.findtext(".//segment_size", namespaces=names))
    assert kinds == ["SHM", "UDPv4"]
    assert size >= 10 * 32 * 1024 * 16


def leave(folder, name, age_s=60.0):
    """Write the files of a segment or port as a killed process leaves them."""
    paths = [folder / name, folder / f"{name}_el"]
    if "port" in name:
        paths.append(folder / f"sem.{name}_mutex")
    for path in paths:
        path.write_bytes(b"x")
        stamp = path.stat().st_mtime - age_s
        os.utime(path, (stamp, stamp))
    return set(paths)


@pytest.mark.parametrize("name", [SEGMENT, PORT])
def test_files_nobody_holds_are_removed(tmp_path, name):
    left = leave(tmp_path, name)
    assert set(clean_stale_shared_memory(tmp_path)) == left
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_files_in_use_stay(tmp_path, kind):
    left = leave(tmp_path, SEGMENT)
    with (tmp_path / f"{SEGMENT}_el").open("ab") as lock:
        fcntl.flock(lock, kind)
        assert clean_stale_shared_memory(tmp_path) == []
    assert set(tmp_path.iterdir()) == left


def test_young_files_stay(tmp_path):
    leave(tmp_path, SEGMENT, age_s=0.0)
    assert clean_stale_shared_memory(tmp_path) == []


def test_files_of_others_stay(tmp_path):
    for name in ("sem.mine", "fastrtps_notes", "lttng-ust-wait-6", "fastrtps_port7411"):
        (tmp_path / name).write_bytes(b"x")
    assert clean_stale_shared_memory(tmp_path, min_age_s=-1.0) == []
    assert len(list(tmp_path.iterdir())) == 4


def test_missing_folder_is_clean(tmp_path):
    assert clean_stale_shared_memory(tmp_path / "none") == []


NODE = """
from lastmile.nodes.environment import ros_environment
ros_environment()
import rclpy
rclpy.init()
node = rclpy.create_node("left_behind")
print("up", flush=True)
rclpy.spin(node)
"""


def held_locks(pid):
    """Lock files that a process has open in shared memory."""
    targets = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return {Path(path) for path in targets if path.startswith("/dev/shm/") and path.endswith("_el")}


@pytest.mark.system
def test_killed_node_is_cleaned_up_after():
    pytest.importorskip("rclpy")
    with subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE) as node:
        assert node.stdout.readline() == b"up\n"
        locks = held_locks(node.pid)
        assert locks
        for path in locks:
            os.utime(path, (0.0, 0.0))
        assert not locks & set(clean_stale_shared_memory())
        node.send_signal(signal.SIGKILL)
    assert locks <= set(clean_stale_shared_memory())
    assert not any(path.exists() for path in locks)
