"""`lastmile docs`: pages and parameter files that are written from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lastmile.errors import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def interfaces(
    output: Annotated[Path, typer.Option(help="The page.")] = Path("docs/interfaces.md"),
) -> None:
    """Write the page of topics, actions, frames, nodes and parameters."""
    from lastmile.nodes.interfaces_page import interfaces_page

    try:
        output.write_text(interfaces_page(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}") from error
    typer.echo(output)


@app.command()
def parameters(
    folder: Annotated[Path, typer.Option(help="Folder of the files.")] = Path("config"),
) -> None:
    """Write one parameter file per node with the defaults."""
    from lastmile.stack.parameter_files import write_parameter_files

    try:
        paths = write_parameter_files(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    for path in paths:
        typer.echo(path)
