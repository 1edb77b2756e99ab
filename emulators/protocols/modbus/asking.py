"""What a master reads of a device over Modbus RTU, and how long the frames are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.protocol import PointRow

GAP_MAX: Final = 16
"""Registers, or bits, that are read along with others rather than asking twice."""
_COUNT_MAX: Final = {1: 2_000, 2: 2_000, 3: 125, 4: 125}
"""By function code (MODBUS Application Protocol V1.1b3, 6.1 to 6.4)."""
_ASKED: Final = 8
_AROUND: Final = 5
"""Octets of an answer beside its values: unit, function, count and CRC."""


def requests(points: Sequence[PointRow]) -> list[Request]:
    """Return reads that have every quantity once, where it comes first: runs without a wide gap, up to the maximum."""
    found = []
    first: dict[str, PointRow] = {}
    for row in points:
        if row.read_code:
            first.setdefault(row.quantity, row)
    places = sorted({place for row in first.values() for place in _places(row)})
    for (_, code), run in groupby(places, key=lambda place: place[:2]):
        for count in _cut(((first, last) for _, _, first, last in run), _COUNT_MAX[code]):
            octets = -(-count // 8) if code in (1, 2) else 2 * count
            found.append(Request(_ASKED, _AROUND + octets))
    return found


def _places(row: PointRow) -> Iterator[tuple[int, int, int, int]]:
    """Yield unit, function, first address and the one after the last."""
    assert row.read_code is not None
    width = re.match(r"[a-z]+(\d+)", row.data_type)
    registers = max(1, int(width[1]) // 16) if width else 1
    yield row.resource_unit or 1, row.read_code, row.number, row.number + registers


def _cut(runs: Iterable[tuple[int, int]], count_max: int) -> Iterator[int]:
    """Yield how many registers each read takes."""
    begins, ends = -1, -1
    for first, last in runs:
        if begins < 0:
            begins, ends = first, last
        elif first - ends > GAP_MAX or last - begins > count_max:
            yield ends - begins
            begins, ends = first, last
        else:
            ends = max(ends, last)
    if begins >= 0:
        yield ends - begins


ASKING: Final = Asking(requests, Request(13, 8))
"""A write of two registers by function 16 (6.12), and its answer."""
