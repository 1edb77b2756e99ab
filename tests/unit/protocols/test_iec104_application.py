"""What a master asks of an IEC 60870-5-104 station and what it is told."""

from __future__ import annotations

import struct
import tracemalloc
from datetime import date, timedelta

import numpy as np
import pytest
from hat.drivers.iec60870.encodings import iec104 as hat
from iec104_bench import (
    ACT,
    CON,
    EVERYTHING,
    SETPOINT,
    START_S,
    TERM,
    Bench,
    Master,
    columns_of,
    float_element,
    spec_of,
    u,
    unit,
)

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.maps.iec104.addresses import address
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Asdu, Cause, Type, time_tag

ONLINE = address("online")


def objects_of(asdus: list[Asdu]) -> dict[tuple[int, int], list[object]]:
    """(common address, object address) -> every value received, as hat-drivers decodes it."""
    found: dict[tuple[int, int], list[object]] = {}
    encoder = hat.Encoder()
    for each in asdus:
        head = FORMAT_104.header(each.type, each.count, each.cause, each.address, each.originator)
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


def interrogate(master: Master, to: int, qoi: int = 20, by: tuple[int, ...] = ()) -> list[Asdu]:
    """Interrogate, check confirmations and terminations, return the data."""
    master.pull()  # what has changed before goes first
    answers = master.ask(Type.INTERROGATION, ACT, to, 0, bytes([qoi]))
    by = by or (to,)
    cons, data, terms = answers[: len(by)], answers[len(by) : -len(by)], answers[-len(by) :]
    for asdus, cause in ((cons, CON), (terms, TERM)):
        told = [(each.type, each.cause, each.negative, each.address, each.body) for each in asdus]
        assert told == [(Type.INTERROGATION, cause, False, address, bytes([0, 0, 0, qoi])) for address in by]
    return data


# ---------------------------------------------------------------------------------- interrogation


@pytest.mark.parametrize("to", [1, 2, 0xFFFF])
def test_an_interrogation_returns_every_point_of_every_device_asked_once_with_its_value(to: int) -> None:
    bench = Bench(3)
    found = objects_of(data := interrogate(Master(bench), to, by=(1, 2, 3) if to == 0xFFFF else ()))
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
    told = master.ask(Type.INTERROGATION, ACT, 0xFFFF, 0, b"\x14")
    assert len(told) == 12
    master.acknowledge()
    told += master.heard()
    assert [each.cause for each in told[:20]] == [CON] * 20
    assert [each.cause for each in told[-20:]] == [TERM] * 20
    assert len(objects_of(told[20:-20])) == sum(len(expected(bench, row)) for row in range(20))


def test_an_interrogation_can_be_broken_off() -> None:
    master = Master(Bench(20, k=40), acknowledges=False)
    master.ask(Type.INTERROGATION, ACT, 0xFFFF, 0, b"\x14")
    master.acknowledges, master.acknowledged = True, master.received
    for negative in (False, True):
        told = master.ask(Type.INTERROGATION, Cause.DEACTIVATION, 0xFFFF, 0, b"\x14")
        assert [(each.cause, each.negative, each.address) for each in told if each.type == Type.INTERROGATION] == [
            (Cause.DEACTIVATION_CON, negative, address) for address in range(1, 21)
        ]


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


def counters_of(master: Master, to: int = 1, qcc: int = 5) -> dict[tuple[int, int], tuple[float, int]]:
    """What a master reads of the counters: value and number of the freeze."""
    _, *data, _ = master.ask(Type.COUNTER_INTERROGATION, ACT, to, 0, bytes([qcc]))
    found = objects_of([each for each in data if each.type == MonitorType.TOTAL])
    return {key: (number(each), each.quality.sequence) for key, (each,) in found.items()}  # type: ignore[attr-defined]


