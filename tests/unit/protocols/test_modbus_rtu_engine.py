"""Modbus RTU on a bus: who answers, when, and what the times of a line mean; the engine has no clock of its own."""

from __future__ import annotations

import numpy as np
import pytest
from modbus_bench import NOW_S, Bench

from pilotfarm.emulators.contracts.line import SerialLine
from pilotfarm.emulators.contracts.way import Engine, Passing
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.protocols.modbus.rtu import silence_s
from pilotfarm.emulators.wire.rtu import framed

LINE = SerialLine(9_600, "even", 8, 1)
CHARACTER_S = 11 / 9_600
SILENCE_S = 3.5 * CHARACTER_S
PTY = SerialLine(9_600, "even", 8, 1, paced=False)
READ = bytes.fromhex("03 9c40 0002")
SUNS = b"\x03\x04SunS"
LIMIT_16_A = bytes.fromhex("06 0515 0010")  # CHARX, register 1301


class Silenced(Passing):
    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return None


class Shortened(Passing):
    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message[:1] + b"\0"


def on_line(bench: Bench, line: SerialLine = PTY) -> tuple[ModbusStation, Engine]:
    station = ModbusStation(bench.seats, ModbusOptions(), line)
    return station, station.connect("/dev/ttyS7", NOW_S)


def ask(engine: Engine, frame: bytes, now_s: float = NOW_S) -> bytes:
    engine.receive(frame, now_s)
    return engine.take_output()


@pytest.fixture
def bus() -> Bench:
    return Bench("ev_charger", (3, 4, 9))


# ---------------------------------------------------------------------------------------- on the bus


def test_the_check_is_that_of_the_specification() -> None:
    """MODBUS over Serial Line V1.02, 6.2.2: of 02 07 it is 1241 hex, sent as 41 12."""
    assert framed(0x02, b"\x07") == bytes.fromhex("02 07 41 12")


@pytest.mark.parametrize("unit", [3, 4, 9])
def test_each_unit_answers_for_itself(bus: Bench, unit: int) -> None:
    _, engine = on_line(bus)
    assert ask(engine, framed(unit, READ)) == framed(unit, SUNS)
    assert ask(engine, framed(unit, LIMIT_16_A)) == framed(unit, LIMIT_16_A)
    assert [bool(device.told) for device in bus.devices] == [seat.address == unit for seat in bus.seats]


@pytest.mark.parametrize("unit", [1, 5, 10, 247, 248, 255])
def test_a_unit_that_is_not_on_the_bus_is_silence_and_no_error(bus: Bench, unit: int) -> None:
    station, engine = on_line(bus)
    assert ask(engine, framed(unit, READ)) == b""
    assert (station.traffic.requests, station.traffic.refusals) == (0, {})
    assert ask(engine, framed(3, READ)) == framed(3, SUNS)


@pytest.mark.parametrize("unit", [0, 248, 255])
def test_alone_on_a_bus_nobody_answers_for_the_numbers_that_tcp_has(unit: int) -> None:
    assert ask(on_line(Bench("ev_charger"))[1], framed(unit, READ)) == b""


def test_alone_on_a_bus_an_alias_answers_too_unless_it_is_reserved() -> None:
    assert ask(on_line(Bench("ev_charger"))[1], framed(200, bytes.fromhex("03 0064 0002"))) != b""
    assert ask(on_line(Bench("ev_charger", map_name="keba"))[1], framed(255, bytes.fromhex("03 03e8 0002"))) == b""


def test_what_is_said_to_all_is_done_by_all_and_answered_by_nobody(bus: Bench) -> None:
    station, engine = on_line(bus)
    bus.seats[1].reachable = False
    assert ask(engine, framed(0, LIMIT_16_A)) == b""
    assert [device.told for device in bus.devices] == [[{"current_limit_a": 16.0}], [], [{"current_limit_a": 16.0}]]
    assert ask(engine, framed(0, READ)) == b""
    assert (station.traffic.requests, station.traffic.refusals) == (2, {})


def test_who_is_not_reached_or_silenced_says_nothing(bus: Bench) -> None:
    _, engine = on_line(bus)
    bus.seats[0].reachable = False
    bus.seats[1].filters = (Silenced(),)
    assert [ask(engine, framed(unit, READ)) for unit in (3, 4, 9)] == [b"", b"", framed(9, SUNS)]


