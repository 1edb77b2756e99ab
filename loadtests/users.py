"""What a user of the load test does, apart from Locust: when it sends, what, and what is recorded.

A pool is shared by all users of a process: the source of readings, the journal, and the next free
device. When there are more users than devices, devices are used again under ids of their own
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
"""Multiples of it, modulo 1, spread evenly, whatever their number (Knuth, TAOCP vol. 3, 6.4, theorem S)."""


@dataclass(slots=True)
class Schedule:
    """When a device sends: once a period, on a grid that a late answer does not shift."""

    period_s: float
    due_s: float

    def wait_s(self, now_s: float) -> float:
        return max(0.0, self.due_s - now_s)

    def advance(self) -> float:
        """Return the time that was due, and move on to the next."""
        due_s = self.due_s
        self.due_s += self.period_s
        return due_s


class UserPool:
    """What the users of one process share."""

    def __init__(self, plan: Plan, source: Source, journal: Journal, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self._source = source
        self._senders = source.senders
        self._journal = journal
        self._joined = 0
        self._advanced_s = clock.now_s()
        self.stopping = False
        """Set at the end: a user that wakes up now must not begin a request that would be cut off."""

    def join(self) -> User:
        """Add a user, for the next device."""
        number = self._joined
        self._joined += 1
        lap, index = divmod(number, len(self._senders))
        sender = self._senders[index]
        name = sender.device_id if lap == 0 else f"{sender.device_id}~{lap + 1}"
        period_s = self.plan.period_s(sender.daily)
        phase = ((number + 1) * _GOLDEN) % 1.0
        return User(self, name, sender, Schedule(period_s, self.clock.now_s() + phase * period_s))

    def advance(self) -> None:
        """Advance site time by the elapsed wall time times the speed-up, and flush the journal."""
        now_s = self.clock.now_s()
        elapsed_s, self._advanced_s = now_s - self._advanced_s, now_s
        if elapsed_s > 0.0:
            self._source.advance(elapsed_s * self.plan.speedup)
        self._journal.flush()

    def record(self, entry: Entry) -> None:
        self._journal.add(entry)

    def document(self, name: str, sender: Sender, sequence: int, sent_s: float) -> dict[str, Any]:
        """Return a reading as the SESP accepts it."""
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


class User:
    """One user: a device with its own sequence numbers, from 1."""

    def __init__(self, pool: UserPool, name: str, sender: Sender, schedule: Schedule) -> None:
        self.name = name
        self._pool = pool
        self._sender = sender
        self._schedule = schedule
        self._sequence = 0
        self._due_s = self._sent_s = 0.0

    @property
    def wait_s(self) -> float:
        return self._schedule.wait_s(self._pool.clock.now_s())

    @property
    def is_due(self) -> bool:
        return self.wait_s <= 0.0 and not self._pool.stopping

    def next_reading(self) -> dict[str, Any]:
        """Return the next reading; ``answered`` must follow, whatever its outcome."""
        self._sequence += 1
        self._due_s = self._schedule.advance()
        self._sent_s = self._pool.clock.now_s()
        return self._pool.document(self.name, self._sender, self._sequence, self._sent_s)

    def answered(self, status: int) -> None:
        """Record the outcome of the reading: an HTTP status, or 0 for no answer."""
        answered_s = self._pool.clock.now_s() if status else None
        self._pool.record(Entry(self.name, self._sequence, self._due_s, self._sent_s, answered_s, status))
