"""DNP3 connections: who is greeted, who is asked whether it is there, who makes room; restarts, broadcasts, time."""

from __future__ import annotations

import pytest
from dnp3_bench import CLEAR_RESTART, MASTER, STATION, Master, objects
from dnp3_rig import ALL_COUNTERS, CLASS_0, EVENTS, UNIX_S, Rig, analog, point_of, relay, rig
from py1815 import link as wire
from py1815.application import FunctionCode, Response, build_request

from pilotfarm.emulators import registry
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.protocols.dnp3 import link as link_module
from pilotfarm.emulators.protocols.dnp3.dialogue import GRACE_S

RESTART, NEED_TIME, BROADCAST, CLASS_1 = 0x80, 0x10, 0x01, 0x02
NO_CONFIRM, SHALL_CONFIRM, OPTIONAL_CONFIRM = 0xFFFD, 0xFFFE, 0xFFFF
OUR_STATUS = wire.control_byte(from_master=False, primary=True, function=wire.PrimaryFunction.REQUEST_LINK_STATUS)
LINK_STATUS = wire.control_byte(from_master=True, primary=False, function=wire.SecondaryFunction.LINK_STATUS)
WRITE_TIME = bytes([50, 1, 7, 1]) + (1_000).to_bytes(6, "little")


def frames(link: link_module.Link) -> list[wire.LinkFrame]:
    return wire.FrameReader().feed(link.take_output())


def there(master: Master) -> bytes:
    return wire.build(LINK_STATUS, destination=STATION, source=master.address)


def only(answer: list[Response]) -> Response:
    (response,) = answer
    return response


def quiet(kind: str = "smart_meter", **options: object) -> tuple[Rig, Master]:
    here = rig(kind, unsolicited=False, **options)
    return here, Master(here.station)


# ---------------------------------------------------------------------------------- keep-alive


def test_a_silent_master_is_asked_for_the_link_status_and_stays_if_it_answers() -> None:
    _, master = quiet()
    master.ask(FunctionCode.READ, CLASS_0)
    for _ in range(3):
        assert master.link.deadline_s() == master.now_s + 60.0
        master.link.advance(master.now_s + 59.999)
        assert frames(master.link) == []
        master.now_s += 60.0
        master.link.advance(master.now_s)
        (asked,) = frames(master.link)
        assert (asked.control, asked.source, asked.destination) == (OUR_STATUS, STATION, MASTER)
        assert not asked.fcv
        assert master.link.deadline_s() == master.now_s + 5.0
        master.link.receive(there(master), master.now_s + 4.999)
        master.now_s += 4.999
        assert frames(master.link) == []
    assert master.ask(FunctionCode.READ, CLASS_0)


def test_one_that_does_not_answer_is_closed_and_keeps_what_it_is_owed() -> None:
    here, master = quiet(keep_alive_s=10.0, confirm_timeout_s=2.0)
    master.ask(FunctionCode.READ, CLASS_0)
    master.wait(10.0)
    master.wait(1.999)
    assert not master.link.closed
    master.wait(0.001)
    assert master.link.closed
    assert master.link.deadline_s() is None
    master.link.hang_up(master.now_s)
    here.refresh(cover_open_alarm=1.0)
    assert len(list(objects(Master(here.station, now_s=13.0).ask(FunctionCode.READ, EVENTS)))) == 1


def test_whatever_comes_from_a_master_is_a_sign_of_life() -> None:
    _, master = quiet(keep_alive_s=10.0, confirm_timeout_s=2.0)
    master.ask(FunctionCode.READ, CLASS_0)
    for _ in range(5):
        master.wait(9.0)
        assert master.ask(FunctionCode.DELAY_MEASURE)
    master.wait(10.0)
    assert master.ask(FunctionCode.DELAY_MEASURE), "a request instead of the link status"
    master.wait(9.0)
    assert not master.link.closed


