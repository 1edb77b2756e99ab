"""From columns to the bytes masters ask for, column by column.

A row of bytes belongs to one device. A ``Field`` says where in every row a value stands, of what
type, and which ``Source`` it comes from; ``Rows.encode`` writes one field of all devices with one
NumPy assignment, through a strided view into one contiguous array. Reading is a slice of a row.

Sources also go the other way, from a written raw value to the quantity's own unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emulators.errors import OutOfRange

Floats: TypeAlias = npt.NDArray[np.float64]
Columns: TypeAlias = dict[str, Floats]
"""One float64 array a quantity or parameter, one row a device; truth is 1.0 and 0.0."""


def anywhere(values: npt.NDArray[np.bool_] | Floats | bool) -> bool:
    """Whether any value is not 0: the same as ``values.any()`` in a third of its time on short arrays."""
    return bool(np.count_nonzero(values))


@lru_cache(maxsize=64)
def nothing(n: int) -> Floats:
    """Return ``n`` zeros that nobody can write to, the same array every time.

    A command column that is this very array holds no command, and a flag that is it stands nowhere: there
    is then nothing to look for. Zeros in another array mean the same and are only slower.
    """
    return _same_everywhere(n, 0.0)


@lru_cache(maxsize=64)
def everything(n: int) -> Floats:
    """Return ``n`` ones that nobody can write to, the same array every time: what ``nothing`` is for zeros."""
    return _same_everywhere(n, 1.0)


def _same_everywhere(n: int, value: float) -> Floats:
    column = np.full(n, value)
    column.flags.writeable = False
    return column


def is_nothing(*columns: Floats) -> bool:
    """Whether columns of the same length are all that very array."""
    none = nothing(len(columns[0]))
    for column in columns:  # noqa: SIM110  (a generator costs as much as looking at the numbers)
        if column is not none:
            return False
    return True


def flags(stands: npt.NDArray[np.bool_]) -> Floats:
    """Return 1.0 where something stands and 0.0 elsewhere: ``nothing`` if it stands nowhere."""
    return stands.astype(np.float64) if anywhere(stands) else nothing(len(stands))


def canonical(column: Floats) -> Floats:
    """Return ``nothing`` or ``everything`` in place of a column that means the same."""
    if column.ndim != 1 or not len(column) or column[0] not in (0.0, 1.0) or anywhere(column != column[0]):
        return column
    return everything(len(column)) if column[0] else nothing(len(column))


class Source(Protocol):
    """What a wire value is made of."""

    @property
    def quantities(self) -> tuple[str, ...]: ...
    def of(self, columns: Mapping[str, Floats]) -> Floats:
        """Wire values, shape ``(n,)``, not yet rounded to the wire's type."""
        ...

    def back(self, raw: float) -> dict[str, float]:
        """The quantities a written wire value stands for; ``OutOfRange`` if it stands for none."""
        ...


@dataclass(frozen=True, slots=True)
class Scaled:
    """``wire = quantity * gain + offset``, optionally cut off below at ``floor`` (in wire units).

    ``gain`` is negative where a map counts consumption as positive.
    """

    quantity: str
    gain: float = 1.0
    offset: float = 0.0
    floor: float | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        column = columns[self.quantity]
        if self.gain == 1.0 and self.offset == 0.0 and self.floor is None:
            return column
        wire = column * self.gain + self.offset
        return wire if self.floor is None else np.maximum(wire, self.floor)

    def back(self, raw: float) -> dict[str, float]:
        return {self.quantity: (raw - self.offset) / self.gain}


