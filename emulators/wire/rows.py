"""From columns to the bytes masters ask for, column by column.

A row of bytes belongs to one device. A ``Field`` says where in every row a value stands, of what
type, and which ``Source`` it comes from; ``Rows.encode`` writes one field of all devices with one
NumPy assignment, through a strided view into one contiguous array. Reading is a slice of a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import AtRow
from pilotfarm.emulators.wire.sources import Source


@dataclass(frozen=True, slots=True)
class Field:
    """A value's place in a row.

    ``dtype`` is a NumPy type with its byte order (``">u2"``, ``"<f4"``, ``"u1"``); ``missing`` is
    what NaN becomes in an integer type (the map's own not-implemented value). Where that is the end of the type's
    range, no other value comes to it: one beyond the range saturates beside it. ``highest`` is the largest number,
    where that is less than the type holds: what stands above it in the octet is not the value's.
    """

    offset: int
    dtype: str
    source: Source
    missing: int = 0
    highest: float = np.inf


_BLOCK_VALUES: Final = 32_768
"""Values rounded and bounded in one go: a block of them stays in the processor's cache."""
_FIRST: Final = 16
"""Values of a column that are looked at before the rest: one that moved mostly did in one of them."""


_SATURATING: Final = np.errstate(over="ignore", invalid="ignore")
"""A fault may have a device report what no wire value holds, up to infinity: what comes of that is a limit or NaN."""


@dataclass(slots=True)
class _Place:
    """A field of all rows: what it is made of, and where its wire values go."""

    source: Source
    quantities: frozenset[str]
    view: npt.NDArray[np.generic]
    low: float
    high: float
    missing: int


class Rows:
    """The bytes of ``n`` devices, shape ``(n, len(template))``, refreshed field by field.

    A field is written again only when one of its source's columns is another array than before, so a
    column must never be changed in place once it has been encoded.
    """

    __slots__ = ("_block", "_bounds", "_floats", "_integers", "_seen", "data", "n")

    def __init__(self, n: int, template: bytes, fields: Sequence[Field]) -> None:
        width = len(template)
        self.n = n
        self.data = np.tile(np.frombuffer(template, dtype=np.uint8), (n, 1))
        self._floats: list[_Place] = []
        self._integers: list[_Place] = []
        for each in fields:
            dtype = np.dtype(each.dtype)
            assert each.offset + dtype.itemsize <= width, f"{each} ends beyond the row's {width} bytes"
            view = np.ndarray((n,), dtype, self.data, each.offset, (width,))
            low, high = (-np.inf, np.inf) if dtype.kind == "f" else _bounds(dtype, each.missing)
            high = min(high, each.highest)
            place = _Place(each.source, frozenset(each.source.quantities), view, low, high, each.missing)
            (self._floats if dtype.kind == "f" else self._integers).append(place)
        self._seen: dict[str, Floats | None] = {
            name: None for place in (*self._floats, *self._integers) for name in place.quantities
        }
        deep = min(max(1, _BLOCK_VALUES // n), max(1, len(self._integers)))
        self._block = np.empty((deep, n))
        self._bounds = np.array([(each.low, each.high) for each in self._integers]).reshape(-1, 2)

    @_SATURATING
    def encode(self, columns: Mapping[str, Floats]) -> None:
        """Write every field that may have moved; integers are rounded and saturate, NaN becomes ``missing``."""
        current = {name: columns[name] for name in self._seen}
        moved = {name for name, column in self._seen.items() if not _alike(current[name], column)}
        for place in self._floats:
            if not moved.isdisjoint(place.quantities):
                place.view[...] = place.source.of(current)
        numbers = [k for k, place in enumerate(self._integers) if not moved.isdisjoint(place.quantities)]
        deep = len(self._block)
        for start in range(0, len(numbers), deep):
            self._encode_integers(numbers[start : start + deep], current)
        self._seen.update(current)

    @_SATURATING
    def encode_row(self, columns: Mapping[str, Floats], row: int, names: Collection[str]) -> None:
        """Write the fields of some quantities in one row; the next ``encode`` writes them again in all rows."""
        of_row = AtRow(columns, row)
        for place in self._floats:
            if not place.quantities.isdisjoint(names):
                place.view[row : row + 1] = place.source.of(of_row)
        for place in self._integers:
            if not place.quantities.isdisjoint(names):
                (value,) = place.source.of(of_row)
                known = min(max(np.rint(value), place.low), place.high)
                place.view[row] = place.missing if isnan(value) else known
        self._seen.update((name, None) for name in names if name in self._seen)

    def forget(self) -> None:
        """Write every field with the next ``encode``: for who has written over encoded bytes."""
        self._seen = dict.fromkeys(self._seen)

    def _encode_integers(self, numbers: Sequence[int], columns: Mapping[str, Floats]) -> None:
        places = [self._integers[number] for number in numbers]
        low, high = self._bounds[numbers].swapaxes(0, 1)
        block = self._block[: len(places)]
        for wire, place in zip(block, places, strict=True):
            wire[...] = place.source.of(columns)
        np.rint(block, out=block)
        # To look for the few that do not fit costs less than to bound them all. A NaN fits nowhere.
        fits = (block.min(axis=1) >= low) & (block.max(axis=1) <= high)
        for wire, place, fitting in zip(block, places, fits, strict=True):
            if fitting:
                place.view[...] = wire
                continue
            unknown = np.isnan(wire)
            place.view[...] = np.where(unknown, 0.0, np.clip(wire, place.low, place.high))
            place.view[unknown] = place.missing  # as a float64 it may be another number

    def row(self, index: int) -> memoryview:
        """The live bytes of one device: what a master would be told now."""
        row: memoryview = self.data[index].data
        return row


def _alike(column: Floats, seen: Floats | None) -> bool:
    """Whether a column is what was seen of it, bit by bit."""
    if column is seen:
        return True
    if seen is None or column[:_FIRST].tobytes() != seen[:_FIRST].tobytes():
        return False
    return column.tobytes() == seen.tobytes()


def _bounds(dtype: np.dtype[np.generic], missing: int) -> tuple[float, float]:
    """The range of an integer type, without a ``missing`` value at its end; an unsigned 0 is a value."""
    info = np.iinfo(dtype)  # type: ignore[type-var]
    low, high = info.min + (missing == info.min < 0), info.max - (missing == info.max)
    if info.bits < 64:
        return float(low), float(high)
    # A float64 cannot hold 2**63 - 1 or 2**64 - 1; the next one within the range is used.
    return float(np.nextafter(float(info.min), 0.0)) if info.min else 0.0, float(np.nextafter(float(info.max), 0.0))
