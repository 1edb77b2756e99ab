"""What a command is as writes to a device's registers: the other way round of what a written register means."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.asking import Known
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.errors import NotWritable, OutOfRange
from pilotfarm.emulators.plans.modbus import Register, RegisterPlan, ScaleFactor
from pilotfarm.emulators.plans.register_points import WRITE_COIL, WRITE_REGISTER, unit_id
from pilotfarm.emulators.protocols.modbus.reading import Message
from pilotfarm.emulators.wire.resource import ResourceSink
from pilotfarm.emulators.wire.sinks import Choice, Kept, Pulse, ShareTaken, Sink, Within
from pilotfarm.emulators.wire.sources import Source

_ON: Final = 0xFF00
"""A coil's word (MODBUS Application Protocol V1.1b3, 6.5)."""


class Writes:
    """The writes that a device takes, whose first unit is ``unit``."""

    def __init__(
        self, plan: RegisterPlan, scales: Mapping[ScaleFactor, float], points: Iterable[PointRow], unit: int
    ) -> None:
        self._unit = unit
        self._scales = scales
        self._first: dict[str, PointRow] = {}
        for point in points:
            if point.write_code is not None:
                self._first.setdefault(point.quantity, point)
        self._registers = {
            (unit_id(each), register.address): register
            for each in plan.units
            for register in each.registers
            if register.takes is not None
        }

    def messages(self, values: Mapping[str, float], known: Known) -> list[Message]:
        """Return the writes that give a device these values, each register once.

        Raises ``NotWritable`` where the map has no register for one, ``OutOfRange`` where its register cannot hold it.
        """
        missing = values.keys() - self._first.keys()
        if missing:
            raise NotWritable(f"the map has no register that takes {', '.join(sorted(missing))}")
        points = {(point.resource_unit or 1, point.number): point for name in values for point in [self._first[name]]}
        return [
            Message(self._unit + unit - 1, octets)
            for (unit, _), point in points.items()
            for octets in self._written(point, values, known)
        ]

    def _written(self, point: PointRow, values: Mapping[str, float], known: Known) -> Iterator[bytes]:
        if point.write_code == WRITE_COIL:
            yield struct.pack(">BHH", WRITE_COIL, point.number, _ON if values[point.quantity] else 0)
            return
        register = self._registers[point.resource_unit or 1, point.number]
        assert register.takes is not None
        wire = _given(register.takes, values, known)
        if wire is None:
            return
        scale = 1.0 if register.scale_factor is None else self._scales[register.scale_factor]
        octets = _octets(register, wire / scale)
        if point.write_code == WRITE_REGISTER:
            yield struct.pack(">BH", WRITE_REGISTER, point.number) + octets
        else:
            count = len(octets) // 2
            yield struct.pack(">BHHB", point.write_code, point.number, count, len(octets)) + octets


def _given(sink: Sink, values: Mapping[str, float], known: Known) -> float | None:
    """Return the wire value that means these values; ``None`` if there is nothing to be said."""
    if isinstance(sink, ResourceSink):
        own = {name: values[whole] for name in sink.sink.quantities if (whole := sink.resource.of(name)) in values}
        return _given(sink.sink, own, lambda name: known(sink.resource.of(name)))
    if isinstance(sink, Within):
        return _given(sink.sink, values, known)
    if isinstance(sink, Pulse):
        return 1.0 if values[sink.quantity] else None if sink.any_value else 0.0
    if isinstance(sink, Choice):
        return _chosen(sink, values)
    if isinstance(sink, Kept):
        return _kept(sink, values)
    source = sink.share if isinstance(sink, ShareTaken) else cast(Source, sink)  # what takes as it shows is a source
    columns: Columns = {name: np.array([values.get(name, known(name))]) for name in source.quantities}
    return float(source.of(columns)[0])


def _chosen(sink: Choice, values: Mapping[str, float]) -> float | None:
    for wire, quantity, value in sink.means:
        if quantity in values and values[quantity] == value:
            return wire
    if any(values.values()):
        raise OutOfRange("the register has no number for it")
    return None


def _kept(sink: Kept, values: Mapping[str, float]) -> float | None:
    assert isinstance(sink.allowed, Iterable)
    return float(next(iter(sink.allowed))) if values[sink.gives] else None


def _octets(register: Register, wire: float) -> bytes:
    dtype = np.dtype(register.dtype)
    if dtype.kind == "f":
        return np.array(wire).astype(dtype).tobytes()
    info = np.iinfo(dtype)
    rounded = np.rint(wire)
    if not info.min <= rounded <= info.max:
        raise OutOfRange(f"{wire:g} does not fit a register of type {dtype.name}")
    return np.array(rounded).astype(dtype).tobytes()
