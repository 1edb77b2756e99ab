"""Household load and charging sessions."""

from __future__ import annotations

import numpy as np
import pytest

from profiles import load, sessions
from profiles.draws import keys_of

KEYS = keys_of(3, [f"home-{k}" for k in range(2_000)])
START_S = 1_750_000_000.0
SITES = (sessions.PRIVATE, sessions.PUBLIC, sessions.WORKPLACE, sessions.FAST)


def homes_w(unix_s: float, hour: float = 19.0) -> np.ndarray:
    return load.household_w(KEYS, np.full(len(KEYS), 4e6), unix_s, hour, 2, 80)


def drawn(site: int, k: int, invalid: float = 0.0) -> sessions.Sessions:
    n = len(KEYS)
    return sessions.session(KEYS, k, np.full(n, float(site)), np.full(n, invalid))


def test_the_mean_of_the_shape_over_a_year_is_one() -> None:
    hours = np.arange(96) / 4.0
    days = [load.shape(hours, day % 7, day % 365 + 1).mean() for day in range(365 * 7)]
    assert np.mean(days) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("weekday", range(7))
def test_evenings_are_above_nights_and_winter_above_summer(weekday: int) -> None:
    assert load.shape(19.0, weekday, 100) > 2.0 * load.shape(3.0, weekday, 100)
    assert load.shape(19.0, weekday, 15) > 1.3 * load.shape(19.0, weekday, 196)


def test_the_shape_does_not_jump_at_midnight() -> None:
    assert load.shape(24.0, 1, 50) == pytest.approx(load.shape(0.0, 1, 50))


def test_noise_has_mean_one_at_any_moment() -> None:
    for offset in (0.0, 17.0, 450.0, 899.0):
        ratio = homes_w(START_S + offset).mean() / (4e6 / 8_766.0 * load.shape(19.0, 2, 80))
        assert ratio == pytest.approx(1.0, abs=0.06)


def test_no_home_draws_less_than_nothing_and_homes_differ() -> None:
    now = homes_w(START_S)
    assert now.min() > 0.0
    assert now.std() > 0.4 * now.mean()


def test_the_load_moves_without_jumps_across_every_slot() -> None:
    values = np.array([homes_w(START_S + second) for second in range(0, 960, 2)])
    steps = np.abs(np.diff(values, axis=0)) / values[:-1]
    assert steps.max() < 0.1


def test_a_home_does_not_feel_its_neighbours() -> None:
    few = load.household_w(KEYS[7:9], np.full(2, 4e6), START_S, 19.0, 2, 80)
    assert np.array_equal(few, homes_w(START_S)[7:9])


@pytest.mark.parametrize("site", SITES)
def test_a_session_is_a_function_of_key_and_number(site: int) -> None:
    one, again, other = drawn(site, 4), drawn(site, 4), drawn(site, 5)
    assert np.array_equal(one.stay_s, again.stay_s)
    assert not np.array_equal(one.stay_s, other.stay_s)


@pytest.mark.parametrize(("site", "energy_kwh", "stay_h"), [(0, 19.4, 11.0), (1, 7.2, 4.4), (2, 8.8, 4.9)])
def test_medians_are_those_of_the_measured_sessions(site: int, energy_kwh: float, stay_h: float) -> None:
    """Medians of ElaadNL's open data."""
    sample = [drawn(site, k) for k in range(10)]
    energy, stay = (
        np.concatenate(parts) for parts in zip(*((s.energy_wanted_wh, s.stay_s) for s in sample), strict=True)
    )
    assert np.median(stay) / 3_600.0 == pytest.approx(stay_h, rel=0.04)
    assert np.median(energy) / 1_000.0 == pytest.approx(energy_kwh, rel=0.04)


def test_a_tenth_a_quarter_and_three_quarters_of_vehicles_have_the_measured_power() -> None:
    power_kw = np.concatenate([drawn(sessions.PUBLIC, k).vehicle_power_w for k in range(10)]) / 1_000.0
    for share, measured_kw in ((0.10, 3.2), (0.25, 3.6), (0.50, 5.8), (0.75, 10.8), (0.90, 11.4)):
        assert np.quantile(power_kw, share) == pytest.approx(measured_kw, rel=0.03)


def test_dc_vehicles_charge_with_the_fleets_mean_power() -> None:
    power_kw = np.concatenate([drawn(sessions.FAST, k).vehicle_power_w for k in range(10)]) / 1_000.0
    assert power_kw.mean() == pytest.approx(131.0, rel=0.05)


def test_who_stays_longer_takes_more_as_far_as_measured() -> None:
    """Rank correlation of stay and energy at the two sites of ACN-Data: 0.20 and 0.26."""
    sample = [drawn(sessions.WORKPLACE, k) for k in range(5)]
    stay = np.concatenate([one.stay_s for one in sample])
    energy = np.concatenate([one.energy_wanted_wh for one in sample])
    ranks = [values.argsort().argsort() for values in (stay, energy)]
    assert 0.20 < np.corrcoef(*ranks)[0, 1] < 0.26


@pytest.mark.parametrize("site", SITES)
def test_what_is_wanted_fits_the_pack_and_cards_have_24_bits(site: int) -> None:
    one = drawn(site, 1, invalid=0.1)
    assert np.all(one.energy_wanted_wh <= (1.0 - one.soc_start_frac) * one.pack_wh)
    assert np.all((one.card_id >= 1.0) & (one.card_id <= sessions.LARGEST_CARD) & (one.card_id % 1.0 == 0.0))
    assert 1.0 - one.card_valid.mean() == pytest.approx(0.1, abs=0.03)


def test_all_cards_are_refused_or_none_where_the_site_says_so() -> None:
    assert drawn(0, 1, invalid=1.0).card_valid.sum() == 0.0
    assert drawn(0, 1, invalid=0.0).card_valid.all()


def arrivals(site: int, weeks: int = 6) -> np.ndarray:
    """When vehicles come to 2,000 places after their first week, in hours of the week."""
    n = len(KEYS)
    here = np.full(n, float(site))
    now_h, came = np.zeros(n), []
    for k in range(400):
        one = sessions.session(KEYS, k, here, np.zeros(n))
        now_h = now_h + sessions.arrival_gap_s(KEYS, k, here, now_h % 168.0) / 3_600.0
        came.append(now_h[(now_h >= 168.0) & (now_h < weeks * 168.0)])
        now_h = now_h + one.stay_s / 3_600.0
        if now_h.min() > weeks * 168.0:
            break
    return np.concatenate(came) % 168.0


@pytest.mark.parametrize(("site", "a_week"), [(0, 4.7), (1, 8.2), (2, 4.08)])
def test_arrivals_of_places_that_may_be_taken_come_out_as_published(site: int, a_week: float) -> None:
    """Percent of arrivals by hour, workdays and weekends, against the table; half a point and four standard errors."""
    came = arrivals(site)
    assert len(came) / len(KEYS) / 5.0 == pytest.approx(a_week, rel=0.03)
    for days, published in ((came < 120.0, sessions.WORKDAY_PERCENT), (came >= 120.0, sessions.WEEKEND_PERCENT)):
        hours = np.floor(came[days] % 24.0).astype(int)
        percent = 100.0 * np.bincount(hours, minlength=24) / len(hours)
        tolerance = 0.5 + 400.0 * np.sqrt(published[site] / 100.0 / len(hours))
        assert np.all(np.abs(percent - published[site]) < tolerance)