@dataclass(frozen=True, slots=True)
class Bits:
    """A bit field: bit number -> the state or alarm that sets it."""

    of_bit: tuple[tuple[int, str], ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(quantity for _, quantity in self.of_bit)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        total = np.zeros_like(columns[self.of_bit[0][1]])
        for bit, quantity in self.of_bit:
            total += (columns[quantity] != 0.0) * float(1 << bit)
        return total

    def back(self, raw: float) -> dict[str, float]:
        return {quantity: float(int(raw) >> bit & 1) for bit, quantity in self.of_bit}


@dataclass(frozen=True, slots=True)
class Lookup:
    """An enumeration: the quantity's value 0, 1, 2 ... -> the wire's number for it."""

    quantity: str
    wire: tuple[float, ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        place = np.clip(columns[self.quantity], 0, len(self.wire) - 1).astype(np.intp)
        return np.asarray(self.wire, dtype=np.float64)[place]

    def back(self, raw: float) -> dict[str, float]:
        if raw not in self.wire:
            raise OutOfRange(f"{raw:g} is not one of {', '.join(f'{w:g}' for w in self.wire)}")
        return {self.quantity: float(self.wire.index(raw))}


@dataclass(frozen=True, slots=True)
class Field:
    """A value's place in a row.

    ``dtype`` is a NumPy type with its byte order (``">u2"``, ``"<f4"``, ``"u1"``); ``missing`` is
    what NaN becomes in an integer type (the map's own not-implemented value).
    """

    offset: int
    dtype: str
    source: Source
    missing: int = 0


_BLOCK_VALUES: Final = 32_768
"""Values rounded and bounded in one go: a block of them stays in the processor's cache."""


@dataclass(slots=True)
class _Place:
    """A field of all rows: what it is made of, and where its wire values go."""

    source: Source
    quantities: frozenset[str]
    view: npt.NDArray[np.generic]
    low: float
    high: float
    missing: float


class Rows:
    """The bytes of ``n`` devices, shape ``(n, len(template))``, refreshed field by field.

    A field is written again only when one of its source's columns is another array than before, so a
    column must never be changed in place once it has been encoded.
    """

    __slots__ = ("_block", "_floats", "_integers", "_seen", "data", "n")

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
            low, high = (-np.inf, np.inf) if dtype.kind == "f" else _bounds(dtype)
            place = _Place(each.source, frozenset(each.source.quantities), view, low, high, float(each.missing))
            (self._floats if dtype.kind == "f" else self._integers).append(place)
        self._seen: dict[str, Floats | None] = {
            name: None for place in (*self._floats, *self._integers) for name in place.quantities
        }
        deep = min(max(1, _BLOCK_VALUES // n), max(1, len(self._integers)))
        self._block = np.empty((deep, n))

    def encode(self, columns: Mapping[str, Floats]) -> None:
        """Write every field that may have moved; integers are rounded and saturate, NaN becomes ``missing``."""
        moved = {name for name, column in self._seen.items() if columns[name] is not column}
        for place in self._floats:
            if not moved.isdisjoint(place.quantities):
                place.view[...] = place.source.of(columns)
        places = [place for place in self._integers if not moved.isdisjoint(place.quantities)]
        deep = len(self._block)
        for start in range(0, len(places), deep):
            self._encode_integers(places[start : start + deep], columns)
        self._seen.update((name, columns[name]) for name in moved)

    def forget(self) -> None:
        """Write every field with the next ``encode``: for who has written over encoded bytes."""
        self._seen = dict.fromkeys(self._seen)

    def _encode_integers(self, places: Sequence[_Place], columns: Mapping[str, Floats]) -> None:
        block = self._block[: len(places)]
        for wire, place in zip(block, places, strict=True):
            wire[...] = place.source.of(columns)
        np.rint(block, out=block)
        np.maximum(block, np.array([[place.low] for place in places]), out=block)
        np.minimum(block, np.array([[place.high] for place in places]), out=block)
        if np.isnan(block.sum()):  # the sum of finite numbers is finite, of a NaN it is NaN
            np.copyto(block, np.array([[place.missing] for place in places]), where=np.isnan(block))
        for wire, place in zip(block, places, strict=True):
            place.view[...] = wire

    def row(self, index: int) -> memoryview:
        """The live bytes of one device: what a master would be told now."""
        row: memoryview = self.data[index].data
        return row


def _bounds(dtype: np.dtype[np.generic]) -> tuple[float, float]:
    info = np.iinfo(dtype)  # type: ignore[type-var]
    # A float64 cannot hold 2**63 - 1 or 2**64 - 1; the next smaller one that fits is used.
    high = float(info.max) if info.bits < 64 else float(np.nextafter(float(info.max), 0.0))
    return float(info.min), high
