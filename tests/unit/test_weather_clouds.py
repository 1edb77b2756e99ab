"""Clouds: one field for all devices, blown over the site, with the statistics of a measured month."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from profiles.draws import Floats, keys_of
from profiles.weather import Weather, clouds, scattered
from profiles.weather.climate import _clearness_at

PAYERNE = json.loads((Path(__file__).parents[2] / "docs/validation/payerne_june_2016.json").read_text(encoding="utf-8"))
START_S = 1.78e9
ORIGIN = np.zeros(1)


def made(key: int) -> clouds.Clouds:
    return clouds.Clouds(np.array([key], dtype=np.uint64))


def minutes(key: int) -> Floats:
    """A month of minutes over one place, the hourly means those of Payerne; NaN at night."""
    field = made(key)
    hourly = [np.nan if mean is None else mean for mean in PAYERNE["hourly_mean"]]
    return np.array(
        [
            field.index(START_S + 60.0 * minute, mean, ORIGIN, ORIGIN)[0] if mean == mean else np.nan
            for hour, mean in enumerate(hourly)
            for minute in range(60 * hour, 60 * hour + 60)
        ]
    )


@pytest.fixture(scope="module")
def month() -> Floats:
    return minutes(1)


def test_the_spread_of_minutes_is_that_of_payerne(month: Floats) -> None:
    assert np.nanstd(month) == pytest.approx(PAYERNE["std"], rel=0.05)
    measured = np.mean([mean for mean in PAYERNE["hourly_mean"] if mean is not None])
    assert np.nanmean(month) == pytest.approx(measured, rel=0.03)


def test_the_steps_from_minute_to_minute_are_those_of_payerne(month: Floats) -> None:
    steps = np.abs(np.diff(month))
    steps = steps[np.isfinite(steps)]
    for rank in ("0.95", "0.99", "0.999"):
        limit = 0.2 if rank != "0.95" else 0.3  # the model's moderate steps are somewhat too many
        assert np.quantile(steps, float(rank)) == pytest.approx(PAYERNE["ramp_quantiles"][rank], rel=limit), rank


@pytest.mark.parametrize("lag", [1, 5, 10, 30, 60, 120])
def test_the_memory_of_minutes_is_that_of_payerne(month: Floats, lag: int) -> None:
    before, after = month[:-lag], month[lag:]
    both = np.isfinite(before) & np.isfinite(after)
    assert np.corrcoef(before[both], after[both])[0, 1] == pytest.approx(PAYERNE["acf"][str(lag)], abs=0.05)


@pytest.mark.parametrize("mean", [0.1, 0.3, 0.6, 0.85, 1.0, 1.045])
def test_over_many_places_the_index_has_the_mean_it_was_told(mean: float) -> None:
    wide = np.random.default_rng(3).uniform(-50_000.0, 50_000.0, (2, 40_000))
    found = made(2).index(START_S, mean, *wide)
    assert found.mean() == pytest.approx(mean, rel=0.03)
    assert 0.0 <= found.min() <= found.max() <= 1.5


def test_a_cloud_crosses_the_neighbours_one_after_another() -> None:
    field = made(4)
    east, north = (float(speed[0]) for speed in field.velocity(np.array([START_S])))
    x, y = np.random.default_rng(5).uniform(-1_000.0, 1_000.0, (2, 500))
    later = field.index(START_S + 60.0, 0.7, x + 60.0 * east, y + 60.0 * north)
    assert later == pytest.approx(field.index(START_S, 0.7, x, y), abs=2e-3)
    assert np.abs(field.index(START_S + 60.0, 0.7, x, y) - later).max() > 0.1


def test_the_drift_is_the_integral_of_the_speed() -> None:
    field = made(4)
    ends = np.array([field.drift(START_S + 60.0 * k) for k in range(1_441)])
    middles = START_S + 60.0 * np.arange(1_440) + 30.0
    assert pytest.approx(60.0 * np.stack(field.velocity(middles)), abs=0.01) == np.diff(ends, axis=0).T


def test_neighbours_see_more_of_the_same_sky_than_far_off_devices() -> None:
    field = made(6)
    places = np.array([0.0, 50.0, 500.0, 10_000.0])
    seen = np.array([field.index(START_S + 120.0 * k, 0.6, places, np.zeros(4)) for k in range(3_000)])
    near, middle, far = (np.corrcoef(seen[:, 0], seen[:, k])[0, 1] for k in (1, 2, 3))
    assert near > 0.97
    assert near > middle > far
    assert far < 0.3


def test_every_device_has_its_own_light_and_the_sky_is_that_of_the_middle() -> None:
    weather = Weather(47.77, 10.22, 720.0, "Europe/Berlin", 3)
    noon_s = 1_781_515_000.0
    x = np.array([0.0, 800.0, -700.0])
    light, sky = weather.light(noon_s, x, np.zeros(3)), weather.at(noon_s)
    assert len(set(light.ghi_w_per_m2.tolist())) == 3
    assert light.ghi_w_per_m2[0] == sky.ghi_w_per_m2
    assert light.dhi_w_per_m2[0] == sky.dhi_w_per_m2
    even = Weather(47.77, 10.22, 720.0, "Europe/Berlin", 3, clouds=False).light(noon_s, x, np.zeros(3))
    assert np.ptp(even.ghi_w_per_m2) == 0.0


def test_the_light_of_a_place_does_not_depend_on_who_else_is_looked_at() -> None:
    weather = Weather(47.77, 10.22, 720.0, "Europe/Berlin", 3)
    x, y = np.random.default_rng(5).uniform(-1_000.0, 1_000.0, (2, 50))
    together = weather.light(1_781_515_000.0, x, y).ghi_w_per_m2
    alone = [weather.light(1_781_515_000.0, x[k : k + 1], y[k : k + 1]).ghi_w_per_m2[0] for k in range(50)]
    assert together.tolist() == alone


@pytest.mark.parametrize("latitude", [59.1, 47.77, 35.9])
def test_days_are_as_clear_as_merra_2_says(latitude: float) -> None:
    """The mean of a hundred Junes is the month's; days under a clear sky and dull ones both come."""
    weather = Weather(latitude, 11.0, 50.0, "UTC", 9, clouds=False)
    june = [1_780_272_000.0 + 86_400.0 * (day + 365.25 * year) for year in range(25) for day in range(0, 30, 3)]
    found = []
    for start_s in june:
        grid = start_s + np.arange(0.0, 86_400.0, 900.0)
        clear = weather._sun.over(grid).ghi
        found.append(float((weather._source.clearness(grid) * clear).sum() / clear.sum()))
    months = _clearness_at(latitude)
    expected = np.trapezoid(months[5], dx=0.05)
    assert np.mean(found) == pytest.approx(expected, abs=0.04)
    assert np.quantile(found, 0.05) == pytest.approx(months[5][1], abs=0.12)
    assert np.quantile(found, 0.95) == pytest.approx(months[5][19], abs=0.05)


def test_devices_stand_within_the_site_and_near_their_feeder() -> None:
    keys = keys_of(1, [f"home-{k}" for k in range(500)])
    for feeder in range(20):
        x, y = scattered(keys, feeder, 2_000.0)
        assert np.abs(np.concatenate((x, y))).max() <= 1_000.0
        assert np.hypot(np.ptp(x), np.ptp(y)) <= 600.0 * np.sqrt(2.0)
    x, y = scattered(keys, 1, 10.0)
    assert np.abs(np.concatenate((x, y))).max() <= 5.0
    assert np.array_equal(scattered(keys[100:101], 7, 2_000.0)[0], scattered(keys, 7, 2_000.0)[0][100:101])
