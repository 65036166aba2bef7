"""A recorded run read back into the values of the stack."""

from __future__ import annotations

import heapq
import itertools
import logging
import struct
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from zstandard import ZstdError

from lastmile.errors import UserError
from lastmile.nodes import conversions
from lastmile.nodes._fields import seconds
from lastmile.nodes.diagnostics import diagnostic_values
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.message_types import message_class
from lastmile.stack.table import NODES
from lastmile.stack.topics import TOPICS, Qos
from lastmile.types import PointGrid

DIAGNOSTICS = "diagnostics"
# Messages lie in the file as the recorder took them, topic by topic; within this much recorder
# time they are put into the order of their publication. At a rate over 1 a recorder that is short
# of processor time for a moment is seconds of this time behind.
REORDER_NS = 10_000_000_000

Observed = tuple[float, str, str, Any]
"""Time of publication, publisher, topic and value."""

# What reading a file raises that ends in the middle, or holds a damaged chunk.
BROKEN = (McapError, struct.error, ZstdError, RuntimeError)
MAGIC = b"\x89MCAP0\r\n"
BROKEN_OFF = "recording %s ends in the middle; what is before was read"

_log = logging.getLogger(__name__)


def read_run(run_dir: Path, topics: Collection[str], namespace: str = "/") -> Iterator[Observed]:
    """
    Read all recordings of a run folder; a recorder that was restarted left several.

    One that holds nothing, as of a recorder that was killed before it wrote, is left out with a
    warning in the log, as long as another holds something.

    Raises
    ------
    UserError
        If there is none, all hold nothing, or one cannot be opened.

    """
    first = run_dir / "run.mcap"
    numbered = (run_dir / f"run_{number}.mcap" for number in itertools.count(1))
    paths = [first, *itertools.takewhile(Path.exists, numbered)]
    faults = {path: _fault(path) for path in paths}
    if all(faults.values()):
        raise UserError(faults[first])
    for path, fault in faults.items():
        if fault:
            _log.warning("%s; it is left out", fault)
        else:
            yield from read_recording(path, topics, namespace)


def read_recording(path: Path, topics: Collection[str], namespace: str = "/") -> Iterator[Observed]:
    """
    Read values out of an MCAP file of the recorder, in the order of their publication.

    What the recorder took later than REORDER_NS comes where it lies in the file. A file that ends
    in the middle, as of a recorder that was killed, gives what is readable, and a warning in the
    log; so do messages that cannot be read.

    Parameters
    ----------
    path : Path
        The file.
    topics : collection of str
        Names of the topic table, and `diagnostics`; nothing else is decoded.
    namespace : str
        The robot's.

    Raises
    ------
    UserError
        If the file is missing, empty or no MCAP file.

    """
    ros_environment()
    from rclpy.serialization import deserialize_message

    readers = {_full_name(topic, namespace): _reader(topic) for topic in topics}
    for message, channel, kind in _in_order(_messages(path, set(readers))):
        try:
            values = readers[channel](deserialize_message(message.data, message_class(kind)))
        except ValueError as error:
            _log.warning("%s: %s: message left out: %s", path, channel, error)
            continue
        for publisher, topic, value in values:
            yield message.publish_time / 1e9, publisher, topic, value


def _full_name(topic: str, namespace: str) -> str:
    return f"/{topic}" if topic == DIAGNOSTICS else f"{namespace.rstrip('/')}/{topic}"


def _reader(topic: str) -> Callable[[Any], list[tuple[str, str, Any]]]:
    """Give the function that reads a message of a topic into publisher, topic and value."""
    if topic == DIAGNOSTICS:
        return lambda message: [
            (node, DIAGNOSTICS, value) for node, value in diagnostic_values(message)
        ]
    read = conversions.reader(TOPICS[topic].value)
    publisher = next((name for name, spec in NODES.items() if topic in spec.publishes), "")
    return lambda message: [(publisher, topic, read(message))]


def _messages(path: Path, wanted: set[str]) -> Iterator[tuple[Message, str, str]]:
    """Yield the raw messages of channels with these names, with the names of channel and type."""
    if fault := _fault(path):
        raise UserError(fault)
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    with path.open("rb") as file:
        try:
            for record in StreamReader(file, record_size_limit=path.stat().st_size).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record.name
                elif isinstance(record, Channel) and record.topic in wanted:
                    channels[record.id] = (record.topic, schemas[record.schema_id])
                elif isinstance(record, Message) and record.channel_id in channels:
                    yield record, *channels[record.channel_id]
        except BROKEN:
            _log.warning(BROKEN_OFF, path)


def _fault(path: Path) -> str:
    """Say why nothing can be read from a file, empty if something can."""
    try:
        with path.open("rb") as file:
            beginning = file.read(len(MAGIC))
    except OSError as error:
        raise UserError(f"recording {path} cannot be read: {error.strerror}") from error
    if not beginning:
        return f"recording {path} is empty; the recorder ended before it wrote anything"
    return "" if beginning == MAGIC else f"recording {path} is not an MCAP file"


def _in_order(
    messages: Iterator[tuple[Message, str, str]],
) -> Iterator[tuple[Message, str, str]]:
    waiting: list[tuple[int, int, tuple[Message, str, str]]] = []
    for number, item in enumerate(messages):
        heapq.heappush(waiting, (item[0].publish_time, number, item))
        while waiting and waiting[0][0] < item[0].log_time - REORDER_NS:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def travel_times(
    path: Path, topics: Collection[str], namespace: str = "/"
) -> dict[str, list[float]]:
    """
    List for each topic how long its messages took until the recorder had them [s].

    From publication; for what sensors publish from the end of the measurement, so that the work of
    their driver counts.
    """
    names = {_full_name(topic, namespace): topic for topic in topics}
    times: dict[str, list[float]] = {}
    for message, channel, kind in _messages(path, set(names)):
        topic, began_s = names[channel], message.publish_time / 1e9
        if TOPICS[topic].qos is Qos.SENSOR:
            began_s = _end_of_measurement(topic, message.data, kind)
        times.setdefault(topic, []).append(message.log_time / 1e9 - began_s)
    return times


def _end_of_measurement(topic: str, data: bytes, kind: str) -> float:
    from rclpy.serialization import deserialize_message

    message = deserialize_message(data, message_class(kind))
    end_s = seconds(message.header.stamp)
    if TOPICS[topic].value is PointGrid:
        end_s += float(conversions.reader(PointGrid)(message).offset_s[-1])
    return end_s
