"""A series as the farm follows it: the values of a step.

A value holds from its instant until the next, the last one for an interval. Where a series ends, and before it
begins, it says nothing; or it goes round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.profiles.draws import Floats

Gaps: TypeAlias = Literal["refuse", "hold", "interpolate", "zero", "model"]
"""Refused; the last value before, or the first after none; a line between the two; 0; what the model says."""
Resample: TypeAlias = Literal["mean", "hold", "interpolate"]
"""Of a step: the mean over it; the value at its end; at its end on a line between two values."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a file is to be read; without ``time`` its first column has the times."""

    path: Path
    time: str | None = None
    zone: str | None = None
    repeats: bool = False
    gaps: Gaps = "refuse"
    resample: Resample = "mean"
    decimal: str = "."
    time_format: str | None = None
    """Of times that are not as ISO 8601 has them, in the words of ``datetime.strptime``."""
    stamp: Literal["begin", "end"] = "begin"
    """Which end of its interval a time stands for."""


@dataclass(frozen=True, eq=False)
class Series:
    """Columns over time: ``values`` ``(rows, columns)``, each row from one of the ``rows + 1`` edges to the next.

    Edges in seconds since 1970 UTC. NaN is where a series says nothing.
    """

    file: Path
    names: tuple[str, ...]
    edges_s: Floats
    values: Floats
    interval_s: float
    repeats: bool
    resample: Resample
    place: Callable[[int], tuple[int, str]]
    """From a row of values to its line in the file, and what names it in a message where that is 0."""

    @cached_property
    def lowest(self) -> Floats:
        """Of each column."""
        return np.asarray(np.fmin.reduce(self.values))

    @cached_property
    def highest(self) -> Floats:
        return np.asarray(np.fmax.reduce(self.values))

    @property
    def begin_s(self) -> float:
        return float(self.edges_s[0])

    @property
    def end_s(self) -> float:
        return float(self.edges_s[-1])


class Replayed:
    """Some columns of a series in the unit of who follows them: ``value * gain + shift``, of each device.

    ``columns`` says which column each device has; ``gain`` is a number, or one a device.
    """

    def __init__(
        self, series: Series, columns: npt.NDArray[np.intp], gain: Floats | float = 1.0, shift: float = 0.0
    ) -> None:
        self.series = series
        self._gain, self._shift = gain, shift
        alike = len(columns) == len(series.names) and bool((columns == np.arange(len(columns))).all())
        self._columns = slice(None) if alike else columns
        self._nothing = np.full(len(columns), np.nan)
        self._kept: tuple[int, Floats] | None = None

    def at(self, end_s: float, dt_s: float) -> Floats:
        """Return the values of the step of ``dt_s`` that ends at ``end_s`` [s since 1970 UTC], ``(devices,)``.

        NaN where the series says nothing, be it for a part of the step. It is the same array until a value moves.
        """
        series = self.series
        if series.resample == "mean":
            return self._mean(end_s - dt_s, end_s)
        time_s = self._within(end_s)
        if time_s is None:
            return self._nothing
        row = int(series.edges_s.searchsorted(time_s, side="right")) - 1
        return self._row(row) if series.resample == "hold" else self._between(row, time_s)

    def between(self, begin_s: float, end_s: float) -> tuple[Floats, Floats]:
        """Return what the series has between two instants: for how long [s], and the values ``(values, devices)``."""
        if not self.series.repeats:
            begin_s, end_s = max(begin_s, self.series.begin_s), min(end_s, self.series.end_s)
        spans = list(self._spans(begin_s, end_s))
        if not spans:
            return np.zeros(0), np.zeros((0, len(self._nothing)))
        values = np.concatenate([self.series.values[rows] for rows, _ in spans])
        return np.concatenate([lasts_s for _, lasts_s in spans]), self._scaled(values)

    def _within(self, time_s: float) -> float | None:
        """Return where in the series an instant lies; ``None`` for nowhere."""
        series = self.series
        if series.repeats:
            return series.begin_s + (time_s - series.begin_s) % (series.end_s - series.begin_s)
        return time_s if series.begin_s <= time_s < series.end_s else None

    def _row(self, row: int) -> Floats:
        if self._kept is None or self._kept[0] != row:
            self._kept = row, self._scaled(self.series.values[row])
        return self._kept[1]

    def _scaled(self, values: Floats) -> Floats:
        return np.asarray(values[..., self._columns] * self._gain + self._shift)

    def _between(self, row: int, time_s: float) -> Floats:
        series = self.series
        last = len(series.values) - 1
        after = row + 1 if row < last else 0 if series.repeats else last
        share = (time_s - series.edges_s[row]) / (series.edges_s[row + 1] - series.edges_s[row])
        low, high = series.values[row], series.values[after]
        return self._scaled(low + share * (high - low))

    def _mean(self, begin_s: float, end_s: float) -> Floats:
        spans = list(self._spans(begin_s, end_s))
        if not spans:
            return self._nothing
        (rows, weights), *more = spans
        if not more and len(weights) == 1:
            return self._row(rows.start)
        total = sum(weights @ self.series.values[rows] for rows, weights in spans)
        return self._scaled(np.asarray(total) / (end_s - begin_s))

    def _spans(self, begin_s: float, end_s: float) -> Iterator[tuple[slice, Floats]]:
        """Yield the rows that a step touches and for how long each, round by round; nothing if it leaves the series."""
        edges_s, first_s = self.series.edges_s, self.series.begin_s
        period_s = self.series.end_s - first_s
        if not self.series.repeats and not first_s <= begin_s <= end_s <= self.series.end_s:
            return
        begin_round = int((begin_s - first_s) // period_s) if self.series.repeats else 0
        end_round = int((end_s - first_s) // period_s) if self.series.repeats else 0
        for each in range(begin_round, end_round + 1):
            from_s = max(begin_s - each * period_s, first_s)
            until_s = min(end_s - each * period_s, self.series.end_s)
            begin = int(edges_s.searchsorted(from_s, side="right")) - 1
            end = int(edges_s.searchsorted(until_s, side="left"))
            if from_s < until_s:
                yield slice(begin, end), np.diff(np.clip(edges_s[begin : end + 1], from_s, until_s))
