"""Draws the README's picture: a day of a built-in site, simulated on the spot. ``make picture`` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load

SITE = "germany"
STEP_S = 120.0
KINDS = {
    "pv_generator": ("PV generators", "#e8a317"),
    "battery": ("batteries", "#2e8b57"),
    "ev_charger": ("EV chargers", "#6a5acd"),
    "smart_meter": ("metered homes", "#8c8c8c"),
    "prosumer": ("prosumers", "#c2552d"),
}


def draw(path: Path) -> None:
    """Simulate the day and write the picture."""
    farm = Farm(load(SITE, start="2026-06-15T00:00:00"))
    steps = int(86_400 / STEP_S)
    power_kw = {kind: np.zeros(steps) for kind in KINDS}
    low_v, mean_v, high_v = np.zeros(steps), np.zeros(steps), np.zeros(steps)
    for step in range(steps):
        farm.step(STEP_S)
        for group in farm.groups.values():
            power_kw[group.spec.kind][step] += group.columns["active_power_w"].sum() / 1e3
        low_v[step], mean_v[step], high_v[step] = np.percentile(farm.network.voltage_v, [5, 50, 95])
    hours = (1.0 + np.arange(steps)) * STEP_S / 3600.0
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(9.6, 5.0), height_ratios=(3, 1), sharex=True)
    for kind, (label, colour) in KINDS.items():
        upper.plot(hours, power_kw[kind], label=label, color=colour, linewidth=1.4)
    upper.axhline(0.0, color="black", linewidth=0.6)
    upper.set_ylabel("active power, kW\n(plus to the grid)")
    upper.legend(ncols=5, fontsize="small", frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.13))
    lower.fill_between(hours, low_v, high_v, color="#9ec5e8", label="5 % to 95 %")
    lower.plot(hours, mean_v, color="#1f4e79", linewidth=1.0)
    lower.set_ylabel("voltage, V")
    lower.set_xlabel(f"hour of the day ({farm.layout.title}, {farm.layout.device_count} devices)")
    lower.set_xlim(0, 24)
    lower.set_xticks(range(0, 25, 3))
    for axes in (upper, lower):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
