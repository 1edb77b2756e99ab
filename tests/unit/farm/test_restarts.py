"""What masters of each protocol find at a device, or at an RTU, that has restarted or has been exchanged."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import pytest
from dnp3_bench import EVERYTHING, objects
from dnp3_bench import Master as Dnp3Master
from iec104_bench import ACT, i, s, split, taken_apart, u, unit
from py1815.application import FunctionCode, Response

from pilotfarm.emulators.contracts.protocol import KeepsEvents
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.contracts.way import Admission, Engine
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.media import Media
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.serving.ways import Ways
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

EVENTS = bytes([60, 2, 6, 60, 3, 6, 60, 4, 6])
ALL_COUNTERS = bytes([20, 0, 6])
IIN_RESTART = 0x80


@pytest.fixture
def pilot() -> Pilot:
    return Pilot(load("tiny"))


def place(pilot: Pilot, protocol: str, group: str, name: str = "") -> Place:
    return next(
        each
        for each in pilot.images.places
        if (each.layout.protocol, each.layout.name or "") == (protocol, name)
        and any(placed.group == group for placed in each.placed)
    )


def restart(pilot: Pilot, target: Mapping[str, str | list[str]], kind: str = "restart") -> None:
    """Take devices away for a step, and bring them back."""
    fault = pilot.farm.faults.add(kind, target, parameters={"down_s": 1.0})
    pilot.step(1.0)
    pilot.step(1.0)
    assert fault.state == ("ended" if kind == "restart" else "active")


# ------------------------------------------------------------------------------------------- DNP3


def outstation(pilot: Pilot, master: int = 1) -> Dnp3Master:
    here = place(pilot, "dnp3", "battery")
    return Dnp3Master(here.station, master, outstation=here.placed[0].seat.address)  # type: ignore[arg-type]


def answer(master: Dnp3Master, body: bytes) -> Response:
    """The answer to a read, and not what is said unasked."""
    (told,) = (each for each in master.ask(FunctionCode.READ, body) if not each.control.uns)
    return told


def test_an_outstation_begins_anew_for_every_master(pilot: Pilot) -> None:
    masters = [outstation(pilot, address) for address in (1, 2)]
    for master in masters:
        master.settle()
        master.ask(FunctionCode.IMMED_FREEZE, ALL_COUNTERS)
        pilot.step(60.0)
        told = answer(master, bytes([21, 0, 6]))
        assert not told.iin.first & IIN_RESTART
        assert list(objects([told]))
    pilot.step(60.0)
    restart(pilot, {"group": "battery"})
    assert all(master.link.closed for master in masters)
    for again in (outstation(pilot, 1), outstation(pilot, 2)):
        frozen = answer(again, bytes([21, 0, 6]))
        assert frozen.iin.first & IIN_RESTART
        assert not list(objects([frozen]))
        # What has happened since is all there is to tell: of the step with which it came back.
        now_ms = int(pilot.farm.unix_s * 1000.0)
        events = [octets for group, _, _, octets in objects([answer(again, EVENTS)]) if group != 23]
        assert all(int.from_bytes(octets[-6:], "little") == now_ms for octets in events)
        again.settle()
        assert not answer(again, EVENTS).iin.first & IIN_RESTART


def test_before_any_master_an_outstation_has_nothing_to_forget(pilot: Pilot) -> None:
    restart(pilot, {"group": "battery"})
    master = outstation(pilot)
    told = master.ask(FunctionCode.READ, EVERYTHING)
    assert told[0].iin.first & IIN_RESTART


def test_the_serial_number_of_an_outstation_is_that_of_the_device_that_stands_there(pilot: Pilot) -> None:
    def attribute(variation: int) -> bytes:
        return bytes(answer(outstation(pilot), bytes([0, variation, 0, 0, 0])).body[7:])

    def serial() -> bytes:
        return attribute(248)

    def name() -> bytes:
        return attribute(247)

    assert serial() == name() == b"battery-001"
    restart(pilot, {"group": "battery"}, "exchanged")
    assert (serial(), name()) == (b"battery-001-1", b"battery-001")
    pilot.farm.faults.clear_all()
    master = outstation(pilot)
    pilot.step(1.0)
    assert master.link.closed
    assert serial() == b"battery-001"


# ---------------------------------------------------------------------------------------- IEC 104


class Master:
    """A master of the RTU."""

    def __init__(self, pilot: Pilot) -> None:
        self.place = place(pilot, "iec104", "battery", "rtu")
        self.addresses = {each.group: each.seat.address for each in self.place.placed}
        self.engine: Engine = self.place.station.connect("127.0.0.1:5", 0.0)
        self.sent = self.received = 0
        self.engine.receive(u(STARTDT_ACT), 0.0)

    def heard(self) -> list[Asdu]:
        told: list[Asdu] = []
        while frames := [frame for frame in split(self.engine.take_output()) if not frame[2] & 1]:
            told += [taken_apart(frame[6:]) for frame in frames]
            self.received += len(frames)
            self.engine.receive(s(self.received), 0.0)
            self.engine.advance(0.0)
        return told

    def ask(self, type_id: int, address: int, element: bytes) -> list[Asdu]:
        self.engine.receive(i(self.sent, self.received, unit(type_id, ACT, address, 0, element)), 0.0)
        self.sent += 1
        return self.heard()


def initialised(told: list[Asdu]) -> dict[int, int]:
    """The cause of initialisation, by common address."""
    return {each.address: each.body[-1] for each in told if each.type == Type.END_OF_INITIALISATION}


@pytest.mark.parametrize("target", [{"station": "rtu"}, {"exclude": "nobody-*"}, {"protocol": "iec104"}])
def test_an_rtu_that_restarts_has_lost_what_it_kept_and_says_so_to_whoever_starts(
    pilot: Pilot, target: dict[str, str]
) -> None:
    master = Master(pilot)
    assert initialised(master.heard()) == dict.fromkeys(master.addresses.values(), 0)
    address = master.addresses["meter"]
    frozen = master.ask(Type.COUNTER_INTERROGATION, address, bytes((0x45,)))
    assert {each.cause for each in frozen} == {Cause.ACTIVATION_CON, Cause.ACTIVATION_TERM}
    master.engine.hang_up(0.0)
    pilot.step(900.0)
    station = master.place.station
    assert isinstance(station, KeepsEvents)
    assert station.waiting_events > 10
    restart(pilot, target)
    assert station.waiting_events == 0
    pilot.step(900.0)
    assert station.waiting_events == 0, "nobody has started since"
    again = Master(pilot)
    told = again.heard()
    assert initialised(told) == dict.fromkeys(again.addresses.values(), 0)
    assert len(told) == len(again.addresses)
    readings = [
        each
        for each in again.ask(Type.COUNTER_INTERROGATION, address, bytes((0x05,)))
        if each.type == MonitorType.TOTAL
    ]
    assert readings
    assert all(each.body[-1] & 0x1F == 0 for each in readings), "what was frozen has survived"
    assert initialised(Master(pilot).heard()) == {}


def test_a_master_that_is_started_when_its_rtu_restarts_loses_its_connection_and_all_that_waits(pilot: Pilot) -> None:
    master = Master(pilot)
    master.heard()
    pilot.step(900.0)
    assert master.place.station.waiting_events > 0  # type: ignore[attr-defined]
    restart(pilot, {"station": "rtu"})
    master.engine.hang_up(0.0)
    assert master.place.station.waiting_events == 0  # type: ignore[attr-defined]
    assert {each.type for each in Master(pilot).heard()} == {Type.END_OF_INITIALISATION}


def test_an_rtu_one_of_whose_devices_restarts_goes_on_and_knows_it_as_it_was(pilot: Pilot) -> None:
    master = Master(pilot)
    master.heard()
    (placed,) = (each for each in master.place.placed if each.group == "meter")
    assert placed.image.known is not None
    pilot.farm.faults.add("restart", {"group": "meter"}, parameters={"down_s": 2.0})
    for reached in (False, False, True):
        pilot.step(1.0)
        assert placed.seat.reachable == reached
        marks = placed.image.known.quality.get("active_power_w")
        assert (marks is not None and bool(marks[placed.row] & Quality.NOT_TOPICAL)) != reached
    assert not master.engine.closed
    assert initialised(master.heard()) == {}


def test_a_device_of_its_own_tells_of_its_restart(make_layout: Callable[..., SiteLayout]) -> None:
    group = "  b: {kind: battery, count: 1, feeder: east, endpoints: [{protocol: iec104}]}\n"
    alone = Pilot(make_layout(group))
    station = alone.images.places[0].station
    for told in (True, False):
        engine = station.connect("127.0.0.1:9", 0.0)
        engine.receive(u(STARTDT_ACT), 0.0)
        kinds = [frame[6] for frame in split(engine.take_output()) if not frame[2] & 1]
        assert (Type.END_OF_INITIALISATION in kinds) == told
    restart(alone, {})
    engine = station.connect("127.0.0.1:9", 0.0)
    engine.receive(u(STARTDT_ACT), 0.0)
    assert [frame[6] for frame in split(engine.take_output()) if not frame[2] & 1] == [Type.END_OF_INITIALISATION]


# ----------------------------------------------------------------------------------------- Modbus


def over_modbus(station: object, unit_id: int, address: int, count: int) -> bytes:
    engine = station.connect("peer", 0.0)  # type: ignore[attr-defined]
    engine.receive(struct.pack(">HHHBBHH", 7, 0, 6, unit_id, 3, address, count), 0.0)
    answer: bytes = engine.take_output()
    engine.hang_up(0.0)
    return answer[7:]


GATEWAY = """\
  b: {kind: battery, count: 2, feeder: east, endpoints: [{protocol: modbus, station: gateway}]}
