"""Commands that read site files and bring nothing up: sites, check, schema."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pilotfarm.api.commands import Addresses, Media, PortsFrom, Site, load

if TYPE_CHECKING:
    from rich.table import Table

    from pilotfarm.emulators.site.layout import ServedLayout, SiteLayout

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


def check(
    site: Site,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object, whatever is found.")] = False,
    ports_from: PortsFrom = None,
    addresses: Addresses = None,
    media: Media = None,
) -> None:
    """Check a site file: print every problem with file and line, or what the site comes to.

    Exits with 2 if there is a problem. With `--json` problems are a list of `file`, `line` (null where none can be
    named), `where` (the keys down to the value) and `message`, which is empty for a good site.

    Example: `pilotfarm check mysite.yaml`
    """
    from pilotfarm.emulators.errors import ConfigError

    if not as_json:
        _show_checked(load(site, ports_from, addresses, media))
        return
    try:
        found = _checked(load(site, ports_from, addresses, media))
    except ConfigError as error:
        _print_json({"problems": [{**asdict(each), "line": each.line or None} for each in error.problems]})
        raise typer.Exit(2) from None
    _print_json(found)


def _checked(layout: SiteLayout) -> dict[str, Any]:
    """What a site comes to, for programs."""
    groups = [
        {
            "group": group.name,
            "kind": group.kind,
            "devices": len(group.devices),
            "feeder": group.feeder,
            "served": [{"protocol": each.protocol, "map": each.map, "medium": each.medium} for each in group.served],
        }
        for group in layout.groups
    ]
    return {
        "problems": [],
        "notes": _notes(layout),
        "site": layout.name,
        "title": layout.title,
        "start": layout.start.isoformat(),
        "devices": layout.device_count,
        "endpoints": sum(len(station.seats) for station in layout.stations),
        "addresses": len(layout.stations),
        "groups": groups,
        "inputs": [asdict(each) for each in layout.inputs],
    }


def _show_checked(layout: SiteLayout) -> None:
    table = _table("group", "kind", "devices", "feeder", "served over")
    for group in layout.groups:
        served = ", ".join(map(_way, group.served))
        table.add_row(group.name, group.kind, str(len(group.devices)), group.feeder, served or "nothing")
    _show(table)
    seats = sum(len(station.seats) for station in layout.stations)
    typer.echo(
        f"{layout.name}: {layout.device_count:,} devices, {seats:,} endpoints at {len(layout.stations):,} addresses, "
        f"starts {layout.start.isoformat()}: no problems"
    )
    for each in layout.inputs:
        typer.echo(f"from {each.name}: {each.bytes:,} bytes, SHA-256 {each.sha256}")
    for note in _notes(layout):
        typer.echo(f"note: {note}", err=True)


def _way(served: ServedLayout) -> str:
    from pilotfarm.profiles.media import NONE

    over = "" if served.medium == NONE else f" over {served.medium}"
    return f"{served.protocol} ({served.map}){over}"


def _notes(layout: SiteLayout) -> list[str]:
    """What is no problem and may surprise."""
    from pilotfarm.emulators.site.layout import TcpEndpoint

    tcp = (station.endpoint for station in layout.stations if isinstance(station.endpoint, TcpEndpoint))
    privileged = sorted({endpoint.port for endpoint in tcp if endpoint.port < PRIVILEGED})
    if not privileged:
        return [*layout.weather.notes]
    return [*layout.weather.notes, f"ports below {PRIVILEGED} may need privileges: {', '.join(map(str, privileged))}"]


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
