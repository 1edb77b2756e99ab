"""Battery ageing: ten years of LFP and NMC, a cycle a day of 80 % and of 50 % of the charge, and at rest.

Compared with three things. Storage: what Naumann measured of the cell that our LFP model is of. Use: the models of
NREL's BLAST-Lite under the same days. The field: what home storages lose a year. The first two stand in
``ageing_references.json``; ``tests/oracles`` asks an installed BLAST-Lite for them again.

Ten years are drawn from one day, stepped as a farm steps it, by a quarter of an hour, once it is like the day before:
since stress adds up, they are that day's stress 3,650 times. The tables take the ageing functions alone, at a constant
temperature, as BLAST-Lite is asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from pilotfarm.emulators.columns.arrays import Columns, Floats
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import battery
from pilotfarm.emulators.physics import ageing, cells
from pilotfarm.profiles import draws

STEP_S: Final = 900.0
YEARS: Final = 10
DAYS: Final = 365 * YEARS
STEPS_A_DAY: Final = round(86_400.0 / STEP_S)
SWINGS: Final = (0.0, 0.5, 0.8)
REFERENCES: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "ageing_references.json").read_text(encoding="utf-8")
)
SAME_CELL: Final = "Lfp_Gr_SonyMurata3Ah_Battery"
"""BLAST-Lite's model of Naumann's cell, fitted to the same tests."""
FIELD_LOSS_A_YEAR: Final = (0.02, 0.03)
"""Figgener et al., Nature Energy 9 (2024) 1438, doi 10.1038/s41560-024-01620-9, as reported: 21 home storages."""
FIELD_YEARS: Final = 8
ENERGY_WH: Final = 10_000.0
HOURS: Final = 4.0
"""How long it charges from 10 o'clock, and discharges from 18 o'clock."""


def _batteries() -> Columns:
    """One battery of each chemistry and swing, around half charged, at 25 degC."""
    kinds = np.repeat(np.arange(len(cells.NAMES), dtype=np.float64), len(SWINGS))
    swings = np.tile(np.array(SWINGS), len(cells.NAMES))
    keys = draws.keys_of(1, [f"battery-{row}" for row in range(len(kinds))])
    ratings: Columns = {rating.name: np.zeros(len(kinds)) for rating in battery.DEVICE.ratings}
    for rating in battery.DEVICE.ratings:
        if not isinstance(rating.default, dict):
            ratings[rating.name] = np.full(len(kinds), float(rating.default))  # type: ignore[arg-type]
    fixed = {"rated_power_w": 5_000.0, "rated_energy_wh": ENERGY_WH, "soh_frac": 1.0, "own_schedule_frac": 0.0}
    fixed |= {"room_min_degc": 25.0, "room_max_degc": 25.0, "phase": 0.0, "cycle_count": 0.0}
    ratings |= {name: np.full(len(kinds), value) for name, value in fixed.items()}
    ratings["chemistry"] = kinds
    low = 0.5 - 0.5 * swings
    ratings |= {"soc_frac": low, "soc_min_frac": low, "soc_max_frac": 1.0 - low}
    return battery.make(ratings, keys, Place(47.8, 10.2, 700.0, "Europe/Berlin"))


def _world(time_s: float, n: int) -> Surroundings:
    nothing = ("sun_azimuth_deg", "ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2", "wind_speed_m_per_s")
    sky: dict[str, Any] = dict.fromkeys((*nothing, "wind_direction_deg", "rain_mm_per_h"), 0.0)
    return Surroundings(
        time_s=time_s,
        unix_s=time_s,
        local_hour=time_s / 3600.0 % 24.0,
        weekday=0,
        day_of_year=1,
        frequency_hz=50.0,
        mains=Mains.of(np.full((3, n), 230.0)),
        sun_zenith_deg=120.0,
        air_temperature_degc=25.0,
        humidity_frac=0.6,
        pressure_pa=1e5,
        **sky,
    )


def aged() -> tuple[Floats, Floats, Floats]:
    """Return state of health and full equivalent cycles by day, ``(days, batteries)``; and the efficiency."""
    columns = _batteries()
    n = len(columns["soc_frac"])
    swing = columns["soc_max_frac"] - columns["soc_min_frac"]
    columns["active_power_setpoint_enabled"] = np.ones(n)
    start = columns
    for k in range(3 * STEPS_A_DAY):
        if k == 2 * STEPS_A_DAY:
            start = columns
        world = _world(k * STEP_S, n)
        hour = world.local_hour
        way = -1.0 if 10.0 <= hour < 10.0 + HOURS else 1.0 if 18.0 <= hour < 18.0 + HOURS else 0.0
        # A little more than the window holds, so that the window ends the charge and the discharge.
        columns["active_power_setpoint_w"] = way * 1.15 * swing * ENERGY_WH / HOURS
        columns = battery.step(columns, world, STEP_S)
    day = np.arange(1, DAYS + 1)[:, np.newaxis]
    calendar, worn = (day * (columns[name] - start[name]) for name in ("calendar_stress", "cycle_stress"))
    kinds = np.broadcast_to(columns["chemistry"].astype(np.intp), calendar.shape)
    health = 1.0 - ageing.lost(kinds, calendar, worn)
    cycles = np.cumsum(health, axis=0) * swing  # a cycle of a worn battery is a smaller one
    given, taken = (columns[name] - start[name] for name in ("energy_exported_wh", "energy_imported_wh"))
    return health, cycles, np.divide(given, taken, out=np.zeros(n), where=swing > 0.0)


def after(kind: int, case: dict[str, Any], years: float = YEARS) -> float:
    """Return the state of health after years of the days of a case of ``ageing_references.json``."""
    low, high, hours = case["lowest_soc_frac"], case["highest_soc_frac"], case["charge_hours"]
    hour = np.linspace(0.0, 24.0, 2_401)
    soc = np.interp(hour, [10.0, 10.0 + hours, 18.0, 18.0 + hours], [low, high, high, low])
    warm = np.full_like(soc, case["temperature_degc"])
    calendar = float(np.mean(ageing.calendar_stress(kind, warm, soc)[:-1])) * years * 365.0 * 86_400.0
    worn = 0.0
    if high > low:
        swing, mean = np.array([high - low]), np.array([0.5 * (low + high)])
        half = ageing.cycle_stress(kind, swing, swing / hours, mean, warm[:1])
        worn = 2.0 * 365.0 * years * float(half[0])
    return float(1.0 - ageing.lost(kind, np.array([calendar]), np.array([worn]))[0])


def _models(case: dict[str, Any], name: str) -> dict[str, Floats]:
    """State of health by year of BLAST-Lite's cells of a chemistry."""
    found = case["soh_frac_by_years"]
    return {model: np.array(years) for model, years in found.items() if model.lower().startswith(name)}


