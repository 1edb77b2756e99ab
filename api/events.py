"""What happens on a farm, as a stream: faults, commands, their effects, alarms, and what comes of scenarios.

Each subscriber has a queue of its own with room for ``WAITING_MAX`` events. Who does not keep up
loses the oldest and is told how many. From the first subscriber on, the last ``KEPT_MAX`` events are kept for those
who come back and name the last one they had. A farm that nobody has ever watched finds no events.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.population import Group, Population
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.scenarios.board import Entry
from pilotfarm.emulators.scenarios.verdict import Result

WAITING_MAX: Final = 1_000
KEPT_MAX: Final = 10_000
"""Max events kept for those who come back."""
SUBSCRIBERS_MAX: Final = 64
HEARTBEAT_S: Final = 15.0
AT_ONCE: Final = 200
"""Max kept events written in one go: masters are served between two."""
NAMES: Final = ("fault", "command", "effect", "alarm", "scenario", "dropped")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader wants to hear of: kinds of event, none is all, and devices by a glob."""

    kinds: Collection[str] = ()
    device: str = "*"

    def takes(self, event: Event) -> bool:
        if self.kinds and event.name not in self.kinds:
            return False
        return self.device == "*" or any(fnmatchcase(each, self.device) for each in event.devices)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; its text is made for who reads it."""

    number: int
    name: str
    moment: Moment
    wall_s: float
    devices: Collection[str]
    data: Mapping[str, Any]

    def text(self, run: str) -> str:
        wall = datetime.fromtimestamp(self.wall_s, UTC)
        stamps = {"time": self.moment.local.isoformat(), "wall_time": wall.isoformat()}
        return f"id: {run}-{self.number}\n{_message(self.name, {**stamps, **self.data})}"


class Subscription:
    """One reader's events that it has not had yet."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._waiting: deque[Event] = deque()
        self._more = asyncio.Event()
        self._dropped = 0

    def put(self, event: Event) -> int:
        """Keep an event that is wanted, dropping the oldest if there is no room; return how many were dropped."""
        if not self._wanted.takes(event):
            return 0
        full = len(self._waiting) >= WAITING_MAX
        if full:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(event)
        self._more.set()
        return int(full)

    def wake(self) -> None:
        self._more.set()

    async def take(self, within_s: float) -> tuple[int, list[Event]]:
        """Wait for events and return how many were dropped, and all others; none when none came in time."""
        try:
            await asyncio.wait_for(self._more.wait(), within_s)
        except TimeoutError:
            return 0, []
        self._more.clear()
        lost, self._dropped = self._dropped, 0
        events = list(self._waiting)
        self._waiting.clear()
        return lost, events


