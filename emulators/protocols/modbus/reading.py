"""What one device is asked in a scan of a class, and what its answers say.

A device puts columns into registers by the fields of its map's plan; who reads it goes the other way by the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.views import AtRow, Seen
from pilotfarm.emulators.contracts.asking import Known, Told
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.plans.modbus import RegisterPlan
from pilotfarm.emulators.plans.register_points import READ_COILS, READ_DISCRETES, unit_id
from pilotfarm.emulators.protocols.modbus.blocks import Block, blocks
from pilotfarm.emulators.wire.derived import DrawnFactor
from pilotfarm.emulators.wire.readings import read, says
from pilotfarm.emulators.wire.resource import ResourceSource
from pilotfarm.emulators.wire.rows import Field
from pilotfarm.emulators.wire.scaling import Exponent, Following
from pilotfarm.emulators.wire.sources import Source
from pilotfarm.emulators.wire.wiring import Shown, settled

_CODES: Final = {"u2": "H", "i2": "h", "u4": "I", "i4": "i", "u8": "Q", "i8": "q", "f4": "f", "f8": "d"}
_VALUES_AT: Final = 2
"""Where the values of an answer begin, after its function and how many octets they are."""


class Message(NamedTuple):
    """A request: to which unit, and what it says."""

    unit: int
    octets: bytes


class _Number(NamedTuple):
    """Where an answer has a number: of which request, at which octet, and of which type."""

    answer: int
    octet: int
    code: struct.Struct

    def of(self, answers: Sequence[bytes]) -> float:
        (value,) = self.code.unpack_from(answers[self.answer], self.octet)
        return float(value)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one register says. ``absent`` is the number that stands for a value that is not there."""

    number: _Number
    source: Source
    absent: float
    exponent: _Number | None

    def read(self, answers: Sequence[bytes], known: Known) -> dict[str, float]:
        raw = self.number.of(answers)
        if isnan(raw) or raw == self.absent:
            return dict.fromkeys(says(self.source), nan)
        return read(self.source, raw, known, 0.0 if self.exponent is None else self.exponent.of(answers))


class Reads:
    """The requests that read some ``points`` of the device at a row, whose first unit is ``unit``.

    ``fields`` are what the device's own table is encoded by: those of the plan with the ratings in ``columns``.
    """

    def __init__(
        self,
        plan: RegisterPlan,
        fields: Sequence[Field],
        columns: Seen,
        row: int,
        points: Sequence[PointRow],
        unit: int,
    ) -> None:
        asked = blocks(points)
        self.messages = [
            Message(unit + each.unit - 1, struct.pack(">BHH", each.function, each.first, each.count)) for each in asked
        ]
        wanted = {point.quantity for point in points}
        self._bits = {name: place for name, *place in _bits(plan, asked) if name in wanted}
        # How many phases a device is on, and which, is settled for each.
        of_row = AtRow(columns, row)
        shown = [(*each, settled(each[0].source, of_row)) for each in _numbers(plan, asked, fields)]
        self._readings = [each for each in _readings(shown) if not wanted.isdisjoint(says(each.source))]
        # The sign of a power factor depends on whether there is load, which is read along with it.
        self._readings.sort(key=lambda each: isinstance(_own(each.source), DrawnFactor))
        self.says = wanted & {*self._bits, *(name for each in self._readings for name in says(each.source))}

    def told(self, answers: Sequence[bytes], known: Known) -> Told:
        """Return what the answers to all messages say."""
        found = {name: float(answers[number][octet] >> bit & 1) for name, (number, octet, bit) in self._bits.items()}

        def so_far(name: str) -> float:
            value = found.get(name)
            return known(name) if value is None else value

        for each in self._readings:
            for name, value in each.read(answers, so_far).items():
                if name in self.says:
                    found.setdefault(name, value)
        absent = {name for name, value in found.items() if isnan(value)}
        return Told({name: value for name, value in found.items() if name not in absent}, absent)


def _bits(plan: RegisterPlan, asked: Sequence[Block]) -> Iterator[tuple[str, int, int, int]]:
    """Yield where the answers have discrete inputs and coils: of which request, at which octet and bit."""
    for number, block in enumerate(asked):
        for unit in plan.units:
            names = {READ_DISCRETES: unit.discretes, READ_COILS: unit.coils}.get(block.function, ())
            if unit_id(unit) == block.unit:
                for place, name in enumerate(names[block.first : block.first + block.count]):
                    yield unit.resource.of(name), number, _VALUES_AT + place // 8, place % 8


def _numbers(plan: RegisterPlan, asked: Sequence[Block], fields: Sequence[Field]) -> Iterator[tuple[Field, _Number]]:
    """Yield the fields that the answers have, in their own order, and where."""
    units = {unit_id(unit): number for number, unit in enumerate(plan.units)}
    rows = []
    for number, block in enumerate(asked):
        begins = plan.place(units[block.unit], block.first, block.count, block.function)
        if begins is not None:
            rows.append((number, begins, begins + block.octets))
    for field in fields:
        dtype = np.dtype(field.dtype)
        for number, begins, ends in rows:
            if begins <= field.offset and field.offset + dtype.itemsize <= ends:
                code = struct.Struct(">" + _CODES[dtype.str[1:]])
                yield field, _Number(number, _VALUES_AT + field.offset - begins, code)


def _readings(shown: Sequence[tuple[Field, _Number, Shown | None]]) -> Iterator[_Reading]:
    exponents = {source: number for _, number, source in shown if isinstance(source, Exponent)}
    for field, number, source in shown:
        if source is None or isinstance(source, float):
            continue
        exponent = exponents.get(source.exponent) if isinstance(source, Following) else None
        yield _Reading(number, source, float(field.missing) if field.missing else nan, exponent)


def _own(source: Source) -> Source:
    return source.source if isinstance(source, ResourceSource) else source
