"""Changes that masters are owed: in the order in which they happened, and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

from pilotfarm.emulators.plans.iec104 import MEASURED
from pilotfarm.emulators.protocols.iec60870.asdu import TOLD, Cause

_NUMBER: Final = attrgetter("number")
_MEASURED: Final = frozenset(TOLD[octets][kind] for octets in TOLD for kind in MEASURED)


class Kind(NamedTuple):
    """What the events that one data unit may hold have in common."""

    address: int
    type: int
    cause: int

    @property
    def measured(self) -> bool:
        """Whether they give way to others; the return information of a command does not."""
        return self.type in _MEASURED and self.cause == Cause.SPONTANEOUS


@dataclass(slots=True)
class Event:
    """An object of a device that changed: one for all masters of a group."""

    number: int
    """Its place in the order of the station's events."""
    kind: Kind
    ioa: int
    data: bytes
    """The object as it is sent, with its time tag."""
    had_by: frozenset[int]
    """The connections that have it waiting, or have told it."""


class EventBuffer:
    """Events in their order; beyond the limit the oldest measurement gives way, or where none is the oldest state."""

    __slots__ = ("_limit", "_measured", "_states", "lost")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._measured: deque[Event] = deque()
        self._states: deque[Event] = deque()
        self.lost = 0

    def __len__(self) -> int:
        return len(self._measured) + len(self._states)

    def add(self, events: Sequence[Event]) -> None:
        """Keep events of one kind that are newer than all that are here."""
        (self._measured if events[0].kind.measured else self._states).extend(events)
        self._bound()

    def merge(self, events: Collection[Event]) -> None:
        """Keep events of any time; one that is here already stays once."""
        if not events:
            return
        self._measured = _ordered([*self._measured, *(event for event in events if event.kind.measured)])
        self._states = _ordered([*self._states, *(event for event in events if not event.kind.measured)])
        self._bound()

    def take(self) -> list[Event]:
        """Hand out all, the oldest first."""
        events = list(_ordered([*self._measured, *self._states]))
        self._measured.clear()
        self._states.clear()
        return events

    def forget(self, addresses: Collection[int]) -> None:
        """Drop the events of some devices."""
        self._measured = deque(event for event in self._measured if event.kind.address not in addresses)
        self._states = deque(event for event in self._states if event.kind.address not in addresses)

    def _bound(self) -> None:
        while len(self) > self._limit:
            (self._measured or self._states).popleft()
            self.lost += 1


def _ordered(events: list[Event]) -> deque[Event]:
    once = {event.number: event for event in events}
    return deque(sorted(once.values(), key=_NUMBER))
