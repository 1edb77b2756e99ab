"""The points of one type: their indices, and where their objects stand in an outstation's row of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from pilotfarm.emulators.plans.dnp3 import USUAL_VARIATIONS, PointPlan, PointType

ONLINE: Final = 0x01
COMM_LOST: Final = 0x04
LOCAL_FORCED: Final = 0x10
OVER_RANGE: Final = 0x20  # analog objects only; binary inputs and counters use the bit otherwise
REFERENCE_ERROR: Final = 0x40
STATE: Final = 0x80
"""Flags of IEEE 1815-2012, 11.6; ``STATE`` is the value of a binary point."""


_ORDER: Final = (
    PointType.ANALOG_INPUT,
    PointType.ANALOG_OUTPUT,
    PointType.COUNTER,
    PointType.BINARY_INPUT,
    PointType.BINARY_OUTPUT,
)
assert set(_ORDER) == set(PointType)


class Section:
    """All points of one type: their indices, and where their objects stand in a row."""

    __slots__ = ("_variations", "indices", "offset", "points", "position", "runs", "scales", "size", "type")

    def __init__(self, plan: PointPlan, kind: PointType, offset: int) -> None:
        self.type = kind
        self.points = plan.of(kind)
        self.offset = offset
        self.size = 1 if kind in (PointType.BINARY_INPUT, PointType.BINARY_OUTPUT) else 5
        self.indices = [point.index for point in self.points]
        self.position = {index: place for place, index in enumerate(self.indices)}
        self.scales = np.array([point.scale for point in self.points])
        usual, own = USUAL_VARIATIONS[kind], [point.variation for point in self.points]
        self._variations = [each or usual for each in own] if any(own) else []
        """Of each point, where some are read in another than the usual one if nothing else is asked for."""
        breaks = [place for place, (a, b) in enumerate(pairwise(self.indices), 1) if b != a + 1]
        self.runs = list(pairwise([0, *breaks, len(self.indices)])) if self.indices else []

    @property
    def end(self) -> int:
        return self.offset + self.size * len(self.points)

    def variations(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """Yield in which variation points are read if nothing else is asked for, and those of positions that are."""
        if not self._variations:
            yield USUAL_VARIATIONS[self.type], low, high
            return
        for variation, run in groupby(range(low, high), key=self._variations.__getitem__):
            places = list(run)
            yield variation, places[0], places[-1] + 1

    def cut(self, row: memoryview, first: int, last: int) -> memoryview:
        """The objects at positions ``first`` to ``last``, without the last."""
        return row[self.offset + first * self.size : self.offset + last * self.size]


def sections_of(plan: PointPlan) -> dict[PointType, Section]:
    """Return the sections of a row of bytes, one after the other."""
    sections: dict[PointType, Section] = {}
    offset = 0
    for kind in _ORDER:
        sections[kind] = Section(plan, kind, offset)
        offset = sections[kind].end
    return sections
