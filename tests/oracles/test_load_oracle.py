"""The mean of 1,000 homes against the German standard profile for households, as oemof-demand has it."""

from __future__ import annotations

import warnings
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from emulators.contracts import Surroundings
from emulators.devices import common
from emulators.physics import appliances
from profiles import load
from profiles.draws import keys_of

demand = pytest.importorskip("oemof.demand", reason="oemof-demand is missing: pip install 'pilotfarm[oracles]'")
pd = pytest.importorskip("pandas")
pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

N = 1_000
YEAR_WH = 3_500_000.0
QUARTER_S = 900.0
WEEKS = tuple(datetime(2025, month, 6, tzinfo=UTC) for month in (1, 4, 7, 10))


@cache
def drawn_w() -> np.ndarray:
    """What each home draws in each quarter of an hour of four weeks, ``(quarters, n)``."""
    return np.concatenate([_week(start) for start in WEEKS])


def _week(start: datetime) -> np.ndarray:
    keys = keys_of(11, [f"home-{k}" for k in range(N)])
    columns = appliances.begun(keys, np.full(N, YEAR_WH), np.ones(N), np.zeros(N)) | common.key_columns(keys)
    columns |= {"share_l1": np.ones(N), "share_l2": np.zeros(N), "share_l3": np.zeros(N)}
    quarters = []
    for k in range(1, 7 * 96 + 1):
        now = start + timedelta(seconds=QUARTER_S * k - 0.001)
        known = {
            "unix_s": now.timestamp(),
            "local_hour": now.hour + now.minute / 60.0 + now.second / 3_600.0,
            "weekday": now.weekday(),
            "day_of_year": now.timetuple().tm_yday,
        }
        world = Surroundings(**{f.name: known.get(f.name, 0.0) for f in fields(Surroundings) if f.init})
        quarters.append(appliances.drawn(columns, common.keys_in, world, QUARTER_S)[0][0])
    return np.array(quarters)


@cache
def standard() -> np.ndarray:
    """H25 in the same quarters, as a multiple of its yearly mean."""
    year = pd.date_range("2025-01-01", periods=365 * 96, freq="15min")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still calls what pandas 3.1 deprecates
        profile = demand.bdew.H25(year)
    profile = profile / profile.mean()
    weeks = (pd.date_range(start.replace(tzinfo=None), periods=7 * 96, freq="15min") for start in WEEKS)
    return np.concatenate([profile[week].to_numpy() for week in weeks])


def test_the_mean_of_the_homes_moves_with_the_standard_profile() -> None:
    assert np.corrcoef(drawn_w().mean(axis=1), standard())[0, 1] > 0.93


def test_each_season_and_the_year_come_to_the_standard_profiles_energy() -> None:
    ours = drawn_w().mean(axis=1) / (YEAR_WH / 8_766.0)
    assert ours.mean() == pytest.approx(standard().mean(), rel=0.03)
    for season, published in zip(ours.reshape(4, -1), standard().reshape(4, -1), strict=True):
        assert season.mean() == pytest.approx(published.mean(), rel=0.06)


def test_the_homes_draw_what_was_asked_for_the_year() -> None:
    """Against the shape, whose mean over a year is 1: four weeks are not a year of their own."""
    shape = [
        load.shape(np.arange(96) / 4.0 + 0.125, day.weekday(), day.timetuple().tm_yday)
        for start in WEEKS
        for day in (start + timedelta(days=k) for k in range(7))
    ]
    assert drawn_w().mean() == pytest.approx(YEAR_WH / 8_766.0 * np.mean(shape), rel=0.02)


def test_one_home_peaks_at_kilowatts_and_a_thousand_together_at_a_fifth_of_it() -> None:
    """Quarter-hour means. A thousand homes' coincidence is held to be 0.1 to 0.3 (Rusck's curve, as in planning)."""
    week = drawn_w()[: 7 * 96]
    peaks = week.max(axis=0)
    assert 2_000.0 < np.median(peaks) < 5_000.0
    assert 0.1 < week.sum(axis=1).max() / peaks.sum() < 0.3
