"""Lines of IEC 60870-5-101: the stations on them, unbalanced and balanced, with the application of 104 behind."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from iec101_bench import ACD, DFC, SMALL, Peer, Poller, line
from iec104_bench import ACT, CON, EVERYTHING, SETPOINT, TERM, Bench, Master, float_element, unit

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.contracts.protocol import Device
from pilotfarm.emulators.maps.iec104 import MAP
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.plans.iec104 import ObjectPlan
from pilotfarm.emulators.protocols.iec101.frames import SINGLE
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.stations.downlink import Sent

INTERROGATE = bytes((20,))
WIDTHS = [(1, 1, 1, 2), (1, 1, 2, 2), (2, 2, 2, 3), (1, 2, 1, 3), (2, 1, 1, 3), (2, 2, 2, 2)]


def values_of(units: list[Asdu], object_octets: int) -> dict[int, bytes]:
    """Object address -> element, of data units without sequences."""
    found = {}
    for each in units:
        if each.type < Type.SINGLE_COMMAND:
            size = len(each.body) // each.count
            for at in range(0, len(each.body), size):
                one = each.body[at : at + size]
                found[int.from_bytes(one[:object_octets], "little")] = one[object_octets:]
    return found


def over_104(bench: Bench, address: int) -> dict[int, bytes]:
    return values_of(Master(bench).ask(Type.INTERROGATION, ACT, address, 0, INTERROGATE), 3)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_an_interrogation_gives_what_it_gives_over_104_whatever_the_widths(widths: tuple[int, int, int, int]) -> None:
    link_octets, cause_octets, common_octets, object_octets = widths
    options = {
        "link_address_octets": link_octets,
        "cause_octets": cause_octets,
        "common_address_octets": common_octets,
        "object_address_octets": object_octets,
    }
    expected = over_104(Bench(2), 2)
    unbalanced = Poller(line(2, EVERYTHING, **options), 1, 2)
    heard = unbalanced.send(2, unbalanced.unit(Type.INTERROGATION, ACT, 2, 0, INTERROGATE))
    assert values_of(heard, object_octets) == expected
    assert {each.address for each in heard} == {2}
    balanced = Peer(line(2, EVERYTHING, mode="balanced", **options), 1)
    heard = balanced.send(balanced.unit(Type.INTERROGATION, ACT, 2, 0, INTERROGATE))
    assert values_of(heard, object_octets) == expected


@pytest.mark.parametrize("length", [32, 40, 100, 255])
def test_no_frame_is_longer_than_the_line_allows(length: int) -> None:
    master = Poller(line(1, EVERYTHING, frame_length=length, cause_octets=2, object_address_octets=3), 1)
    assert master.ask(1, 3, master.unit(Type.INTERROGATION, ACT, 1, 0, INTERROGATE)) is not None
    longest = 0
    while (frame := master.ask(1, 10)) is not None and frame.data:
        longest = max(longest, 2 + len(frame.data))
    assert longest <= length
    assert longest > length - 8


def test_objects_may_have_addresses_of_one_octet_where_their_numbers_fit() -> None:
    made = MAP.plan(SMALL)
    plan = ObjectPlan(
        tuple(replace(point, ioa=number) for number, point in enumerate(made.monitor, 1)),
        tuple(replace(point, ioa=200 + number, returns=()) for number, point in enumerate(made.control)),
    )
    bench = line(1, plan=plan, object_address_octets=1, common_address_octets=1)
    master = Poller(bench, 1)
    told = master.send(1, master.unit(Type.INTERROGATION, ACT, 1, 0, INTERROGATE))
    assert sorted(values_of(told, 1)) == [point.ioa for point in plan.monitor]
    assert len(master.unit(Type.SETPOINT, ACT, 1, 200, float_element(7.0))) == 10
    told = master.send(1, master.unit(Type.SETPOINT, ACT, 1, 200, float_element(7.0)))
    assert [each.cause for each in told] == [CON, TERM]
    assert bench.devices[0].taken[0].values["active_power_setpoint_w"] == 7.0


@pytest.mark.parametrize(
    ("time_tags", "types", "octets"), [("cp56", {30, 36}, 7), ("cp24", {2, 14}, 3), ("none", {1, 13}, 0)]
)
def test_events_have_the_time_tags_of_the_line(time_tags: str, types: set[int], octets: int) -> None:
    bench = line(1, time_tags=time_tags)
    master = Poller(bench, 1)
    master.both(1)
    clock = ClockOff()
    bench.table.clocks = {0: clock}
    for clock.off_s in (0.0, 600.0):
        for value in (-1e5, 2e5):
            bench.set("active_power_w", 0, value + clock.off_s)
            bench.step()
        bench.set("general_alarm", 0, 1.0 - bench.columns["general_alarm"][0])
        bench.step()
        told = master.both(1)
        assert {each.type for each in told} == types
        assert all(each.count == 1 for each in told), "of a measurement the newest waits"
        state, measured = sorted(told, key=lambda each: len(each.body))
        assert len(state.body) == 2 + 1 + octets
        assert len(measured.body) == 2 + 5 + octets
        assert state.body[3:] == master.form.time_tag(bench.unix_s + clock.off_s)[:octets]
    spec = registry.device("battery")
    rows = registry.point_map("iec101").points(spec, {}, bench.station.options.form)
    assert {row.event_code for row in rows if row.object in ("single point", "measured value")} == types
    assert all(f"({row.event_code})" in row.data_type for row in rows if row.event_code)


class ClockOff:
    """A clock that is off."""

    off_s = 0.0

    def shown_s(self, unix_s: float) -> float:
        return unix_s + self.off_s

    stamped_s = shown_s


class TestUnbalanced:
    def test_each_device_is_a_station_of_its_own_by_its_common_address(self) -> None:
        master = Poller(line(3), 1, 2)
        assert master.octets(3, 0x49) != b""
        assert master.octets(4, 0x49) == b""
        assert master.octets(0, 0x49) == b""
        told = master.send(1, master.unit(Type.READ, Cause.REQUEST, 2, 2000))
        assert [(each.cause, each.address) for each in told][-1] == (Cause.UNKNOWN_ADDRESS, 2)
        assert master.ask(3, 10) is None, "it was never reset"

    def test_one_link_address_may_stand_for_all(self) -> None:
        master = Poller(line(3, link_address=77), 77)
        assert master.octets(1, 0x49) == b""
        master.poll(77)
        told = master.send(77, master.unit(Type.INTERROGATION, ACT, 0xFFFF, 0, INTERROGATE))
        assert {each.address for each in told if each.cause == Cause.INTERROGATED} == {1, 2, 3}

    def test_the_end_of_initialisation_is_told_first_and_once(self) -> None:
        bench = line()
        master = Poller(bench, 1)
        assert [(each.type, each.cause) for each in master.both(1)] == [(Type.END_OF_INITIALISATION, 4)]
        master.reset(1)
        assert master.both(1) == []
        assert Poller(bench, 1).both(1) == []
        assert len(Poller(bench, 2).both(2)) == 1, "the other station is another"

    def test_states_are_of_class_1_and_measurements_of_class_2(self) -> None:
        bench = line()
        master = Poller(bench, 1)
        master.both(1)
        bench.set("active_power_w", 0, -5000.0)
        bench.step()
        status = master.frames(master.octets(1, 0x49))[0]
        assert not status.control & ACD
        bench.set("general_alarm", 0, 1.0 - bench.columns["general_alarm"][0])
        bench.step()
        status = master.frames(master.octets(1, 0x49))[0]
        assert status.control & ACD
        (state,) = master.poll(1, 10)
        assert (state.type, state.cause) == (Type.SINGLE_TAGGED, Cause.SPONTANEOUS)
        (measured,) = master.poll(1, 11)
        assert (measured.type, measured.cause) == (Type.FLOAT_TAGGED, Cause.SPONTANEOUS)

    def test_access_is_demanded_as_long_as_data_of_class_1_are_there_and_no_longer(self) -> None:
        bench = line()
        master = Poller(bench, 1)
        master.both(1)
        frame = master.ask(1, 3, master.unit(Type.INTERROGATION, ACT, 1, 0, INTERROGATE))
        assert frame is not None
        assert frame.control & ACD
        while frame.control & ACD:
            frame = master.ask(1, 10)
            assert frame is not None
            assert frame.data
        assert master.ask(1, 10) is SINGLE

    def test_cyclic_data_are_of_class_2(self) -> None:
        bench = line(cyclic_s=2.0)
        master = Poller(bench, 1)
        for _ in range(5):
            bench.step()
        assert all(each.cause != Cause.CYCLIC for each in master.poll(1, 10))
        assert {each.cause for each in master.poll(1, 11)} == {Cause.CYCLIC}

    def test_a_repeated_request_gets_the_same_octets_and_the_next_goes_on(self) -> None:
        bench = line()
        master = Poller(bench, 1)
        master.both(1)
        master.ask(1, 3, master.unit(Type.INTERROGATION, ACT, 1, 0, INTERROGATE))
        first = master.ask(1, 10)
        bench.step()
        assert master.again(1, 10) == master.again(1, 10) == first
        assert master.ask(1, 10) != first

    def test_a_repeated_command_is_done_once(self) -> None:
        bench = line()
        master = Poller(bench, 1)
        command = master.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(1234.0))
        master.ask(1, 3, command)
        assert master.again(1, 3, command) is not None
        assert [each.values["active_power_setpoint_w"] for each in bench.devices[0].taken] == [1234.0]
        assert [each.cause for each in master.poll(1, 10)][-2:] == [CON, TERM]

    def test_events_that_may_not_have_arrived_are_told_again_after_a_reset_or_another_connection(self) -> None:
        bench = line()
        for again in ("reset", "connection", "answered"):
            master = Poller(bench, 1)
            master.both(1)
            bench.set("general_alarm", 0, 1.0 - bench.columns["general_alarm"][0])
            bench.step()
            (told,) = master.poll(1, 10, times=1)
            if again == "answered":
                master.ask(1, 11)  # the count bit says that it has come
            master.engine.hang_up(0.0) if again == "connection" else master.reset(1)
            later = Poller(bench, 1) if again == "connection" else master
            assert later.poll(1, 10) == ([] if again == "answered" else [told])
            later.engine.hang_up(0.0)

    def test_a_master_that_is_silent_gets_what_happened_since_whole_when_it_asks_again(self) -> None:
        bench = line(silence_s=60.0)
        master = Poller(bench, 1)
        master.both(1)
        assert master.engine.deadline_s() == 60.0
        for silence_s, kept in ((59.0, 1), (60.0, 3)):
            master.now_s += silence_s
            master.engine.advance(master.now_s)
            for value in (-1e5, 1e5, -2e5):
                bench.set("active_power_w", 0, value)
                bench.step()
            told = [each for each in master.both(1) if each.type == Type.FLOAT_TAGGED]
            assert sum(each.count for each in told) == kept, "of a master that is there the newest value waits"

    def test_broadcast_data_reach_every_station_that_has_been_reset_and_are_not_answered(self) -> None:
        bench = line(3, link_address_octets=2)
        master = Poller(bench, 1, 2)
        for link in (1, 2):
            master.both(link)
        for control, reached in ((0x43, False), (0x44, True), (0x54, True), (0x74, True)):
            data = master.unit(Type.INTERROGATION, ACT, 0xFFFF, 0, INTERROGATE)
            assert master.octets(0xFFFF, control, data) == b""
            for link in (1, 2):
                told = master.poll(link, 10)
                assert {each.address for each in told} == ({link} if reached else set())
        assert master.octets(0xFFFF, 0x40) == b""
        assert master.octets(0xFFFF, 0x49) == b""

    def test_what_is_not_from_a_primary_station_or_for_balanced_links_is_nothing(self) -> None:
        bench = line()
        master = Poller(bench, 1)
        for control in range(256):
            if control & 0xC0 != 0x40:
                assert master.octets(1, control) == b""
                assert master.octets(1, control, b"data!!!!") == b""
        assert master.octets(1, 0x49) != b""

    def test_a_single_character_of_another_station_is_nothing_and_waits_for_nothing(self) -> None:
        master = Poller(line(silence_s=100.0), 1)
        master.engine.receive(b"\xe5", 0.0)
        master.now_s = 0.5
        master.engine.advance(0.5)
        assert master.engine.deadline_s() == 100.0
        assert master.octets(1, 0x49) != b""

    def test_a_device_that_is_not_reached_does_not_answer_and_others_do(self) -> None:
        bench = line()
        master = Poller(bench, 1, 2)
        bench.reach(0, False)
        assert master.octets(1, 0x49) == b""
        assert master.octets(2, 0x49) != b""
        bench.reach(0, True)
        assert master.octets(1, 0x49) != b""

    def test_behind_one_link_address_it_is_what_was_last_known(self) -> None:
        bench = line(link_address=9)
        master = Poller(bench, 9)
        bench.reach(0, False)
        bench.step()
        told = master.send(9, master.unit(Type.READ, Cause.REQUEST, 1, IOA["active_power_w"]))
        (read,) = [each for each in told if each.cause == Cause.REQUEST]
        assert read.body[-1] & 0x40, "not topical"

    def test_a_station_that_has_begun_anew_answers_no_data_before_it_is_reset(self) -> None:
        bench = line()
        master = Poller(bench, 1, 2)
        master.both(1)
        bench.station.restart(bench.seats[:1])
        assert master.ask(1, 10) is None
        assert master.ask(2, 10) is not None
        master.reset(1)
        assert [each.type for each in master.both(1)] == [Type.END_OF_INITIALISATION]

    def test_a_master_that_commands_on_and_never_asks_is_told_that_there_is_no_room(self) -> None:
        for termination in ("at_once", "after_step"):
            bench = line(termination=termination)
            master = Poller(bench, 1)
            command = master.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(1.0))
            for number in range(5_000):
                frame = master.ask(1, 3, command)
                assert frame is not None
                if frame.control & 0x0F == 1:
                    break
                if termination == "after_step" and number % 400 == 0:
                    bench.step()
            assert frame.control & DFC
            assert 300 < number < 2_000
            accepted = len(bench.devices[0].taken)
            assert master.again(1, 3, command) is not None
            assert len(bench.devices[0].taken) == accepted
            bench.step()
            told = master.poll(1, 10)
            assert sum(each.cause == TERM for each in told) == accepted
            frame = master.ask(1, 3, command)
            assert frame is not None
            assert not frame.control & (DFC | 0x0F)

    @pytest.mark.parametrize("octets", [b"\x00", b"\x2d\x01\x06\x01", bytes(40)])
    def test_data_that_are_no_data_unit_are_acknowledged_and_counted_and_nothing(self, octets: bytes) -> None:
        bench = line()
        master = Poller(bench, 1)
        master.both(1)
        frame = master.ask(1, 3, octets)
        assert frame is not None
        refused = bench.station.traffic.refusals
        assert sum(refused.values()) == 1
        assert bench.devices[0].taken == []

    def test_an_originator_where_the_cause_has_one_octet_does_nothing(self) -> None:
        bench = line(cause_octets=1)
        master = Poller(bench, 1)
        wide = Poller(line(cause_octets=2), 1)
        master.ask(1, 3, wide.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(1.0), orig=3))
        assert bench.devices[0].taken == []
        assert bench.station.traffic.refusals == {"malformed": 1}

    def test_data_units_carry_the_originator_that_the_site_names_and_answers_that_of_the_asker(self) -> None:
        bench = line(cause_octets=2, originator_address=5)
        master = Poller(bench, 1)
        told = master.send(1, master.unit(Type.INTERROGATION, ACT, 1, 0, INTERROGATE, orig=9))
        assert {(each.cause, each.originator) for each in told} == {(4, 5), (CON, 9), (20, 5), (TERM, 9)}


class TestBalanced:
    def line(self, **options: Any) -> Bench:
        return line(mode="balanced", **options)

    def test_the_station_asks_for_the_status_resets_and_tells(self) -> None:
        master = Peer(self.line(), 1)
        assert [frame.control for frame in master.got] == [0x49, 0x40, 0x73, 0x53]
        assert [each.type for each in master.heard()] == [Type.END_OF_INITIALISATION] * 2

    def test_it_needs_no_link_address(self) -> None:
        bench = self.line(link_address_octets=0)
        master = Peer(bench, 0)
        assert len(master.heard()) == 2
        told = master.send(master.unit(Type.SETPOINT, ACT, 2, SETPOINT, float_element(5.0)))
        assert [each.cause for each in told] == [CON, TERM]
        assert len(bench.devices[1].taken) == 1

    def test_events_come_unasked_one_at_a_time(self) -> None:
        bench = self.line()
        master = Peer(bench, 1)
        master.heard()
        master.acknowledges = False
        bench.set("active_power_w", 0, -5000.0)
        bench.set("active_power_w", 1, -5000.0)
        bench.step()
        assert master.engine.deadline_s() == master.now_s
        master.pull()
        assert len(master.got) == 1
        first = master.got[0]
        master.pull(1.0)
        assert master.got == [first, first]
        master.acknowledges = True
        master.pull(1.0)
        assert [each.address for each in master.heard()] == [1, 1, 1, 2]

    def test_a_single_character_acknowledges_once_the_line_is_idle(self) -> None:
        bench = self.line()
        master = Peer(bench, 1)
        master.heard()
        master.acknowledges = False
        bench.set("active_power_w", 0, -5000.0)
        bench.set("active_power_w", 1, -5000.0)
        bench.step()
        master.pull()
        master.engine.receive(b"\xe5", master.now_s)
        assert master.engine.deadline_s() == pytest.approx(master.now_s + 0.03)
        master.pull(0.031)
        assert [each.address for each in master.heard()] == [1, 2]

    def test_what_the_master_never_acknowledged_is_told_when_the_link_is_up_again(self) -> None:
        bench = self.line(repeats=1)
        master = Peer(bench, 1)
        master.heard()
        master.acknowledges = False
        bench.set("active_power_w", 0, -5000.0)
        bench.step()
        for _ in range(6):
            master.pull(1.0)
        assert [frame.control & 0x0F for frame in master.got] == [3, 3, 9, 9, 9, 9]
        lost = master.got[0]
        master.got.clear()
        bench.set("active_power_w", 0, 7000.0)
        bench.step()
        master.acknowledges = True
        master.pull(1.0)
        assert [frame.data for frame in master.got][2] == lost.data[:1] + b"\x02" + lost.data[2:] + (
            master.got[2].data[len(lost.data) :]
        ), "both, in their order"

    def test_a_silent_link_is_tested(self) -> None:
        master = Peer(self.line(test_s=5.0), 1)
        master.heard()
        master.pull(5.0)
        assert [frame.control & 0x0F for frame in master.got] == [2]

    def test_frames_in_the_other_direction_or_to_others_are_nothing(self) -> None:
        bench = self.line()
        master = Peer(bench, 1)
        master.answers.clear()
        for control in (0x40, 0x49, 0x00):
            master.feed(control)
        master.link = 2
        master.feed(0xC9)
        assert not master.answers
        master.link = 1
        master.feed(0xC9)
        assert [frame.control for frame in master.answers] == [0x0B]

    def test_before_its_reset_a_master_is_not_obeyed_and_told_all_the_same(self) -> None:
        bench = self.line()
        master = Peer(bench, 1, begun=False)
        master.collect()
        assert len(master.heard()) == 2
        assert master.send(master.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(5.0))) == []
        assert bench.devices[0].taken == []
        assert master.answers == []

    def test_a_station_that_has_begun_anew_begins_the_link_anew(self) -> None:
        bench = self.line()
        master = Peer(bench, 1)
        master.heard()
        bench.station.restart(bench.seats)
        master.pull()
        assert [frame.control for frame in master.got] == [0x49, 0x40, 0x73, 0x53]
        master.answers.clear()
        assert master.send(master.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(5.0)))[2:] == []
        assert master.answers == []

    def test_hanging_up_leaves_events_for_the_next(self) -> None:
        bench = self.line()
        master = Peer(bench, 1)
        master.heard()
        master.acknowledges = False
        bench.set("general_alarm", 0, 1.0 - bench.columns["general_alarm"][0])
        bench.step()
        master.pull()
        master.engine.hang_up(master.now_s)
        assert bench.station.waiting_events > 0
        assert Type.SINGLE_TAGGED in [each.type for each in Peer(bench, 1).heard()]


@dataclass(frozen=True)
class Downlink:
    """A line to a device that takes two seconds."""

    device: Device

    def carry(self, order: Order, now_s: float) -> Carried:
        return Sent(self.device, order, now_s + 2.0, True)


@pytest.mark.parametrize("mode", ["unbalanced", "balanced"])
def test_a_command_that_goes_down_a_line_of_the_station_is_confirmed_when_its_device_has_answered(mode: str) -> None:
    bench = line(mode=mode)
    bench.seats[0].downlink = Downlink(bench.devices[0])
    master: Any = Poller(bench, 1) if mode == "unbalanced" else Peer(bench, 1)
    master.both(1) if mode == "unbalanced" else master.heard()
    command = master.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(5.0))
    assert (master.send(1, command) if mode == "unbalanced" else master.send(command)) == []
    assert master.engine.deadline_s() == 2.0
    assert bench.devices[0].taken == []
    master.now_s = 2.0
    master.engine.advance(2.0)
    assert len(bench.devices[0].taken) == 1
    if mode == "balanced":
        master.collect()
    told = master.poll(1) if mode == "unbalanced" else master.heard()
    assert [each.cause for each in told] == [CON, TERM]
    if mode == "unbalanced":
        assert master.send(1, command) == []
        master.now_s = 4.0  # when it is asked, and no timer has fired yet
        assert [each.cause for each in master.poll(1)] == [CON, TERM]


@pytest.mark.parametrize("mode", ["unbalanced", "balanced"])
def test_a_command_with_one_octet_changed_is_neither_obeyed_nor_answered(mode: str) -> None:
    bench = line(1, mode=mode, test_s=0.0)
    master: Any = Poller(bench, 1) if mode == "unbalanced" else Peer(bench, 1)
    command = master.unit(Type.SETPOINT, ACT, 1, SETPOINT, float_element(5.0))
    octets = master.framing.encode(0x73 if mode == "unbalanced" else 0xF3, 1, command)
    for at in range(len(octets)):
        for other in range(256):
            if other != octets[at]:
                master.now_s += 0.05
                master.engine.receive(octets[:at] + bytes((other,)) + octets[at + 1 :], master.now_s)
                assert master.engine.take_output() == b""
    assert bench.devices[0].taken == []
    assert bench.station.traffic.requests == 0
    master.engine.receive(octets, master.now_s + 1.0)
    assert len(bench.devices[0].taken) == 1


@pytest.mark.parametrize("mode", ["unbalanced", "balanced"])
def test_whatever_a_line_brings_is_borne_and_answered_within_bounds(mode: str) -> None:
    draw = random.Random(2)
    bench = line(mode=mode)
    engine = bench.station.connect("peer", 0.0)
    framing, now_s = bench.station.options.framing, 0.0
    direction = 0x80 if mode == "balanced" else 0
    likely = [unit(kind, cause, 1, 2000, bytes(8)) for kind in (45, 50, 100, 101, 103) for cause in (6, 8)]
    for _ in range(3_000):
        now_s += draw.choice((0.0, 0.01, 0.5, 5.0))
        data = draw.choice((b"", draw.randbytes(draw.randrange(40)), draw.choice(likely)))
        octets = framing.encode(direction | draw.randrange(128), draw.choice((1, 2, 255)), data)
        engine.receive(octets if draw.random() < 0.8 else draw.randbytes(20), now_s)
        engine.advance(now_s)
        if draw.random() < 0.1:
            bench.step()
        assert len(engine.take_output()) < 2_000
        due_s = engine.deadline_s()
        assert due_s is None or due_s >= 0.0
    engine.hang_up(now_s)
    assert not engine.closed
