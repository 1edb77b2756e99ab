"""DNP3 stations of several outstations: what each does is what it does alone, and a connection is theirs together."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from dnp3_bench import CLEAR_RESTART, EVERYTHING, STATION, Line, Master, objects
from dnp3_drops import Drops, alone, drops
from dnp3_rig import ALL_COUNTERS, CLASS_0, EVENTS, UNIX_S, analog, relay, statuses
from py1815 import link as wire
from py1815.application import FunctionCode, Response, build_request

from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.protocols.dnp3.dialogue import GRACE_S

A, B, C = STATION, STATION + 1, STATION + 2
RESTART, BROADCAST = 0x80, 0x01
BROADCASTS = (0xFFFD, 0xFFFE, 0xFFFF)
SELF_ADDRESS = 0xFFFC
ASK_STATUS = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.REQUEST_LINK_STATUS)
LINK_STATUS = wire.control_byte(from_master=False, primary=False, function=wire.SecondaryFunction.LINK_STATUS)
OUR_STATUS = wire.control_byte(from_master=False, primary=True, function=wire.PrimaryFunction.REQUEST_LINK_STATUS)
THERE = wire.control_byte(from_master=True, primary=False, function=wire.SecondaryFunction.LINK_STATUS)
REQUESTS = (
    (FunctionCode.READ, EVERYTHING),
    (FunctionCode.READ, CLASS_0),
    (FunctionCode.READ, bytes([60, 2, 6])),
    (FunctionCode.READ, bytes([30, 5, 6, 40, 3, 6, 21, 1, 6])),
    (FunctionCode.READ, bytes([0, 254, 0, 0, 0])),
    (FunctionCode.WRITE, CLEAR_RESTART),
    (FunctionCode.WRITE, bytes([50, 1, 7, 1]) + (1_790_000_000_000).to_bytes(6, "little")),
    (FunctionCode.WRITE, bytes([34, 1, 0x28, 1, 0]) + (537).to_bytes(2, "little") + bytes([9, 0])),
    (FunctionCode.SELECT, analog(508, 700)),
    (FunctionCode.OPERATE, analog(508, 700)),
    (FunctionCode.DIRECT_OPERATE, relay(18, 3)),
    (FunctionCode.DIRECT_OPERATE, analog(508, 2_000_000)),
    (FunctionCode.DIRECT_OPERATE_NR, analog(508, 300)),
    (FunctionCode.IMMED_FREEZE, ALL_COUNTERS),
    (FunctionCode.ENABLE_UNSOLICITED, EVENTS),
    (FunctionCode.DISABLE_UNSOLICITED, bytes([60, 3, 6])),
    (FunctionCode.ASSIGN_CLASS, bytes([60, 2, 6, 30, 0, 6])),
    (FunctionCode.DELAY_MEASURE, b""),
    (FunctionCode.WARM_RESTART, b""),
    (FunctionCode.CONFIRM, b""),
)


def only(answer: list[Response]) -> Response:
    (response,) = answer
    return response


def quiet(n: int = 3, **options: object) -> tuple[Drops, Line, list[Master]]:
    here = drops(n, unsolicited=False, **options)
    line = Line(here.station)
    masters = [line.master(STATION + row) for row in range(n)]
    for each in masters:
        each.settle()
    return here, line, masters


def test_what_a_master_does_not_take_has_a_bound_for_each_outstation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, line, _ = quiet()
    monkeypatch.setattr("pilotfarm.emulators.protocols.dnp3.multidrop.OUTPUT_MAX", 20)
    for _ in range(6):  # answers of ten octets
        line.engine.receive(wire.build(ASK_STATUS, B, 1), 0.0)
        assert not line.engine.closed
    line.engine.receive(wire.build(ASK_STATUS, B, 1), 0.0)
    assert line.engine.closed


def conversation(here: Drops, masters: list[Master], feed: Callable[[bytes, Master], None], seed: int) -> list[bytes]:
    """Ask at random what masters ask, while things move; return what each outstation said."""
    draw = random.Random(seed)
    said = [b"" for _ in masters]
    now_s = 0.0
    for _ in range(60):
        now_s += draw.choice((0.0, 0.4, 5.0, 11.0))
        row = draw.randrange(len(masters))
        master = masters[row]
        for each in masters:
            each.now_s = now_s
            each.link.advance(now_s)
        if draw.random() < 0.3:
            changes = {"active_power_w": draw.uniform(-4e3, 4e3), "running": draw.choice((0.0, 1.0))}
            here.refresh(row, UNIX_S + now_s, draw.choice((0, int(Quality.NOT_TOPICAL))), **changes)
        function, body = draw.choice(REQUESTS)
        if draw.random() < 0.1:
            fragment = build_request(function, sequence=draw.randrange(16), body=body)
            octets = master.framed(fragment, draw.choice(BROADCASTS))
            for each in masters:
                feed(octets, each)
        else:
            feed(master.request(function, body), master)
        for each, other in enumerate(masters):
            octets = other.link.take_output()
            said[each] += octets
            for frame in wire.FrameReader().feed(octets):
                if frame.payload[1:2] and frame.payload[1] & 0x20 and draw.random() < 0.7:
                    unsolicited, sequence = bool(frame.payload[1] & 0x10), frame.payload[1] & 0x0F
                    confirm = bytes([0xC0 | 0x10 * unsolicited | sequence, FunctionCode.CONFIRM])
                    other.link.receive(other.framed(confirm), now_s)
    return said


@pytest.mark.parametrize("seed", range(6))
def test_every_outstation_says_on_a_shared_connection_what_it_says_on_its_own(seed: int) -> None:
    options = {"keep_alive_s": 0.0, "need_time": bool(seed % 2), "masters": (1, 2) if seed % 3 else 4}
    there, stations = alone(**options)
    by_themselves = [Line(station).master(STATION + row) for row, station in enumerate(stations)]
    wanted = conversation(there, by_themselves, lambda octets, master: master.link.receive(octets, master.now_s), seed)

    here = drops(**options)
    line = Line(here.station)
    together = [line.master(STATION + row) for row in range(3)]
    draw = random.Random(seed)

    def feed(octets: bytes, master: Master) -> None:
        if int.from_bytes(octets[4:6], "little") in BROADCASTS and master is not together[0]:
            return  # it is said once, for all of them
        cut = draw.randrange(len(octets))
        for piece in (octets[:cut], octets[cut:]):
            line.engine.receive(piece, master.now_s)

    assert conversation(here, together, feed, seed) == wanted
    assert [len(said) > 200 for said in wanted] == [True] * 3
    assert [[c.values for c in d.commands] for d in here.devices] == [
        [c.values for c in d.commands] for d in there.devices
    ]
    assert any(device.commands for device in here.devices)
    assert not line.engine.closed


# ------------------------------------------------------------------------------- whom a frame is for


def test_a_link_status_is_answered_by_the_outstation_it_is_asked_of() -> None:
    _, line, _ = quiet()
    for address in (B, A, C):
        line.engine.receive(wire.build(ASK_STATUS, address, 1), 0.0)
        assert line.said_by(address) == wire.build(LINK_STATUS, 1, address)
        assert line.quiet()


@pytest.mark.parametrize("address", [A - 1, C + 1, 0, 65_519, SELF_ADDRESS, 0xFFF0])
def test_who_is_not_there_does_not_answer_and_the_connection_stands(address: int) -> None:
    """Self-address is optional (IEEE 1815-2012, 9.2.5), and where several share a connection all would answer."""
    _, line, masters = quiet()
    line.engine.receive(wire.build(ASK_STATUS, address, 1), 0.0)
    assert line.quiet()
    assert masters[1].ask(FunctionCode.READ, CLASS_0)


@pytest.mark.parametrize("to", BROADCASTS)
def test_a_broadcast_reaches_every_outstation_be_it_the_first_that_a_master_says(to: int) -> None:
    here = drops(unsolicited=False)
    line = Line(here.station)
    master = line.master()
    fragment = build_request(FunctionCode.DIRECT_OPERATE_NR, sequence=1, body=analog(508, 700))
    line.engine.receive(master.framed(fragment, to), 0.0)
    assert line.quiet()
    assert [[dict(c.values) for c in each.commands] for each in here.devices] == [
        [{"active_power_setpoint_w": 700.0}]
    ] * 3
    for address in (A, B, C):
        assert only(line.master(address).ask(FunctionCode.READ, bytes([1, 2, 6]), confirm=False)).iin.first & BROADCAST


def test_masters_with_addresses_of_their_own_share_a_connection() -> None:
    here = drops(unsolicited=False)
    line = Line(here.station)
    for address, own in ((A, 1), (B, 2), (C, 1)):
        assert line.master(address, own).ask(FunctionCode.READ, CLASS_0)
    line.engine.receive(line.master(A, 2).request(FunctionCode.READ, CLASS_0), 0.0)
    assert line.quiet(), "an outstation has one master on a connection"
    assert line.master(A, 1).ask(FunctionCode.DELAY_MEASURE)


def test_a_control_moves_the_device_it_is_sent_to_and_a_selection_is_of_one_outstation() -> None:
    here, _, (a, b, _) = quiet()
    assert statuses(a.ask(FunctionCode.SELECT, analog(508, 700))) == [0]
    b.sequence = a.sequence
    assert statuses(b.ask(FunctionCode.OPERATE, analog(508, 700))) == [2], "no select"
    assert statuses(a.ask(FunctionCode.OPERATE, analog(508, 700))) == [0]
    assert [len(each.commands) for each in here.devices] == [1, 0, 0]


# ------------------------------------------------------------------------- connections and masters


def test_each_master_has_a_connection_and_is_told_of_every_device_within_its_own_buffers() -> None:
    here = drops(unsolicited=False, event_buffer=3)
    lines = {own: Line(here.station) for own in (1, 2)}
    masters = {(own, row): lines[own].master(STATION + row, own) for own in lines for row in range(3)}
    for each in masters.values():
        each.settle()
    for turn in range(5):
        for row in (0, 2):
            here.refresh(row, UNIX_S + turn, general_alarm=float(turn % 2 == 0))
    for (_, row), master in masters.items():
        told = list(objects(master.ask(FunctionCode.READ, EVENTS)))
        assert len(told) == (0 if row == 1 else 3), "the newest that there is room for, at each outstation"


def test_a_master_that_comes_again_takes_its_outstations_with_it_one_by_one() -> None:
    here, old, masters = quiet()
    new = Line(here.station)
    for row in range(3):
        assert not old.engine.closed
        assert new.master(STATION + row).ask(FunctionCode.READ, CLASS_0)
        old.engine.advance(1.0)
    assert old.engine.closed, "nobody speaks there any more"
    old.engine.hang_up(1.0)
    assert new.master(B).ask(FunctionCode.READ, CLASS_0)
    assert masters[0].heard() == []


def test_what_a_master_is_owed_stays_when_the_connection_goes() -> None:
    here, line, _ = quiet()
    line.engine.hang_up(0.0)
    here.refresh(1, general_alarm=1.0)
    again = Line(here.station)
    assert not list(objects(again.master(A).ask(FunctionCode.READ, EVENTS)))
    assert list(objects(again.master(B).ask(FunctionCode.READ, EVENTS)))


def test_an_outstation_with_no_association_left_is_silent_and_the_others_are_not() -> None:
    here, _, (_, *others) = quiet(masters=1)
    for each in others:
        each.ask(FunctionCode.READ, CLASS_0)
    line = Line(here.station)
    assert line.master(A, 2).ask(FunctionCode.READ, CLASS_0) == []
    assert line.engine.deadline_s() == GRACE_S
    here.outstation(1)._associations.clear()
    assert line.master(B, 2).ask(FunctionCode.READ, CLASS_0)
    line.engine.advance(GRACE_S)
    assert not line.engine.closed
    assert line.quiet()
    only_there = Line(here.station, 1.0)
    only_there.engine.receive(only_there.master(A, 2).request(FunctionCode.READ, CLASS_0), 1.0)
    only_there.engine.advance(1.0 + GRACE_S)
    assert only_there.engine.closed, "as it would at an outstation alone"


def test_a_master_that_the_site_does_not_name_is_turned_away_at_once() -> None:
    line = Line(drops(masters=(5,)).station)
    line.engine.receive(line.master(B, 1).request(FunctionCode.READ, CLASS_0), 0.0)
    assert line.engine.closed


def test_a_master_that_takes_no_answers_is_closed() -> None:
    here = drops(unsolicited=False)
    line = Line(here.station)
    flood = line.master(B).request(FunctionCode.READ, CLASS_0) * 4_000
    line.engine.receive(flood, 0.0)
    assert line.engine.closed
    assert len(line.engine.take_output()) < 2 << 20


def test_named_masters_are_greeted_by_every_outstation_and_told_of_what_moves() -> None:
    here = drops(masters=(1,), confirm_timeout_s=5.0)
    line = Line(here.station)
    masters = [line.master(STATION + row) for row in range(3)]
    for each in masters:
        null = only(each.heard())
        assert null.control.uns
        assert null.iin.first & RESTART
        each.confirm(null)
        each.ask(FunctionCode.ENABLE_UNSOLICITED, EVENTS)
    here.refresh(1, general_alarm=1.0)
    line.engine.advance(1.0)
    assert [len(each.heard()) for each in masters] == [0, 1, 0]
    assert line.engine.deadline_s() == 6.0, "when its confirmation is missed"
    line.engine.advance(6.0)
    assert [len(each.heard()) for each in masters] == [0, 1, 0]


# ------------------------------------------------------------------------------- restarts and loss


def test_a_cold_restart_is_of_one_outstation_and_the_connection_stands() -> None:
    here, line, (a, b, c) = quiet(restart_s=3.5)
    other = Line(here.station).master(B, 2)
    other.settle()
    here.refresh(1, general_alarm=1.0)
    answer = only(b.ask(FunctionCode.COLD_RESTART))
    assert int.from_bytes(answer.body[4:], "little") == 3_500
    for now_s in (0.0, 3.499):
        for each in (a, b, c, other):
            each.now_s = now_s
        assert b.ask(FunctionCode.READ, CLASS_0) == other.ask(FunctionCode.READ, CLASS_0) == []
        line.engine.receive(wire.build(ASK_STATUS, B, 1), now_s)
        assert line.quiet(), "nor does its link answer"
        for each in (a, c):
            assert not only(each.ask(FunctionCode.READ, bytes([1, 2, 6]))).iin.first & RESTART
    for each in (b, other):
        each.now_s = 3.5
        first = only(each.ask(FunctionCode.READ, EVENTS))
        assert first.iin.first & RESTART
        assert first.body == b"", "events are lost with a cold restart"
    assert not line.engine.closed


def test_an_outstation_that_is_up_again_says_so_to_a_master_that_the_site_names() -> None:
    here = drops(masters=(1,), restart_s=3.5, keep_alive_s=0.0)
    line = Line(here.station)
    b = line.master(B)
    for address in (A, B, C):
        line.master(address).settle()
        line.said_by(address)
    b.ask(FunctionCode.COLD_RESTART)
    assert line.engine.deadline_s() == 3.5
    line.engine.advance(3.499)
    assert line.engine.deadline_s() == 3.5
    assert b.heard() == []
    line.engine.advance(3.5)
    null = only(b.heard())
    assert null.control.uns
    assert null.iin.first & RESTART


def test_a_device_that_has_begun_anew_restarts_its_outstation_alone() -> None:
    here, line, masters = quiet()
    here.station.restart([here.seat(2)])
    restarted = [bool(only(each.ask(FunctionCode.READ, EVENTS)).iin.first & RESTART) for each in masters]
    assert restarted == [False, False, True]
    assert not line.engine.closed


def test_a_device_that_is_not_reached_hears_nothing_says_nothing_and_owes_what_happened() -> None:
    here = drops(keep_alive_s=0.0)
    line = Line(here.station)
    masters = [line.master(STATION + row) for row in range(3)]
    for each in masters:
        each.settle()
        each.ask(FunctionCode.ENABLE_UNSOLICITED, EVENTS)
    here.refresh(1, general_alarm=1.0)
    line.engine.advance(0.5)
    assert masters[1].heard(), "and no confirmation"
    assert line.engine.deadline_s() is not None
    here.seat(1).reachable = False
    here.refresh(1, general_alarm=0.0)
    fragment = build_request(FunctionCode.DIRECT_OPERATE_NR, sequence=1, body=analog(508, 700))
    line.engine.receive(masters[0].framed(fragment, BROADCASTS[0]), 1.0)
    line.engine.receive(masters[1].request(FunctionCode.READ, CLASS_0), 1.0)
    line.engine.advance(20.0)
    assert line.quiet()
    assert [len(each.commands) for each in here.devices] == [1, 0, 1]
    assert line.engine.deadline_s() is None, "there is nothing to wait for"
    here.seat(1).reachable = True
    line.engine.advance(21.0)
    assert list(objects(masters[1].heard()))


# ------------------------------------------------------------------------------------- keep-alive


def test_whatever_comes_is_a_sign_of_life_and_the_outstation_heard_last_asks() -> None:
    _, line, (a, b, c) = quiet(keep_alive_s=10.0, confirm_timeout_s=2.0)
    for now_s, each in ((9.0, a), (18.0, c), (27.0, b)):
        each.now_s = now_s
        assert each.ask(FunctionCode.DELAY_MEASURE)
    line.engine.advance(36.9)
    assert line.quiet()
    assert line.engine.deadline_s() == 37.0
    line.engine.advance(37.0)
    assert line.said_by(B) == wire.build(OUR_STATUS, 1, B)
    assert line.quiet()
    line.engine.receive(wire.build(THERE, B, 1), 38.9)
    line.engine.advance(48.9)
    assert line.said_by(B)
    line.engine.advance(50.8)
    assert not line.engine.closed
    line.engine.advance(50.9)
    assert line.engine.closed


def test_who_never_says_who_it_is_is_closed() -> None:
    line = Line(drops(keep_alive_s=10.0, confirm_timeout_s=2.0).station)
    line.engine.receive(b"\x05\x64 no frame", 0.0)
    for now_s, closed in ((10.0, False), (11.9, False), (12.0, True)):
        line.engine.advance(now_s)
        assert line.engine.closed is closed
    assert line.quiet()
