"""Wire values that are worked out of several columns, or coded in a way of their own."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, is_set
from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.wire.sources import Source


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
            found = np.zeros(total.shape, dtype=bool)
            for quantity in names:
                found |= is_set(columns[quantity])
            total += found * float(1 << bit)
        return total

    def having(self, names: Container[str]) -> Flags | None:
        """The same without the quantities a device does not have."""
        kept = tuple((bit, tuple(n for n in of if n in names)) for bit, of in self.of_bit)
        left = tuple((bit, of) for bit, of in kept if of)
        return Flags(left) if left else None


@dataclass(frozen=True, slots=True)
class Cases(ReadOnly):
    """An enumeration: the first case whose quantity, or source, lies in ``min`` to ``max``, else ``otherwise``."""

    cases: tuple[tuple[str | Source, float, float, float], ...]
    """Quantity, min, max, and the number on the wire."""
    otherwise: float

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for what, *_ in self.cases for name in _named(what)))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        shown = np.full_like(_value(self.cases[0][0], columns), self.otherwise)
        for what, low, high, wire in reversed(self.cases):
            column = _value(what, columns)
            shown = np.where((column >= low) & (column <= high), wire, shown)
        return shown

    def having(self, names: Container[str]) -> Cases | None:
        """The same without the quantities a device does not have."""
        left = tuple(case for case in self.cases if all(name in names for name in _named(case[0])))
        return Cases(left, self.otherwise) if left else None


@dataclass(frozen=True, slots=True)
class Marks(ReadOnly):
    """A bit field whose bits are each set where a quantity, or source, lies in ``min`` to ``max``."""

    of_bit: tuple[tuple[int, str | Source, float, float], ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, what, *_ in self.of_bit for name in _named(what)))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        bits: dict[int, Bools] = {}
        for bit, what, low, high in self.of_bit:
            column = _value(what, columns)
            found = (column >= low) & (column <= high)
            bits[bit] = bits[bit] | found if bit in bits else found
        total: Floats = np.zeros(len(found))
        for bit, stands in bits.items():
            total += stands * float(1 << bit)
        return total

    def having(self, names: Container[str]) -> Marks | None:
        """The same without the quantities a device does not have."""
        left = tuple(mark for mark in self.of_bit if all(name in names for name in _named(mark[1])))
        return Marks(left) if left else None


def _named(what: str | Source) -> tuple[str, ...]:
    return (what,) if isinstance(what, str) else what.quantities


def _value(what: str | Source, columns: Mapping[str, Floats]) -> Floats:
    return columns[what] if isinstance(what, str) else what.of(columns)


@dataclass(frozen=True, slots=True)
class Magnitude(ReadOnly):
    """A quantity without its sign, for registers that have none."""

    quantity: str
    gain: float = 1.0

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return np.abs(columns[self.quantity]) * self.gain


@dataclass(frozen=True, slots=True)
class DrawnFactor(ReadOnly):
    """The power factor where power drawn counts as positive, times ``gain``; that of no load is 1 this way too."""

    gain: float = 1.0
    quantities: tuple[str, ...] = ("power_factor", "apparent_power_va")

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        shown, apparent = (columns[name] for name in self.quantities)
        return np.where(apparent == 0.0, shown, -shown) * self.gain


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


@dataclass(frozen=True, slots=True)
class Share(ReadOnly):
    """A set-point as a share of what a device may deliver (``over``), or draw where it is negative (``under``)."""

    quantity: str
    over: str
    under: str
    gain: float = 1.0

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.quantity, self.over, self.under)))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        asked = columns[self.quantity]
        most = np.where(asked < 0.0, columns[self.under], columns[self.over])
        return np.divide(asked * self.gain, most, out=np.zeros_like(asked), where=most > 0.0)
