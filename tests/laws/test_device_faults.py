"""Devices that fail themselves: what each fault does to every kind, and that nothing is left of it once it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from example_faults import needs

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import is_nothing
from pilotfarm.emulators.contracts.fault import DeviceFault, ramps
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.devices import faulty, support
from pilotfarm.emulators.errors import ConfigError, PointError
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

EVERY_KIND = "".join(
    f"  {kind}: {{kind: {kind}, count: 2, feeder: east, labels: {{cell: north}}, endpoints: []}}\n"
    for kind in registry.DEVICES
)
DEVICE_FAULTS = [spec for spec in map(registry.fault, registry.FAULTS) if isinstance(spec, DeviceFault)]
KINDS = [spec.kind for spec in DEVICE_FAULTS if "station" not in spec.needs]
"""Those of devices, and not of what answers for them."""
CASES = [(kind, mode) for kind in KINDS for mode in registry.fault(kind).modes or (None,)]
INVERTERS = ("ev_charger", "battery", "pv_generator")
P = "active_power_setpoint_w"


@pytest.fixture
def farm(make_layout: Callable[..., SiteLayout]) -> Farm:
    """Two devices of every kind, at noon."""
    made = Farm(make_layout(EVERY_KIND))
    run(made, 2)
    return made


@pytest.fixture(scope="module")
def untouched() -> Farm:
    """A farm on which no fault is ever put."""
    return Farm(load("tiny"))


def run(farm: Farm, steps: int, dt_s: float = 1.0) -> None:
    for _ in range(steps):
        farm.step(dt_s)


def tell(device: FarmDevice, **values: float) -> None:
    device.submit(values, "test", "me", 0.0)


# ---------------------------------------------------------------------------------- over is over


def setpoints(farm: Farm) -> dict[tuple[str, str], float]:
    """All that devices were told and is still waiting or in force."""
    asked = (Role.SETPOINT, Role.COMMAND)
    return {
        (device.id, q.name): device.true_value(q.name)
        for device in farm
        for q in device.group.spec.quantities
        if q.role in asked
    }


def tell_all(farm: Farm, weight: float) -> None:
    """Tell every device something of everything it can be told, so far between the limits."""
    for device in farm:
        for q in device.group.spec.quantities:
            low, high = device.bounds(q.name) if q.writable else (0.0, 0.0)
            value = 1.0 - device.true_value(q.name) if q.is_binary else (1.0 - weight) * low + weight * high
            if q.writable and np.isfinite(value):
                try:
                    tell(device, **{q.name: value})
                except PointError:
                    continue


def test_a_device_that_has_failed_was_told_what_it_would_have_been_told(make_layout: Callable[..., SiteLayout]) -> None:
    layout = make_layout(EVERY_KIND)
    struck, spared = Farm(layout), Farm(layout)
    for number, (kind, mode) in enumerate(CASES):
        example = registry.fault(kind).example
        fault = struck.faults.add(kind, {"device": "*-001", **needs(kind)}, mode, example, duration_s=3.0)
        for step in range(4):
            for farm in (struck, spared):
                if step == 1:
                    tell_all(farm, 0.5 + 0.1 * (number % 5))
                farm.step(1.0)
            assert setpoints(struck) == setpoints(spared), (kind, mode, step)
        assert fault.state == "ended"
        for group in struck.population:
            left = [name for name in group.columns if name.endswith((*faulty.FAULTS, *support.FAULTS, "overheat_k"))]
            assert len(left) >= len(faulty.FAULTS)
            assert all(is_nothing(group.columns[name]) for name in left), (kind, mode)
            assert group.serials == {}


HARMLESS: list[tuple[str, str | None, dict[str, object], dict[str, object]]] = [
    ("restart", None, {}, {"power_stops": False, "down_s": 2.0}),
    ("exchanged", None, {}, {"power_stops": False, "down_s": 2.0}),
    ("sensor-lost", "weather", {}, {}),
    ("sensor-lost", "temperature", {}, {"derated_frac": 0.0}),
    ("follows-none", None, {}, {"of": "all"}),
    ("follows-slowly", None, {}, {"time_s": 100.0}),
    ("contactor-stuck", "welded", {"kind": ["battery", "pv_generator", "smart_meter"]}, {"alarm": True}),
    ("contactor-stuck", "open", {"kind": ["battery", "pv_generator", "smart_meter"]}, {"alarm": True}),
    ("identification-refused", None, {"kind": "smart_meter"}, {}),
]
"""Faults of devices that nobody tells anything meanwhile, and that let power flow as before."""
UNSEEN = "follows-none", "follows-slowly"
"""Those of them that do not show in what masters read."""


def shown(pilot: Pilot) -> dict[object, bytes]:
    """All octets that masters of every protocol can read, by table and device."""
    return {
        (*viewpoint[:3], row): bytes(image.table.row(row))
        for viewpoint, image in pilot.images
        for row in range(image.group.size)
    }


def test_once_a_fault_is_over_every_octet_is_that_of_a_farm_that_never_had_it() -> None:
    struck, spared = Pilot(load("tiny")), Pilot(load("tiny"))
    for kind, mode in CASES:
        struck.farm.faults.add(kind, needs(kind), mode, registry.fault(kind).example, start_s=1e6)
    for kind, mode, target, parameters in HARMLESS:
        fault = struck.farm.faults.add(kind, target, mode, parameters, duration_s=2.0)
        for pilot in (struck, spared):
            pilot.step(1.0)
            pilot.step(1.0)
        assert fault.state == "active"
        differs = shown(struck) != shown(spared)
        assert differs == (kind not in UNSEEN), (kind, mode)
        for step in range(2):
            for pilot in (struck, spared):
                pilot.step(1.0)
            assert shown(struck) == shown(spared), (kind, mode, step)
        assert fault.state == "ended"


@pytest.mark.parametrize("weak_first", [True, False])
def test_of_two_faults_the_stronger_holds_and_the_other_when_it_is_over(farm: Farm, weak_first: bool) -> None:
    battery = farm.device("battery-001")
    rated_w = battery.true_value("rated_power_w")
    shares = {0.25: None, 0.75: 20.0} if weak_first else {0.75: 20.0, 0.25: None}
    for share, lasts_s in shares.items():
        farm.faults.add("derating", {"device": "battery-*"}, parameters={"share_frac": share}, duration_s=lasts_s)
    tell(battery, **enabled({P: rated_w}))
    for left in (0.25, 0.75):
        run(farm, 19)
        assert battery.true_value("active_power_w") == pytest.approx(left * rated_w)
        run(farm, 1)


@pytest.mark.parametrize("mode", registry.fault("tamper").modes)
def test_what_is_done_to_a_meter_is_an_alarm_until_it_is_cleared(farm: Farm, mode: str) -> None:
    meter, other, alarm = (*map(farm.device, ("smart_meter-001", "smart_meter-002")), f"{mode.replace('-', '_')}_alarm")
    before = meter.value("event_count")
    fault = farm.faults.add("tamper", {"device": "*-001"}, mode)
    assert fault.hit == (meter.id,)
    run(farm, 2)
    tell(meter, event_clear=1.0)
    run(farm, 2)
    farm.faults.clear(fault.id)
    run(farm, 2)
    assert [meter.value(name) for name in (alarm, "general_alarm")] == [1.0, 1.0]
    assert [other.value(name) for name in (alarm, "general_alarm", "event_count")] == [0.0, 0.0, before]
    tell(meter, event_clear=1.0)
    run(farm, 1)
    assert [meter.value(name) for name in (alarm, "general_alarm", "event_count")] == [0.0, 0.0, 0.0]


# ------------------------------------------------------------------------------------------ trips


@pytest.mark.parametrize("mode", ["trip", "lock-out"])
@pytest.mark.parametrize("kind", list(registry.DEVICES))
def test_a_trip_shows_on_every_kind_and_ends_with_the_fault_or_with_a_reset(farm: Farm, kind: str, mode: str) -> None:
    device, other = farm.device(f"{kind}-001"), farm.device(f"{kind}-002")
    fault = farm.faults.add("trip", {"device": device.id}, mode)
    run(farm, 1)
    tell(device, alarm_reset=1.0)
    run(farm, 2)
    states = "fault_trip", "general_alarm", "available", "running", "remote_enabled"
    assert [device.value(name) for name in states] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert [other.value(name) for name in states[:4]] == [0.0, 0.0, 1.0, 1.0]
    if kind in INVERTERS:
        assert device.value("active_power_w") == 0.0
    farm.faults.clear(fault.id)
    run(farm, 3)
    assert device.value("fault_trip") == (1.0 if mode == "lock-out" else 0.0)
    assert device.value("available") == (0.0 if mode == "lock-out" else 1.0)
    tell(device, alarm_reset=1.0)
    run(farm, 1)
    off = 0.0 if kind != "prosumer" else device.value("general_alarm")  # its inverters wait for the grid to be good
    assert [device.value(name) for name in states[:4]] == [0.0, off, 1.0, 1.0]


@pytest.mark.parametrize("kind", ["battery", "smart_meter"])
def test_a_trip_beside_a_lock_out_ends_and_leaves_the_other(farm: Farm, kind: str) -> None:
    device = farm.device(f"{kind}-001")
    trip, lock_out = (farm.faults.add("trip", {"device": device.id}, mode) for mode in ("trip", "lock-out"))
    run(farm, 2)
    farm.faults.clear(lock_out.id)
    farm.faults.clear(trip.id)
    run(farm, 2)
    assert device.value("fault_trip") == 1.0
    tell(device, alarm_reset=1.0)
    run(farm, 1)
    assert device.value("fault_trip") == 0.0


# ------------------------------------------------------------------------- derating and temperature


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
def test_a_derated_device_keeps_to_its_share_both_ways_and_says_what_it_can(farm: Farm, share: float) -> None:
    farm.faults.add("derating", parameters={"share_frac": share})
    battery, charger, pv = (farm.device(f"{kind}-001") for kind in ("battery", "ev_charger", "pv_generator"))
    most_w = (1.0 - share) * battery.true_value("rated_power_w")
    for sign in (1.0, -1.0):
        tell(battery, **enabled({P: sign * battery.true_value("rated_power_w")}))
        run(farm, 20)
        assert battery.true_value("active_power_w") == pytest.approx(sign * most_w)
        assert battery.true_value("charge_power_available_w") == pytest.approx(most_w)
    limit_a = (1.0 - share) * charger.true_value("rated_current_a")
    assert charger.true_value("current_limit_in_force_a") == pytest.approx(limit_a if limit_a >= 6.0 else 0.0)
    available_w = pv.true_value("available_power_w")
    assert available_w > 0.1 * pv.true_value("rated_power_w")
    expected_w = min(available_w, (1.0 - share) * pv.true_value("rated_power_w"))
    assert pv.true_value("active_power_w") == pytest.approx(expected_w, rel=1e-3)
    assert battery.true_value("general_alarm") == 0.0


def test_the_hottest_cells_are_as_much_warmer_and_raise_an_alarm_derate_and_trip_for_good(farm: Farm) -> None:
    struck, spared = farm.device("battery-001"), farm.device("battery-002")
    before_w = struck.true_value("charge_power_available_w")
    for rise_k, alarm, trips in ((10.0, 0.0, 0.0), (35.0, 1.0, 0.0), (50.0, 1.0, 1.0)):
        cool_degc = struck.true_value("temperature_max_degc")
        fault = farm.faults.add("over-temperature", {"device": "battery-001"}, parameters={"rise_k": rise_k})
        run(farm, 3)
        assert struck.true_value("temperature_max_degc") == pytest.approx(cool_degc + rise_k, abs=0.1)
        assert struck.value("temperature_high_alarm") == struck.value("general_alarm") == alarm
        assert struck.value("fault_trip") == trips
        assert (struck.true_value("charge_power_available_w") < before_w) == (trips == 1.0 or rise_k > 35.0)
        farm.faults.clear(fault.id)
        run(farm, 1)
        assert struck.true_value("temperature_max_degc") == pytest.approx(cool_degc, abs=0.1)
    run(farm, 5)
    assert struck.value("fault_trip") == 1.0
    assert spared.value("fault_trip") == spared.value("general_alarm") == 0.0
    tell(struck, alarm_reset=1.0)
    run(farm, 1)
    assert struck.value("fault_trip") == 0.0


def test_a_pv_inverter_gets_hot_derates_with_an_alarm_and_recovers(farm: Farm) -> None:
    pv, other = farm.device("pv_generator-001"), farm.device("pv_generator-002")
    cool_degc, before_w = pv.true_value("cabinet_temperature_degc"), pv.true_value("active_power_w")
    fault = farm.faults.add("over-temperature", {"device": pv.id}, parameters={"rise_k": 83.0 - cool_degc})
    run(farm, 10)
    degc = pv.true_value("cabinet_temperature_degc")
    assert degc == pytest.approx(83.0, abs=0.2)
    left = 1.0 - (degc - 65.0) / 20.0
    assert pv.true_value("active_power_w") == pytest.approx(left * pv.true_value("rated_power_w"), rel=0.01)
    assert (pv.value("general_alarm"), pv.value("fault_trip"), other.value("general_alarm")) == (1.0, 0.0, 0.0)
    farm.faults.add("derating", {"device": pv.id}, parameters={"share_frac": 0.95}, duration_s=5.0)
    run(farm, 5)
    assert pv.true_value("active_power_w") == pytest.approx(0.05 * pv.true_value("rated_power_w"), rel=0.01)
    farm.faults.clear(fault.id)
    run(farm, 15)
    assert pv.true_value("cabinet_temperature_degc") == pytest.approx(cool_degc, abs=0.5)
    assert pv.true_value("active_power_w") == pytest.approx(before_w, rel=0.05)
    assert pv.value("general_alarm") == 0.0


def test_at_night_a_hot_cabinet_cools_down_in_every_row(farm: Farm) -> None:
    night = farm.world.at
    farm.world.at = lambda time_s, dt_s, mains: night(time_s + 14 * 3600.0, dt_s, mains)  # type: ignore[method-assign]
    run(farm, 40, 900.0)
    fault = farm.faults.add("over-temperature", {"device": "pv_generator-002"}, parameters={"rise_k": 20.0})
    run(farm, 1)
    first, second = (farm.device(f"pv_generator-00{n}").true_value("cabinet_temperature_degc") for n in (1, 2))
    assert second == pytest.approx(first + 20.0, abs=0.1)
    farm.faults.clear(fault.id)
    run(farm, 1)
    first, second = (farm.device(f"pv_generator-00{n}").true_value("cabinet_temperature_degc") for n in (1, 2))
    assert second == pytest.approx(first, abs=0.1)


# ----------------------------------------------------------------------------------- the contactor


@pytest.mark.parametrize("kind", [kind for kind in registry.DEVICES if kind != "ev_charger"])
@pytest.mark.parametrize("begins_closed", [True, False])
@pytest.mark.parametrize("mode", ["welded", "open"])
def test_a_contactor_stays_where_it_sticks_and_moves_once_more_when_it_does_not(
    farm: Farm, kind: str, mode: str, begins_closed: bool
) -> None:
    device, sticks_closed = farm.device(f"{kind}-001"), mode == "welded"
    tell(device, grid_switch=float(begins_closed))
    run(farm, 2)
    fault = farm.faults.add("contactor-stuck", {"device": device.id}, mode)
    closed = begins_closed
    for asked in (begins_closed, not begins_closed, begins_closed):
        tell(device, grid_switch=float(asked))
        run(farm, 2)
        closed = closed if closed == sticks_closed else asked
        assert device.true_value("grid_switch_closed") == closed
        assert device.true_value("grid_switch") == asked
        assert device.true_value("running") == closed
    farm.faults.clear(fault.id)
    run(farm, 2)
    assert device.true_value("grid_switch_closed") == begins_closed


def charging(farm: Farm) -> FarmDevice:
    """A charging point that charges."""
    for _ in range(400):
        for n in (1, 2):
            if farm.device(f"ev_charger-00{n}").true_value("charge_point_state") == 2.0:
                return farm.device(f"ev_charger-00{n}")
        farm.step(60.0)
    raise AssertionError("nobody charges")


def test_a_welded_point_charges_on_and_is_out_of_order_afterwards(farm: Farm) -> None:
    point = charging(farm)
    fault = farm.faults.add("contactor-stuck", {"device": point.id}, "welded")
    run(farm, 3)
    assert (point.true_value("charge_point_state"), point.true_value("fault_trip")) == (2.0, 0.0)
    tell(point, current_limit_a=0.0)
    run(farm, 3)
    assert (point.true_value("charge_point_state"), point.true_value("fault_trip")) == (5.0, 1.0)
    farm.faults.clear(fault.id)
    tell(point, current_limit_a=16.0)
    run(farm, 3)
    assert (point.true_value("charge_point_state"), point.true_value("fault_trip")) == (2.0, 0.0)


def test_a_point_whose_contactor_does_not_close_charges_nobody(farm: Farm) -> None:
    point = charging(farm)
    farm.faults.add("contactor-stuck", {"device": point.id}, "open")
    run(farm, 3)
    assert (point.true_value("charge_point_state"), point.true_value("active_power_w")) == (5.0, 0.0)


# --------------------------------------------------------------------------------------- following


@pytest.mark.parametrize("of", ["set-points", "all"])
def test_a_device_that_does_not_follow_shows_what_it_was_told_and_follows_once_it_is_over(farm: Farm, of: str) -> None:
    struck, spared = farm.device("battery-001"), farm.device("battery-002")
    for battery in (struck, spared):
        tell(battery, **enabled({P: 2_000.0}))
    fault = farm.faults.add("follows-none", {"device": struck.id}, parameters={"of": of})
    run(farm, 10)
    for battery in (struck, spared):
        tell(battery, **enabled({P: -1_000.0}), stop=1.0)
    run(farm, 20)
    assert [battery.value(P) for battery in (struck, spared)] == [-1_000.0, -1_000.0]
    assert struck.true_value("started") == (of == "all")
    assert struck.true_value("active_power_w") == pytest.approx(2_000.0 if of == "all" else 0.0)
    assert spared.true_value("active_power_w") == 0.0
    for battery in (struck, spared):
        tell(battery, start=1.0)
    farm.faults.clear(fault.id)
    run(farm, 20)
    assert [battery.true_value("active_power_w") for battery in (struck, spared)] == pytest.approx([-1_000.0] * 2)


def test_what_is_accepted_in_the_step_in_which_a_fault_begins_is_followed_with_others_standing(farm: Farm) -> None:
    first, second = farm.device("battery-001"), farm.device("battery-002")
    for battery in (first, second):
        farm.faults.add("follows-none", {"device": battery.id})
        tell(battery, **enabled({P: 1_500.0}))
        run(farm, 15)
        tell(battery, **enabled({P: -1_500.0}))
        run(farm, 15)
    assert [battery.true_value("active_power_w") for battery in (first, second)] == pytest.approx([1_500.0] * 2)


def test_a_slow_device_moves_evenly_and_turns_on_its_way(farm: Farm) -> None:
    battery = farm.device("battery-001")
    tell(battery, **enabled({P: 0.0}))
    farm.faults.add("follows-slowly", {"device": battery.id}, parameters={"time_s": 10.0})
    run(farm, 2)
    tell(battery, **enabled({P: 1_000.0}))
    course = []
    for step in range(16):
        if step == 4:
            tell(battery, **enabled({P: -600.0}))
        farm.step(1.0)
        course.append(battery.true_value("active_power_w"))
    up, down = [100.0, 200.0, 300.0, 400.0], [400.0 - 100.0 * n for n in range(1, 11)]
    assert course == pytest.approx([*up, *down, -600.0, -600.0])
    assert battery.value(P) == -600.0


def test_a_slow_switch_acts_at_the_end_and_one_that_enables_a_set_point_at_once(farm: Farm) -> None:
    battery = farm.device("battery-001")
    farm.faults.add("follows-slowly", {"device": battery.id}, parameters={"time_s": 4.0})
    run(farm, 1)
    tell(battery, grid_switch=0.0, **enabled({P: 800.0}))
    states = []
    for _ in range(6):
        farm.step(1.0)
        states.append((battery.true_value("grid_switch_closed"), battery.true_value("active_power_w")))
    assert [closed for closed, _ in states] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert [power_w for _, power_w in states] == pytest.approx([200.0, 400.0, 600.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("resource", [None, "storage", "pv", "itself"])
def test_of_a_home_the_parts_that_are_named_fail(farm: Farm, resource: str | None) -> None:
    fault = farm.faults.add("trip", {"kind": "prosumer", "device": "*-001"}, parameters={"resource": resource})
    run(farm, 2)
    home = farm.device("prosumer-001")
    parts = {"storage": "storage_fault_trip", "pv": "pv_fault_trip", "itself": "fault_trip"}
    for part, name in parts.items():
        if part == resource or resource is None:
            assert home.true_value(name) == 1.0
        elif resource != "itself":  # a home that is off leaves its inverters without a grid
            assert home.true_value(name) == 0.0
    assert fault.hit == ("prosumer-001",)


def test_a_storage_that_does_not_follow_lets_down_its_home(make_layout: Callable[..., SiteLayout]) -> None:
    layout = make_layout(EVERY_KIND)
    struck, spared = Farm(layout), Farm(layout)
    struck.faults.add("follows-none", {"kind": "prosumer"}, parameters={"resource": "storage"})
    powers = []
    for farm in (struck, spared):
        farm.step(1.0)
        tell(farm.device("prosumer-001"), **enabled({P: -500.0}))
        run(farm, 60)
        powers.append(farm.device("prosumer-001").true_value("active_power_w"))
    assert powers[1] == pytest.approx(-500.0, abs=30.0)
    assert abs(powers[0] + 500.0) > 500.0


def test_who_lacks_what_fails_is_missed(farm: Farm) -> None:
    fault = farm.faults.add("derating", parameters={"share_frac": 0.5})
    assert {name.partition("-")[0] for name in fault.hit} == {"ev_charger", "battery", "pv_generator", "prosumer"}
    assert {name.partition("-")[0] for name in fault.missed} == {"smart_meter"}
    with pytest.raises(ConfigError, match="no device of the target can have this fault"):
        farm.faults.add("derating", {"kind": "battery"}, parameters={"share_frac": 0.5, "resource": "pv"})


# ---------------------------------------------------------------------------------- identification


@pytest.mark.parametrize("kind", [kind for kind in registry.DEVICES if kind != "ev_charger"])
def test_a_refused_identification_cannot_be_cleared_and_is_accepted_once_it_is_over(farm: Farm, kind: str) -> None:
    device = farm.device(f"{kind}-001")
    fault = farm.faults.add("identification-refused", {"device": device.id})
    run(farm, 2)
    tell(device, identification_clear=1.0)
    run(farm, 1)
    names = "identification_failed", "general_alarm", "identified", "remote_enabled"
    assert [device.true_value(name) for name in names] == [1.0, 1.0, 0.0, 0.0]
    farm.faults.clear(fault.id)
    run(farm, 1)
    assert [device.true_value(name) for name in names] == [0.0, 0.0, 1.0, 1.0]


def test_an_identification_that_had_failed_has_failed_afterwards(make_layout: Callable[..., SiteLayout]) -> None:
    meters = "  m: {kind: smart_meter, count: 1, feeder: east, ratings: {invalid_credential: 1}, endpoints: []}\n"
    farm = Farm(make_layout(meters))
    farm.faults.add("identification-refused", duration_s=3.0)
    run(farm, 6)
    assert farm.device("m-001").true_value("identification_failed") == 1.0


def test_owners_are_refused_at_a_charging_point_which_itself_is_obedient(farm: Farm) -> None:
    point = charging(farm)
    fault = farm.faults.add("identification-refused", {"kind": "ev_charger"})
    run(farm, 2)
    names = "authorised", "identified", "identification_failed", "remote_enabled", "charge_point_state"
    assert [point.true_value(name) for name in names] == [0.0, 0.0, 1.0, 1.0, 1.0]
    farm.faults.clear(fault.id)
    run(farm, 2)
    assert [point.true_value(name) for name in names] == [1.0, 1.0, 0.0, 1.0, 2.0]


# ----------------------------------------------------------------------------------------- sensors


@pytest.mark.parametrize(
    ("mode", "held", "true", "stops"),
    [
        ("temperature", {"temperature_degc", "temperature_max_degc"}, {"voltage_l1_v", "soc_frac"}, False),
        ("voltage", {"voltage_l1_v", "voltage_ll_v", "frequency_hz"}, {"active_power_w", "current_l1_a"}, True),
        ("current", {"current_l1_a", "active_power_w", "power_factor"}, {"voltage_l1_v", "energy_imported_wh"}, True),
    ],
)
def test_a_battery_that_lost_a_sensor_holds_its_values_and_is_careful(
    farm: Farm, mode: str, held: set[str], true: set[str], stops: bool
) -> None:
    battery = farm.device("battery-001")
    rated_w = battery.true_value("rated_power_w")
    tell(battery, **enabled({P: rated_w}))
    run(farm, 20)
    before = {name: battery.value(name) for name in held}
    fault = farm.faults.add("sensor-lost", {"device": battery.id}, mode, {"derated_frac": 0.75})
    run(farm, 20)
    assert {name: battery.value(name) for name in held} == before
    assert {battery.quality(name) for name in held} == {Quality.INVALID}
    assert {battery.quality(name) for name in true} == {Quality.GOOD}
    assert battery.true_value("active_power_w") == pytest.approx(0.0 if stops else 0.25 * rated_w)
    assert (battery.true_value("general_alarm"), battery.true_value("fault_trip")) == (1.0, float(stops))
    farm.faults.clear(fault.id)
    run(farm, 20)
    assert {battery.quality(name) for name in held} == {Quality.GOOD}
    assert battery.true_value("active_power_w") == pytest.approx(rated_w)
    assert battery.true_value("general_alarm") == 0.0


def test_a_lost_sensor_of_one_resource_leaves_the_values_of_others(farm: Farm) -> None:
    farm.faults.add("sensor-lost", {"kind": "prosumer"}, "voltage", {"resource": "pv"})
    run(farm, 1)
    home = farm.device("prosumer-001")
    assert {name for name in home.readings() if home.quality(name)} == {
        f"pv_{name}" for name in ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "voltage_ll_v", "frequency_hz")
    }
    assert (home.true_value("pv_fault_trip"), home.true_value("storage_fault_trip")) == (1.0, 0.0)


def test_a_meter_without_its_voltage_sensor_keeps_its_customer_supplied(farm: Farm) -> None:
    farm.faults.add("sensor-lost", {"kind": "smart_meter"}, "voltage")
    run(farm, 2)
    meter = farm.device("smart_meter-001")
    assert meter.quality("voltage_l1_v") == Quality.INVALID
    assert (meter.true_value("running"), meter.true_value("general_alarm")) == (1.0, 1.0)


# ----------------------------------------------------------------------------- restarts, exchanges


def away(farm: Farm) -> set[str]:
    return {
        farm.groups[group].layout.devices[row]
        for (group, row), faults in farm.faults.on_the_way().items()
        if any(isinstance(fault.spec, DeviceFault) for fault in faults)
    }


def states(farm: Farm, steps: int, dt_s: float = 1.0) -> Iterator[set[str]]:
    for _ in range(steps):
        farm.step(dt_s)
        yield away(farm)


@pytest.mark.parametrize(("down_s", "dt_s", "gone"), [(3.0, 1.0, 3), (2.5, 1.0, 3), (0.3, 1.0, 1), (0.3, 0.1, 3)])
def test_a_restart_takes_its_time_in_whole_steps_and_is_over_by_itself(
    farm: Farm, down_s: float, dt_s: float, gone: int
) -> None:
    fault = farm.faults.add("restart", {"device": "battery-001"}, parameters={"down_s": down_s})
    seen = list(states(farm, 6, dt_s))
    assert seen == [{"battery-001"}] * gone + [set()] * (6 - gone)
    assert fault.state == "ended"


@pytest.mark.parametrize(("down_s", "every_s"), [(2.0, 5.0), (1.0, 2.0), (3.0, 4.0)])
def test_a_boot_loop_goes_on_until_it_is_cleared(farm: Farm, down_s: float, every_s: float) -> None:
    fault = farm.faults.add("restart", {"device": "battery-001"}, parameters={"down_s": down_s, "every_s": every_s})
    seen = [bool(each) for each in states(farm, 40)]
    assert seen == [step % every_s < down_s for step in range(40)]
    assert fault.state == "active"
    farm.faults.clear(fault.id)
    assert not any(states(farm, 6))


def test_a_ramp_gives_each_device_a_moment_of_its_own_and_all_the_same_time(
    make_layout: Callable[..., SiteLayout],
) -> None:
    meters = "  m: {kind: smart_meter, count: 40, feeder: east, endpoints: []}\n"
    farm = Farm(make_layout(meters))
    fault = farm.faults.add("restart", parameters={"down_s": 3.0}, ramp_s=20.0)
    seen = list(states(farm, 30))
    gone = {device: [step for step, each in enumerate(seen) if device in each] for device in fault.hit}
    assert all(3 <= len(steps) <= 4 for steps in gone.values())
    assert all(steps == list(range(steps[0], steps[-1] + 1)) for steps in gone.values())
    firsts = {steps[0] for steps in gone.values()}
    assert len(firsts) > 10
    assert max(firsts) <= 20
    assert fault.state == "ended"


@pytest.mark.parametrize("power_stops", [True, False])
def test_an_inverter_that_boots_moves_no_power_and_has_no_alarm(farm: Farm, power_stops: bool) -> None:
    battery = farm.device("battery-001")
    tell(battery, **enabled({P: 1_000.0}))
    run(farm, 10)
    farm.faults.add("restart", parameters={"down_s": 3.0, "power_stops": power_stops})
    run(farm, 2)
    flows = 0.0 if power_stops else 1_000.0
    assert battery.true_value("active_power_w") == pytest.approx(flows)
    assert (battery.true_value("available"), battery.true_value("fault_trip")) == (float(not power_stops), 0.0)
    assert farm.device("smart_meter-001").true_value("available") == 1.0
    run(farm, 10)
    assert battery.true_value("active_power_w") == pytest.approx(1_000.0)


@pytest.mark.parametrize("target", [{"station": "rtu"}, {"protocol": "iec104"}, {"label": "site=attic"}])
def test_the_restart_of_a_station_leaves_the_power_of_its_devices_alone(
    make_layout: Callable[..., SiteLayout], target: dict[str, str]
) -> None:
    ends = "[{protocol: modbus}, {protocol: iec104, station: rtu}]"
    group = f"  b: {{kind: battery, count: 2, feeder: east, endpoints: {ends}}}\n"
    pilot = Pilot(make_layout(group, stations="stations:\n  rtu: {protocol: iec104, labels: {site: attic}}\n"))
    pilot.farm.faults.add("restart", target, parameters={"down_s": 5.0})
    pilot.step(1.0)
    for device in pilot.farm:
        assert device.true_value("available") == 1.0
        assert pilot.ways.reachable(device.group.name, device.row)
    reachable = {place.layout.protocol: {each.seat.reachable for each in place.placed} for place in pilot.images.places}
    assert reachable == {"modbus": {True}, "iec104": {False}}


def test_other_faults_of_devices_that_are_meant_by_their_ways_are_theirs() -> None:
    pilot = Pilot(load("tiny"))
    for kind in ("trip", "exchanged"):
        pilot.farm.faults.add(kind, {"protocol": "iec104", "kind": "battery"}, parameters={})
    pilot.step(1.0)
    battery = pilot.farm.device("battery-001")
    assert battery.true_value("fault_trip") == 1.0
    assert not pilot.ways.reachable("battery", 0)


def test_another_device_counts_from_0_and_the_first_one_goes_on_after_it(farm: Farm) -> None:
    meter, other = farm.device("smart_meter-001"), farm.device("smart_meter-002")
    run(farm, 3, 60.0)
    fault = farm.faults.add("exchanged", {"device": meter.id}, parameters={"down_s": 2.0})
    begun_wh = meter.true_value("energy_imported_wh")
    for _ in range(4):
        farm.step(60.0)
        told, true = meter.value("energy_imported_wh"), meter.true_value("energy_imported_wh")
        assert told == true - begun_wh
        assert 0.0 < told < begun_wh * 10.0
        assert meter.quality("energy_imported_wh") == Quality.GOOD
    assert meter.value("active_power_w") == meter.true_value("active_power_w")
    assert (meter.serial, other.serial) == (f"smart_meter-001-{fault.id}", "smart_meter-002")
    farm.faults.clear(fault.id)
    farm.step(60.0)
    assert meter.value("energy_imported_wh") == meter.true_value("energy_imported_wh")
    assert meter.serial == "smart_meter-001"


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("restart", {"down_s": 0.0}),
        ("restart", {"down_s": 10.0, "every_s": 10.0}),
        ("restart", {"every_s": float("inf")}),
        ("exchanged", {"down_s": -1.0}),
        ("derating", {}),
        ("derating", {"share_frac": 1.1}),
        ("derating", {"share_frac": 0.5, "resource": "roof"}),
        ("over-temperature", {"rise_k": 0.0}),
        ("follows-slowly", {"time_s": float("nan")}),
        ("follows-none", {"of": "some"}),
        ("trip", {"alarm": True}),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_stands(
    untouched: Farm, kind: str, parameters: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="parameters"):
        untouched.faults.add(kind, parameters=parameters)
    assert not list(untouched.faults)


@pytest.mark.parametrize("kind", [spec.kind for spec in DEVICE_FAULTS if not ramps(spec)])
def test_what_no_device_does_before_another_takes_no_ramp(untouched: Farm, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"ramp_s: an? {kind} fault takes hold at once"):
        untouched.faults.add(kind, needs(kind), parameters=registry.fault(kind).example, ramp_s=10.0)
