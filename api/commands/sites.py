"""Commands that read site files and bring nothing up: sites, check, schema."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pilotfarm.api.commands import Addresses, PortsFrom, Site, load

if TYPE_CHECKING:
    from rich.table import Table

    from pilotfarm.emulators.site.layout import SiteLayout

PRIVILEGED: Final = 1024

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def register(app: typer.Typer) -> None:
    app.command()(sites)
    app.command()(check)
    app.command()(schema)


def sites(as_json: AsJson = False) -> None:
    """List the built-in sites and their sizes.

    Example: `pilotfarm sites --json`
    """
    from pilotfarm import profiles
    from pilotfarm.emulators import registry
    from pilotfarm.emulators import site as loader

    layouts = [loader.load(name) for name in profiles.names()]
    rows = [
        {
            "site": layout.name,
            "title": layout.title,
            "devices": layout.device_count,
            "kinds": _by_kind(layout),
            "endpoints": sum(len(station.seats) for station in layout.stations),
        }
        for layout in layouts
    ]
    if as_json:
        _print_json(rows)
        return
    table = _table("site", "title", *registry.DEVICES, "devices", "endpoints")
    for row, layout in zip(rows, layouts, strict=True):
        sizes = _by_kind(layout)
        numbers = [sizes.get(kind, 0) for kind in registry.DEVICES]
        table.add_row(layout.name, layout.title, *(str(n) for n in (*numbers, row["devices"], row["endpoints"])))
    _show(table)


def check(site: Site, ports_from: PortsFrom = None, addresses: Addresses = None) -> None:
    """Check a site file: print every problem with file and line, or what the site comes to.

    Exits with 2 if there is a problem.

    Example: `pilotfarm check mysite.yaml`
    """
    from pilotfarm.emulators.site.layout import TcpEndpoint

    layout = load(site, ports_from, addresses)
    table = _table("group", "kind", "devices", "feeder", "served over")
    for group in layout.groups:
        served = ", ".join(f"{each.protocol} ({each.map})" for each in group.served)
        table.add_row(group.name, group.kind, str(len(group.devices)), group.feeder, served or "nothing")
    _show(table)
    seats = sum(len(station.seats) for station in layout.stations)
    typer.echo(
        f"{layout.name}: {layout.device_count:,} devices, {seats:,} endpoints at {len(layout.stations):,} addresses, "
        f"starts {layout.start.isoformat()}: no problems"
    )
    for note in layout.weather.notes:
        typer.echo(f"note: {note}", err=True)
    tcp = (station.endpoint for station in layout.stations if isinstance(station.endpoint, TcpEndpoint))
    privileged = sorted({endpoint.port for endpoint in tcp if endpoint.port < PRIVILEGED})
    if privileged:
        typer.echo(f"note: ports below {PRIVILEGED} may need privileges: {', '.join(map(str, privileged))}", err=True)


def schema() -> None:
    """Print the JSON Schema of a site file, for an editor or a validator.

    Example: `pilotfarm schema > site.schema.json`
    """
    from pilotfarm.emulators import site as loader

    _print_json(loader.json_schema())


def _by_kind(layout: SiteLayout) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for group in layout.groups:
        sizes[group.kind] = sizes.get(group.kind, 0) + len(group.devices)
    return sizes


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _show(table: Table) -> None:
    from rich.console import Console

    # Into a file or a pipe, lines are as long as they need to be.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
