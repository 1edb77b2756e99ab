"""What a poller reads over Modbus, and how long the frames are."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.protocols.modbus.asking import ASKING
from pilotfarm.emulators.protocols.modbus.blocks import GAP_MAX
from pilotfarm.emulators.stations.exchanges import SharedWay
from pilotfarm.profiles.draws import keys_of
from pilotfarm.profiles.media.shared import shared_medium


def row(name: str, number: int, kind: str = "uint16", code: int | None = 3, unit: int | None = None) -> PointRow:
    return PointRow(name, "", kind, 1.0, "", "r", resource_unit=unit, number=number, read_code=code)


def answers(*rows: PointRow) -> list[int]:
    found = ASKING.requests(rows)
    assert all(each.asked == 8 for each in found)
    return [each.answered for each in found]


def test_neighbours_are_read_together_and_those_far_off_are_not() -> None:
    assert answers(row("a", 100), row("b", 101)) == [5 + 4]
    assert answers(row("a", 100), row("b", 101 + GAP_MAX)) == [5 + 2 * (GAP_MAX + 2)]
    assert answers(row("a", 100), row("b", 102 + GAP_MAX)) == [7, 7]


def test_reading_a_gap_along_takes_about_as_long_as_asking_twice_at_19200_bit_s() -> None:
    line, octets = shared_medium("rs485"), 2 * (GAP_MAX + 2)
    (once,) = ASKING.requests([row("a", 100), row("b", 101 + GAP_MAX)])
    assert once.answered == 5 + octets
    asked = np.array([once.asked, 8.0]), np.array([once.answered, 7.0])
    took_s, short_s = SharedWay(line, keys_of(1, ["a", "b"]), *asked, 19_200.0).nominal_s
    assert took_s == pytest.approx(2.0 * short_s, rel=0.1)


def test_values_have_the_registers_of_their_type() -> None:
    assert answers(row("a", 0, "float32")) == [9]
    assert answers(row("a", 0, "uint64"), row("b", 4, "int16 times a scale factor")) == [15]


def test_a_read_has_125_registers_or_2000_bits() -> None:
    """MODBUS Application Protocol V1.1b3, 6.1 and 6.3."""
    assert answers(*(row(f"q{k}", k) for k in range(125))) == [255]
    assert answers(*(row(f"q{k}", k) for k in range(126))) == [255, 7]
    assert answers(row("a", 0, "bit", 1), row("b", 8, "bit", 1)) == [7]
    assert answers(*(row(f"q{k}", k, "bit", 2) for k in range(2_001))) == [255, 6]


def test_each_function_and_unit_is_asked_for_itself() -> None:
    assert answers(row("a", 0), row("b", 1, code=4), row("c", 2, unit=2)) == [7, 7, 7]


def test_a_quantity_is_read_once_where_it_comes_first_and_commands_are_not() -> None:
    assert answers(row("a", 0, code=None), row("a", 10), row("a", 500), row("b", 11), row("c", 12, code=None)) == [9]
    assert answers(row("c", 12, code=None)) == []


def test_a_command_writes_two_registers() -> None:
    assert ASKING.write == (13, 8)
