"""Reads asked again: whoever asks, however framed, a read is answered from what stands in the registers now."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from modbus_bench import NOW_S, Bench, default_map, frame, talk

from pilotfarm.emulators import registry
from pilotfarm.emulators.protocols.modbus import table
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions

AGAIN = 3


def read(transaction: int, unit: int, address: int, count: int, function: int = 3) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, unit, function, address, count)


def shown(bench: Bench, seat: int, address: int, count: int, function: int = 3) -> bytes:
    start = bench.plan.place(0, address, count, function)
    assert start is not None
    return bytes(bench.table.row(seat)[start : start + 2 * count])


def answer(bench: Bench, seat: int, asked: bytes) -> bytes:
    """What a read is to be answered, by the standard and what stands in the table."""
    transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", asked)
    head = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, function, 2 * count)
    return head + shown(bench, seat, address, count, function)


@pytest.fixture(params=registry.DEVICES)
def gateway(request: pytest.FixtureRequest) -> Bench:
    """Two devices of a kind at one station, as far apart as their units need."""
    units = len(default_map(request.param).plan(registry.device(request.param)).units)
    return Bench(request.param, (1, 1 + units))


def reads(bench: Bench, function: int = 3) -> list[tuple[int, int, int]]:
    """Seat, address and count of the longest read at every window's start, and of the shortest at its end."""
    windows = [window for window in bench.plan.units[0].windows if function in window.functions]
    places = {(w.first, min(125, w.end - w.first) // w.grain * w.grain) for w in windows}
    places |= {(w.end - w.grain, w.grain) for w in windows}
    return [(seat, *place) for place in sorted(places) for seat in range(len(bench.seats))]


@pytest.mark.parametrize("function", [3, 4])
def test_a_read_asked_again_is_answered_with_what_stands_there_now(gateway: Bench, function: int) -> None:
    for turn in range(AGAIN):
        for transaction, (seat, address, count) in enumerate(reads(gateway, function)):
            asked = read(transaction + turn, gateway.seats[seat].address, address, count, function)
            assert talk(gateway.engine, asked) == (answer(gateway, seat, asked), False)
            assert asked[2:] in gateway.table.reads[0]
        gateway.columns = {name: column * 0.5 for name, column in gateway.columns.items()}
        gateway.step()


def test_reads_asked_again_are_the_same_in_one_packet_and_octet_by_octet(gateway: Bench) -> None:
    asked = [read(n, gateway.seats[seat].address, *place) for n, (seat, *place) in enumerate(reads(gateway))]
    wanted = b"".join(answer(gateway, seat, one) for one, (seat, *_) in zip(asked, reads(gateway), strict=True))
    stream = b"".join(asked)
    for _ in range(AGAIN):
        assert talk(gateway.engine, stream) == (wanted, False)
        for one in asked:
            assert talk(gateway.engine, one)[0] in wanted
        octets = (talk(gateway.engine, stream[at : at + 1])[0] for at in range(len(stream)))
        assert b"".join(octets) == wanted
        rest = talk(gateway.engine, asked[0][:7])[0] + talk(gateway.engine, asked[0][7:])[0]
        assert rest == answer(gateway, 0, asked[0])


def test_another_master_is_answered_from_its_own_device() -> None:
    bench = Bench("smart_meter", (1, 2))
    alone = registry.protocol("modbus").station([bench.seats[1]], ModbusOptions())
    bench.seats[1].address = 1
    other = alone.connect("other", NOW_S)
    asked = read(7, 1, 40_070, 50)
    for _ in range(AGAIN):
        assert talk(bench.engine, asked)[0] == answer(bench, 0, asked)
        assert talk(other, asked)[0] == answer(bench, 1, asked)
    assert shown(bench, 0, 40_070, 50) != shown(bench, 1, 40_070, 50)


def test_a_read_asked_again_is_what_has_been_asked_for_and_makes_the_next_step_encode() -> None:
    bench = Bench("smart_meter")
    for _ in range(AGAIN):
        talk(bench.engine, read(1, 1, 40_070, 50))
        assert bench.table.read
        assert not bench.table.stale
        bench.step()
        assert not bench.table.stale
        bench.step()
        assert bench.table.stale


def test_a_device_that_is_lost_says_so_to_a_read_asked_again() -> None:
    bench = Bench("smart_meter")
    asked = read(1, 1, 40_070, 50)
    for _ in range(AGAIN):
        assert talk(bench.engine, asked)[0] == answer(bench, 0, asked)
        bench.seats[0].reachable = False
        assert talk(bench.engine, asked)[0] == bytes.fromhex("0001 0000 0003 01 83 0b")
        bench.seats[0].reachable = True


@dataclass
class _Doubled:
    """A filter that says of every read what is not so, in a message of another length."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return bytes((message[0], 2)) + b"\xee\xee"


def test_what_a_filter_makes_of_a_read_is_not_remembered() -> None:
    bench = Bench("smart_meter")
    asked = read(1, 1, 40_070, 50)
    for _ in range(AGAIN):
        bench.seats[0].filters = (_Doubled(),)
        assert talk(bench.engine, asked)[0] == bytes.fromhex("0001 0000 0005 01 03 02 eeee")
        bench.seats[0].filters = ()
        assert talk(bench.engine, asked)[0] == answer(bench, 0, asked)


@pytest.mark.parametrize("end", ["0000", "007e", "ffff"])
def test_a_read_that_is_refused_is_refused_again(end: str) -> None:
    bench = Bench("smart_meter")
    for _ in range(AGAIN):
        assert bench.ask(f"03 9c86 {end}") == b"\x83\x03"
        assert bench.ask("03 7530 0001") == b"\x83\x02"


def test_a_write_of_as_many_octets_is_no_read_asked_before() -> None:
    bench = Bench("ev_charger")
    for _ in range(AGAIN):
        assert bench.registers(1300, 1)
        assert bench.ask(struct.pack(">BHH", 6, 1300, 1)) == struct.pack(">BHH", 6, 1300, 1)
    assert bench.device.told == [{"charge_release": 1.0}] * AGAIN


def test_more_different_reads_than_are_remembered_are_all_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_REMEMBERED_READS", 3)
    bench = Bench("smart_meter")
    for _ in range(AGAIN):
        for count in range(1, 9):
            asked = read(count, 1, 40_070, count)
            assert talk(bench.engine, asked)[0] == answer(bench, 0, asked)
            assert len(bench.table.reads[0]) <= 3


def test_a_read_asked_again_counts_against_the_silence_that_closes_a_connection() -> None:
    bench = Bench("smart_meter", idle_timeout_s=10.0)
    for turn in range(AGAIN):
        bench.engine.receive(read(1, 1, 40_070, 50), NOW_S + 6.0 * turn)
        assert bench.engine.deadline_s() == NOW_S + 6.0 * turn + 10.0


def test_a_connection_that_has_closed_answers_no_read_asked_again() -> None:
    bench = Bench("smart_meter")
    asked = read(1, 1, 40_070, 50)
    assert talk(bench.engine, asked)[0]
    assert talk(bench.engine, frame("03", 1)[:2] + b"\x00\x01" + b"\x00\x02\x01\x03") == (b"", True)
    assert talk(bench.engine, asked) == (b"", True)
