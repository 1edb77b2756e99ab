"""Controls that a station sends down to a device that it polls, and is answered later than it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from py1815.control import CommandStatus
from py1815.session import Control

from pilotfarm.emulators.contracts.asking import Downlink
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import Busy

UNDER_WAY_MAX: Final = 64
"""Controls of one master that may be on their way to devices."""


@dataclass(slots=True, eq=False)
class Order:
    """A control, and what has come of it: ``status`` is ``None`` until ``due_s``, when it ``comes`` or is given up.

    ``command`` is what the device took.
    """

    control: Control
    values: Mapping[str, float] = field(default_factory=dict)
    due_s: float = -inf
    comes: bool = True
    status: CommandStatus | None = None
    command: Command | None = None


class Orders:
    """The controls of one master that are under way; ``carry_out(order)`` has the device operate, or gives it up."""

    __slots__ = ("_carry_out", "_under_way")

    def __init__(self, carry_out: Callable[[Order], None]) -> None:
        self._carry_out = carry_out
        self._under_way: list[Order] = []

    def send(self, order: Order, downlink: Downlink, now_s: float) -> None:
        """Send a control down; ``Busy`` if too many are there. One that takes no time is carried out at once."""
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise Busy("too many controls are on their way")
        order.due_s, order.comes = downlink.carry(now_s)
        self._under_way.append(order)
        self.advance(now_s)

    def advance(self, now_s: float) -> None:
        """Carry out, or give up, what is due."""
        due = [each for each in self._under_way if each.due_s <= now_s]
        self._under_way = [each for each in self._under_way if each.due_s > now_s]
        for each in sorted(due, key=lambda order: order.due_s):
            self._carry_out(each)

    def deadline_s(self) -> float | None:
        """When the next device answers, or is given up."""
        return min((each.due_s for each in self._under_way), default=None)

    def drop(self) -> None:
        """The master is gone: what is on its way comes, and nobody is told."""
        self.advance(inf)
