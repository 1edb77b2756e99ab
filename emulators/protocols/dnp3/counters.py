"""Frozen counters (group 21): what a freeze keeps of the counters (group 20) of an outstation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from py1815.application import ObjectHeader, object_header
from py1815.objects import CounterPoint, encode_time
from py1815.session import UnknownObject

from pilotfarm.emulators.plans.dnp3 import Point
from pilotfarm.emulators.protocols.dnp3.reading import selected
from pilotfarm.emulators.protocols.dnp3.sections import Section

FROZEN: Final = 21
_COUNTERS: Final = 20
_VARIATIONS: Final = (0, 1, 5, 9)


class FrozenCounters:
    """The counters of one outstation as they stood when a master froze them last."""

    __slots__ = ("_kept", "_section")

    def __init__(self, section: Section) -> None:
        self._section = section
        self._kept: dict[int, tuple[bytes, int]] = {}
        """By position: flags and value, and when. [ms since 1970 UTC]"""

    def freeze(
        self, header: ObjectHeader, row: memoryview, unix_ms: int
    ) -> tuple[list[tuple[Point, CounterPoint]], bool]:
        """Freeze the counters a header names; return them, and whether it names some that are not there."""
        if header.group != _COUNTERS or header.variation != 0 or not self._section.indices:
            raise UnknownObject(f"group {header.group} variation {header.variation} cannot be frozen")
        places, missing = selected(self._section, header)
        frozen = []
        for place in _each(places):
            counter = bytes(self._section.cut(row, place, place + 1))
            self._kept[place] = (counter, unix_ms)
            reading = CounterPoint(int.from_bytes(counter[1:], "little"), counter[0])
            frozen.append((self._section.points[place], reading))
        return frozen, missing

    def read(self, header: ObjectHeader) -> tuple[list[bytes], bool]:
        """The counters a header names that have been frozen, and whether it names some that are not there."""
        if header.variation not in _VARIATIONS or not self._section.indices:
            raise UnknownObject(f"group {FROZEN} variation {header.variation} is not served")
        places, missing = selected(self._section, header)
        kept = [place for place in _each(places) if place in self._kept]
        return [self._shown(place, header.variation or 1) for place in kept], missing

    def _shown(self, place: int, variation: int) -> bytes:
        counter, unix_ms = self._kept[place]
        index = self._section.indices[place]
        body = {1: counter, 5: counter + encode_time(unix_ms), 9: counter[1:]}[variation]
        return object_header(FROZEN, variation, start=index, stop=index) + body


def _each(places: list[tuple[int, int]]) -> Iterator[int]:
    for first, last in places:
        yield from range(first, last)
