"""Phases lost, sags and swells, islands, taps: the voltages at once, and what devices make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

STREETS = """\
name: streets
title: A street of two transformers
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
start: 2026-06-21T11:00:00
feeders:
  east: {transformers: 2, branches: 2}
  west: {resistance_ohm: 0.05, reactance_ohm: 0.03}
groups:
  homes: {kind: smart_meter, count: 16, feeder: east, endpoints: []}
  sun: {kind: pv_generator, count: 4, feeder: west, endpoints: []}
"""
DT_S = 0.5
OPEN_V = 230.0


@pytest.fixture
def streets(tmp_path: Path) -> Farm:
    (tmp_path / "streets.yaml").write_text(STREETS, encoding="utf-8")
    made = Farm(load(str(tmp_path / "streets.yaml")))
    run(made, 4)
    return made


Street = Callable[..., Farm]


@pytest.fixture
def street(make_layout: Callable[..., SiteLayout]) -> Street:
    """A few devices of one kind on a stiff feeder."""

    def make(kind: str, more: str = "") -> Farm:
        made = Farm(make_layout(f"  them: {{kind: {kind}, count: 3, feeder: east, endpoints: [], {more}}}\n"))
        run(made, 20)
        return made

    return make


def run(farm: Farm, steps: int, dt_s: float = DT_S) -> None:
    for _ in range(steps):
        farm.step(dt_s)


def voltages(farm: Farm, group: str = "them") -> Any:
    return np.array([farm.groups[group].columns[f"voltage_l{phase}_v"] for phase in (1, 2, 3)])


def powers(farm: Farm, group: str = "them") -> Any:
    return np.array([farm.groups[group].columns[f"active_power_l{phase}_w"] for phase in (1, 2, 3)])


# ------------------------------------------------------------------------------------ at once


@pytest.mark.parametrize("feeder", ["east", "west"])
@pytest.mark.parametrize(
    ("kind", "parameters", "factors"),
    [
        ("phase-loss", {"phases": "l1"}, (0.0, 1.0, 1.0)),
        ("phase-loss", {"phases": "l2-l3"}, (1.0, 0.0, 0.0)),
        ("phase-loss", {"phases": "l3-l1"}, (0.0, 1.0, 0.0)),
        ("voltage-sag", {"voltage_pu": 0.5}, (0.5, 0.5, 0.5)),
        ("voltage-sag", {"voltage_pu": 0.85, "phases": "l2"}, (1.0, 0.85, 1.0)),
        ("voltage-swell", {"voltage_pu": 1.12}, (1.12, 1.12, 1.12)),
        ("voltage-swell", {"voltage_pu": 1.2, "phases": "l1-l2"}, (1.2, 1.2, 1.0)),
    ],
)
def test_voltages_are_others_with_the_step_that_begins_it_and_back_with_the_step_that_ends_it(
    streets: Farm, feeder: str, kind: str, parameters: dict[str, Any], factors: tuple[float, ...]
) -> None:
    group, other = ("homes", "sun") if feeder == "east" else ("sun", "homes")
    before, elsewhere = voltages(streets, group), voltages(streets, other)
    fault = streets.faults.add(kind, {"feeder": feeder}, parameters=parameters)
    assert set(fault.hit) == {device.id for device in streets if device.id.startswith(group)}
    streets.step(DT_S)
    expected = before * np.array(factors)[:, None]
    assert np.abs(voltages(streets, group) - expected).max() < 2.5
    assert (voltages(streets, group)[np.array(factors) == 0.0] == 0.0).all()
    assert np.abs(voltages(streets, other) - elsewhere).max() < 0.5
    streets.faults.clear(fault.id)
    streets.step(DT_S)
    assert np.abs(voltages(streets, group) - before).max() < 2.5


def test_a_lost_phase_has_no_current_and_line_to_line_is_what_is_left(streets: Farm) -> None:
    streets.faults.add("phase-loss", {"feeder": "east"}, parameters={"phases": "l2"})
    run(streets, 3)
    columns = streets.groups["homes"].columns
    assert not columns["current_l2_a"].any()
    assert not columns["active_power_l2_w"].any()
    # Two phases to what is at 0 V, and the two to each other.
    assert columns["voltage_ll_v"] == pytest.approx(OPEN_V * (2.0 + 3.0**0.5) / 3.0, rel=0.01)


# --------------------------------------------------------------------------- which supplies


@pytest.mark.parametrize("kind", ["outage", "phase-loss", "islanding"])
@pytest.mark.parametrize("mode", ["feeder", "transformer", "branch"])
def test_it_takes_the_targets_own_supply_and_all_who_share_it(streets: Farm, kind: str, mode: str) -> None:
    network = streets.network
    own = network.supply_of(2, mode)
    share = [row for row in range(16) if network.supply_of(row, mode) == own]
    assert 0 < len(share) <= {"feeder": 16, "transformer": 15, "branch": 12}[mode]
    before = voltages(streets, "homes")
    fault = streets.faults.add(kind, {"device": "homes-003"}, mode=mode)
    assert set(fault.hit) == {f"homes-{row + 1:03}" for row in share}
    streets.step(DT_S)
    moved = np.abs(voltages(streets, "homes") - before).max(axis=0) > 20.0
    assert np.flatnonzero(moved).tolist() == share


@pytest.mark.parametrize(
    ("kind", "mode", "parameters"),
    [
        ("tap", None, {"steps": 1}),
        ("phase-loss", "transformer", {}),
        ("phase-loss", "branch", {}),
        ("outage", "transformer", {}),
        ("islanding", "branch", {}),
    ],
)
def test_a_feeder_that_is_an_impedance_has_neither_transformer_nor_branch(
    streets: Farm, kind: str, mode: str | None, parameters: dict[str, Any]
) -> None:
    fault = streets.faults.add(kind, {"device": ["sun-001", "homes-001"]}, mode=mode, parameters=parameters)
    assert fault.missed == ("sun-001",)
    with pytest.raises(ConfigError, match="no device of the target can have this fault"):
        streets.faults.add(kind, {"feeder": "west"}, mode=mode, parameters=parameters)


@pytest.mark.parametrize(
    ("kind", "parameters", "where"),
    [
        ("phase-loss", {"phases": "all"}, "phases"),
        ("phase-loss", {"phases": "l4"}, "phases"),
        ("voltage-sag", {}, "voltage_pu"),
        ("voltage-sag", {"voltage_pu": 1.0}, "voltage_pu"),
        ("voltage-sag", {"voltage_pu": -0.1}, "voltage_pu"),
        ("voltage-swell", {"voltage_pu": 1.0}, "voltage_pu"),
        ("voltage-swell", {"voltage_pu": 2.1}, "voltage_pu"),
        ("islanding", {"carried_s": -1.0}, "carried_s"),
        ("islanding", {"carried_s": float("inf")}, "carried_s"),
        ("tap", {"steps": 17}, "steps"),
        ("tap", {"steps": 1, "step_frac": 0.0}, "step_frac"),
        ("weak-grid", {"factor": 1.0}, "factor"),
        ("weak-grid", {"factor": float("nan")}, "factor"),
        ("frequency-offset", {"offset_hz": 6.0}, "offset_hz"),
        ("outage", {"phases": "l1"}, "phases"),
    ],
)
def test_a_disturbance_that_makes_no_sense_is_refused(
    streets: Farm, kind: str, parameters: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        streets.faults.add(kind, parameters=parameters)
    assert [problem.where for problem in refused.value.problems] == [f"parameters.{where}"]


# ---------------------------------------------------------------------- devices and lost phases


@pytest.mark.parametrize("lost", ["l1", "l2", "l3"])
def test_a_customer_of_one_phase_is_dark_with_it_and_only_with_it(street: Street, lost: str) -> None:
    farm = street("smart_meter", "ratings: {phases: 1, phase: 1}")
    before = powers(farm)
    farm.faults.add("phase-loss", {"feeder": "east"}, parameters={"phases": lost})
    run(farm, 2)
    columns = farm.groups["them"].columns
    if lost == "l2":
        assert columns["power_failure_alarm"].all()
        assert not columns["running"].any()
        assert not columns["active_power_w"].any()
    else:
        assert not columns["power_failure_alarm"].any()
        assert np.array_equal(powers(farm), before)


@pytest.mark.parametrize("kind", ["smart_meter", "prosumer"])
def test_a_home_of_three_phases_draws_on_those_it_has_left(street: Street, kind: str) -> None:
    farm = street(kind)
    farm.faults.add("phase-loss", {"feeder": "east"}, parameters={"phases": "l3"})
    run(farm, 3)
    columns = farm.groups["them"].columns
    assert columns["running"].all()
    assert not powers(farm)[2].any()
    assert (powers(farm)[:2] != 0.0).any(axis=0).all()
    total = columns["active_power_l1_w"] + columns["active_power_l2_w"]
    assert columns["active_power_w"] == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize(("kind", "trips"), [("pv_generator", True), ("battery", True), ("ev_charger", False)])
def test_a_device_of_three_phases_needs_them_all(street: Street, kind: str, trips: bool) -> None:
    """What can deliver is off the grid by its protection, and waits before it comes back; a charger stands still."""
    farm = street(kind)
    fault = farm.faults.add("phase-loss", {"feeder": "east"}, parameters={"phases": "l2"})
    run(farm, 2)
    columns = farm.groups["them"].columns
    assert not powers(farm).any()
    assert not columns["running"].any()
    assert columns["fault_trip"].all() == trips
    farm.faults.clear(fault.id)
    run(farm, 2)
    assert farm.groups["them"].columns["running"].all() != trips
    run(farm, 130)
    assert farm.groups["them"].columns["running"].all()


# ------------------------------------------------------------------------- sags and protection


@pytest.mark.parametrize(
    ("code", "voltage_pu", "trips_after_s"),
    [
        # EN 50549-1 as profiles/grid_codes has it: 0.80 for 3 s, 0.45 for 0.3 s; 1.25 for 0.1 s
        ("en-50549-1", 0.85, None),
        ("en-50549-1", 0.6, 3.0),
        ("en-50549-1", 0.3, 0.5),
        ("en-50549-1", 1.2, None),
        ("en-50549-1", 1.3, 0.5),
        # IEEE 1547-2018, category B, table 12: 0.70 for 10 s, 0.45 for 0.16 s; 1.10 for 2 s, 1.20 for 0.16 s
        ("ieee-1547-2018-b", 0.6, 10.0),
        ("ieee-1547-2018-b", 0.3, 0.5),
        ("ieee-1547-2018-b", 1.15, 2.0),
        ("ieee-1547-2018-b", 1.25, 0.5),
    ],
)
def test_inverters_ride_through_a_sag_or_swell_as_long_as_their_grid_code_says(
    street: Street, code: str, voltage_pu: float, trips_after_s: float | None
) -> None:
    farm = street("battery", f"ratings: {{grid_code: {code}}}")
    farm.faults.add("voltage-sag" if voltage_pu < 1.0 else "voltage-swell", parameters={"voltage_pu": voltage_pu})
    trips_s = None
    for step in range(1, 25):
        farm.step(DT_S)
        if trips_s is None and farm.groups["them"].columns["fault_trip"].all():
            trips_s = step * DT_S
    assert trips_s == trips_after_s


@pytest.mark.parametrize(
    ("voltage_pu", "share"), [(0.9, 1.0), (0.7, 1.0), (0.5, (0.5 / 0.7) ** 2), (0.25, (0.25 / 0.7) ** 2), (0.15, 0.0)]
)
def test_loads_hold_their_power_in_a_shallow_sag_and_are_impedances_in_a_deep_one(
    street: Street, voltage_pu: float, share: float
) -> None:
    farm = street("smart_meter")
    before = powers(farm)
    farm.faults.add("voltage-sag", parameters={"voltage_pu": voltage_pu})
    run(farm, 6)
    assert powers(farm) == pytest.approx(before * share, rel=0.06)


# --------------------------------------------------------------------------------- islands


def test_without_generation_an_island_is_dark_at_once(streets: Farm) -> None:
    streets.faults.add("islanding", {"feeder": "east"})
    streets.step(DT_S)
    assert not voltages(streets, "homes").any()
    assert not streets.network.feeder("east").energised
    assert voltages(streets, "sun").all()


BALANCED = """\
  homes: {kind: smart_meter, count: 30, feeder: east, endpoints: []}
  them:
    kind: battery
    count: 1
    feeder: east
    endpoints: []
    ratings: {rated_power_w: 1e5, rated_charge_power_w: 1e5, rated_energy_wh: 4e5}
