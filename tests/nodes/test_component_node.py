import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray

from lastmile import types
from lastmile.nodes.component_node import SUCCESS, ComponentNode
from lastmile.nodes.conversions import to_message
from lastmile.stack.table import NODES

pytestmark = pytest.mark.system


def imu(stamp_s, ahead):
    return types.ImuSample(stamp_s, np.zeros(3), np.array([ahead, 0.0, 9.81]))


def numbered():
    """Messages of an inertial unit whose stamps count up."""
    count = 0
    while True:
        count += 1
        yield to_message(imu(count / 100.0, count % 7))


def test_node_answers_messages_and_exits_with_zero_on_sigint(start, peer):
    toy = start("toy", "gain:=0.5")
    commands, samples = peer.listen("cmd_vel"), numbered()
    peer.until(lambda: len(commands) >= 20, lambda: peer.send("imu", next(samples)))
    for command in commands:
        count = round(command.stamp_s * 100.0)
        assert command.speed_mps == 0.5 * (count % 7)
    assert toy.interrupt() == 0
    assert "toy closed" in toy.said()


def test_node_counts_malformed_messages_names_the_rule_and_lives_on(start, peer):
    start("toy")
    lines = []
    peer.node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: lines.extend(m.status), 10
    )
    grid = types.PointGrid(
        1.0,
        "lidar_link",
        np.zeros((2, 3, 3), np.float32),
        np.zeros((2, 3), np.float32),
        np.zeros(3, np.float32),
    )
    cut = to_message(grid)
    cut.data = cut.data[:-4]

    def texts():
        return [line.message for line in lines if line.name == "toy: inputs"]

    def feed():
        peer.send("lidar/points", cut)
        peer.send("lidar/points", to_message(grid))

    peer.until(lambda: any("116 bytes" in text for text in texts()), feed)
    peer.until(
        lambda: any(
            value.key == "points" and int(value.value) >= 6
            for line in lines
            for value in line.values
        ),
        feed,
    )


@pytest.mark.parametrize(
    ("parameter", "rule"),
    [
        ("gain:=3.0", "gain: 3.0 is above the most allowed 2"),
        ("gain:=fast", "gain: expected float, got 'fast'"),
        ("gian:=1.0", "gian: unknown key"),
        ("host.seed:=-1", "host.seed: -1 is below the least allowed 0"),
        ("host.site:=:", "Failed to parse ROS arguments"),
    ],
)
def test_node_refuses_parameters_that_break_a_rule(start, parameter, rule):
    toy = start("toy", parameter)
    assert toy.wait() == 2
    assert rule in toy.said()


def test_node_without_robot_description_fails_and_names_the_file(start):
    toy = start("toy", "host.robot:=nowhere.urdf")
    assert toy.wait() == 1
    assert "nowhere.urdf: cannot be read" in toy.said()


def test_node_whose_component_raises_exits_with_one_and_tells_why(start):
    toy = start("toy", "fail_at:=3")
    assert toy.wait() == 1
    assert "the toy fails as it was told to" in toy.said()


def test_node_that_waits_to_be_told_goes_through_its_lifecycle(start, peer):
    from lifecycle_msgs.srv import ChangeState, GetState

    toy = start("toy", "host.autostart:=false")
    change = peer.node.create_client(ChangeState, "toy/change_state")
    ask = peer.node.create_client(GetState, "toy/get_state")
    peer.until(lambda: change.service_is_ready() and ask.service_is_ready())

    def call(client, request):
        future = client.call_async(request)
        peer.until(future.done)
        return future.result()

    assert call(ask, GetState.Request()).current_state.label == "unconfigured"
    for label, state in (
        ("configure", "inactive"),
        ("activate", "active"),
        ("deactivate", "inactive"),
        ("cleanup", "unconfigured"),
        ("configure", "inactive"),
        ("activate", "active"),
    ):
        request = ChangeState.Request()
        request.transition.label = label
        assert call(change, request).success
        assert call(ask, GetState.Request()).current_state.label == state
    commands, samples = peer.listen("cmd_vel"), numbered()
    peer.until(lambda: len(commands) >= 3, lambda: peer.send("imu", next(samples)))
    assert toy.interrupt() == 0


def test_node_leaves_no_topic_behind_when_it_is_cleaned_up(ros):
    node = ComponentNode(NODES["fiducials"])
    subscriptions, publishers = len(list(node.subscriptions)), len(list(node.publishers))
    for _ in range(2):
        assert node.trigger_configure() == SUCCESS
        # The images and the camera's figures.
        assert len(list(node.subscriptions)) == subscriptions + 2
        assert node.trigger_cleanup() == SUCCESS
        assert len(list(node.subscriptions)) == subscriptions
        assert len(list(node.publishers)) == publishers
    node.destroy_node()


def test_node_steps_on_simulated_time_only(start, peer):
    from rosgraph_msgs.msg import Clock

    from lastmile.nodes._fields import time_message

    start("toy", "use_sim_time:=true")
    steps = []

    def keep(message):
        for line in message.status:
            if line.name == "toy: toy":
                steps.append(int(line.values[0].value))

    peer.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)
    clock = peer.node.create_publisher(Clock, "/clock", 10)
    peer.until(
        lambda: steps and steps[-1] >= 1,
        lambda: clock.publish(Clock(clock=time_message(5.0))),
    )
    # Time stands at 5 s: one step was due, more are not.
    peer.until(lambda: len(steps) >= 3)
    assert steps[-1] == 1
    clock.publish(Clock(clock=time_message(5.06)))
    peer.until(lambda: steps[-1] == 2)