"""
STATIONS = "stations:\n  gateway: {protocol: modbus}\n"
SERIAL_AT = 40_052
"""SunSpec model 1, SN: 16 registers (SunSpec Device Information Model Specification)."""


def test_behind_a_gateway_a_device_that_is_exchanged_does_not_answer_and_then_is_another(
    make_layout: Callable[..., SiteLayout],
) -> None:
    pilot = Pilot(make_layout(GATEWAY, stations=STATIONS))
    (here,) = pilot.images.places
    first, second = (placed.seat.address for placed in here.placed)

    def serials() -> list[bytes]:
        return [over_modbus(here.station, unit_id, SERIAL_AT, 16)[2:].rstrip(b"\0") for unit_id in (first, second)]

    assert serials() == [b"b-001", b"b-002"]
    pilot.farm.faults.add("exchanged", {"device": "b-001"}, parameters={"down_s": 2.0})
    pilot.step(1.0)
    assert over_modbus(here.station, first, SERIAL_AT, 16) == bytes((0x83, 0x0B))
    pilot.step(1.0)
    assert serials()[1] == b"b-002"
    pilot.step(1.0)
    assert serials() == [b"b-001-1", b"b-002"]
    pilot.farm.faults.clear_all()
    pilot.step(1.0)
    assert serials() == [b"b-001", b"b-002"]


def test_a_device_exchanged_twice_is_that_of_the_later_fault_whichever_began_first(pilot: Pilot) -> None:
    faults, group = pilot.farm.faults, pilot.farm.groups["meter"]
    faults.add("exchanged", {"group": "meter"}, start_s=pilot.farm.time_s + 3.0)
    second = faults.add("exchanged", {"group": "meter"})
    for _ in range(4):
        pilot.step(1.0)
        assert group.serials[0].endswith(f"-{second.id}")
    faults.clear(second.id)
    pilot.step(1.0)
    assert group.serials[0].endswith("-1")


# --------------------------------------------------------------------------------------- listeners


class Sides:
    """What a server is told, in its order."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Admission | str]] = []

    def admit(self, number: int, admission: Admission) -> None:
        self.told.append((number, admission))

    def cut(self, number: int) -> None:
        self.told.append((number, "cut"))

    def link(self, number: int, links: object, sparing: object) -> None: ...


