"""What the commands share: the SITE argument, the addressing options, and where output goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from pilotfarm.emulators.site import Addressing
    from pilotfarm.emulators.site.layout import SiteLayout

Site: TypeAlias = Annotated[
    str, typer.Argument(metavar="SITE", help="Name of a built-in site, or path of a site file.", show_default=False)
]
PortsFrom: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--ports-from",
        metavar="N",
        min=1,
        max=65_535,
        help="Everything listens on 127.0.0.1, ports counted up from N.",
        show_default=False,
    ),
]
Addresses: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--addresses",
        metavar="CIDR",
        help="Every device and station gets its own address of this network, such as 127.8.0.0/16.",
        show_default=False,
    ),
]


def addressing(ports_from: int | None, addresses: str | None) -> Addressing:
    """Choose the addressing: as asked; else the file's, or own ports where loopback has a single address."""
    from ipaddress import IPv4Network

    from pilotfarm.emulators.site import PORTS_FROM, Addressing

    if ports_from is not None and addresses is not None:
        raise typer.BadParameter("say --ports-from or --addresses, not both")
    if addresses is not None:
        try:
            return Addressing(network=IPv4Network(addresses))
        except ValueError as error:
            raise typer.BadParameter(f"{error}", param_hint="--addresses") from None
    if ports_from is None and not _loopback_has_many():
        ports_from = PORTS_FROM
    return Addressing(ports_from=ports_from)


def load(site: str, ports_from: int | None, addresses: str | None) -> SiteLayout:
    from pilotfarm.emulators import site as sites

    return sites.load(site, addressing(ports_from, addresses))


def _loopback_has_many() -> bool:
    """Whether 127.0.0.2 can be listened on: always on Linux, on macOS only after ``ifconfig lo0 alias``."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True
