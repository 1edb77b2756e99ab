"""What a master reads of a device over Modbus: each quantity once, and what is near each other together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pilotfarm.emulators.contracts.protocol import PointRow

GAP_MAX: Final = 32
"""Registers, or bits, that are read along with others rather than asking twice: at 19,200 bit/s they take about as
long on a line as another exchange with a device that turns around in 30 ms."""
_COUNT_MAX: Final = {1: 2_000, 2: 2_000, 3: 125, 4: 125}
"""By function code (MODBUS Application Protocol V1.1b3, 6.1 to 6.4)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Registers, or bits, that are read at once: of which unit, by which function, the first, and how many."""

    unit: int
    function: int
    first: int
    count: int

    @property
    def octets(self) -> int:
        """Of its values."""
        return -(-self.count // 8) if self.function in (1, 2) else 2 * self.count


def blocks(points: Iterable[PointRow]) -> list[Block]:
    """Return reads that have every quantity once, where it comes first: runs without a wide gap, up to the maximum."""
    first: dict[str, PointRow] = {}
    for row in points:
        if row.read_code:
            first.setdefault(row.quantity, row)
    places = sorted({_place(row) for row in first.values()})
    found = []
    for (unit, code), run in groupby(places, key=lambda place: place[:2]):
        for begins, ends in _cut((place[2:] for place in run), _COUNT_MAX[code]):
            found.append(Block(unit, code, begins, ends - begins))
    return found


def _place(row: PointRow) -> tuple[int, int, int, int, bool]:
    """Return unit, function, first address and the one after the last, and whether it is read by itself."""
    assert row.read_code is not None
    width = re.match(r"[a-z]+(\d+)", row.data_type)
    registers = max(1, int(width[1]) // 16) if width else 1
    return row.resource_unit or 1, row.read_code, row.number, row.number + registers, row.is_alone


def _cut(runs: Iterable[tuple[int, int, bool]], count_max: int) -> Iterator[tuple[int, int]]:
    """Yield of each read the first register and the one after the last."""
    begins, ends, closed = -1, -1, False
    for first, last, alone in runs:
        if begins < 0:
            begins, ends = first, last
        elif first - ends > GAP_MAX or last - begins > count_max or alone or closed:
            yield begins, ends
            begins, ends = first, last
        else:
            ends = max(ends, last)
        closed = alone
    if begins >= 0:
        yield begins, ends
