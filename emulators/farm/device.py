"""One device of a farm, as those see it who read it and tell it something."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np

from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import Blocked, NoSuchPoint, NotWritable, OutOfRange
from pilotfarm.emulators.farm.commands import Commands
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.words import with_article


class FarmDevice:
    """One device, as protocol engines and the API see it (``contracts.protocol.Device``)."""

    __slots__ = ("_commands", "group", "row")

    def __init__(self, commands: Commands, group: Group, row: int) -> None:
        self._commands = commands
        self.group = group
        self.row = row

    @property
    def id(self) -> str:
        return self.group.layout.devices[self.row]

    @property
    def serial(self) -> str:
        return self.group.serials.get(self.row, self.id)

    @property
    def kind(self) -> str:
        return self.group.spec.kind

    @property
    def clock(self) -> Clock:
        return self.group.clock(self.row)

    def value(self, quantity: str) -> float:
        """The reported value: as of the last step, of a set-point as accepted since."""
        return _shown(self.group.reported[quantity][self.row])

    def true_value(self, quantity: str) -> float:
        """What it really is: as of the last step, of a set-point as accepted since."""
        told = self.group.told.get(quantity)
        return _shown((self.group.columns[quantity] if told is None else told)[self.row])

    def quality(self, quantity: str) -> int:
        marks = self.group.quality.get(quantity)
        return 0 if marks is None else int(marks[self.row])

    def readings(self) -> dict[str, float]:
        """Every reported quantity of the device."""
        return {q.name: self.value(q.name) for q in self.group.spec.quantities}

    def check(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._check_one(name, value)
            switch = quantity(name).permitted_by
            if switch and value and not values.get(switch, self.true_value(switch)):
                raise Blocked(f"{self.id}: {name} is not permitted while {switch} is 0")

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        self.check(values)
        limited = {name: kept for name, value in values.items() if (kept := self._now(name, value)) != value}
        command = self._commands.enqueue(self.group, self.row, dict(values), limited, protocol, peer, now_s)
        self.group.tell(self.row, values)
        return command

    def bounds(self, name: str) -> tuple[float, float]:
        """What the quantity may be told for this device: min and max."""
        return self.group.bounds(name, self.row)

    def _check_one(self, name: str, value: float) -> None:
        if name not in self.group.writable:
            if name in self.group.readable:
                raise NotWritable(f"{self.id}: {name} cannot be written")
            raise NoSuchPoint(f"{self.id}: {with_article(self.kind)} has no {name}")
        if not isfinite(value):
            raise OutOfRange(f"{self.id}: {name} must be a finite number, not {value}")
        asked = quantity(name)
        if asked.is_binary and value not in (0.0, 1.0):
            raise OutOfRange(f"{self.id}: {name} is 0 or 1, not {value:g}")
        low, high = self.bounds(name)
        if asked.unit == "enum" and value != round(value):
            raise OutOfRange(f"{self.id}: {name} is a whole number from {low:g} to {high:g}, not {value:g}")
        if not low <= value <= high:
            unit = "" if asked.unit in ("1", "enum") else f" {asked.unit}"
            raise OutOfRange(f"{self.id}: {name} must be from {low:g} to {high:g}{unit}, not {value:g}")

    def _now(self, name: str, value: float) -> float:
        """What the device can follow of a value at present."""
        limits = self.group.spec.limits.get(name)
        if limits is None:
            return value
        if limits.gap is not None:
            low, high = (self.group.limit(bound, self.row) for bound in limits.gap)
            if low < value < high:
                return 0.0
        if limits.now_min is None or limits.now_max is None:
            return value
        low, high = self.group.limit(limits.now_min, self.row), self.group.limit(limits.now_max, self.row)
        return min(max(value, low), high)


def _shown(value: np.float64) -> float:
    """Return a value to be read; adding 0 takes the sign off a 0, for minus nothing is nothing to whoever reads it."""
    return float(value) + 0.0
