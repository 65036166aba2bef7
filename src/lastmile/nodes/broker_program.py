"""A mosquitto of the stack's own, ended together with it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from lastmile.errors import UserError
from lastmile.handoff.broker import Broker
from lastmile.nodes.running import FAILED, OK, StopRequest, tell_ready


def main() -> int:
    """Run the broker until SIGINT, SIGTERM or the end of whoever started it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="TCP port on the loopback.")
    parser.add_argument("--folder", type=Path, required=True, help="Folder of its files.")
    arguments = parser.parse_args()
    parent = os.getppid()
    stop = StopRequest()
    try:
        with Broker(arguments.port, arguments.folder) as broker:
            tell_ready()
            # A launch that fails on its way leaves what it started.
            while not stop.asked and os.getppid() == parent:
                if _is_gone(broker.pid):
                    print("broker: mosquitto ended by itself", file=sys.stderr)
                    return FAILED
                time.sleep(0.1)
    except UserError as error:
        print(f"broker: {error}", file=sys.stderr)
        return FAILED
    return OK


def _is_gone(pid: int | None) -> bool:
    return pid is None or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


if __name__ == "__main__":
    sys.exit(main())
