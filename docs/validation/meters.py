"""How many meters data concentrators have read by the hour of a night, and how many last gasps and returns come."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.stations import gasping
from pilotfarm.emulators.stations.collecting import Collecting, Collector, kept_frac
from pilotfarm.emulators.stations.exchanges import hops
from pilotfarm.profiles.draws import keys_of, uniform
from pilotfarm.profiles.media.shared import shared_medium

CONCENTRATORS: Final = 100
BEGIN_S, END_S, AGAIN_S, LOOK_S, NOISE_S = 300.0, 7 * 3_600.0, 1_800.0, 60.0, 900.0
MEDIA: Final = {"radio_mesh": "radio mesh", "plc_g3": "G3-PLC", "plc_prime": "PRIME"}
METERS: Final = (100, 250)


def draw(folder: Path) -> dict[str, float]:
    """Draw ``meter_reads.png`` and ``last_gasps.png`` and return the numbers quoted beside them."""
    return {**_reads(folder), **_words(folder)}


def _reads(folder: Path) -> dict[str, float]:
    figure, axes = plt.subplots(1, len(METERS), figsize=(11, 4), sharey=True, layout="constrained")
    numbers: dict[str, float] = {}
    for axis, meters in zip(axes, METERS, strict=True):
        for name, label in MEDIA.items():
            shares, first = _night(name, meters)
            axis.plot(np.arange(len(shares)) * LOOK_S / 3_600.0, 100.0 * shares, label=label)
            numbers[f"{name}_{meters}_first_frac"], numbers[f"{name}_{meters}_at_7_frac"] = first, float(shares[-1])
            numbers[f"{name}_{meters}_95_h"] = float(np.argmax(shares >= 0.95) * LOOK_S / 3_600.0)
        axis.axhline(99.0, color="0.6", linewidth=0.8, linestyle=":")
        axis.set(title=f"{meters} meters behind a concentrator", xlabel="hour of the night", ylim=(0.0, 101.0))
        axis.legend(fontsize=8)
    axes[0].set_ylabel("meters read in full [%]")
    figure.savefig(folder / "meter_reads.png", dpi=110)
    plt.close(figure)
    return numbers


def _night(name: str, meters: int) -> tuple[Floats, float]:
    """Return the share of meters read in full, minute by minute, and what it is after the first round."""
    medium, n = shared_medium(name), CONCENTRATORS * meters
    keys, each = _keys("meter", n), _keys("concentrator", CONCENTRATORS)
    collector = Collector(medium, keys, np.repeat(np.arange(CONCENTRATORS), meters), Collecting())
    reachable, shares, first = np.ones(n, dtype=bool), [0.0], 0.0
    for at_s in np.arange(0.0, END_S, LOOK_S):
        if at_s == BEGIN_S or (collector.idle and (at_s - BEGIN_S) % AGAIN_S == 0.0):
            collector.begin(float(at_s), 96)
        noisy = uniform(each, int(at_s // NOISE_S), "noise") < medium.noise_frac
        collector.advance(float(at_s + LOOK_S), reachable, noisy)
        shares.append(float((collector.known == 96).mean()))
        if collector.idle and shares[-1] and not first:
            first = shares[-1]
    return np.array(shares), first


def _words(folder: Path) -> dict[str, float]:
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    numbers: dict[str, float] = {}
    shares = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    for name, label in MEDIA.items():
        medium, n = shared_medium(name), CONCENTRATORS * 100
        keys, behind = _keys("meter", n), np.repeat(np.arange(CONCENTRATORS), 100)
        far = hops(medium, keys)
        parent, kept = gasping.parents(keys, behind, far), kept_frac(medium, keys, far)
        came = []
        for share in shares:
            out = uniform(keys, 0, "out") < share
            came.append(float(np.isfinite(gasping.gasps(medium, keys, behind, parent, kept, out, 0))[out].mean()))
        axes[0].plot(100.0 * shares, 100.0 * np.array(came), marker="o", markersize=3, label=label)
        numbers[f"{name}_gasps_all_frac"], numbers[f"{name}_gasps_few_frac"] = came[-1], came[0]
        back = np.sort(gasping.returns(medium, keys, behind, parent, kept, np.ones(n, dtype=bool), 0)) / 60.0
        axes[1].plot(back, 100.0 * np.arange(1, n + 1) / n, label=label)
        for minutes in (5, 15):
            numbers[f"{name}_back_{minutes}_frac"] = float((back <= minutes).mean())
    axes[0].set(xlabel="share of 100 meters out [%]", ylabel="last gasps that come [%]", ylim=(0.0, 101.0))
    axes[1].set(xlabel="minutes since supply is back", ylabel="returns that have come [%]", xlim=(0.0, 20.0))
    for axis in axes:
        axis.legend(fontsize=8)
    figure.savefig(folder / "last_gasps.png", dpi=110)
    plt.close(figure)
    return numbers


def _keys(what: str, n: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return keys_of(2026, [f"{what} {k}" for k in range(n)])
