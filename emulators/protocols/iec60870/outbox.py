"""What waits to be sent to one master, in the order of its urgency, and bounded.

Answers go first; then what the master was handed of events that happened before, in their order; then changes of
state in the order they happened, the ends of commands, the data of interrogations, and measurements. Of a
measurement that happens while the master is there only the newest value waits: it replaces the older one of the
same point, which keeps the newest picture in the smallest room. When the bound is met the measurement that
has waited longest gives way, or where none waits the oldest change of state; each one lost is counted.

Where a master asks by classes (IEC 60870-5-101), class 2 is measurements that happen while it is there and cyclic
data, and class 1 all else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.protocols.iec60870.asdu import Cause, Format
from pilotfarm.emulators.protocols.iec60870.events import Event, EventBuffer, Kind

ANSWERS_MAX: Final = 1024
"""Answers that may wait; a master that asks on and does not acknowledge is cut there."""
ANSWERS_SPARE: Final = 256
"""Room for what one data unit and the commands on their way to devices may lead to."""
JOBS_MAX: Final = 256
"""Interrogations that may wait or run."""

Unit: TypeAlias = tuple[bytes, Sequence[Event]]
"""A data unit, and the events that are lost if it is."""


class _Units:
    """Data units that are made when their turn comes, or when somebody looks whether there is one."""

    __slots__ = ("_made", "_rest", "key", "urgent")

    def __init__(self, rest: Iterator[bytes], key: Hashable = None, urgent: bool = True) -> None:
        self._rest = rest
        self._made: bytes | None = None
        self.key = key
        self.urgent = urgent

    @property
    def ended(self) -> bool:
        if self._made is None:
            self._made = next(self._rest, None)
        return self._made is None

    def take(self) -> bytes | None:
        made, self._made = self._made, None
        return next(self._rest, None) if made is None else made


class Outbox:
    """Data units for one link; each is handed out once."""

    __slots__ = (
        "_answers",
        "_backlog",
        "_backlog_max",
        "_ends",
        "_format",
        "_jobs",
        "_limit",
        "_moved",
        "_order",
        "_states",
        "_waiting",
        "lost",
    )

    def __init__(self, form: Format, limit: int, backlog_max: int) -> None:
        self._format = form
        self._limit = limit
        self._backlog_max = backlog_max
        self._answers: deque[_Units] = deque()
        self._backlog: deque[Event] = deque()
        self._states: deque[Event] = deque()
        self._ends: deque[bytes] = deque()
        self._jobs: deque[_Units] = deque()
        self._moved: dict[Kind, dict[int, Event]] = {}
        self._order: OrderedDict[tuple[Kind, int], None] = OrderedDict()
        """The places of ``_moved``, the one first that has waited longest; a plain dict's first is far to find."""
        self._waiting = 0
        self.lost = 0

    @property
    def pending(self) -> bool:
        return bool(self._answers or self._backlog or self._states or self._ends or self._jobs or self._moved)

    @property
    def urgent(self) -> bool:
        """Whether data of class 1 wait."""
        if self._backlog or self._states or self._ends:
            return True
        while self._answers and self._answers[0].ended:
            self._answers.popleft()
        return bool(self._answers) or self._job(urgent=True) is not None

    @property
    def full(self) -> bool:
        """Whether what a further data unit of the master leads to could find no room."""
        return max(len(self._answers), len(self._ends)) > ANSWERS_MAX - ANSWERS_SPARE

    @property
    def ends(self) -> int:
        """How many ends of commands wait."""
        return len(self._ends)

    @property
    def events(self) -> int:
        """How many events wait."""
        return self._waiting + len(self._backlog)

    def answer(self, *asdus: bytes) -> None:
        self.answer_all(iter(asdus))

    def answer_all(self, asdus: Iterator[bytes]) -> None:
        """Queue what answers one data unit; made when its turn comes."""
        if len(self._answers) >= ANSWERS_MAX:
            raise ProtocolError("the master asks on and does not acknowledge")
        self._answers.append(_Units(asdus))

    def end(self, asdu: bytes) -> None:
        """Queue the end of a command, behind the changes of state that wait."""
        if len(self._ends) >= ANSWERS_MAX:
            raise ProtocolError("the master asks on and does not acknowledge")
        self._ends.append(asdu)

    def job(self, key: Hashable, asdus: Iterator[bytes], *, urgent: bool = True) -> bool:
        """Queue data units that are made when their turn comes; false if too many jobs wait."""
        if len(self._jobs) >= JOBS_MAX:
            return False
        self._jobs.append(_Units(asdus, key, urgent))
        return True

    def has_job(self, key: Hashable) -> bool:
        return any(each.key == key for each in self._jobs)

    def cancel(self, key: Hashable) -> bool:
        """Drop the jobs of that key; false if there was none."""
        left = deque(each for each in self._jobs if each.key != key)
        found = len(left) < len(self._jobs)
        self._jobs = left
        return found

    # ------------------------------------------------------------------------------------ events

    def hand(self, events: Collection[Event]) -> None:
        """Queue events that happened before, each of them to be told."""
        merged = EventBuffer(self._backlog_max)
        merged.merge([*self._backlog, *events])
        self._backlog = deque(merged.take())
        self.lost += merged.lost

    def changed(self, events: Sequence[Event]) -> None:
        """Queue events of one kind that happen now."""
        kind = events[0].kind
        if kind.measured:
            self._measured(kind, events)
            return
        measured = kind._replace(cause=Cause.SPONTANEOUS)
        older = self._moved.get(measured, {}).keys() & [event.ioa for event in events]
        if older:
            self._take(measured, list(older))  # of return information older values must not come after it
        for event in events:
            self._make_room()
            self._states.append(event)
            self._waiting += 1

    def give_back(self) -> list[Event]:
        """Hand out all events that wait; none waits afterwards."""
        measured = [event for objects in self._moved.values() for event in objects.values()]
        left = [*self._backlog, *self._states, *measured]
        self._backlog.clear()
        self._states.clear()
        self._moved.clear()
        self._order.clear()
        self._waiting = 0
        return left

    def clear(self) -> None:
        """Drop all that waits."""
        self.give_back()
        for waiting in (self._answers, self._ends, self._jobs):
            waiting.clear()

    def forget(self, addresses: Collection[int]) -> None:
        """Drop the waiting events of some devices."""
        self._backlog = deque(each for each in self._backlog if each.kind.address not in addresses)
        self._states = deque(each for each in self._states if each.kind.address not in addresses)
        for kind in [kind for kind in self._moved if kind.address in addresses]:
            for ioa in self._moved.pop(kind):
                del self._order[kind, ioa]
        self._waiting = len(self._states) + sum(map(len, self._moved.values()))

    # ----------------------------------------------------------------------------------- sending

    def next(self) -> Unit | None:
        """Hand out the next data unit."""
        unit = self._next_told()
        if unit is not None:
            return unit
        while self._jobs:
            asdu = self._jobs[0].take()
            if asdu is not None:
                return asdu, ()
            self._jobs.popleft()
        return self._next_measurements() if self._moved else None

    def next_of(self, *, urgent: bool) -> Unit | None:
        """Hand out the next data unit of class 1, or of class 2."""
        unit = self._next_told() if urgent else None
        if unit is not None:
            return unit
        job = self._job(urgent=urgent)
        if job is not None and (asdu := job.take()) is not None:
            return asdu, ()
        return self._next_measurements() if self._moved and not urgent else None

    def _next_told(self) -> Unit | None:
        """Hand out the next answer, event that each is told, or end of a command."""
        while self._answers:
            asdu = self._answers[0].take()
            if asdu is not None:
                return asdu, ()
            self._answers.popleft()
        if self._backlog:
            return self._unit(_run(self._backlog, self._format))
        if self._states:
            batch = _run(self._states, self._format)
            self._waiting -= len(batch)
            return self._unit(batch)
        return (self._ends.popleft(), ()) if self._ends else None

    def _job(self, *, urgent: bool) -> _Units | None:
        """The first job of a class that has not ended."""
        while (job := next((each for each in self._jobs if each.urgent is urgent), None)) and job.ended:
            self._jobs.remove(job)
        return job

    def _measured(self, kind: Kind, events: Sequence[Event]) -> None:
        known = self._moved.get(kind, {})
        for event in events:
            if event.ioa in known:
                known[event.ioa] = event
                continue
            if self._waiting >= self._limit and not self._moved:
                self.lost += 1  # a measurement takes no state's place
                continue
            self._make_room()
            known = self._moved.setdefault(kind, {})
            known[event.ioa] = event
            self._order[kind, event.ioa] = None
            self._waiting += 1

    def _make_room(self) -> None:
        if self._waiting < self._limit:
            return
        self.lost += 1
        if self._moved:
            kind, ioa = next(iter(self._order))
            self._take(kind, [ioa])
        else:
            self._states.popleft()
            self._waiting -= 1

    def _next_measurements(self) -> Unit:
        """Send what has waited longest, and whatever else of its kind a data unit has room for."""
        kind, ioa = next(iter(self._order))
        objects = self._moved[kind]
        room = self._format.room(len(objects[ioa].data))
        return self._unit(self._take(kind, list(islice(objects, room))))

    def _take(self, kind: Kind, ioas: list[int]) -> list[Event]:
        """Take measurements of a kind out."""
        objects = self._moved[kind]
        taken = [objects.pop(ioa) for ioa in ioas]
        for ioa in ioas:
            del self._order[kind, ioa]
        if not objects:
            del self._moved[kind]
        self._waiting -= len(taken)
        return taken

    def _unit(self, batch: Sequence[Event]) -> Unit:
        kind = batch[0].kind
        head = self._format.header(kind.type, len(batch), kind.cause, kind.address)
        return head + b"".join([event.data for event in batch]), batch


def _run(queue: deque[Event], form: Format) -> list[Event]:
    """Take the first events that one data unit can hold: of one device, type and cause."""
    first = queue.popleft()
    batch, room = [first], form.room(len(first.data))
    while queue and len(batch) < room and queue[0].kind == first.kind:
        batch.append(queue.popleft())
    return batch