def test_what_one_master_freezes_every_master_reads_until_the_next_freeze() -> None:
    bench = Bench()
    mine, other = Master(bench), Master(bench)
    bench.set("energy_exported_wh", 0, 100.0)
    bench.step()
    con, term = mine.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x45")
    assert (con.negative, term.cause) == (False, TERM)
    bench.set("energy_exported_wh", 0, 200.0)
    bench.set("energy_exported_wh", 1, 700.0)
    bench.step()
    mine.engine.hang_up(0.0)
    for master in (other, Master(bench)):
        assert counters_of(master)[1, 3000] == (100.0, 1)
        assert counters_of(master, 2)[2, 3000] == (700.0, 0), "nobody froze the other device"
    other.ask(Type.COUNTER_INTERROGATION, ACT, 0xFFFF, 0, b"\x45")
    assert (counters_of(other)[1, 3000], counters_of(other, 2)[2, 3000]) == ((200.0, 2), (700.0, 1))


def test_a_reset_lets_counters_begin_again_and_the_registers_of_the_device_go_on() -> None:
    """Freeze with reset (FRZ 2) keeps what was counted since the reset before; FRZ 3 only begins again."""
    bench = Bench(1)
    master = Master(bench)
    for total, qcc, frozen in ((100.0, 0x85, 100.0), (250.0, 0x85, 150.0), (300.0, 0xC5, 150.0), (310.0, 0x45, 10.0)):
        bench.set("energy_exported_wh", 0, total)
        bench.step()
        con, term = master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, bytes([qcc]))
        assert (con.negative, term.cause) == (False, TERM)
        assert counters_of(master)[1, 3000][0] == frozen
        ((element,),) = objects_of(master.ask(Type.READ, Cause.REQUEST, 1, 3000)).values()
        assert number(element) == {100.0: 0.0, 250.0: 0.0, 300.0: 0.0, 310.0: 10.0}[total]
    assert bench.columns["energy_exported_wh"][0] == 310.0


def test_counters_go_on_from_0_over_the_end_of_their_range_after_a_reset_too() -> None:
    bench = Bench(1)
    master = Master(bench)
    bench.set("energy_exported_wh", 0, 2.0**31 - 10.0)
    bench.step()
    master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\xc5")
    bench.set("energy_exported_wh", 0, 2.0**31 + 30.0)
    bench.step()
    assert counters_of(master)[1, 3000] == (40.0, 0)


def test_a_frozen_counter_tells_whether_it_overflowed_since_the_freeze_or_reset_before() -> None:
    """CY of 7.2.6.9 is that of the integration period which the freeze ends."""
    bench = Bench(1)
    master = Master(bench)
    freeze, freeze_and_reset, reset = b"\x45", b"\x85", b"\xc5"
    for total, qcc, frozen, carry in (
        (2.0**31 - 1.0, freeze, 2.0**31 - 1.0, False),
        (2.0**31, freeze, 0.0, True),
        (2.0**31, freeze, 0.0, False),
        (2.0**31 + 50.0, freeze_and_reset, 50.0, False),
        (2.0**31 + 60.0, freeze, 10.0, False),
        (2.0**31 + 70.0, reset, 10.0, False),
        (2.0**31 + 75.0, freeze, 5.0, False),
        (2.0**32 + 68.0, freeze, 2.0**31 - 2.0, False),
        (2.0**32 + 76.0, freeze, 6.0, True),
    ):
        bench.set("energy_exported_wh", 0, total)
        bench.step()
        master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, qcc)
        _, *data, _ = master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x05")
        (element,) = objects_of(data)[1, 3000]
        assert (number(element), element.quality.overflow) == (frozen, carry), total  # type: ignore[attr-defined]


def test_a_group_without_counters_freezes_none() -> None:
    bench = Bench(1)
    master = Master(bench)
    for group, frozen in ((2, 0), (1, 1), (3, 1)):
        master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, bytes([0x40 | group]))
        assert {each for _, each in counters_of(master).values()} == {frozen}


