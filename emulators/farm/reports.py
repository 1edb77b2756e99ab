"""From true columns to reported ones: what active measurement faults make of them.

A cell is a quantity of one device. Faults of one kind are one layer, and one call of the kind's function however many
they are, as long as no other kind stands between them on a cell: there, layers stand on each other in the order of
the faults' ids. So a step costs by the layers and not by the faults. With no fault active the reported columns are
the true ones, the same arrays, and no quality exists: off means off.

What faults draw is by the cell's own key, and by how many of their kind are below them on that cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Columns, Floats, Indices, finite
from pilotfarm.emulators.columns.views import Overlaid, Seen
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.farm.population import Group, Population
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.profiles.draws import key_of

REPORTED_MAX: Final = float(np.finfo(np.float32).max)
"""The largest value that can be reported: that of a short floating point number (IEC 60870-5-101, 7.2.6.8).

One beyond it is reported as infinite, and said to overflow and to be invalid.
"""
_OVERFLOW: Final = Quality.OVERFLOW | Quality.INVALID


@dataclass(frozen=True, slots=True)
class Misreport:
    """A measurement fault on the devices of one group: its rows there, the quantities, and what these showed."""

    fault: int
    spec: MeasurementFault
    mode: str
    parameters: Any
    start_s: float
    ramp_s: float
    """Over which the value goes from right to wrong."""
    rows: Indices
    notes: Columns
    """``(rows,)`` by quantity: what was reported when it began."""
    reads: Mapping[str, str]
    """The same quantities -> whose value each shows: its own, as a rule."""


def gripped(group: Group, spec: MeasurementFault, mode: str, globs: Sequence[str]) -> Mapping[str, str]:
    """Return which quantities of a group a fault grips, all it can where no glob names any, and whose value each shows.

    One is gripped too where a glob names the other whose value it shows.
    """
    reads = spec.reads(mode, group.spec.quantities)
    return {
        name: read
        for name, read in reads.items()
        if not globs or any(fnmatchcase(each, glob) for each in (name, read) for glob in globs)
    }


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
        """End what a fault misreports of a group, if it does."""
        if self._standing.get(group, {}).pop(fault, None) is None:
            return
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
            group.reported, group.quality = fold.report(group.columns, time_s)


class _Layer:
    """Cells that faults of one kind and mode grip, each cell as one fault.

    While it is laid its arrays have a place for every cell there is, afterwards for those that are gripped.
    """

    def __init__(self, misreport: Misreport, cells: int) -> None:
        self.spec, self.mode = misreport.spec, misreport.mode
        self.gripped = np.zeros(cells, dtype=bool)
        self.ramps = misreport.ramp_s > 0.0
        self.moves = False
        """Whether a cell shows what another has."""
        self.cells, self.read = np.zeros(0, dtype=np.intp), np.arange(cells)
        self._note, self._start_s, self._ramp_s = np.zeros(cells), np.zeros(cells), np.zeros(cells)
        self._keys, self._counts = np.zeros(cells, dtype=np.uint64), np.zeros(0, dtype=bool)
        self._numbers = {name: np.zeros(cells) for name in self._numbers_of(misreport)}

    def takes(self, misreport: Misreport) -> bool:
        """Whether it is of the misreport's kind."""
        same = self.spec is misreport.spec and self.mode == misreport.mode
        return same and self.ramps == (misreport.ramp_s > 0.0)

    def lay(self, misreport: Misreport, cells: Indices, read: Indices, keys: Keys) -> None:
        """Let a misreport grip cells, each showing what it makes of the one ``read`` for it.

        Where one is gripped already, it is as one after the other.
        """
        numbers = {name: np.full(len(cells), value) for name, value in self._numbers_of(misreport).items()}
        then, both = self.spec.then, self.gripped[cells]
        if then is not None and both.any():
            combined = then(
                {name: held[cells[both]] for name, held in self._numbers.items()},
                {name: number[both] for name, number in numbers.items()},
                misreport.start_s - self._start_s[cells[both]],
            )
            for name, number in numbers.items():
                number[both] = combined[name]
        for name, number in numbers.items():
            self._numbers[name][cells] = number
        self._note[cells] = np.concatenate(list(misreport.notes.values()))
        self._start_s[cells], self._ramp_s[cells] = misreport.start_s, misreport.ramp_s
        self._keys[cells], self.read[cells] = keys, read
        self.moves |= bool((read != cells).any())
        self.gripped[cells] = True

    def finish(self, counts: npt.NDArray[np.bool_]) -> None:
        """Keep the cells that are gripped; ``counts`` says of every cell whether it is a total."""
        self.cells = np.flatnonzero(self.gripped)
        self._note, self._start_s = self._note[self.cells], self._start_s[self.cells]
        self._ramp_s = self._ramp_s[self.cells]
        self._keys, self.read, self._counts = self._keys[self.cells], self.read[self.cells], counts[self.cells]
        self._numbers = {name: number[self.cells] for name, number in self._numbers.items()}

    def apply(self, true: Floats, reported: Floats, time_s: float) -> None:
        """Report what it makes of what is reported below it; ``true`` is what is true of the cells it reads."""
        below, elapsed_s = reported[self.read], time_s - self._start_s
        told = Cells(
            true,
            below,
            self._note,
            elapsed_s,
            self._numbers,
            self._keys,
            time_s,
            self._counts,
        )
        # Finite, so that what stands above has a number to begin with: infinity times nothing is none.
        made = finite(self.spec.report(self.mode, told))
        if self.ramps:
            share = np.minimum(elapsed_s / self._ramp_s, 1.0)
            made = (1.0 - share) * reported[self.cells] + share * made
        reported[self.cells] = made

    def _numbers_of(self, misreport: Misreport) -> Mapping[str, float]:
        return misreport.spec.numbers(misreport.mode, misreport.parameters)


