"""
The message link between robot and lockers, two ways.

`MemoryNetwork` is for one process on simulated time, with loss, doubling and delay drawn from a
generator. `MqttLink` speaks MQTT 5 with QoS 1 to a broker. Neither promises that a message arrives,
arrives once, or in order; the custody protocol needs none of that.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import deque

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from lastmile.handoff.config import LinkConfig

TOPIC_ROOT = "lastmile"
SESSION_EXPIRY_S = 24 * 3600
INBOX_MAX = 10_000

log = logging.getLogger(__name__)


class MemoryNetwork:
    """
    Links between parties in one process.

    Parameters
    ----------
    rng : Generator
        Draws loss, doubling and delay.
    latency_s, jitter_s : float
        Delay of a message: at least `latency_s`, with an exponential tail of mean `jitter_s`, so
        that messages also overtake each other.
    loss, duplication : float
        Probabilities.

    """

    def __init__(
        self,
        rng: np.random.Generator,
        latency_s: float = 0.02,
        jitter_s: float = 0.01,
        loss: float = 0.0,
        duplication: float = 0.0,
    ) -> None:
        self.latency_s = latency_s
        self.jitter_s = jitter_s
        self.loss = loss
        self.duplication = duplication
        self._rng = rng
        self._now_s = 0.0
        self._order = itertools.count()
        self._flying: list[tuple[float, int, str, str, bytes]] = []
        self._inboxes: dict[str, deque[tuple[str, bytes]]] = {}

    def link(self, name: str) -> MemoryLink:
        """Open the link of a party; what waited for an earlier one of that name is gone."""
        self._inboxes[name] = deque()
        return MemoryLink(self, name)

    def advance(self, stamp_s: float) -> None:
        """Deliver what is due at `stamp_s`."""
        self._now_s = max(self._now_s, stamp_s)
        while self._flying and self._flying[0][0] <= self._now_s:
            _, _, sender, to, payload = heapq.heappop(self._flying)
            if to in self._inboxes:
                self._inboxes[to].append((sender, payload))

    def post(self, sender: str, to: str, payload: bytes) -> None:
        """Send a message on its way."""
        copies = 1 + int(self._rng.random() < self.duplication)
        for _ in range(copies):
            lost = self._rng.random() < self.loss
            delay_s = self.latency_s + self._rng.exponential(self.jitter_s)
            if not lost:
                due_s = self._now_s + delay_s
                heapq.heappush(self._flying, (due_s, next(self._order), sender, to, payload))

    def collect(self, name: str) -> list[tuple[str, bytes]]:
        """Empty the inbox of a party."""
        inbox = self._inboxes[name]
        came = list(inbox)
        inbox.clear()
        return came


class LinkWatch:
    """
    Tells for how long a link has had no broker, by the clock of who asks.

    A link without a broker between its ends, which says nothing of one, is always there.
    """

    def __init__(self, link) -> None:
        self._link = link
        self._gone_s: float | None = None
        self._now_s = 0.0

    def update(self, stamp_s: float) -> None:
        """Look whether the broker is there."""
        self._now_s = stamp_s
        if getattr(self._link, "connected", True):
            self._gone_s = None
        elif self._gone_s is None or stamp_s < self._gone_s:
            self._gone_s = stamp_s

    @property
    def fault(self) -> str:
        """What is wrong, empty if nothing."""
        if self._gone_s is None:
            return ""
        return f"broker gone since {self._now_s - self._gone_s:.0f} s"

    @property
    def values(self) -> dict[str, str]:
        """Count what was dropped, if anything, for the diagnostics."""
        dropped = getattr(self._link, "dropped", 0)
        return {"dropped_messages": str(dropped)} if dropped else {}


class MemoryLink:
    """One party's end of a `MemoryNetwork`."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self._network = network
        self._name = name

    def send(self, to: str, payload: bytes) -> None:
        """Hand a message to the network."""
        self._network.post(self._name, to, payload)

    def poll(self) -> list[tuple[str, bytes]]:
        """Take the messages that came, as (sender, payload)."""
        return self._network.collect(self._name)

    def close(self) -> None:
        """End the connection."""


class MqttLink:
    """
    One party's connection to an MQTT broker.

    Party `a` receives on `lastmile/a/inbox/<sender>` and sends on `lastmile/<to>/inbox/a`, so that
    a broker can hold every party to its own name by one topic rule. What is sent while the broker
    is away waits in an outbox and goes out when it is back. The network loop is a thread; `send`
    and `poll` never wait for it.

    Parameters
    ----------
    name : str
        The party.
    config : LinkConfig
        Where the broker is.

    """

    def __init__(self, name: str, config: LinkConfig) -> None:
        self.name = name
        self.dropped = 0
        self._config = config
        self._lock = threading.Lock()
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._inbox: deque[tuple[str, bytes]] = deque(maxlen=INBOX_MAX)
        self._connected = False
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"lastmile-{name}", protocol=mqtt.MQTTv5
        )
        self._client.reconnect_delay_set(0.5, config.reconnect_max_s)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._client.connect_async(
            config.host,
            config.port,
            config.keep_alive_s,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._connected

    def send(self, to: str, payload: bytes) -> None:
        """Hand a message over; it leaves when the broker is there."""
        with self._lock:
            if len(self._outbox) >= self._config.outbox_max:
                self._outbox.popleft()
                self.dropped += 1
            self._outbox.append((f"{TOPIC_ROOT}/{to}/inbox/{self.name}", payload))
            self._flush()

    def poll(self) -> list[tuple[str, bytes]]:
        """Take the messages that came, as (sender, payload)."""
        came = []
        while self._inbox:
            came.append(self._inbox.popleft())
        return came

    def close(self) -> None:
        """End the connection; what is still in the outbox is lost, as in a crash."""
        self._client.disconnect()
        self._client.loop_stop()

    def _flush(self) -> None:
        """Publish the outbox, in order; the lock is held."""
        while self._connected and self._outbox:
            # paho keeps it from here on, also over a reconnection, until the broker confirms.
            topic, payload = self._outbox.popleft()
            self._client.publish(topic, payload, qos=1)

    def _on_connect(self, client, userdata, flags, reason_code, properties) -> None:
        if reason_code.is_failure:
            log.warning("broker refuses %s: %s", self.name, reason_code)
            return
        client.subscribe(f"{TOPIC_ROOT}/{self.name}/inbox/+", qos=1)
        with self._lock:
            self._connected = True
            self._flush()

    def _on_disconnect(self, client, userdata, flags, reason_code, properties) -> None:
        with self._lock:
            self._connected = False

    def _on_message(self, client, userdata, message) -> None:
        sender = message.topic.rsplit("/", 1)[-1]
        self._inbox.append((sender, bytes(message.payload)))