def test_a_read_asked_again_shows_what_is_there_now_as_over_tcp() -> None:
    bench = Bench("ev_charger")
    _, engine = on_line(bench)
    limit = bytes.fromhex("03 0515 0001")
    for value in (16, 12, 20):
        bench.columns["current_limit_a"] = np.array([float(value)])
        bench.step()
        wanted = b"\x03\x02" + value.to_bytes(2, "big")
        assert bench.ask(limit) == wanted
        assert [ask(engine, framed(1, limit)) for _ in range(2)] == [framed(1, wanted)] * 2
    assert ask(engine, framed(1, READ)) == framed(1, SUNS)  # now on a line first
    assert [bench.ask(READ) for _ in range(2)] == [SUNS, SUNS]
    bench.seats[0].filters = (Silenced(),)
    assert ask(engine, framed(1, limit)) == b""
    bench.seats[0].filters = (Shortened(),)
    both = bytes.fromhex("03 9c40 0001")
    assert ask(engine, framed(1, both)) == framed(1, b"\x03\x00")  # and is not remembered so
    bench.seats[0].filters = ()
    assert [ask(engine, framed(1, both)) for _ in range(2)] == [framed(1, b"\x03\x02Su")] * 2
    bench.seats[0].reachable = False
    assert ask(engine, framed(1, limit)) == b""


def test_a_refusal_is_counted_by_its_name(bus: Bench) -> None:
    station, engine = on_line(bus)
    assert ask(engine, framed(3, bytes.fromhex("03 7530 0001"))) == framed(3, b"\x83\x02")
    assert station.traffic.refusals == {"illegal_data_address": 1}


def test_a_wrong_check_is_unanswered_and_counted(bus: Bench) -> None:
    station, engine = on_line(bus)
    assert ask(engine, framed(3, READ)[:-1] + b"\0") == b""
    assert (station.traffic.requests, station.traffic.refusals) == (0, {"crc_error": 1})


@pytest.mark.parametrize("head", ["03 10 0000 0080 ff", "03 0f 0000 07f8 ff", "03 17 0000 0001 0000 0080 fb"])
def test_what_would_be_longer_than_any_frame_is_given_up_at_once(bus: Bench, head: str) -> None:
    station, engine = on_line(bus)
    assert ask(engine, bytes.fromhex(head)) == b""
    assert station.traffic.refusals == {"crc_error": 1}


def test_an_answer_that_comes_back_as_an_echo_is_no_request(bus: Bench) -> None:
    station, engine = on_line(bus)
    assert ask(engine, framed(3, b"\x83\x02")) == b""
    engine.advance(NOW_S + 1.0)
    assert engine.take_output() == b""
    assert station.traffic.requests == 0


@pytest.mark.parametrize("data", [b"\0\0", b"\xa5\x5a", b"\xff\xff"])
def test_a_loopback_returns_what_was_sent_on_a_line_and_there_alone(data: bytes) -> None:
    bench = Bench("ev_charger")
    request = b"\x08\0\0" + data
    assert ask(on_line(bench)[1], framed(1, request)) == framed(1, request)
    assert bench.ask(request) == b"\x88\x01"


@pytest.mark.parametrize("sub_function", [1, 4, 0x0A, 0x0B, 0xFFFF])
def test_no_other_diagnostic_is_served(bus: Bench, sub_function: int) -> None:
    request = b"\x08" + sub_function.to_bytes(2, "big") + b"\0\0"
    assert ask(on_line(bus)[1], framed(3, request)) == framed(3, b"\x88\x01")


# -------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("baud_rate", "parity", "stop_bits", "wanted_s"),
    [
        (300, "none", 2, 3.5 * 11 / 300),
        (9_600, "even", 1, 3.5 * 11 / 9_600),
        (9_600, "none", 1, 3.5 * 10 / 9_600),
        (19_200, "odd", 1, 3.5 * 11 / 19_200),
        (38_400, "even", 1, 0.001_75),
        (115_200, "none", 1, 0.001_75),
    ],
)
def test_the_silence_is_three_and_a_half_characters_or_above_19200_bit_s_fixed(
    baud_rate: int, parity: str, stop_bits: int, wanted_s: float
) -> None:
    assert silence_s(SerialLine(baud_rate, parity, 8, stop_bits)) == pytest.approx(wanted_s, rel=1e-12)  # type: ignore[arg-type]


