"""What devices of a pool follow of what they were told, where a fault keeps them from following it at once.

Two columns of ``devices.faulty`` say so: ``ignores`` (1 is set-points, 2 commands too) and ``following_s`` (how long a
change takes). What devices were told stays in the pool's columns, and is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, is_nothing
from pilotfarm.emulators.quantities import Quantity, Role

IGNORES, FOLLOWING = "ignores", "following_s"
_EVENLY: Final = ("W", "var", "A", "V", "Hz", "Wh")
_ALL: Final = 2.0


class _Course(NamedTuple):
    """How what is followed of a set-point moves: what it is, what it goes to, and how long that still takes."""

    value: Floats
    aim: Floats
    left_s: Floats


class Following:
    """The set-points and commands of a pool's devices, as they follow them; ``quantities`` are the pool's own."""

    def __init__(self, quantities: Iterable[Quantity]) -> None:
        own = tuple(quantities)
        self.setpoints = {each.name: each for each in own if each.role is Role.SETPOINT}
        self._enabling = {each.enables for each in self.setpoints.values() if each.enables}
        # A sign of life asks for nothing.
        self._commands = [q.name for q in own if q.role is Role.COMMAND and not q.name.startswith("sesp_")]
        self._courses: dict[str, _Course] = {}
        self._gripped: Bools | None = None

    def followed(self, told: Columns, dt_s: float) -> Columns:
        """Return what is followed in a step of ``dt_s`` [s] in place of what was told, by name.

        What is followed as it was told everywhere is left out. A set-point that is accepted in the step a fault begins
        with is still followed.
        """
        if IGNORES not in told or is_nothing(told[IGNORES], told[FOLLOWING]):
            self._gripped = None
            self._courses.clear()
            return {}
        ignores = told[IGNORES] > 0.0
        gripped = ignores | (told[FOLLOWING] > 0.0)
        held = gripped if self._gripped is None else gripped & self._gripped
        self._gripped = gripped
        found = {
            each.name: self._moved(each, told[each.name], ignores, np.where(ignores, 0.0, told[FOLLOWING]), held, dt_s)
            for each in self.setpoints.values()
        }
        ignored = told[IGNORES] >= _ALL
        found |= {name: np.where(ignored, 0.0, told[name]) for name in self._commands if anywhere(told[name])}
        return {name: values for name, values in found.items() if anywhere(values != told[name])}

    def _moved(
        self, quantity: Quantity, told: Floats, ignores: Bools, takes_s: Floats, held: Bools, dt_s: float
    ) -> Floats:
        """Return what is followed of a set-point in a step; ``held`` is where it was not free in the step before."""
        last = self._courses.get(quantity.name, _Course(told, told, told))
        value, aim = np.where(held, last.value, told), np.where(held, last.aim, told)
        left_s = np.where(told != aim, takes_s, np.where(held, last.left_s, 0.0))
        if quantity.unit in _EVENLY or quantity.name.endswith("_frac"):
            moved = value + (told - value) * (dt_s / np.maximum(left_s, dt_s))
        else:
            at_once = (told > value) & (quantity.name in self._enabling)
            moved = np.where(at_once, told, value)
        moved = np.where(ignores, value, np.where(left_s <= dt_s, told, moved))
        self._courses[quantity.name] = _Course(
            moved, np.where(ignores, aim, told), np.where(ignores, 0.0, np.maximum(left_s - dt_s, 0.0))
        )
        return moved
