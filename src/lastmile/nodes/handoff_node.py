"""The `handoff` node of the table as a program."""

import sys

from lastmile.nodes.hosting import run


def main() -> int:
    """Run until SIGINT; see `running.py` for the exit codes."""
    return run("handoff")


if __name__ == "__main__":
    sys.exit(main())
