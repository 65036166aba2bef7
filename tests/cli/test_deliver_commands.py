import os
import signal

import pytest

from lastmile.cli.deliver_commands import app as deliver
from lastmile.errors import UserError
from lastmile.nodes import operator_client
from lastmile.types import TaskOutcome, TaskResult


class DeafClient:
    """Takes an order and never brings its end."""

    def __init__(self, namespace):
        self.namespace = namespace

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def order(self, goal, on_feedback, meanwhile):
        pass

    def wait(self, timeout_s, meanwhile):
        raise TimeoutError(f"no result of the delivery within {timeout_s:g} s")


def test_a_delivery_without_an_end_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(operator_client, "OperatorClient", DeafClient)
    order = ["order-1", "--parcel", "p", "--start", "a", "--goal", "b", "--limit-s", "2"]
    with pytest.raises(UserError, match="no result of the delivery within 2 s; the delivery goes"):
        deliver(args=order)


class PromptClient(DeafClient):
    """Brings the end at once."""

    def wait(self, timeout_s, meanwhile):
        return TaskResult("g", 0.0, self.outcome, "to_locker_id is 'zz', which is no locker")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(TaskOutcome.SUCCEEDED, 0), (TaskOutcome.FAILED, 1), (TaskOutcome.CANCELED, 130)],
)
def test_exit_code_tells_how_the_delivery_ended(monkeypatch, capsys, outcome, code):
    monkeypatch.setattr(operator_client, "OperatorClient", PromptClient)
    monkeypatch.setattr(PromptClient, "outcome", outcome, raising=False)
    with pytest.raises(SystemExit) as ended:
        deliver(args=["order-1", "--parcel", "p", "--start", "a", "--goal", "zz"])
    assert ended.value.code == code
    assert f"{outcome.value}: to_locker_id is 'zz'" in capsys.readouterr().out


class SlowClient(DeafClient):
    """Finds no mission for as long as nobody cancels."""

    canceled = False

    def cancel(self):
        self.canceled = True

    def order(self, goal, on_feedback, meanwhile):
        os.kill(os.getpid(), signal.SIGINT)
        while not self.canceled:
            meanwhile()

    def wait(self, timeout_s, meanwhile):
        return TaskResult("g", 0.0, TaskOutcome.CANCELED, "canceled before anything was ordered")


def test_ctrl_c_is_heard_while_the_order_waits_for_a_mission(monkeypatch, capsys):
    monkeypatch.setattr(operator_client, "OperatorClient", SlowClient)
    with pytest.raises(SystemExit) as ended:
        deliver(args=["order-1", "--parcel", "p", "--start", "a", "--goal", "b"])
    assert ended.value.code == 130
    assert "canceling" in capsys.readouterr().out
