"""A gateway from Modbus TCP to a serial bus: whose turn it is, and what masters hear of who is silent."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.protocols.modbus.framed import UNDER_WAY_MAX
from pilotfarm.emulators.protocols.modbus.gateway import GatewayEngine
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.profiles.media.shared import SharedMedium, hop_s, shared_medium

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
groups:
  meters:
    kind: smart_meter
    count: 3
    endpoints: [{protocol: modbus, map: sdm630, station: gateway}]
stations:
  gateway: {protocol: modbus, options: {bus: BUS}}
"""
BUS = "{baud_rate: 19200, timeout_s: 0.4, queue: 3}"
NOW_S = 1_000.0
Made = Callable[..., SiteLayout]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def load(bus: str = BUS) -> SiteLayout:
        (tmp_path / "site.yaml").write_text(SITE.replace("BUS", bus), encoding="utf-8")
        return site.load(str(tmp_path / "site.yaml"))

    return load


def read(transaction: int, unit: int, count: int = 2) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, unit, 4, 0, count)


class Master:
    def __init__(self, pilot: Pilot, peer: str = "peer") -> None:
        self.engine: Engine = pilot.images.places[0].station.connect(peer, NOW_S)
        assert isinstance(self.engine, GatewayEngine)

    def hears(self, until_s: float) -> list[tuple[int, bytes, float]]:
        """Transaction, message and time of each answer that has come by then."""
        found, data = [], b""
        while (due_s := self.engine.deadline_s()) is not None and due_s <= until_s:
            self.engine.advance(due_s)
            data += self.engine.take_output()
            while data:
                transaction, _, length = struct.unpack_from(">HHH", data)
                found.append((transaction, data[7 : 6 + length], due_s))
                data = data[6 + length :]
        return found


def test_requests_of_all_masters_wait_for_their_turn_on_the_bus(made: Made) -> None:
    pilot = Pilot(made())
    one, other = Master(pilot), Master(pilot, "another")
    one.engine.receive(read(1, 1), NOW_S)
    other.engine.receive(read(2, 2), NOW_S)
    assert one.engine.take_output() == b""
    ((number, answer, first_s),) = one.hears(NOW_S + 1.0)
    assert (number, answer[:2]) == (1, b"\x04\x04")
    ((number, answer, second_s),) = other.hears(NOW_S + 1.0)
    assert (number, answer[:2]) == (2, b"\x04\x04")
    line = shared_medium("rs485")
    exchange_s = hop_s(line, 8, 19_200) + hop_s(line, 9, 19_200)
    for took_s in (first_s - NOW_S, second_s - first_s):
        assert exchange_s + line.turnaround_min_s < took_s < exchange_s + line.turnaround_max_s + 0.04
    assert one.engine.deadline_s() is None


def test_a_unit_that_is_not_there_is_silence_on_the_bus_and_an_exception_behind_it(made: Made) -> None:
    pilot = Pilot(made(BUS.replace("queue", "retries: 1, queue")))
    master = Master(pilot)
    master.engine.receive(read(7, 9) + read(8, 1), NOW_S)
    (number, refused, gone_s), (last, answer, _) = master.hears(NOW_S + 5.0)
    assert (number, refused) == (7, b"\x84\x0b")
    assert 0.8 < gone_s - NOW_S < 0.9
    assert (last, answer[0]) == (8, 4)
    assert pilot.images.places[0].station.traffic.refusals == {"gateway_target_failed_to_respond": 1}


def test_a_device_off_its_network_is_given_up_after_the_time_out(made: Made) -> None:
    pilot = Pilot(made())
    pilot.farm.faults.add("offline", {"device": "meters-002"})
    pilot.step(1.0)
    master = Master(pilot)
    master.engine.receive(read(1, 2), NOW_S)
    ((_, refused, at_s),) = master.hears(NOW_S + 5.0)
    assert refused == b"\x84\x0b"
    assert 0.4 < at_s - NOW_S < 0.45


def test_a_unit_may_have_a_time_out_of_its_own(made: Made) -> None:
    master = Master(Pilot(made(BUS.replace("queue", "timeouts_s: {9: 2.0, 20-22: 0.1}, queue"))))
    took_s, begin_s = [], NOW_S
    for number, unit in enumerate((8, 9, 10, 19, 20, 21, 22, 23)):
        master.engine.receive(read(number, unit), begin_s)
        ((_, refused, at_s),) = master.hears(begin_s + 5.0)
        assert refused == b"\x84\x0b"
        took_s.append(round(at_s - begin_s, 1))
        begin_s += 10.0
    assert took_s == [0.4, 2.0, 0.4, 0.4, 0.1, 0.1, 0.1, 0.4]


