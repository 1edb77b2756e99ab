"""Clouds against measurements: ten neighbours on a cloudy and a clear day, ramps of a minute, pairs of places.

Compared with one month of one-minute GHI at the BSRN station Payerne (June 2016), of which
``payerne_june_2016.json`` keeps the hourly means and the statistics. The model gets the measured hourly
means and makes the minutes, which are means of a minute as the station's are. How alike the steps of places
apart are is compared with what Lave and Kleissl found at networks of stations.
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
from matplotlib.axes import Axes

from pilotfarm.profiles.weather import Weather
from pilotfarm.profiles.weather.clouds import Clouds

Floats = npt.NDArray[np.float64]
ALLGAEU: Final = (47.77, 10.22, 720.0, "Europe/Berlin")
NEIGHBOURS: Final = 10
APART_M: Final = 120.0
DAYS_LOOKED_AT: Final = 60
PAYERNE: Final = (46.815, 6.944, 491.0, "Europe/Zurich")
JUNE_S: Final = datetime(2026, 6, 1, tzinfo=ZoneInfo("UTC")).timestamp()
DISTANCES_M: Final = (50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)
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
    seconds = _payerne(measured["hourly_mean"])
    index = seconds.mean(axis=1)
    figure, ((first, second), (third, fourth)) = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
    numbers = {
        **_steps(first, index, measured),
        **_modes(second, index, measured),
        **_memories(third, index, measured),
        **_apart(fourth),
    }
    figure.savefig(file, dpi=100)
    plt.close(figure)
    within = np.nanquantile(seconds.std(axis=1), (0.5, 0.95))
    told = measured["std_within_minute_quantiles"]
    numbers |= {"within_p50": float(within[0]), "within_p95": float(within[1])}
    return numbers | {"within_p50_measured": told["0.5"], "within_p95_measured": told["0.95"]}


def _steps(axis: Axes, index: Floats, measured: dict[str, Any]) -> dict[str, float]:
    steps = np.abs(np.diff(index))
    steps = np.sort(steps[np.isfinite(steps)])
    ranks = np.array([float(rank) for rank in RANKS])
    published = np.array([measured["ramp_quantiles"][rank] for rank in RANKS])
    axis.loglog(steps[steps > 1e-4], 1.0 - np.arange(len(steps))[steps > 1e-4] / len(steps), label="model")
    axis.loglog(published, 1.0 - ranks, "o", label="measured, Payerne June 2016 (BSRN)")
    axis.set(title="One-minute ramps", xlabel="step of the clear-sky index", ylabel="share of minutes with more")
    axis.set_ylim(5e-4, 1.0)
    axis.legend()
    names = [f"ramp_p{100.0 * rank:g}".replace(".", "_") for rank in ranks]
    found = dict(zip(names, np.quantile(steps, ranks).tolist(), strict=True))
    return found | {f"{name}_measured": float(value) for name, value in zip(names, published, strict=True)}


def _modes(axis: Axes, index: Floats, measured: dict[str, Any]) -> dict[str, float]:
    told = np.array(measured["histogram_of_minutes"])
    edges = measured["histogram_bin"] * np.arange(len(told) + 1)
    ours = np.histogram(index[np.isfinite(index)], edges)[0] / np.isfinite(index).sum()
    axis.stairs(ours, edges, label="model")
    axis.plot(0.5 * (edges[1:] + edges[:-1]), told, "o", ms=4, label="measured")
    axis.set(title="The two modes of the minutes", xlabel="clear-sky index", ylabel="share of minutes")
    axis.legend()
    spread = {"index_std": float(np.nanstd(index)), "index_std_measured": float(measured["std"])}
    return {**spread, "minutes_in_another_bin": float(0.5 * np.abs(ours - told).sum())}


def _memories(axis: Axes, index: Floats, measured: dict[str, Any]) -> dict[str, float]:
    lags = sorted(int(lag) for lag in measured["acf"])
    ours = [_memory(index, lag) for lag in lags]
    axis.plot(lags, ours, "-", label="model")
    axis.plot(lags, [measured["acf"][str(lag)] for lag in lags], "o", label="measured")
    axis.set(title="Memory of the minutes", xlabel="lag [min]", ylabel="autocorrelation", ylim=(0.0, 1.0))
    axis.legend()
    worst = max(abs(a - measured["acf"][str(lag)]) for a, lag in zip(ours, lags, strict=True))
    return {"worst_acf_difference": float(worst)}


def _apart(axis: Axes) -> dict[str, float]:
    """Correlation of steps at pairs of places, against exp(-2 d / (v dt)): Lave and Kleissl 2013, in pvlib.scaling."""
    weather = Weather(*PAYERNE, key=3)
    distance, angle = np.meshgrid(DISTANCES_M, np.pi * np.arange(4) / 4.0, indexing="ij")
    x, y = (np.concatenate(([0.0], (distance * turn).ravel())) for turn in (np.cos(angle), np.sin(angle)))
    instants = JUNE_S + 86_400.0 * np.arange(40)[:, None] + np.arange(8.0 * 3_600.0, 18.0 * 3_600.0, 60.0)
    speed = float(np.hypot(*weather._clouds.velocity(instants.ravel())).mean())
    light = [weather.light(at, x, y).ghi_w_per_m2 / weather._row(at)[3] for at in instants.ravel().tolist()]
    days = np.reshape(light, (*instants.shape, len(x)))
    numbers = {}
    for minutes, colour in ((1, "C0"), (5, "C1"), (15, "C2")):
        steps = np.concatenate(days[:, minutes:] - days[:, :-minutes])
        ours = np.corrcoef(steps.T)[0, 1:].reshape(len(DISTANCES_M), -1).mean(axis=1)
        told = np.exp(-2.0 * np.array(DISTANCES_M) / (speed * 60.0 * minutes))
        axis.semilogx(DISTANCES_M, ours, color=colour, label=f"model, steps of {minutes} min")
        axis.semilogx(DISTANCES_M, told, "o", color=colour)
        numbers[f"worst_pair_difference_{minutes}_min"] = float(np.abs(ours - told).max())
    axis.set(
        title="Pairs of places (dots: Lave and Kleissl 2013)", xlabel="distance [m]", ylabel="correlation of steps"
    )
    axis.legend()
    return numbers


def _payerne(hourly: list[float | None]) -> Floats:
    """Four instants of every minute of the month, as the model makes them of the measured hours; NaN at night."""
    clouds = Clouds(np.array([1], dtype=np.uint64))
    means = np.array([np.nan if mean is None else mean for mean in hourly])
    known = np.flatnonzero(np.isfinite(means))
    found = np.full((60 * len(means), 4), np.nan)
    later_s = np.array([7.5, 22.5, 37.5, 52.5])
    for minute in np.flatnonzero(np.isfinite(means).repeat(60)):
        mean = float(np.interp(minute / 60.0 - 0.5, known, means[known]))
        unix_s = 1.78e9 + 60.0 * minute
        east, north = (float(speed[0]) for speed in clouds.velocity(np.array([unix_s])))
        found[minute] = clouds.index(unix_s, mean, -east * later_s, -north * later_s)
    return found


def _memory(index: Floats, lag: int) -> float:
    before, after = index[:-lag], index[lag:]
    both = np.isfinite(before) & np.isfinite(after)
    return float(np.corrcoef(before[both], after[both])[0, 1])
