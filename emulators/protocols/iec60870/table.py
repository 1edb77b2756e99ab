"""The information objects of all devices of a group, and what of them has moved.

A row holds a device's objects as they stand in an answer to an interrogation: address, value,
quality; ordered by type and group, so that every data unit of an interrogation is one slice of the
row. Changes are found for all rows at once, and only where a station listens. Totals are asked for and never told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.contracts.way import Object
from pilotfarm.emulators.plans.iec104 import MEASURED, MonitorPoint, MonitorType, ObjectPlan
from pilotfarm.emulators.plans.own_list import ABSENT
from pilotfarm.emulators.protocols.events import EventTable
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, TOLD, Format
from pilotfarm.emulators.protocols.iec60870.blocks import DESCRIPTOR, MONITORED_OCTETS, STATES, VALUE, Block
from pilotfarm.emulators.wire.rows import Field, Rows

GENERAL: Final = 0
"""The group that stands for a whole general interrogation, or for every counter group."""

_HIGHEST: Final = {MonitorType.SINGLE: 1, MonitorType.DOUBLE: 3}
"""Of a state: its quality stands above it in the same octet (7.2.6.1, 7.2.6.2)."""


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
        ordered = sorted(self.plan.monitor, key=lambda point: (point.type, self._tag_of(point), point.group, point.ioa))
        self.controls = {point.ioa: point for point in self.plan.control}
        address_octets = self.format.object_octets
        template, marks = bytearray(), bytearray()
        fields = []
        for point in ordered:
            start = len(template)
            template += self._written(point.ioa) + bytes(MONITORED_OCTETS[point.type])
            marks += bytes(len(template) - start - 1) + bytes([DESCRIPTOR if point.type in STATES else 0xFF])
            highest = _HIGHEST.get(point.type, np.inf)
            fields.append(Field(start + address_octets, VALUE[point.type], point.source, highest=highest))
            self.places[point.ioa] = (point.type, start, len(template))
        self._begin(Rows(self.n, bytes(template), fields), np.frombuffer(bytes(marks), np.uint8))
        self._blocks = [
            self._block(list(points), columns)
            for _, points in groupby(ordered, key=lambda point: (point.type, self._tag_of(point)))
        ]
        self._quality_of: dict[str, list[tuple[Block, int]]] = {}
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
        return [
            (kind, octets[start:stop])
            for number, (kind, start, stop) in self.places.items()
            if kind in types and self.address(row, number) != ABSENT
        ]

    def address(self, row: int, number: int) -> int:
        """Return the object address that a point of the plan has in a row; ``ABSENT`` where it is not there."""
        return number if self.plan.addresses is None else int(self.plan.addresses[row, number - 1])

    # ----------------------------------------------------------------------------------- marking

    def _mark(self, quality: Mapping[str, Qualities], before: bool) -> bool:
        """Write the quality descriptors; NaN is never valid, and infinity has overflowed."""
        marked = bool(quality)
        for block in self._blocks:
            if block.type in STATES:
                continue  # encoding has just written the octet whole, or it holds no quality
            if before:
                block.quality[...] = 0
            marked |= block.mark_strange(self._latest[0])
        for name, bits in quality.items():
            for block, index in self._quality_of.get(name, ()):
                block.mark(index, bits)
        return marked

    # ---------------------------------------------------------------------------------- changes

    def listen(self, row: int, listener: Listener, address: int) -> None:
        """Tell a listener of every change of a row from now on, under the given common address."""
        self._make()
        if row not in self._listeners:
            self._heard = None
            for block in self._blocks:
                block.listen(row)
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
                self._report_block(block, self._heard, tag[: block.tag_octets])
        for listener in {id(each): each for others in self._listeners.values() for each, _ in others}.values():
            listener.stepped(self.unix_s)

    def _report_block(self, block: Block, heard: npt.NDArray[np.intp], tag: npt.NDArray[np.uint8]) -> None:
        rows, places = block.moved(heard)
        if not rows.size:
            return
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
            addresses = block.addresses_of(row, places[first:last].tolist())
            moved_objects = {
                ioa: data[at * step : (at + 1) * step] for at, ioa in zip(range(first, last), addresses, strict=True)
            }
            for listener, address in self._listeners[row]:
                listener.changed(address, TOLD[block.tag_octets][block.type], moved_objects)

    def _stamp(self, tags: npt.NDArray[np.uint8], runs: Sequence[tuple[int, int, int]]) -> None:
        """Write the time tags of rows with clocks that may be wrong; a run is a row, its first tag and its last."""
        made: dict[float, npt.NDArray[np.uint8]] = {}
        for row, first, last in runs:
            if row in self.clocks:
                shown_s = self.tagged_at(row)
                if shown_s not in made:
                    made[shown_s] = self._tag(shown_s)
                tags[first:last] = made[shown_s][: tags.shape[1]]

    def _stamp_each(
        self, tags: npt.NDArray[np.uint8], rows: npt.NDArray[np.intp], points: Sequence[MonitorPoint]
    ) -> None:
        """Write the time tag of every point by itself: it is told when that was."""
        made: dict[float, npt.NDArray[np.uint8]] = {}
        for at, (row, point) in enumerate(zip(rows.tolist(), points, strict=True)):
            tagged_s = self.tagged_at(row, point.source.quantities)
            if tagged_s not in made:
                made[tagged_s] = self._tag(tagged_s)
            tags[at] = made[tagged_s][: tags.shape[1]]

    def _tag(self, unix_s: float) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.format.time_tag(unix_s), dtype=np.uint8)

    def _tag_of(self, point: MonitorPoint) -> int:
        return self.format.tag_octets if point.tag_octets is None else point.tag_octets

    # ----------------------------------------------------------------------------------- layout

    def _written(self, ioa: int) -> bytes:
        """Return an object address as it stands in every row, unless these differ."""
        return self.format.ioa(ioa) if self.plan.addresses is None else bytes(self.format.object_octets)

    def _block(self, points: Sequence[MonitorPoint], columns: Seen) -> Block:
        kind, start, _ = self.places[points[0].ioa]
        octets = self.format.object_octets + MONITORED_OCTETS[kind]
        data, width = self._rows.data, self._rows.data.shape[1]
        shape, strides = (self.n, len(points)), (width, octets)
        value_at = start + self.format.object_octets
        deadbands = np.empty((0, 0), np.float32)
        if kind in MEASURED:
            deadbands = np.empty(shape, np.float32)
            for place, point in enumerate(points):
                deadbands[:, place] = point.deadband.width(columns) * abs(point.gain)
        block = Block(
            kind,
            self._tag_of(points[0]),
            points,
            octets,
            np.ndarray((*shape, octets), np.uint8, data, start, (*strides, 1)),
            np.ndarray(shape, np.uint8, data, start + octets - 1, strides),
            np.ndarray(shape, np.dtype(VALUE[kind]), data, value_at, strides),
            deadbands,
            None,
            np.empty((0, 0), np.dtype(VALUE[kind])),
            np.empty((0, 0), np.uint8),
        )
        if self.plan.addresses is not None:
            block.addresses = self.plan.addresses[:, [point.ioa - 1 for point in points]]
            shown = np.maximum(block.addresses, 0)
            for octet in range(self.format.object_octets):
                block.objects[:, :, octet] = shown >> 8 * octet & 0xFF
        return block

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
