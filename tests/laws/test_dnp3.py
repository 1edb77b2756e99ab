"""DNP3 seen from the wire: a small master of our own against the outstation of every device kind."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from dnp3_bench import CLEAR_RESTART, EVERYTHING, GROUPS, Master, objects
from dnp3_rig import ALL_COUNTERS, CLASS_0, EVENTS, UNIX_S, analog, point_of, relay, rig, statuses
from py1815 import link as wire
from py1815.application import FunctionCode, build_confirm, build_request

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.protocols.dnp3.dialogue import GRACE_S

TELLING = (*range(0x20), 0x28, 0x33, 0x3C, 0x50, 0x5B, 0x7F, 0x80, 0xC1, 0xFE, 0xFF)
"""Function codes, qualifiers, and the ends of an octet."""


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_class_0_returns_each_static_point_once_with_the_value_of_its_column(kind: str) -> None:
    here = rig(kind, unsolicited=False)
    answer = Master(here.station).ask(FunctionCode.READ, EVERYTHING)
    found = [(GROUPS[group], index, octets) for group, _, index, octets in objects(answer)]
    wanted = {(point.type, point.index): point for point in here.plan.points}
    assert sorted((k.value, i) for k, i, _ in found) == sorted((k.value, i) for k, i in wanted)
    for point_type, index, octets in found:
        point = wanted[point_type, index]
        value = float(point.source.of(here.columns)[0]) if point.fixed is None else point.fixed
        if point.shows is None and point.fixed is None:
            assert value == pytest.approx(float(here.columns[point.quantity][0]) / point.scale), point
        if len(octets) == 1:
            assert octets[0] == (0x81 if value else 0x01), point
        else:
            assert octets[0] == (0x00 if point.enabled_by else 0x01), point  # at the start no mode is on
            assert int.from_bytes(octets[1:], "little", signed=True) == round(value), point


@pytest.mark.parametrize("kind", ["battery", "pv_generator", "ev_charger", "prosumer"])
def test_an_input_of_a_mode_is_online_while_the_mode_is_on_and_each_change_of_that_is_an_event(kind: str) -> None:
    here = rig(kind, unsolicited=False)
    master = Master(here.station)
    master.ask(FunctionCode.READ, CLASS_0)
    of_modes = [point for point in here.plan.points if point.enabled_by]
    assert len(of_modes) >= 4
    for point in of_modes:
        read = struct.pack("<BBBHH", 30, 1, 1, point.index, point.index)
        for on in (1.0, 0.0):
            here.refresh(**{point.enabled_by: on})
            ((*_, octets),) = objects(master.ask(FunctionCode.READ, read))
            assert octets[0] == on
            events = {i: octets for g, _, i, octets in objects(master.ask(FunctionCode.READ, EVENTS)) if g == 32}
            assert events[point.index][0] == on
            assert set(events) == {each.index for each in of_modes if each.enabled_by == point.enabled_by}
        here.refresh(quality=Quality.INVALID, **{point.quantity: here.columns[point.quantity][0]})
        ((*_, octets),) = objects(master.ask(FunctionCode.READ, read))
        assert octets[0] == 0x00
        here.refresh()
        master.ask(FunctionCode.READ, EVENTS)


@pytest.mark.parametrize(
    ("value", "quality", "flags"),
    [(5.0, 0, 0x01), (np.nan, 0, 0x40), (5.0, Quality.INVALID, 0x00), (5.0, Quality.SUBSTITUTED, 0x11)],
)
def test_a_mode_switched_on_between_two_steps_makes_its_input_online_if_it_is_good(
    value: float, quality: int, flags: int
) -> None:
    here = rig("battery", unsolicited=False)
    master, read = Master(here.station), struct.pack("<BBBHH", 30, 1, 1, 618, 618)
    here.refresh(active_power_setpoint_w=value, quality=quality)
    for on, wanted in ((1.0, flags), (0.0, flags & ~0x01), (1.0, flags)):
        here.columns = {**here.columns, "active_power_setpoint_enabled": np.array([on, 0.0])}
        master.ask(FunctionCode.READ, read)
        here.table.tell(here.columns, 0, ["active_power_setpoint_enabled"])
        ((*_, octets),) = objects(master.ask(FunctionCode.READ, read))
        assert octets[0] == wanted


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_point_can_be_read_by_its_index_alone(kind: str) -> None:
    here = rig(kind, unsolicited=False)
    master = Master(here.station)
    group_of = {point_type: group for group, point_type in GROUPS.items()}
    for point in here.plan.points:
        answer = master.ask(FunctionCode.READ, struct.pack("<BBBHH", group_of[point.type], 0, 1, *(2 * [point.index])))
        assert [(GROUPS[group], index) for group, _, index, _ in objects(answer)] == [(point.type, point.index)]


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_quantity_to_be_written_is_written_at_its_point_and_nothing_besides(kind: str) -> None:
    here = rig(kind, unsolicited=False)
    master = Master(here.station)
    writable = [quantity for quantity in here.spec.quantities if quantity.writable]
    assert writable
    for quantity in writable:
        binary = quantity.is_binary
        point = point_of(here, quantity.name, PointType.BINARY_OUTPUT if binary else PointType.ANALOG_OUTPUT)
        body = relay(point.index, 3) if binary else analog(point.index, 1)
        answer = master.ask(FunctionCode.DIRECT_OPERATE, body)
        assert statuses(answer) == [0], quantity.name
        command = here.device.commands[-1]
        assert command.values == {quantity.name: pytest.approx(1.0 if binary else point.scale)}
        assert command.acknowledged_s == master.now_s
    assert len(here.device.commands) == len(writable)


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_no_event_without_a_change_and_each_change_is_one_event_in_its_class(kind: str) -> None:
    here = rig(kind, unsolicited=False)
    master = Master(here.station)
    assert list(objects(master.ask(FunctionCode.READ, EVENTS))) == []
    here.refresh()
    assert list(objects(master.ask(FunctionCode.READ, EVENTS))) == []
    inputs = [p for p in here.plan.points if p.type in (PointType.ANALOG_INPUT, PointType.BINARY_INPUT)]
    worked_out = {(p.type.value, p.index) for p in inputs if p.meaning}
    inputs = [p for p in inputs if not p.meaning]
    moved = {p.quantity: 1.0 - here.columns[p.quantity][0] for p in inputs if p.type is PointType.BINARY_INPUT}
    moved |= {p.quantity: here.columns[p.quantity][0] + 1e6 for p in inputs if p.type is PointType.ANALOG_INPUT}
    here.refresh(UNIX_S + 1.5, **moved)
    for number in (1, 2, 3):
        events = list(objects(master.ask(FunctionCode.READ, bytes([60, number + 1, 6]))))
        found = [("BI" if group == 2 else "AI", index) for group, _, index, _ in events]
        found = [each for each in found if each not in worked_out]
        wanted = [(p.type.value, p.index) for p in inputs if p.event_class == number]
        assert sorted(found) == sorted(wanted)
        assert {int.from_bytes(octets[-6:], "little") for *_, octets in events} <= {int((UNIX_S + 1.5) * 1000)}
    assert list(objects(master.ask(FunctionCode.READ, EVENTS))) == [], "confirmed events are gone"


def test_a_value_inside_its_deadband_is_no_event_and_drift_adds_up() -> None:
    here = rig("smart_meter", unsolicited=False)
    here.refresh(frequency_hz=50.0)
    master = Master(here.station)
    master.ask(FunctionCode.READ, EVERYTHING)
    for hz in (50.008, 50.016):
        here.refresh(frequency_hz=hz)
        assert list(objects(master.ask(FunctionCode.READ, EVENTS))) == []
    here.refresh(frequency_hz=50.024)
    ((group, variation, index, octets),) = objects(master.ask(FunctionCode.READ, EVENTS))
    assert (group, variation, index) == (32, 3, 536)
    assert int.from_bytes(octets[1:5], "little") == 50_024


def test_an_unconfirmed_event_is_kept_and_sent_again() -> None:
    here = rig("smart_meter", unsolicited=False)
    master = Master(here.station)
    master.ask(FunctionCode.READ, CLASS_0)
    here.refresh(cover_open_alarm=1.0)
    first = list(objects(master.ask(FunctionCode.READ, EVENTS, confirm=False)))
    second = list(objects(master.ask(FunctionCode.READ, EVENTS)))
    assert first == second
    assert len(first) == 1
    assert list(objects(master.ask(FunctionCode.READ, EVENTS))) == []


@pytest.mark.parametrize(
    ("quality", "flags"),
    [
        (Quality.INVALID, 0x00),
        (Quality.NOT_TOPICAL, 0x04),
        (Quality.SUBSTITUTED, 0x11),
        (Quality.BLOCKED, 0x11),
        (Quality.OVERFLOW, 0x21),
    ],
)
def test_quality_shows_in_the_flags_of_reads_and_events_and_goes_again(quality: Quality, flags: int) -> None:
    here = rig("smart_meter", unsolicited=False)
    master = Master(here.station)
    master.ask(FunctionCode.READ, CLASS_0)
    power = here.columns["active_power_w"][0]
    read = struct.pack("<BBBHH", 30, 1, 1, 537, 537)
    for bits, wanted in ((int(quality), flags), (0, 0x01)):
        here.refresh(quality=bits, active_power_w=power)
        ((_, _, _, static),) = objects(master.ask(FunctionCode.READ, read))
        events = {(group, index): octets for group, _, index, octets in objects(master.ask(FunctionCode.READ, EVENTS))}
        assert (static[0], events[32, 537][0]) == (wanted, wanted)


def test_a_value_that_is_no_number_and_one_too_large_say_so_in_their_flags() -> None:
    here = rig("smart_meter", unsolicited=False)
    master = Master(here.station)
    for value, flags, wire_value in ((np.nan, 0x40, 0), (1e12, 0x21, 2**31 - 1), (-1e12, 0x21, -(2**31))):
        here.refresh(active_power_w=value)
        ((*_, octets),) = objects(master.ask(FunctionCode.READ, struct.pack("<BBBHH", 30, 1, 1, 537, 537)))
        assert (octets[0], int.from_bytes(octets[1:], "little", signed=True)) == (flags, wire_value)


def test_a_restart_is_announced_and_enabled_classes_report_of_their_own_accord() -> None:
    here = rig("smart_meter")
    master = Master(here.station)
    answer = master.ask(FunctionCode.DISABLE_UNSOLICITED, EVENTS)
    null = next(response for response in answer if response.control.uns)
    assert null.body == b""
    assert null.iin.first & 0x80
    master.settle()
    here.refresh(cover_open_alarm=1.0)
    assert master.wait(0.0) == [], "nothing is enabled"
    _, report = master.ask(FunctionCode.ENABLE_UNSOLICITED, bytes([60, 2, 6]), confirm=False)
    assert [(group, octets[0]) for group, _, _, octets in objects([report])] == [(2, 0x81)]
    assert master.link.deadline_s() == pytest.approx(master.now_s + 5.0)
    (again,) = master.wait(5.0)
    assert again.body == report.body, "an unconfirmed report is sent again"
    master.confirm(again)
    assert master.wait(60.0) == []


def test_what_a_master_enabled_and_what_it_is_owed_outlive_its_connection() -> None:
    here = rig("smart_meter")
    master = Master(here.station)
    master.ask(FunctionCode.ENABLE_UNSOLICITED, EVENTS)
    master.settle()
    master.link.hang_up(1.0)
    assert master.link.closed
    here.refresh(cover_open_alarm=1.0)
    later = Master(here.station, now_s=2.0)
    later.sequence = 3
    heard = later.ask(FunctionCode.DELAY_MEASURE)
    assert [index for r in heard if r.control.uns for _, _, index, _ in objects([r])] == [
        point_of(here, "cover_open_alarm", PointType.BINARY_INPUT).index
    ]


def test_a_master_that_connects_again_takes_over_from_its_older_connection() -> None:
    here = rig("smart_meter", unsolicited=False)
    old, new = Master(here.station), Master(here.station)
    assert old.ask(FunctionCode.READ, CLASS_0)
    assert new.ask(FunctionCode.READ, CLASS_0)
    assert old.link.closed
    assert not new.link.closed


def test_two_associations_have_events_selects_and_indications_of_their_own() -> None:
    here = rig("battery", unsolicited=False, masters=2)
    one, two = Master(here.station, 1), Master(here.station, 2)
    one.settle()
    (answer,) = two.ask(FunctionCode.READ, CLASS_0)
    assert answer.iin.first & 0x80, "the other master has not been told of the restart"
    here.refresh(temperature_high_alarm=1.0)
    assert len(list(objects(one.ask(FunctionCode.READ, EVENTS)))) == 1
    assert len(list(objects(two.ask(FunctionCode.READ, EVENTS)))) == 1
    assert statuses(one.ask(FunctionCode.SELECT, relay(18, 3))) == [0]
    assert statuses(two.ask(FunctionCode.OPERATE, relay(18, 3))) == [2], "no select of its own"


def test_masters_beyond_the_number_allowed_are_turned_away_and_a_silent_one_makes_room() -> None:
    here = rig("battery", unsolicited=False, masters=1)
    first, second = Master(here.station, 1), Master(here.station, 2)
    assert first.ask(FunctionCode.READ, CLASS_0)
    assert second.ask(FunctionCode.READ, CLASS_0) == []
    assert not second.link.closed, "the first may be leaving"
    second.wait(GRACE_S)
    assert second.link.closed
    first.link.hang_up(0.0)
    assert Master(here.station, 2).ask(FunctionCode.READ, CLASS_0)
    listed = rig("battery", unsolicited=False, masters=(3,))
    assert Master(listed.station, 1).ask(FunctionCode.READ, CLASS_0) == []
    assert Master(listed.station, 3).ask(FunctionCode.READ, CLASS_0)


def test_a_master_that_the_site_names_is_owed_what_happens_from_the_start_and_any_other_from_its_first_frame() -> None:
    for masters, owed in (((3,), 1), (1, 0)):
        here = rig("battery", unsolicited=False, masters=masters)
        limit = next(each for each in here.plan.of(PointType.ANALOG_INPUT) if each.quantity == "active_power_w")
        here.refresh(UNIX_S + 1.0, active_power_w=here.columns["active_power_w"][0] + 4_000.0)
        master = Master(here.station, 3)
        events = [index for group, _, index, _ in objects(master.ask(FunctionCode.READ, EVENTS)) if group == 32]
        assert events.count(limit.index) == owed


def test_an_operate_must_follow_its_select_in_time_and_unchanged() -> None:
    here = rig("battery", unsolicited=False, select_timeout_s=4.0)
    master = Master(here.station)
    body = analog(508, -2_000)
    assert statuses(master.ask(FunctionCode.OPERATE, body)) == [2]  # NO_SELECT
    for wait_s, status in ((3.9, 0), (4.1, 1)):  # SUCCESS, TIMEOUT
        assert statuses(master.ask(FunctionCode.SELECT, body)) == [0]
        master.now_s += wait_s
        assert statuses(master.ask(FunctionCode.OPERATE, body)) == [status]
    assert statuses(master.ask(FunctionCode.SELECT, body)) == [0]
    assert statuses(master.ask(FunctionCode.OPERATE, analog(508, 1))) == [2]
    assert [command.values for command in here.device.commands] == [{"active_power_setpoint_w": -2_000.0}]


def test_a_retried_operate_acts_once() -> None:
    here = rig("battery", unsolicited=False)
    master = Master(here.station)
    operate = master.request(FunctionCode.DIRECT_OPERATE, analog(508, 5))
    master.link.receive(operate + operate, 0.0)
    assert len(master.heard()) == 2
    assert len(here.device.commands) == 1


def test_an_operate_that_wants_no_answer_gets_none_and_acts() -> None:
    here = rig("battery", unsolicited=False)
    master = Master(here.station)
    assert master.ask(FunctionCode.DIRECT_OPERATE_NR, analog(508, 5)) == []
    (command,) = here.device.commands
    assert command.acknowledged_s is None


def test_controls_are_refused_one_by_one_in_the_words_of_dnp3() -> None:
    here = rig("battery", unsolicited=False)
    master = Master(here.station)
    not_a_number = bytes([41, 3, 0x28, 1, 0]) + struct.pack("<Hfb", 508, float("nan"), 0)
    infinite = bytes([41, 3, 0x28, 1, 0]) + struct.pack("<Hfb", 508, float("inf"), 0)
    start = point_of(here, "start", PointType.BINARY_OUTPUT).index
    cases = [
        (not_a_number, 12),
        (infinite, 12),
        (analog(508, 2_000_000), 12),
        (analog(9, 1), 4),
        (relay(9, 3), 4),
        (relay(18, 3, count=2), 4),
        (relay(18, 0x23), 4),  # the clear bit
        (relay(18, 0), 4),  # no operation
        (relay(start, 4), 4),  # a start cannot be latched off
    ]
    for function in (FunctionCode.SELECT, FunctionCode.DIRECT_OPERATE):
        for body, status in cases:
            assert statuses(master.ask(function, body)) == [status], body.hex()
    assert here.device.commands == []
    here.device.busy = True
    assert statuses(master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 1) + relay(9, 3))) == [11, 4]


@pytest.mark.parametrize(("code", "value"), [(3, 1.0), (1, 1.0), (0x41, 1.0), (4, 0.0), (2, 0.0), (0x81, 0.0)])
def test_a_relay_output_block_is_read_as_a_latch(code: int, value: float) -> None:
    here = rig("smart_meter", unsolicited=False)
    switch = point_of(here, "grid_switch", PointType.BINARY_OUTPUT).index
    assert statuses(Master(here.station).ask(FunctionCode.DIRECT_OPERATE, relay(switch, code))) == [0]
    assert here.device.commands[0].values == {"grid_switch": value}


def test_a_floating_point_set_point_is_in_the_quantitys_own_unit() -> None:
    here = rig("pv_generator", unsolicited=False)
    body = bytes([41, 3, 0x28, 1, 0]) + struct.pack("<Hfb", 88, 0.25, 0)
    assert statuses(Master(here.station).ask(FunctionCode.DIRECT_OPERATE, body)) == [0]
    assert here.device.commands[0].values == {"active_power_limit_frac": 0.25}


@pytest.mark.parametrize("function", [FunctionCode.IMMED_FREEZE, FunctionCode.FREEZE_CLEAR])
def test_a_freeze_keeps_the_counters_as_they_stood_and_logs_them(function: FunctionCode) -> None:
    here = rig("smart_meter", unsolicited=False)
    here.refresh(energy_imported_wh=1_234.0)
    master = Master(here.station)
    assert list(objects(master.ask(FunctionCode.READ, bytes([21, 0, 6])))) == []
    (answer,) = master.ask(function, ALL_COUNTERS)
    assert answer.iin.second == 0
    here.refresh(UNIX_S + 60.0, energy_imported_wh=2_000.0)
    frozen = {index: octets for _, _, index, octets in objects(master.ask(FunctionCode.READ, bytes([21, 5, 6])))}
    assert frozen[1] == b"\x01" + struct.pack("<I", 1_234) + int(UNIX_S * 1000).to_bytes(6, "little")
    running = {index: octets for _, _, index, octets in objects(master.ask(FunctionCode.READ, ALL_COUNTERS))}
    assert running[1][1:] == struct.pack("<I", 2_000), "no freeze clears a register"
    events = {
        index: octets for group, _, index, octets in objects(master.ask(FunctionCode.READ, EVENTS)) if group == 23
    }
    assert events[1] == frozen[1]


def test_the_time_can_be_written_and_moves_nothing() -> None:
    here = rig("smart_meter", unsolicited=False, need_time=True)
    master = Master(here.station)
    (answer,) = master.ask(FunctionCode.READ, bytes([60, 2, 6]))
    assert answer.iin.first & 0x10
    (answer,) = master.ask(FunctionCode.WRITE, bytes([50, 1, 7, 1]) + (1_000).to_bytes(6, "little"))
    assert not answer.iin.first & 0x10
    assert here.outstation.written_time_ms == 1_000
    here.refresh(UNIX_S + 2.0, cover_open_alarm=1.0)
    ((*_, octets),) = objects(master.ask(FunctionCode.READ, EVENTS))
    assert int.from_bytes(octets[-6:], "little") == int((UNIX_S + 2.0) * 1000)


def test_an_overflow_drops_the_oldest_and_is_said_until_confirmed() -> None:
    here = rig("smart_meter", unsolicited=False, event_buffer=2)
    master = Master(here.station)
    master.ask(FunctionCode.READ, CLASS_0)
    for value in (1.0, 0.0, 1.0):
        here.refresh(cover_open_alarm=value)
    (answer,) = master.ask(FunctionCode.READ, EVENTS)
    assert answer.iin.second & 0x08
    assert [octets[0] for *_, octets in objects([answer])] == [0x01, 0x81]
    (answer,) = master.ask(FunctionCode.READ, EVENTS)
    assert not answer.iin.second & 0x08


@pytest.mark.parametrize("changes", range(0, 25, 3))
def test_each_class_keeps_its_newest_events_in_the_order_they_happened(changes: int) -> None:
    """Alarms, states and measurements in turn, of several points; a class that overflows takes nothing from another."""
    names = ("cover_open_alarm", "relay_open", "frequency_hz", "battery_low_alarm", "voltage_l1_v")
    here = rig("smart_meter", unsolicited=False, event_buffer=3)
    master = Master(here.station)
    master.ask(FunctionCode.READ, CLASS_0)
    kinds = (PointType.BINARY_INPUT, PointType.ANALOG_INPUT)
    points = {name: next(p for p in here.plan.points if p.quantity == name and p.type in kinds) for name in names}
    happened: dict[int, list[tuple[int, int]]] = {1: [], 2: [], 3: []}
    for k in range(changes):
        name = names[k * 7 % 5]
        point, unix_s = points[name], UNIX_S + k
        alters = 1.0 - here.columns[name][0] if point.type is PointType.BINARY_INPUT else 10.0 * k + 100.0
        here.refresh(unix_s, **{name: alters})
        happened[point.event_class].append((point.index, int(unix_s * 1000)))
    assert {point.event_class for point in points.values()} == {1, 2, 3}
    (answer,) = master.ask(FunctionCode.READ, CLASS_0)
    assert bool(answer.iin.second & 0x08) == any(len(events) > 3 for events in happened.values())
    for number, events in happened.items():
        answers = master.ask(FunctionCode.READ, bytes([60, number + 1, 6]))
        told = [(index, int.from_bytes(octets[-6:], "little")) for *_, index, octets in objects(answers)]
        assert told == events[-3:]


@pytest.mark.parametrize(
    ("body", "second"),
    [
        (bytes([30, 0, 0, 200, 210]), 0x04),  # no point in that range
        (bytes([110, 0, 6]), 0x02),  # octet strings are not served
        (bytes([30, 9, 6]), 0x02),  # no such variation
        (bytes([60, 1, 0x5B]), 0x04),  # no such qualifier
    ],
)
def test_a_read_of_what_is_not_there_is_answered_with_an_indication(body: bytes, second: int) -> None:
    here = rig("smart_meter", unsolicited=False)
    (answer,) = Master(here.station).ask(FunctionCode.READ, body)
    assert (answer.iin.second, answer.body) == (second, b"")


def conversation(master: Master) -> list[bytes]:
    return [
        master.request(FunctionCode.DISABLE_UNSOLICITED, EVENTS),
        master.request(FunctionCode.READ, EVERYTHING),
        master.request(FunctionCode.WRITE, CLEAR_RESTART),
        master.request(FunctionCode.SELECT, analog(508, 100)),
        master.request(FunctionCode.OPERATE, analog(508, 100)),
        master.request(FunctionCode.DIRECT_OPERATE, relay(18, 3)),
        master.request(FunctionCode.IMMED_FREEZE, ALL_COUNTERS),
        master.request(FunctionCode.READ, bytes([30, 2, 6, 1, 1, 6])),
        master.request(FunctionCode.DELAY_MEASURE),
    ]


def test_where_the_stream_is_cut_does_not_matter() -> None:
    whole = Master(rig("battery", unsolicited=False).station)
    stream = b"".join(conversation(whole))
    whole.link.receive(stream, 0.0)
    wanted = whole.link.take_output()
    assert wanted.count(wire.START) >= 9
    for size in (1, 2, 3, 7, 10, 16, 18, 50):
        cut = Master(rig("battery", unsolicited=False).station)
        for start in range(0, len(stream), size):
            cut.link.receive(stream[start : start + size], 0.0)
        assert cut.link.take_output() == wanted, size


def test_a_changed_byte_never_raises_and_the_next_request_is_still_answered() -> None:
    here = rig("battery", masters=16)
    for message in range(9):
        length = len(conversation(Master(here.station))[message])
        for place in range(length):
            for value in (0x00, 0x01, 0x7F, 0xFF):
                master = Master(here.station)
                changed = bytearray(conversation(master)[message])
                changed[place] = value
                master.link.receive(bytes(changed), 0.0)
                master.link.receive(bytes(300), 0.0)
                master.link.receive(master.request(FunctionCode.DELAY_MEASURE), 0.0)
                assert master.link.closed or master.heard()
                master.link.hang_up(0.0)


def test_a_changed_byte_behind_good_checksums_never_raises() -> None:
    here = rig("battery", masters=16)
    fragments = [
        build_request(FunctionCode.READ, sequence=1, body=EVERYTHING),
        build_request(FunctionCode.SELECT, sequence=1, body=analog(508, 100)),
        build_request(FunctionCode.DIRECT_OPERATE, sequence=1, body=relay(18, 3)),
        build_request(FunctionCode.IMMED_FREEZE, sequence=1, body=ALL_COUNTERS),
        build_request(FunctionCode.WRITE, sequence=1, body=CLEAR_RESTART),
        build_request(FunctionCode.READ, sequence=1, body=bytes([30, 2, 6, 1, 1, 0, 0, 9, 21, 5, 6])),
        build_request(FunctionCode.READ, sequence=1, body=bytes([30, 1, 0x17, 2, 4, 5, 40, 3, 7, 2])),
        build_request(FunctionCode.ENABLE_UNSOLICITED, sequence=1, body=EVENTS),
        build_confirm(sequence=1),
    ]
    for fragment in fragments:
        for place in range(len(fragment)):
            for value in TELLING:
                master = Master(here.station)
                changed = bytearray(fragment)
                changed[place] = value
                master.link.receive(master.framed(bytes(changed)), 0.0)
                master.link.hang_up(0.0)


def test_a_master_that_floods_and_does_not_read_is_cut_off() -> None:
    master = Master(rig("battery", unsolicited=False).station)
    flood = b"".join(master.request(FunctionCode.READ, CLASS_0) for _ in range(4_000))
    master.link.receive(flood, 0.0)
    assert master.link.closed
    assert len(master.link.take_output()) < 3_000_000
