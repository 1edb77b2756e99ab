"""``pilotfarm bench``: what the farm can do on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Take this measurement alone; may be given again.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter runs, for a look; not for quoting.")] = False,
    json_file: Annotated[Path, typer.Option("--json", help="Where the figures are written.")] = Path("bench.json"),
    print_site: Annotated[
        str, typer.Option("--print-site", metavar="NAME", help="Print a benchmark's site file and leave.")
    ] = "",
) -> None:
    """Measure this machine: reads, steps, endpoints, interrogations and latencies, against rivals in the same run.

    Prints a table and writes JSON. `pilotfarm bench --print-site modbus-10000 > site.yaml` gives the site
    of a benchmark, to be brought up by hand with `pilotfarm up site.yaml`.

    Example: `pilotfarm bench --only step --quick`
    """
    from pilotfarm.loadtests.bench import sites

    if print_site:
        if print_site not in sites.SITES:
            typer.echo(f"error: no benchmark uses {print_site}; there are {', '.join(sites.SITES)}", err=True)
            raise typer.Exit(2)
        typer.echo(sites.SITES[print_site](), nl=False)
        return
    from pilotfarm.loadtests.bench.report import take

    raise typer.Exit(take(only if only is not None else [], quick, json_file))
