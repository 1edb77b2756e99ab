"""``pilotfarm up``: a site on the network, until it is told to stop."""

from __future__ import annotations

import gc
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pilotfarm.api.commands import Addresses, Media, PortsFrom, Site, addressing
from pilotfarm.loadtests import signals

if TYPE_CHECKING:
    from rich.table import Table

    from pilotfarm.emulators.record.ledger import Recording
    from pilotfarm.emulators.site.layout import SiteLayout

LISTED_MAX: Final = 40
"""Maximum number of endpoints that are listed one by one; more are summed up by group and protocol."""

Step = Annotated[
    float | None,
    typer.Option(
        "--step", metavar="S", min=0.1, max=900.0, help="Seconds of site time a step; the site's if left out."
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="ISO", help="Instant the site starts at, such as 2026-06-15T08:00; the site's if left out."
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Seed of all randomness; the site's if left out.")
]
Every = Annotated[
    float,
    typer.Option(
        "--every", metavar="S", min=0.0, help="Minimum seconds of site time between two records of the ledger's values."
    ),
]
Quantities = Annotated[
    str | None,
    typer.Option(
        "--quantities",
        metavar="NAME,...",
        help="What the ledger's values hold: names, globs such as '*_power_w', and roles such as measurement.",
        show_default="all",
    ),
]


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    site: Site,
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", min=0.001, max=100_000.0, help="Site seconds a wall second.")
    ] = 1.0,
    max_late: Annotated[
        float | None,
        typer.Option(
            "--max-late",
            metavar="S",
            min=0.05,
            max=86_400.0,
            help="End with exit code 1 when a step begins more than S seconds of wall time late.",
            show_default=False,
        ),
    ] = None,
    step: Step = None,
    start: Start = None,
    seed: Seed = None,
    api: Annotated[
        str, typer.Option("--api", metavar="HOST:PORT", help="Where the REST API listens; port 0 takes any free one.")
    ] = "127.0.0.1:8080",
    ports_from: PortsFrom = None,
    addresses: Addresses = None,
    media: Media = None,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="DIR", help="Record what is true, said, told and broken, as Parquet."),
    ] = None,
    every: Every = 0.0,
    quantities: Quantities = None,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="PILOTFARM_TOKEN", help="What the API's users must show; needed off loopback."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Name by which others ask for the API, such as a proxy's; repeat it. Only for an API without token, "
            "which otherwise serves localhost and loopback addresses alone.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the ready line alone.")] = False,
) -> None:
    """Bring a site up: every device at its address, until Ctrl-C.

    Prints where everything listens, then `ready` and the address of the REST API.

    Example: `pilotfarm up norway --speed 60`
    """
    # Until the farm has its own way to end, there is nothing to clean up.
    for number in signals.ending():
        signal.signal(number, lambda *_: sys.exit(0))
    from pilotfarm.loadtests import logs
    from pilotfarm.loadtests.hosts import parse_address, require_token

    logs.configure()
    host, port = parse_address(api, "--api")
    require_token(host, token, "--api", "PILOTFARM_TOKEN")
    hosts = _hosts(allow_host or [])
    kept = recording("--ledger", ledger, every, quantities)
    layout = load_site(site, ports_from, addresses, start, seed, step, media)
    # What serves takes two seconds to import: who has mistyped something is told before.
    from pilotfarm.api import serve

    def announce(url: str) -> None:
        gc.freeze()  # what is there now stays: no collection needs to look at it, nor the end of the process
        if not quiet:
            _show(layout)
        typer.echo(f"ready {url}")

    if loss := serve.run(layout, serve.Options(host, port, token, speed, kept, hosts, max_late), announce):
        typer.echo(f"error: {loss}", err=True)
        raise typer.Exit(1)


