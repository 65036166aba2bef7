import pytest
from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionClient

from lastmile.nodes.actions import goal_uuid
from lastmile_msgs.action import Dock

pytestmark = pytest.mark.system


@pytest.fixture
def toy(start):
    """Give the toy's process."""
    return start("toy")


@pytest.fixture
def dock(toy, peer):
    """Give a client of the toy's action that is ready."""
    client = ActionClient(peer.node, Dock, "dock")
    peer.until(client.server_is_ready)
    yield client
    client.destroy()


def run_goal(peer, client, locker_id, cancel_after=None):
    feedback = []
    future = client.send_goal_async(
        Dock.Goal(locker_id=locker_id), feedback_callback=lambda m: feedback.append(m.feedback)
    )
    peer.until(future.done)
    handle = future.result()
    assert handle.accepted
    if cancel_after is not None:
        peer.until(lambda: len(feedback) >= cancel_after)
        canceled = handle.cancel_goal_async()
        peer.until(canceled.done)
        assert len(canceled.result().goals_canceling) == 1
    result = handle.get_result_async()
    peer.until(result.done)
    return result.result(), feedback


def test_server_brings_feedback_and_success(peer, dock):
    response, feedback = run_goal(peer, dock, "locker-a")
    assert response.status == GoalStatus.STATUS_SUCCEEDED
    result = response.result.result
    assert (result.outcome, result.text) == ("succeeded", "docked")
    assert list(result.data_names) == ["error_m"]
    assert list(result.data_values) == [0.01]
    assert {message.feedback.text for message in feedback} == {"locker-a"}


def test_server_cancels_when_asked(peer, dock):
    response, _ = run_goal(peer, dock, "endless", cancel_after=2)
    assert response.status == GoalStatus.STATUS_CANCELED
    assert response.result.result.outcome == "canceled"


def test_server_aborts_what_the_component_says_failed(peer, dock):
    response, _ = run_goal(peer, dock, "wall")
    assert response.status == GoalStatus.STATUS_ABORTED
    assert response.result.result.text == "a wall is no locker"


def test_component_lets_go_of_its_goals_when_it_is_deactivated(peer, dock):
    change = peer.node.create_client(ChangeState, "toy/change_state")
    peer.until(change.service_is_ready)
    goals = []

    def keep(message):
        for line in message.status:
            goals.extend(int(item.value) for item in line.values if item.key == "goals")

    peer.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)

    def transition(label):
        request = ChangeState.Request()
        request.transition.label = label
        future = change.call_async(request)
        peer.until(future.done)
        assert future.result().success

    sent = dock.send_goal_async(Dock.Goal(locker_id="endless"))
    peer.until(sent.done)
    peer.until(lambda: goals and goals[-1] == 1)
    result = sent.result().get_result_async()
    transition("deactivate")
    peer.until(result.done)
    assert result.result().result.result.text == "toy was deactivated"
    transition("activate")
    peer.until(lambda: goals[-1] == 0)


def test_client_finishes_cancels_and_tells_of_an_absent_server(start, peer, dock):
    states = peer.listen("mission/state")
    caller = start("caller")
    ends = {}

    def all_ended():
        ends.update({s.order_id: s.text for s in states if s.phase.endswith("/result")})
        return len(ends) == 3

    peer.until(all_ended)
    assert ends["first"] == "first succeeded: docked"
    assert ends["second"] == "second canceled: stopped"
    assert ends["third"] == "third failed: hand_over: no server within 4 s"
    assert caller.interrupt() == 0


def test_client_tells_of_a_server_that_was_killed_and_restarted(start, peer, toy, dock):
    states = peer.listen("mission/state")
    start("endless_caller")
    running = []

    def docking():
        running.extend(s for s in states if s.phase == "dock/feedback")
        return bool(running)

    peer.until(docking)
    toy.popen.kill()
    toy.wait()
    start("toy")
    peer.until(lambda: any(state.phase == "dock/result" for state in states))
    end = next(state for state in states if state.phase == "dock/result")
    assert end.text.startswith("endless failed: dock: the server")


def test_goal_ids_of_32_hex_digits_are_kept_and_others_are_mapped_alike():
    plain = "00112233445566778899aabbccddeeff"
    assert bytes(goal_uuid(plain).uuid).hex() == plain
    assert bytes(goal_uuid("order-7").uuid) == bytes(goal_uuid("order-7").uuid)
    assert bytes(goal_uuid("order-7").uuid) != bytes(goal_uuid("order-8").uuid)
