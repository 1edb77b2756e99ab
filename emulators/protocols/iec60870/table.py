"""The information objects of all devices of a group, and what of them has moved.

A row holds a device's objects as they stand in an answer to an interrogation: address, value,
quality; ordered by type and group, so that every data unit of an interrogation is one slice of the
row. Changes are found for all rows at once, and only where a station listens. Totals are asked for and never told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.contracts.way import Object
from pilotfarm.emulators.plans.iec104 import MonitorPoint, MonitorType, ObjectPlan
from pilotfarm.emulators.protocols.events import EventTable
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Format, Type
from pilotfarm.emulators.wire.rows import Field, Rows

GENERAL: Final = 0
"""The group that stands for a whole general interrogation, or for every counter group."""

TOLD: Final[Mapping[int, Mapping[MonitorType, int]]] = {
    7: {
        MonitorType.SINGLE: Type.SINGLE_TAGGED,
        MonitorType.DOUBLE: Type.DOUBLE_TAGGED,
        MonitorType.FLOAT: Type.FLOAT_TAGGED,
    },
    3: {
        MonitorType.SINGLE: Type.SINGLE_SHORT_TAGGED,
        MonitorType.DOUBLE: Type.DOUBLE_SHORT_TAGGED,
        MonitorType.FLOAT: Type.FLOAT_SHORT_TAGGED,
    },
    0: {each: each for each in (MonitorType.SINGLE, MonitorType.DOUBLE, MonitorType.FLOAT)},
}
"""Octets of a time tag -> type of an object -> type of its events."""
_STATES: Final = (MonitorType.SINGLE, MonitorType.DOUBLE)
_VALUE: Final = {MonitorType.SINGLE: "u1", MonitorType.DOUBLE: "u1", MonitorType.FLOAT: "<f4", MonitorType.TOTAL: "<i4"}
_ELEMENT_OCTETS: Final = {MonitorType.SINGLE: 1, MonitorType.DOUBLE: 1, MonitorType.FLOAT: 5, MonitorType.TOTAL: 5}
_COUNTER_INVALID: Final = 0x80
_UNTRUE: Final = np.uint8(Quality.INVALID | Quality.NOT_TOPICAL)
_HIGHEST: Final = {MonitorType.SINGLE: 1, MonitorType.DOUBLE: 3}
"""Of a state: its quality stands above it in the same octet (7.2.6.1, 7.2.6.2)."""
_DESCRIPTOR: Final = 0xF0
"""Quality bits a single or double point has beside its value: not OV."""


class Listener(Protocol):
    """Who wants to hear of changes: a station, on behalf of its masters."""

    def changed(self, address: int, type_id: int, objects: Mapping[int, bytes]) -> None:
        """Take objects of one device and type that moved: object address -> object with time tag."""
        ...

    def stepped(self, unix_s: float) -> None:
        """Hear that a table has been refreshed; once a table and step."""
        ...


@dataclass(frozen=True, slots=True)
class Cut:
    """One data unit's worth of a row: ``count`` objects of one type from octet ``start`` to ``stop``."""

    type: int
    count: int
    start: int
    stop: int
    head: bytes = field(init=False)
    """Type and count, as a data unit begins."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", bytes((self.type, self.count)))


@dataclass(slots=True)
class _Block:
    """The objects of one type: ``count`` of ``octets`` each from octet ``start`` of a row, seen as columns."""

    type: MonitorType
    points: Sequence[MonitorPoint]
    start: int
    octets: int
    objects: npt.NDArray[np.uint8]
    """(n, count, octets)"""
    quality: npt.NDArray[np.uint8]
    """(n, count): the octet the quality descriptor is in"""
    values: npt.NDArray[Any]
    """(n, count)"""
    deadbands: npt.NDArray[np.float32]
    """(n, count), wire units; empty for states"""
    last: npt.NDArray[Any]
    """(n, count): what was last reported, where anyone listens; empty while nobody ever did"""
    last_quality: npt.NDArray[np.uint8]


class ObjectTable(EventTable):
    """``Rows`` of objects, ``Cut``s of a row, and the listeners of each row."""

    def __init__(self, plan: ObjectPlan, n: int, columns: Seen, form: Format = FORMAT_104) -> None:
        self.plan = plan
        self.n = n
        self.format = form
        self.places: dict[int, tuple[MonitorType, int, int]] = {}
        """Object address -> its type and the octets of a row its object stands in."""
        self._heard: npt.NDArray[np.intp] | None = None
        """The rows somebody listens to, in order; ``None`` when that has changed."""
        ordered = sorted(self.plan.monitor, key=lambda point: (point.type, point.group, point.ioa))
        self.controls = {point.ioa: point for point in self.plan.control}
        address_octets = self.format.object_octets
        template, marks = bytearray(), bytearray()
        fields = []
        for point in ordered:
            start = len(template)
            template += self.format.ioa(point.ioa) + bytes(_ELEMENT_OCTETS[point.type])
            marks += bytes(len(template) - start - 1) + bytes([_DESCRIPTOR if point.type in _STATES else 0xFF])
            highest = _HIGHEST.get(point.type, np.inf)
            fields.append(Field(start + address_octets, _VALUE[point.type], point.source, highest=highest))
            self.places[point.ioa] = (point.type, start, len(template))
        self._begin(Rows(self.n, bytes(template), fields), np.frombuffer(bytes(marks), np.uint8))
        self._blocks = [
            self._block(kind, [point for point in ordered if point.type is kind], columns)
            for kind in dict.fromkeys(point.type for point in ordered)
        ]
        self._quality_of: dict[str, list[tuple[_Block, int]]] = {}
        for block in self._blocks:
            for index, point in enumerate(block.points):
                for name in point.source.quantities:
                    self._quality_of.setdefault(name, []).append((block, index))
        asked = [point for point in ordered if point.type is not MonitorType.TOTAL]
        totals = [point for point in ordered if point.type is MonitorType.TOTAL]
        self.interrogated = self._cuts(asked)
        """Interrogation group (0 is all) -> the data units that answer it."""
        self.counters = self._cuts(totals)
        """Counter group (0 is all) -> the data units that answer it."""

    def objects(self, row: int, types: Collection[int]) -> list[Object]:
        """What a row has of some types, as an interrogation tells it."""
        octets = bytes(self.row(row))
        return [(kind, octets[start:stop]) for kind, start, stop in self.places.values() if kind in types]

    # ----------------------------------------------------------------------------------- marking

    def _mark(self, quality: Mapping[str, Qualities], before: bool) -> bool:
        """Write the quality descriptors; NaN is never valid, and infinity has overflowed."""
        marked = bool(quality)
        for block in self._blocks:
            if block.type in _STATES:
                continue  # encoding has just written the octet whole, or it holds no quality
            if before:
                block.quality[...] = 0
            if block.type is MonitorType.FLOAT:
                strange = ~np.isfinite(block.values)
                if strange.any():
                    block.quality[strange] |= np.where(
                        np.isnan(block.values[strange]), np.uint8(Quality.INVALID), np.uint8(Quality.OVERFLOW)
                    )
                    marked = True
        for name, bits in quality.items():
            for block, index in self._quality_of.get(name, ()):
                if block.type is MonitorType.TOTAL:
                    # A counter reading has no word for not topical (7.2.6.9).
                    block.quality[:, index] |= np.where(bits & _UNTRUE, _COUNTER_INVALID, 0).astype(np.uint8)
                elif block.type is MonitorType.FLOAT:
                    block.quality[:, index] |= bits
                else:
                    block.quality[:, index] |= bits & np.uint8(_DESCRIPTOR)
        return marked

    # ---------------------------------------------------------------------------------- changes

    def listen(self, row: int, listener: Listener, address: int) -> None:
        """Tell a listener of every change of a row from now on, under the given common address."""
        self._make()
        if row not in self._listeners:
            self._heard = None
            for block in self._blocks:
                if block.last.size == 0:
                    block.last, block.last_quality = np.empty_like(block.values), np.empty_like(block.quality)
                block.last[row], block.last_quality[row] = block.values[row], block.quality[row]
        self._listeners.setdefault(row, []).append((listener, address))

    def leave(self, listener: Listener) -> None:
        for row, others in list(self._listeners.items()):
            left = [each for each in others if each[0] is not listener]
            if left:
                self._listeners[row] = left
            else:
                del self._listeners[row]
                self._heard = None

    def _report(self) -> None:
        if self._heard is None:
            self._heard = np.array(sorted(self._listeners), dtype=np.intp)
        tag = self._tag(self.unix_s)
        for block in self._blocks:
            if block.type is not MonitorType.TOTAL:
                self._report_block(block, self._heard, tag)
        for listener in {id(each): each for others in self._listeners.values() for each, _ in others}.values():
            listener.stepped(self.unix_s)

    def _report_block(self, block: _Block, heard: npt.NDArray[np.intp], tag: npt.NDArray[np.uint8]) -> None:
        # A value that becomes NaN, or a number again, shows in its quality.
        moved = block.quality[heard] != block.last_quality[heard]
        if block.type is MonitorType.FLOAT:
            with np.errstate(invalid="ignore"):
                moved |= np.abs(block.values[heard] - block.last[heard]) > block.deadbands[heard]
        rows, places = np.nonzero(moved)
        if not rows.size:
            return
        rows = heard[rows]
        block.last[rows, places] = block.values[rows, places]
        block.last_quality[rows, places] = block.quality[rows, places]
        objects = np.empty((rows.size, block.octets + tag.size), np.uint8)
        objects[:, : block.octets] = block.objects[rows, places]
        objects[:, block.octets :] = tag
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        ends = np.append(starts[1:], rows.size)
        runs = list(zip(rows[starts].tolist(), starts.tolist(), ends.tolist(), strict=True))
        if self.stamps is not None:
            self._stamp_each(objects[:, block.octets :], rows, [block.points[index] for index in places.tolist()])
        elif self.clocks:
            self._stamp(objects[:, block.octets :], runs)
        data, step = objects.tobytes(), objects.shape[1]
        for row, first, last in runs:
            indices = places[first:last].tolist()
            moved_objects = {
                block.points[index].ioa: data[at * step : (at + 1) * step]
                for at, index in zip(range(first, last), indices, strict=True)
            }
            for listener, address in self._listeners[row]:
                listener.changed(address, TOLD[self.format.tag_octets][block.type], moved_objects)

    def _stamp(self, tags: npt.NDArray[np.uint8], runs: Sequence[tuple[int, int, int]]) -> None:
        """Write the time tags of rows with clocks that may be wrong; a run is a row, its first tag and its last."""
        made: dict[float, npt.NDArray[np.uint8]] = {}
        for row, first, last in runs:
            if row in self.clocks:
                shown_s = self.tagged_at(row)
                if shown_s not in made:
                    made[shown_s] = self._tag(shown_s)
                tags[first:last] = made[shown_s]

    def _stamp_each(self, tags: npt.NDArray[np.uint8], rows: npt.NDArray[Any], points: Sequence[MonitorPoint]) -> None:
        """Write the time tag of every point by itself: it is told when that was."""
        made: dict[float, npt.NDArray[np.uint8]] = {}
        for at, (row, point) in enumerate(zip(rows.tolist(), points, strict=True)):
            tagged_s = self.tagged_at(row, point.source.quantities)
            if tagged_s not in made:
                made[tagged_s] = self._tag(tagged_s)
            tags[at] = made[tagged_s]

    def _tag(self, unix_s: float) -> npt.NDArray[np.uint8]:
        return np.array([*self.format.event_tag(unix_s)], dtype=np.uint8)

    # ----------------------------------------------------------------------------------- layout

    def _block(self, kind: MonitorType, points: Sequence[MonitorPoint], columns: Seen) -> _Block:
        start = self.places[points[0].ioa][1]
        octets = self.format.object_octets + _ELEMENT_OCTETS[kind]
        data, width = self._rows.data, self._rows.data.shape[1]
        shape, strides = (self.n, len(points)), (width, octets)
        value_at = start + self.format.object_octets
        deadbands = np.empty((0, 0), np.float32)
        if kind is MonitorType.FLOAT:
            deadbands = np.empty(shape, np.float32)
            for place, point in enumerate(points):
                deadbands[:, place] = point.deadband.width(columns) * point.gain
        return _Block(
            kind,
            points,
            start,
            octets,
            np.ndarray((*shape, octets), np.uint8, data, start, (*strides, 1)),
            np.ndarray(shape, np.uint8, data, start + octets - 1, strides),
            np.ndarray(shape, np.dtype(_VALUE[kind]), data, value_at, strides),
            deadbands,
            np.empty((0, 0), np.dtype(_VALUE[kind])),
            np.empty((0, 0), np.uint8),
        )

    def _cuts(self, points: Sequence[MonitorPoint]) -> dict[int, tuple[Cut, ...]]:
        groups = {GENERAL: points}
        for point in points:
            groups.setdefault(point.group, [each for each in points if each.group == point.group])
        return {group: tuple(self._cut(members)) for group, members in groups.items()}

    def _cut(self, points: Sequence[MonitorPoint]) -> Iterator[Cut]:
        """Cut runs of one type that stand next to each other into data units as long as allowed."""
        first = 0
        while first < len(points):
            kind, start, stop = self.places[points[first].ioa]
            room, count = self.format.room(stop - start), 1
            while first + count < len(points) and count < room:
                next_kind, next_start, next_stop = self.places[points[first + count].ioa]
                if next_kind is not kind or next_start != stop:
                    break
                stop, count = next_stop, count + 1
            yield Cut(kind, count, start, stop)
            first += count
