"""The operator's client against a mission that is absent, killed and restarted."""

import pytest

from lastmile.errors import UserError
from lastmile.nodes import operator_client
from lastmile.types import DeliverGoal, TaskOutcome

pytestmark = pytest.mark.system

ORDER = DeliverGoal("00112233445566778899aabbccddeeff", "order-1", "parcel-1", "a", "b")
WAIT_S = 90.0


@pytest.fixture
def client(ros, monkeypatch):
    """Give a client that asks a silent mission soon."""
    monkeypatch.setattr(operator_client, "ASK_S", 0.5)
    with operator_client.OperatorClient() as client:
        yield client


def lose_the_mission(start, client):
    """Order, and kill the mission once the delivery is under way."""
    feedback = []
    mission = start("courier", "gain:=0.0")
    client.order(ORDER, feedback.append, within_s=WAIT_S)
    while not feedback:
        client.spin()
    mission.popen.kill()
    mission.wait()


def test_delivery_goes_on_when_the_mission_is_killed_and_restarted(start, client):
    lose_the_mission(start, client)
    start("courier", "gain:=1.0")
    result = client.wait(WAIT_S)
    assert (result.outcome, result.text) == (TaskOutcome.SUCCEEDED, "parcel-1")
    assert not client.lost


def test_cancel_that_nobody_heard_is_asked_for_again(start, client):
    lose_the_mission(start, client)
    client.cancel()
    start("courier", "gain:=0.0")
    assert client.wait(WAIT_S).outcome is TaskOutcome.CANCELED


def test_cancel_ends_the_wait_for_a_mission(client):
    client.order(ORDER, within_s=WAIT_S, meanwhile=client.cancel)
    result = client.wait(WAIT_S)
    assert (result.outcome, result.goal_id) == (TaskOutcome.CANCELED, ORDER.goal_id)


def test_cancel_that_comes_before_the_answer_follows_the_order(start, client, monkeypatch):
    start("courier", "gain:=0.0")
    send = client._client.send_goal_async

    def send_and_cancel(*args, **kwargs):
        answer = send(*args, **kwargs)
        client.cancel()
        return answer

    monkeypatch.setattr(client._client, "send_goal_async", send_and_cancel)
    client.order(ORDER, within_s=WAIT_S)
    assert client.wait(WAIT_S).outcome is TaskOutcome.CANCELED


def test_no_mission_is_told(client):
    with pytest.raises(UserError, match=r"no mission answers within 0\.2 s"):
        client.order(ORDER, within_s=0.2)
