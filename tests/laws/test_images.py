"""The bytes masters are told are those of the columns as they stand, however they came about."""

from __future__ import annotations

import re
import struct
from types import SimpleNamespace
from typing import Any

from dnp3_bench import Master as Dnp3Master
from iec104_bench import ACT
from iec104_bench import Master as Iec104Master
from modbus_bench import NOW_S
from py1815.application import FunctionCode

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Station
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.protocols.iec104.asdu import Type
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import StationLayout


def by_modbus(station: Station, layout: StationLayout, farm: Farm) -> list[bytes]:
    """Every register and bit that the point list names, and those next to it."""
    engine = station.connect("peer", NOW_S)
    answers = []
    for seat in layout.seats:
        spec = farm.groups[seat.group].spec
        rows = registry.point_map(seat.map).points(spec, {})
        for row in rows:
            unit = seat.address + (row.resource_unit or 1) - 1
            for number in map(int, re.findall(r"\d+", row.address)):
                for function, each in ((1, number), (2, number), *((3, number + k) for k in range(4))):
                    engine.receive(struct.pack(">HHHBBHH", 1, 0, 6, unit, function, each, 1), NOW_S)
                    answers.append(engine.take_output())
    engine.hang_up(NOW_S)
    return answers


def by_iec104(station: Station, layout: StationLayout, farm: Farm) -> list[bytes]:
    """The answers to a general and to a counter interrogation of every common address."""
    master = Iec104Master(SimpleNamespace(station=station))  # type: ignore[arg-type]
    asked = ((Type.INTERROGATION, b"\x14"), (Type.COUNTER_INTERROGATION, b"\x05"))
    answers = [master.ask(kind, ACT, seat.address, 0, what) for seat in layout.seats for kind, what in asked]
    master.engine.hang_up(0.0)
    return [each.body for answer in answers for each in answer]


def by_dnp3(station: Station, layout: StationLayout, farm: Farm) -> list[bytes]:
    """The answer to a poll of class 0; events that an outstation keeps for a master happened to the one alone."""
    answers = []
    for seat in layout.seats:
        master = Dnp3Master(station, outstation=seat.address)  # type: ignore[arg-type]
        answers += [each.body for each in master.ask(FunctionCode.READ, CLASS_0) if not each.control.uns]
        master.link.hang_up(0.0)
    return answers


CLASS_0 = bytes([60, 1, 6])
READ: dict[str, Any] = {"modbus": by_modbus, "iec104": by_iec104, "dnp3": by_dnp3}


def test_bytes_kept_over_many_steps_equal_bytes_made_anew() -> None:
    # Fields whose columns did not move are not encoded again; nothing may be left behind by that.
    farm = Farm(load("tiny"))
    kept = Images(farm)
    for n in range(40):
        if n % 10 == 3:
            farm.device("battery-001").submit(enabled({"active_power_setpoint_w": 100.0 * n}), "test", "me", 0.0)
            farm.device("charger-001").submit({"charge_release": float(n % 20 == 3)}, "test", "me", 0.0)
        if n == 12:
            farm.faults.add("bias", {"quantity": "*_power_w"}, parameters={"factor": 1.5}, duration_s=2_000.0)
        if n == 15:
            farm.faults.add("offline", {"device": "meter-*"}, duration_s=2_000.0)
        farm.step(300.0)
        kept.refresh()
        if n % 13 == 0 or n in (16, 39):
            seen = set()
            for (layout, ours), (_, theirs) in zip(kept.stations, Images(farm).stations, strict=True):
                read = READ[layout.protocol]
                answers = read(ours, layout, farm)
                assert answers == read(theirs, layout, farm), layout
                assert sum(map(len, answers)) > 100
                seen.add(layout.protocol)
            assert seen == set(registry.PROTOCOLS)
