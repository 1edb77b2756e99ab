"""The point list of a site against the wire: the number that stands there, times the scale, is the quantity."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dnp3_bench import EVERYTHING, GROUPS, objects
from dnp3_bench import Master as Dnp3Master
from iec104_bench import Master as Iec104Master
from modbus_bench import NOW_S, frame, plausible, talk
from py1815.application import FunctionCode

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Station
from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.plans import register_points
from pilotfarm.emulators.plans.dnp3 import Point
from pilotfarm.emulators.plans.modbus import Register
from pilotfarm.emulators.quantities import PROTECTION, Role, quantity, split
from pilotfarm.emulators.serving.images import Images, Place
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SeatLayout, TcpEndpoint
from pilotfarm.emulators.site.listing import Wanted, point_rows

PointList = Sequence[dict[str, Any]]
Reading = tuple[dict[str, Any], float, float]
"""A row of the point list, the number that stands at its address, and by how much it may be rounded."""

NOT_LINEAR = {
    "modbus": {
        "grid_switch",
        "started",
        "power_factor_setpoint_reverted",
        "owner_card_id",
        "sesp_timeout_s",
        "power_factor_setpoint",
    },
    "iec104": set[str](),
    "dnp3": {"", "running", "started", "start_permitted", "active_power_w", *PROTECTION},
}
"""What some register has in a code of its own, which ``data_type`` says."""
INTERROGATION, COUNTER_INTERROGATION, ACTIVATION = 100, 101, 6


HEAT_PUMPS = """\
name: heat-pumps
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
groups:
  warm:
    kind: heat_pump
    count: 2
    ratings: {room_wanted_degc: 22}
    endpoints:
      - {protocol: modbus}
      - {protocol: iec104}
      - {protocol: dnp3}
