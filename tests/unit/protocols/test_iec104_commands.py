"""Commands and set-points to an IEC 60870-5-104 station, and data units that it does not know or that are damaged."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
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

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.device import Effect
from pilotfarm.emulators.contracts.protocol import Seat
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
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.plans.iec104 import ControlType, MonitorType
from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, TESTFR_ACT
from pilotfarm.emulators.protocols.iec60870.asdu import ELEMENT_OCTETS, TAGGED_COMMANDS, Asdu, Cause, Type
from pilotfarm.emulators.protocols.iec60870.commands import REFUSAL
from pilotfarm.emulators.protocols.iec60870.control import UNFINISHED_MAX
from pilotfarm.emulators.protocols.iec60870.outbox import ANSWERS_MAX
from pilotfarm.emulators.protocols.iec60870.times import time_tag
from pilotfarm.emulators.quantities import Role, quantity

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
    causes = {Unsupported: 44, NoSuchPoint: 47, NotWritable: 7, OutOfRange: 7, Blocked: 7, Busy: 7, NoAnswer: 7}
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


# -------------------------------------------------------------- what comes of it, and when it ends

FOLLOWED = replace(
    spec_of(["active_power_w", "running", "start", "active_power_setpoint_w", "active_power_setpoint_enabled"]),
    follows={"start": Effect("running"), "active_power_setpoint_w": Effect("active_power_w")},
)


def causes(asdus: Sequence[Asdu]) -> dict[int, int]:
    """Object address -> cause, of events of single objects or all of one cause."""
    found = {}
    for each in asdus:
        size = len(each.body) // each.count
        for at in range(0, len(each.body), size):
            found[int.from_bytes(each.body[at : at + 3], "little")] = each.cause
    return found


def obeyed(bench: Bench) -> None:
    """A step in which the device does what it was told, and its power moves."""
    for command in bench.devices[0].taken:
        for name, value in command.values.items():
            bench.set("running" if name == "start" else name, 0, value)
    bench.devices[0].taken.clear()
    bench.set("active_power_w", 0, bench.columns["active_power_w"][0] + 1e5)
    bench.step()


def test_what_changes_by_a_command_is_its_return_information_and_all_else_is_spontaneous() -> None:
    bench = Bench(1, FOLLOWED)
    bench.set("running", 0, 0.0)
    bench.step()
    asking, beside = Master(bench), Master(bench)
    asking.ask(45, ACT, 1, IOA["start"], b"\x01")
    asking.ask(50, ACT, 1, SETPOINT, float_element(-500.0))
    bench.set("active_power_setpoint_enabled", 0, 0.0)
    obeyed(bench)
    mirror, switch = SETPOINT - 2100, IOA["active_power_setpoint_enabled"] - 2950
    back, alone = Cause.RETURN_REMOTE, Cause.SPONTANEOUS
    for master in (asking, beside):
        master.pull()
        told = causes(master.heard())
        assert told.pop(switch, back) == back, "where the switch has moved"
        assert told == {IOA["running"]: back, mirror: back, IOA["active_power_w"]: alone}
    bench.set("running", 0, 0.0)
    bench.set("active_power_setpoint_w", 0, 700.0)
    bench.step()
    asking.pull()
    assert causes(asking.heard()) == {IOA["running"]: alone, mirror: alone}, "once a command"


@pytest.mark.parametrize(("steps_s", "cause"), [([59.0], 11), ([59.0, 1.0], 11), ([60.0, 1.0], 3), ([900.0], 11)])
def test_a_change_long_after_a_command_is_not_its_return_information(steps_s: list[float], cause: int) -> None:
    bench = Bench(1, FOLLOWED)
    master = Master(bench)
    master.ask(45, ACT, 1, IOA["start"], b"\x01")
    for dt_s in steps_s[:-1]:
        bench.step(dt_s)
    bench.set("running", 0, 1.0 - bench.columns["running"][0])
    bench.step(steps_s[-1])
    master.pull()
    assert causes(master.heard()) == {IOA["running"]: cause}


@pytest.mark.parametrize(("kind", "element"), [(45, b"\x81"), (45 | 0x80 << 8, b"\x01"), (45, b"\x01")])
def test_what_only_selects_rehearses_or_is_refused_has_no_return_information(kind: int, element: bytes) -> None:
    bench = Bench(1, FOLLOWED)
    master = Master(bench)
    if (kind, element) == (45, b"\x01"):
        bench.devices[0].refuses = Busy("no")
    master.ask(kind & 0xFF, ACT | kind >> 8, 1, IOA["start"], element)
    bench.set("running", 0, 1.0 - bench.columns["running"][0])
    bench.step()
    master.pull()
    assert causes(master.heard()) == {IOA["running"]: Cause.SPONTANEOUS}


@pytest.mark.parametrize("later", [False, True])
def test_return_information_that_waits_goes_before_later_values_of_its_point_and_after_none_older(later: bool) -> None:
    bench = Bench(1, FOLLOWED)
    master = Master(bench)
    master.block()
    mirror = SETPOINT - 2100
    for asked, value in ((False, 100.0), (True, 200.0), (False, 300.0))[: 2 + later]:
        if asked:
            master.feed(master.i_frame(unit(50, ACT, 1, SETPOINT, float_element(value))))
        bench.set("active_power_setpoint_w", 0, value)
        bench.step()
    master.acknowledge()
    told = [each for each in master.heard() if each.type == Type.FLOAT_TAGGED]
    assert [(each.cause, each.body[:3], struct.unpack_from("<f", each.body, 3)[0]) for each in told] == [
        (Cause.RETURN_REMOTE, mirror.to_bytes(3, "little"), 200.0),
        (Cause.SPONTANEOUS, mirror.to_bytes(3, "little"), 300.0),
    ][: 1 + later]


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_set_point_has_its_mirror_as_return_information_and_every_command_a_state_if_any(kind: str) -> None:
    spec = registry.device(kind)
    plan = registry.point_map("iec104").plan(spec)
    monitored = {point.ioa: point for point in plan.monitor}
    for control in plan.control:
        (name,) = control.source.quantities
        shown = {monitored[ioa].source.quantities[0] for ioa in control.returns}
        if quantity(name).role is Role.SETPOINT:
            assert name in shown
        if puts := quantity(name).puts:
            assert puts[0] in shown
        if name in spec.follows:
            steered = spec.follows[name].quantity
            assert (steered in shown) == quantity(steered).is_binary, name
        assert {monitored[ioa].type for ioa in control.returns} <= {MonitorType(1), MonitorType(3), MonitorType(13)}


@pytest.mark.parametrize("mode", ["at_once", "after_step"])
def test_a_command_is_terminated_at_once_or_when_a_step_has_taken_it_behind_its_return_information(mode: str) -> None:
    bench = Bench(1, FOLLOWED, termination=mode)
    master = Master(bench)
    told = master.ask(50, ACT, 1, SETPOINT, float_element(-500.0))
    assert [each.cause for each in told] == ([CON, TERM] if mode == "at_once" else [CON])
    master.pull()
    assert master.heard() == []
    obeyed(bench)
    master.pull()
    told = master.heard()
    back = [each.cause for each in told if each.cause != Cause.SPONTANEOUS]
    assert back[:1] == [Cause.RETURN_REMOTE]
    assert back[-1] == (Cause.RETURN_REMOTE if mode == "at_once" else TERM)
    if mode == "after_step":
        (term,) = [each for each in told if each.cause == TERM]
        assert (term.type, term.body) == (50, unit(50, ACT, 1, SETPOINT, float_element(-500.0))[6:])
    bench.step()
    master.pull()
    assert TERM not in [each.cause for each in master.heard()]


def test_a_command_ends_with_the_step_of_its_own_device() -> None:
    """A station's devices may stand in several tables, which take a step one after another."""
    bench, beside = Bench(1, FOLLOWED, termination="after_step"), Bench(1, FOLLOWED)
    seat = Seat(beside.devices[0], beside.table, 0, 2)
    bench.station = PROTOCOL.station([*bench.seats, seat], PROTOCOL.options_model(termination="after_step"))
    master = Master(bench)
    master.ask(45, ACT, 2, IOA["start"], b"\x01")
    for stepped, ended in ((bench, []), (beside, [TERM])):
        stepped.step()
        master.pull()
        assert [each.cause for each in master.heard() if each.type == 45] == ended


