"""What waits to be sent to one master, in the order of its urgency, and bounded.

Answers go first, then changes of state in the order they happened, then the data of interrogations,
then measurements. Of a measurement only the newest value waits: it replaces the older one of the
same point, which keeps the newest picture in the smallest room. When the bound is met the measurement that
has waited longest gives way, or where none waits the oldest change of state; each one lost is counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Final

from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.protocols.iec104.asdu import Cause, Format, Type

ANSWERS_MAX: Final = 1024
"""Answers that may wait; a master that asks on and does not acknowledge is cut there."""
JOBS_MAX: Final = 256
"""Interrogations that may wait or run."""


class Outbox:
    """Data units for one link; each is handed out once."""

    __slots__ = ("_answers", "_format", "_jobs", "_limit", "_moved", "_order", "_states", "_waiting", "lost")

    def __init__(self, form: Format, limit: int) -> None:
        self._format = form
        self._limit = limit
        self._answers: deque[bytes] = deque()
        self._states: deque[tuple[int, int, bytes]] = deque()
        self._jobs: deque[tuple[Hashable, Iterator[bytes]]] = deque()
        self._moved: dict[int, dict[int, bytes]] = {}
        self._order: OrderedDict[tuple[int, int], None] = OrderedDict()
        """The places of ``_moved``, the one first that has waited longest; a plain dict's first is far to find."""
        self._waiting = 0
        self.lost = 0

    @property
    def pending(self) -> bool:
        return bool(self._answers or self._states or self._jobs or self._moved)

    @property
    def events(self) -> int:
        """How many changes wait."""
        return self._waiting

    def answer(self, asdu: bytes) -> None:
        if len(self._answers) >= ANSWERS_MAX:
            raise ProtocolError("the master asks on and does not acknowledge")
        self._answers.append(asdu)

    def job(self, key: Hashable, asdus: Iterator[bytes]) -> bool:
        """Queue data units that are made when their turn comes; false if too many jobs wait."""
        if len(self._jobs) >= JOBS_MAX:
            return False
        self._jobs.append((key, asdus))
        return True

    def has_job(self, key: Hashable) -> bool:
        return any(each == key for each, _ in self._jobs)

    def cancel(self, key: Hashable) -> bool:
        """Drop the jobs of that key; false if there was none."""
        left = deque(each for each in self._jobs if each[0] != key)
        found = len(left) < len(self._jobs)
        self._jobs = left
        return found

    def changed(self, address: int, type_id: int, objects: Mapping[int, bytes]) -> None:
        """Queue changes of one device: object address -> object with its time tag."""
        measured = type_id == Type.FLOAT_TAGGED
        known = self._moved.get(address, {})
        for ioa, data in objects.items():
            if measured:
                if ioa in known:
                    known[ioa] = data
                    continue
                self._make_room()
                known = self._moved.setdefault(address, {})
                known[ioa] = data
                self._order[address, ioa] = None
            else:
                self._make_room()
                self._states.append((address, type_id, data))
            self._waiting += 1

    def forget(self, addresses: Collection[int]) -> None:
        """Drop the waiting changes of some devices."""
        self._states = deque(each for each in self._states if each[0] not in addresses)
        for address in addresses:
            for ioa in self._moved.pop(address, ()):
                del self._order[address, ioa]
        self._waiting = len(self._states) + sum(map(len, self._moved.values()))

    def next(self) -> bytes | None:
        """Hand out the next data unit."""
        if self._answers:
            return self._answers.popleft()
        if self._states:
            return self._next_states()
        while self._jobs:
            asdu = next(self._jobs[0][1], None)
            if asdu is not None:
                return asdu
            self._jobs.popleft()
        return self._next_measurements() if self._moved else None

    def _make_room(self) -> None:
        if self._waiting < self._limit:
            return
        self.lost += 1
        self._waiting -= 1
        if not self._moved:
            self._states.popleft()
            return
        address, ioa = next(iter(self._order))
        self._take(address, [ioa])

    def _next_states(self) -> bytes:
        address, type_id, data = self._states.popleft()
        batch, room = [data], self._format.room(len(data))
        while self._states and len(batch) < room and self._states[0][:2] == (address, type_id):
            batch.append(self._states.popleft()[2])
        return self._spontaneous(type_id, address, batch)

    def _next_measurements(self) -> bytes:
        """Send what has waited longest, and whatever else of its device a data unit has room for."""
        address, ioa = next(iter(self._order))
        objects = self._moved[address]
        room = self._format.room(len(objects[ioa]))
        return self._spontaneous(Type.FLOAT_TAGGED, address, self._take(address, list(objects)[:room]))

    def _take(self, address: int, ioas: list[int]) -> list[bytes]:
        """Take measurements of a device out."""
        objects = self._moved[address]
        taken = [objects.pop(ioa) for ioa in ioas]
        for ioa in ioas:
            del self._order[address, ioa]
        if not objects:
            del self._moved[address]
        return taken

    def _spontaneous(self, type_id: int, address: int, batch: list[bytes]) -> bytes:
        self._waiting -= len(batch)
        head = self._format.header(type_id, len(batch), Cause.SPONTANEOUS, 0, address)
        return head + b"".join(batch)
