"""What a poller asks devices, or other stations, for, as octets on a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """Octets of a request and of its answer, as they stand on a serial line."""

    asked: int
    answered: int


def _by_address(options: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Asking:
    """How a protocol is spoken by who asks: the requests that read points, and one that writes a value."""

    requests: Callable[[Sequence[Any]], Sequence[Request]]
    """Of a map's ``PointRow``s, all of one device."""
    write: Request
    bulk: Callable[[Sequence[tuple[Sequence[Any], int]]], Sequence[Request]] | None = None
    """Of devices at one address together: the rows of each sort of device, and how many there are. Without, one device
    is asked for after the other."""
    as_one: Callable[[Any], bool] = _by_address
    """Whether a station, by its options, is asked for all its devices together, be they at addresses of their own."""
    on_serial: bool = True
    """Whether it goes over serial lines."""


class Order(NamedTuple):
    """What a master asks of a device by way of a station: quantities and values, over which protocol, and who it is."""

    values: Mapping[str, float]
    protocol: str
    peer: str


class Carried(Protocol):
    """A command on its way from a station to a device. Times are wall seconds."""

    @property
    def due_s(self) -> float:
        """When to look again: its device has answered then, or is given up, or something else has happened."""
        ...

    def done(self, now_s: float) -> bool:
        """Whether the device has taken it; ``False`` while it is on its way.

        Raises what the device refuses it with (``Device.submit``), or ``NoAnswer``.
        """
        ...

    def leave(self) -> None:
        """Nobody waits for it any more; it comes all the same."""
        ...


class Downlink(Protocol):
    """What commands go down from a station to a device."""

    def carry(self, order: Order, now_s: float) -> Carried:
        """Send a command, maybe of nothing, at a wall time. Raises ``PointError`` if it cannot be sent."""
        ...
