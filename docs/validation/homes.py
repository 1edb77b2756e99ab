"""A week of one home, and the mean of 1,000 homes against the German standard profile H25."""

from __future__ import annotations

import warnings
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from emulators.contracts import Surroundings
from emulators.devices import common
from emulators.encoding import Floats
from emulators.physics import appliances
from profiles.draws import keys_of

HOMES: Final = 1_000
YEAR_WH: Final = 3_500_000.0
QUARTER_S: Final = 900.0
WEEKS: Final = {
    "January": datetime(2025, 1, 6, tzinfo=UTC),
    "April": datetime(2025, 4, 7, tzinfo=UTC),
    "July": datetime(2025, 7, 7, tzinfo=UTC),
    "October": datetime(2025, 10, 6, tzinfo=UTC),
}


def draw(folder: Path) -> dict[str, float]:
    """Draw ``home_week.png`` and ``homes_mean.png`` and return the numbers quoted beside them."""
    return {**_one(folder), **_thousand(folder)}


def _drawn_w(n: int, start: datetime, step_s: float) -> Floats:
    """Return what each of ``n`` homes draws in the steps of a week, ``(steps, n)``. [W]"""
    keys = keys_of(2025, [f"home-{k}" for k in range(n)])
    columns = appliances.begun(keys, np.full(n, YEAR_WH), np.ones(n), np.zeros(n)) | common.key_columns(keys)
    columns |= {"share_l1": np.ones(n), "share_l2": np.zeros(n), "share_l3": np.zeros(n)}
    steps = []
    for k in range(1, round(7 * 86_400 / step_s) + 1):
        now = start + timedelta(seconds=step_s * k - 0.001)
        known = {
            "unix_s": now.timestamp(),
            "local_hour": now.hour + now.minute / 60.0 + now.second / 3_600.0,
            "weekday": now.weekday(),
            "day_of_year": now.timetuple().tm_yday,
        }
        world = Surroundings(**{f.name: known.get(f.name, 0.0) for f in fields(Surroundings) if f.init})
        steps.append(appliances.drawn(columns, common.keys_in, world, step_s)[0][0])
    return np.array(steps)


def _one(folder: Path) -> dict[str, float]:
    power_w = _drawn_w(1, WEEKS["January"], 60.0)[:, 0]
    figure, axis = plt.subplots(figsize=(11, 3), layout="constrained")
    axis.plot(np.arange(len(power_w)) / 1_440.0, power_w / 1_000.0, linewidth=0.5)
    axis.set(xlabel="day of the week, from Monday", ylabel="kW", title="One home, a week of January, means of a minute")
    figure.savefig(folder / "home_week.png", dpi=110)
    plt.close(figure)
    return {
        "home_week_kwh": float(power_w.sum() / 60_000.0),
        "home_peak_kw": float(power_w.max() / 1_000.0),
        "home_least_w": float(power_w.min()),
    }


def _thousand(folder: Path) -> dict[str, float]:
    weeks = {season: _drawn_w(HOMES, start, QUARTER_S) for season, start in WEEKS.items()}
    profile = _h25()
    figure, axes = plt.subplots(4, 1, figsize=(11, 9), sharex=True, layout="constrained")
    for axis, (season, week) in zip(axes, weeks.items(), strict=True):
        days = np.arange(len(week)) / 96.0
        axis.plot(days, week.mean(axis=1), label=f"mean of {HOMES:,} homes")
        axis.plot(days, profile[season], linewidth=0.9, label="H25 for the same yearly energy")
        axis.set(ylabel="W", title=season, ylim=(0.0, 1_000.0))
    axes[0].legend(loc="upper left", ncols=2)
    axes[-1].set_xlabel("day of the week, from Monday")
    figure.savefig(folder / "homes_mean.png", dpi=80)
    plt.close(figure)
    ours = np.concatenate([week.mean(axis=1) for week in weeks.values()])
    theirs = np.concatenate(list(profile.values()))
    january = weeks["January"]
    return {
        "homes": float(HOMES),
        "correlation": float(np.corrcoef(ours, theirs)[0, 1]),
        "energy_over_h25": float(ours.mean() / theirs.mean()),
        "root_mean_square_difference_w": float(np.sqrt(np.mean((ours - theirs) ** 2))),
        "median_peak_w": float(np.median(january.max(axis=0))),
        "coincidence": float(january.sum(axis=1).max() / january.max(axis=0).sum()),
    }


def _h25() -> dict[str, Floats]:
    """Return the standard profile in the same weeks, scaled to the homes' year. [W]"""
    from oemof.demand.bdew import H25

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still calls what pandas 3.1 deprecates
        year = H25(pd.date_range("2025-01-01", periods=365 * 96, freq="15min"))
    scaled = year / year.mean() * (YEAR_WH / 8_766.0)
    quarters = {
        season: pd.date_range(start.replace(tzinfo=None), periods=7 * 96, freq="15min")
        for season, start in WEEKS.items()
    }
    return {season: scaled[week].to_numpy() for season, week in quarters.items()}