def test_commands_that_wait_for_a_step_are_bounded() -> None:
    bench = Bench(1, FOLLOWED, termination="after_step")
    master = Master(bench)
    signs = [master.ask(45, ACT, 1, IOA["start"], b"\x01")[0].negative for _ in range(UNFINISHED_MAX + 1)]
    assert signs == [False] * UNFINISHED_MAX + [True]
    bench.step()
    master.pull()
    assert [each.cause for each in master.heard()].count(TERM) == UNFINISHED_MAX
    assert not master.ask(45, ACT, 1, IOA["start"], b"\x01")[0].negative


def test_a_selection_is_its_originators_and_nobody_elses_on_the_same_connection() -> None:
    bench = Bench(1, sbo="required")
    master = Master(bench)

    def say(cause: int, element: bytes, originator: int) -> bool:
        (answer, *_) = master.send(unit(45, cause, 1, 4000, element, orig=originator))
        assert answer.originator == originator
        return not answer.negative

    assert say(ACT, b"\x81", 7)
    assert not say(ACT, b"\x01", 8)
    assert not say(ACT, b"\x81", 8)
    assert not say(Cause.DEACTIVATION, b"\x81", 8)
    assert say(ACT, b"\x01", 7)
    assert not say(ACT, b"\x01", 7)
    assert say(ACT, b"\x81", 8)
    assert say(Cause.DEACTIVATION, b"\x81", 8)
    assert say(ACT, b"\x81", 9)
    master.engine.hang_up(0.0)
    other = Master(bench)
    assert not other.send(unit(45, ACT, 1, 4000, b"\x81", orig=9))[0].negative


