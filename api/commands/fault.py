"""``pilotfarm fault``: break and mend the devices of a running farm, over its REST API."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from pilotfarm.api.commands import completion
from pilotfarm.api.commands.farm import URL, Api, Token, asked

LISTED_MAX: Final = 10
"""Maximum number of devices named in a line of text."""
PAGE: Final = 100
"""Faults asked for at a time."""

faults = typer.Typer(
    no_args_is_help=True,
    help="Break and mend the devices of a running farm.\n\nExample: `pilotfarm fault add offline --device 'meter-*'`",
)

Devices = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Devices by their ids; may be repeated, as all of a target."),
]
Spared = Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Devices that are spared.")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="Devices of a kind.", autocompletion=completion.device_kinds)
]
Groups = Annotated[list[str] | None, typer.Option(help="Devices of a group.")]
Feeders = Annotated[list[str] | None, typer.Option(help="Devices of a feeder.")]
Branches = Annotated[list[str] | None, typer.Option(metavar="FEEDER/N", help="Devices of a branch of a feeder.")]
Phases = Annotated[list[str] | None, typer.Option(metavar="L1|L2|L3", help="Devices that are on a phase.")]
Stations = Annotated[list[str] | None, typer.Option(help="Devices behind a gateway or RTU.")]
Protocols = Annotated[list[str] | None, typer.Option(help="Devices served over a protocol.")]
Maps = Annotated[list[str] | None, typer.Option("--map", help="Devices served with a map.")]
Media = Annotated[
    list[str] | None,
    typer.Option("--medium", help="Devices reached over a medium.", autocompletion=completion.media),
]
Labels = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Devices whose group or station carries a label.")
]
Pick = Annotated[
    str | None,
    typer.Option(
        metavar="N|SHARE", help="So many of them, such as 3 or '25 %', drawn by the seed.", show_default=False
    ),
]
Quantities = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Which quantities are misreported.", autocompletion=completion.quantities),
]
Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="Such as offline, stuck, bias, outage; docs/faults.md and REST list all.",
        autocompletion=completion.fault_kinds,
    ),
]
Mode = Annotated[
    str | None,
    typer.Option(help="A variant of the fault; its first if left out.", autocompletion=completion.fault_modes),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the fault; may be repeated.")
]
Start = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Seconds from now or an ISO instant, in site time; else at once.")
]
Duration = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.0, max=1e12, help="Site seconds; until cleared if left out.", show_default=False),
]
Count = Annotated[
    int | None,
    typer.Option(min=1, help="End after so many messages that it has changed.", show_default=False),
]
Ramp = Annotated[
    float,
    typer.Option(
        metavar="S", min=0.0, max=1e9, help="Site seconds to take all devices in, or to go from right to wrong."
    ),
]
Spread = Annotated[
    float,
    typer.Option(metavar="S", min=0.0, max=1e9, help="Site seconds after the duration to leave all devices in."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say whom it would hit, and put it nowhere.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def register(app: typer.Typer) -> None:
    app.add_typer(faults, name="fault")


@faults.command()
def add(
    kind: Kind,
    device: Devices = None,
    exclude: Spared = None,
    device_kind: Kinds = None,
    group: Groups = None,
    feeder: Feeders = None,
    branch: Branches = None,
    phase: Phases = None,
    station: Stations = None,
    protocol: Protocols = None,
    map_name: Maps = None,
    medium: Media = None,
    label: Labels = None,
    pick: Pick = None,
    quantity: Quantities = None,
    mode: Mode = None,
    settings: Settings = None,
    start: Start = None,
    duration: Duration = None,
    count: Count = None,
    ramp: Ramp = 0.0,
    spread: Spread = 0.0,
    dry_run: DryRun = False,
    api: Api = URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put a fault on devices; what is left out of the target matches everything.

    Example: `pilotfarm fault add bias --kind smart_meter --quantity active_power_w --set factor=1.1 --duration 60`
    """
    several = {
        "device": device,
        "exclude": exclude,
        "kind": device_kind,
        "group": group,
        "feeder": feeder,
        "branch": branch,
        "phase": phase,
        "station": station,
        "protocol": protocol,
        "map": map_name,
        "medium": medium,
        "label": label,
        "quantity": quantity,
    }
    body = {
        "kind": kind,
        "target": _target(several, pick),
        "mode": mode,
        "parameters": _parameters(settings if settings is not None else []),
        "start": None if start is None else _value(start),
        "duration_s": duration,
        "count": count,
        "ramp_s": ramp,
        "spread_s": spread,
        "dry_run": dry_run,
    }
    fault = asked(api, token, "POST", "/faults", body)
    if as_json:
        _print_json(fault)
        return
    name = "dry run" if dry_run else f"fault {fault['id']}"
    typer.echo(f"{name}: {_line(fault)}")
    typer.echo(f"hit    {_names(fault['hit'])}")
    typer.echo(f"missed {_names(fault['missed'])}")
    for warning in fault["warnings"]:
        typer.echo(f"warning: {warning}", err=True)


