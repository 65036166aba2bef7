import itertools
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from mcap.exceptions import McapError
from mcap.stream_reader import StreamReader
from mcap_ros2.reader import read_ros2_messages

from lastmile import types
from lastmile.errors import UserError
from lastmile.nodes.conversions import to_message
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.message_definitions import definition
from lastmile.nodes.recorder_node import RecorderNode, recorded_topics
from lastmile.nodes.recording import Recording
from lastmile.stack.topics import TOPICS

ros_environment()

from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402

SUCCESS = TransitionCallbackReturn.SUCCESS


def test_definitions_of_all_recorded_topics_are_complete():
    for _, message, _ in recorded_topics():
        first, *others = re.split(r"^=+\nMSG: ", definition(message), flags=re.MULTILINE)
        defined = {message.replace("/msg/", "/"): first} | dict(o.split("\n", 1) for o in others)
        for name, text in defined.items():
            kinds = [line.split()[0] for line in text.splitlines() if line[:1].isalpha()]
            assert kinds, name
            # Kinds of numbers and texts are written small, messages with a capital.
            messages = {re.sub(r"[\[<].*", "", k) for k in kinds if k.split("/")[-1][0].isupper()}
            package = name.split("/")[0]
            assert {m if "/" in m else f"{package}/{m}" for m in messages} <= set(defined), name


def test_definition_holds_the_messages_inside_messages_once():
    text = definition("lastmile_msgs/msg/ObstacleArray")
    for part in ("lastmile_msgs/Obstacle", "geometry_msgs/Vector3", "builtin_interfaces/Time"):
        assert text.count(f"MSG: {part}\n") == 1


def test_definition_of_an_unknown_message_is_refused():
    with pytest.raises(UserError, match="lastmile_msgs/msg/Nothing"):
        definition("lastmile_msgs/msg/Nothing")


def test_recording_under_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"run\.mcap cannot be written: "):
        Recording(tmp_path / "file" / "run.mcap", "zstd", 0)


def test_recording_stops_before_the_disk_is_full(tmp_path):
    with pytest.raises(UserError, match="MB must stay free"):
        Recording(tmp_path / "run.mcap", "zstd", 1 << 60)
    assert not list(tmp_path.iterdir())


def test_a_second_recording_gets_a_name_of_its_own(tmp_path):
    first = Recording(tmp_path / "run.mcap", "zstd", 0)
    second = Recording(tmp_path / "run.mcap", "none", 0)
    first.close()
    second.close()
    assert [first.path.name, second.path.name] == ["run.mcap", "run_1.mcap"]


def recorder(folder: Path, *parameters: str, file_size: int | None = None):
    command = [sys.executable, "-m", "lastmile.nodes.recorder_node", "--ros-args"]
    for parameter in (f"output:={folder}/run.mcap", *parameters):
        command += ["-p", parameter]
    limit = (file_size, file_size)
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None
        if file_size is None
        else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )


def grid(stamp_s, rng):
    return types.PointGrid(
        stamp_s,
        "lidar_link",
        rng.standard_normal((32, 256, 3)).astype(np.float32),
        np.zeros((32, 256), np.float32),
        np.zeros(256, np.float32),
    )


def hear_counts(peer) -> list[int]:
    """Collect how many messages the recorder says that it took, one figure a second."""
    counts = []

    def keep(message):
        for line in message.status:
            if line.name.endswith("recording"):
                counts.extend(int(item.value) for item in line.values if item.key == "messages")

    peer.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)
    return counts


