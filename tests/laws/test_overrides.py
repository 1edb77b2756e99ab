"""Weather and load that are others for a time: who has them, what they come to, and that nothing is left of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from small_site import SITE

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import Override
from pilotfarm.emulators.contracts.override import CHANGEABLE
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.world import AIR
from pilotfarm.emulators.faults.overrides import LOAD, WEATHER
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

EVERY_KIND = "".join(
    f"  {kind}: {{kind: {kind}, count: 2, feeder: east, endpoints: []}}\n" for kind in registry.DEVICES
)
SUNNY = "  sunny: {kind: smart_meter, count: 2, feeder: west, ratings: {pv_power_w: 5000}, endpoints: []}\n"
PV, BATTERY, HOME = {"pv_generator"}, {"battery"}, {"prosumer"}
WHO: dict[str, tuple[str, dict[str, float], set[str]]] = {
    "irradiance_factor": ("weather", {"irradiance_factor": 0.4}, PV | HOME | {"sunny"}),
    "irradiance_w_per_m2": ("weather", {"irradiance_w_per_m2": 200.0}, PV | HOME | {"sunny"}),
    "temperature_rise_k": ("weather", {"temperature_rise_k": 9.0}, PV | HOME | BATTERY),
    "temperature_degc": ("weather", {"temperature_degc": 30.0}, PV | HOME | BATTERY),
    "wind_speed_m_per_s": ("weather", {"wind_speed_m_per_s": 25.0}, PV | HOME),
    "wind_direction_deg": ("weather", {"wind_direction_deg": 12.5}, PV),
    "humidity_frac": ("weather", {"humidity_frac": 0.99}, PV),
    "pressure_pa": ("weather", {"pressure_pa": 88_000.0}, PV),
    "rain_mm_per_h": ("weather", {"rain_mm_per_h": 30.0}, PV),
    "factor": ("load", {"factor": 2.0}, HOME | {"smart_meter", "sunny"}),
    "added_w": ("load", {"added_w": 700.0}, HOME | {"smart_meter", "sunny"}),
    "power_w": ("load", {"power_w": 700.0}, HOME | {"smart_meter", "sunny"}),
}
"""By parameter, an override and the groups to which it matters."""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> SiteLayout:
    """Two devices of every kind, at noon, and two meters with PV."""
    path = tmp_path_factory.mktemp("site") / "small.yaml"
    path.write_text(SITE.format(seed=1, groups=EVERY_KIND + SUNNY), encoding="utf-8")
    return load(str(path))


@pytest.fixture(scope="module")
def spared(layout: SiteLayout) -> Farm:
    """One that has none of this, after three steps."""
    farm = Farm(layout)
    run(farm, 3)
    return farm


def shown(farm: Farm, device: str) -> dict[str, float]:
    found = farm.device(device)
    return {q.name: found.true_value(q.name) for q in found.group.spec.quantities}


def run(farm: Farm, steps: int = 1, dt_s: float = 1.0) -> None:
    for _ in range(steps):
        farm.step(dt_s)


def test_every_parameter_has_a_case() -> None:
    parameters = {*WEATHER.parameters.model_fields, *LOAD.parameters.model_fields} - {"from_deg"}
    assert set(WHO) == parameters
    assert {*AIR, "irradiance", "load"} == set(CHANGEABLE)
    assert set(AIR.values()) < {field.name for field in fields(Surroundings)}


@pytest.mark.parametrize("case", WHO)
def test_who_feels_it_is_hit_and_moves_and_nobody_else(case: str, layout: SiteLayout, spared: Farm) -> None:
    kind, parameters, who = WHO[case]
    struck = Farm(layout)
    run(struck, 2)
    fault = struck.faults.add(kind, {"device": "*-001"}, parameters=parameters)
    assert set(fault.hit) == {f"{group}-001" for group in who}
    assert set(fault.missed) == {f"{group}-001" for group in struck.groups.keys() - who}
    run(struck)
    moved = {name for name in struck.population.devices if shown(struck, name) != shown(spared, name)}
    assert moved == set(fault.hit)


def test_one_that_waits_changes_no_column_and_one_that_is_over_leaves_the_weather_and_the_load_as_they_were(
    layout: SiteLayout,
) -> None:
    struck, spared = Farm(layout), Farm(layout)
    for kind, parameters, _ in WHO.values():
        struck.faults.add(kind, parameters=parameters, start_s=1e6)
    for farm in (struck, spared):
        run(farm, 3)
    assert struck.world.changes == {}
    for name, group in struck.groups.items():
        assert all(np.array_equal(column, spared.groups[name].columns[key]) for key, column in group.columns.items())
    for kind, parameters, _ in WHO.values():
        struck.faults.add(kind, {"device": "*-002"}, parameters=parameters, duration_s=2.0)
    for farm in (struck, spared):
        run(farm, 2)
    assert set(struck.world.changes) == set(CHANGEABLE)
    for farm in (struck, spared):
        run(farm, 2)
    assert struck.world.changes == {}
    station = [q.name for q in struck.groups["pv_generator"].spec.quantities if q.name.endswith(tuple(AIR.values()))]
    station = ["irradiance_horizontal_w_per_m2", "outside_temperature_degc", *station]
    assert len(station) == 7
    places = [("pv_generator", name) for name in station]
    places += [("smart_meter", "active_power_w"), ("smart_meter", "reactive_power_var")]
    for group_name, name in places:
        one, other = (farm.groups[group_name].columns[name] for farm in (struck, spared))
        assert one.tolist() == other.tolist(), name


# ------------------------------------------------------------------------------------------ what it comes to


def of(farm: Farm, device: str, name: str) -> float:
    return farm.device(device).true_value(name)


def test_light_is_a_share_or_a_value_and_power_follows(layout: SiteLayout) -> None:
    struck, spared = Farm(layout), Farm(layout)
    struck.faults.add("weather", {"device": "pv_generator-001"}, parameters={"irradiance_factor": 0.25})
    struck.faults.add("weather", {"device": "pv_generator-002"}, parameters={"irradiance_w_per_m2": 321.0})
    struck.faults.add("weather", {"device": "sunny-001"}, parameters={"irradiance_w_per_m2": 0.0})
    for farm in (struck, spared):
        run(farm, 3, 20.0)
    light = "irradiance_horizontal_w_per_m2"
    assert of(struck, "pv_generator-001", light) == pytest.approx(0.25 * of(spared, "pv_generator-001", light))
    assert of(struck, "pv_generator-002", light) == pytest.approx(321.0)
    share = of(struck, "pv_generator-001", "active_power_w") / of(spared, "pv_generator-001", "active_power_w")
    assert 0.15 < share < 0.35
    assert of(struck, "sunny-001", "active_power_w") < 0.0 < of(spared, "sunny-001", "active_power_w")


def test_light_that_is_less_is_more_diffuse(layout: SiteLayout) -> None:
    farm = Farm(layout)
    for device, light in (("pv_generator-001", 700.0), ("pv_generator-002", 150.0)):
        farm.faults.add("weather", {"device": device}, parameters={"irradiance_w_per_m2": light})
    run(farm)
    seen = farm.world.at(farm.time_s, 1.0, farm.network.mains)((slice(0, len(farm.population)),))
    ((_, rows),) = [each for each in farm.population.placed() if each[0].name == "pv_generator"]
    ghi, dhi = (np.asarray(each)[rows] for each in (seen.ghi_w_per_m2, seen.dhi_w_per_m2))
    assert ghi.tolist() == [700.0, 150.0]
    assert dhi[0] / ghi[0] < 0.5 < 0.9 < dhi[1] / ghi[1]


def test_air_is_warmer_than_it_would_be_or_a_value_and_never_beyond_its_bounds(layout: SiteLayout) -> None:
    struck, spared = Farm(layout), Farm(layout)
    struck.faults.add("weather", {"device": "pv_generator-001"}, parameters={"temperature_rise_k": 7.5})
    struck.faults.add("weather", {"device": "pv_generator-002"}, parameters={"temperature_degc": -12.0})
    struck.faults.add("weather", {"device": "prosumer-001"}, parameters={"temperature_rise_k": 50.0})
    struck.faults.add("weather", {"device": "prosumer-001"}, parameters={"temperature_rise_k": 50.0})
    for farm in (struck, spared):
        run(farm)
    air = "outside_temperature_degc"
    assert of(struck, "pv_generator-001", air) == pytest.approx(of(spared, "pv_generator-001", air) + 7.5)
    assert of(struck, "pv_generator-002", air) == -12.0
    assert of(struck, "prosumer-001", air) == CHANGEABLE["temperature"][1]
    assert of(struck, "prosumer-002", air) == of(spared, "prosumer-002", air)


def test_a_heat_pump_draws_more_in_the_cold(make_layout: Callable[..., SiteLayout]) -> None:
    site = make_layout("  homes: {kind: prosumer, count: 4, feeder: east, ratings: {home_heating: heat-pump}}\n")
    struck, spared = Farm(site), Farm(site)
    struck.faults.add("weather", parameters={"temperature_degc": -15.0})
    for farm in (struck, spared):
        run(farm, 16, 900.0)
    drawn = [farm.groups["homes"].columns["home_energy_imported_wh"].sum() for farm in (struck, spared)]
    assert drawn[0] > 1.5 * drawn[1]


LOADS: tuple[tuple[dict[str, float], Callable[[float], float]], ...] = (
    ({"factor": 3.0}, lambda before: 3.0 * before),
    ({"factor": 0.0}, lambda before: 0.0),
    ({"added_w": 500.0}, lambda before: before + 500.0),
    ({"added_w": -50.0}, lambda before: before - 50.0),
    ({"factor": 2.0, "added_w": 100.0}, lambda before: 2.0 * before + 100.0),
    ({"power_w": 1234.0}, lambda before: 1234.0),
    ({"power_w": 1000.0, "factor": 2.0, "added_w": 5.0}, lambda before: 2005.0),
    ({"power_w": -300.0}, lambda before: -300.0),
    ({"factor": 100.0, "added_w": 1e6}, lambda before: 3 * 230.0 * 63.0),
    ({"added_w": -1e6}, lambda before: -3 * 230.0 * 63.0),
)


def test_a_load_is_times_and_plus_what_it_would_be_within_the_fuse(make_layout: Callable[..., SiteLayout]) -> None:
    layout = make_layout(f"  meters: {{kind: smart_meter, count: {len(LOADS)}, feeder: east, endpoints: []}}\n")
    struck, spared = Farm(layout), Farm(layout)
    for device, (parameters, _) in zip(struck.population.devices, LOADS, strict=True):
        struck.faults.add("load", {"device": device}, parameters=parameters)
    for farm in (struck, spared):
        run(farm)
    for device, (parameters, expected) in zip(struck.population.devices, LOADS, strict=True):
        drawn = -of(struck, device, "active_power_w")
        assert drawn == pytest.approx(expected(-of(spared, device, "active_power_w")), abs=1e-6), parameters
        phases = sum(of(struck, device, f"active_power_l{n}_w") for n in (1, 2, 3))
        assert phases == pytest.approx(-drawn, abs=1e-6)


def test_a_load_times_a_factor_stays_on_its_phases_and_takes_its_vars_along(layout: SiteLayout) -> None:
    struck, spared = Farm(layout), Farm(layout)
    struck.faults.add("load", {"device": "smart_meter-001"}, parameters={"factor": 2.0})
    for farm in (struck, spared):
        run(farm)
    for name in ("active_power_l1_w", "active_power_l2_w", "active_power_l3_w", "reactive_power_var"):
        assert of(struck, "smart_meter-001", name) == pytest.approx(2.0 * of(spared, "smart_meter-001", name))


def test_where_two_meet_factors_multiply_and_the_last_value_holds_until_it_is_over(layout: SiteLayout) -> None:
    farm, spared = Farm(layout), Farm(layout)
    add = farm.faults.add
    meter = {"device": "smart_meter-001"}
    add("load", meter, parameters={"power_w": 400.0})
    last = add("load", meter, parameters={"power_w": 600.0, "factor": 2.0, "added_w": 10.0})
    add("load", meter, parameters={"factor": 0.5, "added_w": 20.0})
    run(farm)
    assert -of(farm, "smart_meter-001", "active_power_w") == pytest.approx(630.0)
    farm.faults.clear(last.id)
    run(farm)
    assert -of(farm, "smart_meter-001", "active_power_w") == pytest.approx(220.0)
    farm.faults.clear_all()
    run(farm)
    run(spared, 3)
    assert of(farm, "smart_meter-001", "active_power_w") == of(spared, "smart_meter-001", "active_power_w")


# ------------------------------------------------------------------------------------------ fronts


MANY = "  roofs: {kind: pv_generator, count: 40, feeder: east, endpoints: []}\n"


def under(farm: Farm) -> set[int]:
    change = farm.world.changes.get("rain")
    return set() if change is None else set(np.flatnonzero(change.where).tolist())


@pytest.mark.parametrize("from_deg", [90.0, 200.0])
def test_a_front_takes_devices_by_where_they_stand_and_leaves_each_after_its_time(
    from_deg: float, make_layout: Callable[..., SiteLayout]
) -> None:
    farm = Farm(make_layout(MANY))
    east, north = farm.population.stand("roofs")
    ahead = east * np.sin(np.radians(from_deg)) + north * np.cos(np.radians(from_deg))
    farm.faults.add(
        "weather", parameters={"rain_mm_per_h": 5.0, "from_deg": from_deg}, ramp_s=40.0, spread_s=40.0, duration_s=20.0
    )
    began: dict[int, int] = {}
    ended: dict[int, int] = {}
    for second in range(70):
        farm.step(1.0)
        now = under(farm)
        began |= dict.fromkeys(now - began.keys(), second)
        ended |= dict.fromkeys(began.keys() - now - ended.keys(), second)
    assert len(began) == len(ended) == 40
    assert (min(began.values()), max(began.values())) == (0, 40)
    met = [began[row] for row in np.argsort(-ahead).tolist()]
    assert met == sorted(met)
    assert {ended[row] - began[row] for row in began} <= {19, 20, 21}
    assert farm.world.changes == {}


def test_without_a_bearing_the_seed_draws_the_order(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(MANY))
    farm.faults.add("weather", parameters={"rain_mm_per_h": 5.0}, ramp_s=40.0)
    run(farm, 21)
    half = under(farm)
    east, north = farm.population.stand("roofs")
    assert 10 < len(half) < 30
    for deg in range(0, 360, 15):
        ahead = east * np.sin(np.radians(deg)) + north * np.cos(np.radians(deg))
        assert half != set(np.argsort(-ahead)[: len(half)].tolist())
    run(farm, 20)
    assert len(under(farm)) == 40


def test_the_clouds_of_the_model_cross_the_same_ground(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(MANY))
    ground = farm.world._ground
    assert all(np.array_equal(one, other) for one, other in zip(ground, farm.population.stand("roofs"), strict=True))


# ------------------------------------------------------------------------------------------ what cannot be


NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "request_", "said"),
    [
        ("weather", {"parameters": {"irradiance_factor": -0.1}}, "parameters.irradiance_factor: must be at least 0"),
        ("weather", {"parameters": {"irradiance_factor": NAN}}, "must be a finite number"),
        ("weather", {"parameters": {"irradiance_w_per_m2": -1.0}}, "must be at least 0"),
        ("weather", {"parameters": {"temperature_degc": -300.0}}, "parameters.temperature_degc: must be at least -70"),
        ("weather", {"parameters": {"temperature_rise_k": NAN}}, "must be a finite number"),
        ("weather", {"parameters": {"humidity_frac": 1.1}}, "must be at most 1"),
        ("weather", {"parameters": {}}, "needs something that is other than usual"),
        ("weather", {"parameters": {"irradiance_factor": 1.0, "temperature_rise_k": 0.0}}, "is other than usual"),
        ("weather", {"parameters": {"from_deg": 90.0}, "ramp_s": 5.0}, "needs something that is other than usual"),
        (
            "weather",
            {"parameters": {"irradiance_factor": 0.5, "irradiance_w_per_m2": 5.0}},
            "irradiance_factor does not go with irradiance_w_per_m2",
        ),
        ("weather", {"parameters": {"temperature_rise_k": 5.0, "temperature_degc": 5.0}}, "does not go with"),
        ("weather", {"parameters": {"rain_mm_per_h": 5.0, "from_deg": 90.0}}, "parameters.from_deg: needs a ramp_s"),
        ("weather", {"parameters": {"iradiance_factor": 0.5}}, "did you mean irradiance_factor"),
        (
            "weather",
            {"target": {"kind": "ev_charger"}, "parameters": {"rain_mm_per_h": 5.0}},
            "no device of the target",
        ),
        ("load", {"parameters": {}}, "needs a factor other than 1"),
        ("load", {"parameters": {"factor": -1.0}}, "must be at least 0"),
        ("load", {"parameters": {"added_w": NAN}}, "must be a finite number"),
        (
            "load",
            {"target": {"kind": ["battery", "ev_charger"]}, "parameters": {"factor": 2.0}},
            "no device of the target",
        ),
        ("load", {"target": {"quantity": "active_power_w"}, "parameters": {"factor": 2.0}}, "grips whole devices"),
        ("load", {"parameters": {"factor": 2.0}, "count": 3}, "does not act on single messages"),
        ("load", {"parameters": {"factor": 2.0}, "mode": "loud"}, "has no modes"),
        ("medium", {"parameters": {"to": "gpsr"}}, "did you mean gprs"),
        ("medium", {"parameters": {}}, "parameters.to: is missing"),
        (
            "medium",
            {"parameters": {"to": "gprs"}},
            "no way of this site has a medium; those of a built-in one hold",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(kind: str, request_: dict[str, Any], said: str, spared: Farm) -> None:
    with pytest.raises(ConfigError) as refused:
        spared.faults.add(kind, **request_)
    assert said in str(refused.value)
    assert list(spared.faults) == []


def test_the_example_of_each_is_taken_by_every_kind_it_matters_to(layout: SiteLayout) -> None:
    farm = Farm(layout)
    for spec in map(registry.fault, registry.FAULTS):
        if isinstance(spec, Override):
            assert farm.faults.add(spec.kind, parameters=spec.example, ramp_s=5.0, spread_s=5.0, duration_s=5.0).hit
    run(farm, 4, 5.0)
    assert {fault.state for fault in farm.faults} == {"ended"}