# ------------------------------------------------------------------------------- commands that come late


@pytest.mark.parametrize("kind", sorted(TAGGED_COMMANDS & ELEMENT_OCTETS.keys()))
@pytest.mark.parametrize("select", [0x00, 0x80])
@pytest.mark.parametrize(
    ("max_age_s", "age_s", "good"),
    [(0.0, 1e9, True), (5.0, 4.999, True), (5.0, 5.0, True), (5.0, 5.002, False), (5.0, -1e6, True), (0.5, 0.6, False)],
)
def test_a_command_whose_time_tag_is_too_old_is_refused(
    kind: int, select: int, max_age_s: float, age_s: float, good: bool
) -> None:
    bench = Bench(1, command_max_age_s=max_age_s)
    master = Master(bench)
    ioa, element = {58: (4000, b"\x01"), 59: (4100, b"\x02"), 63: (SETPOINT, float_element(5.0))}[kind]
    element = element[:-1] + bytes([element[-1] | select])
    told = master.ask(kind, ACT, 1, ioa, element + time_tag(bench.unix_s - age_s))
    assert (told[0].cause, told[0].negative) == (CON, not good)
    assert len(bench.devices[0].taken) == (good and not select)


def test_age_is_judged_by_the_clock_of_the_device_and_in_the_stations_zone() -> None:
    bench = Bench(1, command_max_age_s=5.0, time_zone="Europe/Berlin")
    Clock([(bench.table.clocks, 0)]).set(bench.unix_s + 3_600.0, bench.unix_s)
    master = Master(bench)
    for shown_s, zone, good in (
        (3_600.0, "Europe/Berlin", True),
        (0.0, "Europe/Berlin", False),
        (3_600.0, "UTC", False),
    ):
        tag = time_tag(bench.unix_s + shown_s, zone)
        (con, *_) = master.ask(63, ACT, 1, SETPOINT, float_element(5.0) + tag)
        assert con.negative is not good, zone


@pytest.mark.parametrize("tag", [bytes(7), time_tag(START_S)[:2] + b"\x80" + time_tag(START_S)[3:], time_tag(-1.0)])
def test_a_time_tag_that_is_none_is_refused_where_age_is_judged(tag: bytes) -> None:
    for max_age_s in (0.0, 86_400.0):
        master = Master(Bench(1, command_max_age_s=max_age_s))
        (con, *_) = master.ask(63, ACT, 1, SETPOINT, float_element(5.0) + tag)
        assert con.negative is (max_age_s > 0.0)


# -------------------------------------------------------------------------------- bad data units


BROADCAST_TYPES = (100, 101, 103, 105)


@pytest.mark.parametrize("once", [False, True])
def test_of_all_types_four_may_be_asked_of_every_station_and_the_others_are_an_unknown_address(once: bool) -> None:
    bench = Bench(3, broadcast_confirm="once" if once else "each")
    elements = {100: b"\x14", 101: b"\x05", 103: time_tag(START_S), 105: b"\x02"}
    for kind in range(1, 256):
        element = elements.get(kind, bytes(ELEMENT_OCTETS.get(kind, 1)))
        cause = Cause.REQUEST if kind == Type.READ else ACT
        asked = unit(kind, cause, 0xFFFF, 0, element)
        told = Master(bench).send(asked)
        if kind not in BROADCAST_TYPES:
            assert [(each.cause, each.negative, each.address) for each in told] == [(46, True, 0xFFFF)], kind
            assert (told[0].type, told[0].body) == (kind, asked[6:])
            continue
        by = [0xFFFF] if once else [1, 2, 3]
        for cause, wanted in ((CON, by), (TERM, by if kind in (100, 101) else [])):
            found = [each for each in told if (each.type, each.cause) == (kind, cause)]
            assert [each.address for each in found] == wanted, kind
            assert not any(each.negative for each in found)
        data = [each for each in told if each.cause in (20, 37)]
        assert {each.address for each in data} == ({1, 2, 3} if kind in (100, 101) else set())


@pytest.mark.parametrize(("kind", "element"), [(100, b"\x00"), (101, b"\x00"), (105, b"\x09")])
def test_what_cannot_be_is_refused_by_every_station(kind: int, element: bytes) -> None:
    told = Master(Bench(2)).ask(kind, ACT, 0xFFFF, 0, element)
    assert [(each.cause, each.negative, each.address) for each in told] == [(CON, True, 1), (CON, True, 2)]


def test_a_station_of_more_devices_than_answers_may_wait_answers_for_each() -> None:
    n = ANSWERS_MAX + 10
    master = Master(Bench(n, spec_of(["running"])))
    told = master.ask(Type.INTERROGATION, ACT, 0xFFFF, 0, b"\x14")
    assert not master.engine.closed
    assert [each.cause for each in told] == [CON] * n + [20] * n + [TERM] * n


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
