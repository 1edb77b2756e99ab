"""Conditions on the columns of a farm: whether they hold as of the last step, and whether they ever can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.population import Rows
from pilotfarm.emulators.farm.reach import out_of_reach
from pilotfarm.emulators.quantities import Quantity, Role, quantity
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
    condition, left = observed.condition, observed.left
    if condition.left.quantity == PRICE:
        return ""
    of = quantity(condition.left.quantity)
    if of.role is Role.COMMAND:
        return f"can never be seen: {of.name} is a command, which falls back to 0 with the step that takes it"
    if condition.left == condition.right and condition.operator in ("<", ">", "!="):
        return f"can never hold: it compares {condition.left} with itself"
    if isinstance(condition.right, float) and not (left.reported and can_be_wrong):
        bounds = list(_bounds(left))
        held = [_met(condition, *each, whole=of.is_binary or of.unit == "enum") for each in bounds]
        if not (any(held) if condition.any_device else all(held)):
            return f"can never hold: {of.name} is {_said(of, *bounds[held.index(False)])}"
        if of.role is Role.RATING and not observed.holds():
            return f"can never hold: {of.name} is on the nameplate and does not change; {observed.seen()}"
    return ""


def _bounds(cells: Cells) -> Iterator[tuple[float, float]]:
    """Yield what a quantity is at least and at most: of a set-point for each device, else once."""
    of = quantity(cells.quantity)
    if of.role is not Role.SETPOINT:
        yield of.min, of.max
        return
    for name, rows in cells.rows.items():
        group = cells.farm.groups[name]
        limits = group.spec.limits.get(of.name)
        moves = limits is not None and any(column in group.writable for column in limits.columns)
        for row in rows.tolist():
            yield (of.min, of.max) if moves else group.bounds(of.name, row)


def _said(of: Quantity, low: float, high: float) -> str:
    """Say what a quantity is at least and at most."""
    if of.is_binary:
        return "0 or 1"
    unit = "" if of.unit in ("1", "enum") else f" {of.unit}"
    whole = "a whole number " if of.unit == "enum" else ""
    return f"{whole}from {low:g} to {high:g}{unit}" if isfinite(low) and isfinite(high) else f"at least {low:g}{unit}"


def _met(condition: Condition, low: float, high: float, *, whole: bool) -> bool:
    """Whether a number from ``low`` to ``high`` meets a comparison, or a whole one of them."""
    numbers = range(int(low), int(high) + 1) if whole else ()
    return any(_possible(condition, each, each) for each in numbers) if whole else _possible(condition, low, high)


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
