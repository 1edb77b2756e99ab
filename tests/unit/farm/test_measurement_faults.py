"""Measurement faults one by one: known figures, laws, and what each protocol's table holds in place of a value."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.profiles.draws import keys_of

POWER = {"quantity": "active_power_w"}
METER = {"device": "meters-001"}
MANY = "  meters: {kind: smart_meter, count: 500, feeder: west, endpoints: []}\n"
FEW = "  meters: {kind: smart_meter, count: 3, feeder: west, endpoints: []}\n"
MORE = "  others: {kind: battery, count: 5, feeder: east, endpoints: []}\n" + FEW
CELLS = 4_000


def reported(
    kind: str, true: Any, time_s: float = 0.0, mode: str | None = None, seed: int = 1, **given: Any
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What a kind makes of values, each of a cell with a key of its own."""
    spec = registry.fault(kind)
    assert isinstance(spec, MeasurementFault)
    variant = next(iter(spec.modes), "") if mode is None else mode
    values = np.atleast_1d(np.asarray(true, dtype=np.float64))
    numbers = spec.numbers(variant, spec.parameters(**given))
    return spec.report(
        variant,
        Cells(
            true=values,
            reported=values,
            note=values,
            elapsed_s=np.full_like(values, time_s),
            numbers={name: np.full_like(values, number) for name, number in numbers.items()},
            keys=keys_of(seed, [str(n) for n in range(len(values))]),
            time_s=time_s,
            counts=np.zeros(len(values), dtype=bool),
        ),
    )


def power(farm: Farm) -> list[float]:
    """What is wrong with the power that is reported of each device."""
    return [device.value("active_power_w") - device.true_value("active_power_w") for device in farm]


# ------------------------------------------------------------------------------------------- noise


def test_noise_has_the_standard_deviation_it_was_given_and_no_mean() -> None:
    """The deviation of n draws is off by 1 / sqrt(2 n) itself: 1.1 % of 4,000."""
    drawn = reported("noise", np.full(CELLS, 1e3), std=20.0) - 1e3
    assert drawn.std() == pytest.approx(20.0, rel=0.05)
    assert abs(drawn.mean()) < 4 * 20.0 / CELLS**0.5
    assert np.mean(np.abs(drawn) < 20.0) == pytest.approx(0.6827, abs=0.03), "a normal distribution's one sigma"
    assert reported("noise", np.full(CELLS, -1e3), std_frac=0.02).std() == pytest.approx(20.0, rel=0.05)
    assert reported("noise", np.full(CELLS, 1e3), std=15.0, std_frac=0.02).std() == pytest.approx(25.0, rel=0.05)


def test_noise_of_one_moment_tells_nothing_of_the_next_nor_of_a_neighbour() -> None:
    at = [reported("noise", np.zeros(CELLS), time_s=float(n), std=1.0) for n in range(4)]
    bound = 4 / CELLS**0.5
    assert all(abs(np.corrcoef(one, other)[0, 1]) < bound for one, other in pairwise(at))
    assert all(abs(np.corrcoef(each[1:], each[:-1])[0, 1]) < bound for each in at)


