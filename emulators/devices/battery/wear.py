"""How a battery ages from step to step: by half cycles that are over, and by the calendar every five minutes."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, Indices
from pilotfarm.emulators.physics import ageing, cells

_DESIGN_CYCLES_PER_YEAR: Final = 250.0
_FASTEST_PER_H: Final = 10.0
_CALENDAR_S: Final = 300.0 - 1e-6
_HALF_CYCLE: Final = ("cycle_from_frac", "cycle_to_frac", "cycle_direction", "cycle_moving_h", "cycle_to_there_h")


def begin(new: Columns, of: cells.Cells) -> None:
    """Add the columns of ageing to those of batteries at the start, which have a state of health and cycles."""
    n = len(new["soh_frac"])
    new["calendar_stress"], new["cycle_stress"] = ageing.stress_at(of.kind, new["soh_frac"], new["cycle_count"])
    new["cycle_stress_before"] = new["cycle_stress"].copy()
    new["summed_resistance_rise"], new["unaged_s"] = np.zeros(n), np.zeros(n)
    new.update(zip(_HALF_CYCLE, ageing.resting(new["soc_frac"]), strict=True))
    # Until it has a past of its own: 250 cycles a year of eight tenths, at half a C.
    swing, half = np.full(n, 0.8), np.full(n, 0.5)
    warm = new["temperature_degc"]
    a_cycle = 2.0 * ageing.cycle_stress(of.kind, swing, half, half, warm) / swing
    new["mean_cycle_stress_per_s"] = a_cycle * (_DESIGN_CYCLES_PER_YEAR / ageing.YEAR_S)
    new["mean_calendar_stress_per_s"] = ageing.calendar_stress(of.kind, warm, half)
    _set_remaining_life(new, of)


def age(new: Columns, of: cells.Cells, before: Floats, dt_s: float) -> None:
    """Age by one step, in the step's own columns: by half cycles that are over, by the calendar every five minutes."""
    worn = new["soc_frac"] is not before and _cycled(new, of, before, dt_s)
    new["unaged_s"] = new["unaged_s"] + dt_s
    due = bool(new["unaged_s"][0] >= _CALENDAR_S)
    if due:
        _pass_time(new, of)
    if due or worn:
        new["soh_frac"] = 1.0 - ageing.lost(of.kind, new["calendar_stress"], new["cycle_stress"])
        new["real_capacity_wh"] = new["rated_energy_wh"] * new["soh_frac"]
    if due:
        _set_remaining_life(new, of)
    elif worn:
        # Between two times the remaining life stands still, but for what has just come to its end.
        new["remaining_life_years"] = new["remaining_life_years"] * (new["soh_frac"] > ageing.END_OF_LIFE_FRAC)


def _cycled(new: Columns, of: cells.Cells, before: Floats, dt_s: float) -> bool:
    """Follow the half cycles through a step, in the step's own columns; return whether one is over."""
    moved = np.abs(new["soc_frac"] - before)
    new["cycle_count"] = new["cycle_count"] + 0.5 * moved * new["soh_frac"]
    half = ageing.HalfCycle(*(new[name] for name in _HALF_CYCLE))
    now, ended = ageing.followed(half, new["soc_frac"], moved > 0.0, dt_s)
    new.update(zip(_HALF_CYCLE, now, strict=True))
    if len(ended):
        _wear(new, of, half, ended)
    return len(ended) > 0


def _wear(new: Columns, of: cells.Cells, half: ageing.HalfCycle, ended: Indices) -> None:
    """Count the half cycles of the rows where one is over."""
    kind = of.kind if isinstance(of.kind, int) else of.kind[ended]
    start, turn = half.from_frac[ended], half.to_frac[ended]
    swing = np.abs(turn - start)
    rate = swing / np.maximum(half.to_there_h[ended], swing / _FASTEST_PER_H)
    worn = ageing.cycle_stress(kind, swing, rate, 0.5 * (start + turn), new["temperature_degc"][ended])
    for name, more in (
        ("cycle_stress", worn),
        ("summed_resistance_rise", ageing.cycle_resistance(kind, swing, rate)),
    ):
        new[name] = new[name].copy()
        new[name][ended] += more


def _pass_time(new: Columns, of: cells.Cells) -> None:
    """Add the calendar's ageing since it was last added, and update the mean stress."""
    soc, warm, time_s = new["soc_frac"], new["temperature_degc"], new["unaged_s"]
    resting = ageing.calendar_stress(of.kind, warm, soc)
    rise = ageing.calendar_resistance(of.kind, warm, soc)
    new["summed_resistance_rise"] = new["summed_resistance_rise"] + rise * time_s
    new["calendar_stress"] = new["calendar_stress"] + resting * time_s
    working = (new["cycle_stress"] - new["cycle_stress_before"]) / time_s
    fresh = -np.expm1(time_s * (-1.0 / ageing.STRESS_TIME_S))
    for name, stress in (("mean_calendar_stress_per_s", resting), ("mean_cycle_stress_per_s", working)):
        new[name] = new[name] + (stress - new[name]) * fresh
    new["cycle_stress_before"] = new["cycle_stress"]
    new["unaged_s"] = np.zeros_like(time_s)


def _set_remaining_life(new: Columns, of: cells.Cells) -> None:
    new["remaining_life_years"] = ageing.remaining_years(
        of.kind,
        new["soh_frac"],
        new["calendar_stress"],
        new["cycle_stress"],
        new["mean_calendar_stress_per_s"],
        new["mean_cycle_stress_per_s"],
    )
