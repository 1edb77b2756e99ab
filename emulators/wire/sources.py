"""What a wire value is made of, and what a written one stands for: the plain cases.

A source gives wire values from columns, and goes the other way from a written raw value to the
quantity's own unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, is_set
from pilotfarm.emulators.errors import OutOfRange


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
        wire = column * self.gain
        wire += self.offset
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
            total += is_set(columns[quantity]) * float(1 << bit)
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
        number = columns[self.quantity]
        # What is not a number has no place in the table, and stays what it is.
        place = np.clip(np.fmax(number, 0.0), 0, len(self.wire) - 1).astype(np.intp)
        return np.where(np.isnan(number), number, np.asarray(self.wire, dtype=np.float64)[place])

    def back(self, raw: float) -> dict[str, float]:
        if raw not in self.wire:
            raise OutOfRange(f"{raw:g} is not one of {', '.join(f'{w:g}' for w in self.wire)}")
        return {self.quantity: float(self.wire.index(raw))}