class _Fold:
    """All that misreports one group, folded into layers."""

    def __init__(self, group: Group, misreports: Sequence[Misreport]) -> None:
        touched = {name for misreport in misreports for name in misreport.reads}
        self._names = [q.name for q in group.spec.quantities if q.name in touched]
        self._size = group.size
        self._place = {name: number * self._size for number, name in enumerate(self._names)}
        self._keys = np.concatenate(
            [group.layout.keys ^ np.uint64(key_of(0, "reported", name)) for name in self._names], dtype=np.uint64
        )
        self._layers = self._laid(misreports)
        self._gripped = np.unique(np.concatenate([layer.cells for layer in self._layers]))
        self.quality: dict[str, Qualities] = {}
        for misreport in misreports:
            self._mark(misreport)
        self.quality = {name: marks for name, marks in self.quality.items() if marks.any()}

    def report(self, columns: Seen, time_s: float) -> tuple[Seen, dict[str, Qualities]]:
        reported = np.stack([columns[name] for name in self._names])
        cells = reported.reshape(-1)
        for layer, true in [(layer, cells[layer.read]) for layer in self._layers]:
            layer.apply(true, cells, time_s)
        quality = dict(self.quality)
        beyond = self._gripped[np.abs(cells[self._gripped]) > REPORTED_MAX]
        if len(beyond):
            cells[beyond] = np.copysign(np.inf, cells[beyond])
            marks = np.zeros(reported.shape, dtype=np.uint8)
            marks.reshape(-1)[beyond] = _OVERFLOW
            for place in np.flatnonzero(marks.any(axis=1)):
                name = self._names[place]
                quality[name] = marks[place] | quality.get(name, np.uint8(0))
        return Overlaid(columns, dict(zip(self._names, reported, strict=True))), quality

    def _mark(self, misreport: Misreport) -> None:
        """Let a misreport say what is known of its values; what is known of a value goes where that is shown."""
        own = np.uint8(misreport.spec.quality(misreport.mode, misreport.parameters))
        good = np.zeros(self._size, dtype=np.uint8)
        marks = {name: self.quality.get(read, good)[misreport.rows] | own for name, read in misreport.reads.items()}
        for name, each in marks.items():
            self.quality.setdefault(name, good.copy())[misreport.rows] = each

    def _laid(self, misreports: Sequence[Misreport]) -> list[_Layer]:
        """Lay each misreport on the lowest layer of its kind that is above all that its cells have yet.

        Where that is the topmost layer of its cells itself, those of its kind are one.
        """
        layers: list[_Layer] = []
        top = np.full(len(self._keys), -1)
        for misreport in misreports:
            spec, ramps = misreport.spec, misreport.ramp_s > 0.0
            cells, read = self._cells(misreport, misreport.notes), self._cells(misreport, misreport.reads.values())
            level = int(top[cells].max())
            joins = not ramps and (spec.replaces or spec.then is not None)
            if level < 0 or not (joins and layers[level].takes(misreport)):
                level += 1
            while level < len(layers) and not layers[level].takes(misreport):
                level += 1
            if level == len(layers):
                layers.append(_Layer(misreport, len(top)))
            if spec.replaces and not ramps:
                _drop(layers[:level], cells)
            below = np.zeros(len(cells), dtype=np.uint64)
            for layer in layers[:level]:
                below += layer.gripped[cells] & (layer.spec is spec)
            layers[level].lay(misreport, cells, read, self._keys[cells] + below)
            top[cells] = level
        layers = [layer for layer in layers if layer.gripped.any()]
        counts = np.repeat([quantity(name).role is Role.TOTAL for name in self._names], self._size)
        for layer in layers:
            layer.finish(counts)
        return layers

    def _cells(self, misreport: Misreport, names: Iterable[str]) -> Indices:
        return np.concatenate([self._place[name] + misreport.rows for name in names])


def _drop(layers: Sequence[_Layer], cells: Indices) -> None:
    """Take cells out of layers that no longer matter to them; what another cell may show of them still does."""
    for layer in reversed(layers):
        layer.gripped[cells] = False
        if layer.moves:
            break
