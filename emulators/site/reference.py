"""One thing that is replayed: whose it is, which columns of a file it has, and which values it can have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices
from pilotfarm.emulators.contracts.replay import REPLAYABLE, Replayable, Unit
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.replay_model import ReplayTable
from pilotfarm.profiles.series import Series, Stays
from pilotfarm.profiles.series.told import LOOKED_AT, Mistake, at_most

_PLACEHOLDERS: Final = ("{device}", "{number}")
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that is replayed: for the devices of a group, or for the site, which is one device without a name."""

    path: Path
    group: str
    what: str
    table: ReplayTable
    devices: tuple[str, ...]
    most: Floats
    """The largest value of each device, infinite where nothing bounds it."""

    @property
    def replayable(self) -> Replayable:
        return REPLAYABLE[self.what]

    @property
    def unit(self) -> Unit:
        return self.replayable.units[self.table.unit]

    def column_of(self, number: int) -> str:
        """Return the column of a device, counted from 1."""
        column = self.table.column
        assert column is not None, "checked before"
        if not isinstance(column, str):
            return column[number - 1]
        return column.replace("{device}", self.devices[number - 1]).replace("{number}", str(number))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(map(self.column_of, range(1, len(self.devices) + 1)))

    def gain(self, interval_s: float) -> Floats | float:
        """Return by what numbers of the file are multiplied, which hold for ``interval_s``."""
        if self.unit.of_interval:
            return self.unit.gain * 3_600.0 / interval_s
        return self.unit.gain * self.most if self.unit.of_rating else self.unit.gain

    def of_nobody(self, there: Sequence[str]) -> list[str]:
        """Return columns of a file that are named as those of devices are, and are of none."""
        column = self.table.column
        if not isinstance(column, str) or not any(each in column for each in _PLACEHOLDERS):
            return []
        pattern = re.escape(column).replace(re.escape("{device}"), rf"{re.escape(self.group)}-\d+")
        named = re.compile(pattern.replace(re.escape("{number}"), r"\d+"))
        ours = set(self.columns)
        return [each for each in there if each not in ours and named.fullmatch(each)]

    def _bounds(self) -> tuple[Floats, Floats]:
        kind, reach = self.replayable, self.unit.reach
        least = np.where(np.isinf(self.most), -inf, kind.min_share * self.most)
        return np.maximum(least, kind.min * reach), np.minimum(self.most, kind.max * reach)

    def impossible(self, series: Series, columns: Indices) -> list[Mistake]:
        """Return values that devices cannot have: their unit is another, or a rating."""
        least, most = self._bounds()
        gain, shift = self.gain(series.interval_s), self.unit.shift
        lowest, highest = (np.asarray(each)[columns] * gain + shift for each in (series.lowest, series.highest))
        slack = _ROUNDING * np.maximum(np.abs(np.where(np.isinf(most), 0.0, most)), 1.0)
        over, under = highest > most + slack, lowest < least - slack
        wrong = (over | under).nonzero()[0]
        mistakes = []
        for row in wrong[:LOOKED_AT].tolist():
            values = series.values[:, columns[row]] * (gain[row] if isinstance(gain, np.ndarray) else gain) + shift
            beyond = values > most[row] + slack[row] if over[row] else values < least[row] - slack[row]
            at = int(beyond.argmax())
            line, said = series.place(at)
            bound = f"at most {self._said(most[row])}" if over[row] else f"at least {self._said(least[row])}"
            mistakes.append(
                Mistake(
                    line,
                    f"{said}{series.names[columns[row]]}: {self.what}{self._whose(row)} would be "
                    f"{self._said(values[at])}, and {bound} is possible{self._why(row)}"
                    + self._other_unit(max(abs(highest[row]), abs(lowest[row])), most[row]),
                )
            )
        return at_most(mistakes, len(wrong))

    def impossible_visits(self, stays: Stays) -> list[Mistake]:
        """Return visits in which a point could not give the energy."""
        power_w, most_w = stays.energy_wh / (stays.leave_s - stays.arrive_s) * 3_600.0, self.most[stays.point]
        beyond = np.flatnonzero(power_w > most_w * (1.0 + _ROUNDING))
        mistakes = []
        for row in beyond[:LOOKED_AT].tolist():
            line, said = stays.place(row)
            told = (
                f"{said}{self.devices[stays.point[row]]} would charge {stays.energy_wh[row]:,.6g} Wh with "
                f"{power_w[row]:,.6g} W on average, and at most {most_w[row]:,.6g} W is possible by its ratings"
            )
            mistakes.append(Mistake(line, told))
        return at_most(mistakes, len(beyond))

    def _said(self, value: float) -> str:
        unit = self.unit.currency or self.replayable.unit
        return f"{value:,.6g} {unit}" + (f" {self.replayable.unit}" if self.unit.currency else "")

    def _whose(self, row: int) -> str:
        return f" of {self.devices[row]}" if self.group else ""

    def _why(self, row: int) -> str:
        return " by its ratings" if isfinite(self.most[row]) else ""

    def _other_unit(self, reach: float, most: float) -> str:
        """Say in which other unit values that come to ``reach`` would be possible."""
        used = self.unit
        if used.of_rating or used.shift:
            return ""
        fitting = [
            name
            for name, unit in self.replayable.units.items()
            if not unit.of_rating and unit.of_interval == used.of_interval and not unit.shift
            if unit.currency == used.currency and unit.gain < used.gain and reach * unit.gain / used.gain <= most
        ]
        return f"; are the numbers in {' or '.join(fitting)}?" if fitting else ""