@pytest.mark.parametrize(("every_s", "steps_s"), [(1.0, 0.1), (0.1, 0.1), (0.3, 0.1), (5.0, 1.0)])
def test_a_draw_holds_for_its_slot_of_site_time(every_s: float, steps_s: float) -> None:
    """The times are sums of steps, as a farm has them."""
    times = np.cumsum(np.full(100, steps_s))
    drawn = [float(reported("noise", 0.0, time_s=float(t), std=1.0, every_s=every_s)[0]) for t in times]
    slots = [n * round(steps_s * 10) // round(every_s * 10) for n in range(1, 101)]
    moves = [(one != other, a != b) for (one, other), (a, b) in zip(pairwise(drawn), pairwise(slots), strict=True)]
    assert all(drawn_anew == next_slot for drawn_anew, next_slot in moves)


def test_noise_is_the_same_again_however_the_steps_are_cut_and_whoever_else_is_there(
    make_layout: Callable[..., SiteLayout],
) -> None:
    def noise(groups: str, steps: list[float], *, others: bool = False) -> list[float]:
        farm = Farm(make_layout(groups))
        if others:
            farm.faults.add("noise", {"device": "meters-002", "quantity": "*"}, parameters={"std": 3.0})
        farm.faults.add("noise", {**METER, **POWER}, parameters={"std": 5.0})
        for dt_s in steps:
            farm.step(dt_s)
        meter = farm.device("meters-001")
        return [round(meter.value("active_power_w") - meter.true_value("active_power_w"), 6)]

    first = noise(FEW, [10.0])
    assert first != [0.0]
    assert noise(FEW, [10.0]) == noise(FEW, [2.5] * 4) == noise(MORE, [10.0], others=True) == first


@pytest.mark.parametrize("between", [False, True])
def test_of_two_noises_the_variances_add_up(make_layout: Callable[..., SiteLayout], between: bool) -> None:
    """Next to each other they are one; with something else between them each draws for itself."""
    farm = Farm(make_layout(MANY))
    for std in (30.0, 40.0):
        farm.faults.add("noise", POWER, parameters={"std": std})
        if between:
            farm.faults.add("bias", POWER, parameters={"offset": 1e-9})
    farm.step(1.0)
    assert np.std(power(farm)) == pytest.approx(50.0, rel=0.15)


def test_quantities_of_a_device_scatter_each_for_itself(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("noise", {"quantity": "voltage_l?_v"}, parameters={"std": 5.0})
    farm.step(1.0)
    off = [
        d.value(name) - d.true_value(name) for d in farm for name in ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
    ]
    assert len({round(each, 6) for each in off}) == 9


# -------------------------------------------------------------------------- drift, spikes, steps, sign


def test_a_drift_goes_on_by_its_rate_an_hour() -> None:
    assert reported("drift", 100.0, time_s=3_600.0, rate_per_h=-6.0).tolist() == [94.0]
    assert reported("drift", 100.0, time_s=900.0, rate_per_h=8.0).tolist() == [102.0]


def test_a_drift_counts_from_when_it_begins_and_is_gone_when_it_ends(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    farm.step(900.0)
    farm.faults.add("drift", {**METER, **POWER}, parameters={"rate_per_h": 3_600.0}, duration_s=30.0)
    gone = []
    for _ in range(5):
        farm.step(10.0)
        gone.append(round(power(farm)[0], 6))
    assert gone == [0.0, 10.0, 20.0, 0.0, 0.0]


@pytest.mark.parametrize("lasts_s", [1.0, 5.0])
def test_spikes_come_at_their_rate_and_last_as_long_as_they_should(lasts_s: float) -> None:
    """360 an hour, of 1 s each, are a tenth of the time; the share of 4,000 cells is off by 0.5 % of all."""
    share = 360.0 * lasts_s / 3_600.0
    given = {"offset": 1e4, "spikes_per_h": 360.0, "lasts_s": lasts_s}
    at = [reported("spike", np.full(CELLS, 7.0), time_s=n * lasts_s, **given) for n in range(3)]
    assert {*np.unique(at)} == {7.0, 10_007.0}
    assert all(np.mean(each > 7.0) == pytest.approx(share, abs=0.025) for each in at)
    both = np.mean((at[0] > 7.0) & (at[1] > 7.0))
    assert both == pytest.approx(share * share, abs=0.03), "a spike tells nothing of the next"
    within = reported("spike", np.full(CELLS, 7.0), time_s=1.9 * lasts_s, **given)
    assert (within == at[1]).all()


def test_a_spike_may_be_a_factor() -> None:
    assert set(reported("spike", np.full(100, 7.0), factor=10.0, spikes_per_h=1_800.0).tolist()) == {7.0, 70.0}


@pytest.mark.parametrize("step", [1e-12, 0.1, 0.7, 3.0, 1e12])
@pytest.mark.parametrize("mode", ["nearest", "down"])
def test_what_is_quantised_is_a_multiple_near_by_and_stays_it(step: float, mode: str) -> None:
    true = np.concatenate([np.linspace(-1e4, 1e4, 999), np.arange(-50, 50) * step, [np.nan, 1e308, -1e308]])
    once = reported("quantised", true, mode=mode, step=step)
    plain = np.abs(true) < 1e15 * step
    off = (once - true)[plain]
    assert (once[plain] == np.rint(once[plain] / step) * step).all()
    slack = 1e-9 * np.maximum(step, np.abs(true[plain]) * 1e-3)
    if mode == "nearest":
        assert (np.abs(off) <= step / 2.0 + slack).all()
    else:
        assert ((off <= slack) & (off > -step - slack)).all()
    assert np.array_equal(reported("quantised", once, mode=mode, step=step), once, equal_nan=True)
    assert np.isnan(once[-3])
    assert once[-2:].tolist() == pytest.approx([1e308, -1e308])


def test_a_sign_turned_twice_is_the_same_and_what_has_none_is_missed(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("sign-turned", {"quantity": "*"})
    farm.step(60.0)
    meter = farm.device("meters-001")
    for name in ("active_power_w", "reactive_power_l2_var", "power_factor"):
        assert meter.value(name) == -meter.true_value(name)
    assert meter.value("active_power_w") != 0.0
    for name in ("voltage_l1_v", "energy_imported_wh", "rated_power_w", "frequency_hz"):
        assert meter.value(name) == meter.true_value(name)
    farm.faults.add("sign-turned", {"quantity": "*"})
    farm.step(60.0)
    assert all(d.value(q.name) == d.true_value(q.name) for d in farm for q in d.group.spec.quantities)
    with pytest.raises(ConfigError, match="no device of the target can have"):
        farm.faults.add("sign-turned", {"quantity": "energy_*"})


# ------------------------------------------------------------------------------------------ phases


def test_a_phase_that_is_not_measured_reads_0_and_its_totals_stand_still(
    make_layout: Callable[..., SiteLayout],
) -> None:
    farm = Farm(make_layout(FEW))
    farm.step(900.0)
    meter = farm.device("meters-001")
    stood = meter.value("energy_imported_l2_wh")
    assert stood > 0.0
    farm.faults.add("phase-missing", METER, mode="l2")
    for _ in range(2):
        farm.step(900.0)
    assert [meter.value(name) for name in ("voltage_l2_v", "active_power_l2_w", "reactive_power_l2_var")] == [0.0] * 3
    assert meter.value("energy_imported_l2_wh") == stood < meter.true_value("energy_imported_l2_wh")
    assert meter.quality("voltage_l2_v") == Quality.GOOD
    others = [q.name for q in meter.group.spec.quantities if "_l2_" not in q.name or q.name.endswith("alarm")]
    assert "undervoltage_l2_alarm" in others
    assert all(meter.value(name) == meter.true_value(name) for name in others)
    assert farm.device("meters-002").value("voltage_l2_v") > 200.0


def test_a_phase_may_have_no_value_at_all(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("phase-missing", METER, mode="l1", parameters={"shows": "nothing", "quality": "questionable"})
    farm.step(60.0)
    meter = farm.device("meters-001")
    for name in ("voltage_l1_v", "energy_imported_l1_wh"):
        assert np.isnan(meter.value(name))
        assert meter.quality(name) == Quality.INVALID | Quality.NOT_TOPICAL
    assert meter.value("voltage_l2_v") > 200.0


PAIRS = {"l1-l2": ("l1", "l2"), "l2-l3": ("l2", "l3"), "l1-l3": ("l1", "l3")}


@pytest.mark.parametrize("mode", PAIRS)
def test_swapped_phases_show_each_other_with_all_they_have_and_twice_is_the_same(
    mode: str, make_layout: Callable[..., SiteLayout]
) -> None:
    """Also of what other faults made of them before, and of what is known of it."""
    one, other = PAIRS[mode]
    crossed, straight = Farm(make_layout(FEW)), Farm(make_layout(FEW))
    for farm in (crossed, straight):
        farm.faults.add("noise", {"quantity": "*_l?_*"}, parameters={"std": 7.0, "quality": "questionable"})
        farm.faults.add("quality", {"quantity": f"voltage_{one}_v"}, mode="invalid")
    crossed.faults.add("phases-swapped", METER, mode=mode)
    for farm in (crossed, straight):
        farm.step(900.0)
    names = [q.name for q in straight.device("meters-001").group.spec.quantities]
    exchange = {f"_{one}_": f"_{other}_", f"_{other}_": f"_{one}_"}
    partner = {n: next((n.replace(a, b) for a, b in exchange.items() if a in n), n) for n in names}
    assert sum(partner[name] != name for name in names) > 20

    def seen(farm: Farm, device: str, name: str) -> tuple[float, int]:
        found = farm.device(device)
        return found.value(name), found.quality(name)

    for name in names:
        assert seen(crossed, "meters-001", name) == seen(straight, "meters-001", partner[name])
        assert seen(crossed, "meters-002", name) == seen(straight, "meters-002", name)
    assert seen(crossed, "meters-001", f"voltage_{other}_v")[1] == Quality.INVALID | Quality.NOT_TOPICAL
    assert seen(crossed, "meters-001", f"voltage_{one}_v")[1] == Quality.NOT_TOPICAL
    crossed.faults.add("phases-swapped", METER, mode=mode)
    for farm in (crossed, straight):
        farm.step(900.0)
    assert all(seen(crossed, d.id, name) == seen(straight, d.id, name) for d in straight for name in names)


def test_a_quantity_narrows_a_fault_of_a_phase_to_pairs(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("phases-swapped", {**METER, "quantity": "voltage_l1_v"}, mode="l1-l3")
    farm.step(60.0)
    farm.step(60.0)
    meter = farm.device("meters-001")
    assert meter.true_value("voltage_l1_v") != meter.true_value("voltage_l3_v")
    assert meter.value("voltage_l1_v") == meter.true_value("voltage_l3_v")
    assert meter.value("voltage_l3_v") == meter.true_value("voltage_l1_v")
    assert meter.value("current_l1_a") == meter.true_value("current_l1_a")


def test_what_replaces_one_phase_leaves_what_the_other_shows_of_it(make_layout: Callable[..., SiteLayout]) -> None:
    """L2 shows L1 with its offset, whatever L1 shows in the end."""
    farm = Farm(make_layout(FEW))
    farm.faults.add("bias", {"quantity": "voltage_l1_v"}, parameters={"offset": 1_000.0})
    farm.faults.add("phases-swapped", mode="l1-l2")
    farm.faults.add("stuck", {"quantity": "voltage_l1_v"}, parameters={"value": 5.0})
    farm.step(60.0)
    meter = farm.device("meters-001")
    assert meter.value("voltage_l1_v") == 5.0
    assert meter.value("voltage_l2_v") == pytest.approx(meter.true_value("voltage_l1_v") + 1_000.0)


# ------------------------------------------------------------------------------- values that cannot be


def test_a_missing_value_is_no_number_and_invalid_and_what_comes_after_leaves_it_so(
    make_layout: Callable[..., SiteLayout],
) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("missing", {**METER, **POWER})
    for kind in ("bias", "noise", "drift", "quantised", "sign-turned", "spike"):
        farm.faults.add(kind, POWER, parameters=registry.fault(kind).example)
    farm.step(60.0)
    meter = farm.device("meters-001")
    assert np.isnan(meter.value("active_power_w"))
    assert meter.quality("active_power_w") == Quality.INVALID
    assert np.isfinite(farm.device("meters-002").value("active_power_w"))


@pytest.mark.parametrize(
    ("given", "value", "quality"),
    [
        ({}, np.inf, Quality.OVERFLOW | Quality.INVALID),
        ({"value": -1e39, "quality": "good"}, -np.inf, Quality.OVERFLOW | Quality.INVALID),
        ({"value": 65_535.0}, 65_535.0, Quality.OVERFLOW),
        ({"value": -1.0, "quality": "good"}, -1.0, Quality.GOOD),
    ],
)
def test_a_value_out_of_range_says_so_unless_it_is_told_not_to(
    given: dict[str, Any], value: float, quality: Quality, make_layout: Callable[..., SiteLayout]
) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("out-of-range", POWER, parameters=given)
    farm.step(60.0)
    meter = farm.device("meters-001")
    assert (meter.value("active_power_w"), meter.quality("active_power_w")) == (value, quality)


@pytest.mark.parametrize(
    ("mode", "quality"),
    [
        ("invalid", Quality.INVALID),
        ("not-topical", Quality.NOT_TOPICAL),
        ("blocked", Quality.BLOCKED),
        ("substituted", Quality.SUBSTITUTED),
        ("overflow", Quality.OVERFLOW),
    ],
)
def test_a_doubted_value_is_right(mode: str, quality: Quality, make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    farm.faults.add("quality", {**METER, **POWER}, mode=mode)
    farm.step(60.0)
    assert [device.quality("active_power_w") for device in farm] == [quality, 0, 0]
    assert power(farm) == [0.0, 0.0, 0.0]


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        ("noise", {}, "std or a std_frac above 0"),
        ("noise", {"std": -1.0}, "parameters.std"),
        ("noise", {"std": 1.0, "every_s": 0.0}, "parameters.every_s"),
        ("drift", {}, "parameters.rate_per_h"),
        ("drift", {"rate_per_h": 0.0}, "rate_per_h other than 0"),
        ("spike", {}, "offset other than 0"),
        ("spike", {"offset": 1.0, "spikes_per_h": 3_601.0}, "at most 3600"),
        ("quantised", {"step": 0.0}, "parameters.step"),
        ("missing", {"quality": "good"}, "parameters.quality"),
        ("out-of-range", {"value": float("inf")}, "parameters.value"),
        ("phase-missing", {"shows": "noise"}, "parameters.shows"),
        ("quality", {"quality": "invalid"}, "parameters.quality"),
        ("stale-time-tag", {"lag_s": 0.0}, "parameters.lag_s"),
    ],
)
def test_parameters_that_cannot_be_are_refused(kind: str, given: dict[str, Any], text: str, farm: Farm) -> None:
    target = {} if kind in ("phase-missing", "stale-time-tag") else POWER
    with pytest.raises(ConfigError) as refused:
        farm.faults.add(kind, target, parameters=given)
    assert text in str(refused.value)


@pytest.mark.parametrize("kind", ["noise", "drift", "missing", "quality", "out-of-range", "sign-turned"])
def test_a_fault_of_single_values_has_to_be_told_which(kind: str, farm: Farm) -> None:
    with pytest.raises(ConfigError, match=r"target\.quantity"):
        farm.faults.add(kind, {}, parameters=registry.fault(kind).example)


def test_a_phase_is_one_of_three(farm: Farm) -> None:
    with pytest.raises(ConfigError, match="l1-l4 is not known"):
        farm.faults.add("phases-swapped", mode="l1-l4")
    with pytest.raises(ConfigError, match="mode"):
        farm.faults.add("phase-missing", mode="n")


def test_two_noises_in_one_draw_as_often_as_the_more_frequent(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(FEW))
    for every_s in (100.0, 2.0):
        farm.faults.add("noise", {**METER, **POWER}, parameters={"std": 9.0, "every_s": every_s})
    off = []
    for _ in range(8):
        farm.step(1.0)
        off.append(round(power(farm)[0], 6))
    assert len(set(off)) == 5, "slots 0 to 4 in times 1 to 8"
