"""What a master asks an outstation for over DNP3, and how long the frames are.

At every scan events of classes 1 to 3 are read: all measured values, and no state or alarm, which seldom change. Of
set-points the output status is read, of totals the counters, each by its object group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.protocols.dnp3.attributes import FRAGMENT_MAX
from pilotfarm.emulators.quantities import Role, quantity

_OUTPUTS: Final = (10, 40)
_STATIC_OCTETS: Final = {1: 1, 10: 1, 20: 5, 30: 5, 40: 5}
"""Of an object in the variations that outstations here send of themselves: with a flag, integers of 32 bits."""
_EVENT_OCTETS: Final = 2 + 11
"""A point's index, and a value of 32 bits with flag and time."""
_REQUEST, _RESPONSE = 2, 4
"""Application control and function code; an answer has internal indications too (IEEE 1815-2012, 4.2.2)."""
_ALL_OBJECTS: Final = 3
"""The header of objects without a range."""
_EVENT_HEADER = 5
"""That of indexed objects, with a count in two octets."""
_SEGMENT: Final = 249
_LINK_HEADER, _BLOCK, _CHECK = 10, 16, 2


def requests(points: Sequence[PointRow]) -> list[Request]:
    """Return the exchanges that read points of a device."""
    return bulk([(points, 1)])


def bulk(devices: Sequence[tuple[Sequence[PointRow], int]]) -> list[Request]:
    """Return the exchanges that read an outstation: one for each fragment of an answer."""
    measured, asks_at_all = 0, False
    static: dict[bool, tuple[set[int], int]] = {}
    for points, times in devices:
        by_total: dict[bool, list[PointRow]] = {}
        for row in _once(points):
            role = quantity(row.quantity).role
            if role in (Role.SETPOINT, Role.TOTAL):
                by_total.setdefault(role is Role.TOTAL, []).append(row)
            else:
                asks_at_all = True
                measured += times * (role is Role.MEASUREMENT)
        for total, rows in by_total.items():
            groups, octets = static.get(total, (set(), 0))
            static[total] = groups | {_group(row) for row in rows}, octets + times * _ranges(rows)
    found: list[Request] = []
    if asks_at_all:
        octets = _EVENT_HEADER + _EVENT_OCTETS * measured if measured else 0
        found += _read(3, octets, confirmed=measured > 0)
    for _, (groups, octets) in sorted(static.items()):
        found += _read(len(groups), octets)
    return found


def _once(points: Sequence[PointRow]) -> list[PointRow]:
    """Return a row of each quantity: an output's where it has one, else the first."""
    readable = [row for row in reversed(points) if row.read_code is not None]
    return [*{row.quantity: row for row in sorted(readable, key=lambda row: row.read_code in _OUTPUTS)}.values()]


def _group(row: PointRow) -> int:
    assert row.read_code is not None
    return row.read_code


def _ranges(rows: Sequence[PointRow]) -> int:
    """Return the octets of static objects: a header for each run of indices, and the objects."""
    places = sorted((_group(row), row.number) for row in rows)
    runs = groupby(enumerate(places), key=lambda each: (each[1][0], each[1][1] - each[0]))
    headers = 0
    for _, run in runs:
        *_, (_, (_, last)) = run
        headers += 3 + 2 * (1 if last <= 0xFF else 2)  # first and last index in one octet where they fit
    return headers + sum(_STATIC_OCTETS[group] for group, _ in places)


def _read(headers: int, octets: int, *, confirmed: bool = False) -> Iterator[Request]:
    """Yield the exchanges of a read; events are confirmed, and so is every fragment but the last of some."""
    asked = framed(_REQUEST + _ALL_OBJECTS * headers)
    room = FRAGMENT_MAX - _RESPONSE
    fragments = [min(room, octets - at) for at in range(0, octets, room)] or [0]
    for number, body in enumerate(fragments):
        confirms = confirmed or number < len(fragments) - 1
        yield Request((0 if number else asked) + confirms * framed(_REQUEST), framed(_RESPONSE + body))


def framed(octets: int) -> int:
    """Return the octets of a fragment on a line: link frames, each with a transport octet and checks (9.2)."""
    frames = [min(_SEGMENT, octets - at) + 1 for at in range(0, octets, _SEGMENT)]
    return sum(_LINK_HEADER + each + _CHECK * -(-each // _BLOCK) for each in frames)


_OPERATED: Final = _EVENT_HEADER + 2 + 5
"""One analog output of 32 bits, with index and status (A.19)."""
ASKING: Final = Asking(requests, Request(framed(_REQUEST + _OPERATED), framed(_RESPONSE + _OPERATED)), bulk)
"""A command is a direct operate."""
