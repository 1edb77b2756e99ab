"""What a poller asks devices, or other stations, for, as octets on a line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.errors import PointError


class Request(NamedTuple):
    """Octets of a request and of its answer, as they stand on a serial line."""

    asked: int
    answered: int


class Told(NamedTuple):
    """What answers have said: values of quantities, and which have none."""

    values: Mapping[str, float]
    absent: Collection[str]


Known: TypeAlias = Callable[[str], float]
"""What is known of a quantity of a device; not a number where nothing is."""


class Master(Protocol):
    """Who asks one device: makes the octets of requests and understands those of answers, without socket and clock.

    A message is the protocol's own.
    """

    @property
    def reads(self) -> Sequence[Sequence[Any]]:
        """By class of scans, the messages that read it."""
        ...

    @property
    def says(self) -> Sequence[Collection[str]]:
        """By class of scans, the quantities that answers to these say something of."""
        ...

    def writes(self, values: Mapping[str, float], known: Known) -> Sequence[Any]:
        """Return the messages that give a command; ``PointError`` if the device's map has none for it."""
        ...

    def ask(self, message: Any) -> bytes:
        """Return the octets of a request; from now on its answer is waited for, and no other's."""
        ...

    def hear(self, octets: bytes) -> bytes | None:
        """Take what comes, cut anywhere; the answer, once it is whole."""
        ...

    def refusal(self, answer: bytes) -> PointError | None:
        """What an answer says that is a refusal."""
        ...

    def told(self, scan_class: int, answers: Sequence[bytes], known: Known) -> Told:
        """Return what the answers to all ``reads`` of a class say."""
        ...


class Masters(Protocol):
    """What makes the masters of the devices of a group."""

    def __call__(self, row: int, unit: int) -> Master: ...


@dataclass(frozen=True, slots=True)
class Really:
    """Both ends of a protocol that stations really speak with devices, on a line or over TCP."""

    masters: Callable[[Any, Sequence[Any], Sequence[Collection[str]], Seen, bool], Masters]
    """``masters(plan, points, names, columns, on_line)``: of a map's plan and its points, the quantities of each class
    of scans, and the columns of the devices at the start."""
    device: Callable[[Any, bool], Any]
    """``device(seat, on_line)``: the ``Station`` that answers for a device alone."""


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
    really: Really | None = None
    """How it is really spoken, octet by octet; ``None`` where no station does."""


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
