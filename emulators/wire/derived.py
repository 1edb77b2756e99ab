"""Wire values that are worked out of several columns, or coded in a way of their own."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.errors import OutOfRange


class ReadOnly:
    """The half of ``Source`` that a derived value does not have: it stands for no quantity that could be written."""

    __slots__ = ()

    def back(self, raw: float) -> dict[str, float]:
        raise OutOfRange(f"{raw:g} cannot be written to a derived value")


@dataclass(frozen=True, slots=True)
class Weighted(ReadOnly):
    """A sum of quantities, each with its gain."""

    terms: tuple[tuple[str, float], ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(quantity for quantity, _ in self.terms)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        total = np.zeros_like(columns[self.terms[0][0]])
        for quantity, gain in self.terms:
            total += columns[quantity] * gain
        return total


@dataclass(frozen=True, slots=True)
class Product(ReadOnly):
    """A product of quantities times ``gain``; ``over`` divides, giving 0 where it is 0."""

    factors: tuple[str, ...]
    gain: float = 1.0
    over: str = ""

    @property
    def quantities(self) -> tuple[str, ...]:
        return (*self.factors, self.over) if self.over else self.factors

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        total = np.full_like(columns[self.factors[0]], self.gain)
        for quantity in self.factors:
            total *= columns[quantity]
        if not self.over:
            return total
        divisor = columns[self.over]
        return np.divide(total, divisor, out=np.zeros_like(total), where=divisor != 0.0)


@dataclass(frozen=True, slots=True)
class Flags(ReadOnly):
    """A bit field whose bits are each set by any of several states or alarms."""

    of_bit: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(quantity for _, names in self.of_bit for quantity in names)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        total = np.zeros_like(columns[self.of_bit[0][1][0]])
        for bit, names in self.of_bit:
            is_set = np.zeros(total.shape, dtype=bool)
            for quantity in names:
                is_set |= columns[quantity] != 0.0
            total += is_set * float(1 << bit)
        return total

    def having(self, names: Container[str]) -> Flags | None:
        """The same without the quantities a device does not have."""
        kept = tuple((bit, tuple(n for n in of if n in names)) for bit, of in self.of_bit)
        left = tuple((bit, of) for bit, of in kept if of)
        return Flags(left) if left else None


@dataclass(frozen=True, slots=True)
class Cases(ReadOnly):
    """An enumeration: the first case whose quantity lies in ``min`` to ``max``, else ``otherwise``."""

    cases: tuple[tuple[str, float, float, float], ...]
    """Quantity, min, max, and the number on the wire."""
    otherwise: float

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(quantity for quantity, *_ in self.cases))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        shown = np.full_like(columns[self.cases[0][0]], self.otherwise)
        for quantity, low, high, wire in reversed(self.cases):
            column = columns[quantity]
            shown = np.where((column >= low) & (column <= high), wire, shown)
        return shown

    def having(self, names: Container[str]) -> Cases | None:
        """The same without the quantities a device does not have."""
        left = tuple(case for case in self.cases if case[0] in names)
        return Cases(left, self.otherwise) if left else None


@dataclass(frozen=True, slots=True)
class OffValue:
    """A number for which 0 ("never") has a value of its own on the wire."""

    quantity: str
    off: float

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        column = columns[self.quantity]
        return np.where(column == 0.0, self.off, np.minimum(column, self.off - 1.0))

    def back(self, raw: float) -> dict[str, float]:
        if raw == 0.0:
            raise OutOfRange(f"0 is not a time; {self.off:g} switches off")
        return {self.quantity: 0.0 if raw == self.off else raw}


@dataclass(frozen=True, slots=True)
class SignedPowerFactor:
    """Two registers of SunSpec 704 in one number: magnitude times 1000, then 0 over- or 1 under-excited."""

    quantity: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        factor = columns[self.quantity]
        return np.rint(np.abs(factor) * 1000.0) * 65536.0 + (factor < 0.0)

    def back(self, raw: float) -> dict[str, float]:
        if isnan(raw) or int(raw) & 0xFFFF > 1:
            raise OutOfRange("the excitation is 0 (over) or 1 (under)")
        magnitude = (int(raw) >> 16) / 1000.0
        return {self.quantity: -magnitude if int(raw) & 1 else magnitude}