def test_each_freeze_has_the_next_number_of_five_bits() -> None:
    """The sequence of a binary counter reading runs from 0 to 31 (7.2.6.9), and the values stand all the while."""
    bench = Bench(1)
    master = Master(bench)
    for freeze in range(1, 71):
        bench.set("energy_exported_wh", 0, 100.0 * freeze)
        bench.step()
        master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x45")
        _, *data, _ = master.ask(Type.COUNTER_INTERROGATION, ACT, 1, 0, b"\x05")
        found = objects_of(data)
        assert {each.quality.sequence for (each,) in found.values()} == {freeze % 32}  # type: ignore[attr-defined]
        assert not any(each.quality.invalid or each.quality.overflow for (each,) in found.values())  # type: ignore[attr-defined]
        assert number(found[1, 3000][0]) == 100.0 * freeze


@pytest.mark.parametrize("qcc", [0x00, 0x06, 0x3F, 0x40, 0x86, 0xFF])
def test_unknown_requests_of_counters_are_confirmed_negatively(qcc: int) -> None:
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
    columns = columns_of(EVERYTHING, 1) | {"rated_power_w": np.array([50_000.0]), "active_power_w": np.array([120.0])}
    bench = Bench(1, columns=columns)
    master = Master(bench)
    for power, count in ((120.0 + 499.0, 0), (120.0 + 502.0, 1), (120.0 + 1_001.0, 0), (120.0 + 1_003.0, 1)):
        bench.set("active_power_w", 0, power)
        bench.step()
        master.pull()
        assert len(master.heard()) == count, power


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
    master.block()
    for step in range(6):
        bench.set("active_power_w", 0, 1e5 * (step + 1))
        bench.set("running", 0, float(step % 2))
        bench.step()
    master.acknowledge()
    told = master.heard()
    states = [each for each in told if each.type == Type.SINGLE_TAGGED]
    measurements = [each for each in told if each.type == Type.FLOAT_TAGGED]
    assert sum(each.count for each in states) >= 5
    assert [struct.unpack("<f", each.body[3:7])[0] for each in measurements] == [6e5]


def test_events_stay_bounded_while_a_master_does_not_take_them_and_the_lost_are_counted() -> None:
    bench = Bench(4, event_queue=16)
    master = Master(bench)
    master.block()
    names = ("running", "available", "fault_trip")
    changes = 0
    for step in range(50):
        for row in range(4):
            for name in names:
                changes += bench.columns[name][row] != float(step % 2)
                bench.set(name, row, float(step % 2))
        bench.step()
    assert master.engine.lost_events == changes - 16  # type: ignore[attr-defined]
    master.acknowledge()
    assert sum(each.count for each in master.heard() if each.type == Type.SINGLE_TAGGED) == 16


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


def test_nothing_is_kept_for_a_master_that_hung_up() -> None:
    bench = Bench(1, event_queue=16)
    gone, here = Master(bench), Master(bench)
    gone.engine.hang_up(1.0)
    for step in range(40):
        bench.set("running", 0, float(step % 2))
        bench.step()
        gone.engine.advance(1.0 + step)
        assert gone.engine.take_output() == b""
        assert gone.engine.deadline_s() is None
    assert gone.engine.lost_events == 0, "changes that nobody waits for overflow nothing"  # type: ignore[attr-defined]
    here.pull()
    assert len(here.heard()) > 0


def test_a_device_off_the_network_is_not_topical_and_refuses_commands_until_it_is_back() -> None:
    bench = Bench(2)
    master = Master(bench)
    bench.reach(1, False)
    bench.step()
    master.pull()
    told = objects_of(master.heard())
    assert {each for each, _ in told} == {2}
    lost = told.pop((2, ONLINE))[0]
    assert (number(lost), lost.quality.not_topical) == (0.0, False)  # type: ignore[attr-defined]
    assert all(elements[0].quality.not_topical for elements in told.values())  # type: ignore[attr-defined]
    for (_, ioa), (element,) in objects_of(interrogate(master, 2)).items():
        assert element.quality.not_topical == (ioa != ONLINE)  # type: ignore[attr-defined]
    (con,) = master.ask(Type.SETPOINT, ACT, 2, SETPOINT, float_element(1.0))
    assert (con.cause, con.negative) == (CON, True)
    bench.reach(1, True)
    bench.step()
    master.pull()
    told = objects_of(master.heard())
    assert number(told[2, ONLINE][0]) == bench.columns["online"][1]
    assert len(told) > 1
    assert not any(elements[0].quality.not_topical for elements in told.values())  # type: ignore[attr-defined]


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


