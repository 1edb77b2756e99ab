"""DNP3 stations on a site: a terminal server, whose devices answer themselves, and an RTU that polls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from dnp3_bench import EVERYTHING, Line, Master, objects
from py1815 import link as wire
from py1815.application import FunctionCode

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
groups:
  meters:
    kind: smart_meter
    count: 3
    endpoints: [{protocol: dnp3, station: rtu}]
  storages:
    kind: battery
    count: 2
    endpoints: [{protocol: dnp3, station: rtu, deadbands: {active_power_w: 5}}]
stations:
  rtu:
    protocol: dnp3
"""
POLLING = "    polling: {scan_s: 1, slow_s: 1, counters_s: 1, medium: none, timeout_s: 0.5, retries: 0}\n"
ONLINE, COMM_LOST, STATE = 0x01, 0x04, 0x80
RESTART = 0x80
DEADBAND_OF = (537).to_bytes(2, "little")
Made = Callable[..., Pilot]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def load(more: str = "", text: str = SITE) -> Pilot:
        (tmp_path / "site.yaml").write_text(text + more, encoding="utf-8")
        layout: SiteLayout = site.load(str(tmp_path / "site.yaml"))
        return Pilot(layout)

    return load


def place(pilot: Pilot) -> Place:
    (found,) = pilot.images.places
    return found


def masters(pilot: Pilot, line: Line | None = None, address: int = 1) -> dict[str, Master]:
    """A master on one connection, with what it has to say to each device."""
    line = line or Line(place(pilot).station)  # type: ignore[arg-type]
    return {each.seat.device.id: line.master(each.seat.address, address) for each in place(pilot).placed}


def states(master: Master, quantity: str, pilot: Pilot) -> tuple[int, int]:
    """The flags of a binary or analog input of a device, and its number."""
    placed = next(each for each in place(pilot).placed if each.seat.address == master.outstation)
    sections = placed.seat.table.sections
    for group, kind in ((1, PointType.BINARY_INPUT), (30, PointType.ANALOG_INPUT)):
        for point in sections[kind].points:
            if point.quantity == quantity:
                body = bytes([group, 0, 1]) + 2 * point.index.to_bytes(2, "little")
                ((*_, octets),) = objects(
                    [each for each in master.ask(FunctionCode.READ, body) if not each.control.uns]
                )
                return octets[0] & ~STATE, int.from_bytes(octets[1:], "little", signed=True)
    raise AssertionError(quantity)


def test_each_device_has_a_link_address_of_its_own_counted_up_and_its_own_deadbands(made: Made) -> None:
    pilot = made()
    assert [(each.seat.device.id, each.seat.address) for each in place(pilot).placed] == [
        ("meters-001", 10),
        ("meters-002", 11),
        ("meters-003", 12),
        ("storages-001", 13),
        ("storages-002", 14),
    ]
    for device, master in masters(pilot).items():
        static = [each for each in objects(master.ask(FunctionCode.READ, EVERYTHING)) if each[0] == 30]
        table = pilot.farm.device(device)
        power = next(octets for _, _, index, octets in static if index == 537)
        assert int.from_bytes(power[1:], "little", signed=True) == round(table.value("active_power_w"))
        ((*_, octets),) = objects(master.ask(FunctionCode.READ, bytes([34, 2, 1, *DEADBAND_OF, *DEADBAND_OF]))[-1:])
        assert (int.from_bytes(octets, "little") == 5) is device.startswith("storages")


def test_a_device_off_its_network_is_silent_and_nobody_else(made: Made) -> None:
    pilot = made()
    line = Line(place(pilot).station)  # type: ignore[arg-type]
    all_of_them = masters(pilot, line)
    for each in all_of_them.values():
        each.settle()
    fault = pilot.farm.faults.add("offline", {"device": "meters-002"})
    pilot.step(1.0)
    answered = {device for device, each in all_of_them.items() if each.ask(FunctionCode.READ, EVERYTHING)}
    assert answered == all_of_them.keys() - {"meters-002"}
    pilot.farm.faults.clear(fault.id)
    pilot.step(1.0)
    assert all_of_them["meters-002"].ask(FunctionCode.READ, EVERYTHING)
    assert not line.engine.closed


def test_a_device_that_restarts_says_so_on_the_connection_that_stands(made: Made) -> None:
    pilot = made()
    line = Line(place(pilot).station)  # type: ignore[arg-type]
    all_of_them = masters(pilot, line)
    for each in all_of_them.values():
        each.settle()
    pilot.farm.faults.add("restart", {"device": "storages-001"}, parameters={"down_s": 1.0})
    pilot.step(1.0)
    assert all_of_them["storages-001"].ask(FunctionCode.DELAY_MEASURE) == []
    pilot.step(1.0)
    restarted = {
        device
        for device, each in all_of_them.items()
        if any(answer.iin.first & RESTART for answer in each.ask(FunctionCode.DELAY_MEASURE))
    }
    assert restarted == {"storages-001"}
    assert not line.engine.closed


