"""A feeder's voltage on a sunny Sunday, and what a loss of generation does to the frequency."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np

from pilotfarm.emulators import site
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.supply import positions
from pilotfarm.emulators.physics import feeder as linear
from pilotfarm.emulators.physics.frequency import AREAS, Area, Swing, steady_deviation_hz, swung

STEP_S: Final = 300.0
SUNDAYS: Final = tuple(date(2026, 5, 3) + timedelta(weeks=week) for week in range(14))
SITE: Final = """\
name: street
location: {latitude_deg: 47.77, longitude_deg: 10.22, altitude_m: 720, time_zone: Europe/Berlin}
feeders:
  street: {source_voltage_v: 232, transformer_kva: 400, branches: 3, length_m: 450}
groups:
  homes:
    kind: smart_meter
    count: 60
    ratings: {annual_energy_wh: {lognormal: [15.07, 0.4], min: 1_200_000, max: 12_000_000}}
  roofs:
    kind: pv_generator
    count: 36
    ratings: {rated_power_w: {choice: [6_000, 9_000, 12_000]}, azimuth_deg: {normal: [180, 40], min: 60, max: 300}}
"""
LIMIT: Final = 0.10
"""EN 50160, 4.2.2: the supply voltage stays within 10 % of nominal."""
RISE: Final = 0.03
"""VDE-AR-N 4105, 5.3: generation may raise the voltage by 3 % (from memory, to be checked)."""
INCIDENT_W: Final = {"continental": 3e9, "island": 20e6}


def draw(folder: Path) -> dict[str, float]:
    """Draw ``feeder.png`` and ``frequency.png`` and return the numbers quoted beside them."""
    return {**_sunday(folder), **_loss(folder)}


# -------------------------------------------------------------------------------------- the feeder


def _street(day: date) -> Farm:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "street.yaml"
        file.write_text(SITE, encoding="utf-8")
        return Farm(site.load(str(file), start=f"{day}T00:00:00"))


def _sunniest() -> date:
    """The Sunday of the summer on which the roofs deliver most."""

    def energy_wh(day: date) -> float:
        farm = _street(day)
        for _ in range(96):
            farm.step(900.0)
        return float(farm.groups["roofs"].columns["energy_exported_wh"].sum())

    return max(SUNDAYS, key=energy_wh)


def _sunday(folder: Path) -> dict[str, float]:
    day = _sunniest()
    farm = _street(day)
    hours, low, mean, high, power, losses = ([] for _ in range(6))
    fullest, at_peak = 0.0, (0.0, np.zeros(0), np.zeros(0), np.zeros(0))
    for _ in range(round(86_400.0 / STEP_S)):
        farm.step(STEP_S)
        state, voltage = farm.network.feeder("street"), farm.network.voltage_v
        hours.append(farm.time_s / 3600.0)
        low.append(voltage.min())
        mean.append(voltage.mean())
        high.append(voltage.max())
        power.append(state.power_w)
        losses.append(state.losses_w)
        fullest = max(fullest, state.loading_frac)
        if state.power_w > at_peak[0]:
            at_peak = (state.power_w, voltage, *_swept(farm))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    along = _along(farm)
    branch = np.array([farm.network.branch_of(row) for row in range(len(along))])
    _, voltage, sweep, _ = at_peak
    for phase in range(3):
        for lane in range(3):
            ours = np.flatnonzero(branch == lane)
            ours = ours[np.argsort(along[ours])]
            left.plot(450.0 * along[ours], voltage[phase, ours], f"C{phase}.-", lw=0.8, ms=3)
            left.plot(450.0 * along[ours], sweep[phase, ours], f"C{phase}--", lw=0.6)
    left.set(xlabel="distance from the transformer, m", ylabel="line to neutral, V")
    left.set_title("three branches at the peak, by phase; dashed: linear sweep", fontsize=9)
    right.fill_between(hours, low, high, alpha=0.3, label="all customers")
    right.plot(hours, mean, label="mean")
    right.axhline((1.0 + RISE) * mean[0], color="k", lw=0.6, ls=":", label="night's mean and 3 %, VDE-AR-N 4105")
    for share, name in ((1.0 + LIMIT, "EN 50160"), (1.0 - LIMIT, None)):
        right.axhline(230.0 * share, color="k", lw=0.6, ls="--", label=name)
    right.set(xlabel=f"hour of Sunday {day}", ylabel="line to neutral, V")
    right.set_ylim(203.0, 257.0)
    right.legend(fontsize=8, loc="center", bbox_to_anchor=(0.5, 0.24))
    figure.tight_layout()
    figure.savefig(folder / "feeder.png", dpi=110)
    plt.close(figure)
    return {
        "feeder_highest_v": float(max(high)),
        "feeder_lowest_v": float(min(low)),
        "feeder_rise_frac": float(max(high) / mean[0] - 1.0),
        "feeder_peak_export_w": at_peak[0],
        "feeder_loading_frac": fullest,
        "feeder_losses_share_of_flow": float(sum(losses) / np.abs(power).sum()),
        "feeder_largest_distance_from_the_sweep_v": float(np.abs(voltage - sweep).max()),
    }


def _along(farm: Farm) -> Floats:
    """Share of the branch between transformer and customer, at the node it is gathered at."""
    places = np.concatenate([positions(group.layout) for group in farm.groups.values()])
    return np.ceil(places * 12.0) / 12.0


def _swept(farm: Farm) -> tuple[Floats, Floats]:
    """The voltages by the linear sweep: the busbar's from all, then each branch and phase for itself."""
    power, reactive = (
        np.concatenate(
            [np.stack([group.columns[f"{name}_l{k}_{unit}"] for k in (1, 2, 3)]) for group in farm.groups.values()],
            axis=1,
        )
        for name, unit in (("active_power", "w"), ("reactive_power", "var"))
    )
    plan = farm.network.plans["street"]
    base_ohm = 3.0 * 230.0**2 / plan.transformer.rated_va
    r = plan.transformer.load_loss_w / plan.transformer.rated_va * base_ohm
    x = np.sqrt((plan.transformer.uk_frac * base_ohm) ** 2 - r * r)
    branch = np.array([farm.network.branch_of(row) for row in range(power.shape[1])], dtype=np.intp)
    km = plan.length_m / 1e3
    result = np.empty_like(power)
    for phase in range(3):
        squared = 232.0**2 + 2.0 * (r * power[phase].sum() + x * reactive[phase].sum())
        result[phase] = linear.voltages(
            power,
            reactive,
            branch,
            _along(farm),
            np.full(3, np.sqrt(squared)),
            np.full(3, plan.cable.resistance_ohm_per_km * km),
            np.full(3, plan.cable.reactance_ohm_per_km * km),
        )[phase]
    return result, power


