"""The bytes masters are told are those of the columns as they stand, however they came about and whoever asked."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dnp3_bench import Master as Dnp3Master
from iec104_bench import ACT
from iec104_bench import Master as Iec104Master
from modbus_bench import NOW_S
from py1815.application import FunctionCode

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Station
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.protocols.iec60870.asdu import Type
from pilotfarm.emulators.serving.images import Image, Images, Viewpoint
from pilotfarm.emulators.serving.pilot import Pilot
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


class Ear:
    """Somebody who listens to a row of whatever table, and does nothing about it."""

    def changed(self, *_: object) -> None: ...
    def stepped(self, *_: object) -> None: ...
    def analog_moved(self, *_: object) -> None: ...
    def binary_moved(self, *_: object) -> None: ...


def rows_of(image: Image) -> list[bytes]:
    """What every device of a table is told, read as an engine reads it."""
    return [bytes(image.table.row(row)) for row in range(image.group.size)]  # type: ignore[attr-defined]


def read(images: Images) -> dict[Viewpoint, list[bytes]]:
    return {key: rows_of(image) for key, image in images}


def eventful(farm: Farm, steps: int) -> Iterator[int]:
    """A life with commands and faults, a step at a time."""
    for n in range(steps):
        if n % 10 == 3:
            farm.device("battery-001").submit(enabled({"active_power_setpoint_w": 100.0 * n}), "test", "me", 0.0)
            farm.device("charger-001").submit({"charge_release": float(n % 20 == 3)}, "test", "me", 0.0)
        if n == 12:
            farm.faults.add("bias", {"quantity": "*_power_w"}, parameters={"factor": 1.5}, duration_s=2_000.0)
        if n == 15:
            farm.faults.add("stuck", {"quantity": "*_wh"}, parameters={"quality": "invalid"}, duration_s=2_000.0)
        if n == 17:
            farm.faults.add("missing", {"quantity": "*"}, duration_s=600.0)
            farm.faults.add("quality", {"quantity": "voltage_*"}, mode="not-topical", duration_s=1_500.0)
        farm.step(300.0)
        yield n


def test_bytes_kept_over_many_steps_equal_bytes_made_anew() -> None:
    # Fields whose columns did not move are not encoded again; nothing may be left behind by that.
    farm = Farm(load("tiny"))
    kept = Images(farm)
    for n in eventful(farm, 40):
        kept.refresh()
        if n % 13 == 0 or n in (16, 39):
            anew = Images(farm)
            assert read(kept) == read(anew)
            seen = set()
            for ours, theirs in zip(kept.places, anew.places, strict=True):
                answers = READ[ours.layout.protocol](ours.station, ours.layout, farm)
                assert answers == READ[ours.layout.protocol](theirs.station, theirs.layout, farm), ours.layout
                assert sum(map(len, answers)) > 100
                seen.add(ours.layout.protocol)
            tables = {registry.protocol(each).table for each in seen}
            assert tables == {registry.protocol(each).table for each in registry.PROTOCOLS}


@pytest.mark.parametrize("every", [1, 3, 7])
def test_bytes_are_the_same_whether_somebody_listens_reads_at_every_step_or_only_now_and_then(every: int) -> None:
    farm = Farm(load("tiny"))
    heard, seldom = Images(farm), Images(farm)
    for key, image in heard:
        listen = getattr(image.table, "listen", None)
        if listen is not None:
            listen(0, Ear(), *([1] if key[1] == "iec104" else []))
    for n in eventful(farm, 22):
        heard.refresh()
        seldom.refresh()
        if n % every == 0:
            assert read(seldom) == read(heard)


def test_a_table_that_nobody_has_read_since_the_last_step_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    monkeypatch.setattr("pilotfarm.emulators.wire.rows.Rows.encode", lambda rows, columns: encoded.append(rows))
    farm = Farm(load("tiny"))
    images = Images(farm)
    for _ in range(3):
        farm.step(1.0)
        images.refresh()
    assert not encoded
    tables = len(dict(images))
    read(images)
    read(images)
    assert len(encoded) == tables
    images.refresh()  # read since the step before: made before anybody asks
    assert len(encoded) == 2 * tables
    read(images)
    assert len(encoded) == 2 * tables
    images.refresh()
    images.refresh()
    assert len(encoded) == 3 * tables


def test_what_a_station_knows_of_a_lost_device_is_what_it_last_knew_and_not_topical() -> None:
    pilot = Pilot(load("tiny"))
    ours = {key: image for key, image in pilot.images if key[0] == "meter"}
    (rtu,) = (image for key, image in ours.items() if key[2])
    direct = next(image for key, image in ours.items() if not key[2])
    last = {q.name: float(rtu.group.reported[q.name][0]) for q in rtu.group.spec.quantities}
    pilot.farm.faults.add("offline", {"group": "meter"}, duration_s=120.0)
    pilot.step(60.0)
    assert rtu.known is not None
    assert direct.known is None
    assert float(rtu.known.columns["online"][0]) == 0.0
    assert not rtu.known.quality["online"].any()
    for name, value in last.items():
        if name != "online":
            assert float(rtu.known.columns[name][0]) == value, name
            assert rtu.known.quality[name][0] == Quality.NOT_TOPICAL, name
    # The device itself lives on, and says so to whoever reached it.
    assert float(rtu.group.reported["energy_imported_wh"][0]) > last["energy_imported_wh"]
    assert rtu.group.quality == {}
    pilot.step(60.0)
    pilot.step(60.0)
    assert rtu.known.columns is rtu.group.reported
    assert rtu.known.quality == {}


def test_only_a_station_with_a_name_whose_protocol_has_a_word_for_it_remembers() -> None:
    images = Images(Farm(load("tiny")))
    for place in images.places:
        remembers = place.layout.protocol == "iec104" and place.layout.name != ""
        assert [each.image.known is not None for each in place.placed] == [remembers] * len(place.placed)


def test_two_stations_that_share_a_device_each_know_what_they_know(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("site") / "two.yaml"
    path.write_text(TWO_STATIONS, encoding="utf-8")
    images = Images(Farm(load(str(path))))
    viewpoints = [key[2] for key, _ in images]
    assert viewpoints == [1, 2]
    first, second = (place.placed for place in images.places)
    first[0].reach(False)
    images.refresh()
    assert [each.image.known.quality != {} for each in (first[0], second[0])] == [True, False]  # type: ignore[union-attr]


TWO_STATIONS = """\
name: two
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
groups:
  meters:
    kind: smart_meter
    count: 2
    endpoints:
      - {protocol: iec104, station: east}
      - {protocol: iec104, station: west}
stations:
  east: {protocol: iec104, host: 127.3.0.1}
  west: {protocol: iec104, host: 127.3.0.2}
"""


def test_known_columns_are_the_reported_ones_while_nobody_is_lost() -> None:
    pilot = Pilot(load("tiny"))
    for _ in range(3):
        pilot.step(1.0)
        for _, image in pilot.images:
            assert image.known is None or image.known.columns is image.group.reported
            assert np.array_equal(image.group.reported["online"], image.group.columns["online"])