def table_of_use() -> str:
    """Set out ten years of every case: ours beside BLAST-Lite's."""
    lines = [
        "| °C | charge | LFP: ours | same cell | 250 Ah | NMC: ours | Kokam 75 Ah | Sanyo 2 Ah | eight cells |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in REFERENCES["use"]["conditions"]:
        low, high, hours = case["lowest_soc_frac"], case["highest_soc_frac"], case["charge_hours"]
        day = f"{low:.0%} to {high:.0%} in {hours} h" if hours else f"rest at {low:.0%}"
        lfp, nmc = (_models(case, name) for name in cells.NAMES)
        last = [years[-1] for years in nmc.values()]
        found = (
            after(0, case),
            lfp[SAME_CELL][-1],
            lfp["Lfp_Gr_250AhPrismatic"][-1],
            after(1, case),
            nmc["Nmc111_Gr_Kokam75Ah_Battery"][-1],
            nmc["Nmc111_Gr_Sanyo2Ah_Battery"][-1],
        )
        row = " | ".join(f"{100.0 * health:.1f}" for health in found)
        lines.append(f"| {case['temperature_degc']} | {day} | {row} | {100 * min(last):.0f} to {100 * max(last):.0f} |")
    return "\n".join(lines)


def gaps() -> dict[str, float]:
    """Return how far ours are from the others, in points of state of health after ten years."""
    rest, use, by_cell, wear = [], [], [], []
    begin: dict[int, tuple[float, float]] = {}
    nmc_use: dict[int, tuple[float, list[float]]] = {}
    for case in REFERENCES["use"]["conditions"]:
        lfp, nmc = (_models(case, name) for name in cells.NAMES)
        warm, kokam = case["temperature_degc"], nmc["Nmc111_Gr_Kokam75Ah_Battery"][-1]
        ours, gap = after(1, case), lfp[SAME_CELL][-1] - after(0, case)
        if case["charge_hours"]:
            use.append(gap)
            wear.append(abs((begin[warm][0] - ours) - (begin[warm][1] - kokam)))
        else:
            rest.append(gap)
            by_cell.append(abs(ours - nmc["Nmc111_Gr_Sanyo2Ah_Battery"][-1]))
            begin.setdefault(warm, (ours, kokam))
        nmc_use[warm] = ours, [years[-1] for years in nmc.values()]
    points = {
        "lfp_rest_least": min(rest),
        "lfp_rest_most": max(rest),
        "lfp_use_least": min(use),
        "lfp_use_most": max(use),
        "nmc_rest_most": max(by_cell),
        "nmc_wear_most": max(wear),
        "nmc_spread": max(nmc_use[25][1]) - min(nmc_use[25][1]),
    }
    ours, others = nmc_use[35]
    return {name: 100.0 * share for name, share in points.items()} | {
        "nmc_better_warm": float(sum(other > ours for other in others))
    }


def _stored(condition: dict[str, Any], days: Floats) -> tuple[Floats, Floats]:
    """Return lost capacity and rise of the resistance of stored LFP cells after some days."""
    warm, soc = (np.full_like(days, condition[name]) for name in ("temperature_degc", "soc_frac"))
    calendar = ageing.calendar_stress(0, warm, soc) * (days * 86_400.0)
    return ageing.lost(0, calendar, np.zeros_like(days)), ageing.calendar_resistance(0, warm, soc) * (days * 86_400.0)


def table_of_storage() -> str:
    """Set out what Naumann measured after 885 days, beside our loss and BLAST-Lite's."""
    lines = [
        "| °C | charge | lost: measured | ours | BLAST-Lite | resistance: measured | ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for condition in REFERENCES["storage"]["conditions"]:
        if condition["blast_lite_loss_frac"] is None:
            continue
        days, measured = condition["loss_frac_by_days"][-1]
        loss, rise = (float(each[0]) for each in _stored(condition, np.array([days])))
        shares = (measured, loss, condition["blast_lite_loss_frac"], condition["resistance_rise_frac"], rise)
        row = " | ".join(f"{100.0 * share:.1f}" for share in shares)
        lines.append(f"| {condition['temperature_degc']} | {condition['soc_frac']:.0%} | {row} |")
    return "\n".join(lines)


def _draw_storage(folder: Path) -> None:
    """Draw what Naumann's stored cells have lost, measured and by our model."""
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    days = np.linspace(0.0, 900.0, 200)
    shown = [each for each in REFERENCES["storage"]["conditions"] if len(each["loss_frac_by_days"]) > 1]
    for condition in shown:
        when, measured = np.array(condition["loss_frac_by_days"]).T
        (line,) = axis.plot(
            days,
            100.0 * _stored(condition, days)[0],
            label=f"{condition['temperature_degc']} °C, charged {condition['soc_frac']:.0%}",
        )
        axis.plot(when, 100.0 * measured, "o", markersize=4, color=line.get_color())
    axis.set(xlabel="days of storage", ylabel="lost capacity, %", title="LFP at rest: model (lines), measured (dots)")
    axis.legend()
    figure.savefig(folder / "battery_storage.png", dpi=110)
    plt.close(figure)


def _compare(axis: Axes, name: str) -> None:
    """Draw BLAST-Lite's cells at 80 % a day, and the field, behind our lines."""
    whole = np.arange(YEARS + 1)
    seen = whole[: FIELD_YEARS + 1]
    slow, fast = (100.0 * (1.0 - each * seen) for each in FIELD_LOSS_A_YEAR)
    axis.fill_between(seen, fast, slow, color="tab:grey", alpha=0.2, linewidth=0.0, label="field, 2 to 3 % a year")
    case = next(
        case
        for case in REFERENCES["use"]["conditions"]
        if (case["lowest_soc_frac"], case["charge_hours"], case["temperature_degc"]) == (0.1, HOURS, 25)
    )
    for place, by_year in enumerate(_models(case, name).values()):
        label = "BLAST-Lite's cells, 80 % a day" if place == 0 else None
        axis.plot(whole, 100.0 * np.concatenate(([1.0], by_year)), "k:", linewidth=0.9, label=label)


def draw(folder: Path) -> dict[str, float | str]:
    """Draw ``battery_ageing.png`` and ``battery_storage.png``; return what the text quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw_storage(folder)
    health, cycles, efficiency = aged()
    figure, axes = plt.subplots(1, len(cells.NAMES), figsize=(10, 4.5), sharey=True, layout="constrained")
    years = np.arange(1, DAYS + 1) / 365.0
    quoted: dict[str, float | str] = {"use": table_of_use(), "storage": table_of_storage(), **gaps()}
    half = next(each for each in REFERENCES["storage"]["conditions"] if each["temperature_degc"] == 25)
    days, measured = half["loss_frac_by_days"][-1]
    quoted["half_charged_25_excess"] = 100.0 * (float(_stored(half, np.array([days]))[0][0]) - measured)
    for kind, (axis, name) in enumerate(zip(axes, cells.NAMES, strict=True)):
        _compare(axis, name)
        for place, swing in enumerate(SWINGS):
            row = kind * len(SWINGS) + place
            axis.plot(years, 100.0 * health[:, row], label=f"ours, {swing:.0%} a day" if swing else "ours, at rest")
            quoted[f"{name}_soh_{swing:.0%}"] = float(health[-1, row])
            quoted[f"{name}_cycles_{swing:.0%}"] = float(cycles[-1, row])
            if swing:
                quoted[f"{name}_efficiency_{swing:.0%}"] = float(efficiency[row])
        axis.set(title=name.upper(), xlabel="years", ylim=(40.0, 101.0))
        axis.legend(loc="lower left", fontsize="small")
    axes[0].set_ylabel("state of health, %")
    figure.savefig(folder / "battery_ageing.png", dpi=110)
    plt.close(figure)
    return quoted