# ----------------------------------------------------------------------------------- the frequency


def _loss(folder: Path) -> dict[str, float]:
    figure, panels = plt.subplots(1, 2, figsize=(11, 4))
    found: dict[str, float] = {}
    for panel, (name, lost_w) in zip(panels, INCIDENT_W.items(), strict=True):
        area = AREAS[name]
        seconds = np.arange(0.0, 900.5, 0.5)
        trace = area.nominal_hz + np.array(list(_swung(area, lost_w, len(seconds))))
        alone = replace(area, secondary_time_s=float("inf"))
        primary = area.nominal_hz + np.array(list(_swung(alone, lost_w, len(seconds))))
        steady = area.nominal_hz + steady_deviation_hz(area, lost_w)
        rate = -lost_w * area.nominal_hz / (2.0 * area.inertia_s * area.rated_va)
        panel.plot(seconds, trace, "C0", label="model")
        panel.plot(seconds, primary, "C1", label="model without secondary control")
        panel.axhline(steady, color="k", ls="--", lw=0.8, label="closed form: primary control and damping")
        first = seconds[: 2 + int(-0.7 / rate / 0.5)]
        panel.plot(first, area.nominal_hz + rate * first, "k:", lw=0.8, label="closed form: inertia alone")
        panel.set(xlim=(0, 120), ylim=(trace.min() - 0.05, area.nominal_hz + 0.02))
        panel.set(xlabel="seconds after the loss", ylabel="Hz")
        panel.set_title(f"{name}: {lost_w / 1e6:,.0f} MW lost", fontsize=9)
        panel.legend(fontsize=8)
        found[f"{name}_nadir_hz"] = float(trace.min())
        found[f"{name}_nadir_after_s"] = float(seconds[trace.argmin()])
        found[f"{name}_after_900_s_hz"] = float(trace[-1])
        found[f"{name}_after_900_s_without_secondary_hz"] = float(primary[-1])
        found[f"{name}_closed_form_steady_hz"] = steady
    figure.tight_layout()
    figure.savefig(folder / "frequency.png", dpi=110)
    plt.close(figure)
    return found


def _swung(area: Area, lost_w: float, count: int) -> Iterator[float]:
    swing = Swing()
    for _ in range(count):
        yield swing.deviation_hz
        swing = swung(area, swing, lost_w, 0.5)
