"""The `command_gate` node of the table as a program; its watchdogs run on monotonic time."""

import sys

from lastmile.nodes.hosting import run


def main() -> int:
    """Run until SIGINT; see `running.py` for the exit codes."""
    return run("command_gate", steady=True)


if __name__ == "__main__":
    sys.exit(main())
