"""What a year of measured series costs: to load it, and in a step."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load
from pilotfarm.loadtests.bench.row import Row

METERS: Final = 1_000
_INTERVAL_S: Final = 900
_YEAR: Final = 365 * 86_400 // _INTERVAL_S
_WARM_UP: Final = 20
_SITE: Final = """\
name: metered
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
"""
_GROUPS: Final = f"""\
groups:
  meters:
    kind: smart_meter
    count: {METERS}
"""
_REPLAYED: Final = """\
    replay:
      load: {series: year, column: "{device}", unit: W}
"""


def series_costs(quick: bool) -> Iterator[Row]:
    """(j) A year of 1,000 meters every 15 min: how long it takes to load, and its share of a step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = _year()
        parquet.write_table(table, folder / "year.parquet")
        arrow_csv.write_csv(table, folder / "year.csv")
        del table
        without = _site(folder, "")
        _load_s(without)  # whatever is imported on the way is no part of it
        bare_s = _load_s(without)
        for ending, what in (("parquet", "Parquet"), ("csv", "CSV")):
            site = _site(folder, f"series: {{year: {{file: year.{ending}}}}}\n")
            took_s = min(_load_s(site) for _ in range(1 if quick else 3)) - bare_s
            yield Row("j", f"a year of {METERS:,} meters every 15 min from {what}", took_s, "s", "<= 2", took_s <= 2.0)
        said_ms, model_ms = _step_ms(Farm(load(str(site))), Farm(load(str(without))), 100 if quick else 400)
    yield Row("j", f"a step of {METERS:,} meters with models", model_ms, "ms")
    share = 100.0 * (said_ms / model_ms - 1.0)
    yield Row("j", "more with their year of series", share, "%", "<= 5", share <= 5.0)


def _year() -> pa.Table:
    """Make a year of loads, a column a meter."""
    watts = np.round(np.random.default_rng(1).gamma(1.0, 400.0, (METERS, _YEAR)), 1)
    begin = np.datetime64("2025-01-01T00:00:00")
    times = np.datetime_as_string(begin + np.arange(_YEAR) * np.timedelta64(_INTERVAL_S, "s"), timezone="UTC")
    return pa.table({"time": times.tolist()} | {f"meters-{n + 1:04}": column for n, column in enumerate(watts)})


def _site(folder: Path, series: str) -> Path:
    file = folder / f"{'metered' if series else 'modelled'}.yaml"
    file.write_text(_SITE + series + _GROUPS + (_REPLAYED if series else ""), encoding="utf-8")
    return file


def _load_s(site: Path) -> float:
    begin_s = time.perf_counter()
    load(str(site))
    return time.perf_counter() - begin_s


def _step_ms(one: Farm, other: Farm, steps: int) -> tuple[float, float]:
    """Return the median processor time of a step of each farm [ms]; they take turns."""
    took_s: tuple[list[float], list[float]] = [], []
    for n in range(_WARM_UP + steps):
        for farm, spent_s in zip((one, other), took_s, strict=True):
            begin_s = time.process_time()
            farm.step(1.0)
            if n >= _WARM_UP:
                spent_s.append(time.process_time() - begin_s)
    return 1e3 * statistics.median(took_s[0]), 1e3 * statistics.median(took_s[1])
