"""What the commands share: the SITE argument, the addressing options, and where output goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from pilotfarm.api.commands import completion

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from pilotfarm.emulators.site import Addressing
    from pilotfarm.emulators.site.layout import SiteLayout

Site: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="SITE",
        help="Name of a built-in site, or path of a site file.",
        show_default=False,
        autocompletion=completion.sites,
    ),
]
PortsFrom: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--ports-from",
        metavar="N",
        min=1,
        max=65_535,
        help="Everything listens on 127.0.0.1, each device and station at a port of its own, counted up from N.",
        show_default=False,
    ),
]
Addresses: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--addresses",
        metavar="CIDR",
        help="Every device and station gets its own address of this network, such as 127.8.0.0/16, in place of the "
        "file's; its port stays.",
        show_default=False,
    ),
]
Media: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--media/--no-media",
        help="Have the media hold that the site file names, or none; as the file says if left out.",
        show_default=False,
    ),
]


def addressing(ports_from: int | None, addresses: str | None) -> Addressing:
    """Choose the addressing: as asked; else the file's, or own ports where loopback has a single address."""
    from pilotfarm.emulators.site import PORTS_FROM, Addressing

    if ports_from is not None and addresses is not None:
        raise typer.BadParameter("say --ports-from or --addresses, not both")
    if addresses is not None:
        return Addressing(network=_network(addresses))
    if ports_from is None and not _loopback_has_many():
        ports_from = PORTS_FROM
    return Addressing(ports_from=ports_from)


def _network(text: str) -> IPv4Network:
    from ipaddress import IPv4Network

    try:
        found = IPv4Network(text, strict=False)
    except ValueError:
        message = f"{text!r} is no IPv4 network such as 127.8.0.0/16"
    else:
        if str(found) == text:
            return found
        message = (
            f"{text} is an address in a network; write the network, such as {found if '/' in text else f'{text}/16'}"
        )
    raise typer.BadParameter(message, param_hint="--addresses")


def load(site: str, ports_from: int | None, addresses: str | None, media: bool | None = None) -> SiteLayout:
    from pilotfarm.emulators import site as sites

    return sites.load(site, addressing(ports_from, addresses), media=media)


def _loopback_has_many() -> bool:
    """Whether 127.0.0.2 can be listened on: always on Linux, on macOS only after ``ifconfig lo0 alias``."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True