def test_a_device_in_a_boot_loop_refuses_who_comes_while_it_is_down(pilot: Pilot) -> None:
    sides = Sides()
    carrier = Ways(pilot.farm.faults, pilot.images.places, sides, 1, Media((), pilot.clock, 1))  # type: ignore[arg-type]
    number = pilot.images.places.index(place(pilot, "modbus", "meter"))
    pilot.farm.faults.add("restart", {"group": "meter"}, parameters={"down_s": 2.0, "every_s": 4.0}, duration_s=9.0)
    course = []
    for _ in range(12):
        sides.told.clear()
        pilot.farm.step(1.0)
        carrier.update()
        course.append([told for at, told in sides.told if at == number])
    down, up = [Admission.REFUSE], [Admission.OPEN, "cut"]
    assert course == [down, [], up, [], down, [], up, [], down, up, [], []]
    assert pilot.ways.reachable("meter", 0)


def test_a_station_one_of_whose_devices_is_back_keeps_its_connections(pilot: Pilot) -> None:
    sides = Sides()
    carrier = Ways(pilot.farm.faults, pilot.images.places, sides, 1, Media((), pilot.clock, 1))  # type: ignore[arg-type]
    number = pilot.images.places.index(place(pilot, "iec104", "meter", "rtu"))
    pilot.farm.faults.add("restart", {"group": "meter"}, parameters={"down_s": 1.0})
    for _ in range(3):
        pilot.farm.step(1.0)
        carrier.update()
    assert [told for at, told in sides.told if at == number] == [Admission.OPEN, Admission.OPEN]
