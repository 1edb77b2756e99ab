"""Rows of static objects: deadbands, flags, rolling counters, and reads in other variations."""

from __future__ import annotations

import struct
from itertools import product

import numpy as np
import pytest
from py1815.application import ObjectHeader, QualifierCode
from py1815.session import UnknownObject
from pydantic import ValidationError

from pilotfarm.emulators.plans.deadband import Deadband
from pilotfarm.emulators.plans.dnp3 import Point, PointPlan, PointType
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table

PLAN = PointPlan(
    (
        *(
            Point(PointType.ANALOG_INPUT, index, f"a{index}", 0.1, 3, Deadband(share=0.01, of=("size",)))
            for index in (4, 5, 9)
        ),
        Point(PointType.COUNTER, 0, "total"),
        *(Point(PointType.BINARY_INPUT, index, f"b{index}", event_class=1) for index in range(10)),
    )
)
COLUMNS = {
    **{f"a{index}": np.array([float(index), -float(index)]) for index in (4, 5, 9)},
    **{f"b{index}": np.array([float(index % 2), 0.0]) for index in range(10)},
    "total": np.array([2.0**32 + 7.0, 70_000.0]),
    "size": np.array([100.0, 0.0]),
}


class Ear:
    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []

    def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None:
        self.heard.append((point.address, value))

    def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None:
        self.heard.append((point.address, state))


def header(group: int, variation: int, start: int | None = None, stop: int | None = None) -> ObjectHeader:
    if start is None:
        return ObjectHeader(group, variation, QualifierCode.ALL_OBJECTS)
    return ObjectHeader(group, variation, QualifierCode.UINT8_START_STOP, start, stop)


def read(table: Dnp3Table, row: int, asked: ObjectHeader) -> list[bytes]:
    """What a header that names nothing else finds."""
    blocks, missing = table.reader.read(table.row(row), asked)
    assert not missing
    return blocks


@pytest.fixture
def table() -> Dnp3Table:
    return Dnp3Table(PLAN, 2, COLUMNS)


def test_a_counter_starts_again_at_zero_after_32_bits(table: Dnp3Table) -> None:
    (block,) = read(table, 0, header(20, 1))
    assert block == bytes([20, 1, 0, 0, 0, 1]) + struct.pack("<I", 7)


def test_a_deadband_is_a_share_of_each_devices_own_rating(table: Dnp3Table) -> None:
    ears = [Ear(), Ear()]
    for row, ear in enumerate(ears):
        table.listen(row, ear)
    table.refresh({**COLUMNS, "a4": COLUMNS["a4"] + 0.9}, {}, 1.0)
    assert [ear.heard for ear in ears] == [[], [("AI4", -31)]]
    table.refresh({**COLUMNS, "a4": COLUMNS["a4"] + 1.2}, {}, 2.0)
    assert [ear.heard for ear in ears] == [[("AI4", 52)], [("AI4", -31), ("AI4", -28)]]


def test_a_row_nobody_listens_to_is_not_looked_at_and_starts_from_what_stands(table: Dnp3Table) -> None:
    table.refresh({**COLUMNS, "b0": np.ones(2)}, {}, 1.0)
    ear = Ear()
    table.listen(1, ear)
    table.refresh({**COLUMNS, "b0": np.ones(2)}, {}, 2.0)
    assert ear.heard == []
    table.refresh(COLUMNS, {}, 3.0)
    assert ear.heard == [("BI0", False)]


QUALITIES = [sum(bits) for bits in product((0, 0x01), (0, 0x10), (0, 0x20), (0, 0x40), (0, 0x80))]


@pytest.mark.parametrize("quality", QUALITIES)
def test_any_quality_is_told_in_the_flags_there_are_for_it_and_no_state_is_touched(quality: int) -> None:
    """IEEE 1815-2012, 11.6: online 01, communications lost 04, forced 10, over range 20 of analog objects alone."""
    online = 0x01 if quality < 0x40 else 0x00
    flags = online | (0x04 if quality & 0x40 else 0) | (0x10 if quality & 0x30 else 0)
    table = Dnp3Table(PLAN, 2, COLUMNS)
    marks = {name: np.array([quality, 0], np.uint8) for name in ("a4", "b1", "b2", "total")}
    table.refresh(COLUMNS, marks, 1.0)
    for row, others, analog in ((0, flags, flags | (0x20 if quality & 0x01 else 0)), (1, 0x01, 0x01)):
        held = [read(table, row, asked)[0][5] for asked in (header(30, 1, 4, 4), header(20, 1))]
        assert held == [analog, others]
        states = [read(table, row, header(1, 2, index, index))[0][5] for index in (1, 2)]
        assert states == [others | (0x80 if row == 0 else 0), others]


def test_a_range_with_a_hole_is_answered_with_what_stands_on_both_sides(table: Dnp3Table) -> None:
    blocks, missing = table.reader.read(table.row(0), header(30, 1, 5, 20))
    assert [block[3:5] for block in blocks] == [bytes([5, 5]), bytes([9, 9])]
    assert missing


