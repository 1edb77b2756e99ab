"""Values that are missing, beyond the range or not to be trusted: no map stumbles over them, and each has its word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.plans.modbus import Register, RegisterPlan, inner
from pilotfarm.emulators.serving.images import Image, Images
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.wire.electrical import NEUTRAL, PowerFactor

HEAD: Final = """\
name: maps
title: Every kind over every map
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
start: 2026-06-15T08:00:00
seed: 1
step_s: 1
feeders: {street: {source_voltage_v: 233}}
groups:
"""
MAPS: Final = [
    (kind, each.name, protocol)
    for kind in registry.DEVICES
    for protocol in registry.PROTOCOLS
    for each in registry.maps_for(protocol, kind)
]
INT_WORDS: Final = (-(2**15), -(2**31), -(2**63), 2**16 - 1, 2**32 - 1, 2**64 - 1)
"""What SunSpec has for a point that is not there (Device Information Model Specification V1.1, 4.2): the most
negative of a signed number, all ones of an unsigned one."""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> SiteLayout:
    path = tmp_path_factory.mktemp("site") / "maps.yaml"
    groups = [
        f"  {kind.replace('_', '-')}-{name}: "
        f"{{kind: {kind}, count: 2, endpoints: [{{protocol: {protocol}, map: {name}}}]}}\n"
        for kind, name, protocol in MAPS
    ]
    path.write_text(HEAD + "".join(groups), encoding="utf-8")
    return load(str(path))


def rows(images: Images) -> list[list[bytes]]:
    return [[bytes(image.table.row(row)) for row in (0, 1)] for _, image in images]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "mode", "given"),
    [
        ("missing", None, {}),
        ("out-of-range", None, {}),
        ("out-of-range", None, {"value": -1e39}),
        ("quality", "invalid", {}),
        ("quality", "not-topical", {}),
    ],
)
def test_every_map_has_an_answer_for_every_quantity_and_forgets_it(
    layout: SiteLayout, kind: str, mode: str | None, given: dict[str, Any]
) -> None:
    """Warnings are errors here: no number is made of what is none. The second device of each group is spared."""
    struck, spared = Farm(layout), Farm(layout)
    ours, theirs = Images(struck), Images(spared)
    struck.faults.add(kind, {"device": "*-001", "quantity": "*"}, mode, parameters=given, duration_s=60.0)
    for farm, images in ((struck, ours), (spared, theirs)):
        farm.step(60.0)
        images.refresh()
    changed = 0
    for (first, second), (plain, other) in zip(rows(ours), rows(theirs), strict=True):
        assert second == other
        changed += first != plain
    assert changed > len(MAPS) // 2
    for farm, images in ((struck, ours), (spared, theirs)):
        farm.step(60.0)
        images.refresh()
    assert rows(ours) == rows(theirs)


def modbus(farm: Farm) -> Iterator[tuple[Image, RegisterPlan, int, Register]]:
    """Every register of every table that shows one quantity by itself."""
    for _, image in Images(farm):
        plan = getattr(image.table, "plan", None)
        if isinstance(plan, RegisterPlan):
            for number, unit in enumerate(plan.units):
                for register in unit.registers:
                    source, _ = inner(register.shows)
                    if source is not None and len(source.quantities) == 1 and register.carries:
                        yield image, plan, number, register


def held(image: Image, plan: RegisterPlan, unit: int, register: Register, row: int = 0) -> Any:
    at = plan.place(unit, register.address, register.width, register.function)
    assert at is not None
    octets = bytes(image.table.row(row))[at : at + 2 * register.width]  # type: ignore[attr-defined]
    return np.frombuffer(octets, register.dtype)[0]


@pytest.mark.parametrize("kind", ["missing", "quality"])
def test_modbus_shows_the_word_of_the_map_and_where_there_is_none_nothing_or_the_value(
    layout: SiteLayout, kind: str
) -> None:
    """Missing is 0 where a map has no word for it; a value that is only doubted stands there as before."""
    farm = Farm(layout)
    farm.step(60.0)
    before = {(id(plan), unit, r.address): held(image, plan, unit, r, 1) for image, plan, unit, r in modbus(farm)}
    farm.faults.add(kind, {"quantity": "*"})
    farm.step(0.1)
    words = {"float": 0, "integer": 0, "none": 0}
    for image, plan, unit, register in modbus(farm):
        value = held(image, plan, unit, register, 1)
        if np.dtype(register.dtype).kind == "f":
            assert np.isnan(value), register
            words["float"] += 1
        elif register.missing:
            assert int(value) in INT_WORDS, register
            words["integer"] += 1
        elif kind == "missing":
            assert value == 0, register
            words["none"] += 1
        elif register.dtype == ">u4" and value:
            old = float(before[id(plan), unit, register.address])
            assert float(value) == pytest.approx(old, rel=0.1, abs=50.0), register
            words["none"] += 1
    assert min(words.values()) > 10, words


def test_a_state_that_is_missing_is_off_in_the_octet_of_a_point(layout: SiteLayout) -> None:
    farm = Farm(layout)
    farm.faults.add("missing", {"quantity": "online"})
    farm.step(60.0)
    octets = []
    for _, image in Images(farm):
        plan = image.table.plan  # type: ignore[attr-defined]
        row = bytes(image.table.row(0))  # type: ignore[attr-defined]
        octets += [
            row[image.table.places[point.ioa][2] - 1]  # type: ignore[attr-defined]
            for point in getattr(plan, "monitor", ())
            if point.type is MonitorType.SINGLE and point.source.quantities == ("online",)
        ]
    assert octets
    assert set(octets) == {0x80}, "IV and not on (IEC 60870-5-101, 7.2.6.1)"


def test_modbus_tells_one_beyond_the_range_from_one_that_is_not_there(layout: SiteLayout) -> None:
    farm = Farm(layout)
    names = ("frequency_hz", "active_power_w")
    for name in names:
        farm.faults.add("out-of-range", {"quantity": name})
    farm.step(60.0)
    shown = {
        (register.carries[0], register.dtype): abs(float(held(image, plan, unit, register)))
        for image, plan, unit, register in modbus(farm)
        if register.carries[0] in names and (register.missing or register.dtype == ">f4")
    }
    assert shown["frequency_hz", ">u2"] == 65_534.0
    assert shown["active_power_w", ">i2"] == 32_767.0
    assert shown["active_power_w", ">f4"] == np.inf


def test_what_is_worked_out_of_a_missing_value_is_not_there_either(layout: SiteLayout) -> None:
    """The power factor of a phase, and the current in the neutral conductor."""
    farm = Farm(layout)
    farm.step(60.0)
    meters = farm.groups["smart-meter-sdm630"]
    farm.faults.add("missing", {"quantity": "voltage_l2_v"})
    farm.step(60.0)
    assert np.isnan(NEUTRAL.of(meters.reported)).all()
    farm.faults.add("missing", {"quantity": "active_power_l1_w"})
    farm.step(60.0)
    columns = meters.reported
    assert np.isnan(PowerFactor("active_power_l1_w", "reactive_power_l1_var").of(columns)).all()
    assert np.isfinite(PowerFactor("active_power_l3_w", "reactive_power_l3_var").of(columns)).all()
