"""From true columns to reported ones: what active measurement faults make of them.

A cell is a quantity of one device. Faults of one kind that grip different cells are one layer, and one call of
the kind's function however many they are; faults on the same cell are layers on each other, in the order of their
ids. So a step costs by the layers and not by the faults. With no fault active the reported columns are the true
ones, the same arrays, and no quality exists: off means off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Columns, Floats
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.farm.population import Group, Population


@dataclass(frozen=True, slots=True)
class Misreport:
    """A measurement fault on the devices of one group: its rows there, the quantities, and what these showed."""

    fault: int
    spec: MeasurementFault
    mode: str
    parameters: Any
    start_s: float
    rows: npt.NDArray[np.intp]
    notes: Columns
    """``(rows,)`` by quantity: what was reported when it began."""


class Reports:
    """The reported columns and qualities of every group."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._standing: dict[str, dict[int, Misreport]] = {}
        self._folds: dict[str, _Fold | None] = {}

    def begin(self, group: str, misreport: Misreport) -> None:
        self._standing.setdefault(group, {})[misreport.fault] = misreport
        self._folds[group] = None

    def end(self, group: str, fault: int) -> None:
        del self._standing[group][fault]
        if self._standing[group]:
            self._folds[group] = None
        else:
            del self._standing[group], self._folds[group]

    def report(self, time_s: float) -> None:
        """Make what every group reports of what is true at ``time_s`` [s since the site's start]."""
        for group in self._population:
            if group.name not in self._standing:
                group.reported, group.quality = group.columns, {}
                continue
            fold = self._folds[group.name]
            if fold is None:
                standing = self._standing[group.name]
                fold = self._folds[group.name] = _Fold(group, [standing[fault] for fault in sorted(standing)])
            group.reported, group.quality = fold.reported(group.columns, time_s), dict(fold.quality)


@dataclass(slots=True)
class _Layer:
    """Cells that faults of one kind and mode grip, each at most once."""

    spec: MeasurementFault
    mode: str
    cells: npt.NDArray[np.intp]
    note: Floats
    start_s: Floats
    numbers: Mapping[str, Floats]

    def apply(self, true: Floats, reported: Floats, time_s: float) -> None:
        cells = self.cells
        told = Cells(true[cells], reported[cells], self.note, time_s - self.start_s, self.numbers)
        reported[cells] = self.spec.report(self.mode, told)


class _Fold:
    """All that misreports one group, folded into layers."""

    def __init__(self, group: Group, misreports: Sequence[Misreport]) -> None:
        self._names = [
            q.name for q in group.spec.quantities if any(q.name in misreport.notes for misreport in misreports)
        ]
        self._shape = len(self._names), group.size
        self._place = {name: place for place, name in enumerate(self._names)}
        self._layers = [_laid(each) for each in self._stacked(misreports)]
        self.quality: dict[str, Qualities] = {}
        for misreport in misreports:
            quality = misreport.spec.quality(misreport.mode, misreport.parameters)
            for name in misreport.notes if quality else ():
                marks = self.quality.setdefault(name, np.zeros(group.size, dtype=np.uint8))
                marks[misreport.rows] |= np.uint8(quality)

    def reported(self, columns: Seen, time_s: float) -> Seen:
        true = np.stack([columns[name] for name in self._names])
        reported = true.copy()
        for layer in self._layers:
            layer.apply(true.reshape(-1), reported.reshape(-1), time_s)
        return _Overlaid(columns, dict(zip(self._names, reported, strict=True)))

    def _stacked(self, misreports: Sequence[Misreport]) -> list[list[tuple[Misreport, npt.NDArray[np.intp]]]]:
        """Give each misreport, with its cells, the lowest layer of its kind that is above all its cells have yet."""
        layers: list[list[tuple[Misreport, npt.NDArray[np.intp]]]] = []
        top = np.full(self._shape[0] * self._shape[1], -1)
        for misreport in misreports:
            places = np.array([self._place[name] for name in misreport.notes], dtype=np.intp)
            cells = (places[:, None] * self._shape[1] + misreport.rows).reshape(-1)
            level = int(top[cells].max()) + 1
            while level < len(layers) and not _alike(layers[level][0][0], misreport):
                level += 1
            if level == len(layers):
                layers.append([])
            layers[level].append((misreport, cells))
            top[cells] = level
        return layers


def _alike(one: Misreport, other: Misreport) -> bool:
    return one.spec is other.spec and one.mode == other.mode


def _laid(members: Sequence[tuple[Misreport, npt.NDArray[np.intp]]]) -> _Layer:
    first = members[0][0]
    sizes = [len(cells) for _, cells in members]
    numbers = [first.spec.numbers(each.mode, each.parameters) for each, _ in members]
    return _Layer(
        first.spec,
        first.mode,
        np.concatenate([cells for _, cells in members]),
        np.concatenate([note for each, _ in members for note in each.notes.values()]),
        np.repeat([each.start_s for each, _ in members], sizes),
        {name: np.repeat([each[name] for each in numbers], sizes) for name in numbers[0]},
    )


class _Overlaid(Seen):
    """Columns, some of them replaced."""

    __slots__ = ("_columns", "_others")

    def __init__(self, columns: Seen, others: Columns) -> None:
        self._columns, self._others = columns, others

    def __getitem__(self, name: str) -> Floats:
        found = self._others.get(name)
        return self._columns[name] if found is None else found

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
