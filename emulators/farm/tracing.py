"""Command tracing: from a set-point taken at a step to the moment the physics follows it.

A set-point is in effect once the quantity it steers (``DeviceSpec.follows``) is within
``TOLERANCE_FRAC`` of its range of what was asked for, or of what the device said it could follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pilotfarm.emulators.contracts.device import Effect
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.quantities import quantity

TOLERANCE_FRAC: Final = 0.01
PATIENCE_S: Final = 900.0
"""How long a command may take to show, in site time: the longest of the specification's fast intervals."""
WATCHED_MAX: Final = 20_000

EFFECTIVE, SUPERSEDED, EXPIRED = "effective", "superseded", "expired"


@dataclass(slots=True)
class _Watch:
    command: Command
    group: Group
    row: int
    steered: str
    wanted: float
    tolerance: float
    until_s: float

    @property
    def reached(self) -> bool:
        return bool(abs(self.group.columns[self.steered][self.row] - self.wanted) <= self.tolerance)


class Tracer:
    """The commands whose physical effect has not shown yet, at most ``WATCHED_MAX``."""

    def __init__(self) -> None:
        self._watched: dict[tuple[str, str], _Watch] = {}
        self._done: list[tuple[Command, str, str]] = []
        self.unwatched = 0

    def applied(self, command: Command, group: Group, row: int, time_s: float) -> None:
        """Watch each value of a command that a step has just taken."""
        for name, value in command.values.items():
            effect = group.spec.follows.get(name)
            if effect is None:
                continue
            place = (command.device, effect.quantity)
            older = self._watched.pop(place, None)
            if older is not None:
                self._done.append((older.command, effect.quantity, SUPERSEDED))
            if len(self._watched) >= WATCHED_MAX:
                self.unwatched += 1
                continue
            wanted, tolerance = _wanted(command, name, value, effect, group.bounds(name, row))
            self._watched[place] = _Watch(command, group, row, effect.quantity, wanted, tolerance, time_s + PATIENCE_S)

    def update(self, time_s: float) -> Iterator[tuple[Command, str, str]]:
        """Yield ``(command, steered quantity, outcome)`` for every watch that ended with this step."""
        for place, watch in list(self._watched.items()):
            reached = watch.reached
            if reached or time_s >= watch.until_s:
                del self._watched[place]
                self._done.append((watch.command, watch.steered, EFFECTIVE if reached else EXPIRED))
        done, self._done = self._done, []
        yield from done


def _wanted(
    command: Command, name: str, value: float, effect: Effect, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Return what the steered quantity comes to, and how near is near enough."""
    if quantity(effect.quantity).is_binary:
        return (1.0 - value if effect.inverted else value), 0.0
    low, high = bounds
    return command.limited.get(name, value), TOLERANCE_FRAC * (high - low)
