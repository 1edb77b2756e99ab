"""Static objects of all outstations of a group, one row of bytes each, and the events of the rows that listen.

A row holds the analog inputs, analog outputs and counters as flags and 32 bits (g30v1, g40v1, g20v1:
5 bytes a point), then binary inputs and outputs as flags (g1v2, g10v2: 1 byte a point), each type
in the order of its indices. What a master reads is cut from the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats, is_set, wrapped
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.plans.dnp3 import Point, PointPlan, PointType
from pilotfarm.emulators.protocols.dnp3.reading import StaticReader
from pilotfarm.emulators.protocols.dnp3.sections import (
    COMM_LOST,
    LOCAL_FORCED,
    ONLINE,
    OVER_RANGE,
    REFERENCE_ERROR,
    STATE,
    Section,
    sections_of,
)
from pilotfarm.emulators.protocols.events import EventTable
from pilotfarm.emulators.wire.rows import Field, Rows
from pilotfarm.emulators.wire.sources import Source

_UNKNOWN: Final = -(2**31) + 1
"""Stands in an analog object for a value that is not a number, and tells it from one cut off at the type's end."""
_HIGHEST: Final = 2**31 - 1


def _flags(quality: int, *, analog: bool) -> int:
    flags = 0 if quality & (Quality.INVALID | Quality.NOT_TOPICAL) else ONLINE
    if quality & Quality.NOT_TOPICAL:
        flags |= COMM_LOST
    if quality & (Quality.SUBSTITUTED | Quality.BLOCKED):
        flags |= LOCAL_FORCED
    if analog and quality & Quality.OVERFLOW:
        flags |= OVER_RANGE
    return flags


