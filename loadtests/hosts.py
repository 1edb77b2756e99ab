"""Which hosts other machines reach, and the token that a server there needs."""

from __future__ import annotations

from ipaddress import ip_address

from pilotfarm.emulators.errors import ConfigError, Problem


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host's address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_address(text: str, option: str) -> tuple[str, int]:
    """Take ``HOST:PORT`` apart (``[::1]:8080`` for IPv6); ``ConfigError`` if it is none. ``option`` is what gave it."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError([Problem(option, 0, "", f"{text!r} is not HOST:PORT, such as 127.0.0.1:8080")])
    return host.removeprefix("[").removesuffix("]"), int(port)


def check_token(token: str | None, variable: str) -> None:
    """Raise ``ConfigError`` for a token that no header could carry as it is; it may stand in a ``variable``."""
    if token is not None and (not token or not token.isascii() or not token.isprintable() or " " in token):
        message = f"must be printable ASCII without spaces, and not empty ({variable} sets it, too)"
        raise ConfigError([Problem("--token", 0, "", message)])


def require_token(host: str, token: str | None, option: str, variable: str) -> None:
    """Raise ``ConfigError`` for a token that cannot work, and for a host off loopback without one.

    ``option`` is what named the host, ``variable`` where the token may stand in the environment.
    """
    check_token(token, variable)
    if token is None and not is_loopback(host):
        message = f"{host} can be reached from other machines; say --token or set {variable}"
        raise ConfigError([Problem(option, 0, "", message)])
