"""The point list of a device kind, as the DNP3 outstation takes it.

Group numbers are those of IEEE 1815-2012, annex A.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import pairwise
from typing import Final

from pilotfarm.emulators.plans.deadband import EVERY_CHANGE, Deadband, Deadbands
from pilotfarm.emulators.plans.own_list import Addresses
from pilotfarm.emulators.wire.sources import Scaled, Source


class PointType(Enum):
    """The five types of point an outstation here has; an index counts within its type."""

    BINARY_INPUT = "BI"
    BINARY_OUTPUT = "BO"
    COUNTER = "CTR"
    ANALOG_INPUT = "AI"
    ANALOG_OUTPUT = "AO"


GROUPS: Final = {
    PointType.BINARY_INPUT: 1,
    PointType.BINARY_OUTPUT: 10,
    PointType.COUNTER: 20,
    PointType.ANALOG_INPUT: 30,
    PointType.ANALOG_OUTPUT: 40,
}
USUAL_VARIATIONS: Final = {
    PointType.BINARY_INPUT: 2,
    PointType.BINARY_OUTPUT: 2,
    PointType.COUNTER: 1,
    PointType.ANALOG_INPUT: 1,
    PointType.ANALOG_OUTPUT: 1,
}
"""With flags, and 32 bits where it is a number: what is read where nothing else is asked for."""
FLOATING: Final = {PointType.ANALOG_INPUT: (5, 6), PointType.ANALOG_OUTPUT: (3, 4)}
"""Variations that carry floating point."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point: ``quantity = wire value * scale``.

    ``event_class`` is 1, 2 or 3; a point of class 0 is only ever read. ``pulse`` marks a binary
    output that acts and falls back, where others stay as they are put. ``shows`` is a state worked out of
    columns, ``fixed`` a wire value that stays and needs no quantity; ``meaning`` says either in the point list.
    While the switch ``enabled_by`` is 0, an input is not online (IEEE 1815.2, 6.1.1). It is read in its ``variation``
    where nothing else is asked for, 0 being the usual one.
    """

    type: PointType
    index: int
    quantity: str
    scale: float = 1.0
    event_class: int = 0
    deadband: Deadband = EVERY_CHANGE
    pulse: bool = False
    shows: Source | None = None
    fixed: int | None = None
    meaning: str = ""
    enabled_by: str = ""
    variation: int = 0

    @property
    def source(self) -> Source:
        return self.shows or Scaled(self.quantity, 1.0 / self.scale)

    @property
    def has_deadband(self) -> bool:
        """Whether it is a number that is reported once it has moved."""
        return self.type is PointType.ANALOG_INPUT and self.event_class != 0

    @property
    def is_floating(self) -> bool:
        """Whether it is read as floating point where nothing else is asked for."""
        return self.variation in FLOATING.get(self.type, ())

    @property
    def address(self) -> str:
        return f"{self.type.value}{self.index}"


@dataclass(frozen=True, slots=True)
class PointPlan:
    """The points of one device kind, each type's in the order of their indices, none twice.

    With ``addresses``, shape ``(n, points)``, every device has indices of its own, and those of the points are only
    numbers: that of column 0 is 0.
    """

    points: tuple[Point, ...]
    model: str = ""
    """What the maker calls the device; it ships as device attribute 250."""
    addresses: Addresses | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for kind in PointType:
            assert all(a.index < b.index for a, b in pairwise(self.of(kind))), f"{kind.value} points out of order"

    def of(self, kind: PointType) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.type is kind)

    def deadbands(self) -> Mapping[str, Deadband]:
        """The deadbands of analog inputs in a class, by quantity."""
        return {point.quantity: point.deadband for point in self.points if point.has_deadband and point.quantity}

    def reported_by(self, deadbands: Deadbands) -> PointPlan:
        """Return the same points with other deadbands for these quantities."""
        wanted = dict(deadbands)
        return replace(
            self,
            points=tuple(
                replace(point, deadband=wanted.get(point.quantity, point.deadband)) if point.has_deadband else point
                for point in self.points
            ),
        )
