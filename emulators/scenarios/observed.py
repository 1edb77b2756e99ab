"""Conditions on the columns of a farm: whether they hold as of the last step, and whether they ever can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.population import Rows
from pilotfarm.emulators.farm.reach import out_of_reach
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.scenarios.words import Condition, Watch

PRICE: Final = "price_per_mwh"
"""Of energy at a device, in the site's currency: no quantity of the device, and so only true."""
REACHED: Final = "online"
"""Reported as 0 of a device off the network: masters get no answer."""

_COMPARE: Final[Mapping[str, Callable[[Floats, Floats, float], npt.NDArray[np.bool_]]]] = {
    "<": lambda left, right, by: left < right,
    "<=": lambda left, right, by: left <= right,
    ">": lambda left, right, by: left > right,
    ">=": lambda left, right, by: left >= right,
    "==": lambda left, right, by: np.abs(left - right) <= by,
    "!=": lambda left, right, by: np.abs(left - right) > by,
}


@dataclass(frozen=True, slots=True)
class Cells:
    """A quantity of some devices, true or reported."""

    farm: Farm
    rows: Rows
    quantity: str
    reported: bool

    def values(self) -> Floats:
        """Return the values ``(devices,)`` as of the last step; one that cannot be said is not finite."""
        if self.quantity == PRICE:
            return np.concatenate([self._prices(name)[rows] for name, rows in self.rows.items()])
        found = [
            (self.farm.groups[name].reported if self.reported else self.farm.groups[name].columns)[self.quantity][rows]
            for name, rows in self.rows.items()
        ]
        values = np.concatenate(found) + 0.0
        if self.reported and self.quantity == REACHED:
            gone = out_of_reach(self.farm.faults, self.farm.population)
            if gone:
                places = [(name, row) for name, rows in self.rows.items() for row in rows.tolist()]
                values[[place in gone for place in places]] = 0.0
        return values

    def _prices(self, group: str) -> Floats:
        prices = self.farm.world.prices_of(group)
        return np.full(self.farm.groups[group].size, np.nan) if prices is None else prices[0]

    def device(self, number: int) -> str:
        return self.farm.population.ids(self.rows)[number]

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


@dataclass(frozen=True, slots=True)
class Observed:
    """A condition, and the cells it looks at."""

    watch: Watch
    left: Cells
    right: Cells | None
    line: int

    @property
    def condition(self) -> Condition:
        return self.watch.condition

    def holds(self) -> bool:
        """Whether it holds as of the last step; with a value that cannot be said no comparison does."""
        held = self._held()
        return bool(held.any() if self.condition.any_device else held.all())

    def seen(self) -> str:
        """Say what decides it now: the value of the first device that does not meet it, of any the first that does."""
        held, left = self._held(), self.left.values()
        number = int(np.argmax(held) if self.condition.any_device else np.argmin(held))
        said = f"{self.left.device(number)} has {_number(left[number])}"
        if self.right is not None:
            right = self.right.values()
            said += f", {self.condition.right} is {_number(right[number if len(right) > 1 else 0])}"
        if len(held) > 1:
            said += f"; it holds for {int(held.sum())} of {len(held)}"
        return said

    def _held(self) -> Bools:
        left = self.left.values()
        right = np.array([self.condition.right]) if self.right is None else self.right.values()
        right = np.broadcast_to(right, left.shape).astype(np.float64)
        known = np.isfinite(left) & np.isfinite(right)
        held = np.zeros(len(left), dtype=bool)
        compare = _COMPARE[self.condition.operator]
        held[known] = compare(left[known], right[known], self.condition.tolerance)
        return held


def _number(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else "no value"


def never(observed: Observed, can_be_wrong: bool) -> str:
    """Say why a condition can hold at no time, or nothing; ``can_be_wrong``: reported values may be beyond bounds."""
    condition = observed.condition
    if condition.left.quantity == PRICE:
        return ""
    of = quantity(condition.left.quantity)
    if of.role is Role.COMMAND:
        return f"can never be seen: {of.name} is a command, which falls back to 0 with the step that takes it"
    if isinstance(condition.right, float) and not (observed.left.reported and can_be_wrong):
        low, high = of.min, of.max
        if of.is_binary and not _possible(condition, 0.0, 0.0) and not _possible(condition, 1.0, 1.0):
            return f"can never hold: {of.name} is 0 or 1"
        if not _possible(condition, low, high):
            unit = "" if of.unit in ("1", "enum", "bool") else f" {of.unit}"
            bounds = f"from {low:g} to {high:g}" if isfinite(low) and isfinite(high) else f"at least {low:g}"
            return f"can never hold: {of.name} is {bounds}{unit}"
        if of.role is Role.RATING and not observed.holds():
            return f"can never hold: {of.name} is on the nameplate and does not change; {observed.seen()}"
    return ""


def _possible(condition: Condition, low: float, high: float) -> bool:
    """Whether a number from ``low`` to ``high`` meets a comparison."""
    assert isinstance(condition.right, float)
    value, by = condition.right, condition.tolerance
    return {
        "<": low < value,
        "<=": low <= value,
        ">": high > value,
        ">=": high >= value,
        "==": low - by <= value <= high + by,
        "!=": abs(low - value) > by or abs(high - value) > by,
    }[condition.operator]
