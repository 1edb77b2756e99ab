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
