"""Clouds: one field for all devices, blown over the site, with the statistics of a measured month."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pilotfarm.profiles.draws import Floats, keys_of
from pilotfarm.profiles.weather import Weather, clouds, scattered
from pilotfarm.profiles.weather.climate import _clearness_at

PAYERNE = json.loads((Path(__file__).parents[2] / "docs/validation/payerne_june_2016.json").read_text(encoding="utf-8"))
START_S = 1.78e9
ORIGIN = np.zeros(1)
APART_M = (100.0, 200.0, 500.0, 1_000.0, 2_000.0)


def made(key: int) -> clouds.Clouds:
    return clouds.Clouds(np.array([key], dtype=np.uint64))


def seconds(key: int) -> Floats:
    """A month over one place, four instants a minute, ``(minutes, 4)``; hourly means of Payerne, NaN at night."""
    field = made(key)
    hourly = np.array([np.nan if mean is None else mean for mean in PAYERNE["hourly_mean"]])
    known = np.flatnonzero(np.isfinite(hourly))
    found = np.full((60 * len(hourly), 4), np.nan)
    later_s = np.array([7.5, 22.5, 37.5, 52.5])
    for minute in np.flatnonzero(np.isfinite(hourly).repeat(60)):
        # As the weather does: the level goes over from one hour to the next.
        mean = float(np.interp(minute / 60.0 - 0.5, known, hourly[known]))
        east, north = (float(speed[0]) for speed in field.velocity(np.array([START_S + 60.0 * minute])))
        found[minute] = field.index(START_S + 60.0 * minute, mean, -east * later_s, -north * later_s)
    return found


@pytest.fixture(scope="module")
def sky() -> Floats:
    return seconds(1)


@pytest.fixture(scope="module")
def month(sky: Floats) -> Floats:
    """Means of minutes, as a station records them."""
    return sky.mean(axis=1)


def test_the_spread_of_minutes_is_that_of_payerne(month: Floats) -> None:
    assert np.nanstd(month) == pytest.approx(PAYERNE["std"], rel=0.05)
    measured = np.mean([mean for mean in PAYERNE["hourly_mean"] if mean is not None])
    assert np.nanmean(month) == pytest.approx(measured, rel=0.03)


@pytest.mark.parametrize(
    ("rank", "limit"),
    # Most minutes hardly move; the largest steps of a month are a fifth too small, those between a little too many.
    [("0.5", 0.15), ("0.75", 0.25), ("0.9", 0.25), ("0.95", 0.2), ("0.99", 0.2), ("0.999", 0.25)],
)
def test_the_steps_from_minute_to_minute_are_those_of_payerne(month: Floats, rank: str, limit: float) -> None:
    steps = np.abs(np.diff(month))
    steps = steps[np.isfinite(steps)]
    assert np.quantile(steps, float(rank)) == pytest.approx(PAYERNE["ramp_quantiles"][rank], rel=limit)


@pytest.mark.parametrize(("rank", "limit"), [("0.5", 0.2), ("0.75", 0.35), ("0.9", 0.25), ("0.95", 0.2), ("0.99", 0.3)])
def test_the_unrest_within_a_minute_is_that_of_payerne(sky: Floats, rank: str, limit: float) -> None:
    """The station tells the standard deviation of the seconds of every minute."""
    within = sky.std(axis=1)
    found = np.quantile(within[np.isfinite(within)], float(rank))
    assert found == pytest.approx(PAYERNE["std_within_minute_quantiles"][rank], rel=limit)


def test_minutes_have_two_modes_a_cloud_s_and_a_clear_sky_s(month: Floats) -> None:
    """Suehrcke and McCormick (1988) and many since; in hourly means the second one is gone."""
    step = PAYERNE["histogram_bin"]
    measured = np.array(PAYERNE["histogram_of_minutes"])
    found = np.histogram(month[np.isfinite(month)], step * np.arange(len(measured) + 1))[0] / np.isfinite(month).sum()
    assert 0.5 * np.abs(found - measured).sum() < 0.15  # the share of minutes in another bin
    cloud, gap, clear = (found[slice(*bins)] for bins in ((0, 12), (14, 18), (18, 24)))
    assert cloud.max() > 1.8 * gap.mean()
    assert clear.max() > 2.5 * gap.mean()
    assert 0.9 <= step * (18 + int(clear.argmax())) <= 1.05


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


@pytest.mark.parametrize("minutes", [1, 5, 15])
def test_steps_are_less_alike_the_farther_apart_and_the_shorter(pairs: tuple[float, Floats], minutes: int) -> None:
    """Lave and Kleissl, Solar Energy 91 (2013) 11: exp(-2 d / (v dt)), the formula of pvlib.scaling.

    Ours are too much alike over a minute and 100 m, and too little over a quarter of an hour and a kilometre.
    """
    speed, days = pairs
    steps = np.concatenate(days[:, minutes:] - days[:, :-minutes])
    found = np.corrcoef(steps.T)[0, 1:].reshape(len(APART_M), 4).mean(axis=1)
    expected = np.exp(-2.0 * np.array(APART_M) / (speed * 60.0 * minutes))
    assert found == pytest.approx(expected, abs=0.22)
    assert (np.diff(found) < 0.0).all()


@pytest.fixture(scope="module")
def pairs() -> tuple[float, Floats]:
    """Mean speed of the clouds [m/s], and light over a clear sky's on June days, ``(days, minutes, places)``."""
    weather = Weather(46.815, 6.944, 491.0, "Europe/Zurich", 3)
    apart, angle = np.meshgrid(APART_M, np.pi * np.arange(4) / 4.0, indexing="ij")
    x, y = (np.concatenate(([0.0], (apart * turn).ravel())) for turn in (np.cos(angle), np.sin(angle)))
    instants = 1_780_264_800.0 + 86_400.0 * np.arange(25)[:, None] + np.arange(8.0 * 3_600.0, 18.0 * 3_600.0, 60.0)
    speed = np.hypot(*weather._clouds.velocity(instants.ravel())).mean()
    light = [weather.light(at, x, y).ghi_w_per_m2 / weather._row(at)[3] for at in instants.ravel().tolist()]
    return float(speed), np.reshape(light, (*instants.shape, len(x)))


@pytest.mark.parametrize(("mean", "share"), [(0.5437, 0.930), (0.7372, 0.736), (0.8952, 0.367), (1.0283, 0.041)])
def test_as_much_lies_in_shadow_as_payerne_s_direct_light_says(mean: float, share: float) -> None:
    """Share of minutes without half of the clear sky's beam; a shadow is darker than halfway from cloud to gap."""
    field = made(2)
    wide = np.random.default_rng(3).uniform(-50_000.0, 50_000.0, (2, 40_000))
    seen = clouds._open_share(field._of_mean(mean), *field._fields_at(START_S, *wide))
    assert 1.0 - seen.mean() == pytest.approx(share, abs=0.03)


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
    """The mean of fifteen Junes is the month's; days under a clear sky and dull ones both come."""
    weather = Weather(latitude, 11.0, 50.0, "UTC", 9, clouds=False)
    june = [1_780_272_000.0 + 86_400.0 * (day + 365.25 * year) for year in range(15) for day in range(0, 30, 3)]
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