def test_who_never_says_who_it_is_is_closed_as_late_as_one_who_does_not_answer() -> None:
    for said in (b"", b"\x05\x64", bytes(50)):
        _, stranger = quiet(keep_alive_s=10.0, confirm_timeout_s=2.0)
        stranger.link.receive(said, 0.0)
        for at_s, closed in ((10.0, False), (11.999, False), (12.0, True)):
            stranger.link.advance(at_s)
            assert stranger.link.closed == closed
        assert stranger.link.take_output() == b""


def test_keep_alive_can_be_off() -> None:
    _, master = quiet(keep_alive_s=0.0)
    assert master.link.deadline_s() is None
    master.ask(FunctionCode.READ, CLASS_0)
    assert master.link.deadline_s() is None
    assert master.wait(1e6) == []
    assert master.link.take_output() == b""
    assert not master.link.closed


# -------------------------------------------------------------------------------- who is greeted


def test_a_master_that_the_site_names_is_told_of_the_restart_before_it_has_spoken() -> None:
    here = rig("smart_meter", masters=(MASTER,))
    master = Master(here.station)
    null = only(master.heard())
    assert (null.control.uns, null.control.con, null.body) == (True, True, b"")
    assert null.iin.first & RESTART
    again = only(master.wait(5.0))
    assert again == null, "until it is confirmed"
    master.confirm(again)
    assert master.wait(5.0) == []
    assert not master.link.closed


def test_any_other_master_is_greeted_after_its_first_frame_and_no_earlier() -> None:
    master = Master(rig("smart_meter").station)
    assert master.heard() == []
    assert [each.control.uns for each in master.ask(FunctionCode.DELAY_MEASURE)] == [False, True]


def test_events_reach_a_named_master_that_only_listens_and_confirms() -> None:
    here = rig("smart_meter", masters=(MASTER,))
    master = Master(here.station)
    master.ask(FunctionCode.ENABLE_UNSOLICITED, EVENTS)
    master.link.hang_up(1.0)
    here.refresh(cover_open_alarm=1.0)
    listener = Master(here.station, now_s=2.0)
    report = only(listener.heard())
    assert [group for group, *_ in objects([report])] == [2]
    listener.confirm(report)
    assert listener.wait(0.0) == []


def test_of_several_named_masters_each_is_greeted_until_one_of_them_speaks() -> None:
    here = rig("smart_meter", masters=(1, 2))
    first = Master(here.station, 1)
    greeted = frames(first.link)
    assert sorted(each.destination for each in greeted) == [1, 2]
    second = Master(here.station, 2)
    assert sorted(each.destination for each in frames(second.link)) == [1, 2], "the newest is the likeliest to be alive"
    assert first.wait(4.0) == []
    assert not only(second.ask(FunctionCode.WRITE, CLEAR_RESTART)).iin.first & RESTART
    greeting = only(first.wait(0.0))
    assert greeting.control.uns, "the master that the second did not turn out to be, the first may be"
    first.confirm(greeting)
    second.confirm(only(second.wait(5.0)))
    for each in (first, second):
        assert each.ask(FunctionCode.READ, CLASS_0)


def test_a_connection_that_a_named_master_speaks_on_is_kept_from_newer_ones_that_do_not() -> None:
    here = rig("smart_meter", masters=(MASTER,))
    master = Master(here.station)
    master.settle()
    stranger = here.station.connect("stranger", 0.0)
    assert stranger.take_output() == b""
    assert master.ask(FunctionCode.READ, CLASS_0)


def test_a_named_master_that_only_listens_answers_for_its_link() -> None:
    here = rig("smart_meter", masters=(MASTER,), unsolicited=False)
    master = Master(here.station)
    master.wait(60.0)
    master.link.receive(there(master), master.now_s)
    master.wait(59.0)
    assert not master.link.closed
    assert master.ask(FunctionCode.READ, CLASS_0)


# -------------------------------------------------------------------------------- who makes room