_ANALOG_FLAGS: Final = np.array([_flags(q, analog=True) for q in range(256)], dtype=np.uint8)
_OTHER_FLAGS: Final = np.array([_flags(q, analog=False) for q in range(256)], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class _Rolling:
    """A total over its scale as a 32-bit counter: it starts again at 0 after 2**32 - 1."""

    quantity: str
    scale: float

    @property
    def quantities(self) -> tuple[str, ...]:
        return (self.quantity,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return wrapped(np.maximum(np.rint(columns[self.quantity] / self.scale), 0.0), 2.0**32)

    def back(self, raw: float) -> dict[str, float]:
        return {self.quantity: raw * self.scale}


@dataclass(frozen=True, slots=True)
class _State:
    """A truth value in the octet of a binary point."""

    source: Source

    @property
    def quantities(self) -> tuple[str, ...]:
        return self.source.quantities

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return np.where(is_set(self.source.of(columns)), float(STATE), 0.0)

    def back(self, raw: float) -> dict[str, float]:
        return self.source.back(raw)


class Listener(Protocol):
    """Who wants to know what moved at one row; ``unix_ms`` is site time."""

    def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None: ...
    def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None: ...


class Follower(Protocol):
    """Who wants to know of every step."""

    def stepped(self) -> None: ...


class Dnp3Table(EventTable):
    """The objects of ``n`` outstations of one kind."""

    def __init__(self, plan: PointPlan, n: int, columns: Seen, form: Any = None) -> None:
        self.plan = plan
        self.sections = sections_of(plan)
        self.reader = StaticReader(self.sections)
        fields, template = _fields(self.sections)
        self._begin(Rows(n, template, fields), _marks(self.sections, len(template)))
        inputs = self.sections[PointType.ANALOG_INPUT]
        binaries = self.sections[PointType.BINARY_INPUT]
        analogs = len(inputs.points) + len(self.sections[PointType.ANALOG_OUTPUT].points)
        wide = binaries.offset // 5
        data, width = self._rows.data, len(template)
        self._wide_flags = np.ndarray((n, wide), np.uint8, data, 0, (width, 5))
        self._values = np.ndarray((n, analogs), np.dtype("<i4"), data, 1, (width, 5)) if analogs else _nothing(n)
        self._binary = data[:, binaries.offset :]
        self._places = _places(self.sections)
        self._switched = _switched(self.sections[PointType.ANALOG_INPUT].points)
        self._analogs = analogs
        self._deadbands = _deadbands(inputs.points, n, columns)
        self._reported = np.array([point.event_class != 0 for point in inputs.points], dtype=bool)
        self._altered: dict[int, tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]] = {}
        """By row: deadbands, and which points are reported, where masters have changed them."""
        self.followers: set[Follower] = set()
        """Told of a step after all that has moved in it; asked only while somebody listens."""
        self._heard = np.zeros(0, dtype=np.intp)
        self._tolerated = self._deadbands[:0]
        self._wanted = np.zeros((0, len(inputs.points)), dtype=bool)
        self._last: tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
        if set(self.quantities) <= columns.keys():
            self.refresh(columns, {}, 0.0)

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._places, *self._switched)))

    def unix_ms(self, row: int, point: Point | None = None) -> int:
        """What time tags of a row say, or that of a point that has moved. [ms since 1970 UTC]"""
        made_of = () if point is None or self.stamps is None else point.source.quantities
        return int(self.tagged_at(row, made_of) * 1000.0)

    def listen(self, row: int, listener: Listener) -> None:
        """From here on tell ``listener`` what moves at ``row``."""
        if row in self._listeners:
            self._listeners[row].append(listener)
            return
        self._make()
        inputs, binaries = self.sections[PointType.ANALOG_INPUT], self.sections[PointType.BINARY_INPUT]
        if self._last is None:
            n, analogs = self._rows.n, len(inputs.points)
            self._last = (
                np.zeros((n, analogs), np.int32),
                np.zeros((n, analogs), np.uint8),
                np.zeros((n, len(binaries.points)), np.uint8),
            )
        values, flags, states = self._last
        values[row] = self._values[row, : values.shape[1]]
        flags[row] = self._wide_flags[row, : flags.shape[1]]
        states[row] = self._binary[row, : states.shape[1]]
        self._listeners[row] = [listener]
        self._heard = np.zeros(0, dtype=np.intp)

    def deadbands(self, row: int) -> list[float]:
        """The deadbands of the analog inputs as the point list has them, in wire units."""
        return [float(width) for width in self._deadbands[row]]

    def told(self, row: int) -> list[tuple[int, int]]:
        """The value and the flags of each analog input from which its deadband is measured."""
        assert self._last is not None, "nobody listens"
        return list(zip(self._last[0][row].tolist(), self._last[1][row].tolist(), strict=True))

    def told_states(self, row: int) -> list[int]:
        """Each binary input as it was told last, state and flags in one octet."""
        assert self._last is not None, "nobody listens"
        return [int(octet) for octet in self._last[2][row]]

    def alter(self, row: int, deadbands: Sequence[float], reported: Sequence[bool]) -> None:
        """Report the analog inputs of a row that listens by these; what is reported anew counts from what stands.

        A deadband below 0 is 0, and has the value told with the next report, whether it has moved or not.
        """
        assert self._last is not None, "nobody listens"
        wanted = np.array(reported, dtype=bool)
        _, before = self._altered.get(row, (None, self._reported))
        values, flags, _ = self._last
        anew = wanted & ~before
        values[row, anew] = self._values[row, : values.shape[1]][anew]
        flags[row, anew] = self._wide_flags[row, : flags.shape[1]][anew]
        self._altered[row] = np.array(deadbands, np.float32), wanted
        self._heard = np.zeros(0, dtype=np.intp)

    def tell(self, columns: Mapping[str, Floats], row: int, names: Sequence[str]) -> None:
        super().tell(columns, row, names)
        if self._stale:
            return
        quality, inputs = self._latest[1], self.sections[PointType.ANALOG_INPUT].points
        for switch in self._switched.keys() & set(names):
            for place in self._switched[switch]:
                bits, flags = quality.get(inputs[place].quantity), int(self._wide_flags[row, place]) & ~ONLINE
                if columns[switch][row] and not flags & REFERENCE_ERROR:
                    flags |= int(_ANALOG_FLAGS[0 if bits is None else bits[row]]) & ONLINE
                self._wide_flags[row, place] = flags

    def _mark(self, quality: Mapping[str, Qualities], before: bool) -> bool:
        """Write the flags, and stand-ins for NaN."""
        flags, values, binary = self._wide_flags, self._values, self._binary
        marked = bool(quality)
        flags[...] = ONLINE
        binary |= ONLINE
        if values.size and (values.max() == _HIGHEST or values.min() <= _UNKNOWN):
            analog = flags[:, : self._analogs]
            analog[(values == _HIGHEST) | (values == _UNKNOWN - 1)] |= OVER_RANGE
            unknown = values == _UNKNOWN
            marked |= bool(unknown.any())
            analog[unknown] = REFERENCE_ERROR
            values[unknown] = 0
        for name, bits in quality.items():
            bad = bits != 0
            for place, wide in self._places.get(name, ()):
                if not wide:
                    binary[bad, place] = binary[bad, place] & STATE | _OTHER_FLAGS[bits[bad]]
                elif place < self._analogs:
                    kept = flags[bad, place] & (OVER_RANGE | REFERENCE_ERROR)
                    flags[bad, place] = _ANALOG_FLAGS[bits[bad]] | kept
                else:
                    flags[bad, place] = _OTHER_FLAGS[bits[bad]]
        for switch, places in self._switched.items():
            off = self._latest[0][switch] == 0.0
            flags[:, places] &= np.where(off, ~np.uint8(ONLINE), np.uint8(0xFF))[:, np.newaxis]
        return marked

    def _hear(self) -> None:
        """Note which rows listen, and by what each of their points is reported."""
        self._heard = np.array(sorted(self._listeners), dtype=np.intp)
        self._tolerated = self._deadbands[self._heard]
        self._wanted = np.tile(self._reported, (len(self._heard), 1))
        for at, row in enumerate(self._heard.tolist()):
            if row in self._altered:
                self._tolerated[at], self._wanted[at] = self._altered[row]

    def _report(self) -> None:
        """Tell listeners of flags that changed and of values beyond their deadband since the last report."""
        assert self._last is not None
        anew = not self._heard.size
        if anew:
            self._hear()
        last_values, last_flags, last_states = self._last
        heard = self._heard
        analogs = last_values.shape[1]
        values, flags = self._values[heard, :analogs], self._wide_flags[heard, :analogs]
        away = np.abs(values - last_values[heard].astype(np.float64))
        moved = ((away > self._tolerated) | (flags != last_flags[heard])) & self._wanted
        if anew:
            np.maximum(self._tolerated, 0.0, out=self._tolerated)
        inputs = self.sections[PointType.ANALOG_INPUT].points
        for i, j in np.argwhere(moved).tolist():
            row = int(heard[i])
            last_values[row, j], last_flags[row, j] = values[i, j], flags[i, j]
            for listener in self._listeners[row]:
                listener.analog_moved(inputs[j], int(values[i, j]), int(flags[i, j]), self.unix_ms(row, inputs[j]))
        states = self._binary[heard, : last_states.shape[1]]
        binaries = self.sections[PointType.BINARY_INPUT].points
        for i, j in np.argwhere(states != last_states[heard]).tolist():
            row, octet = int(heard[i]), int(states[i, j])
            last_states[row, j] = octet
            for listener in self._listeners[row]:
                unix_ms = self.unix_ms(row, binaries[j])
                listener.binary_moved(binaries[j], bool(octet & STATE), octet & ~STATE, unix_ms)
        for follower in self.followers:
            follower.stepped()