def test_a_device_may_answer_within_its_own_time_out_that_is_later_than_that_of_others(made: Made) -> None:
    """113 octets at 2,400 bit/s take 0.52 s, and its request 0.04 s before the time-out begins."""
    slow = "{baud_rate: 2400, timeout_s: 0.4, timeouts_s: {2: 1.0}}"
    master = Master(Pilot(made(slow)))
    master.engine.receive(read(1, 1, 54) + read(2, 2, 54), NOW_S)
    assert [(number, answer[:2]) for number, answer, _ in master.hears(NOW_S + 9.0)] == [
        (1, b"\x84\x0b"),
        (2, bytes((4, 108))),
    ]


@pytest.mark.parametrize(
    ("timeouts", "where", "message"),
    [
        ("{0: 1}", "timeouts_s", "'0' is no unit from 1 to 247, and no span of them such as 10-20"),
        ("{248: 1}", "timeouts_s", "'248' is no unit"),
        ("{20-10: 1}", "timeouts_s", "'20-10' is no unit"),
        ("{meters: 1}", "timeouts_s", "'meters' is no unit"),
        ("{5: 1, 3-7: 2}", "timeouts_s", "unit 5 is in '5' and in '3-7'"),
        ("{5: 0}", "timeouts_s.5", "must be above 0, not 0"),
        ("{5: soon}", "timeouts_s.5", "must be a number"),
        ("[1.0]", "timeouts_s", "must be a table"),
    ],
)
def test_what_is_wrong_with_the_time_outs_of_units(made: Made, timeouts: str, where: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        made(f"{{timeouts_s: {timeouts}}}")
    (problem,) = found.value.problems
    assert problem.where == f"stations.gateway.options.bus.{where}"
    assert message in problem.message
    assert problem.line == 9


def test_one_request_too_many_has_no_path(made: Made) -> None:
    master = Master(Pilot(made()))
    master.engine.receive(b"".join(read(k, 1) for k in range(6)), NOW_S)
    refused = master.engine.take_output()
    assert refused == b"".join(struct.pack(">HHHBBB", k, 0, 3, 1, 0x84, 0x0A) for k in (4, 5))
    assert [number for number, _, _ in master.hears(NOW_S + 5.0)] == [0, 1, 2, 3]
    master.engine.receive(read(9, 1), NOW_S + 5.0)
    assert [number for number, _, _ in master.hears(NOW_S + 10.0)] == [9]


def test_an_exception_of_the_device_is_its_answer(made: Made) -> None:
    master = Master(Pilot(made()))
    master.engine.receive(read(1, 1, count=200), NOW_S)
    ((_, refused, at_s),) = master.hears(NOW_S + 5.0)
    assert refused == b"\x84\x03"
    assert at_s - NOW_S < 0.2


def test_unit_0_is_said_to_all_and_answered_by_nobody(tmp_path: Path) -> None:
    """MODBUS over Serial Line V1.02, 2.1."""
    text = f"{POLLED.split('stations:')[0]}stations: {{rtu: {{protocol: modbus, options: {{bus: {{}}}}}}}}\n"
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    pilot = Pilot(site.load(str(tmp_path / "site.yaml")))
    master = Master(pilot)
    master.engine.receive(written(1, -1_000, unit=0) + read(2, 1), NOW_S)
    assert [number for number, _, _ in master.hears(NOW_S + 1.0)] == [2]
    told = [pilot.farm.device(name).value("active_power_setpoint_w") for name in ("storages-001", "storages-002")]
    assert told == [-1_000.0, -1_000.0]
    assert pilot.images.places[0].station.traffic.refusals == {"illegal_data_address": 1}  # of the read


def test_frames_may_be_cut_anywhere_and_what_is_none_closes(made: Made) -> None:
    master = Master(Pilot(made()))
    for k, octet in enumerate(read(1, 1)):
        assert master.engine.deadline_s() is None, k
        master.engine.receive(bytes((octet,)), NOW_S)
    assert len(master.hears(NOW_S + 1.0)) == 1
    for strange in (b"GET / HTTP/1.1\r\n", struct.pack(">HHHB", 1, 0, 255, 1), struct.pack(">HHHB", 1, 0, 1, 1)):
        master = Master(Pilot(made()))
        master.engine.receive(strange, NOW_S + 2.0)
        assert master.engine.closed, strange


def test_a_message_is_on_the_bus_as_rtu_frames_it_at_the_buss_rate(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read is 8 octets; an answer of two registers 9: unit, function, count, four, and the check."""
    passed: list[tuple[int, float]] = []

    def spy(medium: SharedMedium, octets: int, rate_bit_s: float) -> float:
        passed.append((octets, rate_bit_s))
        return hop_s(medium, octets, rate_bit_s)

    monkeypatch.setattr("pilotfarm.emulators.links.chances.hop_s", spy)
    for bus, rate in ((BUS, 19_200.0), ("{}", 9_600.0)):
        master = Master(Pilot(made(bus)))
        master.engine.receive(read(1, 1), NOW_S)
        master.hears(NOW_S + 1.0)
        assert passed == [(8, rate), (9, rate)]
        passed.clear()


def test_who_waits_is_not_taken_for_idle(made: Made) -> None:
    master = Master(Pilot(made(BUS + ", idle_timeout_s: 0.2")))
    master.engine.receive(read(1, 9) + read(2, 1), NOW_S)
    assert [number for number, _, _ in master.hears(NOW_S + 0.55)] == [1, 2]
    assert not master.engine.closed
    master.engine.advance(NOW_S + 5.0)
    assert master.engine.closed


def test_what_a_master_asked_that_is_gone_is_forgotten_and_not_repeated(made: Made) -> None:
    pilot = Pilot(made(BUS.replace("queue", "retries: 3, queue")))
    one, other = Master(pilot), Master(pilot, "another")
    one.engine.receive(read(1, 9) + read(2, 9) + read(3, 9), NOW_S)
    other.engine.receive(read(4, 1), NOW_S)
    one.engine.hang_up(NOW_S)
    ((_, answer, at_s),) = other.hears(NOW_S + 5.0)
    assert answer[0] == 4
    assert at_s < NOW_S + 0.4 + 0.2  # one time-out of what was under way, and its own exchange
    assert pilot.images.places[0].station.connections == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("bus", "said"),
    [
        ("{medium: rs458}", "did you mean rs485?"),
        ("{medium: zigbee, baud_rate: 9600}", "zigbee is no serial line: leave out baud_rate"),
        ("{baud_rate: 9601}", "no serial line has this rate"),
        ("{timeout_s: 0}", "must be above 0"),
        ("{queue: 0}", "must be at least 1"),
        ("{}, framing: rtu", "leave out framing, or bus"),
    ],
)
def test_problems(made: Made, bus: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as found:
        made(bus)
    assert [each.line for each in found.value.problems] == [9]


# ---------------------------------------------------------------------------- a station that polls


POLLED = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
groups:
  storages:
    kind: battery
    count: 2
    endpoints: [{protocol: modbus, station: rtu}]
stations:
  rtu: {protocol: modbus, polling: {baud_rate: 115200, scan_s: 5, slow_s: 5, counters_s: 5, timeout_s: 0.3, retries: 1}}
"""
SETPOINT = 40_530
SWITCH = 40_237
"""Whether the limit of active power is followed."""


def written(number: int, watts: int, unit: int = 1) -> bytes:
    """Two registers by function 16: the battery's active power set-point."""
    return struct.pack(">HHHBBHHBi", number, 0, 11, unit, 16, SETPOINT, 2, 4, watts)


@pytest.fixture
def rtu(tmp_path: Path) -> Pilot:
    (tmp_path / "site.yaml").write_text(POLLED, encoding="utf-8")
    return Pilot(site.load(str(tmp_path / "site.yaml")))


def answers(engine: Engine, until_s: float) -> list[tuple[int, bytes]]:
    engine.advance(until_s)
    found, data = [], engine.take_output()
    while data:
        transaction, _, length = struct.unpack_from(">HHH", data)
        found.append((transaction, data[7 : 6 + length]))
        data = data[6 + length :]
    return found


def test_a_write_goes_down_the_line_and_what_is_read_is_what_the_station_knows(rtu: Pilot) -> None:
    storage = rtu.farm.device("storages-001")
    engine = rtu.images.places[0].station.connect("peer", NOW_S)
    engine.receive(written(1, -1_000) + struct.pack(">HHHBBHH", 2, 0, 6, 1, 3, SETPOINT, 2), NOW_S)
    assert answers(engine, NOW_S) == [(2, b"\x03\x04" + bytes(4))]
    assert storage.value("active_power_setpoint_w") == 0.0
    due_s = engine.deadline_s()
    assert due_s is not None
    assert NOW_S + 0.01 < due_s < NOW_S + 0.2
    assert answers(engine, due_s - 1e-6) == []
    assert answers(engine, due_s) == [(1, struct.pack(">BHH", 16, SETPOINT, 2))]
    assert storage.value("active_power_setpoint_w") == -1_000.0
    for _ in range(6):
        rtu.step(1.0)
    engine.receive(struct.pack(">HHHBBHH", 3, 0, 6, 1, 3, SETPOINT, 2), due_s)
    assert answers(engine, due_s) == [(3, b"\x03\x04" + struct.pack(">i", -1_000))]


def test_a_write_that_no_device_answers_is_exception_0b(rtu: Pilot) -> None:
    rtu.farm.faults.add("offline", {"device": "storages-001"})
    rtu.step(1.0)
    engine = rtu.images.places[0].station.connect("peer", NOW_S)
    engine.receive(written(1, -1_000), NOW_S)
    assert answers(engine, NOW_S + 0.59) == []
    assert answers(engine, NOW_S + 0.8) == [(1, b"\x90\x0b")]
    assert rtu.images.places[0].station.traffic.refusals == {"gateway_target_failed_to_respond": 1}
    engine.receive(written(2, -1_000), NOW_S + 1.0)
    engine.hang_up(NOW_S + 1.0)
    assert rtu.farm.device("storages-001").value("active_power_setpoint_w") == 0.0


@pytest.mark.parametrize(
    ("function", "body"),
    [
        (5, struct.pack(">HH", 0, 0)),
        (6, struct.pack(">HH", SWITCH, 1)),
        (15, struct.pack(">HHBB", 0, 1, 1, 0)),
        (16, struct.pack(">HHBH", SWITCH, 1, 2, 1)),
        (22, struct.pack(">HHH", SWITCH, 0xFFFF, 0)),
        (23, struct.pack(">HHHHBH", SETPOINT, 1, SWITCH, 1, 2, 1)),
    ],
)
def test_every_function_that_writes_goes_down_the_line(rtu: Pilot, function: int, body: bytes) -> None:
    engine = rtu.images.places[0].station.connect("peer", NOW_S)
    engine.receive(struct.pack(">HHHBB", 1, 0, 2 + len(body), 1, function) + body, NOW_S)
    assert answers(engine, NOW_S) == []
    ((number, answer),) = answers(engine, NOW_S + 1.0)
    assert (number, answer[0]) == (1, function)


def test_what_the_station_does_not_have_it_refuses_itself_and_at_once(rtu: Pilot) -> None:
    """A half of a set-point."""
    engine = rtu.images.places[0].station.connect("peer", NOW_S)
    engine.receive(struct.pack(">HHHBBHH", 1, 0, 6, 1, 6, SETPOINT, 0), NOW_S)
    assert answers(engine, NOW_S) == [(1, b"\x86\x02")]
    assert rtu.images.places[0].station.traffic.refusals == {"illegal_data_address": 1}


def test_so_many_writes_may_be_on_their_way_and_what_is_comes_when_the_master_is_gone(rtu: Pilot) -> None:
    engine = rtu.images.places[0].station.connect("peer", NOW_S)
    for number in range(UNDER_WAY_MAX + 1):
        engine.receive(written(number, -100 - number), NOW_S)
    assert engine.take_output() == struct.pack(">HHHBBB", UNDER_WAY_MAX, 0, 3, 1, 0x90, 6)
    engine.hang_up(NOW_S)
    assert rtu.farm.device("storages-001").value("active_power_setpoint_w") == -100.0 - (UNDER_WAY_MAX - 1)


def test_what_nobody_knows_of_a_device_that_is_gone_reads_as_not_implemented(rtu: Pilot) -> None:
    """SunSpec's word for an int32 that is not there."""
    rtu.farm.faults.add("offline", {"device": "storages-001"})
    for _ in range(12):
        rtu.step(1.0)
    engine = rtu.images.places[0].station.connect("peer", NOW_S)
    engine.receive(struct.pack(">HHHBBHH", 3, 0, 6, 1, 3, SETPOINT, 2), NOW_S)
    assert answers(engine, NOW_S) == [(3, b"\x03\x04\x80\0\0\0")]
