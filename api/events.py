"""What happens on a farm, as a stream: faults, commands, their effects, and alarms.

Each subscriber has a queue of its own with room for ``WAITING_MAX`` events. Who does not keep up
loses the oldest and is told how many.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.faultboard import Fault
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.farm.population import Group, Population
from pilotfarm.emulators.quantities import Role

WAITING_MAX: Final = 1_000
SUBSCRIBERS_MAX: Final = 64
HEARTBEAT_S: Final = 15.0
NAMES: Final = ("fault", "command", "effect", "alarm", "dropped")


class Subscription:
    """One reader's events that it has not had yet."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._more = asyncio.Event()
        self._dropped = 0

    def put(self, message: str) -> int:
        """Keep a message, dropping the oldest if there is no room; return how many were dropped."""
        full = len(self._waiting) >= WAITING_MAX
        if full:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(message)
        self._more.set()
        return int(full)

    def wake(self) -> None:
        self._more.set()

    async def take(self, within_s: float) -> str:
        """Wait for messages and return all of them; the empty string when none came in time."""
        try:
            await asyncio.wait_for(self._more.wait(), within_s)
        except TimeoutError:
            return ""
        self._more.clear()
        lost, self._dropped = self._dropped, 0
        messages = [_message("dropped", {"count": lost})] if lost else []
        messages += self._waiting
        self._waiting.clear()
        return "".join(messages)


class EventStream:
    """A farm's observer that tells its subscribers what happened (``text/event-stream``)."""

    def __init__(self, population: Population, clock: Clock) -> None:
        self._population = population
        self._clock = clock
        self._subscriptions: set[Subscription] = set()
        self._last_id = 0
        self._alarms: dict[tuple[str, str], Floats] = {}
        self.dropped = 0
        self.closed = False

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    @property
    def full(self) -> bool:
        return len(self._subscriptions) >= SUBSCRIBERS_MAX

    async def read(self, heartbeat_s: float = HEARTBEAT_S) -> AsyncIterator[str]:
        """Yield the stream of a new subscriber until it goes away or the farm closes."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield ": listening\n\n"
            while not self.closed:
                messages = await subscription.take(heartbeat_s)
                yield messages if messages else ": alive\n\n"
        finally:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every stream, once its reader has had what waits."""
        self.closed = True
        for subscription in self._subscriptions:
            subscription.wake()

    # ------------------------------------------------------------------------------- observing

    def stepped(self, moment: Moment) -> None:
        if not self._subscriptions:
            self._alarms.clear()
            return
        for group in self._population:
            for quantity in group.spec.quantities:
                if quantity.role is Role.ALARM:
                    self._compare(moment, group, quantity.name)

    def commanded(self, command: Command, moment: Moment) -> None:
        self._tell(
            "command",
            moment,
            command=command.id,
            device=command.device,
            values=dict(command.values),
            limited=dict(command.limited),
            protocol=command.protocol,
            peer=command.peer,
        )

    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None:
        self._tell("effect", moment, command=command.id, device=command.device, quantity=name, outcome=outcome)

    def fault_changed(self, fault: Fault, event: str, moment: Moment) -> None:
        self._tell(
            "fault",
            moment,
            fault=fault.id,
            kind=fault.spec.kind,
            event=event,
            mode=fault.mode if fault.spec.modes else None,
            target=dict(fault.target),
            devices=len(fault.hit),
        )

    def _compare(self, moment: Moment, group: Group, name: str) -> None:
        """Tell which devices' alarms rose or fell, by their true values."""
        place, now = (group.name, name), group.columns[name]
        before = self._alarms.get(place)
        self._alarms[place] = now
        if before is None or before is now:
            return
        for row in np.flatnonzero(before != now):
            self._tell("alarm", moment, device=group.layout.devices[row], quantity=name, raised=bool(now[row]))

    def _tell(self, name: str, moment: Moment, **data: Any) -> None:
        if not self._subscriptions:
            return
        self._last_id += 1
        wall = datetime.fromtimestamp(self._clock.now_s(), UTC)
        stamps = {"time": moment.local.isoformat(), "wall_time": wall.isoformat()}
        message = _message(name, {**stamps, **data}, self._last_id)
        self.dropped += sum(subscription.put(message) for subscription in self._subscriptions)


def _message(name: str, data: Mapping[str, Any], number: int | None = None) -> str:
    lines: Sequence[str] = (f"event: {name}", f"data: {json.dumps(data)}")
    head = "" if number is None else f"id: {number}\n"
    return head + "\n".join(lines) + "\n\n"
