"""
All components in one process on simulated time.

An event queue in integer nanoseconds carries timers and messages, so that a run with a seed repeats
bit for bit. Processes are modelled by two figures each: how long a step computes, and how long a
message travels. Both are drawn from the distributions that were measured over ROS.
"""

from __future__ import annotations

import functools
import hashlib
import heapq
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from lastmile.config import param
from lastmile.stack.component import Component
from lastmile.stack.table import NodeSpec

SECOND = 1_000_000_000


class Network(Protocol):
    """The message link between robot and lockers, moved on by the runner."""

    def advance(self, stamp_s: float) -> None:
        """Deliver what is due at `stamp_s`."""


@dataclass(frozen=True)
class Delay:
    """A delay by its median and 99th percentile; drawn log-normal between runs of the loop."""

    median_s: float = param(0.0, "Half of all delays are shorter.", unit="s", low=0.0, high=1.0)
    p99_s: float = param(0.0, "99 of 100 delays are shorter.", unit="s", low=0.0, high=5.0)

    def draw_ns(self, rng: np.random.Generator) -> int:
        """Draw one delay in nanoseconds."""
        if self.median_s <= 0.0:
            return 0
        return int(self.median_s * math.exp(self._spread * rng.standard_normal()) * SECOND)

    @functools.cached_property
    def _spread(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(max(self.p99_s, self.median_s) / self.median_s) / 2.326


INSTANT = Delay()
"""Of what is not listed."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Compute delay of each node and transport delay of each topic; nothing listed is instant."""

    compute: Mapping[str, Delay]
    transport: Mapping[str, Delay]


Observer = Callable[[float, str, str, Any], None]
"""Called as observe(stamp_s, publisher, topic, value) for everything that is published."""


class Lockstep:
    """
    Run components on one event queue.

    Parameters
    ----------
    components : mapping of instance name to (NodeSpec, Component)
        Several instances may share a spec (one locker each).
    latencies : Latencies
        Delays of processes and messages.
    rng : Generator
        Draws the delays.
    network : Network, optional
        Moved on before every step.

    """

    def __init__(
        self,
        components: Mapping[str, tuple[NodeSpec, Component]],
        latencies: Latencies,
        rng: np.random.Generator,
        network: Network | None = None,
    ) -> None:
        self.now_ns = 0
        self._components = dict(components)
        self._latencies = latencies
        self._rng = rng
        self._network = network
        self._observers: list[Observer] = []
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._busy_until = dict.fromkeys(self._components, 0)
        self._arrivals_ns: dict[str, int] = {}
        self._readers = self._find_readers()
        for offset, name in enumerate(self._components):
            self._schedule(offset * 1000, lambda name=name: self._on_timer(name))

    @property
    def now_s(self) -> float:
        """Simulated time [s]."""
        return self.now_ns / SECOND

    def observe(self, observer: Observer) -> None:
        """Show everything that is published to `observer`."""
        self._observers.append(observer)

    def publish(self, publisher: str, topic: str, value: Any) -> None:
        """Put a value on a topic from outside (an operator, a test)."""
        self._emit(publisher, topic, value)

    def run_until(self, stamp_s: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Run events up to a time, or until `stop` says so."""
        end_ns = round(stamp_s * SECOND)
        while self._queue and self._queue[0][0] <= end_ns and not stop():
            self.now_ns, _, event = heapq.heappop(self._queue)
            event()
        if not stop():
            self.now_ns = max(self.now_ns, end_ns)

    def close(self) -> None:
        """Close all components."""
        for _, component in self._components.values():
            component.close()

    def _find_readers(self) -> dict[str, list[str]]:
        readers: dict[str, list[str]] = {}
        for name, (spec, _) in self._components.items():
            topics = list(spec.subscribes)
            topics += [f"{action}/{part}" for action in spec.serves for part in ("goal", "cancel")]
            topics += [
                f"{action}/{part}" for action in spec.calls for part in ("feedback", "result")
            ]
            for topic in topics:
                readers.setdefault(topic, []).append(name)
        return readers

    def _schedule(self, time_ns: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (time_ns, next(self._order), event))

    def _on_timer(self, name: str) -> None:
        spec, _ = self._components[name]
        self._schedule(self.now_ns + round(spec.period_s * SECOND), lambda: self._on_timer(name))
        self._step(name)

    def _step(self, name: str) -> None:
        """Step a component unless it is still computing; publish when it is done."""
        if self.now_ns < self._busy_until[name]:
            return
        spec, component = self._components[name]
        if self._network is not None:
            self._network.advance(self.now_s)
        outputs = component.step(self.now_s)
        if not outputs:
            # Delays are those of steps that published something; the others take next to no time.
            return
        delay = self._latencies.compute.get(spec.name, INSTANT).draw_ns(self._rng)
        self._busy_until[name] = self.now_ns + delay
        for topic, value in outputs:
            self._schedule(
                self.now_ns + delay, lambda topic=topic, value=value: self._emit(name, topic, value)
            )

    def _emit(self, publisher: str, topic: str, value: Any) -> None:
        for observer in self._observers:
            observer(self.now_s, publisher, topic, value)
        readers = self._readers.get(topic, ())
        if readers:
            delay = self._latencies.transport.get(topic, INSTANT).draw_ns(self._rng)
            # Messages of one topic do not overtake each other, as over DDS.
            arrival_ns = max(self.now_ns + delay, self._arrivals_ns.get(topic, 0))
            self._arrivals_ns[topic] = arrival_ns
            self._schedule(arrival_ns, lambda: self._deliver(readers, topic, value))

    def _deliver(self, readers: list[str], topic: str, value: Any) -> None:
        for name in readers:
            spec, component = self._components[name]
            component.receive(topic, value)
            if spec.trigger == topic:
                # What comes while a step still computes is worked on right after it.
                free_ns = self._busy_until[name]
                if self.now_ns < free_ns:
                    self._schedule(free_ns, lambda name=name: self._step(name))
                else:
                    self._step(name)


class History:
    """
    Digest of what was published, to hold two runs against each other.

    What is published on the topics of `leave_out` stays out, but for when it was.
    A publication goes into the hash at once, its arrays before all its other values: thousands of
    small pieces a second cost more than the hash. SHA-256 because processors have it built in.
    The arrays are joined as they are: `tobytes` of an image costs as long as its hash.
    """

    def __init__(self, leave_out: Iterable[str] = ()) -> None:
        self._digest = hashlib.sha256()
        self._leave_out = frozenset(leave_out)

    def __call__(self, stamp_s: float, publisher: str, topic: str, value: Any) -> None:
        """Add one publication; fits `Lockstep.observe`."""
        plain: list[Any] = [stamp_s, publisher, topic]
        arrays: list[bytes | np.ndarray] = []
        if topic not in self._leave_out:
            _take_apart(value, plain, arrays)
        arrays.append(repr(plain).encode())
        self._digest.update(b"".join(arrays))

    def hexdigest(self) -> str:
        """Give the digest so far."""
        return self._digest.hexdigest()


def _take_apart(value: Any, plain: list[Any], arrays: list[bytes | np.ndarray]) -> None:
    """Append the plain values in `value`, and its arrays, each after its kind."""
    if isinstance(value, np.ndarray):
        arrays += (_kind_of(value.dtype.char, value.shape), np.ascontiguousarray(value))
    elif isinstance(value, (tuple, list)):
        _take_items_apart(value, plain, arrays)
    elif isinstance(value, dict):
        for key in sorted(value):
            plain.append(key)
            _take_apart(value[key], plain, arrays)
    elif is_dataclass(value):
        for item in _fields_of(type(value))(value):
            kind = type(item)
            if kind in _PLAIN:
                plain.append(item)
            elif kind is np.ndarray:
                arrays += (_kind_of(item.dtype.char, item.shape), np.ascontiguousarray(item))
            else:
                _take_apart(item, plain, arrays)
    else:
        plain.append(value)


def _take_items_apart(
    items: Sequence[Any], plain: list[Any], arrays: list[bytes | np.ndarray]
) -> None:
    """Do so for items of one kind at once, dataclasses field by field: obstacles are many."""
    kinds = set(map(type, items))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is float:
        arrays.append(np.array(items))
    elif kind in _PLAIN:
        plain += items
    elif kind is np.ndarray:
        joined = np.concatenate(items, axis=None)
        shapes = [item.shape for item in items]
        plain.append(shapes[:1] if len(set(shapes)) == 1 else shapes)
        arrays += (_kind_of(joined.dtype.char, joined.shape), joined)
    elif kind is not None and issubclass(kind, StrEnum):
        plain += map(str, items)
    elif kind is not None and is_dataclass(kind):
        plain.append(len(items))
        for column in zip(*map(_fields_of(kind), items), strict=True):
            _take_items_apart(column, plain, arrays)
    else:
        for item in items:
            _take_apart(item, plain, arrays)


_PLAIN = frozenset((float, int, bool, str, type(None)))


@functools.cache
def _kind_of(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Write the kind of an array; there are few, and `repr` at each is slow."""
    return repr((dtype, shape)).encode()


@functools.cache
def _fields_of(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """Give what reads all fields of a dataclass; `fields` itself is slow at thousands a second."""
    names = [f.name for f in fields(kind)]
    if len(names) < 2:  # attrgetter gives a tuple only for two and more
        return lambda value: tuple(getattr(value, name) for name in names)
    return operator.attrgetter(*names)
