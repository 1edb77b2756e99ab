"""The mean of 1,000 homes against the German standard profile for households, as oemof-demand has it."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pilotfarm.profiles import load

pytest.importorskip("oemof.demand", reason="oemof-demand is missing: pip install 'pilotfarm[oracles]'")
pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

OF_HOMES = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "validation" / "_weeks.py"))
"""What the validation page draws its plots with."""

N = 1_000
SEED = 11
YEAR_WH = 3_500_000.0
QUARTER_S = 900.0
WEEKS = tuple(datetime(2025, month, 6, tzinfo=UTC) for month in (1, 4, 7, 10))


@cache
def drawn_w() -> np.ndarray:
    """What each home draws in each quarter of an hour of four weeks, ``(quarters, n)``."""
    return np.concatenate([OF_HOMES["drawn_w"](N, YEAR_WH, SEED, start, QUARTER_S) for start in WEEKS])


@cache
def standard() -> np.ndarray:
    """H25 in the same quarters, as a multiple of its yearly mean."""
    return np.concatenate(OF_HOMES["h25"](WEEKS))


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
