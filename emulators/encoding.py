"""From columns to the bytes masters ask for, column by column.

A row of bytes belongs to one device. A ``Field`` says where in every row a value stands, of what
type, and which ``Source`` it comes from; ``Rows.encode`` writes one field of all devices with one
NumPy assignment, through a strided view into one contiguous array. Reading is a slice of a row.

Sources also go the other way, from a written raw value to the quantity's own unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emulators.errors import OutOfRange

Floats: TypeAlias = npt.NDArray[np.float64]
Columns: TypeAlias = dict[str, Floats]
"""One float64 array a quantity or parameter, one row a device; truth is 1.0 and 0.0."""


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


@dataclass(slots=True)
class Rows:
    """The bytes of ``n`` devices, shape ``(n, len(template))``, refreshed field by field."""

    n: int
    template: bytes
    fields: Sequence[Field]
    data: npt.NDArray[np.uint8] = field(init=False)
    _views: list[tuple[Field, npt.NDArray[np.generic], float, float]] = field(init=False)

    def __post_init__(self) -> None:
        width = len(self.template)
        self.data = np.tile(np.frombuffer(self.template, dtype=np.uint8), (self.n, 1))
        self._views = []
        for place in self.fields:
            dtype = np.dtype(place.dtype)
            assert place.offset + dtype.itemsize <= width, f"{place} ends beyond the row's {width} bytes"
            view = np.ndarray((self.n,), dtype, self.data, place.offset, (width,))
            low, high = (0.0, 0.0) if dtype.kind == "f" else _bounds(dtype)
            self._views.append((place, view, low, high))

    def encode(self, columns: Mapping[str, Floats]) -> None:
        """Write every field; integers are rounded and saturate, NaN becomes the field's ``missing``."""
        for place, view, low, high in self._views:
            wire = place.source.of(columns)
            if view.dtype.kind == "f":
                view[...] = wire
            else:
                whole = np.clip(np.rint(wire), low, high)
                unknown = np.isnan(whole)
                if unknown.any():
                    whole = np.where(unknown, place.missing, whole)
                view[...] = whole.astype(view.dtype)

    def row(self, index: int) -> memoryview:
        """The live bytes of one device: what a master would be told now."""
        row: memoryview = self.data[index].data
        return row


def _bounds(dtype: np.dtype[np.generic]) -> tuple[float, float]:
    info = np.iinfo(dtype)  # type: ignore[type-var]
    # A float64 cannot hold 2**63 - 1 or 2**64 - 1; the next smaller one that fits is used.
    high = float(info.max) if info.bits < 64 else float(np.nextafter(float(info.max), 0.0))
    return float(info.min), high
