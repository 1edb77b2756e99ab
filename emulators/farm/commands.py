"""Commands on their way to the devices: they wait here for the next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import Busy
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.quantities import Role, opposites, quantity

QUEUE_MAX: Final = 100_000
"""Max commands that wait for one step; beyond it a client is told that the device is busy."""
OWN: Final = "reversion"
"""What stands for the protocol of a change that a device makes by itself."""


class Waiting(NamedTuple):
    """A command, and the device it is for."""

    group: Group
    row: int
    command: Command


class Commands:
    """The commands that wait, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def enqueue(
        self,
        group: Group,
        row: int,
        values: Mapping[str, float],
        limited: Mapping[str, float],
        protocol: str,
        peer: str,
        now_s: float,
    ) -> Command:
        """Let a checked change of a device wait; ``Busy`` if there is no room."""
        if len(self._waiting) >= QUEUE_MAX:
            raise Busy(f"{QUEUE_MAX} commands wait for the next step already")
        device = group.layout.devices[row]
        command = Command(self._next_id(), device, values, protocol, peer, now_s, limited=limited)
        self._waiting.append(Waiting(group, row, command))
        return command

    def own(self, group: Group, row: int, values: Mapping[str, float], now_s: float) -> Waiting:
        """Number a change that a device makes by itself; it does not wait."""
        return Waiting(group, row, Command(self._next_id(), group.layout.devices[row], values, OWN, "", now_s))

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def take(self) -> list[Waiting]:
        """Hand out all that wait."""
        taken, self._waiting = self._waiting, []
        return taken


def given(values: Mapping[str, float]) -> dict[str, float]:
    """Return what a request asks of a device that may have been asked for the opposite just before.

    A command that is not given (0) changes nothing. One that is given takes back those that came before it in the same
    step and put the same state otherwise; within one request all of them stand.
    """
    pulses = {name: quantity(name) for name in values if quantity(name).role is Role.COMMAND}
    taken_back = {other: 0.0 for name, each in pulses.items() if values[name] for other in opposites(each)}
    return taken_back | {name: value for name, value in values.items() if value or name not in pulses}


def enabled(values: Mapping[str, float]) -> dict[str, float]:
    """Close the switch of every set-point that has one, unless the same request sets it itself."""
    switches = {quantity(name).enables: 1.0 for name in values if quantity(name).role is Role.SETPOINT}
    return {**{name: on for name, on in switches.items() if name}, **values}
