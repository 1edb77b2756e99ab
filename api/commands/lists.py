"""Commands that list a site for who connects to it: endpoints, points."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from pilotfarm.api.commands import Addresses, Media, PortsFrom, Site, completion, load

if TYPE_CHECKING:
    from pilotfarm.emulators.site.layout import SiteLayout
    from pilotfarm.emulators.site.listing import Wanted

Row: TypeAlias = Mapping[str, Any]
NOTHING_FOUND = 1
"""The exit code of a list that is empty, as grep has it."""


class TableFormat(StrEnum):
    """How endpoints are printed."""

    table = "table"
    csv = "csv"
    json = "json"


class Format(StrEnum):
    """How points are printed."""

    csv = "csv"
    json = "json"


AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Device: TypeAlias = Annotated[
    str, typer.Option("--device", metavar="GLOB", help="Only devices whose name matches, such as 'meters-00*'.")
]
Kinds: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Only devices of this kind; may be repeated.",
        autocompletion=completion.device_kinds,
    ),
]
Protocols: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="Only over this protocol; may be repeated.",
        autocompletion=completion.protocols,
    ),
]
Maps: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="NAME", help="Only by this map; may be repeated.", autocompletion=completion.maps),
]
QuantityGlob: TypeAlias = Annotated[
    str, typer.Option("--quantity", metavar="GLOB", help="Only quantities whose name matches, such as 'voltage_*'.")
]


def register(app: typer.Typer) -> None:
    app.command()(endpoints)
    app.command()(points)


def endpoints(
    site: Site,
    format: Annotated[TableFormat | None, typer.Option("--format", help="How to print; a table if left out.")] = None,
    as_json: AsJson = False,
    protocol: Protocols = None,
    kind: Kinds = None,
    device: Device = "*",
    map: Maps = None,
    ports_from: PortsFrom = None,
    addresses: Addresses = None,
    media: Media = None,
) -> None:
    """List every way to every device: protocol, host, port and address there.

    Exits with 1 if nothing matches.

    Example: `pilotfarm endpoints norway --protocol iec104 --format csv > rtus.csv`
    """
    chosen = _chosen(format, as_json, TableFormat.table)
    wanted = _wanted(protocol, kind, map, device)
    layout = load(site, ports_from, addresses, media)
    from pilotfarm.emulators.site.listing import ENDPOINT_FIELDS, endpoint_rows

    rows = endpoint_rows(layout, wanted)
    if chosen == TableFormat.json:
        _stream_json(rows)
    elif chosen == TableFormat.csv:
        _stream_csv(ENDPOINT_FIELDS, ({**row, **_on_one_line(row)} for row in rows))
    else:
        _show(rows)
    if not rows:
        _say_nothing_found(layout, wanted, "endpoint")


def points(
    site: Site,
    format: Annotated[Format | None, typer.Option("--format", help="How to print; csv if left out.")] = None,
    as_json: AsJson = False,
    protocol: Protocols = None,
    kind: Kinds = None,
    device: Device = "*",
    map: Maps = None,
    quantity: QuantityGlob = "*",
    ports_from: PortsFrom = None,
    addresses: Addresses = None,
    media: Media = None,
) -> None:
    """Print the point list of a site: one row a point and endpoint, to be imported into a SCADA system.

    A row has all it takes to read its point: `docs/site-file.md` explains the columns. Say `--ports-from`,
    `--addresses` and `--media` as for `pilotfarm up`. Exits with 1 if nothing matches.

    Example: `pilotfarm points tiny --device 'battery-*' --protocol modbus > battery.csv`
    """
    chosen = _chosen(format, as_json, Format.csv)
    wanted = _wanted(protocol, kind, map, device, quantity)
    layout = load(site, ports_from, addresses, media)
    from pilotfarm.emulators.site.listing import POINT_FIELDS, point_rows

    rows = point_rows(layout, wanted)
    first = next(rows, None)
    found = chain([] if first is None else [first], rows)
    if chosen == Format.json:
        _stream_json(found)
    else:
        _stream_csv(POINT_FIELDS, found)
    if first is None:
        _say_nothing_found(layout, wanted, "point")


def _chosen(format: str | None, as_json: bool, usual: str) -> str:
    if as_json and format not in (None, "json"):
        raise typer.BadParameter(f"says {format}, and --json says json", param_hint="--format")
    return "json" if as_json else format or usual


def _wanted(
    protocols: list[str] | None, kinds: list[str] | None, maps: list[str] | None, device: str, quantity: str = "*"
) -> Wanted:
    """Return the filters; a name that nobody has is refused."""
    from pilotfarm.emulators import registry
    from pilotfarm.emulators.plans.own_list import OWN_LIST
    from pilotfarm.emulators.site.listing import Wanted
    from pilotfarm.emulators.words import choice

    asked = (
        ("--protocol", protocols, registry.PROTOCOLS),
        ("--kind", kinds, registry.DEVICES),
        ("--map", maps, (*registry.MAPS, OWN_LIST)),
    )
    for option, names, known in asked:
        for name in names or ():
            if name not in known:
                raise typer.BadParameter(f"there is no {name!r}{choice(name, tuple(known))}", param_hint=option)
    return Wanted(device, quantity, frozenset(protocols or ()), frozenset(kinds or ()), frozenset(maps or ()))


def _say_nothing_found(layout: SiteLayout, wanted: Wanted, what: str) -> None:
    from pilotfarm.emulators.words import suggestion

    hint = ""
    names = [name for group in layout.groups for name in group.devices]
    if not any(mark in wanted.device for mark in "*?[") and wanted.device not in names:
        hint = f": there is no device {wanted.device!r}{suggestion(wanted.device, names)}"
    typer.echo(f"note: no {what} of {layout.name} matches{hint}", err=True)
    raise typer.Exit(NOTHING_FOUND)


def _on_one_line(row: Row) -> dict[str, str]:
    from pilotfarm.emulators.site.listing import serial_text

    return {"serial": serial_text(**row["serial"])} if "serial" in row else {}


def _show(rows: Sequence[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    columns = ("device", "kind", "protocol", "map", "medium", "host", "port")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (*columns, "address", "station"):
        table.add_column(column, overflow="fold")
    for row in rows:
        known = (*columns, "serial", "station", "site", "polled_over", "scan_s")
        label, address = next((key.replace("_", " "), value) for key, value in row.items() if key not in known)
        shown = {"host": row["serial"]["device"], "port": "", **row} if "serial" in row else row
        table.add_row(*(str(shown[column]) for column in columns), f"{label} {address}", row["station"] or "")
    # Into a file or a pipe, lines are as long as they need to be.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _stream_csv(fields: Sequence[str], rows: Iterable[Row]) -> None:
    """Print rows as RFC 4180 has them; what a row lacks is empty."""
    writer = csv.DictWriter(sys.stdout, fields, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)


def _stream_json(rows: Iterable[Row]) -> None:
    """Print a JSON list row by row, so that a large site needs no large memory."""
    sys.stdout.write("[")
    for index, row in enumerate(rows):
        sys.stdout.write(f"{',' if index else ''}\n  {json.dumps(row, ensure_ascii=False)}")
    sys.stdout.write("\n]\n")
