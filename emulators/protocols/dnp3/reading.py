"""Reads of static data: which objects a header names, and their bytes in the variation asked for.

Integers carry the wire value of the point list; floating point carries the quantity's own unit,
unscaled, as IEEE 1815.2 has it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from py1815.application import ObjectHeader, QualifierCode, object_header
from py1815.session import UnknownObject

from pilotfarm.emulators.plans.dnp3 import GROUPS, USUAL_VARIATIONS, PointType
from pilotfarm.emulators.protocols.dnp3.sections import OVER_RANGE, STATE, Section

CLASS_OBJECTS: Final = 60
_BLOCK_POINTS: Final = 150
"""Points under one header at most, so that a block never outgrows a fragment."""

_PIECE_BYTES: Final = 1_000
"""Headers and objects of a class 0 answer that stay in one fragment."""

_GROUPS: Final = {group: kind for kind, group in GROUPS.items()}
_DEFAULTS: Final = {group: USUAL_VARIATIONS[kind] for kind, group in GROUPS.items()}
_PACKED: Final = 1

# Group and variation -> the value's type and whether flags stand in front (IEEE 1815-2012, annex A).
_VARIATIONS: Final[Mapping[tuple[int, int], tuple[str, bool]]] = {
    (20, 2): ("<u2", True),
    (20, 5): ("<u4", False),
    (20, 6): ("<u2", False),
    (30, 2): ("<i2", True),
    (30, 3): ("<i4", False),
    (30, 4): ("<i2", False),
    (30, 5): ("<f4", True),
    (30, 6): ("<f8", True),
    (40, 2): ("<i2", True),
    (40, 3): ("<f4", True),
    (40, 4): ("<f8", True),
}


_Part: TypeAlias = tuple[bytes, int, int, Callable[[memoryview], bytes] | None]
"""A header, where its objects stand in a row, and what makes another variation of them."""


class StaticReader:
    """Cuts responses from a table's rows; one a table, shared by its outstations."""

    __slots__ = ("_class_0", "_sections")

    def __init__(self, sections: Mapping[PointType, Section]) -> None:
        self._sections = sections
        self._class_0: list[list[_Part]] = []
        room = 0
        for group, kind in _GROUPS.items():
            section = self._sections[kind]
            for header, first, last, variation in _defaults(section, group, 0, len(section.indices)):
                size = len(header) + _size(section, group, variation) * (last - first)
                if size > room:
                    self._class_0.append([])
                    room = _PIECE_BYTES
                room -= size
                place = section.offset + first * section.size
                usual = variation == _DEFAULTS[group]
                vary = None if usual else partial(_varied, section, first=first, group=group, variation=variation)
                self._class_0[-1].append((header, place, place + section.size * (last - first), vary))

    def everything(self, row: memoryview) -> list[bytes]:
        """Class 0: every point once, in its default variation."""
        return [
            b"".join(
                [
                    part
                    for header, a, b, vary in piece
                    for part in (header, row[a:b] if vary is None else vary(row[a:b]))
                ]
            )
            for piece in self._class_0
        ]

    def read(self, row: memoryview, header: ObjectHeader) -> tuple[list[bytes], bool]:
        """What a header names, and whether it names points that are not there; ``UnknownObject`` for the rest."""
        kind = _GROUPS.get(header.group)
        variation = header.variation or _DEFAULTS.get(header.group, 0)
        packed = header.group in (1, 10) and variation == _PACKED
        known = packed or variation == _DEFAULTS.get(header.group) or (header.group, variation) in _VARIATIONS
        if kind is None or not known or not self._sections[kind].indices:
            raise UnknownObject(f"group {header.group} variation {header.variation} is not served")
        section = self._sections[kind]
        places, missing = selected(section, header)
        return [
            head + _varied(section, section.cut(row, first, last), first, header.group, chosen)
            for low, high in places
            for head, first, last, chosen in (
                _defaults(section, header.group, low, high)
                if header.variation == 0
                else ((*each, variation) for each in runs(section, header.group, variation, low, high))
            )
        ], missing


def _defaults(section: Section, group: int, low: int, high: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield headers, positions and variations of points in their default variations."""
    for variation, first, last in section.variations(low, high):
        for each in runs(section, group, variation, first, last):
            yield (*each, variation)


def _size(section: Section, group: int, variation: int) -> int:
    """Octets of an object."""
    if variation == _DEFAULTS[group]:
        return section.size
    dtype, flagged = _VARIATIONS[group, variation]
    return np.dtype(dtype).itemsize + flagged


def selected(section: Section, header: ObjectHeader) -> tuple[list[tuple[int, int]], bool]:
    """Positions a header names, as ranges without their last, and whether it names points that are not there."""
    indices = section.indices
    if header.qualifier is QualifierCode.ALL_OBJECTS:
        return [(0, len(indices))], not indices
    if header.start is not None and header.stop is not None:
        ranges = [(bisect_left(indices, header.start), bisect_right(indices, header.stop))]
        wanted = header.stop - header.start + 1
    elif header.indices is not None:
        ranges = [(at, at + 1) for at in (section.position.get(index, -1) for index in header.indices) if at >= 0]
        wanted = len(header.indices)
    else:
        ranges = [(0, min(header.count or 0, len(indices)))]
        wanted = header.count or 0
    ranges = [(low, high) for low, high in ranges if low < high]
    return ranges, not ranges or sum(high - low for low, high in ranges) < wanted


def runs(section: Section, group: int, variation: int, low: int, high: int) -> Iterator[tuple[bytes, int, int]]:
    """Cut positions ``low`` to ``high`` where an index is missing or a block is full; yield header and positions."""
    at = max(0, bisect_right(section.runs, (low, len(section.indices))) - 1)
    for first, last in section.runs[at:]:
        if first >= high:
            return
        edges = [*range(max(first, low), min(last, high), _BLOCK_POINTS), min(last, high)]
        for a, b in pairwise(edges):
            yield (
                object_header(group, variation, start=section.indices[a], stop=section.indices[b - 1]),
                a,
                b,
            )


def _varied(section: Section, cut: memoryview, first: int, group: int, variation: int) -> bytes:
    """Objects in another variation than the row holds."""
    if variation == _DEFAULTS[group]:
        return bytes(cut)
    octets = np.frombuffer(cut, np.uint8)
    if section.size == 1:
        return bytes(np.packbits((octets & STATE) != 0, bitorder="little"))
    objects = octets.reshape(-1, 5)
    flags = objects[:, 0].copy()
    unsigned = section.type is PointType.COUNTER
    values = objects[:, 1:].copy().view("<u4" if unsigned else "<i4")[:, 0]
    dtype, flagged = _VARIATIONS[group, variation]
    target = np.dtype(dtype)
    if target.kind == "f":
        wire = (values * section.scales[first : first + len(values)]).astype(target)
    elif unsigned:
        wire = values.astype(target)  # a counter rolls over
    else:
        bounds = np.iinfo(target.type)
        wire = np.clip(values, bounds.min, bounds.max).astype(target)
        flags[wire != values] |= OVER_RANGE
    if not flagged:
        return bytes(wire.tobytes())
    record = np.zeros(len(values), np.dtype([("flags", "u1"), ("value", target)]))
    record["flags"], record["value"] = flags, wire
    return record.tobytes()