def test_an_answer_leaves_a_silence_behind_its_request(bus: Bench) -> None:
    _, engine = on_line(bus, LINE)
    assert ask(engine, framed(3, READ)) == b""
    assert engine.deadline_s() == NOW_S + SILENCE_S
    engine.advance(NOW_S + SILENCE_S - 1e-4)
    assert engine.take_output() == b""
    engine.advance(NOW_S + SILENCE_S)
    assert engine.take_output() == framed(3, SUNS)
    assert engine.deadline_s() is None


def test_a_request_to_nobody_here_leaves_nothing_to_wait_for(bus: Bench) -> None:
    _, engine = on_line(bus, LINE)
    ask(engine, framed(77, READ))
    assert engine.deadline_s() is None


@pytest.mark.parametrize(("pause", "heard"), [(3.4, False), (3.6, True)])
def test_after_a_wrong_check_a_line_is_heard_again_once_it_has_been_silent(
    bus: Bench, pause: float, heard: bool
) -> None:
    """The time the characters of a request take is no silence: they are handed over when the last has come."""
    _, engine = on_line(bus, LINE)
    request = framed(3, READ)
    ask(engine, request[:-1] + b"\0")
    now_s = NOW_S + (pause + len(request)) * CHARACTER_S
    ask(engine, request, now_s)
    engine.advance(now_s + SILENCE_S)
    assert bool(engine.take_output()) is heard


def test_what_follows_a_silence_is_a_frame_whatever_came_before(bus: Bench) -> None:
    station, engine = on_line(bus)
    for part in (b"\x03", framed(3, READ)[:7], b"\x03\x10\x00\x00\x00\x40\x80", b"\x03\x41" + bytes(200)):
        assert ask(engine, part, NOW_S) == b""
        assert ask(engine, framed(3, READ), NOW_S + SILENCE_S) == framed(3, SUNS)
    assert station.traffic.refusals == {"crc_error": 4}


def test_what_is_handed_over_late_still_ends_a_frame(bus: Bench) -> None:
    station, engine = on_line(bus)
    request = framed(3, bytes.fromhex("10 0515 0001 02 0010"))
    assert ask(engine, request[:6], NOW_S) == b""
    assert ask(engine, request[6:], NOW_S + 0.016) == framed(3, bytes.fromhex("10 0515 0001"))
    assert station.traffic.refusals == {}


def test_a_function_nobody_knows_ends_with_the_silence_behind_it(bus: Bench) -> None:
    _, engine = on_line(bus)
    assert ask(engine, framed(3, b"\x41\x01\x02")) == b""
    assert engine.deadline_s() == NOW_S + SILENCE_S
    engine.advance(NOW_S + SILENCE_S)
    assert engine.take_output() == framed(3, b"\xc1\x01")
    assert engine.deadline_s() is None


# ------------------------------------------------------------------------------------- over TCP


def test_over_tcp_connections_are_limited_as_those_of_any_framing() -> None:
    bench = Bench("ev_charger", framing="rtu", max_connections=2)
    second, third = bench.station.connect("b", NOW_S), bench.station.connect("c", NOW_S)
    assert (bench.engine.closed, second.closed, third.closed) == (False, False, True)
    third.hang_up(NOW_S)
    assert bench.station.connect("d", NOW_S).closed
    second.hang_up(NOW_S)
    second.hang_up(NOW_S)
    assert bench.station.connections == 1
    assert ask(bench.engine, framed(1, READ)) == framed(1, SUNS)


def test_over_tcp_a_connection_closes_when_idle_and_a_line_does_not() -> None:
    bench = Bench("ev_charger", framing="rtu", idle_timeout_s=5.0)
    assert bench.engine.deadline_s() == NOW_S + 5.0
    bench.engine.advance(NOW_S + 4.9)
    assert not bench.engine.closed
    bench.engine.advance(NOW_S + 5.0)
    assert bench.engine.closed
    assert ask(bench.engine, framed(1, READ)) == b""
    assert on_line(bench)[1].deadline_s() is None
