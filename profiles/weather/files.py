"""Weather files a user brings, each read to a ``Record``: one common year of 8,760 hours in the file's own zone.

What is missing is dealt with: up to three hours are bridged and reported, a longer gap of what the farm cannot
do without is an error with its line.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.weather.formats import NEEDED, READERS, HourlyTable
from pilotfarm.profiles.weather.record import HOURS, Record, WeatherFileError

__all__ = ["BRIDGED_HOURS", "BYTES_MAX", "HOURS", "Record", "WeatherFileError", "read"]

BRIDGED_HOURS: Final = 3
BYTES_MAX: Final = 100_000_000
_COMMON_YEAR: Final = 2001  # a year without 29 February
_OFF_THE_SUN_MAX_H: Final = 3.5
_USUAL: Final = {"dhi": np.nan, "wind_deg": 240.0, "humidity_frac": 0.7, "pressure_pa": np.nan, "rain_mm_per_h": 0.0}
_BOUNDS: Final = {
    "ghi": (0.0, 1_600.0),
    "dhi": (0.0, 1_200.0),
    "air_degc": (-70.0, 60.0),
    "wind_m_per_s": (0.0, 75.0),
    "wind_deg": (0.0, 360.0),
    "humidity_frac": (0.0, 1.1),
    "pressure_pa": (40_000.0, 110_000.0),
    "rain_mm_per_h": (0.0, 500.0),
}
"""Beyond these a value counts as missing: so do the codes 9999 of EPW and -9900 of TMY3."""


def read(path: Path, form: str) -> Record:
    """Read a weather file; ``form`` is ``epw``, ``tmy3`` or ``pvgis``. Raises ``WeatherFileError``, ``OSError``."""
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # a column that is no numbers is refused below
            found = READERS[form](text)
    except WeatherFileError:
        raise
    except Exception as error:  # pvlib and pandas raise whatever their parsers run into
        raise WeatherFileError(0, f"cannot be read as a file in the format {form.upper()}: {error}") from error
    return _common_year(found)


def _common_year(found: HourlyTable) -> Record:
    """Put the rows at their hours of the year and deal with what is missing."""
    index = pd.DatetimeIndex(found.data.index)
    local = index.tz_convert("UTC") + pd.Timedelta(seconds=found.utc_offset_s)
    ordinary = ~((local.month == 2) & (local.day == 29))
    day = local.day_of_year - (local.is_leap_year & (local.month > 2)).astype(int)
    hour = ((day - 1) * 24 + local.hour).to_numpy()
    keep = np.flatnonzero(ordinary)
    _refuse_parts_of_hours(local.floor("h"), keep, found.first_line)
    # The first row that tells of an hour has it, so that of several years the first counts.
    hours, first = np.unique(hour[keep], return_index=True)
    lines = np.zeros(HOURS, dtype=np.int64)
    lines[hours] = found.first_line + keep[first]
    notes = _notes(found, len(keep) - len(hours))
    columns: dict[str, Floats] = {}
    for name, bounds in _BOUNDS.items():
        values = np.full(HOURS, np.nan)
        if name in found.data:
            values[hours] = found.data[name].to_numpy(dtype=np.float64)[keep[first]]
        values[(values < bounds[0]) | (values > bounds[1])] = np.nan
        columns[name] = _filled(name, values, lines, notes)
    return Record(
        found.utc_offset_s,
        found.light_shift_s,
        found.air_shift_s,
        found.averaged,
        found.latitude_deg,
        found.longitude_deg,
        notes=tuple(notes),
        **columns,
    )


def _refuse_parts_of_hours(starts: pd.DatetimeIndex, rows: np.ndarray[Any, np.dtype[np.intp]], first_line: int) -> None:
    again = np.flatnonzero(starts[rows].duplicated())
    if len(again):
        row = int(rows[again[0]])
        raise WeatherFileError(
            first_line + row, f"is a second row for the hour {starts[row]:%Y-%m-%d %H:00}; only whole hours are read"
        )


def _notes(found: HourlyTable, again: int) -> list[str]:
    """Return notes on the file as a whole."""
    notes = []
    if again:
        notes.append(f"{again:,} hours come again in a later year; the first year counts")
    zone_h = found.utc_offset_s / 3_600.0
    off_h = (zone_h - found.longitude_deg / 15.0 + 12.0) % 24.0 - 12.0
    # Averages are in local time, and no country's is farther from solar time; instants of PVGIS are in UTC.
    if found.averaged and abs(off_h) > _OFF_THE_SUN_MAX_H:
        notes.append(
            f"its time zone, UTC{zone_h:+g}, is {abs(off_h):.0f} hours off the sun at {found.longitude_deg:g} E"
        )
    return notes


def _filled(name: str, values: Floats, lines: np.ndarray[Any, np.dtype[np.int64]], notes: list[str]) -> Floats:
    """Bridge the short gaps of a column, refuse the long ones of a needed column, fill those of another."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    if name in _USUAL and (missing.all() or name == "rain_mm_per_h"):
        return np.where(missing, _USUAL[name], values)
    known = np.flatnonzero(~missing)
    if not len(known):
        raise WeatherFileError(0, f"has no {name}")
    bridged = np.interp(np.arange(HOURS), known, values[known], period=HOURS)
    usual = 0
    for start, end in _gaps(missing):
        line = int(lines[start]) or int(lines[start - 1]) + 1
        span = f"{end - start} hours from {_when(start)}"
        if end - start <= BRIDGED_HOURS:
            notes.append(f"line {line}: {name} missing for {span}; bridged")
        elif name in NEEDED:
            raise WeatherFileError(line, f"{name} is missing for {span}; at most {BRIDGED_HOURS} are bridged")
        else:
            bridged[start:end] = _USUAL[name]
            usual += end - start
    if usual:
        notes.append(f"{name} missing for {usual} hours in long gaps; {_USUAL[name]:g} there")
    return bridged


def _gaps(missing: np.ndarray[Any, np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Return the runs of missing hours: the first, and one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _when(hour: int) -> str:
    return f"{pd.Timestamp(_COMMON_YEAR, 1, 1) + pd.Timedelta(hours=hour):%d %B %H:00}"
