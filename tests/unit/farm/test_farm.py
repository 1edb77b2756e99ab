"""The farm: writes wait for the step, reads change nothing, refusals name their reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pilotfarm.emulators.errors import Blocked, Busy, NoSuchPoint, NotWritable, OutOfRange
from pilotfarm.emulators.farm import commands
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.supply import positions
from pilotfarm.emulators.site.layout import SiteLayout

STORAGE_AND_HOMES = """\
  storage: {kind: battery, count: 2, feeder: east}
  home: {kind: prosumer, count: 2, feeder: east}
"""
P, ENABLE = "active_power_setpoint_w", "active_power_setpoint_enabled"


def test_a_write_waits_for_the_step_and_the_physics_follows(farm: Farm) -> None:
    battery = farm.device("storage-002")
    battery.submit(enabled({P: -2_000.0}), "test", "me", 0.0)
    assert battery.value(P) == battery.true_value(P) == -2_000.0
    assert farm.groups["storage"].columns[P][1] != -2_000.0
    for _ in range(30):
        farm.step(1.0)
    assert battery.value(P) == -2_000.0
    assert battery.value("active_power_w") == pytest.approx(-2_000.0, rel=1e-3)


def test_a_write_to_one_device_moves_no_other(make_layout: Callable[..., SiteLayout]) -> None:
    told, left = Farm(make_layout()), Farm(make_layout())
    told.device("storage-002").submit(enabled({P: 3_000.0}), "test", "me", 0.0)
    told.step(1.0)
    left.step(1.0)
    for name, column in told.groups["storage"].columns.items():
        assert np.array_equal(column[[0, 2]], left.groups["storage"].columns[name][[0, 2]]), name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(make_layout: Callable[..., SiteLayout]) -> None:
    def run(seed: int) -> bytes:
        made = Farm(make_layout(seed=seed))
        for dt_s in (1.0, 0.5, 60.0, 900.0):
            made.step(dt_s)
        return b"".join(column.tobytes() for group in made.groups.values() for column in group.columns.values())

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_group_more_changes_no_other_groups_own_numbers(make_layout: Callable[..., SiteLayout]) -> None:
    extra = "  more:\n    kind: smart_meter\n    count: 2\n    feeder: west\n    endpoints: []\n"
    own = "  storage:\n    kind: battery\n    count: 3\n    feeder: east\n    endpoints: []\n"
    alone, joined = Farm(make_layout(own)), Farm(make_layout(extra + own))
    for name in ("storage",):
        for rating, column in alone.groups[name].layout.ratings.items():
            assert np.array_equal(column, joined.groups[name].layout.ratings[rating])
        assert np.array_equal(positions(alone.groups[name].layout), positions(joined.groups[name].layout))


def test_meters_without_pv_do_not_mind_that_others_have_some(make_layout: Callable[..., SiteLayout]) -> None:
    plain = "  plain: {kind: smart_meter, count: 2, feeder: east, endpoints: []}\n"
    sunny = "  sunny: {kind: smart_meter, count: 2, feeder: west, ratings: {pv_power_w: 5000}, endpoints: []}\n"
    alone, joined = Farm(make_layout(plain)), Farm(make_layout(plain + sunny))
    powers = []
    for farm in (alone, joined):
        farm.step(1.0)
        powers.append(farm.groups["plain"].columns["active_power_w"].tolist())
    assert powers[0] == powers[1]


CHARGERS = """\
  park:
    kind: ev_charger
    count: 30
    feeder: east
    ratings: {rated_current_a: 16, phases: 3, invalid_card_share: 0}
    endpoints: []
