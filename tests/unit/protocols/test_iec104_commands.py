"""Commands and set-points to an IEC 60870-5-104 station, and data units that it does not know or that are damaged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from iec104_bench import (
    ACT,
    CON,
    EVERYTHING,
    SETPOINT,
    START_S,
    TERM,
    Bench,
    Master,
    float_element,
    i,
    spec_of,
    taken_apart,
    u,
    unit,
)

from pilotfarm.emulators.errors import Busy, NoSuchPoint, NotWritable, OutOfRange, PointError, Unsupported
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.plans.iec104 import ControlType
from pilotfarm.emulators.protocols.iec104.asdu import ELEMENT_OCTETS, Cause, Type, time_tag
from pilotfarm.emulators.protocols.iec104.commands import REFUSAL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, TESTFR_ACT

COMMANDS = {
    ControlType.SINGLE: ((45, b"\x01", b"\x81", 1.0), (58, b"\x00", b"\x80", 0.0)),
    ControlType.DOUBLE: ((46, b"\x02", b"\x82", 1.0), (59, b"\x01", b"\x81", 0.0)),
    ControlType.SETPOINT: (
        (50, float_element(0.5), float_element(0.5, 0x80), 0.5),
        (63, float_element(0.5), float_element(0.5, 0x80), 0.5),
    ),
}


@pytest.mark.parametrize("way", ["direct", "select"])
def test_every_control_reaches_its_quantity_with_and_without_time_tag(way: str) -> None:
    bench = Bench(1, spec_of([each.name for each in EVERYTHING.quantities]))
    master = Master(bench)
    for point in bench.plan.control:
        for kind, operate, select, raw in COMMANDS[point.type]:
            tag = time_tag(START_S) if kind > 50 else b""
            if way == "select":
                (con,) = master.ask(kind, ACT, 1, point.ioa, select + tag)
                assert (con.cause, con.body[3:]) == (CON, select + tag)
            wanted = point.source.back(raw) | dict.fromkeys(point.enables, 1.0)
            low = EVERYTHING.quantities[[each.name for each in EVERYTHING.quantities].index(next(iter(wanted)))].min
            if way == "select" and raw < low:
                continue
            before = len(bench.devices[0].taken)
            asdus = master.ask(kind, ACT, 1, point.ioa, operate + tag)
            if raw < low:
                assert [(each.cause, each.negative) for each in asdus] == [(CON, True)]
                continue
            assert [(each.cause, each.negative, each.body[3:]) for each in asdus] == [
                (CON, False, operate + tag),
                (TERM, False, operate + tag),
            ]
            command = bench.devices[0].taken[before]
            assert command.values == wanted
            assert command.acknowledged_s == master.now_s
            assert (command.protocol, command.peer) == ("iec104", "peer")


def test_a_setpoint_closes_its_own_switch_and_the_switch_can_be_opened_by_itself() -> None:
    bench = Bench(1)
    master = Master(bench)
    master.ask(50, ACT, 1, SETPOINT, float_element(-2000.0))
    master.ask(45, ACT, 1, IOA["active_power_setpoint_enabled"], b"\x00")
    assert [each.values for each in bench.devices[0].taken] == [
        {"active_power_setpoint_w": -2000.0, "active_power_setpoint_enabled": 1.0},
        {"active_power_setpoint_enabled": 0.0},
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_a_setpoint_that_is_no_number_or_beyond_the_range_is_refused(value: float) -> None:
    bench = Bench(1)
    (con,) = Master(bench).ask(50, ACT, 1, SETPOINT, float_element(value))
    assert (con.cause, con.negative) == (CON, True)
    assert bench.devices[0].taken == []


@pytest.mark.parametrize("state", [0, 3])
def test_a_double_command_without_a_direction_is_refused(state: int) -> None:
    (con,) = Master(Bench(1)).ask(46, ACT, 1, 4100, bytes([state]))
    assert (con.cause, con.negative) == (CON, True)


@pytest.mark.parametrize("error", PointError.__subclasses__())
def test_every_error_of_the_device_has_an_answer(error: type[PointError]) -> None:
    causes = {Unsupported: 44, NoSuchPoint: 47, NotWritable: 7, OutOfRange: 7, Busy: 7}
    assert causes == REFUSAL
    bench = Bench(1)
    bench.devices[0].refuses = error("no")
    asdu = unit(50, ACT, 1, SETPOINT, float_element(1.0))
    (con,) = Master(bench).send(asdu)
    assert (con.cause, con.negative, con.body) == (causes[error], True, asdu[6:])


def test_a_selection_is_checked_and_does_nothing_yet() -> None:
    bench = Bench(1)
    master = Master(bench)
    (con,) = master.ask(50, ACT, 1, SETPOINT, float_element(2e6, 0x80))
    assert con.negative
    (con,) = master.ask(50, ACT, 1, SETPOINT, float_element(5.0, 0x80))
    assert not con.negative
    assert bench.devices[0].taken == []


@pytest.mark.parametrize("mode", ["both", "required"])
@pytest.mark.parametrize(
    ("selects", "wait_s", "value", "good"),
    [
        ("nobody", 0.0, 5.0, "both"),
        ("me", 29.9, 5.0, "both required"),
        ("me", 30.0, 5.0, ""),
        ("me", 0.0, 6.0, ""),
        ("other", 29.9, 5.0, ""),
        ("other", 30.0, 5.0, "both"),
        ("other hangs up", 0.0, 5.0, "both"),
        ("cancelled", 0.0, 5.0, "both"),
    ],
)
def test_select_before_operate(mode: str, selects: str, wait_s: float, value: float, good: str) -> None:
    bench = Bench(1, sbo=mode, t1_s=255, t3_s=100)
    me, other = Master(bench), Master(bench)
    select = float_element(5.0, 0x80)
    if selects in ("me", "cancelled"):
        assert [each.negative for each in me.ask(50, ACT, 1, SETPOINT, select)] == [False]
    elif selects != "nobody":
        assert [each.negative for each in other.ask(50, ACT, 1, SETPOINT, select)] == [False]
        assert [each.negative for each in me.ask(50, ACT, 1, SETPOINT, select)] == [True]
    if selects == "cancelled":
        (con,) = me.ask(50, Cause.DEACTIVATION, 1, SETPOINT, select)
        assert (con.cause, con.negative) == (Cause.DEACTIVATION_CON, False)
        (con,) = me.ask(50, Cause.DEACTIVATION, 1, SETPOINT, select)
        assert (con.cause, con.negative) == (Cause.DEACTIVATION_CON, True)
    if selects == "other hangs up":
        other.engine.hang_up(0.0)
    me.pull(wait_s)
    me.heard()
    asdus = me.ask(50, ACT, 1, SETPOINT, float_element(value))
    if mode in good.split():
        assert [(each.cause, each.negative) for each in asdus] == [(CON, False), (TERM, False)]
        assert len(bench.devices[0].taken) == 1
    else:
        assert [(each.cause, each.negative) for each in asdus] == [(CON, True)]
        assert bench.devices[0].taken == []


def test_a_selection_serves_one_operate() -> None:
    master = Master(Bench(1, sbo="required"))
    master.ask(45, ACT, 1, 4000, b"\x81")
    assert [each.negative for each in master.ask(45, ACT, 1, 4000, b"\x01")] == [False, False]
    assert [each.negative for each in master.ask(45, ACT, 1, 4000, b"\x01")] == [True]


def test_the_test_bit_makes_a_command_a_rehearsal_and_comes_back_with_the_originator() -> None:
    bench = Bench(1)
    con, term = Master(bench).send(unit(50, ACT | 0x80, 1, SETPOINT, float_element(5.0), orig=42))
    assert [(each.cause, each.test, each.originator) for each in (con, term)] == [(CON, True, 42), (TERM, True, 42)]
    assert bench.devices[0].taken == []


# -------------------------------------------------------------------------------- bad data units


@pytest.mark.parametrize(
    ("asdu", "cause"),
    [
        (unit(48, ACT, 1, SETPOINT, b"\x00\x10\x00"), 44),
        (unit(49, ACT, 1, SETPOINT, b"\x00\x10\x00"), 44),
        (unit(122, 5, 1, 0, b"\x00"), 44),
        (unit(1, 3, 1, 1000, b"\x01"), 44),
        (unit(Type.INTERROGATION, ACT, 3, 0, b"\x14"), 46),
        (unit(Type.INTERROGATION, ACT, 0, 0, b"\x14"), 46),
        (unit(Type.SETPOINT, ACT, 0xFFFF, SETPOINT, float_element(1.0)), 46),
        (unit(Type.READ, Cause.REQUEST, 0xFFFF, 2000), 46),
        (unit(Type.INTERROGATION, 3, 1, 0, b"\x14"), 45),
        (unit(Type.READ, ACT, 1, 2000), 45),
        (unit(Type.SETPOINT, TERM, 1, SETPOINT, float_element(1.0)), 45),
        (unit(Type.SETPOINT, ACT, 1, 5099, float_element(1.0)), 47),
        (unit(Type.SETPOINT, ACT, 1, 2000, float_element(1.0)), 47),
        (unit(Type.SINGLE_COMMAND, ACT, 1, SETPOINT, b"\x01"), 47),
        (unit(Type.READ, Cause.REQUEST, 1, SETPOINT), 47),
        (unit(Type.INTERROGATION, ACT, 1, 5, b"\x14"), 47),
        (unit(Type.SINGLE_COMMAND, ACT, 1, 4000, b"\x01\xa1\x0f\x00\x01", count=2), 7),
        (unit(Type.SINGLE_COMMAND, ACT, 1, 4000, b"\x01", count=0x81), 7),
        (unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(1.0), count=0), 7),
    ],
)
def test_what_is_not_known_here_comes_back_as_it_came_with_the_standards_cause(asdu: bytes, cause: int) -> None:
    bench = Bench(2)
    (back,) = Master(bench).send(asdu)
    sent = taken_apart(asdu)
    assert (back.cause, back.negative) == (cause, True)
    assert (back.type, back.count, back.address, back.body) == (sent.type, sent.count, sent.address, sent.body)
    assert all(device.taken == [] for device in bench.devices)


@pytest.mark.parametrize("kind", sorted(ELEMENT_OCTETS))
def test_a_data_unit_shorter_or_longer_than_its_type_closes(kind: int) -> None:
    right = unit(kind, ACT, 1, 0, bytes(ELEMENT_OCTETS[kind]))
    for asdu in (*(right[:length] for length in range(1, len(right))), right + b"\x00"):
        master = Master(Bench(1))
        assert master.send(asdu) == []
        assert master.engine.closed


SAMPLES = (
    unit(Type.INTERROGATION, ACT, 1, 0, b"\x14"),
    unit(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x05"),
    unit(Type.READ, Cause.REQUEST, 1, 2000),
    unit(Type.SINGLE_COMMAND, ACT, 1, 4000, b"\x01"),
    unit(Type.DOUBLE_COMMAND, ACT, 1, 4100, b"\x82"),
    unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(5.0)),
    unit(Type.SETPOINT_TAGGED, ACT, 1, SETPOINT, float_element(5.0) + time_tag(START_S)),
    unit(Type.CLOCK, ACT, 1, 0, time_tag(START_S)),
    unit(Type.RESET, ACT, 1, 0, b"\x01"),
    unit(Type.TEST_TAGGED, ACT, 1, 0, b"\x01\x02" + time_tag(START_S)),
)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda asdu: f"type {asdu[0]}")
def test_every_change_of_one_octet_is_answered_or_closes_and_never_raises(sample: bytes) -> None:
    bench = Bench(
        1, spec_of(["active_power_w", "energy_exported_wh", "start", "grid_switch", "active_power_setpoint_w"])
    )
    frame = i(0, 0, sample)
    for at in range(len(frame)):
        for octet in range(256):
            master = Master(bench)
            changed = frame[:at] + bytes([octet]) + frame[at + 1 :]
            master.feed(changed)
            if not master.engine.closed and len(changed) >= 2 + changed[1]:
                assert master.frames, f"no answer to {changed.hex()}"
            master.engine.hang_up(0.0)


def test_a_whole_conversation_does_not_depend_on_where_its_stream_is_cut() -> None:
    stream = u(STARTDT_ACT) + b"".join(i(number, 0, asdu) for number, asdu in enumerate(SAMPLES[2:7])) + u(TESTFR_ACT)

    def talk(*cuts: int) -> bytes:
        engine = Bench(1).station.connect("peer", 0.0)
        out = b""
        for first, last in pairwise((0, *cuts, len(stream))):
            engine.receive(stream[first:last], 0.0)
            out += engine.take_output()
        return out

    whole = talk()
    assert len(whole) > 100
    for cut in range(1, len(stream)):
        assert talk(cut) == whole
    assert talk(*range(1, len(stream))) == whole
