"""Household load and charging sessions."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.profiles import hot_water, load, sessions
from pilotfarm.profiles.draws import keys_of

KEYS = keys_of(3, [f"home-{k}" for k in range(2_000)])
SITES = (sessions.PRIVATE, sessions.PUBLIC, sessions.WORKPLACE, sessions.FAST)


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


def test_classes_of_appliances_come_to_their_shares_and_to_the_shape() -> None:
    started, taken = load._tables(1.0)
    energy_w = started * [one.power_w * one.mean_s for one in load.APPLIANCES]
    mean_w = 3.5e6 / 8_766.0
    shape = np.concatenate([load.shape(np.arange(288) / 12.0, day, 106) for day in range(7)]) / load.season(106)
    assert energy_w.sum(axis=1) == pytest.approx(mean_w * (shape - 0.35), rel=1e-9)
    shares = energy_w.mean(axis=0) / energy_w.mean(axis=0).sum()
    assert shares == pytest.approx([one.share for one in load.APPLIANCES], abs=0.03)
    assert taken.min() >= 0.0
    assert taken.max() < 0.6
    assert len(load.APPLIANCES) >= 7


def test_what_homes_are_like_comes_to_what_they_draw_in_a_year() -> None:
    for annual_wh in (0.0, 8e5, 2.5e6, 4e6, 9e6, 60e6):
        homes = load.homes(KEYS, np.full(len(KEYS), annual_wh))
        used_w = homes.use_power_w * homes.use_rate
        average = [one.power_w for one in load.APPLIANCES]
        size = min(annual_wh, 7e6) / 3.5e6
        assert used_w == pytest.approx(np.broadcast_to(np.multiply(size, average), used_w.shape))
        always = homes.standby_w + homes.fridge_w
        assert always + homes.beyond_w == pytest.approx((annual_wh - 0.65 * 3.5e6 * size) / 8_766.0)
        assert np.all(homes.use_power_w <= 3.0 * np.array(average))


def test_uses_are_a_function_of_key_and_slot_and_do_not_feel_neighbours() -> None:
    slot, cell = np.full(2_000, 5_833_000), np.full(2_000, 800)
    rate = np.ones((2_000, len(load.APPLIANCES)))
    one, again = load.uses(KEYS, slot, cell, rate, 80), load.uses(KEYS, slot, cell, rate, 80)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    few = load.uses(KEYS[7:400], slot[7:400], cell[7:400], rate[7:400], 80)
    inside = (one[0] >= 7) & (one[0] < 400)
    assert np.array_equal(few[0] + 7, one[0][inside])
    assert np.array_equal(few[3], one[3][inside])
    other = load.uses(KEYS, slot + 1, cell, rate, 80)
    assert not np.array_equal(one[0], other[0])


def test_durations_have_their_classes_mean() -> None:
    lasts = {index: [] for index in range(len(load.APPLIANCES))}
    for slot in range(400):
        _, kind, begins, seconds = load.uses(
            KEYS, np.full(2_000, slot), np.full(2_000, 236), np.ones((2_000, len(load.APPLIANCES))), 80
        )
        assert np.all((begins >= 0.0) & (begins < 1.0))
        for index in lasts:
            lasts[index].extend(seconds[kind == index])
    for index, one in enumerate(load.APPLIANCES):
        error = one.mean_s / np.sqrt(one.regularity * len(lasts[index]))
        assert np.mean(lasts[index]) == pytest.approx(one.mean_s, abs=4.0 * error + 0.01 * one.mean_s)
        assert max(lasts[index]) <= load.LONGEST_S


def test_hot_water_comes_to_its_day_and_peaks_in_the_morning() -> None:
    by_slot = np.array(
        [
            hot_water.tapped_w(KEYS, 96 * day + quarter, quarter / 4.0, np.full(len(KEYS), 5_800.0)).mean()
            for day in range(4)
            for quarter in range(96)
        ]
    ).reshape(4, 96)
    assert by_slot.sum(axis=1).mean() / 4.0 == pytest.approx(5_800.0, rel=0.03)
    assert by_slot[:, 26:32].mean() > 5.0 * by_slot[:, :20].mean()


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
