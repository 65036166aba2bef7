"""
The `lastmile` command.

Each group of commands lives in its own module, `<group>_commands.py`, and is imported only when it
is called, so that `lastmile map` does not load ROS and `lastmile up` does not load the map tools.
"""

from __future__ import annotations

import importlib
import sys

import click
import typer

from lastmile.config import ConfigError
from lastmile.errors import UserError

FAILED, BAD_USAGE = 1, 2

COMMANDS = {
    "map": ("lastmile.cli.map_commands", "Build and look at site bundles."),
    "sim": ("lastmile.cli.sim_commands", "Write simulated worlds for other simulators."),
    "simulate": ("lastmile.cli.simulate_commands", "Run deliveries in lockstep, without ROS."),
    "demo": ("lastmile.cli.demo_commands", "See one delivery on ROS 2, from locker to locker."),
    "up": ("lastmile.cli.up_commands", "Start the stack's nodes and watch over them."),
    "deliver": ("lastmile.cli.deliver_commands", "Order a delivery from a running stack."),
    "report": ("lastmile.cli.report_commands", "Write the report of a recorded run again."),
    "campaign": ("lastmile.cli.campaign_commands", "Run many deliveries and sum them up."),
    "scorecard": ("lastmile.cli.scorecard_commands", "Measure what the stack promises."),
    "receipt": ("lastmile.cli.receipt_commands", "Check receipts of handovers."),
    "docs": ("lastmile.cli.docs_commands", "Write generated pages and parameter files."),
}


class LazyGroup(click.Group):
    """A command group that imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """
        Give a command that imports its module and hands all arguments to the typer app there.

        Typer brings a click of its own; each keeps to its own errors and exit codes.

        """
        if name not in COMMANDS:
            return None

        def run(arguments: tuple[str, ...]) -> None:
            app = importlib.import_module(COMMANDS[name][0]).app
            # Markup would take the units in help texts, "[s]", for tags and leave them out.
            app.rich_markup_mode = None
            app(args=list(arguments), prog_name=f"lastmile {name}")

        return click.Command(
            name,
            callback=run,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lastmile")
def cli() -> None:
    """Autonomous last-mile delivery: maps, simulation, the robot's stack, reports."""


def main() -> None:
    """
    Run the command line: exit code 0 on success, 1 on failure, 2 on bad usage.

    A parameter, scenario or option that is unknown or breaks a rule is bad usage, whether it was
    typed or read from a file.
    """
    try:
        cli.main(standalone_mode=True)
    except UserError as error:
        typer.echo(f"lastmile: {error}", err=True)
        sys.exit(BAD_USAGE if isinstance(error, ConfigError) else FAILED)
