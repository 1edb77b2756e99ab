"""What devices of a pool follow of what they were told, where a fault keeps them from following it at once.

Two columns of ``devices.faulty`` say so: ``ignores`` (1 is set-points, 2 commands too) and ``following_s`` (how long a
change takes). What devices were told stays in the pool's columns, and is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, Indices, anywhere, is_nothing
from pilotfarm.emulators.quantities import Quantity, Role

IGNORES, FOLLOWING = "ignores", "following_s"
_EVENLY: Final = ("W", "var", "A", "V", "Hz", "Wh")
_ALL: Final = 2.0


class _Grip(NamedTuple):
    """The ``m`` devices that a fault grips, as the two columns have it."""

    ignores: Floats
    following_s: Floats
    rows: Indices
    """``(m,)``, in their pool."""
    ignored: Bools
    """``(m,)``, whether they follow no set-point."""
    takes_s: Floats
    """``(m,)``, how long a change takes; 0 where none is followed. [s]"""

    @classmethod
    def of(cls, ignores: Floats, following_s: Floats) -> _Grip:
        rows = np.flatnonzero((ignores > 0.0) | (following_s > 0.0))
        ignored = ignores[rows] > 0.0
        return cls(ignores, following_s, rows, ignored, np.where(ignored, 0.0, following_s[rows]))


class _Course(NamedTuple):
    """How what is followed of a set-point moves; arrays are ``(m,)``, of the devices gripped in its last step."""

    grip: _Grip
    told: Floats
    """The pool's column, in that step."""
    value: Floats
    """What is followed."""
    aim: Floats
    """What that goes to."""
    left_s: Floats
    """How long it still takes. [s]"""
    column: Floats
    """``value`` in the pool's column: that itself, where it is followed as it was told."""

    @property
    def rests(self) -> bool:
        """Whether it stays where it is as long as nothing else is told."""
        return not anywhere(self.left_s)


class Following:
    """The set-points and commands of a pool's devices, as they follow them; ``quantities`` are the pool's own.

    A step costs by the devices that a fault grips, and by the set-points that move.
    """

    def __init__(self, quantities: Iterable[Quantity]) -> None:
        own = tuple(quantities)
        self.setpoints = {each.name: each for each in own if each.role is Role.SETPOINT}
        self._enabling = {each.enables for each in self.setpoints.values() if each.enables}
        # A sign of life asks for nothing, and what somebody does at the device is no matter of following.
        asks = (q for q in own if q.role is Role.COMMAND and not q.on_site)
        self._commands = [q.name for q in asks if not q.name.startswith("sesp_")]
        self._grip: _Grip | None = None
        self._courses: dict[str, _Course] = {}

    def followed(self, told: Columns, dt_s: float) -> Columns:
        """Return what is followed in a step of ``dt_s`` [s] in place of what was told, by name.

        What is followed as it was told everywhere is left out. A set-point that is accepted in the step a fault begins
        with is still followed.
        """
        if IGNORES not in told or is_nothing(told[IGNORES], told[FOLLOWING]):
            self._courses.clear()
            return {}
        grip = self._gripped(told[IGNORES], told[FOLLOWING])
        found = {each.name: self._followed(each, told[each.name], grip, dt_s) for each in self.setpoints.values()}
        ignored = grip.rows[grip.ignores[grip.rows] >= _ALL]
        found |= {name: _with(told[name], ignored, 0.0) for name in self._commands if anywhere(told[name])}
        return {name: column for name, column in found.items() if column is not told[name]}

    def _gripped(self, ignores: Floats, following_s: Floats) -> _Grip:
        last = self._grip
        if last is None or last.ignores is not ignores or last.following_s is not following_s:
            self._grip = _Grip.of(ignores, following_s)
        assert self._grip is not None
        return self._grip

    def _followed(self, quantity: Quantity, told: Floats, grip: _Grip, dt_s: float) -> Floats:
        """Return what is followed of a set-point in a step."""
        last = self._courses.get(quantity.name)
        if last is None or last.grip is not grip or last.told is not told or not last.rests:
            self._courses[quantity.name] = last = self._moved(quantity, told, _begun(last, grip, told), dt_s)
        return last.column

    def _moved(self, quantity: Quantity, column: Floats, last: _Course, dt_s: float) -> _Course:
        grip, told = last.grip, column[last.grip.rows]
        left_s = np.where(told != last.aim, grip.takes_s, last.left_s)
        if quantity.unit in _EVENLY or quantity.name.endswith("_frac"):
            moved = last.value + (told - last.value) * (dt_s / np.maximum(left_s, dt_s))
        else:
            at_once = (told > last.value) & (quantity.name in self._enabling)
            moved = np.where(at_once, told, last.value)
        value = np.where(grip.ignored, last.value, np.where(left_s <= dt_s, told, moved))
        aim = np.where(grip.ignored, last.aim, told)
        left_s = np.where(grip.ignored, 0.0, np.maximum(left_s - dt_s, 0.0))
        return _Course(grip, column, value, aim, left_s, _with(column, grip.rows, value))


def _begun(last: _Course | None, grip: _Grip, column: Floats) -> _Course:
    """Return the course of the last step for those gripped now: who was free then has followed what was told."""
    if last is not None and last.grip is grip:
        return last
    value, left_s = column[grip.rows], np.zeros(len(grip.rows))
    aim = value.copy()
    if last is not None:
        _, before, now = np.intersect1d(last.grip.rows, grip.rows, assume_unique=True, return_indices=True)
        value[now], aim[now], left_s[now] = last.value[before], last.aim[before], last.left_s[before]
    return _Course(grip, column, value, aim, left_s, column)


def _with(column: Floats, rows: Indices, values: Floats | float) -> Floats:
    """Return a column with other values in some rows; the same array if these are its own."""
    if not anywhere(column[rows] != values):
        return column
    changed = column.copy()
    changed[rows] = values
    return changed