@pytest.mark.system
def test_recorder_keeps_what_it_took_thins_clouds_and_ends_with_zero(peer, tmp_path):
    process = recorder(tmp_path, "lidar_every:=5")
    counts, numbers, rng = hear_counts(peer), itertools.count(1), np.random.default_rng(1)

    def send():
        number = next(numbers)
        peer.send("lidar/points", to_message(grid(float(number), rng)))
        if number % 2:
            peer.send("cmd_vel", to_message(types.Command(float(number), 0.5, 0.0)))

    # On a slow machine messages are lost on the way: judged is what the recorder says it took.
    peer.until(lambda: counts and counts[-1] >= 200, send)
    told = len(counts)
    peer.until(lambda: len(counts) >= told + 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(90.0) == 0
    stamps, clouds, others = [], [], 0
    for message in read_ros2_messages(tmp_path / "run.mcap"):
        if message.channel.topic == "/lidar/points":
            clouds.append(message.ros_msg)
        elif message.channel.topic == "/cmd_vel":
            stamps.append(message.ros_msg.header.stamp.sec)
        else:
            others += 1
    assert np.all(np.diff(stamps) >= 2)
    assert len(clouds) > 1
    assert clouds[0].width == 256
    assert np.all(np.diff([cloud.header.stamp.sec for cloud in clouds]) >= 5)
    assert len(stamps) + 5 * len(clouds) + others >= counts[-1]


@pytest.mark.system
def test_recorder_ends_with_one_when_the_disk_is_full_and_what_it_wrote_is_readable(peer, tmp_path):
    process = recorder(tmp_path, "lidar_every:=1", "compression:=none", file_size=9_000_000)
    rng = np.random.default_rng(1)
    cloud = to_message(grid(1.0, rng))
    peer.until(lambda: process.poll() is not None, lambda: peer.send("lidar/points", cloud))
    assert process.returncode == 1
    assert "run.mcap stops: File too large" in process.stderr.read()
    assert os.path.getsize(tmp_path / "run.mcap") > 4_000_000
    with open(tmp_path / "run.mcap", "rb") as file:
        kinds = []
        # The file ends in the middle of a record.
        with pytest.raises(McapError):
            for record in StreamReader(file, emit_chunks=True).records:
                kinds.append(type(record).__name__)
    assert "Chunk" in kinds


@pytest.fixture
def node(ros, tmp_path, monkeypatch):
    """Give a recorder in this process that is not configured yet."""
    monkeypatch.chdir(tmp_path)
    node = RecorderNode()
    yield node
    node.close()
    node.destroy_node()


def record_command(node, peer, speed_mps):
    """Send a command until the recorder has taken one."""
    (track,) = (track for track in node._tracks if track.name == "/cmd_vel")
    before = track.count

    def go_on():
        peer.send("cmd_vel", to_message(types.Command(1.0, speed_mps, 0.0)))
        node.spin_some()

    peer.until(lambda: track.count > before, go_on)


def speeds(path):
    """List the commands of a file that is whole."""
    messages = read_ros2_messages(path, topics=["/cmd_vel"])
    return [message.ros_msg.twist.linear.x for message in messages]


@pytest.mark.system
def test_recorder_that_is_cleaned_up_and_configured_again_records_each_message_once(node, peer):
    assert node.trigger_configure() == SUCCESS
    subscriptions = len(list(node.subscriptions))
    assert node.trigger_cleanup() == SUCCESS
    assert len(list(node.subscriptions)) == subscriptions - len(recorded_topics())
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    assert len(list(node.subscriptions)) == subscriptions
    record_command(node, peer, 0.5)
    (track,) = (track for track in node._tracks if track.name == "/cmd_vel")
    node.close()
    assert not speeds("run.mcap")
    assert speeds("run_1.mcap") == [0.5] * track.count


@pytest.mark.system
def test_recorder_that_is_shut_down_finishes_its_file_and_writes_no_more(node, peer):
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    record_command(node, peer, 0.5)
    assert node.trigger_shutdown() == SUCCESS
    size = os.path.getsize("run.mcap")
    assert set(speeds("run.mcap")) == {0.5}
    for _ in range(20):
        peer.send("cmd_vel", to_message(types.Command(2.0, 0.7, 0.0)))
        node.spin_some()
    assert os.path.getsize("run.mcap") == size


def test_every_topic_of_the_table_is_recorded():
    assert set(TOPICS) <= {topic for topic, _, _ in recorded_topics()}