def test_a_master_that_comes_as_another_leaves_is_served_once_that_one_has_left() -> None:
    here, leaving = quiet(masters=1)
    leaving.ask(FunctionCode.READ, CLASS_0)
    coming = Master(here.station, 2)
    assert coming.ask(FunctionCode.READ, bytes([1, 2, 6])) == []
    assert coming.link.deadline_s() == GRACE_S
    leaving.link.hang_up(0.0)
    (answer,) = coming.wait(GRACE_S)
    assert list(objects([answer]))
    assert coming.ask(FunctionCode.READ, CLASS_0)


def test_one_that_waits_may_not_say_more_than_is_held() -> None:
    here, first = quiet(masters=1)
    first.ask(FunctionCode.READ, CLASS_0)
    second = Master(here.station, 2)
    second.link.receive(second.request(FunctionCode.READ, CLASS_0) * 400, 0.0)
    assert second.link.closed


def test_a_master_that_the_site_does_not_name_is_turned_away_at_once() -> None:
    here = rig("smart_meter", masters=(5,))
    stranger = Master(here.station, 1)
    stranger.link.receive(stranger.request(FunctionCode.READ, CLASS_0), 0.0)
    assert stranger.link.closed


# ------------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize("function", [FunctionCode.COLD_RESTART, FunctionCode.WARM_RESTART])
def test_a_restart_is_answered_with_how_long_it_takes_and_every_master_is_told(function: FunctionCode) -> None:
    here, master = quiet(need_time=True, restart_s=3.5)
    other = Master(here.station, 2)
    for each in (master, other):
        each.settle()
    master.ask(FunctionCode.WRITE, WRITE_TIME)
    here.refresh(cover_open_alarm=1.0)
    cold = function is FunctionCode.COLD_RESTART
    answer = only(master.ask(function))
    assert answer.body[:4] == bytes([52, 2, 7, 1])
    assert int.from_bytes(answer.body[4:], "little") == (3_500 if cold else 0)
    assert not answer.iin.first & (RESTART | NEED_TIME), "it has yet to begin"
    assert master.link.closed == other.link.closed == cold
    if cold:
        for each in (master, other):
            each.link.hang_up(0.0)
        master, other = Master(here.station, 1, now_s=3.5), Master(here.station, 2, now_s=3.5)
    for each in (master, other):
        first = only(each.ask(FunctionCode.READ, CLASS_0))
        assert first.iin.first & RESTART
        assert first.iin.first & NEED_TIME
        assert bool(first.iin.first & CLASS_1) != cold, "events are lost with a cold restart"
        each.ask(FunctionCode.WRITE, CLEAR_RESTART)
        assert not only(each.ask(FunctionCode.READ, CLASS_0)).iin.first & RESTART


@pytest.mark.parametrize("function", [FunctionCode.COLD_RESTART, FunctionCode.WARM_RESTART])
def test_a_restart_with_objects_is_a_wrong_parameter_and_restarts_nothing(function: FunctionCode) -> None:
    _, master = quiet()
    master.settle()
    answer = only(master.ask(function, CLASS_0))
    assert (answer.iin.first & RESTART, answer.iin.second, answer.body) == (0, 0x04, b"")
    assert not master.link.closed


def test_a_restart_is_announced_and_what_was_enabled_is_not_carried_across_it() -> None:
    here = rig("smart_meter")
    master = Master(here.station)
    master.ask(FunctionCode.ENABLE_UNSOLICITED, EVENTS)
    master.settle()
    answer, null = master.ask(FunctionCode.WARM_RESTART)
    assert answer.body
    assert null.control.uns
    assert null.iin.first & RESTART
    here.refresh(cover_open_alarm=1.0)
    assert master.wait(0.0) == []


