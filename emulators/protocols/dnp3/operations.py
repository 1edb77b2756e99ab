"""Controls that a station sends down to a device that it polls, and is answered later than it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from py1815.control import CommandStatus
from py1815.session import Control

from pilotfarm.emulators.contracts.asking import Carried, Downlink, Order
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import Busy, PointError

UNDER_WAY_MAX: Final = 64
"""Controls of one master that may be on their way to devices."""


@dataclass(slots=True, eq=False)
class Operation:
    """A control, and what has come of it: ``status`` is ``None`` while it is on its way."""

    control: Control
    status: CommandStatus | None = None
    command: Command | None = None
    """What the device has taken at once."""


class Operations:
    """The controls of one master that are on their way; ``refuse`` hears of those that come to nothing."""

    __slots__ = ("_refuse", "_under_way")

    def __init__(self, refuse: Callable[[Operation, PointError], None]) -> None:
        self._refuse = refuse
        self._under_way: list[tuple[Operation, Carried]] = []

    def send(
        self, operation: Operation, values: Mapping[str, float], peer: str, downlink: Downlink, now_s: float
    ) -> None:
        """Send a control down; ``PointError`` if that cannot be. One that takes no time is done at once."""
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise Busy("too many controls are on their way")
        self._under_way.append((operation, downlink.carry(Order(values, "dnp3", peer), now_s)))
        self.advance(now_s)

    def advance(self, now_s: float) -> None:
        """Find out what has come of those that are due."""
        under_way, self._under_way = sorted(self._under_way, key=lambda each: each[1].due_s), []
        for operation, carried in under_way:
            try:
                if carried.done(now_s):
                    operation.status = CommandStatus.SUCCESS
                else:
                    self._under_way.append((operation, carried))
            except PointError as error:
                self._refuse(operation, error)

    def deadline_s(self) -> float | None:
        """When the next device answers, or is given up."""
        return min((carried.due_s for _, carried in self._under_way), default=None)

    def leave(self) -> None:
        """The master is gone: what is on its way comes, and nobody is told."""
        for _, carried in self._under_way:
            carried.leave()
        self._under_way.clear()
