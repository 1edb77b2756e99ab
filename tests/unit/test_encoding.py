"""Columns to bytes: every field where it belongs, of its type, and nothing else touched."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.wire.rows import Field, Rows
from pilotfarm.emulators.wire.sources import Bits, Lookup, Scaled


def one(source: Scaled | Bits | Lookup, dtype: str, missing: int = 0, **columns: list[float]) -> list[bytes]:
    """What a single field at offset 2 of a 12-byte row becomes, row by row."""
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    n = len(next(iter(arrays.values())))
    rows = Rows(n, bytes(range(12)), [Field(2, dtype, source, missing)])
    rows.encode(arrays)
    size = np.dtype(dtype).itemsize
    for i in range(n):
        whole = bytes(rows.row(i))
        assert whole[:2] + whole[2 + size :] == bytes(range(12))[:2] + bytes(range(12))[2 + size :]
    return [bytes(rows.row(i))[2 : 2 + size] for i in range(n)]


@pytest.mark.parametrize(
    ("dtype", "code"),
    [(">i2", ">h"), (">u2", ">H"), (">i4", ">i"), ("<i4", "<i"), (">u8", ">Q"), (">f4", ">f"), ("<f8", "<d")],
)
def test_a_value_is_encoded_as_struct_would(dtype: str, code: str) -> None:
    values = [0.0, 1.0, 123.0, 32_767.0]
    assert one(Scaled("x"), dtype, x=values) == [struct.pack(code, v if code[1] in "fd" else int(v)) for v in values]


def test_a_gain_turns_units_and_sign_and_a_floor_cuts_off() -> None:
    assert one(Scaled("p", gain=-0.1), ">i2", p=[-100.0, 25.0]) == [struct.pack(">h", 10), struct.pack(">h", -2)]
    assert one(Scaled("p", gain=-1.0, floor=0.0), ">u4", p=[-7.0, 7.0]) == [struct.pack(">I", 7), struct.pack(">I", 0)]


def test_integers_round_to_nearest_and_saturate_at_both_ends() -> None:
    wire = one(Scaled("x"), ">i2", x=[1.5, -1.6, 1e9, -1e9, np.inf, -np.inf])
    assert [struct.unpack(">h", w)[0] for w in wire] == [2, -2, 32_767, -32_768, 32_767, -32_768]
    wide = one(Scaled("x"), ">u8", x=[1e30])
    assert struct.unpack(">Q", wide[0])[0] > 2**63


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("kind", ["u", "i"])
def test_what_is_beyond_the_range_saturates_beside_the_missing_value_and_never_at_it(kind: str, bits: int) -> None:
    dtype = f">{kind}{bits // 8}"
    info = np.iinfo(dtype)
    missing = info.max if kind == "u" else info.min
    wire = [
        int(np.frombuffer(each, dtype)[0])
        for each in one(Scaled("x"), dtype, missing=int(missing), x=[1e30, -1e30, np.inf, -np.inf, np.nan, 7.0])
    ]
    assert wire[4:] == [missing, 7]
    assert missing not in wire[:4]
    slack = 2 ** max(0, bits - 53)  # a float64 has no number next to the end of 64 bits
    assert abs(wire[0] - int(info.max)) <= slack
    assert abs(wire[1] - int(info.min)) <= slack
    assert wire[2:4] == wire[:2]


def test_an_unsigned_0_is_a_value_where_0_also_stands_for_what_is_missing() -> None:
    assert one(Scaled("x"), ">u4", x=[0.0, np.nan, 1.0]) == [bytes(4), bytes(4), b"\0\0\0\1"]


def test_nan_becomes_the_maps_own_missing_value() -> None:
    assert one(Scaled("x"), ">i2", missing=-32_768, x=[np.nan, 3.0]) == [b"\x80\x00", b"\x00\x03"]
    assert np.isnan(struct.unpack(">f", one(Scaled("x"), ">f4", x=[np.nan])[0])[0])


def test_bits_gather_states_and_come_apart_again() -> None:
    alarms = Bits(((0, "a"), (4, "b")))
    assert one(alarms, ">u2", a=[0, 1, 1], b=[0, 0, 1]) == [b"\x00\x00", b"\x00\x01", b"\x00\x11"]
    assert alarms.back(16.0) == {"a": 0.0, "b": 1.0}


def test_a_lookup_translates_both_ways_and_refuses_what_it_does_not_know() -> None:
    states = Lookup("state", (10.0, 20.0, 40.0))
    assert one(states, ">u2", state=[0, 2, 9]) == [b"\x00\x0a", b"\x00\x28", b"\x00\x28"]
    assert states.back(20.0) == {"state": 1.0}
    with pytest.raises(OutOfRange, match="30 is not one of 10, 20, 40"):
        states.back(30.0)


def test_scaled_back_undoes_scaled() -> None:
    source = Scaled("x", gain=-0.25, offset=3.0)
    wire = source.of({"x": np.array([12.0])})
    assert source.back(float(wire[0])) == {"x": 12.0}


def test_a_row_is_live_and_rows_do_not_mix() -> None:
    rows = Rows(3, bytes(4), [Field(0, ">i2", Scaled("x")), Field(2, ">i2", Scaled("y"))])
    row = rows.row(1)
    rows.encode({"x": np.array([1.0, 2.0, 3.0]), "y": np.array([4.0, 5.0, 6.0])})
    assert bytes(row) == struct.pack(">hh", 2, 5)
    assert bytes(rows.row(0)) == struct.pack(">hh", 1, 4)


def test_a_field_beyond_the_row_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="beyond"):
        Rows(1, bytes(4), [Field(3, ">i2", Scaled("x"))])


def test_a_row_that_is_written_alone_saturates_and_has_a_missing_value_as_all_rows_do() -> None:
    fields = [Field(0, ">u2", Scaled("power"), missing=0xFFFF), Field(2, ">f4", Scaled("power"))]
    for value in (1.4, 1.6, -3.0, 1e9, np.nan):
        columns = {"power": np.array([7.0, value])}
        whole, alone = Rows(2, bytes(6), fields), Rows(2, bytes(6), fields)
        whole.encode(columns)
        alone.encode({"power": np.array([7.0, 8.0])})
        alone.encode_row(columns, 1, ["power"])
        assert bytes(alone.row(1)) == bytes(whole.row(1)), value
        assert bytes(alone.row(0)) == bytes(whole.row(0))


@pytest.mark.parametrize("row", [0, 15, 16, 17, 99])
def test_a_column_that_moves_in_one_row_is_seen_wherever_that_row_is(row: int) -> None:
    rows = Rows(100, bytes(2), [Field(0, ">i2", Scaled("x"))])
    before = np.zeros(100)
    rows.encode({"x": before})
    after = before.copy()
    after[row] = 3.0
    rows.encode({"x": after})
    assert [struct.unpack(">h", bytes(rows.row(i)))[0] for i in range(100)] == after.tolist()
    rows.encode({"x": before})
    assert not rows.data.any()


class Counted(Scaled):
    """A source that counts how often it was asked."""

    asked = 0

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        type(self).asked += 1
        return columns[self.quantity]


def test_a_new_column_that_says_the_same_is_not_encoded_again_until_it_is_to_be() -> None:
    rows = Rows(2, bytes(2), [Field(0, ">i2", Counted("x"), missing=-1)])
    for _ in range(3):
        rows.encode({"x": np.array([5.0, np.nan])})
    assert Counted.asked == 1
    rows.data[...] = 9
    rows.forget()
    rows.encode({"x": np.array([5.0, np.nan])})
    assert Counted.asked == 2
    assert rows.data.tolist() == [[0, 5], [255, 255]]


def test_fields_of_one_block_are_each_bounded_by_their_own_type() -> None:
    fields = [Field(0, ">i2", Scaled("x"), missing=-32_768), Field(2, ">u2", Scaled("x"), missing=65_535)]
    rows = Rows(4, bytes(4), fields)
    rows.encode({"x": np.array([40_000.0, -5.0, np.nan, 70_000.0])})
    assert [struct.unpack(">hH", bytes(rows.row(i))) for i in range(4)] == [
        (32_767, 40_000),
        (-5, 0),
        (-32_768, 65_535),
        (32_767, 65_534),
    ]