def recording(option: str, directory: Path | None, every_s: float, quantities: str | None) -> Recording | None:
    """What the options ask a ledger to keep; ``option`` is the one that names its folder."""
    from math import isfinite

    if not isfinite(every_s):
        raise typer.BadParameter(f"{every_s} is no number of seconds", param_hint="--every")
    if directory is None:
        for asked, name in ((every_s > 0.0, "--every"), (quantities is not None, "--quantities")):
            if asked:
                raise typer.BadParameter(f"needs {option}, the folder of the ledger", param_hint=name)
        return None
    from pilotfarm.emulators.record.ledger import Recording

    patterns = () if quantities is None else tuple(each.strip() for each in quantities.split(","))
    return Recording(directory, every_s, patterns)


def load_site(
    site: str,
    ports_from: int | None,
    addresses: str | None,
    start: str | None,
    seed: int | None,
    step: float | None,
    media: bool | None = None,
) -> SiteLayout:
    """Load a site as the options say; ``ConfigError`` lists every problem of its file."""
    from pilotfarm.emulators import site as sites

    layout = sites.load(site, addressing(ports_from, addresses), start, seed, media)
    return layout if step is None else replace(layout, step_s=step)


def _hosts(names: list[str]) -> tuple[str, ...]:
    from pilotfarm.emulators.errors import ConfigError, Problem
    from pilotfarm.loadtests.web.hosts import host_name

    wrong = [name for name in names if host_name(name) is None]
    if wrong:
        message = "{!r} is no name or address of a host, such as farm.example or 10.0.0.7"
        raise ConfigError([Problem("--allow-host", 0, "", message.format(name)) for name in wrong])
    return tuple(names)


def _show(layout: SiteLayout) -> None:
    from rich.console import Console

    from pilotfarm.profiles.media import NAMES, NONE

    seats = sum(len(station.seats) for station in layout.stations)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(
        f"{layout.name}: {layout.device_count:,} devices, {seats:,} endpoints at {len(layout.stations):,} addresses"
    )
    console.print(_listed(layout) if seats <= LISTED_MAX else _summed_up(layout))
    media = Counter(station.medium for station in layout.stations for _ in station.seats)
    if media.keys() - {NONE}:
        console.print(f"media: {', '.join(f'{name} {media[name]:,}' for name in NAMES if media[name])}")


def _listed(layout: SiteLayout) -> Table:
    from pilotfarm.emulators import registry
    from pilotfarm.emulators.site.listing import endpoint_rows

    table = _table("device", "kind", "protocol", "map", "address", "there as", "station")
    for row in endpoint_rows(layout):
        label = registry.protocol(row["protocol"]).address_name
        where = row["serial"]["device"] if "serial" in row else f"{row['host']}:{row['port']}"
        there = f"{label.replace('_', ' ')} {row[label]}"
        table.add_row(row["device"], row["kind"], row["protocol"], row["map"], where, there, row["station"] or "")
    return table


def _summed_up(layout: SiteLayout) -> Table:
    """One line for all endpoints that share group, protocol, map and station."""
    from pilotfarm.emulators import registry

    found: dict[tuple[str, str, str, str], list[tuple[str, int]]] = {}
    for station in layout.stations:
        where = station.endpoint.label
        for seat in station.seats:
            key = (seat.group, station.protocol, seat.map, station.name)
            found.setdefault(key, []).append((where, seat.address))
    table = _table("group", "kind", "count", "protocol", "map", "addresses", "there as", "station")
    for (group, protocol, map_name, station_name), places in found.items():
        label = registry.protocol(protocol).address_name.replace("_", " ")
        wheres, theres = zip(*places, strict=True)
        kind = layout.group(group).kind
        there = f"{label} {_span(theres)}"
        table.add_row(group, kind, str(len(places)), protocol, map_name, _span(wheres), there, station_name)
    return table


def _span(values: tuple[object, ...]) -> str:
    first, last = values[0], values[-1]
    return f"{first}" if first == last else f"{first} .. {last}"


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "count" else "left")
    return table