@faults.command("list")
def list_faults(
    state: Annotated[str | None, typer.Option(help="Only those that are pending, active or ended.")] = None,
    api: Api = URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the faults that wait, grip, or have ended: of these, the last 200.

    Example: `pilotfarm fault list --state active --json`
    """
    found = list(_listed(api, token, state))
    if as_json:
        _print_json(found)
        return
    for fault in found:
        typer.echo(f"{fault['id']:>4}  {fault['state']:<7}  {_line(fault)}  hit {len(fault['hit'])}{_bites(fault)}")
    if not found:
        typer.echo("no faults")


@faults.command()
def clear(
    number: Annotated[int | None, typer.Argument(metavar="ID", help="The fault's number.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="End every fault.")] = False,
    api: Api = URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End one fault or all, as of the next step.

    Example: `pilotfarm fault clear --all`
    """
    if every == (number is not None):
        raise typer.BadParameter("say the ID of one fault, or --all")
    path = "/faults" if every else f"/faults/{number}"
    answer = asked(api, token, "DELETE", path)
    ended = answer if every else [answer]
    if as_json:
        _print_json(answer)
        return
    for fault in ended:
        typer.echo(f"cleared {fault['id']}: {_line(fault)}")
    if not ended:
        typer.echo("no faults to clear")


def _target(several: Mapping[str, list[str] | None], pick: str | None) -> dict[str, Any]:
    named = {key: names[0] if len(names) == 1 else names for key, names in several.items() if names}
    return named if pick is None else {**named, "pick": pick}


def _listed(api: str, token: str | None, state: str | None) -> Iterator[Any]:
    """Ask for page after page until there are no more."""
    only = "" if state is None else f"&state={quote(state)}"
    for offset in itertools.count(0, PAGE):
        page = asked(api, token, "GET", f"/faults?limit={PAGE}&offset={offset}{only}")
        yield from page
        if len(page) < PAGE:
            return


def _parameters(settings: Sequence[str]) -> dict[str, Any]:
    parameters = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        if name in parameters:
            raise typer.BadParameter(f"{name} is set twice", param_hint="--set")
        parameters[name] = _value(value)
    return parameters


def _value(text: str) -> Any:
    """A number, true, false or null where it reads as one; else the text itself."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


def _line(fault: Mapping[str, Any]) -> str:
    target = " ".join(
        f"{name}={value if isinstance(value, str) else ','.join(value)}" for name, value in fault["target"].items()
    )
    parts = [fault["kind"]]
    if fault["mode"] is not None:
        parts.append(fault["mode"])
    parts.append(f"on {target}" if target else "on everything")
    parts.append(f"from {fault['start']}")
    if fault["duration_s"] is not None:
        parts.append(f"for {fault['duration_s']:g} s")
    if fault["count"] is not None:
        parts.append(f"for {fault['count']} messages")
    if fault["ramp_s"]:
        parts.append(f"over {fault['ramp_s']:g} s")
    if fault["spread_s"]:
        parts.append(f"until {fault['spread_s']:g} s later")
    return " ".join(parts)


def _bites(fault: Mapping[str, Any]) -> str:
    return "" if fault["bites"] is None else f"  bites {fault['bites']}"


def _names(devices: Sequence[str]) -> str:
    shown = " ".join(devices[:LISTED_MAX])
    more = f" and {len(devices) - LISTED_MAX} more" if len(devices) > LISTED_MAX else ""
    return f"{len(devices)}: {shown}{more}" if devices else "0"


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