@pytest.mark.parametrize("kind", ["dnp3-indication", "dnp3-response", "dnp3-control", "silence"])
def test_a_fault_of_what_a_device_says_is_heard_from_its_outstation_alone(made: Made, kind: str) -> None:
    pilot, well = made(), made()
    parameters = {"share_frac": 1.0} if kind in ("dnp3-response", "silence") else {}
    pilot.farm.faults.add(kind, {"device": "storages-002"}, parameters=parameters)
    pilot.step(1.0)
    well.step(1.0)
    here, there = Line(place(pilot).station), Line(place(well).station)  # type: ignore[arg-type]
    differ = set()
    for device, each in masters(pilot, here).items():
        same = masters(well, there)[device]
        request = each.request(FunctionCode.READ, EVERYTHING) + each.request(
            FunctionCode.DIRECT_OPERATE, bytes([41, 1, 0x28, 1, 0]) + (508).to_bytes(2, "little") + bytes(5)
        )
        here.engine.receive(request, 0.0)
        there.engine.receive(request, 0.0)
        if here.said_by(each.outstation) != there.said_by(same.outstation):
            differ.add(device)
    assert differ == {"storages-002"}


@dataclass
class Linked:
    """A station, with what stands on the way to it around every engine."""

    pilot: Pilot

    def connect(self, peer: str, now_s: float) -> Engine:
        engine = place(self.pilot).station.connect(peer, now_s)
        (listener,) = self.pilot.server._listeners
        for number, wrap in listener.links.items():
            engine = wrap(engine, number, now_s)
        return engine


def link_statuses(pilot: Pilot) -> dict[str, int]:
    """What the link of each device answers to a request of its status."""
    line = Line(Linked(pilot))  # type: ignore[arg-type]
    ask = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.REQUEST_LINK_STATUS)
    found = {}
    for seat in (placed.seat for placed in place(pilot).placed):
        line.engine.receive(wire.build(ask, seat.address, 1), 0.0)
        for frame in wire.FrameReader().feed(line.said_by(seat.address)):
            if not frame.is_primary:
                found[seat.device.id] = frame.function
    return found


NACK, STATUS = wire.SecondaryFunction.NACK, wire.SecondaryFunction.LINK_STATUS


@pytest.mark.parametrize("of_all", [False, True])
def test_a_fault_of_frames_or_of_the_link_grips_those_of_its_devices_as_they_come_and_go(
    made: Made, of_all: bool
) -> None:
    pilot = made()
    devices = [placed.seat.device.id for placed in place(pilot).placed]
    first = pilot.farm.faults.add("dnp3-link", {"device": "storages-*" if not of_all else "*"}, "nack")
    pilot.step(1.0)
    assert link_statuses(pilot) == {each: NACK if of_all or "storages" in each else STATUS for each in devices}
    other = pilot.farm.faults.add("silence", {"device": "meters-001"})
    pilot.step(1.0)
    assert link_statuses(pilot)["storages-001"] == NACK, "what else comes and goes changes nothing"
    pilot.farm.faults.clear(other.id)
    pilot.farm.faults.add("dnp3-frame", {"device": "meters-002"}, "source", parameters={"share_frac": 1.0})
    pilot.step(1.0)
    assert "meters-002" not in link_statuses(pilot), "it calls itself somebody else"
    assert len(link_statuses(pilot)) == 4
    pilot.farm.faults.clear(first.id)
    pilot.step(1.0)
    assert link_statuses(pilot) == dict.fromkeys(set(devices) - {"meters-002"}, STATUS)
    pilot.farm.faults.clear_all()
    pilot.step(1.0)
    assert link_statuses(pilot) == dict.fromkeys(devices, STATUS)
    assert not pilot.server._listeners[0].links


def test_frames_of_connections_that_stand_are_gripped_device_by_device(made: Made) -> None:
    """One after the other is taken and left; the link that stands takes notice."""
    pilot = made()
    pilot.farm.faults.add("dnp3-link", {"device": "*"}, "nack", ramp_s=60.0, duration_s=70.0, spread_s=60.0)
    pilot.step(1.0)
    while not pilot.server._listeners[0].links:
        pilot.step(1.0)
    line = Line(Linked(pilot))  # type: ignore[arg-type]
    ask = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.REQUEST_LINK_STATUS)
    seen = []
    while pilot.server._listeners[0].links:
        pilot.step(5.0)
        answers = []
        for placed in place(pilot).placed:
            line.engine.receive(wire.build(ask, placed.seat.address, 1), 0.0)
            answers += [frame.function for frame in wire.FrameReader().feed(line.said_by(placed.seat.address))]
        seen.append(answers.count(NACK))
    taken = seen.index(5)
    assert seen[:taken] == sorted(seen[:taken])
    assert seen[taken:] == sorted(seen[taken:], reverse=True)
    assert min(len(set(seen[:taken])), len(set(seen[taken:]))) > 2


