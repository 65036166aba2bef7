"""The `localization` node of the table as a program."""

from lastmile.nodes.hosting import run


def main() -> int:
    """Run until SIGINT; see `running.py` for the exit codes."""
    return run("localization")
