"""How far a value moves before a protocol reports it unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats


@dataclass(frozen=True, slots=True)
class Deadband:
    """``max(min, share * max(columns named in of) / per / column over)``, in the quantity's unit; 0: every change.

    A column that the device lacks does not count; with none of ``of``, or without ``over``, it is ``min``.
    """

    min: float = 0.0
    share: float = 0.0
    of: tuple[str, ...] = ()
    over: str = ""
    per: float = 1.0

    def width(self, columns: Mapping[str, Floats]) -> Floats | float:
        """Return one value a row ``(n,)``, or one for all where no column counts."""
        largest = [columns[name] for name in self.of if name in columns]
        if not largest or (self.over and self.over not in columns):
            return self.min
        width: Floats = self.share * np.fmax.reduce(largest) / self.per
        if self.over:
            width = width / np.maximum(columns[self.over], 1.0)
        return np.fmax(self.min, width)


EVERY_CHANGE: Final = Deadband()
Deadbands: TypeAlias = tuple[tuple[str, Deadband], ...]
"""Of quantities by their names; none twice."""


@runtime_checkable
class Reporting(Protocol):
    """A plan whose protocol reports by itself what has moved."""

    def deadbands(self) -> Mapping[str, Deadband]:
        """The deadband of each quantity that has one."""
        ...

    def reported_by(self, deadbands: Deadbands) -> Self:
        """Return the same plan with other deadbands for these quantities."""
        ...
