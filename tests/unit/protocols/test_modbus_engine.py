"""Modbus TCP function by function, and what happens to requests that are wrong."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from modbus_bench import NOW_S, Bench, frame, talk

from pilotfarm.emulators import registry
from pilotfarm.emulators.errors import (
    Blocked,
    Busy,
    NoAnswer,
    NoSuchPoint,
    NotWritable,
    OutOfRange,
    PointError,
    Unsupported,
)
from pilotfarm.emulators.maps.modbus_bits import COILS, DISCRETES

LIMIT = 1301  # CHARX: current limit, one register
RELEASE = 1300
ALFEN_LIMIT = 1210  # a float32


@pytest.fixture
def charger() -> Bench:
    return Bench("ev_charger")


def set_value(bench: Bench, quantity: str, value: float) -> None:
    bench.columns[quantity] = np.array([value])
    bench.step()


# ------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("function", [3, 4])
def test_registers_are_the_same_as_holding_and_as_input_registers(charger: Bench, function: int) -> None:
    set_value(charger, "voltage_l1_v", 231.5)
    assert charger.ask(struct.pack(">BHH", function, 1232, 2)) == bytes([function, 4]) + (231_500).to_bytes(4, "big")


@pytest.mark.parametrize("function", [3, 4])
@pytest.mark.parametrize("count", [0, 126, 65_535])
def test_a_count_of_registers_outside_1_to_125_is_refused_with_exception_3(
    charger: Bench, function: int, count: int
) -> None:
    assert charger.ask(struct.pack(">BHH", function, 40_000, count)) == bytes([0x80 + function, 3])


def test_125_registers_can_be_read_at_once(charger: Bench) -> None:
    assert charger.registers(40_000, 125)[:4] == b"SunS"


def test_a_read_across_a_hole_is_refused_with_exception_2(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHH", 3, 160, 20)) == b"\x83\x02"
    assert charger.ask(struct.pack(">BHH", 3, 65_535, 2)) == b"\x83\x02"


def test_a_discrete_input_is_a_state_or_an_alarm(charger: Bench) -> None:
    set_value(charger, "vehicle_connected", 1.0)
    set_value(charger, "authorised", 0.0)
    number = DISCRETES.index("vehicle_connected")
    assert charger.ask(struct.pack(">BHH", 2, number, 2)) == b"\x02\x01\x01"


def test_discrete_inputs_past_the_last_are_refused_with_exception_2(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHH", 2, 0, len(DISCRETES)))[:2] == bytes([2, (len(DISCRETES) + 7) // 8])
    assert charger.ask(struct.pack(">BHH", 2, 0, len(DISCRETES) + 1)) == b"\x82\x02"


def test_a_coil_shows_a_set_point(charger: Bench) -> None:
    number = COILS.index("charge_release")
    for value in (1.0, 0.0):
        set_value(charger, "charge_release", value)
        assert charger.ask(struct.pack(">BHH", 1, number, 1)) == bytes([1, 1, int(value)])


@pytest.mark.parametrize("function", [1, 2])
@pytest.mark.parametrize("count", [0, 2001])
def test_a_count_of_bits_outside_1_to_2000_is_refused_with_exception_3(
    charger: Bench, function: int, count: int
) -> None:
    assert charger.ask(struct.pack(">BHH", function, 0, count)) == bytes([0x80 + function, 3])


# ------------------------------------------------------------------------------------------ writing


def test_a_register_written_alone_is_echoed_and_submitted(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHH", 6, LIMIT, 16)) == struct.pack(">BHH", 6, LIMIT, 16)
    assert charger.device.told == [{"current_limit_a": 16.0}]


def test_a_write_names_its_protocol_and_peer_and_is_acknowledged_when_answered(charger: Bench) -> None:
    charger.ask(struct.pack(">BHH", 6, LIMIT, 16))
    (command,) = charger.device.commands
    assert (command.protocol, command.peer, command.received_s) == ("modbus", "peer", NOW_S)
    assert command.acknowledged_s == NOW_S


def test_registers_written_together_are_one_command(charger: Bench) -> None:
    assert charger.write(RELEASE, b"\x00\x01\x00\x14") == struct.pack(">BHH", 16, RELEASE, 2)
    assert charger.device.told == [{"charge_release": 1.0, "current_limit_a": 20.0}]


def test_one_register_that_cannot_be_written_stops_the_whole_write(charger: Bench) -> None:
    assert charger.write(1299, b"\x00\x01\x00\x01") == b"\x90\x02"
    assert charger.write(LIMIT, b"\x00\x10\x00\x01") == b"\x90\x02"  # 1302, digital outputs, is read only
    assert charger.write(RELEASE, b"\x00\x01\x00\x51") == b"\x90\x03"  # 81 A is above the register's range
    assert charger.device.told == []


def test_half_a_float_is_refused_with_exception_2(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHH", 6, ALFEN_LIMIT, 0x4180)) == b"\x86\x02"
    assert charger.write(ALFEN_LIMIT, struct.pack(">f", 16.0)) == struct.pack(">BHH", 16, ALFEN_LIMIT, 2)
    assert charger.device.told == [{"current_limit_a": 16.0}]


@pytest.mark.parametrize(
    "body",
    ["10 0514 0000 00", "10 0514 007c f6" + "00" * 246, "10 0514 0001 04 00000000", "10 0514 0002 02 0001", "10 0514"],
)
def test_a_count_or_byte_count_that_does_not_fit_is_refused_with_exception_3(charger: Bench, body: str) -> None:
    assert charger.ask(body) == b"\x90\x03"


def test_a_coil_gives_a_command_and_a_set_point(charger: Bench) -> None:
    start, release = COILS.index("start"), COILS.index("charge_release")
    for number, value in ((start, 0xFF00), (start, 0), (release, 0xFF00), (release, 0)):
        assert charger.ask(struct.pack(">BHH", 5, number, value)) == struct.pack(">BHH", 5, number, value)
    assert charger.device.told == [{"start": 1.0}, {"charge_release": 1.0}, {"charge_release": 0.0}]


@pytest.mark.parametrize("value", [1, 0x00FF, 0xFF01])
def test_a_coil_is_on_or_off_and_nothing_else(charger: Bench, value: int) -> None:
    assert charger.ask(struct.pack(">BHH", 5, 0, value)) == b"\x85\x03"


def test_coils_written_together_are_one_command(charger: Bench) -> None:
    first = COILS.index("alarm_reset")
    assert charger.ask(struct.pack(">BHHBB", 15, first, 2, 1, 0b01)) == struct.pack(">BHH", 15, first, 2)
    assert charger.device.told == [{"alarm_reset": 1.0, "grid_switch": 0.0}]


def test_a_coil_the_device_does_not_have_is_refused_with_exception_2(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHH", 5, COILS.index("event_clear"), 0xFF00)) == b"\x85\x02"
    assert charger.ask(struct.pack(">BHHBB", 15, len(COILS) - 1, 2, 1, 3)) == b"\x8f\x02"


@pytest.mark.parametrize("body", ["0f 0000 0000 00", "0f 0000 07b1 f7" + "00" * 247, "0f 0000 0009 01 ff", "0f 0000"])
def test_coils_that_do_not_fit_their_count_are_refused_with_exception_3(charger: Bench, body: str) -> None:
    assert charger.ask(body) == b"\x8f\x03"


def test_a_mask_write_changes_the_bits_it_names(charger: Bench) -> None:
    set_value(charger, "current_limit_a", 16.0)
    request = struct.pack(">BHHH", 22, LIMIT, 0xFFF0, 0x000A)
    assert charger.ask(request) == request
    assert charger.device.told == [{"current_limit_a": 26.0}]


@pytest.mark.parametrize("now", [0b0001111, 0b0101010])
def test_a_mask_write_is_a_write_of_what_the_masks_make_of_the_register(charger: Bench, now: int) -> None:
    """Bits of the one mask stay and the others are those of the other (AP, 6.16), for pairs of masks of seven bits."""
    set_value(charger, "current_limit_a", float(now))
    plain, puts = Bench("ev_charger"), (0, 0b1111111, 0b1010101, 0b0101010, 0b0011011, 0b1100100)
    taken = 0
    for keep in range(128):
        for put in puts:
            wanted = sum((now if keep >> bit & 1 else put) & 1 << bit for bit in range(7))
            request = struct.pack(">BHHH", 22, LIMIT, 0xFF80 | keep, put)
            charger.step()
            before = len(charger.device.told), len(plain.device.told)
            answer, as_plain = charger.ask(request), plain.ask(struct.pack(">BHH", 6, LIMIT, wanted))
            assert answer == (request if as_plain[0] == 6 else b"\x96" + as_plain[1:])
            assert charger.device.told[before[0] :] == plain.device.told[before[1] :]
            taken += as_plain[0] == 6
    assert 128 < taken < 128 * len(puts)


def test_a_second_mask_write_before_the_step_starts_from_the_first(charger: Bench) -> None:
    set_value(charger, "current_limit_a", 16.0)
    charger.ask(struct.pack(">BHHH", 22, LIMIT, 0xFFF0, 0x0004))
    charger.ask(struct.pack(">BHHH", 22, LIMIT, 0xFFFE, 0x0001))
    assert charger.device.told == [{"current_limit_a": 20.0}, {"current_limit_a": 21.0}]
    charger.step()
    charger.ask(struct.pack(">BHHH", 22, LIMIT, 0xFFFE, 0x0001))
    assert charger.device.told[-1] == {"current_limit_a": 17.0}


def test_read_write_writes_and_then_reads(charger: Bench) -> None:
    set_value(charger, "current_limit_a", 10.0)
    answer = charger.ask(struct.pack(">BHHHHBH", 23, LIMIT, 1, LIMIT, 1, 2, 32))
    assert answer == struct.pack(">BBH", 23, 2, 32)
    assert charger.device.told == [{"current_limit_a": 32.0}]


def test_read_write_with_nothing_to_be_read_writes_nothing(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHHHHBH", 23, 9_000, 1, LIMIT, 1, 2, 32)) == b"\x97\x02"
    assert charger.device.told == []


@pytest.mark.parametrize(
    "body", ["17 0515 0000 0515 0001 02 0010", "17 0515 007e 0515 0001 02 0010", "17 0515 0001 0515 0002 02 0010"]
)
def test_read_write_with_counts_that_do_not_fit_is_refused_with_exception_3(charger: Bench, body: str) -> None:
    assert charger.ask(body) == b"\x97\x03"


def test_read_write_that_cannot_read_does_not_write(charger: Bench) -> None:
    assert charger.ask(struct.pack(">BHHHHBH", 23, 9000, 1, LIMIT, 1, 2, 32)) == b"\x97\x02"
    assert charger.device.told == []


def test_a_write_that_changes_nothing_is_answered_and_not_submitted() -> None:
    battery = Bench("battery")
    reset = next(
        r.address for r in battery.plan.units[0].registers if r.takes and r.takes.quantities == ("alarm_reset",)
    )
    assert battery.ask(struct.pack(">BHH", 6, reset, 0)) == struct.pack(">BHH", 6, reset, 0)
    assert battery.device.told == []


def test_a_read_shows_a_written_set_point_at_once(charger: Bench) -> None:
    set_value(charger, "current_limit_a", 10.0)
    charger.ask(struct.pack(">BHH", 6, LIMIT, 16))
    assert charger.registers(LIMIT, 1) == b"\x00\x10"
    set_value(charger, "current_limit_a", charger.device.told[0]["current_limit_a"])
    assert charger.registers(LIMIT, 1) == b"\x00\x10"


# ----------------------------------------------------------------------------------------- refusals

REFUSED = [
    (Unsupported, 1),
    (NoSuchPoint, 2),
    (NotWritable, 2),
    (OutOfRange, 3),
    (Blocked, 4),
    (Busy, 6),
    (NoAnswer, 11),
]


@pytest.mark.parametrize(("refusal", "code"), REFUSED)
def test_what_a_device_refuses_is_an_exception(charger: Bench, refusal: type[PointError], code: int) -> None:
    charger.device.refusal = refusal("no")
    assert charger.ask(struct.pack(">BHH", 6, LIMIT, 16)) == bytes([0x86, code])


@pytest.mark.parametrize("function", sorted(set(range(128)) - {1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43}))
def test_a_function_that_is_not_served_is_refused_with_exception_1(charger: Bench, function: int) -> None:
    assert charger.ask(bytes([function, 0, 0, 0, 1])) == bytes([0x80 | function, 1])


@pytest.mark.parametrize("unit", [2, 100, 200])
def test_a_unit_nobody_sits_at_is_answered_with_exception_0b(unit: int) -> None:
    assert Bench("battery").ask("03 9c40 0002", unit) == b"\x83\x0b"
    assert Bench("battery", (5, 6)).ask("03 9c40 0002", unit) == b"\x83\x0b"


def test_a_gateway_has_its_units_and_no_aliases() -> None:
    gateway = Bench("ev_charger", (7, 9))
    for unit, row in ((7, 0), (9, 1)):
        gateway.write(LIMIT, b"\x00\x10", unit)
        assert gateway.devices[row].told == [{"current_limit_a": 16.0}]
    for unit in (0, 1, 8, 200, 255):
        assert gateway.ask("03 9c40 0002", unit) == b"\x83\x0b"


def test_a_device_off_the_network_leaves_its_gateway_and_its_neighbours_answering() -> None:
    gateway = Bench("ev_charger", (7, 9))
    gateway.seats[0].reachable = False
    assert gateway.ask("03 9c40 0002", 7) == b"\x83\x0b"
    assert gateway.registers(40_000, 2, 9) == b"SunS"
    gateway.seats[0].reachable = True
    assert gateway.registers(40_000, 2, 7) == b"SunS"


@pytest.mark.parametrize("unit", [0, 1, 255])
def test_a_device_on_its_own_answers_at_its_unit_at_0_and_at_255(charger: Bench, unit: int) -> None:
    assert charger.registers(40_000, 2, unit) == b"SunS"


def test_the_exception_of_a_fault_is_the_answer_to_every_request(charger: Bench) -> None:
    charger.registers(LIMIT, 1)
    fault = registry.fault("modbus-exception")
    charger.seats[0].filters = (fault.filter("", fault.parameters(code=4), 0),)
    assert charger.ask(struct.pack(">BHH", 3, LIMIT, 1)) == b"\x83\x04"
    assert charger.ask(struct.pack(">BHH", 6, LIMIT, 16)) == b"\x86\x04"
    charger.seats[0].filters = ()
    assert charger.registers(LIMIT, 1)


# ------------------------------------------------------------------------------------ identification


def identification(answer: bytes) -> dict[int, bytes]:
    """The objects of an answer that holds all there is; 82 is regular identification, by stream and by object."""
    assert (answer[:2], answer[3:6]) == (b"\x2b\x0e", b"\x82\x00\x00")
    objects, rest = {}, answer[7:]
    for _ in range(answer[6]):
        objects[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
    assert rest == b""
    return objects


def test_a_device_identifies_itself(charger: Bench) -> None:
    basic = identification(charger.ask("2b 0e 01 00"))
    assert basic == {0: b"pilotfarm", 1: b"PF-EV", 2: b"1.0"}
    regular = identification(charger.ask("2b 0e 02 00"))
    assert regular[5] == b"ev-charger"
    assert regular[6] == b"ev_charger-0"
    assert identification(charger.ask("2b 0e 02 05")) == {5: regular[5], 6: regular[6]}
    assert identification(charger.ask("2b 0e 04 01")) == {1: b"PF-EV"}


@pytest.mark.parametrize(
    ("body", "code"), [("2b 0e 04 50", 2), ("2b 0e 05 00", 3), ("2b 0e 00 00", 3), ("2b 0e 01", 3), ("2b 0d 01 00", 1)]
)
def test_an_identification_that_is_not_there_is_refused(charger: Bench, body: str, code: int) -> None:
    assert charger.ask(body) == bytes([0xAB, code])


# ---------------------------------------------------------------------------------------- the stream


def test_several_requests_in_one_packet_are_answered_in_order(charger: Bench) -> None:
    requests = [frame("03 9c40 0002"), frame("03 0000 0001"), frame("01 0000 0001")]
    apart = b"".join(talk(charger.engine, each)[0] for each in requests)
    assert talk(charger.engine, b"".join(requests)) == (apart, False)


@pytest.mark.parametrize("length", [0, 1, 255, 65_535])
def test_a_length_no_message_has_closes_the_connection(charger: Bench, length: int) -> None:
    assert talk(charger.engine, struct.pack(">HHH", 1, 0, length)) == (b"", True)
    assert talk(charger.engine, frame("03 9c40 0002")) == (b"", True)


def test_another_protocol_closes_the_connection_after_what_came_before_it_is_answered(charger: Bench) -> None:
    out, closed = talk(charger.engine, frame("03 9c40 0002") + struct.pack(">HHHBB", 1, 1, 6, 1, 3))
    assert closed
    assert out.endswith(b"SunS")


def test_an_unfinished_frame_waits_and_stays_small(charger: Bench) -> None:
    longest = struct.pack(">HHHB", 1, 0, 254, 1) + bytes(252)
    assert talk(charger.engine, longest) == (b"", False)
    out, closed = talk(charger.engine, b"\0")
    assert (len(out), closed) == (9, False)


def test_a_silent_connection_closes_when_its_time_is_over() -> None:
    bench = Bench("battery", idle_timeout_s=60.0)
    assert bench.engine.deadline_s() == NOW_S + 60.0
    bench.engine.receive(frame("03 9c40 0002"), NOW_S + 30.0)
    bench.engine.advance(NOW_S + 60.0)
    assert not bench.engine.closed
    bench.engine.advance(NOW_S + 90.0)
    assert bench.engine.closed
    assert bench.engine.deadline_s() is None


def test_a_connection_may_be_silent_for_ever_by_default(charger: Bench) -> None:
    assert charger.engine.deadline_s() is None


def test_a_connection_past_the_limit_is_closed_and_one_that_ends_makes_room() -> None:
    bench = Bench("battery", max_connections=2)
    second, third = (bench.station.connect("peer", NOW_S) for _ in range(2))
    assert (second.closed, third.closed) == (False, True)
    third.hang_up(NOW_S)
    assert bench.station.connect("peer", NOW_S).closed
    second.hang_up(NOW_S)
    second.hang_up(NOW_S)
    assert not bench.station.connect("peer", NOW_S).closed
    assert bench.station.connect("peer", NOW_S).closed


def test_every_device_shows_its_own_serial_number() -> None:
    gateway = Bench("battery", (1, 2))
    for unit in (1, 2):
        assert gateway.registers(40_052, 16, unit).rstrip(b"\0") == f"battery-{unit - 1}".encode()
