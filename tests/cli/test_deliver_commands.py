import pytest

from lastmile.cli.deliver_commands import app as deliver
from lastmile.errors import UserError
from lastmile.nodes import operator_client


class DeafClient:
    """Takes an order and never brings its end."""

    def __init__(self, namespace):
        self.namespace = namespace

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def order(self, goal, on_feedback):
        pass

    def wait(self, timeout_s, meanwhile):
        raise TimeoutError(f"no result of the delivery within {timeout_s:g} s")


def test_a_delivery_without_an_end_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(operator_client, "OperatorClient", DeafClient)
    order = ["order-1", "--parcel", "p", "--start", "a", "--goal", "b", "--limit-s", "2"]
    with pytest.raises(UserError, match="no result of the delivery within 2 s; the delivery goes"):
        deliver(args=order)
