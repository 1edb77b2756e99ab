"""A reported value that no master could be told says so, on every protocol, and breaks nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pytest

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.reports import REPORTED_MAX
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.dnp3.sections import ONLINE, OVER_RANGE
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table
from pilotfarm.emulators.protocols.iec60870.table import ObjectTable
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.emulators.wire.scaling import Exponent

LOST: Final = Quality.OVERFLOW | Quality.INVALID
HUGE: Final[tuple[tuple[Mapping[str, Any], ...], ...]] = (
    ({"factor": 1e308},),
    ({"factor": -1e308, "offset": 1.0},),
    ({"offset": 1e308},),
    ({"offset": -1e39},),
    ({"offset": 1e19},),
    ({"factor": 1e308, "offset": 1e308}, {"factor": 1e308}, {"factor": 0.0}),
    ({"offset": 1e308}, {"factor": 1e10}, {"offset": -1e308}),
    ({"offset": 1e308}, {"offset": 1e308}),
    ({"offset": 1e308, "factor": 1e308}, {"factor": -1e308, "offset": -1e308}),
)


@pytest.mark.parametrize("biases", HUGE)
def test_what_is_beyond_the_range_is_infinite_and_marked_and_nothing_else_is(biases: Any) -> None:
    """Encoding it for every map warns of nothing: a warning is an error here."""
    pilot = Pilot(load("tiny"), ManualClock())
    for bias in biases:
        pilot.farm.faults.add("bias", {"quantity": "*"}, None, bias)
    pilot.step(1.0)
    for group in pilot.farm.population:
        for quantity in group.spec.quantities:
            true, (reported,) = group.columns[quantity.name], group.reported[quantity.name]
            quality = group.quality.get(quantity.name, np.zeros(group.size, np.uint8))
            assert not math.isnan(reported), (group.name, quantity.name, true)
            assert math.isinf(reported) or abs(reported) <= REPORTED_MAX
            assert quality == (LOST if math.isinf(reported) else 0)
    for _, image in pilot.images:
        image.refresh(pilot.farm.unix_s)
        for row in range(image.group.size):
            bytes(image.table.row(row))
            image.tell(row, [quantity.name for quantity in image.group.spec.quantities if quantity.writable])
        check_points(image.table, image.group.reported)


def check_points(table: Any, reported: Mapping[str, Any]) -> None:
    """Of what shows one quantity alone: what overflows has the protocol's own words for it."""
    if isinstance(table, ObjectTable):
        octets = bytes(table.row(0))
        for point in table.plan.monitor:
            if len(point.source.quantities) == 1:
                kind, _, stop = table.places[point.ioa]
                words = 0xF0 if kind in (MonitorType.SINGLE, MonitorType.DOUBLE) else 0xFF
                lost = math.isinf(reported[point.source.quantities[0]][0])
                if kind is MonitorType.TOTAL:
                    assert bool(octets[stop - 1] & Quality.INVALID) == lost, point
                else:
                    assert octets[stop - 1] & words & LOST == (LOST & words if lost else 0), point
    if isinstance(table, Dnp3Table):
        octets = bytes(table.row(0))
        for kind, section in table.sections.items():
            wide = kind in (PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT)
            for place, point in enumerate(section.points):
                octet = octets[section.offset + place * (5 if wide or kind is PointType.COUNTER else 1)]
                if point.quantity and math.isinf(reported[point.quantity][0]):
                    assert not octet & ONLINE, point
                    assert bool(octet & OVER_RANGE) == wide, point


def test_when_the_faults_are_gone_the_bytes_are_those_of_a_farm_that_had_none() -> None:
    broken, whole = (Pilot(load("tiny"), ManualClock()) for _ in range(2))
    for bias in HUGE[5]:
        broken.farm.faults.add("bias", {"quantity": "*"}, None, bias)
    for pilot in (broken, whole):
        pilot.step(1.0)
    rows = [[bytes(image.table.row(0)) for _, image in pilot.images] for pilot in (broken, whole)]
    assert rows[0] != rows[1]
    broken.farm.faults.clear_all()
    for pilot in (broken, whole):
        pilot.step(1.0)
    rows = [[bytes(image.table.row(0)) for _, image in pilot.images] for pilot in (broken, whole)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("value", "lost"), [(REPORTED_MAX, False), (-REPORTED_MAX, False), (3.5e38, True), (-1e300, True)]
)
def test_the_range_is_that_of_a_short_floating_point_number(value: float, lost: bool) -> None:
    pilot = Pilot(load("tiny"), ManualClock())
    pilot.farm.faults.add("stuck", {"device": "meter-001", "quantity": "frequency_hz"}, None, {"value": value})
    pilot.step(1.0)
    device = pilot.farm.device("meter-001")
    assert device.value("frequency_hz") == (math.copysign(math.inf, value) if lost else value)
    assert device.quality("frequency_hz") == (LOST if lost else 0)


def test_what_a_fault_says_of_its_values_stays_beside_the_overflow() -> None:
    pilot = Pilot(load("tiny"), ManualClock())
    pilot.farm.faults.add(
        "bias", {"device": "meter-001", "quantity": "frequency_hz"}, None, {"offset": 1e39, "quality": "questionable"}
    )
    pilot.step(1.0)
    assert pilot.farm.device("meter-001").quality("frequency_hz") == LOST | Quality.NOT_TOPICAL


def test_a_scale_factor_stays_one_that_sunspec_has() -> None:
    values = {"active_power_w": np.array([math.inf, 1e300, 1e14, 1e13, 40_000.0, 1.0])}
    assert Exponent(("active_power_w",), 32_767.0).of(values).tolist() == [10.0, 10.0, 10.0, 9.0, 1.0, 0.0]


def test_what_got_stuck_beyond_the_range_is_a_number_to_the_next_fault() -> None:
    pilot = Pilot(load("tiny"), ManualClock())
    target = {"device": "meter-001", "quantity": "frequency_hz"}
    told = []
    for kind, parameters in (("bias", {"factor": 1e308}), ("stuck", {}), ("bias", {"factor": 0.0, "offset": 7.0})):
        pilot.farm.faults.add(kind, target, None, parameters)
        pilot.step(1.0)
        told.append(pilot.farm.device("meter-001").value("frequency_hz"))
    assert told == [math.inf, math.inf, 7.0]
    assert pilot.farm.device("meter-001").quality("frequency_hz") == 0


def test_what_overflows_in_the_units_of_iec_104_alone_says_so_there() -> None:
    """A share is told in per cent: 1e37 of it is a number, and a hundred times that is none."""
    pilot = Pilot(load("tiny"), ManualClock())
    pilot.farm.faults.add("stuck", {"device": "battery-001", "quantity": "soc_frac"}, None, {"value": 1e37})
    pilot.step(1.0)
    assert pilot.farm.device("battery-001").quality("soc_frac") == 0
    tables = [image.table for (group, *_), image in pilot.images if group == "battery"]
    (table,) = [table for table in tables if isinstance(table, ObjectTable)]
    (point,) = [point for point in table.plan.monitor if point.source.quantities == ("soc_frac",)]
    start, stop = table.places[point.ioa][1:]
    octets = bytes(table.row(0))[start:stop]
    assert np.frombuffer(octets[-5:-1], "<f4") == np.inf
    assert octets[-1] == Quality.OVERFLOW
