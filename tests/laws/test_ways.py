"""What happens on a device's way to its masters: the hooks, tried on every protocol, and gone without a trace."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import pytest
from dnp3_bench import Master as Dnp3Master
from iec104_bench import ACT, i, s, taken_apart, u, unit
from py1815 import link as wire
from py1815.application import FunctionCode, build_request
from py1815.transport import segment

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Admission, Cramped, Engine, Restless
from pilotfarm.emulators.links.through import Through
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, TESTFR_ACT, TESTFR_CON
from pilotfarm.emulators.protocols.iec60870.asdu import Cause, Type
from pilotfarm.emulators.serving.connection import Wrap
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.media import Media
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.serving.ways import Ways
from pilotfarm.emulators.site import load

EXAMPLES = ("deaf", "mute", "echo", "garbled", "slow", "blocked", "misheard", "open")
READ = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 40_000, 2)


@pytest.fixture
def pilot(monkeypatch: pytest.MonkeyPatch) -> Pilot:
    for name in EXAMPLES:
        monkeypatch.setitem(registry.FAULTS, name, f"example_faults:{name.upper()}")
    return Pilot(load("tiny"))


def place(pilot: Pilot, protocol: str, group: str = "meter") -> Place:
    return next(
        each
        for each in pilot.images.places
        if each.layout.protocol == protocol and any(placed.group == group for placed in each.placed)
    )


# ----------------------------------------------------------------------------------------- filters


def over_modbus(pilot: Pilot) -> bytes:
    engine = place(pilot, "modbus").station.connect("peer", 0.0)
    engine.receive(READ, 0.0)
    return engine.take_output()


class Iec104:
    """A started master of the RTU, which asks for what one common address has."""

    def __init__(self, pilot: Pilot) -> None:
        here = place(pilot, "iec104")
        self.address = next(each.seat.address for each in here.placed if each.group == "meter")
        self.engine: Engine = here.station.connect("peer", 0.0)
        self.engine.receive(u(STARTDT_ACT), 0.0)
        self.sent = self.received = 0
        self.heard()

    def ask(self) -> list[bytes]:
        self.engine.receive(i(self.sent, self.received, unit(Type.TEST, ACT, self.address, 0, b"\xaa\x55")), 0.0)
        self.sent += 1
        return [asdu for asdu in self.heard() if asdu[0] == Type.TEST]

    def heard(self) -> list[bytes]:
        """The data units of the device that have come."""
        units = []
        while told := [frame[6:] for frame in framed(self.engine.take_output()) if not frame[2] & 1]:
            units += told
            self.received += len(told)
            self.engine.receive(s(self.received), 0.0)
        return [asdu for asdu in units if taken_apart(asdu).address == self.address]


def framed(output: bytes) -> Iterator[bytes]:
    while output:
        size = 2 + output[1]
        yield output[:size]
        output = output[size:]


class Dnp3:
    def __init__(self, pilot: Pilot) -> None:
        here = place(pilot, "dnp3")
        self.master = Dnp3Master(here.station, outstation=here.placed[0].seat.address)  # type: ignore[arg-type]
        self.master.settle()

    def ask(self, last: int = 9) -> list[tuple[int, bytes]]:
        """Read the analog inputs from 0 on, of which a meter has 4 and 5: function and objects of each answer."""
        answers = self.master.ask(FunctionCode.READ, bytes([30, 1, 0, 0, last]))
        return [(int(answer.function), bytes(answer.body)) for answer in answers]


def hit(pilot: Pilot, kind: str, **parameters: float) -> None:
    pilot.farm.faults.add(kind, {"group": "meter"}, parameters=parameters)
    pilot.step(1.0)


def test_a_filter_that_lets_nothing_in_is_silence_on_modbus(pilot: Pilot) -> None:
    assert len(over_modbus(pilot)) == 13
    hit(pilot, "deaf")
    assert over_modbus(pilot) == b""
    pilot.farm.faults.clear_all()
    pilot.step(1.0)
    assert len(over_modbus(pilot)) == 13


@pytest.mark.parametrize("kind", ["deaf", "mute"])
def test_above_a_link_that_still_answers_a_filter_keeps_iec_104_silent(pilot: Pilot, kind: str) -> None:
    master = Iec104(pilot)
    (before,) = master.ask()
    hit(pilot, kind)
    assert master.ask() == []
    pilot.step(900.0)
    master.engine.advance(0.0)
    assert bool(master.heard()) == (kind == "deaf")
    master.engine.receive(u(TESTFR_ACT), 0.0)
    assert u(TESTFR_CON) in list(framed(master.engine.take_output()))
    pilot.farm.faults.clear_all()
    pilot.step(1.0)
    assert before in master.ask()
    assert not master.engine.closed


@pytest.mark.parametrize("kind", ["deaf", "mute"])
def test_a_filter_keeps_dnp3_silent_and_loses_no_later_answer(pilot: Pilot, kind: str) -> None:
    master = Dnp3(pilot)
    (before,) = master.ask()
    hit(pilot, kind)
    assert master.ask() == []
    pilot.farm.faults.clear_all()
    pilot.step(1.0)
    assert [function for function, _ in master.ask()] == [before[0]]


def test_a_filter_of_dnp3_sees_whole_fragments_both_ways(pilot: Pilot) -> None:
    master = Dnp3(pilot)
    (plain,) = master.ask()
    pilot.farm.faults.add("garbled", {"group": "meter"})
    pilot.step(0.1)
    ((function, body),) = master.ask()
    assert (function, len(body)) == (plain[0], len(plain[1]))
    master.master.link.receive(master.master.request(FunctionCode.READ, bytes([30, 1, 0, 0, 9])), 0.0)
    assert [each.body[-1] ^ 0xFF for each in master.master.heard()] == [unfiltered(pilot)[-1]]


def unfiltered(pilot: Pilot) -> bytes:
    """The same answer to another master, while no filter stands."""
    pilot.farm.faults.clear_all()
    pilot.step(0.1)
    (told,) = Dnp3(pilot).ask()
    return told[1]


def test_what_a_filter_answers_in_its_place_reaches_the_master(pilot: Pilot) -> None:
    master = Iec104(pilot)
    hit(pilot, "echo")
    assert over_modbus(pilot) == struct.pack(">HHHB", 7, 0, 6, 1) + READ[7:]
    (told,) = master.ask()
    assert (taken_apart(told).type, taken_apart(told).cause) == (Type.TEST, Cause.ACTIVATION)


def test_what_goes_out_passes_the_filters_in_their_order(pilot: Pilot) -> None:
    plain = over_modbus(pilot)
    hit(pilot, "garbled")
    assert over_modbus(pilot) == plain[:-1] + bytes((plain[-1] ^ 0xFF,))
    hit(pilot, "garbled")
    assert over_modbus(pilot) == plain
    # The outermost answers what comes, and nobody further in hears of it or changes it.
    hit(pilot, "echo")
    assert over_modbus(pilot)[7:] == READ[7:]


def test_what_a_filter_makes_of_a_request_is_what_is_answered(pilot: Pilot) -> None:
    plain = over_modbus(pilot)
    over_dnp3, over_iec104 = Dnp3(pilot), Iec104(pilot)
    (both,) = over_dnp3.ask(last=5)
    pilot.farm.faults.add("misheard", {"group": "meter"})
    pilot.step(0.1)
    # A register more than was asked for, a point less, and another test pattern.
    assert len(over_modbus(pilot)) == len(plain) + 2
    (one,) = over_dnp3.ask(last=5)
    assert (one[0], len(one[1])) == (both[0], len(both[1]) - 5)
    (told,) = over_iec104.ask()
    assert taken_apart(told).body[-2:] == b"\xaa\x54"


def test_a_filter_that_lets_everything_pass_changes_no_octet_of_dnp3(pilot: Pilot) -> None:
    def told() -> list[bytes]:
        """What goes back for each of the frames a master may send, those of the link itself among them."""
        master = Dnp3Master(here.station, 99, outstation=here.placed[0].seat.address)  # type: ignore[arg-type]
        master.settle()
        octets = []
        for function in (wire.PrimaryFunction.RESET_LINK_STATES, wire.PrimaryFunction.REQUEST_LINK_STATUS):
            control = wire.control_byte(from_master=True, primary=True, function=function)
            master.link.receive(wire.build(control, master.outstation, master.address, b""), 0.0)
            octets.append(master.link.take_output())
        # Data that the link is to confirm by itself, before the answer to them goes out.
        control = wire.control_byte(
            from_master=True, primary=True, function=wire.PrimaryFunction.CONFIRMED_USER_DATA, fcb=True, fcv=True
        )
        (payload,) = segment(build_request(FunctionCode.READ, sequence=9, body=bytes([30, 1, 0, 0, 9])))
        master.link.receive(wire.build(control, master.outstation, master.address, payload), 0.0)
        octets.append(master.link.take_output())
        for body in (bytes([30, 1, 0, 0, 9]), bytes([60, 1, 6])):
            master.link.receive(master.request(FunctionCode.READ, body), 0.0)
            octets.append(master.link.take_output())
        master.link.hang_up(0.0)
        return octets

    here = place(pilot, "dnp3")
    before = told()
    assert all(before)
    pilot.farm.faults.add("open", {"group": "meter"})
    pilot.farm.faults.update(pilot.farm.time_s)  # and no step, or values would have moved
    pilot.ways.update()
    assert here.station.filtered
    assert told() == before


def test_a_filter_grips_the_seat_of_its_device_and_no_other_at_the_station(pilot: Pilot) -> None:
    hit(pilot, "deaf")
    here = place(pilot, "iec104")
    filtered = {placed.group for placed in here.placed if placed.seat.filters}
    assert filtered == {"meter"}
    stations = {each.placed[0].group: each.station.filtered for each in pilot.images.places if not each.layout.name}
    assert stations == {group: group == "meter" for group in pilot.farm.groups}


# ------------------------------------------------------------------------------- links and admission


class Sides:
    """What a server is told of a place."""

    def __init__(self) -> None:
        self.admitted: dict[int, Admission] = {}
        self.linked: dict[int, Mapping[int, Wrap]] = {}

    def admit(self, number: int, admission: Admission) -> None:
        self.admitted[number] = admission

    def link(self, number: int, links: Mapping[int, Wrap], sparing: Collection[int]) -> None:
        self.linked[number] = links


def ways(pilot: Pilot) -> tuple[Ways, Sides]:
    sides = Sides()
    media = Media(pilot.images.places, pilot.clock, 1)
    return Ways(pilot.farm.faults, pilot.images.places, sides, 1, media), sides  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "second"), [("refuse", "cut"), ("cut", "refuse"), ("refuse", "refuse")])
def test_an_address_admits_until_its_last_device_is_gone_and_then_as_the_strictest_fault_has_it(
    pilot: Pilot, first: str, second: str
) -> None:
    strict = Admission.RESET if "cut" in (first, second) else Admission.REFUSE
    carrier, sides = ways(pilot)
    rtu = next(number for number, each in enumerate(pilot.images.places) if each.layout.name == "rtu")
    one = pilot.farm.faults.add("offline", {"group": "meter"}, first)
    pilot.farm.step(1.0)
    carrier.update()
    assert sides.admitted[rtu] is Admission.OPEN
    others = [
        pilot.farm.faults.add("offline", {"group": group}, second) for group in pilot.farm.groups if group != "meter"
    ]
    pilot.farm.step(1.0)
    carrier.update()
    assert sides.admitted[rtu] is strict
    pilot.farm.faults.clear(one.id)
    pilot.farm.step(1.0)
    carrier.update()
    assert sides.admitted[rtu] is Admission.OPEN
    for fault in others:
        pilot.farm.faults.clear(fault.id)
    pilot.farm.step(1.0)
    carrier.update()
    assert set(sides.admitted.values()) == {Admission.OPEN}
    assert all(placed.seat.reachable for each in pilot.images.places for placed in each.placed)


@pytest.mark.parametrize(
    ("of_the_meters", "of_the_others", "admission"),
    [
        (("refused", "refuse"), ("refused", "reset"), Admission.RESET_NEW),
        (("refused", "refuse"), ("offline", "cut"), Admission.REFUSE_NEW),
        (("refused", "reset"), ("offline", "refuse"), Admission.RESET_NEW),
        (("refused", "reset"), None, Admission.OPEN),
    ],
)
def test_masters_stay_at_an_address_while_one_device_lets_them_stay(
    pilot: Pilot, of_the_meters: tuple[str, str], of_the_others: tuple[str, str] | None, admission: Admission
) -> None:
    carrier, sides = ways(pilot)
    rtu = next(number for number, each in enumerate(pilot.images.places) if each.layout.name == "rtu")
    for group in pilot.farm.groups:
        fault = of_the_meters if group == "meter" else of_the_others
        if fault is not None:
            pilot.farm.faults.add(fault[0], {"group": group}, fault[1])
    pilot.farm.step(1.0)
    carrier.update()
    assert sides.admitted[rtu] is admission
    assert {placed.seat.reachable for placed in pilot.images.places[rtu].placed if placed.group == "meter"} == {True}


@pytest.mark.parametrize("kind", [kind for kind in registry.FAULTS if registry.fault(kind).family == "protocol"])
def test_a_filter_that_does_more_than_change_messages_is_not_counted_by_them(kind: str) -> None:
    spec = registry.fault(kind)
    assert isinstance(spec, ProtocolFault)
    made = spec.filter(next(iter(spec.modes), ""), spec.parameters(**spec.example), 1)
    assert spec.by_message != isinstance(made, Restless | Cramped)


def test_nobody_is_asked_while_no_fault_begins_or_ends(pilot: Pilot, monkeypatch: pytest.MonkeyPatch) -> None:
    hit(pilot, "offline")
    carrier, sides = ways(pilot)
    asked = []
    monkeypatch.setattr(type(pilot.farm.faults), "on_the_way", lambda board: asked.append(board) or {})
    for _ in range(5):
        pilot.farm.step(1.0)
        carrier.update()
    pilot.farm.faults.add("stuck", {"quantity": "active_power_w"}, start_s=1e6)
    pilot.farm.step(1.0)
    carrier.update()
    assert not asked
    assert not sides.admitted


def test_a_link_grips_the_connections_of_an_address_whose_every_device_is_hit(pilot: Pilot) -> None:
    carrier, sides = ways(pilot)
    fault = pilot.farm.faults.add("slow", {"group": "meter"})
    pilot.farm.step(1.0)
    carrier.update()
    linked = {number for number, links in sides.linked.items() if links}
    assert linked == {
        number for number, each in enumerate(pilot.images.places) if {p.group for p in each.placed} == {"meter"}
    }
    assert all(set(links) == {fault.id} for number, links in sides.linked.items() if number in linked)


def test_a_link_of_one_protocol_grips_the_connections_of_that_protocol_alone(pilot: Pilot) -> None:
    carrier, sides = ways(pilot)
    fault = pilot.farm.faults.add("modbus-answer", {"group": "meter"})
    assert fault.hit == ("meter-001",)
    pilot.farm.step(1.0)
    carrier.update()
    linked = {pilot.images.places[number].layout.protocol for number, links in sides.linked.items() if links}
    assert linked == {"modbus"}


def test_the_key_of_a_connection_is_its_own_and_the_same_in_a_rerun(
    pilot: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[int] = []

    def noted(engine: Engine, mode: str, parameters: object, key: int, now_s: float) -> Through:
        keys.append(key)
        return Through(engine)

    monkeypatch.setattr("example_faults.SLOW", replace(registry.fault("slow"), wrap=noted))  # type: ignore[arg-type]
    registry._load.cache_clear()
    for _ in range(2):
        fresh = Pilot(load("tiny"))
        carrier, sides = ways(fresh)
        fresh.farm.faults.add("slow", {"group": "meter"})
        fresh.farm.step(1.0)
        carrier.update()
        for number in sorted(sides.linked):
            for wrap in sides.linked[number].values():
                for connection in (1, 2):
                    wrap(fresh.images.places[number].station.connect("peer", 0.0), connection, 0.0)
    registry._load.cache_clear()
    half = len(keys) // 2
    assert keys[:half] == keys[half:]
    assert len(set(keys)) == half >= 4


def test_faults_on_the_way_come_in_the_order_of_their_ids_whatever_their_families(pilot: Pilot) -> None:
    for kind in ("deaf", "slow", "offline", "echo", "blocked"):
        pilot.farm.faults.add(kind, {"group": "meter"})
    pilot.step(1.0)
    (faults,) = pilot.farm.faults.on_the_way().values()
    assert [fault.id for fault in faults] == [1, 2, 3, 4, 5]