def test_whoever_comes_during_a_cold_restart_is_served_when_it_is_over() -> None:
    here = rig("smart_meter", masters=(1,), restart_s=3.5, keep_alive_s=0.0)
    master = Master(here.station)
    master.ask(FunctionCode.COLD_RESTART)
    assert master.link.closed
    back = Master(here.station, now_s=1.0)
    assert back.link.deadline_s() == 3.5
    assert back.ask(FunctionCode.DELAY_MEASURE) == []
    assert back.wait(2.499) == []
    answer, null = back.wait(0.001)
    assert answer.body
    assert null.control.uns
    assert null.iin.first & RESTART
    back.confirm(null)
    assert back.ask(FunctionCode.READ, CLASS_0)


def test_what_waits_for_a_restart_is_bounded() -> None:
    here, master = quiet(restart_s=3.5)
    master.ask(FunctionCode.COLD_RESTART)
    back = Master(here.station, now_s=1.0)
    back.link.receive(bytes(4_096), 1.0)
    assert not back.link.closed
    back.link.receive(bytes(1), 1.0)
    assert back.link.closed
    back.link.hang_up(2.0)


def test_a_restart_in_no_time_lets_masters_in_again_at_once() -> None:
    here, master = quiet(restart_s=0.0)
    master.ask(FunctionCode.COLD_RESTART)
    assert master.link.closed
    assert Master(here.station, now_s=0.0).ask(FunctionCode.READ, CLASS_0)


# ----------------------------------------------------------------------------------- broadcasts


def broadcast(master: Master, to: int, function: FunctionCode, body: bytes = b"") -> None:
    master.sequence = (master.sequence + 1) % 16
    fragment = build_request(function, sequence=master.sequence, body=body)
    master.link.receive(master.framed(fragment, to), master.now_s)


@pytest.mark.parametrize("to", [NO_CONFIRM, SHALL_CONFIRM, OPTIONAL_CONFIRM])
def test_a_broadcast_is_not_answered_and_said_in_what_comes_next(to: int) -> None:
    here, master = quiet("battery")
    master.settle()
    broadcast(master, to, FunctionCode.DIRECT_OPERATE_NR, analog(508, 700) + relay(18, 3))
    assert master.heard() == []
    assert [dict(command.values) for command in here.device.commands] == [
        {"active_power_setpoint_w": 700.0},
        {"active_power_setpoint_enabled": 1.0},
    ]
    first = only(master.ask(FunctionCode.READ, bytes([1, 2, 6]), confirm=False))
    assert first.iin.first & BROADCAST
    assert first.control.con == (to != NO_CONFIRM)
    second = only(master.ask(FunctionCode.READ, bytes([1, 2, 6])))
    assert bool(second.iin.first & BROADCAST) == (to != NO_CONFIRM), "until a confirmation, where it asks for one"
    assert not only(master.ask(FunctionCode.READ, bytes([1, 2, 6]))).iin.first & BROADCAST


def test_a_broadcast_may_be_the_first_that_a_master_says() -> None:
    here, master = quiet("battery")
    broadcast(master, OPTIONAL_CONFIRM, FunctionCode.DIRECT_OPERATE_NR, analog(508, 700))
    assert len(here.device.commands) == 1
    assert only(master.ask(FunctionCode.READ, bytes([1, 2, 6]))).iin.first & BROADCAST


def test_broadcast_controls_can_be_off() -> None:
    here, master = quiet("battery", broadcast_controls=False)
    master.settle()
    broadcast(master, OPTIONAL_CONFIRM, FunctionCode.DIRECT_OPERATE_NR, analog(508, 700))
    assert here.device.commands == []
    assert only(master.ask(FunctionCode.READ, bytes([1, 2, 6]))).iin.first & BROADCAST, "it was received all the same"


