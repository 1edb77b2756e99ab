"""What a user of the load test does, apart from Locust: when to send, what, and what to note.

A crew is shared by all users of a process: the source of readings, the journal, and the next free
device. When there are more users than devices, devices are taken again under ids of their own
(``meter-7~2``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pilotfarm.emulators.clock import Clock
from pilotfarm.loadtests.journal import Entry, Journal
from pilotfarm.loadtests.plan import Plan
from pilotfarm.loadtests.source import Sender, Source

_GOLDEN: Final = 0.6180339887498949
"""Multiples of it, modulo 1, spread evenly however many are taken (Knuth, TAOCP vol. 3, 6.4, theorem S)."""


@dataclass(slots=True)
class Beat:
    """When a device sends: once a period, on a grid that a late answer does not shift."""

    period_s: float
    due_s: float

    def wait_s(self, now_s: float) -> float:
        return max(0.0, self.due_s - now_s)

    def taken(self) -> float:
        """Give the time that was due, and move on to the next."""
        due_s = self.due_s
        self.due_s += self.period_s
        return due_s


class Crew:
    """What the users of one process share."""

    def __init__(self, plan: Plan, source: Source, journal: Journal, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self._source = source
        self._senders = source.senders
        self._journal = journal
        self._joined = 0
        self._moved_s = clock.now_s()
        self.stopping = False
        """Set at the end: whoever wakes up now must not begin a request that would be cut off."""

    def join(self) -> Member:
        """Take the next device."""
        number = self._joined
        self._joined += 1
        lap, place = divmod(number, len(self._senders))
        sender = self._senders[place]
        name = sender.device_id if lap == 0 else f"{sender.device_id}~{lap + 1}"
        period_s = self.plan.period_s(sender.daily)
        phase = ((number + 1) * _GOLDEN) % 1.0
        return Member(self, name, sender, Beat(period_s, self.clock.now_s() + phase * period_s))

    def advance(self) -> None:
        """Move site time on by the wall time gone by, times the speed-up; and bring the journal to the file."""
        now_s = self.clock.now_s()
        gone_s, self._moved_s = now_s - self._moved_s, now_s
        if gone_s > 0.0:
            self._source.advance(gone_s * self.plan.speedup)
        self._journal.flush()

    def note(self, entry: Entry) -> None:
        self._journal.add(entry)

    def document(self, name: str, sender: Sender, sequence: int, sent_s: float) -> dict[str, Any]:
        """A reading as the SESP takes it."""
        sample = self._source.sample(sender.device_id)
        return {
            "device_id": name,
            "kind": sender.kind,
            "run": self.plan.run,
            "sequence": sequence,
            "timestamp": sample.timestamp,
            "sent_at": datetime.fromtimestamp(sent_s, UTC).isoformat(),
            "values": dict(sample.values),
            "quality": dict(sample.quality),
        }


class Member:
    """One user: a device with its own sequence numbers, from 1."""

    def __init__(self, crew: Crew, name: str, sender: Sender, beat: Beat) -> None:
        self.name = name
        self._crew = crew
        self._sender = sender
        self._beat = beat
        self._sequence = 0
        self._due_s = self._sent_s = 0.0

    @property
    def wait_s(self) -> float:
        return self._beat.wait_s(self._crew.clock.now_s())

    @property
    def is_due(self) -> bool:
        return self.wait_s <= 0.0 and not self._crew.stopping

    def next_reading(self) -> dict[str, Any]:
        """Make the next reading; ``answered`` must follow, whatever becomes of it."""
        self._sequence += 1
        self._due_s = self._beat.taken()
        self._sent_s = self._crew.clock.now_s()
        return self._crew.document(self.name, self._sender, self._sequence, self._sent_s)

    def answered(self, status: int) -> None:
        """Note what became of the reading: an HTTP status, or 0 for no answer."""
        answered_s = self._crew.clock.now_s() if status else None
        self._crew.note(Entry(self.name, self._sequence, self._due_s, self._sent_s, answered_s, status))
