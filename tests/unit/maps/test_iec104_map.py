"""The IEC 60870-5-104 point list against the scheme it promises."""

from __future__ import annotations

import re

import numpy as np
import pytest
from iec104_bench import ACT, START_S, Bench, Master, float_element, spec_of

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.resource import ITSELF
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.maps.iec104 import MAP
from pilotfarm.emulators.maps.iec104.addresses import IOA, address
from pilotfarm.emulators.plans.iec104 import ControlType, MonitorType
from pilotfarm.emulators.protocols.iec60870.asdu import ELEMENT_OCTETS, TAGGED_COMMANDS, Cause
from pilotfarm.emulators.protocols.iec60870.commands import COMMANDS
from pilotfarm.emulators.protocols.iec60870.times import time_tag
from pilotfarm.emulators.quantities import CATALOGUE, RESOURCES, Role, quantities

NAMES = tuple(resource.of(name) for resource in (ITSELF, *RESOURCES) for name in CATALOGUE)
SPEC = spec_of(NAMES)
PLAN = MAP.plan(SPEC)


def test_every_quantity_has_a_point_and_every_point_fits_two_octets() -> None:
    rows = MAP.points(SPEC, {})
    assert {row.quantity for row in rows} == set(NAMES)
    addresses = [int(row.address) for row in rows]
    assert len(addresses) == len(set(addresses))
    assert max(addresses) < 65536


def test_every_quantity_but_a_pulse_can_be_read_and_every_set_point_and_command_written() -> None:
    rows = MAP.points(SPEC, {})
    read = {row.quantity for row in rows if row.access == "r"}
    written = {row.quantity for row in rows if row.access == "w"}
    for each in SPEC.quantities:
        assert (each.name in read) == (each.role is not Role.COMMAND), each.name
        assert (each.name in written) == each.writable, each.name


def test_addresses_stand_in_the_block_of_their_type() -> None:
    blocks = {
        MonitorType.SINGLE: range(1000, 1100),
        MonitorType.DOUBLE: range(1100, 1120),
        MonitorType.FLOAT: (*range(2000, 2400), *range(2900, 3000)),
        MonitorType.TOTAL: range(3000, 3100),
        ControlType.SINGLE: range(4000, 4100),
        ControlType.DOUBLE: range(4100, 4120),
        ControlType.SETPOINT: range(5000, 5100),
    }
    for point in PLAN.monitor + PLAN.control:
        assert point.ioa % 10_000 in blocks[point.type], point


def test_a_set_point_is_mirrored_2100_below_and_a_binary_one_2950_below() -> None:
    monitored = {point.source.quantities[0]: point.ioa for point in PLAN.monitor}
    for control in PLAN.control:
        (name,) = control.source.quantities
        if quantities([name])[0].role is Role.COMMAND or control.type is ControlType.DOUBLE:
            continue
        below = 2100 if control.type is ControlType.SETPOINT else 2950
        assert monitored[name] == control.ioa - below


@pytest.mark.parametrize(
    ("name", "ioa"),
    [
        ("online", 1000),
        ("sesp_link_lost", 1006),
        ("communication_lost_alarm", 1044),
        ("active_power_w", 2000),
        ("reactive_power_l3_var", 2017),
        ("vehicle_soc_frac", 2104),
        ("soc_frac", 2110),
        ("available_power_frac", 2122),
        ("rain_mm_per_h", 2208),
        ("room_temperature_degc", 2210),
        ("energy_imported_wh", 3001),
        ("charge_release", 4003),
        ("sesp_receipt", 4020),
        ("grid_switch", 4100),
        ("current_limit_a", 5007),
        ("ev_active_power_setpoint_w", 15000),
        ("storage_soc_frac", 22110),
        ("pv_active_power_limit_frac", 35005),
        ("home_deferrable_power_w", 42130),
    ],
)
def test_the_published_numbers_are_kept(name: str, ioa: int) -> None:
    assert address(name) == ioa


def test_shares_go_out_in_per_cent_and_pressure_in_hectopascal() -> None:
    scales = {row.quantity: (row.scale, row.unit) for row in MAP.points(SPEC, {})}
    assert scales["soc_frac"] == (0.01, "1")
    assert scales["storage_active_power_limit_frac"] == (0.01, "1")
    assert scales["pressure_pa"] == (100.0, "Pa")
    assert scales["power_factor"] == (1.0, "1")


def test_a_written_share_comes_back_as_a_share_and_closes_its_switch() -> None:
    control = next(each for each in PLAN.control if each.ioa == IOA["active_power_limit_frac"])
    assert control.source.back(60.0) == {"active_power_limit_frac": pytest.approx(0.6)}
    assert control.enables == ("active_power_limit_enabled",)
    resource = next(each for each in PLAN.control if each.ioa == 35005)
    assert resource.enables == ("pv_active_power_limit_enabled",)


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_quantity_of_every_kind_has_a_point(kind: str) -> None:
    spec = registry.device(kind)
    assert {row.quantity for row in MAP.points(spec, {})} == {each.name for each in spec.quantities}


# ---------------------------------------------------------------------------------- what is promised


def types(row: PointRow) -> set[int]:
    """The type identifications that the list gives a point."""
    return set(map(int, re.findall(r"\((\d+)\)", row.data_type)))


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_type_the_list_gives_a_point_is_sent_and_no_other(kind: str) -> None:
    """Asked for in every way there is, with a value and a quality that change, and after a freeze."""
    spec = registry.device(kind)
    bench = Bench(1, spec)
    master = Master(bench)
    told = []
    for quality in (Quality.NOT_TOPICAL, Quality.GOOD):
        names = [each.name for each in spec.quantities]
        bench.quality = {name: np.array([quality], np.uint8) for name in names} if quality else {}
        for each in spec.quantities:
            value = bench.columns[each.name][0]
            bench.set(each.name, 0, 1.0 - value if each.is_binary else value + 1e7)
        bench.step()
        master.pull()
        told += master.heard()
    for kind_asked, element in ((100, b"\x14"), (101, b"\x45"), (101, b"\x05"), (101, b"\x85")):
        told += master.ask(kind_asked, ACT, 1, 0, element)
    bench.step()
    master.pull()
    told += master.heard()
    sent: dict[int, set[int]] = {}
    for each in told:
        if each.type < 45:
            size = len(each.body) // each.count
            for at in range(0, len(each.body), size):
                sent.setdefault(int.from_bytes(each.body[at : at + 3], "little"), set()).add(each.type)
    assert sent == {int(row.address): types(row) for row in MAP.points(spec, {}) if row.access == "r"}


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_type_the_list_gives_a_command_is_taken_and_no_other(kind: str) -> None:
    spec = registry.device(kind)
    master = Master(Bench(1, spec))
    for row in MAP.points(spec, {}):
        if row.access != "w":
            continue
        for asked in sorted(COMMANDS.keys() & ELEMENT_OCTETS.keys()):
            element = {45: b"\x81", 46: b"\x82", 50: float_element(0.0, 0x80)}[COMMANDS[asked]]
            tag = time_tag(START_S) if asked in TAGGED_COMMANDS else b""
            (answer,) = master.ask(asked, ACT, 1, int(row.address), element + tag)
            known = answer.cause == Cause.ACTIVATION_CON
            assert known == (asked in types(row)), row
            assert known or answer.cause == Cause.UNKNOWN_OBJECT
            if known and not answer.negative:
                master.ask(asked, Cause.DEACTIVATION, 1, int(row.address), element + tag)