"""


@pytest.mark.parametrize(("name", "least"), [(P, -0.5), ("current_limit_a", 5.9)])
def test_too_little_to_charge_with_is_told_to_be_nothing(
    make_layout: Callable[..., SiteLayout], name: str, least: float
) -> None:
    farm = Farm(make_layout(CHARGERS))
    for _ in range(3):
        farm.step(60.0)
    charging = [each for each in farm if each.value("charge_point_state") == 2.0]
    assert len(charging) > 3
    for device in charging:
        value = least * device.value("charge_power_min_w") if name == P else least
        assert device.submit(enabled({name: value}), "test", "me", 0.0).limited == {name: 0.0}
    for _ in range(3):
        farm.step(60.0)
    assert all(device.value("active_power_w") == 0.0 for device in charging)


@pytest.mark.parametrize("name", [P, "current_limit_a"])
def test_just_enough_to_charge_with_is_taken_as_it_is(make_layout: Callable[..., SiteLayout], name: str) -> None:
    farm = Farm(make_layout(CHARGERS))
    for _ in range(3):
        farm.step(60.0)
    charging = [each for each in farm if each.value("charge_point_state") == 2.0]
    assert len(charging) > 3
    for device in charging:
        least = -device.value("charge_power_min_w") if name == P else 6.0
        assert device.submit(enabled({name: least}), "test", "me", 0.0).limited == {}


def test_what_a_full_vehicle_takes_of_a_set_point_is_told_however_little(
    make_layout: Callable[..., SiteLayout],
) -> None:
    farm = Farm(make_layout(CHARGERS))
    for _ in range(3):
        farm.step(60.0)
    device = next(each for each in farm if each.value("charge_power_max_w") > 0.0)
    column = device.group.columns["charge_power_max_w"].copy()
    column[device.row] = 700.0
    device.group.columns = {**device.group.columns, "charge_power_max_w": column}
    assert device.submit({P: -9_000.0}, "test", "me", 0.0).limited == {P: -700.0}


@pytest.mark.parametrize(
    ("name", "value", "refusal", "text"),
    [
        ("no_such_thing", 1.0, NoSuchPoint, "a battery has no no_such_thing"),
        ("charging_power_w", 1.0, NoSuchPoint, "a battery has no charging_power_w"),
        ("rated_energy_wh", 1.0, NotWritable, "cannot be written"),
        ("active_power_w", 1.0, NotWritable, "cannot be written"),
        (P, math.nan, OutOfRange, "finite"),
        (P, math.inf, OutOfRange, "finite"),
        (P, -math.inf, OutOfRange, "finite"),
        (P, 5_000.5, OutOfRange, "from -5000 to 5000 W"),
        (P, -5_000.5, OutOfRange, "from -5000 to 5000 W"),
        (ENABLE, 0.5, OutOfRange, "0 or 1"),
        ("active_power_limit_frac", 1.01, OutOfRange, "from 0 to 1"),
    ],
)
def test_a_refusal_says_why_and_takes_nothing(
    farm: Farm, name: str, value: float, refusal: type[Exception], text: str
) -> None:
    with pytest.raises(refusal, match=text):
        farm.device("storage-001").submit({ENABLE: 1.0, name: value}, "test", "me", 0.0)
    assert len(farm.commands) == 0


def test_a_setpoint_at_the_rating_is_taken(farm: Farm) -> None:
    for value in (5_000.0, -5_000.0, 0.0):
        farm.device("storage-001").submit({P: value}, "test", "me", 0.0)
    assert len(farm.commands) == 3


def test_check_refuses_what_submit_would_and_queues_nothing(farm: Farm) -> None:
    farm.device("storage-001").check({P: 1.0})
    with pytest.raises(OutOfRange):
        farm.device("storage-001").check({P: 1e9})
    assert len(farm.commands) == 0


@pytest.mark.parametrize(("command", "permission"), [("start", "start_permitted"), ("stop", "stop_permitted")])
@pytest.mark.parametrize("group", ["storage", "home"])
def test_a_command_is_taken_while_its_permission_stands_be_it_in_force_or_on_its_way(
    make_layout: Callable[..., SiteLayout], command: str, permission: str, group: str
) -> None:
    farm = Farm(make_layout(STORAGE_AND_HOMES))
    device, other = farm.device(f"{group}-001"), farm.device(f"{group}-002")
    names = (command, permission) if group == "storage" else (f"ev_{command}", f"ev_{permission}")
    command, permission = names

    def tell(**values: float) -> None:
        device.submit(values, "test", "me", 0.0)

    tell(**{command: 1.0})
    tell(**{permission: 0.0})
    with pytest.raises(Blocked, match=permission):
        tell(**{command: 1.0})
    other.submit({command: 1.0}, "test", "me", 0.0)
    farm.step(1.0)
    with pytest.raises(Blocked):
        device.check({command: 1.0})
    tell(**{command: 0.0})
    tell(**{permission: 1.0, command: 1.0})
    tell(**{command: 1.0})
    with pytest.raises(Blocked):
        tell(**{permission: 0.0, command: 1.0})
    tell(**{command: 1.0})
    farm.step(1.0)
    tell(**{command: 1.0})


def test_a_full_queue_is_busy_until_the_next_step(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "QUEUE_MAX", 2)
    battery = farm.device("storage-001")
    battery.submit({P: 1.0}, "test", "me", 0.0)
    battery.submit({P: 2.0}, "test", "me", 0.0)
    with pytest.raises(Busy):
        battery.submit({P: 3.0}, "test", "me", 0.0)
    farm.step(1.0)
    battery.submit({P: 3.0}, "test", "me", 0.0)


def test_commands_are_numbered_from_1_on_through_all_devices_and_steps(farm: Farm) -> None:
    numbers = []
    for _ in range(2):
        numbers += [farm.device(f"storage-00{k}").submit({P: 100.0}, "test", "me", 0.0).id for k in (1, 3, 3)]
        farm.step(1.0)
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_the_later_of_two_writes_for_one_step_stands(farm: Farm) -> None:
    battery = farm.device("storage-001")
    battery.submit({P: 1_000.0}, "test", "me", 0.0)
    battery.submit({P: 2_000.0}, "test", "me", 0.0)
    farm.step(1.0)
    assert battery.value(P) == 2_000.0


def test_a_plain_setpoint_closes_its_switch_unless_it_says_otherwise() -> None:
    assert enabled({P: 5.0}) == {ENABLE: 1.0, P: 5.0}
    assert enabled({P: 5.0, ENABLE: 0.0}) == {ENABLE: 0.0, P: 5.0}
    assert enabled({"storage_" + P: 5.0}) == {"storage_" + ENABLE: 1.0, "storage_" + P: 5.0}
    assert enabled({"start": 1.0}) == {"start": 1.0}


def test_the_device_says_what_it_can_follow_at_present(farm: Farm) -> None:
    battery = farm.device("storage-001")
    for _ in range(60):
        battery.submit(enabled({P: 5_000.0}), "test", "me", 0.0)
        farm.step(900.0)
    command = battery.submit(enabled({P: 5_000.0}), "test", "me", 0.0)
    assert command.limited[P] < 5_000.0  # it is empty by now
    assert battery.submit(enabled({P: -100.0}), "test", "me", 0.0).limited == {}


@pytest.mark.parametrize("dt_s", [0.0, -1.0, 0.05, 900.5, 3_600.0, math.inf, math.nan])
def test_a_step_the_models_do_not_hold_for_is_refused_and_moves_nothing(farm: Farm, dt_s: float) -> None:
    before = farm.time_s, farm.steps
    with pytest.raises(OutOfRange, match=r"0\.1 to 900 s"):
        farm.step(dt_s)
    assert (farm.time_s, farm.steps) == before


def test_an_unknown_device_is_refused_by_name(farm: Farm) -> None:
    with pytest.raises(NoSuchPoint, match="has no device storage-9"):
        farm.device("storage-9")


def test_a_street_that_exports_has_a_higher_voltage(farm: Farm) -> None:
    before = farm.device("storage-001").value("voltage_l1_v")
    for device in farm:
        if device.kind == "battery":
            device.submit(enabled({P: 5_000.0}), "test", "me", 0.0)
    for _ in range(30):
        farm.step(1.0)
    assert farm.device("storage-001").value("voltage_l1_v") > before


def test_an_island_is_three_times_as_restless_as_the_continent_at_every_moment(
    make_layout: Callable[..., SiteLayout],
) -> None:
    layout = make_layout()
    farms = [Farm(replace(layout, frequency_area=area)) for area in ("continental", "island")]
    seen = []
    for dt_s in (0.1, 1.0, 7.0, 60.0, 331.0, 900.0) * 5:
        for made in farms:
            made.step(dt_s)
        seen.append([made.device("meters-001").true_value("frequency_hz") - 50.0 for made in farms])
    continent, island = np.array(seen).T
    assert island == pytest.approx(3.0 * continent, abs=1e-9)
    assert np.ptp(continent) > 0.02


@pytest.mark.parametrize("time_s", [0.0, 59.75, 3_599.5, 12_345.625, 86_399.875, 100_000.0])
def test_the_hour_of_the_day_goes_on_through_minutes_seconds_and_fractions(farm: Farm, time_s: float) -> None:
    def hour(at_s: float) -> float:
        return farm.world.at(at_s, 1.0, farm.network.mains)((slice(0, 2),)).local_hour

    assert hour(time_s) == pytest.approx((hour(0.0) + time_s / 3_600.0) % 24.0, abs=1e-9)


def test_minus_nothing_is_read_as_nothing(farm: Farm) -> None:
    device = next(iter(farm))
    device.group.columns = device.group.reported = {**device.group.columns, P: np.full(device.group.size, -0.0)}
    assert str(device.value(P)) == str(device.true_value(P)) == "0.0"


def test_a_bound_that_is_nothing_has_no_sign(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(CHARGERS))
    device = next(iter(farm))
    low, high = device.bounds(P)
    assert low < 0.0
    assert (high, math.copysign(1.0, high)) == (0.0, 1.0)
    device.group.columns = {**device.group.columns, "rated_charge_power_w": np.zeros(30)}
    assert math.copysign(1.0, device.bounds(P)[0]) == 1.0
