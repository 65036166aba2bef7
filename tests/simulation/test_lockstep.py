"""The lockstep runner: order, delays and repeatability."""

from dataclasses import replace

import numpy as np
import pytest

from lastmile.simulation.lockstep import Delay, History, Latencies, Lockstep
from lastmile.stack.table import NodeSpec
from lastmile.types import TaskOutcome, TaskResult, WheelOdometry


class Counter:
    """Publishes how often it was stepped."""

    def __init__(self, topic):
        self.topic = topic
        self.count = 0

    def receive(self, topic, value):
        pass

    def step(self, stamp_s):
        self.count += 1
        return [(self.topic, (stamp_s, self.count))]

    def diagnose(self, stamp_s):
        return []

    def close(self):
        pass


class Echo(Counter):
    """Publishes what it got."""

    def __init__(self, topic):
        super().__init__(topic)
        self.got = []

    def receive(self, topic, value):
        self.got.append(value)

    def step(self, stamp_s):
        return [(self.topic, (stamp_s, tuple(self.got)))]


def spec(name, period_s, subscribes=(), trigger=""):
    return NodeSpec(name, "", "", period_s, tuple(subscribes), (), "", trigger=trigger)


def pair(latencies=None, seed=0):
    counter, echo = Counter("count"), Echo("echo")
    loop = Lockstep(
        {
            "counter": (spec("counter", 0.1), counter),
            "echo": (spec("echo", 10.0, ["count"], trigger="count"), echo),
        },
        latencies or Latencies({}, {}),
        np.random.default_rng(seed),
    )
    return loop, counter, echo


def test_timer_steps_at_its_period():
    loop, counter, _ = pair()
    loop.run_until(1.05)
    assert counter.count == 11


def test_trigger_steps_when_the_message_arrives():
    loop, _, _ = pair(Latencies({"counter": Delay(0.02, 0.02)}, {"count": Delay(0.03, 0.03)}))
    stamps = []
    loop.observe(lambda t, who, topic, value: stamps.append((t, topic)))
    loop.run_until(0.09)
    assert ("count", pytest.approx(0.02, abs=1e-6)) in [(k, t) for t, k in stamps]
    assert ("echo", pytest.approx(0.05, abs=1e-6)) in [(k, t) for t, k in stamps]


def test_a_busy_component_skips_steps():
    loop, counter, _ = pair(Latencies({"counter": Delay(0.25, 0.25)}, {}))
    loop.run_until(0.95)
    assert counter.count == 4  # at 0, 0.3, 0.6 and 0.9 s


def test_trigger_that_comes_while_a_step_computes_is_worked_on_after_it():
    latencies = Latencies({"echo": Delay(0.15, 0.15)}, {})
    loop, _, _ = pair(latencies)
    echoed = []
    loop.observe(lambda t, who, topic, value: echoed.append(t) if topic == "echo" else None)
    loop.run_until(0.55)
    assert echoed == pytest.approx([0.15, 0.3, 0.45], abs=1e-5)


def test_messages_of_a_topic_do_not_overtake_each_other():
    loop, _, echo = pair(Latencies({}, {"count": Delay(0.05, 0.5)}))
    loop.run_until(20.0)
    counts = [count for _, count in echo.got]
    assert len(counts) > 150
    assert counts == sorted(counts)


@pytest.mark.parametrize(("seed", "same"), [(1, True), (2, False)])
def test_history_is_equal_exactly_for_equal_seeds(seed, same):
    delays = Latencies({"counter": Delay(0.02, 0.06)}, {"count": Delay(0.01, 0.05)})
    digests = []
    for s in (1, seed):
        loop, _, _ = pair(delays, s)
        history = History()
        loop.observe(history)
        loop.run_until(5.0)
        digests.append(history.hexdigest())
    assert (digests[0] == digests[1]) is same


def test_delay_has_the_stated_median_and_99th_percentile():
    rng = np.random.default_rng(0)
    delay = Delay(0.01, 0.04)
    drawn = np.array([delay.draw_ns(rng) for _ in range(20000)]) / 1e9
    assert np.median(drawn) == pytest.approx(0.01, rel=0.03)
    assert np.quantile(drawn, 0.99) == pytest.approx(0.04, rel=0.06)


def test_history_depends_on_array_contents():
    a, b = History(), History()
    a(0.0, "x", "t", np.arange(3.0))
    b(0.0, "x", "t", np.arange(3.0) + 1e-12)
    assert a.hexdigest() != b.hexdigest()


def test_history_leaves_out_what_topics_carry_but_not_when():
    a, b, c = (History(leave_out=["t"]) for _ in range(3))
    a(0.0, "x", "t", np.arange(3.0))
    b(0.0, "x", "t", np.zeros(2))
    c(0.1, "x", "t", np.arange(3.0))
    assert a.hexdigest() == b.hexdigest() != c.hexdigest()


def test_history_depends_on_every_plain_value_and_on_the_shape_of_arrays():
    array = np.zeros((2, 3))
    failed = TaskResult("goal", 2.0, TaskOutcome.FAILED, "text")
    values = [
        TaskResult("goal", 2.0, TaskOutcome.SUCCEEDED, "text", {"a": 1.0}),
        TaskResult("goal", 2.0, TaskOutcome.FAILED, "text", {"a": 1.0}),
        TaskResult("goal", 2.0, TaskOutcome.SUCCEEDED, "text", {"b": 1.0}),
        TaskResult("goal", 2.0, TaskOutcome.SUCCEEDED, "text", {"a": 1.5}),
        WheelOdometry(1.0, array, np.eye(2)),
        WheelOdometry(1.0, array.T, np.eye(2)),
        WheelOdometry(1.0, np.eye(2), array),
        WheelOdometry(1.0, array.astype(np.float32), np.eye(2)),
        (WheelOdometry(1.0, array, np.eye(2)), WheelOdometry(2.0, array, np.eye(2))),
        (WheelOdometry(1.0, array, np.eye(2)), WheelOdometry(2.5, array, np.eye(2))),
        (WheelOdometry(1.0, array, np.eye(2)), WheelOdometry(2.0, array + 1e-12, np.eye(2))),
        (WheelOdometry(1.0, array, np.eye(2)), WheelOdometry(2.0, array.T, np.eye(2))),
        (failed, failed),
        (failed, replace(failed, outcome=TaskOutcome.CANCELED)),
        (1.0, 2.0),
        (1.0, 2.0, None),
    ]
    digests = set()
    for value in values:
        history = History()
        history(0.0, "x", "t", value)
        digests.add(history.hexdigest())
    assert len(digests) == len(values)