def _nothing(n: int) -> npt.NDArray[np.int32]:
    return np.zeros((n, 0), np.int32)


def _fields(sections: Mapping[PointType, Section]) -> tuple[list[Field], bytes]:
    fields = []
    template = bytearray(max(section.end for section in sections.values()))
    for kind, section in sections.items():
        for place, point in enumerate(section.points):
            at = section.offset + place * section.size
            if point.fixed is not None:
                wire = bytes([STATE * point.fixed]) if section.size == 1 else point.fixed.to_bytes(4, "little")
                template[at + section.size - len(wire) : at + section.size] = wire
            elif section.size == 1:
                fields.append(Field(at, "u1", _State(point.source)))
            elif kind is PointType.COUNTER:
                fields.append(Field(at + 1, "<u4", _Rolling(point.quantity, point.scale)))
            else:
                fields.append(Field(at + 1, "<i4", point.source, missing=_UNKNOWN))
    return fields, bytes(template)


def _marks(sections: Mapping[PointType, Section], width: int) -> npt.NDArray[np.uint8]:
    """Where flags stand in a row: the first octet of five, all bits of one but the state."""
    marks = np.zeros(width, np.uint8)
    for section in sections.values():
        marks[section.offset : section.end : section.size] = 0xFF if section.size > 1 else 0xFF & ~STATE
    return marks


def _places(sections: Mapping[PointType, Section]) -> dict[str, list[tuple[int, bool]]]:
    """Quantity -> where its flags stand: the position among the 5-byte objects, or else the 1-byte ones."""
    first_binary = sections[PointType.BINARY_INPUT].offset
    places: dict[str, list[tuple[int, bool]]] = {}
    for section in sections.values():
        for place, point in enumerate(section.points):
            at = section.offset + place * section.size
            spot = (at // 5, True) if section.size == 5 else (at - first_binary, False)
            for quantity in () if point.fixed is not None else point.source.quantities:
                places.setdefault(quantity, []).append(spot)
    return places


def _switched(points: tuple[Point, ...]) -> dict[str, list[int]]:
    """Switch -> the positions of the analog inputs that are not online while it is 0."""
    switches: dict[str, list[int]] = {}
    for place, point in enumerate(points):
        if point.enabled_by:
            switches.setdefault(point.enabled_by, []).append(place)
    return switches


def _deadbands(points: tuple[Point, ...], n: int, columns: Mapping[str, Floats]) -> npt.NDArray[np.float32]:
    """Deadbands in wire units, shape ``(n, len(points))``."""
    wire = np.zeros((n, len(points)), np.float32)
    for place, point in enumerate(points):
        wire[:, place] = point.deadband.width(columns) / abs(point.scale)
    return wire
