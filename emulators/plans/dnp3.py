"""What a point list tells the DNP3 outstation of one device kind.

Group numbers are those of IEEE 1815-2012, annex A.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.wire.sources import Scaled


class PointType(Enum):
    """The five types of point an outstation here has; an index counts within its type."""

    BINARY_INPUT = "BI"
    BINARY_OUTPUT = "BO"
    COUNTER = "CTR"
    ANALOG_INPUT = "AI"
    ANALOG_OUTPUT = "AO"


@dataclass(frozen=True, slots=True)
class Deadband:
    """How far a value moves before it is an event: ``least + share * columns[of] / columns[over]``.

    In the quantity's own unit; a column that the device lacks leaves ``least`` alone. 0 makes every
    change of the wire value an event.
    """

    least: float = 0.0
    share: float = 0.0
    of: tuple[str, ...] = ()
    """Names to look the column up under, the first that is there counts."""
    over: tuple[str, ...] = ()

    def width(self, columns: Mapping[str, Floats]) -> Floats | float:
        """One value a row, or one for all where no column counts."""
        of = next((columns[name] for name in self.of if name in columns), None)
        over = next((columns[name] for name in self.over if name in columns), None)
        if of is None or (self.over and over is None):
            return self.least
        share = self.least + self.share * of
        return share if over is None else share / np.maximum(over, 1.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One point: ``quantity = wire value * scale``.

    ``event_class`` is 1, 2 or 3; a point of class 0 is only ever read. ``pulse`` marks a binary
    output that acts and falls back, where others stay as they are put.
    """

    type: PointType
    index: int
    quantity: str
    scale: float = 1.0
    event_class: int = 0
    deadband: Deadband = Deadband()
    pulse: bool = False

    @property
    def source(self) -> Scaled:
        return Scaled(self.quantity, 1.0 / self.scale)

    @property
    def address(self) -> str:
        return f"{self.type.value}{self.index}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The points of one device kind, each type's in the order of their indices, none twice."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        for kind in PointType:
            assert all(a.index < b.index for a, b in pairwise(self.of(kind))), f"{kind.value} points out of order"

    def of(self, kind: PointType) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.type is kind)
