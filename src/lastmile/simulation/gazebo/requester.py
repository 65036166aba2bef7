"""
Service requests to Gazebo, made by a process of their own.

The bindings hold Python's lock while they wait for an answer, and one thread of gz-transport
brings both answers and messages; a message that comes first waits for the lock to be handed to its
subscriber, and the answer behind it never comes. A process that subscribes to nothing has no such
message.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from typing import BinaryIO

from lastmile.errors import UserError

_ANSWER = struct.Struct("<?I")


class Requester:
    """The asking side: hands requests to the process and reads the answers."""

    def __init__(self, environment: Mapping[str, str], command: list[str] | None = None) -> None:
        """Start the process; `environment` names the partition."""
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )

    def request(
        self, service: str, payload: bytes, kinds: tuple[str, str], timeout_s: float
    ) -> bytes | None:
        """
        Ask a service.

        Parameters
        ----------
        service : str
            Its name.
        payload : bytes
            The serialised request.
        kinds : tuple of str
            Full names of the request's and the answer's kind.
        timeout_s : float
            How long an answer is waited for.

        Returns
        -------
        bytes or None
            The serialised answer; None if the service failed or did not answer in time.

        Raises
        ------
        UserError
            If the process has ended.

        """
        head = {
            "service": service,
            "kinds": kinds,
            "timeout_ms": round(1000.0 * timeout_s),
            "size": len(payload),
        }
        try:
            self._process.stdin.write(json.dumps(head).encode() + b"\n" + payload)
            self._process.stdin.flush()
            answered, size = _ANSWER.unpack(_exactly(self._process.stdout, _ANSWER.size))
            answer = _exactly(self._process.stdout, size)
        except (BrokenPipeError, EOFError) as error:
            raise UserError(
                f"{service}: the process that asks Gazebo ended with exit code"
                f" {self._process.wait()}"
            ) from error
        return answer if answered else None

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(requests: BinaryIO, answers: BinaryIO, ask) -> None:
    """
    Answer requests until their stream ends.

    `ask(service, payload, request kind, answer kind, timeout_ms)` gives (answered, bytes).
    """
    while line := requests.readline():
        head = json.loads(line)
        payload = _exactly(requests, head["size"])
        answered, answer = ask(head["service"], payload, *head["kinds"], head["timeout_ms"])
        answers.write(_ANSWER.pack(answered, len(answer)) + answer)
        answers.flush()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data)} of {size} bytes came")
    return data


def main() -> None:
    """Serve on standard input and output."""
    from lastmile.simulation.gazebo.bindings import transport

    node = transport().Node()
    serve(sys.stdin.buffer, sys.stdout.buffer, node.request_raw)
    sys.stdout.buffer.flush()
    # The bindings may crash while the interpreter takes itself apart.
    os._exit(0)


if __name__ == "__main__":
    main()
