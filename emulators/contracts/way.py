"""A device's way to its masters: the engine of a connection, and the three hooks for what happens on the way.

Whoever calls a hook knows no fault by name:

- *admission* at a listener: whether a connection is taken at all;
- *link* at a connection: an engine around the engine, bytes and the time in, bytes and a deadline out;
- *filter* between the application and the link of a protocol: whole messages, both ways.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import Protocol, TypeAlias, runtime_checkable


class Engine(Protocol):
    """One connection's protocol machine, without a socket and without a clock; the caller owns both.

    Times are wall seconds that never go back.
    """

    @property
    def closed(self) -> bool:
        """Whether the connection is to be closed once the output has been sent."""
        ...

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes as they come, cut anywhere. Never raises: a peer's mistake is answered or closes."""
        ...

    def advance(self, now_s: float) -> None:
        """Fire every timer due by ``now_s``."""
        ...

    def deadline_s(self) -> float | None:
        """When ``advance`` is next needed; ``None`` while no timer runs."""
        ...

    def take_output(self) -> bytes:
        """Bytes to send; each is handed out once."""
        ...

    def hang_up(self, now_s: float) -> None:
        """The connection is gone: give back what it held."""
        ...


@runtime_checkable
class Framed(Protocol):
    """An engine of a protocol that has several framings, and says which is its own."""

    framing: str


class Admission(IntEnum):
    """How a listener meets who connects; where several hold, the highest does."""

    OPEN = 0
    REFUSE_NEW = 1
    """Who is there stays, and nobody else is let in."""
    RESET_NEW = 2
    """Who is there stays, and whoever else connects is taken and reset at once."""
    SILENT = 3
    """As behind a network that is down: who is there and who comes hear nothing, and are reset when it is over."""
    REFUSE = 4
    """As a host whose service is down."""
    RESET = 5
    """Every connection is taken and reset at once."""

    @property
    def cuts_off(self) -> bool:
        """Whether no master is answered."""
        return self >= Admission.SILENT

    @property
    def shut(self) -> bool:
        """Whether nobody stays."""
        return self >= Admission.REFUSE

    @property
    def listens(self) -> bool:
        """Whether anything listens."""
        return self not in (Admission.REFUSE_NEW, Admission.REFUSE)

    @property
    def takes(self) -> bool:
        """Whether who comes is taken, and stays."""
        return self in (Admission.OPEN, Admission.SILENT)


class WhenFull(IntEnum):
    """What a listener with as many connections as it may have does with one more."""

    REFUSE = 0
    SAME_HOST_GIVES_WAY = 1
    """The connection longest unused of those from the newcomer's host is closed; if there is none, as ``REFUSE``."""
    LONGEST_UNUSED_GIVES_WAY = 2


@dataclass(slots=True)
class Bites:
    """How often something on the way has changed what passes, and how often it may: afterwards all passes."""

    count: int = 0
    max: float = inf

    @property
    def spent(self) -> bool:
        return self.count >= self.max


class Link(Engine, Protocol):
    """An engine around an engine: what happens to the bytes of a connection, both ways."""

    inner: Engine
    bites: Bites
    """Counted by the link: frames that it changed, or pieces that it took over. Whoever puts it there may share one."""

    def let_go(self, now_s: float) -> None:
        """Hand on at once what is under way, both ways; nothing is held back after it."""
        ...


class Severing(ABC):
    """A link that may end a connection in another way than by closing it."""

    forgotten = False
    """Whether the device has hung up and its peer is not told; from the start, or never."""

    @property
    @abstractmethod
    def resets(self) -> bool:
        """Whether this link has closed the connection and it is to be reset."""


class Filter(Protocol):
    """What happens to whole messages between a seat's application and its link.

    A message is a PDU of Modbus, an ASDU of IEC 60870-5-104, a fragment of DNP3. ``None`` is nothing.
    """

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        """Return what the application gets of a master's message, and what the master is answered in its place."""
        ...

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        """Return what the link gets of the application's message."""
        ...


Object: TypeAlias = tuple[int, bytes]
"""A value or state of a device as a protocol tells it: the type, and octets with address and quality, without time."""


class Passing:
    """A filter that lets all messages pass; what it does beside that is for whoever derives from it."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


class Cramped(Passing):
    """A filter that leaves its device little room for the events that its masters are owed."""

    events_kept: int
    """Maximum number of events for each master, in each class; at least one."""


class Restless(Passing, ABC):
    """A filter that has its device tell what has not happened."""

    types: Collection[int]
    """Of which types of objects it wants to be shown."""

    @abstractmethod
    def unasked(self, shown: Sequence[Object], since_s: float, until_s: float) -> Iterable[tuple[Object, float]]:
        """Return what the device tells in a step beside its changes, and when each is said to have happened.

        ``shown`` is what it would answer if asked; times are site time, after ``since_s`` and up to ``until_s``
        [s since 1970 UTC]. Asked once a step, on behalf of all masters.
        """
