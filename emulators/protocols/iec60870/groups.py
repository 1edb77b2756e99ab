"""Masters that are told the events of a station, and the buffer of what none of them was there to hear.

Each started connection has a queue of its own. What it leaves unacknowledged when it ends, and what happens while
none is started, waits in the group's buffer for the next STARTDT. In a redundancy group (IEC 60870-5-104:2006,
clause 10) one connection at most is started: a STARTDT elsewhere in the group stops it, without a word as the
controlled station has none for it, and takes over what it has not acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from pilotfarm.emulators.protocols.iec60870.events import Event, EventBuffer
from pilotfarm.emulators.protocols.iec60870.outbox import Outbox

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """A connection, as its group sees it."""

    @property
    def number(self) -> int:
        """No other connection to the station has it."""
        ...

    @property
    def outbox(self) -> Outbox: ...
    def interrupt(self) -> Sequence[Event]:
        """Stop the data transfer at once, and hand back the events sent and not acknowledged."""
        ...

    def stepped(self, unix_s: float) -> None:
        """Hear that a table has taken a step."""
        ...


class MasterGroup:
    """The masters that one buffer is for."""

    __slots__ = (
        "_known",
        "_lost_before",
        "_lost_told",
        "_redundant",
        "_started",
        "_who",
        "buffer",
        "hearing",
        "initialised",
    )

    def __init__(self, who: str, limit: int, *, redundant: bool) -> None:
        self._who = who
        self._redundant = redundant
        self._started: list[Receiver] = []
        self._known: set[Receiver] = set()
        """Those that were started, and have not ended."""
        self._lost_before = 0
        self._lost_told: int | None = 0
        """How many were lost when a master last came; ``None`` once it was said that there are more."""
        self.buffer = EventBuffer(limit)
        self.hearing: frozenset[int] = frozenset()
        """The numbers of the started connections."""
        self.initialised = False
        """Whether one of them was told that the station is initialised."""

    @property
    def armed(self) -> bool:
        """Whether events are kept for it: from the first STARTDT on, or where the site file names its masters."""
        return self._redundant or self.initialised

    @property
    def started(self) -> Sequence[Receiver]:
        return self._started

    @property
    def lost(self) -> int:
        """Events that gave way to others since the station's start."""
        return self._lost_before + self.buffer.lost + sum(each.outbox.lost for each in self._known)

    @property
    def waiting(self) -> int:
        return len(self.buffer) + sum(each.outbox.events for each in self._known)

    def hear(self, events: Sequence[Event]) -> None:
        """Take events that happen now."""
        if not self._started:
            self.buffer.add(events)
        for receiver in self._started:
            receiver.outbox.changed(events)

    def start(self, receiver: Receiver) -> None:
        """Data transfer has begun: hand over what waits for a master."""
        if self._redundant:
            for other in list(self._started):
                self.stop(other, other.interrupt())
        self._known.add(receiver)
        self._set_started([*self._started, receiver])
        self.buffer.merge(_hand(self.buffer.take(), receiver))
        self._lost_told = self.lost

    def stop(self, receiver: Receiver, unacknowledged: Iterable[Event] = ()) -> None:
        """Data transfer has ended: what was not told waits for the next master.

        What another started connection was never told goes there at once.
        """
        self._set_started([each for each in self._started if each is not receiver])
        left = [*unacknowledged, *receiver.outbox.give_back()]
        for event in left:
            event.had_by -= {receiver.number}
        for other in self._started:
            left = _hand(left, other)
        self.buffer.merge(left)

    def leave(self, receiver: Receiver, unacknowledged: Iterable[Event]) -> None:
        """The connection is gone."""
        self.stop(receiver, unacknowledged)
        if receiver in self._known:
            self._known.discard(receiver)
            self._lost_before += receiver.outbox.lost

    def restart(self) -> None:
        """Forget what masters are owed, and that any was told of the end of initialisation; nobody is started."""
        for receiver in list(self._known):
            receiver.interrupt()
            receiver.outbox.clear()
        self._set_started([])
        self.buffer.take()
        self.initialised = False

    def warn(self) -> None:
        """Say that events give way: once, until the next STARTDT."""
        if self._lost_told is not None and self.lost > self._lost_told:
            self._lost_told = None
            log.warning("%s: no room for more events; measurements give way first, then the oldest states", self._who)

    def _set_started(self, started: list[Receiver]) -> None:
        self._started = started
        self.hearing = frozenset(each.number for each in started)


def _hand(events: Sequence[Event], receiver: Receiver) -> list[Event]:
    """Hand over what a connection has not had yet, and return the rest."""
    new = [event for event in events if receiver.number not in event.had_by]
    old = [event for event in events if receiver.number in event.had_by]
    for event in new:
        event.had_by |= {receiver.number}
    receiver.outbox.hand(new)
    return old