class EventStream:
    """A farm's observer that tells its subscribers what happened (``text/event-stream``)."""

    def __init__(self, population: Population, clock: Clock) -> None:
        self._population = population
        self._clock = clock
        self._run = secrets.token_hex(4)
        """Begins every id: a number alone would mean another event after the farm has been started anew."""
        self._subscriptions: set[Subscription] = set()
        self._watched = False
        """Whether anybody has ever read: then somebody may come back."""
        self._kept: deque[Event] = deque()
        self._last_number = 0
        self._alarms: dict[tuple[str, str], Floats] = {}
        self.dropped = 0
        self.closed = False

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    @property
    def full(self) -> bool:
        return len(self._subscriptions) >= SUBSCRIBERS_MAX

    async def read(
        self, heartbeat_s: float = HEARTBEAT_S, wanted: Wanted = Wanted(), last_id: str | None = None
    ) -> AsyncIterator[str]:
        """Yield the stream of a new subscriber until it goes away or the farm closes.

        With ``last_id``, the id of the last event it had, it begins with what is kept of those since.
        """
        subscription = Subscription(wanted)
        self._subscriptions.add(subscription)
        self._watched = True
        gone, missed = (0, []) if last_id is None else self._since(last_id)
        try:
            yield ": listening\n\n"
            if gone != 0:
                yield _message("dropped", {"count": gone})
            for batch in _batches([event for event in missed if wanted.takes(event)]):
                yield self._written(batch)
            while not self.closed:
                lost, events = await subscription.take(heartbeat_s)
                if lost:
                    yield _message("dropped", {"count": lost}) + self._written(events)
                else:
                    yield self._written(events) if events else ": alive\n\n"
        finally:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every stream, once its reader has had what waits."""
        self.closed = True
        for subscription in self._subscriptions:
            subscription.wake()

    def _since(self, last_id: str) -> tuple[int | None, list[Event]]:
        """Return how many events after one are no longer kept, and those that are.

        Of an id that this run has not given nobody knows what came after it: the number is ``None``.
        """
        run, _, number = last_id.rpartition("-")
        if run != self._run or not (number.isascii() and number.isdigit()) or len(number) > _DIGITS_MAX:
            return None, []
        last = int(number)
        if last > self._last_number:
            return None, []
        first_kept = self._last_number - len(self._kept) + 1
        return max(first_kept - last - 1, 0), list(islice(self._kept, max(last + 1 - first_kept, 0), None))

    def _written(self, events: Collection[Event]) -> str:
        return "".join(event.text(self._run) for event in events)

    # ------------------------------------------------------------------------------- observing

    def stepped(self, moment: Moment) -> None:
        if not self._watched:
            return
        for group in self._population:
            for quantity in group.spec.quantities:
                if quantity.role is Role.ALARM:
                    self._compare(moment, group, quantity.name)

    def commanded(self, command: Command, moment: Moment) -> None:
        self._tell(
            "command",
            moment,
            (command.device,),
            command=command.id,
            device=command.device,
            values=dict(command.values),
            limited=dict(command.limited),
            protocol=command.protocol,
            peer=command.peer,
        )

    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None:
        about = {"command": command.id, "device": command.device}
        self._tell("effect", moment, (command.device,), **about, quantity=name, outcome=outcome)

    def fault_changed(self, fault: Fault, event: str, moment: Moment) -> None:
        self._tell(
            "fault",
            moment,
            fault.hit,
            fault=fault.id,
            kind=fault.spec.kind,
            event=event,
            mode=fault.mode if fault.spec.modes else None,
            target=dict(fault.target),
            devices=len(fault.hit),
        )

    def scenario_moved(self, entry: Entry, event: str, results: Sequence[Result], moment: Moment) -> None:
        """Tell what comes of a scenario: that it ``began``, each of its results, that it ``ended``."""
        about = {"scenario": entry.id, "name": entry.plan.name}
        for result in results:
            told = {"phase": result.phase, "step": result.step, "text": result.text, "verdict": result.verdict}
            self._tell("scenario", moment, (), **about, event="result", **told, detail=result.detail)
        if not results:
            self._tell("scenario", moment, (), **about, event=event, verdict=entry.verdict)

    def _compare(self, moment: Moment, group: Group, name: str) -> None:
        """Tell which devices' alarms rose or fell, by their true values."""
        place, now = (group.name, name), group.columns[name]
        before = self._alarms.get(place)
        self._alarms[place] = now
        if before is None or before is now:
            return
        for row in np.flatnonzero(before != now):
            device = group.layout.devices[row]
            self._tell("alarm", moment, (device,), device=device, quantity=name, raised=bool(now[row]))

    def _tell(self, name: str, moment: Moment, devices: Collection[str], /, **data: Any) -> None:
        if not self._watched:
            return
        self._last_number += 1
        event = Event(self._last_number, name, moment, self._clock.now_s(), devices, data)
        self._kept.append(event)
        if len(self._kept) > KEPT_MAX:
            self._kept.popleft()
        self.dropped += sum(subscription.put(event) for subscription in self._subscriptions)


_DIGITS_MAX: Final = 19


def _batches(events: list[Event]) -> Iterator[list[Event]]:
    return (events[start : start + AT_ONCE] for start in range(0, len(events), AT_ONCE))


def _message(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