def test_the_frames_of_an_outstation_of_several_devices_are_gripped_with_all_of_them(made: Made) -> None:
    listed = "    points: [{devices: '*', quantity: online, address: 0}]\n"
    pilot = made(listed, SITE.replace(", deadbands: {active_power_w: 5}", ""))
    pilot.farm.faults.add("dnp3-link", {"device": "storages-*"}, "nack")
    pilot.step(1.0)
    assert set(link_statuses(pilot).values()) == {STATUS}
    pilot.farm.faults.add("dnp3-link", {"device": "meters-*"}, "nack")
    pilot.step(1.0)
    assert set(link_statuses(pilot).values()) == {STATUS}, "each fault has some of them"
    pilot.farm.faults.clear_all()
    pilot.farm.faults.add("dnp3-link", {"station": "rtu"}, "nack")
    pilot.step(1.0)
    assert set(link_statuses(pilot).values()) == {NACK}


def test_the_frames_of_an_rtu_that_polls_are_its_own(made: Made) -> None:
    pilot = made(POLLING)
    pilot.farm.faults.add("dnp3-link", {"device": "storages-002"}, "nack")
    pilot.step(1.0)
    assert set(link_statuses(pilot).values()) == {STATUS}


def test_a_terminal_server_has_no_clock_and_an_rtu_has_one(made: Made) -> None:
    drift = "    clock_drift_ppm: 100\n"
    with pytest.raises(ConfigError, match="a station over dnp3 has no clock of its own"):
        made(drift)
    pilot = made(drift + POLLING)
    assert {each.seat.clock for each in place(pilot).placed} == {pilot.farm.clocks.of_station(place(pilot).layout)}
    pilot.farm.faults.add("clock-step", {"station": "rtu"}, parameters={"step_s": 60.0})
    pilot.step(1.0)
    each = place(pilot).placed[0]
    assert each.seat.table.tagged_at(each.seat.row) == pytest.approx(pilot.farm.unix_s + 60.0, abs=0.01)


def test_an_rtu_that_lost_a_device_says_so_in_its_points_keeps_their_values_and_tells_it_as_events(made: Made) -> None:
    pilot = made(POLLING)
    pilot.step(1.0)
    all_of_them = masters(pilot)
    for each in all_of_them.values():
        each.settle()
        each.ask(FunctionCode.READ, EVERYTHING)
    meter = all_of_them["meters-002"]
    flags, voltage = states(meter, "voltage_l1_v", pilot)
    assert flags == ONLINE
    pilot.farm.faults.add("offline", {"device": "meters-002"})
    pilot.step(1.0)
    pilot.step(1.0)
    assert states(meter, "voltage_l1_v", pilot) == (COMM_LOST, voltage)
    assert states(meter, "general_alarm", pilot)[0] == COMM_LOST
    assert states(all_of_them["meters-001"], "voltage_l1_v", pilot)[0] == ONLINE
    events = [
        octets for group, *_, octets in objects(meter.ask(FunctionCode.READ, bytes([60, 2, 6, 60, 3, 6, 60, 4, 6])))
    ]
    assert {octets[0] & (ONLINE | COMM_LOST) for octets in events} >= {COMM_LOST}
    assert meter.ask(FunctionCode.DELAY_MEASURE), "the RTU answers for it"
    pilot.farm.faults.clear_all()
    for _ in range(3):
        pilot.step(1.0)
    assert states(meter, "voltage_l1_v", pilot)[0] == ONLINE


def test_a_device_that_restarts_behind_an_rtu_restarts_no_outstation(made: Made) -> None:
    pilot = made(POLLING)
    meter = masters(pilot)["meters-002"]
    meter.settle()
    pilot.farm.faults.add("restart", {"device": "meters-002"}, parameters={"down_s": 1.0})
    for _ in range(3):
        pilot.step(1.0)
    assert not meter.ask(FunctionCode.DELAY_MEASURE)[0].iin.first & RESTART


def test_a_set_point_goes_down_the_line_of_an_rtu_and_reaches_the_device(made: Made) -> None:
    pilot = made(POLLING.replace("medium: none", "medium: rs485, baud_rate: 115_200, devices_per_bus: 1"))
    master = masters(pilot)["storages-002"]
    master.settle()
    body = bytes([41, 1, 0x28, 1, 0]) + (508).to_bytes(2, "little") + (700).to_bytes(4, "little") + b"\0"
    assert master.ask(FunctionCode.DIRECT_OPERATE, body) == []
    due_s = master.link.deadline_s()
    assert due_s is not None
    assert 0.0 < due_s < 1.0
    assert pilot.farm.device("storages-002").value("active_power_setpoint_w") == 0.0
    (answer,) = master.wait(due_s)
    assert [octets[-1] for *_, octets in objects([answer])] == [0]
    assert pilot.farm.device("storages-002").value("active_power_setpoint_w") == 700.0


PAGE = (Path(__file__).parents[3] / "docs" / "dnp3.md").read_text(encoding="utf-8").split("```yaml\n")[1:]


@pytest.mark.parametrize(("number", "addresses"), [(0, list(range(10, 30))), (1, [10] * 22)])
def test_the_sites_on_the_page_are_some(made: Made, number: int, addresses: list[int]) -> None:
    pilot = made(text=SITE.split("groups:")[0] + PAGE[number].split("```")[0])
    assert [each.seat.address for each in place(pilot).placed] == addresses
    assert place(pilot).layout.endpoint.label.endswith(":20000")
