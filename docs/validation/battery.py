"""Ten years of battery ageing: LFP and NMC, a cycle a day of 80 % and of 50 % of the charge, and at rest.

Compared with NREL's BLAST-Lite, whose cells come to 85 % (LFP) and 83 % (NMC 111) after ten years and 2,900 full
equivalent cycles of 80 % a day. They are other cells by other models: agreement within some 10 points is what
to expect of cells of one chemistry. One day is stepped as a farm steps it, by a quarter of an hour, once it is like the
day before; since stress adds up, ten years are that day's stress 3,650 times.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np

from emulators.contracts import Place, Surroundings
from emulators.devices import battery
from emulators.encoding import Columns, Floats
from emulators.physics import ageing, cells
from profiles import draws

STEP_S: Final = 900.0
YEARS: Final = 10
DAYS: Final = 365 * YEARS
STEPS_A_DAY: Final = round(86_400.0 / STEP_S)
SWINGS: Final = (0.0, 0.5, 0.8)
REFERENCE: Final = {"lfp": 0.85, "nmc": 0.83}
"""State of health by BLAST-Lite 1.1.1 after ten years at 80 % a day."""
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
    sky = dict.fromkeys((*nothing, "wind_direction_deg", "rain_mm_per_h"), 0.0)
    return Surroundings(
        time_s=time_s,
        unix_s=time_s,
        local_hour=time_s / 3600.0 % 24.0,
        weekday=0,
        day_of_year=1,
        frequency_hz=50.0,
        voltage_v=np.full((3, n), 230.0),
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


def draw(folder: Path) -> dict[str, float]:
    """Draw ``battery_ageing.png``; return what the text quotes."""
    health, cycles, efficiency = aged()
    figure, axes = plt.subplots(1, len(cells.NAMES), figsize=(10, 4), sharey=True, layout="constrained")
    years = np.arange(1, DAYS + 1) / 365.0
    quoted: dict[str, float] = {}
    for kind, (axis, name) in enumerate(zip(axes, cells.NAMES, strict=True)):
        for place, swing in enumerate(SWINGS):
            row = kind * len(SWINGS) + place
            axis.plot(years, 100.0 * health[:, row], label=f"{swing:.0%} a day" if swing else "at rest")
            quoted[f"{name}_soh_{swing:.0%}"] = float(health[-1, row])
            quoted[f"{name}_cycles_{swing:.0%}"] = float(cycles[-1, row])
            if swing:
                quoted[f"{name}_efficiency_{swing:.0%}"] = float(efficiency[row])
        axis.plot(YEARS, 100.0 * REFERENCE[name], "k*", markersize=12, label="BLAST-Lite, 80 % a day")
        axis.axhline(80.0, color="grey", linewidth=0.8, linestyle=":")
        axis.set(title=name.upper(), xlabel="years")
        axis.legend()
    axes[0].set_ylabel("state of health, %")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "battery_ageing.png", dpi=110)
    plt.close(figure)
    return quoted
