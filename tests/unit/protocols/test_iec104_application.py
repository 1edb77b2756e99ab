"""What a master asks of an IEC 60870-5-104 station and what it is told."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hat.drivers.iec60870.encodings import iec104 as hat
from iec104_bench import EVERYTHING, START_S, Bench, Master, columns_of, float_element, i, spec_of, taken_apart, u, unit

from emulators.contracts import Quality
from emulators.errors import Busy, NoSuchPoint, NotWritable, OutOfRange, PointError, Unsupported
from emulators.maps.iec104 import IOA, address
from emulators.plans.iec104 import ControlType, MonitorType
from emulators.protocols.iec104 import PROTOCOL
from emulators.protocols.iec104.apci import STARTDT_ACT, STOPDT_ACT, TESTFR_ACT
from emulators.protocols.iec104.asdu import ELEMENT_OCTETS, FORMAT_104, Asdu, Cause, Type, time_tag
from emulators.protocols.iec104.commands import REFUSAL

ACT, CON, TERM = Cause.ACTIVATION, Cause.ACTIVATION_CON, Cause.ACTIVATION_TERM
SETPOINT = IOA["active_power_setpoint_w"]


def objects_of(asdus: list[Asdu]) -> dict[tuple[int, int], list[object]]:
    """(common address, object address) -> every value received, as hat-drivers decodes it."""
    found: dict[tuple[int, int], list[object]] = {}
    encoder = hat.Encoder()
    for each in asdus:
        head = FORMAT_104.header(each.type, each.count, each.cause, each.originator, each.address)
        decoded, rest = encoder.decode_asdu(head + each.body)
        assert not rest
        for io in decoded.ios:
            for element in io.elements:
                found.setdefault((decoded.address, io.address), []).append(element)
    return found


def number(element: object) -> float:
    """The value of a decoded element as a number."""
    value = element.value  # type: ignore[attr-defined]
    if isinstance(value, hat.SingleValue):
        return {hat.SingleValue.OFF: 0.0, hat.SingleValue.ON: 1.0}[value]
    if isinstance(value, hat.DoubleValue):
        return {hat.DoubleValue.OFF: 1.0, hat.DoubleValue.ON: 2.0}[value]
    return float(value.value)


def expected(bench: Bench, row: int, counters: bool = False) -> dict[tuple[int, int], float]:
    return {
        (row + 1, point.ioa): float(point.source.of(bench.columns)[row])
        for point in bench.plan.monitor
        if (point.type is MonitorType.TOTAL) == counters
    }


def interrogate(master: Master, to: int, qoi: int = 20) -> list[Asdu]:
    """Interrogate, check confirmation and termination, return the data."""
    master.pull()  # what has changed before goes first
    con, *data, term = master.ask(Type.INTERROGATION, ACT, to, 0, bytes([qoi]))
    assert (con.type, con.cause, con.negative, con.address) == (Type.INTERROGATION, CON, False, to)
    assert (term.type, term.cause, term.negative, term.address) == (Type.INTERROGATION, TERM, False, to)
    return data


# ---------------------------------------------------------------------------------- interrogation


@pytest.mark.parametrize("to", [1, 2, 0xFFFF])
def test_an_interrogation_returns_every_point_of_every_device_asked_once_with_its_value(to: int) -> None:
    bench = Bench(3)
    found = objects_of(data := interrogate(Master(bench), to))
    rows = range(3) if to == 0xFFFF else [to - 1]
    wanted = {key: value for row in rows for key, value in expected(bench, row).items()}
    assert found.keys() == wanted.keys()
    for key, elements in found.items():
        assert [number(each) for each in elements] == [pytest.approx(wanted[key], rel=1e-6)]
    assert {each.cause for each in data} == {20}


def test_the_groups_share_a_general_interrogation_out_without_a_rest() -> None:
    master = Master(Bench(1))
    everything = objects_of(interrogate(master, 1))
    together: dict[tuple[int, int], list[object]] = {}
    for qoi in range(21, 37):
        data = interrogate(master, 1, qoi)
        assert {each.cause for each in data} <= {qoi}
        part = objects_of(data)
        assert not together.keys() & part.keys()
        together |= part
    assert together.keys() == everything.keys()


def test_an_interrogation_longer_than_the_window_goes_on_as_it_is_acknowledged() -> None:
    bench = Bench(20)
    master = Master(bench, acknowledges=False)
    con, *data = master.ask(Type.INTERROGATION, ACT, 0xFFFF, 0, b"\x14")
    assert con.cause == CON
    assert 1 + len(data) == 12
    master.acknowledges = True
    master.feed(b"\x68\x04\x01\x00" + struct.pack("<H", master.received << 1))
    data += master.heard()
    assert data.pop().cause == TERM
    assert len(objects_of(data)) == sum(len(expected(bench, row)) for row in range(20))


def test_an_interrogation_can_be_broken_off() -> None:
    master = Master(Bench(20), acknowledges=False)
    master.ask(Type.INTERROGATION, ACT, 0xFFFF, 0, b"\x14")
    master.acknowledges, master.acknowledged = True, master.received
    (first, *_) = [
        each
        for each in master.ask(Type.INTERROGATION, Cause.DEACTIVATION, 0xFFFF, 0, b"\x14")
        if each.type == Type.INTERROGATION
    ]
    assert (first.cause, first.negative) == (Cause.DEACTIVATION_CON, False)
    (again,) = master.ask(Type.INTERROGATION, Cause.DEACTIVATION, 0xFFFF, 0, b"\x14")
    assert (again.cause, again.negative) == (Cause.DEACTIVATION_CON, True)


@pytest.mark.parametrize("qoi", [0, 19, 37, 255])
def test_an_unknown_qualifier_of_interrogation_is_confirmed_negatively(qoi: int) -> None:
    (con,) = Master(Bench()).ask(Type.INTERROGATION, ACT, 1, 0, bytes([qoi]))
    assert (con.cause, con.negative) == (CON, True)


def test_counters_are_asked_for_by_themselves_as_whole_watt_hours() -> None:
    bench = Bench()
    bench.set("energy_imported_wh", 0, 2.0**31 + 41.9)
    bench.step()
    con, *data, term = Master(bench).ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x05")
    assert (con.cause, con.negative, term.cause) == (CON, False, TERM)
    assert {each.cause for each in data} == {37}
    found = objects_of(data)
    assert {key: [number(each) for each in elements] for key, elements in found.items()} == {
        key: [value] for key, value in expected(bench, 0, counters=True).items()
    }
    assert number(found[1, 3001][0]) == 41.0


def test_counter_group_1_is_energy_and_the_others_are_empty() -> None:
    master = Master(Bench())
    for group in (1, 2, 3, 4):
        con, *data, term = master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, bytes([group]))
        assert (con.negative, term.cause) == (False, TERM)
        assert [each.cause for each in data] == ([38] if group == 1 else [])


def test_what_a_master_freezes_it_reads_until_it_freezes_again_and_others_read_the_present() -> None:
    bench = Bench()
    mine, other = Master(bench), Master(bench)

    def read(master: Master) -> tuple[float, int]:
        _, data, _ = master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x05")
        element = objects_of([data])[1, 3000][0]
        return number(element), element.quality.sequence  # type: ignore[attr-defined]

    bench.set("energy_exported_wh", 0, 100.0)
    bench.step()
    con, term = mine.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x45")
    assert (con.negative, term.cause) == (False, TERM)
    bench.set("energy_exported_wh", 0, 200.0)
    bench.step()
    assert read(mine) == (100.0, 1)
    assert read(other) == (200.0, 0)


@pytest.mark.parametrize("qcc", [0x00, 0x06, 0x3F, 0x85, 0xC5])
def test_counters_are_not_reset_and_unknown_requests_are_confirmed_negatively(qcc: int) -> None:
    (con,) = Master(Bench()).ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, bytes([qcc]))
    assert (con.cause, con.negative) == (CON, True)


def test_every_point_can_be_read_by_itself() -> None:
    bench = Bench(1)
    master = Master(bench)
    wanted = expected(bench, 0) | expected(bench, 0, counters=True)
    for point in bench.plan.monitor:
        data = master.ask(Type.READ, Cause.REQUEST, 1, point.ioa)
        assert [each.cause for each in data] == [Cause.REQUEST]
        ((key, (element,)),) = objects_of(data).items()
        assert number(element) == pytest.approx(wanted[key], rel=1e-6)


# ------------------------------------------------------------------------- quality and the changes


def test_quality_reaches_every_object_and_leaves_with_its_cause() -> None:
    bench = Bench(2)
    bench.quality = {each.name: np.array([0, Quality.NOT_TOPICAL], np.uint8) for each in bench.spec.quantities}
    bench.step()
    master = Master(bench)
    for row, stale in ((0, False), (1, True)):
        for (element,) in objects_of(interrogate(master, row + 1)).values():
            assert element.quality.not_topical is stale  # type: ignore[attr-defined]
            assert not element.quality.invalid  # type: ignore[attr-defined]
    bench.quality = {}
    bench.step()
    for (element,) in objects_of(interrogate(master, 2)).values():
        assert not element.quality.not_topical  # type: ignore[attr-defined]


def test_a_value_that_is_no_number_is_invalid() -> None:
    bench = Bench(1)
    bench.set("active_power_w", 0, np.nan)
    bench.step()
    master = Master(bench)
    ((element,),) = objects_of(master.ask(Type.READ, Cause.REQUEST, 1, 2000)).values()
    assert element.quality.invalid  # type: ignore[attr-defined]
    bench.set("active_power_w", 0, 5.0)
    bench.step()
    master.pull()
    ((element,),) = objects_of(master.ask(Type.READ, Cause.REQUEST, 1, 2000)).values()
    assert not element.quality.invalid  # type: ignore[attr-defined]


def test_a_change_of_state_is_told_once_to_every_master_with_the_sites_time() -> None:
    bench = Bench(2)
    masters = Master(bench), Master(bench)
    bench.set("fault_trip", 1, 1.0 - bench.columns["fault_trip"][1])
    bench.step()
    then_s = bench.unix_s
    for master in masters:
        master.pull()
        (told,) = master.heard()
        assert (told.type, told.cause, told.address) == (Type.SINGLE_TAGGED, Cause.SPONTANEOUS, 2)
        assert told.body[:3] == (1002).to_bytes(3, "little")
        assert told.body[-7:] == time_tag(then_s)
        bench.step()
        master.pull()
        assert master.heard() == []


def test_a_switch_that_opens_is_told_as_single_and_as_double_point() -> None:
    bench = Bench(1)
    bench.set("grid_switch_closed", 0, 0.0)
    bench.step()
    master = Master(bench)
    bench.set("grid_switch_closed", 0, 1.0)
    bench.step()
    master.pull()
    assert {each.type: each.body[3] & 3 for each in master.heard()} == {
        Type.SINGLE_TAGGED: 1,
        Type.DOUBLE_TAGGED: 2,
    }


def test_a_measurement_is_told_when_it_has_left_its_deadband_and_not_inside_it() -> None:
    bench = Bench(1)
    master = Master(bench)
    start = bench.columns["frequency_hz"][0]
    told = []
    for step in range(1, 8):
        bench.set("frequency_hz", 0, start + 0.008 * step)
        bench.step()
        master.pull()
        told.append([struct.unpack("<f", each.body[3:7])[0] for each in master.heard()])
    assert [len(each) for each in told] == [0, 0, 1, 0, 0, 1, 0]


def test_the_deadband_of_a_power_is_a_hundredth_of_the_rating() -> None:
    bench = Bench(1)
    bench.columns["rated_power_w"][:] = 50_000.0
    bench.table = PROTOCOL.table(bench.plan, 1, bench.columns)
    bench.station = PROTOCOL.station(
        [type(seat)(seat.device, bench.table, 0, 1) for seat in bench.station._seats],  # type: ignore[attr-defined]
        PROTOCOL.options_model(),
    )
    bench.step()
    master = Master(bench)
    for power, count in ((499.0, 0), (502.0, 1), (900.0, 0), (1003.0, 1)):
        bench.set("active_power_w", 0, bench.columns["active_power_w"][0] * 0.0 + power + 120.0)
        bench.step()
        master.pull()
        heard = master.heard()
        if power == 499.0:
            continue  # whether the first step is told depends on where the stand-in began
        assert len(heard) == count, power


def test_a_change_of_quality_is_told() -> None:
    bench = Bench(1)
    master = Master(bench)
    bench.quality = {"voltage_l1_v": np.array([Quality.INVALID], np.uint8)}
    bench.step()
    master.pull()
    (told,) = master.heard()
    assert told.type == Type.FLOAT_TAGGED
    assert told.body[7] == Quality.INVALID


def test_of_a_measurement_that_waits_only_the_newest_value_is_sent_and_of_a_state_every_change() -> None:
    bench = Bench(1)
    master = Master(bench)
    master.feed(u(STOPDT_ACT))
    master.heard()
    for step in range(6):
        bench.set("active_power_w", 0, 1e5 * (step + 1))
        bench.set("running", 0, float(step % 2))
        bench.step()
    master.feed(u(STARTDT_ACT))
    told = master.heard()
    states = [each for each in told if each.type == Type.SINGLE_TAGGED]
    measurements = [each for each in told if each.type == Type.FLOAT_TAGGED]
    assert sum(each.count for each in states) >= 5
    assert [struct.unpack("<f", each.body[3:7])[0] for each in measurements] == [6e5]


def test_events_stay_bounded_while_a_master_does_not_take_them_and_the_lost_are_counted() -> None:
    bench = Bench(4, event_queue=16)
    master = Master(bench, acknowledges=False)
    master.feed(u(STOPDT_ACT))
    outbox = master.engine._application.outbox  # type: ignore[attr-defined]
    for step in range(50):
        for row in range(4):
            for name in ("running", "available", "fault_trip"):
                bench.set(name, row, float(step % 2))
            bench.set("voltage_l1_v", row, 1000.0 * step)
        bench.step()
        assert outbox.events <= 16
    assert outbox.events == 16
    assert outbox.lost > 400
    assert master.engine.lost_events == outbox.lost  # type: ignore[attr-defined]


def test_output_stays_bounded_while_a_master_does_not_acknowledge_and_it_is_cut_after_t1() -> None:
    bench = Bench(4)
    master = Master(bench, acknowledges=False)
    for step in range(200):
        bench.set("running", 0, float(step % 2))
        bench.step()
        master.pull(0.01)
    assert len(master.heard()) == 12
    master.pull(15.0)
    assert master.engine.closed


def test_a_master_that_asks_on_without_acknowledging_is_cut() -> None:
    master = Master(Bench(), acknowledges=False)
    for _ in range(2000):
        master.feed(master.i_frame(unit(Type.READ, Cause.REQUEST, 1, 2000)))
        if master.engine.closed:
            break
    assert master.engine.closed
    assert master.sent < 1100


def test_cyclic_data_come_with_the_sites_time_and_not_when_switched_off() -> None:
    for period, rounds in ((0, 0), (60, 3)):
        bench = Bench(1, cyclic_s=period)
        master = Master(bench)
        told = []
        for _ in range(180):
            bench.step()
            master.pull()
            told += [each for each in master.heard() if each.cause == Cause.CYCLIC]
        found = objects_of(told)
        assert {len(elements) for elements in found.values()} == ({rounds} if rounds else set())
        assert bool(found) == bool(period)
        assert all(2000 <= ioa < 2300 for _, ioa in found)


def test_nothing_is_kept_of_a_master_that_hung_up() -> None:
    bench = Bench(1)
    master = Master(bench)
    master.engine.hang_up(1.0)
    bench.set("running", 0, 1.0 - bench.columns["running"][0])
    bench.step()
    assert not master.engine._application.outbox.pending  # type: ignore[attr-defined]
    assert not bench.table._listeners  # type: ignore[attr-defined]


def test_a_device_off_the_network_is_not_topical_and_refuses_commands_until_it_is_back() -> None:
    bench = Bench(2)
    master = Master(bench)
    bench.devices[1].offline = 1.0
    bench.step()
    master.pull()
    told = objects_of(master.heard())
    assert {each for each, _ in told} == {2}
    assert all(elements[0].quality.not_topical for elements in told.values())  # type: ignore[attr-defined]
    for (element,) in objects_of(interrogate(master, 2)).values():
        assert element.quality.not_topical  # type: ignore[attr-defined]
    (con,) = master.ask(Type.SETPOINT, ACT, 2, SETPOINT, float_element(1.0))
    assert (con.cause, con.negative) == (CON, True)
    bench.devices[1].offline = 0.0
    bench.step()
    master.pull()
    assert not any(elements[0].quality.not_topical for elements in objects_of(master.heard()).values())  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------------------- system


def test_initialisation_ends_once_a_station_and_again_after_a_reset() -> None:
    bench = Bench(2)
    first = Master(bench, started=False)
    first.feed(u(STARTDT_ACT))
    assert [(each.type, each.address, each.body[-1]) for each in first.heard()] == [(70, 1, 0), (70, 2, 0)]
    second = Master(bench, started=False)
    second.feed(u(STARTDT_ACT))
    assert second.heard() == []
    con, ended = second.ask(Type.RESET, ACT, 2, 0, b"\x01")
    assert (con.cause, con.negative) == (CON, False)
    assert (ended.type, ended.cause, ended.address, ended.body[-1]) == (70, Cause.INITIALISED, 2, 2)
    (refused,) = second.ask(Type.RESET, ACT, 2, 0, b"\x07")
    assert refused.negative


def test_clock_synchronisation_is_confirmed_with_the_sites_time_and_does_not_move_it() -> None:
    bench = Bench()
    for to in (1, 0xFFFF):
        (con,) = Master(bench).ask(Type.CLOCK, ACT, to, 0, time_tag(0.0))
        assert (con.cause, con.negative, con.address) == (CON, False, to)
        assert con.body[3:] == time_tag(bench.unix_s)
    assert bench.table.unix_s == bench.unix_s


def test_tests_are_mirrored() -> None:
    master = Master(Bench())
    for kind, element in (
        (Type.TEST, b"\xaa\x55"),
        (Type.TEST, b"\xcc\x55"),
        (Type.TEST_TAGGED, b"\x34\x12" + time_tag(START_S)),
    ):
        (con,) = master.ask(kind, ACT, 1, 0, element)
        assert (con.cause, con.negative, con.body[3:]) == (CON, False, element)


@pytest.mark.parametrize("unix_s", [0.0, 951_782_399.999, START_S, 1_767_225_599.5])
def test_hat_drivers_reads_our_time_tags(unix_s: float) -> None:
    tag = time_tag(unix_s)
    asdu = unit(Type.SINGLE_TAGGED, 3, 1, 1000, b"\x01" + tag)
    decoded, _ = hat.Encoder().decode_asdu(asdu)
    moment = hat.time_to_datetime(decoded.ios[0].time)
    assert moment.timestamp() % 3_155_760_000 == pytest.approx(unix_s if unix_s >= 946_684_800 else moment.timestamp())
    assert not decoded.ios[0].time.invalid


# --------------------------------------------------------------------------------------- commands

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
            low = EVERYTHING.quantities[[each.name for each in EVERYTHING.quantities].index(next(iter(wanted)))].low
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


# ---------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "options", [{"t1_s": 10, "t2_s": 10}, {"k": 4, "w": 5}, {"k": 0}, {"t3_s": 0}, {"sbo": "never"}, {"speed": 1}]
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PROTOCOL.options_model(**options)


def test_an_idle_station_holds_nothing_but_its_seats() -> None:
    bench = Bench(1)
    assert bench.station._shared is None  # type: ignore[attr-defined]


def test_a_prosumers_resources_have_the_same_numbers_ten_thousand_higher() -> None:
    assert address("storage_soc_frac") == 22110
    names = ["active_power_w", "ev_active_power_w", "storage_soc_frac", "home_room_temperature_degc"]
    bench = Bench(1, spec_of(names))
    bench.columns = columns_of(bench.spec, 1)
    assert {ioa for _, ioa in objects_of(interrogate(Master(bench), 1))} == {2000, 12000, 22110, 42210}
