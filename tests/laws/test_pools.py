"""Devices stepped together, wherever they stand, move as they would by themselves: to the bit, but for a 0's sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from world import HOUR_S, devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns, Floats, canonical, everything, nothing
from pilotfarm.emulators.columns.views import SiteRows, at_rows, of_resource, without_resources
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.farm.pools import Pools
from pilotfarm.emulators.quantities import Role

LIGHT = ("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2")
KINDS = list(registry.DEVICES)
COMPOUND = [kind for kind in KINDS if registry.device(kind).resources]
STEPS_S = (1.0, 60.0, 0.1, 900.0)

# Out of order and several of a kind, so that blocks of a pool stand neither side by side nor in the site's order.
SITE = {
    "roofs": ("pv_generator", 5, {"grid_code": 2.0, "share_2": 0.4}),
    "street": ("prosumer", 4, {}),
    "park": ("ev_charger", 6, {"site_type": 1.0}),
    "store": ("battery", 3, {"chemistry": 1.0}),
    "meters": ("smart_meter", 7, {}),
    "village": ("prosumer", 2, {"storage_chemistry": 1.0, "ev_v2g_power_w": 7_000.0}),
    "yard": ("battery", 4, {"sesp_timeout_s": 20.0}),
}


def site() -> dict[str, tuple[DeviceSpec, Columns]]:
    specs = {name: registry.device(kind) for name, (kind, _, _) in SITE.items()}
    return {
        name: (specs[name], devices(specs[name], n, seed=seed, **ratings))
        for seed, (name, (_, n, ratings)) in enumerate(SITE.items())
    }


def world(time_s: float) -> Surroundings:
    """Surroundings that differ from device to device."""
    n = sum(count for _, count, _ in SITE.values())
    spread = np.linspace(0.5, 1.0, n)
    common = surroundings(n, time_s, voltage_v=230.0 * (0.9 + 0.2 * np.vstack([spread, spread[::-1], spread**2])))
    return replace(common, **{name: getattr(common, name) * spread for name in LIGHT})


def cut(whole: Surroundings, rows: SiteRows) -> Surroundings:
    return replace(whole, mains=whole.mains.at(rows), **{name: at_rows(getattr(whole, name), rows) for name in LIGHT})


def rows_in_site() -> dict[str, SiteRows]:
    ends = np.cumsum([n for _, n, _ in SITE.values()]).tolist()
    return {name: (slice(end - n, end),) for end, (name, (_, n, _)) in zip(ends, SITE.items(), strict=True)}


WRITTEN = {
    "street": {"active_power_setpoint_w": -2_500.0, "active_power_setpoint_enabled": 1.0, "storage_soc_max_frac": 0.8},
    "village": {"pv_active_power_limit_frac": 0.3, "pv_active_power_limit_enabled": 1.0, "ev_stop": 1.0},
    "store": {"reactive_power_setpoint_var": 800.0, "reactive_power_setpoint_enabled": 1.0},
    "yard": {"active_power_setpoint_w": 1_000.0, "active_power_setpoint_enabled": 1.0},
    "park": {"current_limit_a": 7.0},
}


@pytest.mark.parametrize("dt_s", STEPS_S)
def test_together_is_as_alone(dt_s: float) -> None:
    alone, pools, places = site(), Pools(site()), rows_in_site()
    for k in range(1, 21):
        now = world(11.5 * HOUR_S + k * dt_s)
        if k in (3, 12):
            for name, values in WRITTEN.items():
                spec, columns = alone[name]
                alone[name] = spec, told(columns, **values)
                for row in range(len(columns["online"])):
                    for quantity, value in {**values, "sesp_heard": 1.0}.items():
                        pools.write(name, quantity, row, value)
            pools.show_written()
        whole = now
        pools.step(lambda rows, whole=whole: cut(whole, rows), dt_s)
        for name, (spec, columns) in alone.items():
            alone[name] = spec, spec.step(columns, cut(now, places[name]), dt_s)
            seen = pools.seen_by(name)
            assert set(seen) == set(alone[name][1])
            for quantity, column in alone[name][1].items():
                assert np.array_equal(seen[quantity], column, equal_nan=True), f"{name}: {quantity} in step {k}"


@pytest.mark.parametrize(("group", "name"), [("village", "ev_current_limit_a"), ("yard", "active_power_setpoint_w")])
def test_what_is_written_reaches_that_device_only(group: str, name: str) -> None:
    pools = Pools(site())
    before = {each: {quantity: column.copy() for quantity, column in pools.seen_by(each).items()} for each in SITE}
    pools.write(group, name, 1, 6.5)
    pools.show_written()
    for each in SITE:
        for quantity, column in pools.seen_by(each).items():
            moved = np.flatnonzero(column != before[each][quantity]).tolist()
            assert moved == ([1] if (each, quantity) == (group, name) else []), f"{each}: {quantity}"


def test_what_was_seen_before_a_write_or_a_step_stays_as_it_was() -> None:
    pools = Pools(site())
    seen = pools.seen_by("village")
    copies = {name: column.copy() for name, column in seen.items()}
    pools.write("village", "storage_soc_max_frac", 0, 0.61)
    pools.show_written()
    pools.step(lambda rows: cut(world(12.0 * HOUR_S), rows), 60.0)
    assert all(np.array_equal(seen[name], copies[name]) for name in copies)
    assert pools.seen_by("village")["storage_soc_max_frac"][0] == 0.61


def test_a_column_that_did_not_move_is_the_same_array_to_whoever_sees_it() -> None:
    pools = Pools(site())
    for k in range(1, 4):
        pools.step(lambda rows, k=k: cut(world(12.0 * HOUR_S + k), rows), 1.0)
    before = {name: pools.seen_by(name) for name in SITE}
    pools.step(lambda rows: cut(world(12.0 * HOUR_S + 4.0), rows), 1.0)
    for group, (kind, _, _) in SITE.items():
        after = pools.seen_by(group)
        for quantity in registry.device(kind).quantities:
            same = np.array_equal(before[group][quantity.name], after[quantity.name])
            if quantity.role not in (Role.MEASUREMENT, Role.TOTAL) and same:
                assert after[quantity.name] is before[group][quantity.name], f"{group}: {quantity.name}"


def test_what_is_the_same_for_all_is_the_one_array_that_says_so_at_first_and_once_it_is_taken_back() -> None:
    pools, names = Pools(site()), ("volt_var_enabled", "ev_volt_var_enabled", "storage_volt_var_enabled")
    for name in names:
        assert pools.seen_by("village")[name] is nothing(2)
    for value in (1.0, 0.0):
        for name in names:
            pools.write("village", name, 0, value)
        pools.show_written()
        seen = pools.seen_by("village")
        for name in names:
            assert seen[name].tolist() == [value, 0.0]
            assert (seen[name] is nothing(2)) == (value == 0.0)
    assert pools.seen_by("meters")["remote_enabled"] is everything(7)


@pytest.mark.parametrize(
    ("column", "same"), [([0.0], nothing(1)), ([1.0, 1.0], everything(2)), ([1.0, 0.0], None), ([2.0, 2.0], None)]
)
def test_a_column_that_says_the_same_as_one_of_the_two_is_that_one(column: list[float], same: Floats | None) -> None:
    own = np.array(column)
    assert canonical(own) is (own if same is None else same)
    assert not nothing(3).any()
    assert everything(3).all()
    for shared in (nothing(3), everything(3)):
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = 7.0


@pytest.mark.parametrize(("kind", "ratings"), [*((kind, {}) for kind in KINDS), ("smart_meter", {"pv_power_w": 5e3})])
def test_who_is_not_sunlit_does_not_look_at_the_light_and_who_is_does(kind: str, ratings: dict[str, float]) -> None:
    spec, here = registry.device(kind), surroundings(16, 12.0 * HOUR_S)
    columns, dark = devices(spec, **ratings), replace(here, **dict.fromkeys(LIGHT, np.full(16, np.nan)))
    lit, blind = (spec.step(columns, each, 60.0) for each in (here, dark))
    same = all(np.array_equal(column, blind[name]) for name, column in lit.items())
    assert same != (spec.sunlit is not None and spec.sunlit(columns))


@pytest.mark.parametrize("steps", [0, 3])
def test_a_compound_kind_shows_what_its_resources_pools_hold(steps: int) -> None:
    pools = Pools(site())
    for k in range(steps):
        pools.step(lambda rows, k=k: cut(world(12.0 * HOUR_S + k), rows), 1.0)
    home, battery = (next(pool for pool in pools if pool.spec.kind == kind) for kind in ("prosumer", "battery"))
    street, village = pools.seen_by("street"), pools.seen_by("village")
    assert not any(name.startswith("storage_") for name in home.columns)
    for name, column in battery.columns.items():
        shown = np.concatenate([street[f"storage_{name}"], village[f"storage_{name}"]])
        assert np.array_equal(shown, column[-6:]), name


def test_what_is_seen_is_a_mapping_of_all_there_is() -> None:
    pools = Pools(site())
    for name, (spec, columns) in site().items():
        seen = pools.seen_by(name)
        assert len(seen) == len(columns)
        assert set(seen) == set(columns)
        assert all(quantity.name in seen for quantity in spec.quantities)
        for unknown in ("storage_no_such", "no_such", "storage"):
            assert unknown not in seen
            with pytest.raises(KeyError):
                seen[unknown]


@pytest.mark.parametrize("kind", COMPOUND)
def test_a_compound_kind_has_each_kind_once_and_takes_the_turns_it_names(kind: str) -> None:
    spec = registry.device(kind)
    each = [resource.kind for resource in spec.resources.values()]
    assert len(set(each)) == len(each)
    assert not any(resource.resources for resource in spec.resources.values()), "a resource is no compound kind itself"
    assert not any("_" in resource for resource in spec.resources)
    columns, here = devices(spec), surroundings(16, 12.0 * HOUR_S)
    parts = {resource: of_resource(columns, resource) for resource in spec.resources}
    assert spec.flow is not None
    under_way, turns = spec.flow(without_resources(columns, spec.resources), parts, here, 1.0), []
    turn = next(under_way)
    try:
        while True:
            turns.append(turn.resource)
            own = parts[turn.resource]
            assert set(turn.inputs | turn.setpoints) <= set(own), "what is lent is something the resource has"
            turn = under_way.send(spec.resources[turn.resource].step(own, here, 1.0))
    except StopIteration:
        pass
    assert turns == list(spec.resources)
