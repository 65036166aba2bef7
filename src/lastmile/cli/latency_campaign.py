"""`lastmile campaign latencies`: take the delays of lockstep runs from a run over ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lastmile.evaluation.scorecard import stamp


def latencies(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a run of `lastmile demo`.")],
    output: Annotated[Path, typer.Option(help="File of the delays.")] = Path(
        "config/latencies.yaml"
    ),
) -> None:
    """Measure the delays of nodes and topics in a recorded run."""
    from lastmile.nodes.latencies import measure_latencies, write_latencies

    taken = stamp()
    where = f"commit {taken['commit']}, {taken['machine']}"
    delays = measure_latencies(run_dir)
    write_latencies(delays, output, where)
    for section, entries in delays.items():
        for name, (median_s, p99_s) in entries.items():
            typer.echo(f"{section} {name}: {1e3 * median_s:.1f} ms, 99 % {1e3 * p99_s:.1f} ms")
    typer.echo(f"delays: {output}")
