"""Controls of DNP3 that a station sends down to a device: answered when that has, or has not, and never twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from dnp3_bench import Line, Master
from dnp3_drops import Drops, drops
from dnp3_rig import CLASS_0, FakeDevice, analog, relay, statuses
from py1815.application import FunctionCode, Response, build_request

from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.protocols.dnp3.operations import UNDER_WAY_MAX
from pilotfarm.emulators.stations.downlink import Sent

SUCCESS, NO_SELECT, NOT_SUPPORTED, LIMITED, OUT_OF_RANGE, DOWNSTREAM_FAIL = 0, 2, 4, 11, 12, 18
BROADCAST = 0xFFFD


@dataclass
class Downlink:
    """Takes so long to a device, one control after the other, and loses those of some numbers."""

    device: FakeDevice
    takes_s: float = 2.0
    lost: tuple[int, ...] = ()
    sent: list[float] = field(default_factory=list)
    free_s: float = 0.0

    def carry(self, order: Order, now_s: float) -> Carried:
        self.sent.append(now_s)
        self.free_s = max(self.free_s, now_s) + self.takes_s
        return Sent(self.device, order, self.free_s, len(self.sent) not in self.lost)


def polled(takes_s: float = 2.0, *lost: int, **options: object) -> tuple[Drops, Line, Master, Downlink]:
    """Two batteries of which the first is asked."""
    here = drops(2, **{"unsolicited": False, "keep_alive_s": 0.0, **options})
    line, down = Line(here.station), Downlink(here.devices[0], takes_s, lost)
    here.seat(0).downlink = down
    master = line.master()
    master.settle()
    return here, line, master, down


def taken(here: Drops) -> list[dict[str, float]]:
    return [dict(command.values) for command in here.devices[0].commands]


def status(answer: list[Response]) -> list[int]:
    assert len(answer) <= 1
    return statuses(answer)


@pytest.mark.parametrize("selected", [False, True])
def test_a_control_is_answered_when_the_device_has_answered(selected: bool) -> None:
    here, line, master, down = polled()
    if selected:
        assert status(master.ask(FunctionCode.SELECT, analog(508, 700))) == [SUCCESS], "selecting is the station's own"
    function = FunctionCode.OPERATE if selected else FunctionCode.DIRECT_OPERATE
    assert master.ask(function, analog(508, 700)) == []
    assert (taken(here), down.sent) == ([], [0.0])
    assert line.engine.deadline_s() == 2.0
    assert master.wait(1.999) == []
    (answer,) = master.wait(0.001)
    assert (statuses([answer]), answer.control.sequence) == ([SUCCESS], master.sequence)
    assert taken(here) == [{"active_power_setpoint_w": 700.0}]
    assert here.devices[0].commands[0].acknowledged_s == here.devices[0].commands[0].received_s == 2.0
    assert line.engine.deadline_s() is None
    assert master.wait(100.0) == []


def test_a_device_that_does_not_answer_is_a_failure_downstream() -> None:
    here, _, master, _ = polled(2.0, 1)
    master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 700))
    assert status(master.wait(2.0)) == [DOWNSTREAM_FAIL]
    assert taken(here) == []
    assert here.station.traffic.refusals == {"control_downstream_fail": 1}


def test_what_the_station_knows_to_be_wrong_is_answered_at_once_and_what_the_device_refuses_later() -> None:
    here, _, master, down = polled()
    assert status(master.ask(FunctionCode.DIRECT_OPERATE, analog(499, 1))) == [NOT_SUPPORTED]
    assert status(master.ask(FunctionCode.OPERATE, analog(508, 1))) == [NO_SELECT]
    assert down.sent == []
    assert master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 2_000_000)) == []
    assert status(master.wait(2.0)) == [OUT_OF_RANGE]
    assert here.station.traffic.refusals.keys() == {"control_not_supported", "parameter_error", "control_out_of_range"}


def test_several_controls_are_answered_together_each_with_what_came_of_it() -> None:
    here, _, master, _ = polled(2.0, 2)
    body = analog(508, 700) + relay(18, 3) + analog(499, 1) + analog(511, 300)
    assert master.ask(FunctionCode.DIRECT_OPERATE, body) == []
    assert master.wait(4.0) == []
    assert len(taken(here)) == 1
    (answer,) = master.wait(2.0)
    assert statuses([answer]) == [SUCCESS, DOWNSTREAM_FAIL, NOT_SUPPORTED, SUCCESS]
    assert answer.iin.second == 0x04, "as of a request that is answered at once"
    assert len(taken(here)) == 2
    assert here.station.traffic.refusals == {
        "control_downstream_fail": 1,
        "control_not_supported": 1,
        "parameter_error": 1,
    }


def test_a_line_that_takes_no_time_answers_at_once() -> None:
    _, _, master, _ = polled(0.0)
    assert status(master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 700))) == [SUCCESS]


def test_a_repeated_request_is_neither_sent_down_nor_answered_again_until_the_answer_is_there() -> None:
    here, line, master, down = polled()
    request = master.request(FunctionCode.DIRECT_OPERATE, analog(508, 700))
    for now_s in (0.0, 1.0):
        line.engine.receive(request, now_s)
        assert master.heard() == []
    master.now_s = 1.0
    first = master.wait(1.0)
    line.engine.receive(request, 2.5)
    assert master.heard() == first
    assert status(first) == [SUCCESS]
    assert (len(down.sent), len(taken(here))) == (1, 1)


def test_a_master_that_asks_for_something_else_meanwhile_is_not_answered_about_what_was_before() -> None:
    here, _, master, _ = polled()
    master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 700))
    assert len(master.ask(FunctionCode.READ, CLASS_0)) > 0
    assert master.wait(2.0) == []
    assert len(taken(here)) == 1, "it is on its way, and comes"
    master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 701))
    master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 702))
    assert master.wait(2.0) == []
    assert status(master.wait(2.0)) == [SUCCESS]
    assert len(taken(here)) == 3
    for function, body, at_once in (
        (FunctionCode.SELECT, analog(508, 704), SUCCESS),
        (FunctionCode.DIRECT_OPERATE, analog(499, 1), NOT_SUPPORTED),
    ):
        assert master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 703)) == []
        assert status(master.ask(function, body)) == [at_once]
        assert master.wait(2.0) == []
    assert len(taken(here)) == 5


def test_controls_that_nobody_is_answered_about_go_down_too() -> None:
    here, line, master, down = polled()
    assert master.ask(FunctionCode.DIRECT_OPERATE_NR, analog(508, 700)) == []
    fragment = build_request(FunctionCode.DIRECT_OPERATE, sequence=3, body=analog(508, 701))
    line.engine.receive(master.framed(fragment, BROADCAST), 0.0)
    assert status(master.ask(FunctionCode.SELECT, analog(508, 702))) == [SUCCESS], "and are no answer to this"
    assert taken(here) == []
    assert len(here.devices[1].commands) == 1, "it is not behind that line"
    assert master.wait(10.0) == []
    assert [each["active_power_setpoint_w"] for each in taken(here)] == [700.0, 701.0]
    assert len(down.sent) == 2


def test_a_control_on_its_way_comes_when_the_master_is_gone_and_when_the_outstation_restarts() -> None:
    here, line, master, _ = polled(restart_s=1.0)
    master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 700))
    line.engine.hang_up(0.5)
    assert len(taken(here)) == 1
    again = Line(here.station, 0.5).master(now_s=0.5)
    again.ask(FunctionCode.DIRECT_OPERATE, analog(508, 701))
    again.ask(FunctionCode.COLD_RESTART)
    assert again.wait(5.0) == []
    assert len(taken(here)) == 2


def test_so_many_controls_may_be_on_their_way() -> None:
    _, _, master, down = polled(1e6)
    body = b"".join(analog(508, number) for number in range(40))
    assert master.ask(FunctionCode.DIRECT_OPERATE, body) == []
    assert master.ask(FunctionCode.DIRECT_OPERATE, body) == []
    assert len(down.sent) == UNDER_WAY_MAX
    assert status(master.ask(FunctionCode.DIRECT_OPERATE, analog(508, 1))) == [LIMITED]
