"""``pilotfarm capture``: what masters and devices of a running farm say on the wire, as a file for Wireshark."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from pilotfarm.api.commands import completion
from pilotfarm.api.commands.farm import URL, Api, Farm, Token

if TYPE_CHECKING:
    import httpx

STDOUT: Final = Path("-")


def register(app: typer.Typer) -> None:
    app.command()(capture)


def capture(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write it, as pcapng; - is standard output.")
    ],
    device: Annotated[
        str, typer.Option("--device", metavar="GLOB", help="Only addresses of devices of this glob.")
    ] = "*",
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only over this protocol.", autocompletion=completion.protocols),
    ] = None,
    station: Annotated[str | None, typer.Option(metavar="NAME", help="Only at this station.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.001, max=86_400.0, help="Wall time it lasts; until Ctrl-C if left out."),
    ] = None,
    api: Api = URL,
    token: Token = None,
) -> None:
    """Capture what masters and devices of a running farm say, without privileges, for Wireshark and tshark.

    An address that answers for several devices shows all of them. Octets stand in TCP segments made for them, those of
    serial lines as RTAC Serial; Wireshark wants to be told what they are where ports are not the usual ones.

    Example: `pilotfarm capture --device 'battery-*' --out battery.pcapng`
    """
    asked = {"device": device, "protocol": protocol, "station": station, "seconds": seconds}
    params = {name: value for name, value in asked.items() if value is not None}
    with Farm(api, token) as farm, farm.stream("/capture", params) as answer, _written(out) as file:
        octets = _copied(answer, file)
    typer.echo(f"{out}: {octets:,} octets", err=True)


def _copied(answer: httpx.Response, file: IO[bytes]) -> int:
    """Write what comes, until it ends or is interrupted; how many octets."""
    import httpx

    octets = 0
    try:
        for piece in answer.iter_raw():
            file.write(piece)
            file.flush()
            octets += len(piece)
            _progress(octets)
    except KeyboardInterrupt:
        pass
    except httpx.TransportError:
        typer.echo("the farm has ended", err=True)
    return octets


def _progress(octets: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{octets:,} octets; Ctrl-C ends it ", nl=False, err=True)


@contextmanager
def _written(out: Path) -> Iterator[IO[bytes]]:
    from pilotfarm.emulators.errors import StateError

    if out == STDOUT:
        yield sys.stdout.buffer
        return
    try:
        with out.open("wb") as file:
            yield file
    except OSError as error:
        raise StateError(f"cannot write {out}: {error.strerror}") from error
