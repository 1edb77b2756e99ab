"""When vehicles come to charge, against the percentages ElaadNL published."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.profiles import sessions
from pilotfarm.profiles.draws import keys_of

PLACES: Final = 3_000
WEEKS: Final = 9
NAMES: Final = {sessions.PRIVATE: "private", sessions.PUBLIC: "public", sessions.WORKPLACE: "workplace"}
MEDIANS: Final = {sessions.PRIVATE: (19.4, 11.0), sessions.PUBLIC: (7.2, 4.4), sessions.WORKPLACE: (8.8, 4.9)}
"""Energy [kWh] and stay [h], as published."""


def draw(folder: Path) -> dict[str, float]:
    """Draw ``ev_arrivals.png`` and return the numbers quoted beside it."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 5.5), sharex=True, layout="constrained")
    numbers: dict[str, float] = {"places": float(PLACES), "sessions": 0.0}
    for column, (site, name) in enumerate(NAMES.items()):
        came_h, energy_kwh, stay_h = _ensemble(site)
        numbers["sessions"] += float(len(came_h))
        numbers[f"{name}_median_energy_kwh"] = float(np.median(energy_kwh))
        numbers[f"{name}_median_stay_h"] = float(np.median(stay_h))
        numbers[f"{name}_published_median_energy_kwh"], numbers[f"{name}_published_median_stay_h"] = MEDIANS[site]
        workday = came_h < 120.0
        for row, (part, published, label) in enumerate(
            (
                (workday, sessions.WORKDAY_PERCENT[site], "workday"),
                (~workday, sessions.WEEKEND_PERCENT[site], "weekend"),
            )
        ):
            hours = np.floor(came_h[part] % 24.0).astype(int)
            percent = 100.0 * np.bincount(hours, minlength=24) / len(hours)
            axis = axes[row, column]
            measured = site != sessions.WORKPLACE or label == "workday"
            against = "ElaadNL" if measured else "assumed: as on workdays"
            axis.bar(np.arange(24) + 0.5, percent, width=0.9, color="0.75", label="sessions drawn")
            axis.step(np.arange(25), [*published, published[-1]], where="post", color="tab:red", label=against)
            axis.set_title(f"{name}, {label}", fontsize=10)
            axis.legend(fontsize=8)
            numbers[f"{name}_{label}_largest_difference_points"] = float(np.abs(percent - published).max())
        axes[1, column].set_xlabel("local hour")
    for axis in axes[:, 0]:
        axis.set_ylabel("arrivals [% of a day's]")
    figure.savefig(folder / "ev_arrivals.png", dpi=110)
    plt.close(figure)
    return numbers


def _ensemble(site: int) -> tuple[Floats, Floats, Floats]:
    """Return every session after the first week: hour of the week, energy [kWh] and stay [h]."""
    keys = keys_of(2025, [f"{NAMES[site]}-{k}" for k in range(PLACES)])
    here, now_h = np.full(PLACES, float(site)), np.zeros(PLACES)
    came, energy, stay = [], [], []
    k = 0
    while now_h.min() < WEEKS * 168.0:
        drawn = sessions.session(keys, k, here, np.zeros(PLACES))
        now_h = now_h + sessions.arrival_gap_s(keys, k, here, now_h % 168.0) / 3_600.0
        counts = (now_h >= 168.0) & (now_h < WEEKS * 168.0)
        came.append(now_h[counts] % 168.0)
        energy.append(drawn.energy_wanted_wh[counts] / 1_000.0)
        stay.append(drawn.stay_s[counts] / 3_600.0)
        now_h = now_h + drawn.stay_s / 3_600.0
        k += 1
    return np.concatenate(came), np.concatenate(energy), np.concatenate(stay)