def test_broadcasts_freeze_write_assign_and_enable() -> None:
    here = rig("smart_meter", need_time=True)
    master = Master(here.station)
    master.settle()
    broadcast(master, NO_CONFIRM, FunctionCode.IMMED_FREEZE_NR, ALL_COUNTERS)
    broadcast(master, NO_CONFIRM, FunctionCode.WRITE, WRITE_TIME)
    broadcast(master, NO_CONFIRM, FunctionCode.ASSIGN_CLASS, bytes([60, 2, 6, 30, 0, 6]))
    broadcast(master, NO_CONFIRM, FunctionCode.ENABLE_UNSOLICITED, bytes([60, 2, 6]))
    assert master.heard() == []
    assert here.outstation.written_time_ms == 1_000
    here.refresh(frequency_hz=55.0)
    report = only(master.wait(0.0))
    assert [group for group, *_ in objects([report])] == [32], "class 1 now, and enabled"
    master.confirm(report)
    assert list(objects(master.ask(FunctionCode.READ, bytes([21, 1, 6]))))
    broadcast(master, NO_CONFIRM, FunctionCode.DISABLE_UNSOLICITED, bytes([60, 2, 6]))
    here.refresh(frequency_hz=50.0)
    assert master.wait(0.0) == []


class Objector:
    """A filter that answers in the place of the outstation."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return None, bytes([message[0], 0x81, 0, 0x01])

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


def test_what_answers_in_the_place_of_an_outstation_does_not_answer_a_broadcast() -> None:
    here, master = quiet("battery")
    here.seat.filters = (Objector(),)
    assert only(master.ask(FunctionCode.DELAY_MEASURE)).iin.second == 0x01
    broadcast(master, OPTIONAL_CONFIRM, FunctionCode.DIRECT_OPERATE_NR, analog(508, 700))
    assert master.heard() == []
    assert here.device.commands == []


@pytest.mark.parametrize("function", FunctionCode)
def test_no_broadcast_is_answered_whatever_it_asks_and_none_breaks_the_conversation(function: FunctionCode) -> None:
    here, master = quiet("battery")
    master.settle()
    for body in (b"", CLASS_0, analog(508, 1), bytes([60, 2, 6, 30]), bytes([34, 1, 6]), bytes(3)):
        broadcast(master, NO_CONFIRM, function, body)
        assert master.heard() == []
    answer = only(master.ask(FunctionCode.READ, bytes([1, 2, 6])))
    assert (answer.iin.second, answer.iin.first & RESTART) == (0, 0)
    assert len(here.device.commands) == (function in (FunctionCode.DIRECT_OPERATE, FunctionCode.DIRECT_OPERATE_NR))


# ----------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_an_outstation_of_every_kind_asks_each_master_for_the_time_until_one_writes_it(kind: str) -> None:
    here = rig(kind, unsolicited=False, need_time=True)
    one, two = Master(here.station, 1), Master(here.station, 2)
    for each in (one, two):
        assert only(each.ask(FunctionCode.READ, bytes([30, 1, 6]))[:1]).iin.first & NEED_TIME
    assert not only(two.ask(FunctionCode.WRITE, WRITE_TIME)).iin.first & NEED_TIME
    for each in (one, two, Master(here.station, 3)):
        assert not only(each.ask(FunctionCode.READ, bytes([30, 1, 6]))[:1]).iin.first & NEED_TIME


def test_events_of_a_clock_that_nobody_has_set_are_marked_for_every_master() -> None:
    here, master = quiet(need_time=True)
    other = Master(here.station, 2)
    other.settle()
    master.settle()
    here.refresh(UNIX_S, cover_open_alarm=1.0)
    master.ask(FunctionCode.WRITE, WRITE_TIME)
    here.refresh(UNIX_S + 1.0, cover_open_alarm=0.0)
    index = point_of(here, "cover_open_alarm", PointType.BINARY_INPUT).index
    for each in (master, other):
        body = only(each.ask(FunctionCode.READ, EVENTS)).body
        assert body.startswith(bytes([51, 2, 7, 1])), "a common time, not synchronised"
        assert bytes([2, 3, 0x28, 1, 0]) + index.to_bytes(2, "little") in body
        assert bytes([2, 2, 0x28, 1, 0]) + index.to_bytes(2, "little") in body
