"""A week of one home, and the mean of 1,000 homes against the German standard profile H25."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from _weeks import drawn_w, h25

SEED: Final = 2_025
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


def _one(folder: Path) -> dict[str, float]:
    power_w = drawn_w(1, YEAR_WH, SEED, WEEKS["January"], 60.0)[:, 0]
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
    weeks = {season: drawn_w(HOMES, YEAR_WH, SEED, start, QUARTER_S) for season, start in WEEKS.items()}
    mean_w = YEAR_WH / 8_766.0
    profile = {season: shape * mean_w for season, shape in zip(WEEKS, h25(WEEKS.values()), strict=True)}
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
