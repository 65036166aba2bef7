"""An MCAP file of raw messages, as Foxglove and `ros2 bag` read it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from mcap.writer import CompressionType, Writer

from lastmile.errors import UserError
from lastmile.nodes.message_definitions import definition

# What is not in a whole chunk yet is lost with a recorder that is killed: about half a second.
CHUNK_BYTES = 1 << 20
COMPRESSIONS = {
    "zstd": CompressionType.ZSTD,
    "lz4": CompressionType.LZ4,
    "none": CompressionType.NONE,
}


class Recording:
    """
    One MCAP file being written.

    Parameters
    ----------
    path : Path
        The file; if it exists, a number is put behind its name (a recorder that was restarted).
    compression : str
        zstd, lz4 or none.
    free_min_bytes : int
        Space that must stay free on the disk.

    Raises
    ------
    UserError
        Here and in `write`, if the file cannot be written; the message names the file and why.

    """

    def __init__(self, path: Path, compression: str, free_min_bytes: int) -> None:
        self.path = path = _free_name(path)
        self.bytes_written = 0
        self._free_min_bytes = free_min_bytes
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._checked_at_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Before the file is made: one without a message in it would only be in the way.
            self._check_space()
            self._file = path.open("xb")
        except OSError as error:
            raise UserError(f"recording {path} cannot be written: {error.strerror}") from error
        self._writer = Writer(
            self._file, chunk_size=CHUNK_BYTES, compression=COMPRESSIONS[compression]
        )
        self._writer.start(profile="ros2", library="lastmile")

    def add_channel(self, topic: str, message: str, qos_yaml: str) -> None:
        """Announce a topic."""
        if message not in self._schemas:
            self._schemas[message] = self._writer.register_schema(
                name=message, encoding="ros2msg", data=definition(message).encode()
            )
        self._channels[topic] = self._writer.register_channel(
            topic=topic,
            message_encoding="cdr",
            schema_id=self._schemas[message],
            metadata={"offered_qos_profiles": qos_yaml},
        )

    def write(self, topic: str, data: bytes, stamp_s: float, published_s: float) -> None:
        """Add a serialized message that was published at `published_s` and came at `stamp_s`."""
        try:
            self._writer.add_message(
                channel_id=self._channels[topic],
                log_time=int(stamp_s * 1e9),
                publish_time=int(published_s * 1e9),
                data=data,
            )
        except OSError as error:
            raise self._broken(error) from error
        self.bytes_written += len(data)
        if self.bytes_written - self._checked_at_bytes > CHUNK_BYTES:
            self._checked_at_bytes = self.bytes_written
            self._check_space()

    def close(self) -> None:
        """Finish the file with its index."""
        try:
            self._writer.finish()
            self._file.close()
        except OSError as error:
            raise self._broken(error) from error

    def _check_space(self) -> None:
        folder = os.statvfs(self.path.parent)
        free = folder.f_bavail * folder.f_frsize
        if free < self._free_min_bytes:
            raise UserError(
                f"recording {self.path} stops: {free / 1e6:.0f} MB are free on its disk, at least"
                f" {self._free_min_bytes / 1e6:.0f} MB must stay free"
            )

    def _broken(self, error: OSError) -> UserError:
        return UserError(f"recording {self.path} stops: {error.strerror}")


def _free_name(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(1))
    return path if not path.exists() else next(name for name in names if not name.exists())
