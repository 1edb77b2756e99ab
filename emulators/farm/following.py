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


class _Course(NamedTuple):
    """How what ``m`` devices follow of ``k`` set-points moves, ``(k, m)`` each.

    ``value`` is what is followed, ``aim`` what it goes to, and ``left_s`` how long that still takes [s].
    """

    rows: Indices
    """``(m,)``, of the devices in their pool."""
    value: Floats
    aim: Floats
    left_s: Floats


class Following:
    """The set-points and commands of a pool's devices, as they follow them; ``quantities`` are the pool's own.

    A step costs by the devices that a fault grips, and not by those of the pool.
    """

    def __init__(self, quantities: Iterable[Quantity]) -> None:
        own = tuple(quantities)
        self.setpoints = {each.name: each for each in own if each.role is Role.SETPOINT}
        enabling = {each.enables for each in self.setpoints.values() if each.enables}
        self._evenly = _each(q.unit in _EVENLY or q.name.endswith("_frac") for q in self.setpoints.values())
        self._enables = _each(name in enabling for name in self.setpoints)
        # A sign of life asks for nothing.
        self._commands = [q.name for q in own if q.role is Role.COMMAND and not q.name.startswith("sesp_")]
        self._course: _Course | None = None

    def followed(self, told: Columns, dt_s: float) -> Columns:
        """Return what is followed in a step of ``dt_s`` [s] in place of what was told, by name.

        What is followed as it was told everywhere is left out. A set-point that is accepted in the step a fault begins
        with is still followed.
        """
        if IGNORES not in told or is_nothing(told[IGNORES], told[FOLLOWING]):
            self._course = None
            return {}
        rows = np.flatnonzero((told[IGNORES] > 0.0) | (told[FOLLOWING] > 0.0))
        found = dict(zip(self.setpoints, self._moved(told, rows, dt_s), strict=True)) if self.setpoints else {}
        ignored = told[IGNORES][rows] >= _ALL
        found |= {name: np.where(ignored, 0.0, told[name][rows]) for name in self._commands if anywhere(told[name])}
        return {
            name: _with(told[name], rows, values)
            for name, values in found.items()
            if anywhere(values != told[name][rows])
        }

    def _moved(self, columns: Columns, rows: Indices, dt_s: float) -> Floats:
        """Return what devices follow of every set-point in a step, ``(k, m)``."""
        told = np.stack([columns[name][rows] for name in self.setpoints])
        ignores = columns[IGNORES][rows] > 0.0
        last = self._begun(rows, told)
        left_s = np.where(told != last.aim, np.where(ignores, 0.0, columns[FOLLOWING][rows]), last.left_s)
        evenly = last.value + (told - last.value) * (dt_s / np.maximum(left_s, dt_s))
        at_once = self._enables & (told > last.value)
        moved = np.where(self._evenly, evenly, np.where(at_once, told, last.value))
        value = np.where(ignores, last.value, np.where(left_s <= dt_s, told, moved))
        aim = np.where(ignores, last.aim, told)
        self._course = _Course(rows, value, aim, np.where(ignores, 0.0, np.maximum(left_s - dt_s, 0.0)))
        return value

    def _begun(self, rows: Indices, told: Floats) -> _Course:
        """Return the course of the last step; devices that were free then have followed what they were told."""
        last = self._course
        if last is not None and np.array_equal(rows, last.rows):
            return last
        begun = _Course(rows, told.copy(), told.copy(), np.zeros(told.shape))
        if last is not None:
            _, before, now = np.intersect1d(last.rows, rows, assume_unique=True, return_indices=True)
            for new, old in zip(begun[1:], last[1:], strict=True):
                new[:, now] = old[:, before]
        return begun


def _each(which: Iterable[bool]) -> Bools:
    """Return something of every set-point, ``(k, 1)``."""
    return np.array(list(which), dtype=bool)[:, np.newaxis]


def _with(column: Floats, rows: Indices, values: Floats) -> Floats:
    """Return a column with other values in some rows."""
    changed = column.copy()
    changed[rows] = values
    return changed