def test_a_reset_of_every_station_is_confirmed_by_each_and_initialises_each() -> None:
    told = Master(Bench(3)).ask(Type.RESET, ACT, 0xFFFF, 0, b"\x01")
    assert [(each.type, each.cause, each.address) for each in told] == [
        *((Type.RESET, Cause.ACTIVATION_CON, address) for address in (1, 2, 3)),
        *((Type.END_OF_INITIALISATION, Cause.INITIALISED, address) for address in (1, 2, 3)),
    ]


@pytest.mark.parametrize("octets", range(4, 30))
def test_a_data_unit_has_room_for_as_many_objects_as_a_frame_holds_and_no_more(octets: int) -> None:
    room = FORMAT_104.room(octets)
    assert 6 + room * octets <= 249 < 6 + (room + 1) * octets


def test_clock_synchronisation_is_confirmed_with_the_sites_time_and_does_not_move_it() -> None:
    bench = Bench()
    for to, by in ((1, [1]), (0xFFFF, [1, 2])):
        told = Master(bench).ask(Type.CLOCK, ACT, to, 0, time_tag(0.0))
        assert [(each.cause, each.negative, each.address) for each in told] == [(CON, False, each) for each in by]
        assert {each.body[3:] for each in told} == {time_tag(bench.unix_s)}
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


def test_a_time_tag_tells_day_and_weekday_of_every_day_from_1970_to_2069() -> None:
    """CP56Time2a (7.2.6.18), taken apart by hand: Monday is 1, and the 1st of January 1970 was a Thursday."""
    first = date(1970, 1, 1)
    for number_of_day in range(36_525):
        unix_s = 86_400.0 * number_of_day + (number_of_day * 7_919 % 86_400) + 0.25
        tag = time_tag(unix_s)
        milliseconds, minute, hour, days, month, year = struct.unpack("<HBBBBB", tag)
        assert days >> 5 == (number_of_day + 3) % 7 + 1
        shown = date(1900 + year if year >= 70 else 2000 + year, month, days & 31)
        assert shown == first + timedelta(days=number_of_day)
        assert 3600 * hour + 60 * minute + milliseconds / 1000.0 == unix_s % 86_400.0


# ---------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "options", [{"t1_s": 10, "t2_s": 10}, {"k": 4, "w": 5}, {"k": 0}, {"t3_s": 0}, {"sbo": "never"}, {"speed": 1}]
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PROTOCOL.options_model(**options)


def test_an_engine_with_nothing_to_say_is_due_no_sooner_than_its_link() -> None:
    master = Master(Bench(1))
    master.heard()
    assert master.engine.deadline_s() == PROTOCOL.options_model().t3_s


def test_a_thousand_idle_stations_cost_next_to_nothing() -> None:
    bench = Bench(1)
    seat, options = Seat(bench.devices[0], bench.table, 0, 1), PROTOCOL.options_model()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        stations = [PROTOCOL.station([seat], options) for _ in range(1_000)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(stations) < 300.0, "bytes each"


def test_a_prosumers_resources_have_the_same_numbers_ten_thousand_higher() -> None:
    assert address("storage_soc_frac") == 22110
    names = ["active_power_w", "ev_active_power_w", "storage_soc_frac", "home_room_temperature_degc"]
    bench = Bench(1, spec_of(names))
    bench.columns = columns_of(bench.spec, 1)
    assert {ioa for _, ioa in objects_of(interrogate(Master(bench), 1))} == {2000, 12000, 22110, 42210}