@pytest.mark.parametrize(
    ("variation", "objects"),
    [
        (1, struct.pack("<BiBi", 1, 40, 1, 50)),
        (2, struct.pack("<BhBh", 1, 40, 1, 50)),
        (3, struct.pack("<ii", 40, 50)),
        (4, struct.pack("<hh", 40, 50)),
        (5, struct.pack("<BfBf", 1, 4.0, 1, 5.0)),
        (6, struct.pack("<BdBd", 1, 4.0, 1, 5.0)),
    ],
)
def test_analog_inputs_are_read_in_every_variation(table: Dnp3Table, variation: int, objects: bytes) -> None:
    (block,) = read(table, 0, header(30, variation, 4, 5))
    assert block == bytes([30, variation, 0, 4, 5]) + objects


@pytest.mark.parametrize(
    ("variation", "objects"),
    [
        (1, struct.pack("<BiBi", 1, 40, 1, 90)),
        (2, struct.pack("<BhBh", 1, 40, 1, 90)),
        (3, struct.pack("<BfBf", 1, 4.0, 1, 9.0)),
        (4, struct.pack("<BdBd", 1, 4.0, 1, 9.0)),
    ],
)
def test_analog_outputs_are_read_in_every_variation(variation: int, objects: bytes) -> None:
    outputs = tuple(Point(PointType.ANALOG_OUTPUT, place, f"a{name}", 0.1) for place, name in enumerate((4, 9)))
    table = Dnp3Table(PointPlan((*PLAN.points, *outputs)), 2, COLUMNS)
    (block,) = read(table, 0, header(40, variation))
    assert block == bytes([40, variation, 0, 0, 1]) + objects


def test_a_value_too_large_for_16_bits_is_cut_off_and_says_so(table: Dnp3Table) -> None:
    table.refresh({**COLUMNS, "a4": np.array([1e5, -1e5])}, {}, 1.0)
    for row, value in ((0, 32_767), (1, -32_768)):
        (block,) = read(table, row, header(30, 2, 4, 4))
        assert block[5:] == struct.pack("<Bh", 0x21, value)


@pytest.mark.parametrize(("variation", "objects"), [(2, "<BH"), (5, "<I"), (6, "<H")])
def test_counters_are_read_in_every_variation(table: Dnp3Table, variation: int, objects: str) -> None:
    (block,) = read(table, 1, header(20, variation))
    value = 70_000 % (1 << 8 * struct.calcsize(objects[-1]))
    assert block[5:] == struct.pack(objects, *([1, value] if "B" in objects else [value]))


def test_packed_binary_inputs_fill_octets_from_the_lowest_bit(table: Dnp3Table) -> None:
    (block,) = read(table, 0, header(1, 1))
    assert block == bytes([1, 1, 0, 0, 9, 0b10101010, 0b10])


def test_indices_and_counts_select_what_is_there(table: Dnp3Table) -> None:
    reader = table.reader
    listed = ObjectHeader(30, 1, QualifierCode.UINT8_COUNT_UINT8_INDEX, count=3, indices=(9, 8, 4))
    blocks, missing = reader.read(table.row(0), listed)
    assert ([block[3] for block in blocks], missing) == ([9, 4], True)
    for count, found, missing in ((3, 3, False), (10, 10, False), (11, 10, True), (0, 0, True)):
        counted = ObjectHeader(1, 2, QualifierCode.UINT8_COUNT, count=count)
        states = [0x81 if index % 2 else 0x01 for index in range(found)]
        wanted = [bytes([1, 2, 0, 0, found - 1, *states])] if found else []
        assert reader.read(table.row(0), counted) == (wanted, missing)


@pytest.mark.parametrize(("first", "last", "found"), [(4, 5, 2), (4, 4, 1), (3, 5, 2), (4, 6, 2), (9, 9, 1), (4, 9, 3)])
def test_a_range_says_whether_it_names_a_point_that_is_not_there(
    table: Dnp3Table, first: int, last: int, found: int
) -> None:
    _, missing = table.reader.read(table.row(0), header(30, 1, first, last))
    assert missing == (found < last - first + 1)


@pytest.mark.parametrize("asked", [header(30, 7), header(40, 1), header(110, 0)])
def test_what_is_not_served_is_an_unknown_object(table: Dnp3Table, asked: ObjectHeader) -> None:
    with pytest.raises(UnknownObject):
        table.reader.read(table.row(0), asked)


def test_a_range_without_a_point_has_none_and_says_so(table: Dnp3Table) -> None:
    assert table.reader.read(table.row(0), header(30, 1, 6, 8)) == ([], True)


@pytest.mark.parametrize(
    "options",
    [{"masters": 0}, {"masters": 17}, {"masters": ()}, {"masters": (65_520,)}, {"event_buffer": 0}, {"colour": "red"}],
)
def test_options_out_of_their_bounds_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Dnp3Options(**options)
