"""Commands that read site files and bring nothing up: sites, check, schema, endpoints, points."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pilotfarm.api.commands import Addresses, PortsFrom, Site, load

if TYPE_CHECKING:
    from rich.table import Table

    from pilotfarm.emulators.site.layout import SiteLayout

PRIVILEGED: Final = 1024

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class Format(StrEnum):
    """How a point list is printed."""

    csv = "csv"
    json = "json"


def register(app: typer.Typer) -> None:
    app.command()(sites)
    app.command()(check)
    app.command()(schema)
    app.command()(endpoints)
    app.command()(points)


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


def endpoints(site: Site, as_json: AsJson = False, ports_from: PortsFrom = None, addresses: Addresses = None) -> None:
    """List every way to every device: protocol, host, port and address there.

    Example: `pilotfarm endpoints norway --json`
    """
    from pilotfarm.emulators.site.listing import endpoint_rows

    rows = endpoint_rows(load(site, ports_from, addresses))
    if as_json:
        _stream_json(rows)
        return
    columns = ("device", "kind", "protocol", "map", "host", "port")
    table = _table(*columns, "address", "station")
    for row in rows:
        known = (*columns, "serial", "station", "site")
        label, address = next((key.replace("_", " "), value) for key, value in row.items() if key not in known)
        shown = {"host": row["serial"]["device"], "port": "", **row} if "serial" in row else row
        table.add_row(*(str(shown[column]) for column in columns), f"{label} {address}", row["station"] or "")
    _show(table)


def points(
    site: Site,
    format: Annotated[Format, typer.Option("--format", help="How to print the list.")] = Format.csv,
    device: Annotated[
        str, typer.Option("--device", metavar="GLOB", help="Only devices whose name matches, such as 'meters-00*'.")
    ] = "*",
) -> None:
    """Print the point list of a site: one row a point and device, to be imported into a SCADA system.

    Example: `pilotfarm points tiny --device 'battery-*' --format csv > battery.csv`
    """
    from pilotfarm.emulators.site.listing import POINT_FIELDS, point_rows

    rows = point_rows(load(site, None, None), device)
    if format is Format.json:
        _stream_json(rows)
        return
    import csv

    writer = csv.DictWriter(sys.stdout, POINT_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


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


def _stream_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON list row by row, so that a large site needs no large memory."""
    sys.stdout.write("[")
    for index, row in enumerate(rows):
        sys.stdout.write(f"{',' if index else ''}\n  {json.dumps(row, ensure_ascii=False)}")
    sys.stdout.write("\n]\n")
