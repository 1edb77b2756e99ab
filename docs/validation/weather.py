"""Clouds against measurements: ten neighbours on a cloudy and a clear day, and ramps from minute to minute.

Compared with one month of one-minute GHI at the BSRN station Payerne (June 2016), of which
``payerne_june_2016.json`` keeps the hourly means and the statistics. The model gets the measured hourly
means and makes the minutes.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from profiles.weather import Weather
from profiles.weather.clouds import Clouds

Floats = npt.NDArray[np.float64]
ALLGAEU: Final = (47.77, 10.22, 720.0, "Europe/Berlin")
NEIGHBOURS: Final = 10
APART_M: Final = 120.0
DAYS_LOOKED_AT: Final = 60
RANKS: Final = ("0.5", "0.75", "0.9", "0.95", "0.99", "0.999")


def draw(folder: Path) -> dict[str, float]:
    """Write ``ten_neighbours.png`` and ``ramps.png``; return the numbers told of them."""
    return {**_neighbours(folder / "ten_neighbours.png"), **_ramps(folder / "ramps.png")}


def _neighbours(file: Path) -> dict[str, float]:
    zone = ZoneInfo(ALLGAEU[3])
    weather = Weather(*ALLGAEU, key=4777)
    midnights = [datetime(2026, 5, 1, tzinfo=zone).timestamp() + 86_400.0 * day for day in range(DAYS_LOOKED_AT)]
    spreads, means = zip(*(_noon(weather, midnight) for midnight in midnights), strict=True)
    cloudy = midnights[int(np.argmax(spreads))]
    bright = np.array(means) > 0.85 * max(means)  # the steadiest of them; the very brightest has clouds that reflect
    clear = midnights[int(np.argmin(np.where(bright, spreads, np.inf)))]
    east, north = (float(each[0]) for each in weather._clouds.velocity(np.array([cloudy + 45_000.0])))
    speed = float(np.hypot(east, north))
    along = APART_M * np.arange(NEIGHBOURS, dtype=np.float64)
    x, y = np.asarray(along * (east / speed)), np.asarray(along * (north / speed))
    figure, rows = plt.subplots(3, 1, figsize=(9, 9), layout="constrained")
    for axis, midnight, name in ((rows[0], cloudy, "cloudy"), (rows[1], clear, "clear")):
        seconds = np.arange(4 * 3_600.0, 22 * 3_600.0, 60.0)
        light, hours = _light(weather, midnight + seconds, x, y), seconds / 3_600.0
        axis.fill_between(hours, light.min(axis=1), light.max(axis=1), color="0.8", label="least to most of the ten")
        axis.plot(hours, light[:, 0], lw=0.5, label="the first")
        axis.plot(hours, light.mean(axis=1), lw=0.8, label="mean of the ten")
        axis.set(title=f"A {name} day of {NEIGHBOURS} neighbours, {APART_M:g} m apart", ylabel="GHI [W/m²]")
        axis.set(xlim=(4, 22), ylim=(0, 1_400))
        axis.legend(loc="upper left", fontsize=8)
    seconds = np.arange(12.5 * 3_600.0, 12.75 * 3_600.0, 5.0)
    crossing = _light(weather, cloudy + seconds, x, y)
    rows[2].plot((seconds - seconds[0]) / 60.0, crossing + 500.0 * np.arange(NEIGHBOURS), lw=1)
    title = f"The same clouds cross one after another at {speed:.1f} m/s (each neighbour 500 W/m² higher)"
    rows[2].set(title=title, xlabel="minutes from 12:30", ylabel="GHI [W/m²]")
    rows[1].set_xlabel("local hour")
    figure.savefig(file, dpi=75)
    plt.close(figure)
    return {
        "cloud_speed_m_per_s": speed,
        "expected_delay_s": APART_M * (NEIGHBOURS - 1) / speed,
        "found_delay_s": _delay(weather, cloudy, x, y),
    }


def _noon(weather: Weather, midnight_s: float) -> tuple[float, float]:
    """Mean step of two minutes, and mean, of the light around noon. [W/m2]"""
    origin = np.zeros(1)
    light = _light(weather, midnight_s + np.arange(9 * 3_600.0, 17 * 3_600.0, 120.0), origin, origin)[:, 0]
    return float(np.abs(np.diff(light)).mean()), float(light.mean())


def _delay(weather: Weather, midnight_s: float, x: Floats, y: Floats) -> float:
    """Delay at which the last neighbour's light is most like the first one's. [s]"""
    seconds = np.arange(11 * 3_600.0, 15 * 3_600.0, 5.0)
    light = _light(weather, midnight_s + seconds, x, y)
    changes = np.diff(light[:, [0, -1]], axis=0)
    lags = range(180)
    scores = [np.corrcoef(changes[: len(changes) - lag, 0], changes[lag:, 1])[0, 1] for lag in lags]
    return 5.0 * float(np.argmax(scores))


def _light(weather: Weather, unix_s: Floats, x: Floats, y: Floats) -> Floats:
    return np.array([weather.light(float(t), x, y).ghi_w_per_m2 for t in unix_s])


def _ramps(file: Path) -> dict[str, float]:
    measured: dict[str, Any] = json.loads((Path(__file__).parent / "payerne_june_2016.json").read_text("utf-8"))
    index = _payerne(measured["hourly_mean"])
    steps = np.abs(np.diff(index))
    steps = np.sort(steps[np.isfinite(steps)])
    ranks = np.array([float(rank) for rank in RANKS])
    published = np.array([measured["ramp_quantiles"][rank] for rank in RANKS])
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.loglog(steps[steps > 1e-4], 1.0 - np.arange(len(steps))[steps > 1e-4] / len(steps), label="model")
    left.loglog(published, 1.0 - ranks, "o", label="measured, Payerne June 2016 (BSRN)")
    left.set(title="One-minute ramps", xlabel="step of the clear-sky index", ylabel="share of minutes with more")
    left.set_ylim(5e-4, 1.0)
    left.legend()
    lags = sorted(int(lag) for lag in measured["acf"])
    ours = [_memory(index, lag) for lag in lags]
    right.plot(lags, ours, "-", label="model")
    right.plot(lags, [measured["acf"][str(lag)] for lag in lags], "o", label="measured")
    right.set(title="Memory of the minutes", xlabel="lag [min]", ylabel="autocorrelation", ylim=(0.0, 1.0))
    right.legend()
    figure.savefig(file, dpi=110)
    plt.close(figure)
    found = {f"ramp_p{100 * float(rank):g}": float(np.quantile(steps, float(rank))) for rank in RANKS}
    told = {f"ramp_p{100 * float(rank):g}_measured": float(measured["ramp_quantiles"][rank]) for rank in RANKS}
    worst = max(abs(a - measured["acf"][str(lag)]) for a, lag in zip(ours, lags, strict=True))
    spread = {"index_std": float(np.nanstd(index)), "index_std_measured": float(measured["std"])}
    return {**found, **told, **spread, "worst_acf_difference": float(worst)}


def _payerne(hourly: list[float | None]) -> Floats:
    """Minutes of the month as the model makes them of the measured hours; NaN at night."""
    clouds, origin = Clouds(np.array([1], dtype=np.uint64)), np.zeros(1)
    return np.array(
        [
            np.nan if mean is None else clouds.index(1.78e9 + 60.0 * (60 * hour + minute), mean, origin, origin)[0]
            for hour, mean in enumerate(hourly)
            for minute in range(60)
        ]
    )


def _memory(index: Floats, lag: int) -> float:
    before, after = index[:-lag], index[lag:]
    both = np.isfinite(before) & np.isfinite(after)
    return float(np.corrcoef(before[both], after[both])[0, 1])