"""


@pytest.mark.parametrize(
    ("over", "carried_s", "held_s"),
    [
        (1.0, 2.0, 2.0),
        (0.9, 0.5, 0.5),
        (1.1, 0.0, 0.0),
        (1.0, 30.0, 6.0),
        (0.5, 2.0, 2.0),
        (0.1, 2.0, 0.5),
        (2.0, 2.0, 0.5),
    ],
)
def test_an_island_stands_where_its_generation_puts_it_until_anti_islanding_or_protection_acts(
    make_layout: Callable[..., SiteLayout], over: float, carried_s: float, held_s: float
) -> None:
    farm = Farm(make_layout(BALANCED))
    run(farm, 2)
    drawn_w = -farm.groups["homes"].columns["active_power_w"].sum()
    farm.device("them-001").submit(
        {"active_power_setpoint_w": over * drawn_w, "active_power_setpoint_enabled": 1.0}, "test", "here", 0.0
    )
    run(farm, 40)
    drawn_w = -farm.groups["homes"].columns["active_power_w"].sum()
    delivered_w = farm.groups["them"].columns["active_power_w"].sum()
    before = voltages(farm)
    fault = farm.faults.add("islanding", {"feeder": "east"}, parameters={"carried_s": carried_s})
    stood = []
    for _ in range(12):
        farm.step(DT_S)
        stood.append(voltages(farm))
    held = [each for each in stood if each.any()]
    assert len(held) * DT_S == held_s
    for each in held:
        assert each == pytest.approx(before * min((delivered_w / drawn_w) ** 0.5, 1.3), rel=1e-6)
    farm.faults.clear(fault.id)
    run(farm, 2)
    assert (voltages(farm) > 200.0).all()


def test_an_outage_within_an_island_is_dark(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout("  them: {kind: pv_generator, count: 3, feeder: east, endpoints: []}\n"))
    run(farm, 20)
    farm.faults.add("islanding", {"feeder": "east"}, parameters={"carried_s": 60.0})
    before = voltages(farm)
    farm.step(DT_S)
    assert voltages(farm) == pytest.approx(1.3 * before), "nobody draws, so it is as high as it can be"
    farm.faults.add("outage", {"feeder": "east"})
    farm.step(DT_S)
    assert not voltages(farm).any()


def test_a_branch_that_opens_within_an_island_is_dark_and_the_rest_stands_as_long_as_it_would_have(
    tmp_path: Path,
) -> None:
    street = STREETS.replace("count: 4, feeder: west", "count: 12, feeder: east")
    (tmp_path / "street.yaml").write_text(street, encoding="utf-8")
    farm = Farm(load(str(tmp_path / "street.yaml")))
    run(farm, 20)
    branch = farm.network.supply_of(0, "branch")
    behind = np.array([farm.network.supply_of(row, "branch") == branch for row in range(16)])
    farm.faults.add("islanding", {"feeder": "east"}, parameters={"carried_s": 2.0})
    farm.step(DT_S)
    island = voltages(farm, "homes")
    assert island.all()
    farm.faults.add("outage", {"device": "homes-001"}, mode="branch")
    for _ in range(3):
        farm.step(DT_S)
        assert np.array_equal(voltages(farm, "homes"), island * ~behind)
    farm.step(DT_S)
    assert not voltages(farm, "homes").any()


# ------------------------------------------------------------------------------------- taps


def test_taps_add_up_and_one_transformer_moves_alone(streets: Farm) -> None:
    before = voltages(streets, "homes")
    own = streets.network.supply_of(0, "transformer")
    behind = np.array([streets.network.supply_of(row, "transformer") == own for row in range(16)])
    streets.faults.add("tap", {"device": "homes-001"}, parameters={"steps": 3})
    streets.faults.add("tap", {"device": "homes-001"}, parameters={"steps": -2, "step_frac": 0.015})
    run(streets, 2)
    moved = voltages(streets, "homes") / before
    assert moved[:, behind] == pytest.approx(1.0 / (1.0 - 0.045), rel=2e-3)
    assert moved[:, ~behind] == pytest.approx(1.0, rel=2e-3)


def test_a_weak_grid_lets_voltages_fall_by_as_much_more(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout("  them: {kind: smart_meter, count: 9, feeder: east, endpoints: []}\n"))
    run(farm, 2)
    drop = OPEN_V - voltages(farm)
    farm.faults.add("weak-grid", parameters={"factor": 4.0})
    run(farm, 2)
    assert OPEN_V - voltages(farm) == pytest.approx(4.0 * drop, rel=0.05)


def test_a_frequency_offset_is_a_step_that_stays_and_offsets_add_up(farm: Farm) -> None:
    def frequency_hz() -> float:
        return float(farm.groups["meters"].columns["frequency_hz"][0])

    before = frequency_hz()
    for offset_hz in (-0.3, 0.1):
        farm.faults.add("frequency-offset", parameters={"offset_hz": offset_hz})
    for _ in range(20):
        farm.step(1.0)
        assert frequency_hz() == pytest.approx(before - 0.2, abs=0.05)
    farm.faults.clear_all()
    farm.step(1.0)
    assert frequency_hz() == pytest.approx(before, abs=0.05)


def test_many_taps_come_to_the_end_of_the_changer(streets: Farm) -> None:
    for _ in range(4):
        streets.faults.add("tap", {"feeder": "east"}, parameters={"steps": 16, "step_frac": 0.03})
    run(streets, 2)
    assert voltages(streets, "homes") == pytest.approx(2.0 * OPEN_V, rel=0.01)


@pytest.mark.parametrize("phases", ["l1-l2", "l2-l3", "l3-l1"])
def test_two_fuses_at_the_medium_voltage_leave_nothing(streets: Farm, phases: str) -> None:
    streets.faults.add("phase-loss", {"device": "homes-001"}, mode="transformer", parameters={"phases": phases})
    streets.step(DT_S)
    assert voltages(streets, "homes")[:, 0].tolist() == [0.0, 0.0, 0.0]


def test_one_fuse_at_the_medium_voltage_leaves_one_phase_and_shares_it_between_the_two_others(streets: Farm) -> None:
    streets.faults.add("phase-loss", {"feeder": "east"}, mode="transformer", parameters={"phases": "l1"})
    for _ in range(20):
        streets.step(DT_S)
        a, b, c = voltages(streets, "homes")
        assert b == pytest.approx(OPEN_V, rel=0.02)
        assert a + c == pytest.approx(OPEN_V, rel=0.02)
        # Two in phase on what is left: nothing but their difference between them.
        line_to_line = (2.0 * b + a + c + np.abs(a - c)) / 3.0
        assert streets.groups["homes"].columns["voltage_ll_v"] == pytest.approx(line_to_line, rel=0.01)