"""


@pytest.fixture(scope="module", params=["tiny", "norway"])
def site(request: pytest.FixtureRequest) -> tuple[Farm, Images]:
    return running(request.param)


def running(name: str) -> tuple[Farm, Images]:
    """A site after some steps. What stands at 0 would prove no scale, and is reported as something else."""
    farm = Farm(load(name))
    images = Images(farm)
    for _ in range(3):
        farm.step(60.0)
    for group in farm.groups.values():
        numbers = [each for each in group.spec.quantities if not each.is_binary]
        told = {
            each.name: np.where(group.reported[each.name] == 0.0, plausible(each, salt), group.reported[each.name])
            for salt, each in enumerate(numbers)
        }
        group.reported = {**group.reported, **told}
    images.refresh()
    return farm, images


def seats(site: tuple[Farm, Images], protocol: str) -> Iterator[tuple[Place, SeatLayout, str]]:
    """Every way to the first device of each group over a protocol; stations that ask show what was."""
    farm, images = site
    for place in (each for each in images.places if not each.layout.asks):
        for seat in place.layout.seats:
            if place.layout.protocol == protocol and seat.row == 0:
                yield place, seat, farm.layout.group(seat.group).devices[0]


def over_modbus(station: Station, seat: SeatLayout, points: PointList) -> Iterator[Reading]:
    engine: Any = station.connect("peer", NOW_S)
    for row in points:
        kind, bits = re.match(r"(u?int|float|bit)(\d*)", row["data_type"]).groups()
        count = int(bits) // 16 if bits else 1
        function = row["read_code"]
        ask = struct.pack(">BHH", function, row["number"], count)
        answer, closed = talk(engine, frame(ask, row["unit_id"]))
        assert answer[7] == function, (row, answer.hex())
        assert not closed
        data = answer[9:]
        if kind == "float":
            raw = np.frombuffer(data, f">f{len(data)}")[0]
            yield row, float(raw), float(np.spacing(np.abs(raw))) / 2.0
        else:
            raw = int.from_bytes(data, "big", signed=kind == "int")
            yield row, float(raw if row["bit"] is None else raw >> row["bit"] & 1), 0.5
    engine.hang_up(NOW_S)


def over_iec104(station: Station, seat: SeatLayout, points: PointList) -> Iterator[Reading]:
    master = Iec104Master(SimpleNamespace(station=station))  # type: ignore[arg-type]
    heard = [
        each
        for interrogation, qualifier in ((INTERROGATION, b"\x14"), (COUNTER_INTERROGATION, b"\x05"))
        for each in master.ask(interrogation, ACTIVATION, seat.address, 0, qualifier)
    ]
    master.engine.hang_up(master.now_s)
    found: dict[str, tuple[float, float]] = {}
    for unit in heard:
        size = {1: 1, 3: 1, 13: 5, 15: 5}.get(unit.type, 0)
        for at in range(0, unit.count * (3 + size) if size else 0, 3 + size):
            element = unit.body[at + 3 : at + 3 + size]
            value, slack = float(element[0] & 3), 0.0
            if unit.type == 3:
                value -= 1.0  # 1 is off, 2 is on
            elif unit.type == 13:
                value = float(np.frombuffer(element, "<f4", 1)[0])
                slack = float(np.spacing(np.float32(abs(value)))) / 2.0
            elif unit.type == 15:
                value, slack = int.from_bytes(element[:4], "little", signed=True) + 0.5, 0.5  # whole units, cut off
            found[str(int.from_bytes(unit.body[at : at + 3], "little"))] = value, slack
    assert found.keys() == {row["address"] for row in points}
    yield from ((row, *found[row["address"]]) for row in points)


def over_dnp3(station: Station, seat: SeatLayout, points: PointList) -> Iterator[Reading]:
    master = Dnp3Master(station, outstation=seat.address)  # type: ignore[arg-type]
    found: dict[str, float] = {}
    for group, _, index, octets in objects(master.ask(FunctionCode.READ, EVERYTHING)):
        number = octets[0] >> 7 if len(octets) == 1 else int.from_bytes(octets[1:], "little", signed=group != 20)
        found[f"{GROUPS[group].value}{index}"] = float(number)
    master.link.hang_up(master.now_s)
    assert found.keys() == {row["address"] for row in points}
    yield from ((row, found[row["address"]], 0.5) for row in points)


READERS = {"modbus": over_modbus, "iec104": over_iec104, "dnp3": over_dnp3}


@pytest.mark.parametrize("protocol", READERS)
def test_what_stands_on_the_wire_times_the_scale_of_the_point_list_is_the_quantity(
    site: tuple[Farm, Images], protocol: str
) -> None:
    assert proved(site, protocol) > 100


@pytest.mark.parametrize("protocol", READERS)
def test_a_kind_that_no_map_has_heard_of_is_served_from_its_site_file_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setitem(registry.DEVICES, "heat_pump", "example_heat_pump:DEVICE")
    file = tmp_path / "heat-pumps.yaml"
    file.write_text(HEAT_PUMPS, encoding="utf-8")
    farm, images = running(str(file))
    group = farm.groups["warm"]
    assert group.columns["energy_imported_wh"].all(), "it runs"
    assert proved((farm, images), protocol) >= sum(not quantity.writable for quantity in group.spec.quantities)


def proved(site: tuple[Farm, Images], protocol: str) -> int:
    """How many points of a site were compared with the number on the wire."""
    farm, _ = site
    proved = 0
    for place, seat, device in seats(site, protocol):
        endpoint = place.layout.endpoint
        assert isinstance(endpoint, TcpEndpoint)
        points = [
            row
            for row in point_rows(farm.layout, Wanted(device))
            if (row["protocol"], row["host"], row["port"]) == (protocol, endpoint.host, endpoint.port)
            and "r" in row["access"]
        ]
        coded = [row for row in points if "(" in row["data_type"]] if protocol != "iec104" else []
        assert {split(row["quantity"])[1] for row in coded} <= NOT_LINEAR[protocol]
        read = [row for row in points if row not in coded] if protocol == "modbus" else points
        for row, wire, slack in READERS[protocol](place.station, seat, read):
            if row in coded:
                continue
            value = farm.device(device).value(row["quantity"])
            within = slack * abs(row["scale"]) + 1e-9 * max(1.0, abs(value))
            assert wire * row["scale"] == pytest.approx(value, abs=within, rel=0.0), (device, row)
            assert value != 0.0 or quantity(row["quantity"]).is_binary, "0 proves no scale"
            proved += 1
    return proved


class Ear:
    """Hears what moved at one device, on IEC 104 and on DNP3."""

    def __init__(self) -> None:
        self.heard: set[str] = set()

    def changed(self, address: int, type_id: int, objects: Mapping[int, bytes]) -> None:
        self.heard |= set(map(str, objects))

    def stepped(self, unix_s: float) -> None: ...

    def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None:
        self.heard.add(point.address)

    def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None: ...


@pytest.mark.parametrize(("protocol", "map_name"), [("iec104", "iec104"), ("dnp3", "mesa-der")])
def test_what_moves_less_than_its_deadband_in_the_point_list_is_not_told_and_what_moves_more_is(
    protocol: str, map_name: str
) -> None:
    farm = Farm(load("tiny"))
    for group in farm.groups.values():
        spec = group.spec
        table: Any = registry.protocol(protocol).table(registry.point_map(map_name).plan(spec), 1, group.columns)
        table.refresh(group.columns, {}, NOW_S)
        ear = Ear()
        table.listen(0, ear, *([1] if protocol == "iec104" else []))
        bands = {
            row["quantity"]: row
            for row in point_rows(farm.layout, Wanted(group.layout.devices[0]))
            if row["protocol"] == protocol and row["deadband"]
        }
        assert bands
        for share, told in ((0.9, False), (1.1, True)):
            # Where a step of the wire is coarser than a tenth of the deadband, rounding decides.
            fine = {
                name: row
                for name, row in bands.items()
                if protocol == "iec104" or abs(row["scale"]) < 0.1 * row["deadband"]
            }
            assert fine
            moved = {
                name: group.columns[name] + share * row["deadband"] * (-1.0 if row["scale"] < 0.0 else 1.0)
                for name, row in fine.items()
            }
            ear.heard.clear()
            table.refresh({**group.columns, **moved}, {}, NOW_S)
            points = {row["address"] for row in fine.values()}
            assert ear.heard & points == (points if told else set()), (spec.kind, share)


def test_scales_and_deadbands_depend_on_nothing_that_moves() -> None:
    for kind, protocol in product(registry.DEVICES, registry.PROTOCOLS):
        spec = registry.device(kind)
        plan = registry.maps_for(protocol, kind)[0].plan(spec)
        if protocol == "modbus":
            factors = [r.scale_factor for unit in plan.units for r in unit.registers if r.scale_factor]
            used = {each for factor in factors for each in factor.ratings}
        else:
            shown = plan.points if protocol == "dnp3" else plan.monitor
            used = {each for point in shown for each in point.deadband.of}
        known = used & {each.name for each in spec.quantities}
        assert known
        assert {quantity(each).role for each in known} == {Role.RATING}


def test_what_is_written_times_the_scale_of_the_point_list_is_what_the_device_is_told() -> None:
    told = 0
    for kind, found in product(registry.DEVICES, map(registry.point_map, registry.MAPS)):
        spec = registry.device(kind)
        if found.protocol != "modbus" or not found.fits(spec):
            continue
        units = {register_points.unit_id(unit): unit for unit in found.plan(spec).units}
        for row in found.points(spec, {}):
            coded = "(" in row.data_type or "scale factor" in row.data_type or row.bit is not None
            if coded or row.write_code not in (6, 16):
                continue
            register = units[row.resource_unit].writable[row.number]
            given = accepted(register, row.quantity)
            assert given, row
            for raw, value in given.items():
                assert value == pytest.approx(raw * row.scale), (raw, row)
            told += 1
    assert told > 100


def accepted(register: Register, name: str) -> dict[float, float]:
    """What numbers a register takes mean for a quantity."""
    given = {}
    for raw in (0.0, 1.0, 5.0, 10.0, 100.0, 600.0, 7_000.0):
        with contextlib.suppress(OutOfRange):
            given[raw] = register.meaning(raw, lambda _: 1.0).get(name, 0.0)
    return given
