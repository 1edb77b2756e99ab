"""What a poller asks devices for, as octets on a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """Octets of a request and of its answer, as they stand on a serial line."""

    asked: int
    answered: int


@dataclass(frozen=True, slots=True)
class Asking:
    """How a protocol is spoken by who asks: the requests that read points, and one that writes a value."""

    requests: Callable[[Sequence[Any]], Sequence[Request]]
    """Of a map's ``PointRow``s."""
    write: Request


class Downlink(Protocol):
    """What commands go down from a station to a device."""

    def carry(self, now_s: float) -> tuple[float, bool]:
        """Send a command at a wall time; when it has been answered or given up, and whether it was answered."""
        ...
