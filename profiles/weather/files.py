"""Weather files a user brings: EPW, TMY3 and PVGIS (TMY or hourly), each to one year of 8,760 hours.

pvlib reads the formats; here their hours are put in the order of a common year, in the file's own zone,
and what is missing is dealt with: up to three hours are bridged and reported, a longer gap of what the
farm cannot do without is an error with its line.

References
----------
.. [1] EnergyPlus, Auxiliary Programs, "EPW CSV Format": values of missing data, hours that end at their label.
.. [2] Wilcox and Marion, Users Manual for TMY3 Data Sets, NREL/TP-581-43156, 2008, tables 1-1 and 1-2.
.. [3] European Commission JRC, PVGIS 5 user manual (instants in UTC, irradiance some minutes off).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pvlib

from profiles.draws import Floats

HOURS: Final = 8_760
BRIDGED_HOURS: Final = 3
BYTES_MAX: Final = 100_000_000
_TMY_YEAR: Final = 2001  # a year without 29 February


class WeatherFileError(ValueError):
    """A weather file that cannot be followed; ``line`` counts from 1, 0 where none can be named."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Record:
    """A year of hours, each column ``(8760,)``; hour i begins i hours after the file's own new year.

    Irradiance holds for ``light_shift_s`` after the hour's beginning (the middle of the hour it is the mean
    of, ``averaged``, or an instant), the air for ``air_shift_s`` after it. ``dhi`` is NaN where unknown.
    """

    utc_offset_s: float
    light_shift_s: float
    air_shift_s: float
    averaged: bool
    latitude_deg: float
    longitude_deg: float
    ghi: Floats
    dhi: Floats
    air_degc: Floats
    wind_m_per_s: Floats
    wind_deg: Floats
    humidity_frac: Floats
    pressure_pa: Floats
    rain_mm_per_h: Floats
    notes: tuple[str, ...]
    """What was bridged or left out, for people."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A file as pvlib gives it: indexed by instants, columns by our names, NaN where missing."""

    data: pd.DataFrame
    utc_offset_s: float
    light_shift_s: float
    air_shift_s: float
    averaged: bool
    latitude_deg: float
    longitude_deg: float
    first_line: int


_NEEDED: Final = ("ghi", "air_degc", "wind_m_per_s")
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
"""Beyond these a value counts as missing: so do the codes 9999 of EPW [1] and -9900 of TMY3 [2]."""


def read(path: Path, form: str) -> Record:
    """Read a weather file; ``form`` is ``epw``, ``tmy3`` or ``pvgis``. Raises ``WeatherFileError``, ``OSError``."""
    if path.stat().st_size > BYTES_MAX:
        raise WeatherFileError(0, f"the file has more than {BYTES_MAX:,} bytes")
    text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
    try:
        found = _READERS[form](text)
    except WeatherFileError:
        raise
    except Exception as error:  # pvlib and pandas raise whatever their parsers run into
        raise WeatherFileError(0, f"is not a {form.upper()} file that can be read: {error}") from error
    return _year(found)


def _year(found: _Read) -> Record:
    """Put the rows at their hours of the year and deal with what is missing."""
    index = pd.DatetimeIndex(found.data.index)
    local = index.tz_convert("UTC") + pd.Timedelta(seconds=found.utc_offset_s)
    ordinary = ~((local.month == 2) & (local.day == 29))
    day = local.day_of_year - (local.is_leap_year & (local.month > 2)).astype(int)
    hour = ((day - 1) * 24 + local.hour).to_numpy()
    keep = np.flatnonzero(ordinary)
    # The first row that tells of an hour has it, so that of several years the first counts.
    hours, first = np.unique(hour[keep], return_index=True)
    lines = np.zeros(HOURS, dtype=np.int64)
    lines[hours] = found.first_line + keep[first]
    notes: list[str] = []
    columns: dict[str, Floats] = {}
    for name, bounds in _BOUNDS.items():
        values = np.full(HOURS, np.nan)
        if name in found.data:
            values[hours] = found.data[name].to_numpy(dtype=np.float64)[keep[first]]
        values[(values < bounds[0]) | (values > bounds[1])] = np.nan
        columns[name] = _whole(name, values, lines, notes)
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


def _whole(name: str, values: Floats, lines: np.ndarray[Any, np.dtype[np.int64]], notes: list[str]) -> Floats:
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
    for start, end in _runs(missing):
        line = int(lines[start]) or int(lines[start - 1]) + 1
        span = f"{end - start} hours from {_when(start)}"
        if end - start <= BRIDGED_HOURS:
            notes.append(f"line {line}: {name} missing for {span}; bridged")
        elif name in _NEEDED:
            raise WeatherFileError(line, f"{name} is missing for {span}; at most {BRIDGED_HOURS} are bridged")
        else:
            bridged[start:end] = _USUAL[name]
            usual += end - start
    if usual:
        notes.append(f"{name} missing for {usual} hours in long gaps; {_USUAL[name]:g} there")
    return bridged


def _runs(missing: np.ndarray[Any, np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Stretches of missing hours: first, and one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _when(hour: int) -> str:
    return f"{pd.Timestamp(_TMY_YEAR, 1, 1) + pd.Timedelta(hours=hour):%d %B %H:00}"


# ------------------------------------------------------------------------------------------ the formats


def _epw(text: str) -> _Read:
    data, about = pvlib.iotools.read_epw(io.StringIO(text))
    columns = {
        "ghi": data["ghi"],
        "dhi": data["dhi"],
        "air_degc": data["temp_air"],
        "wind_m_per_s": data["wind_speed"],
        "wind_deg": data["wind_direction"],
        "humidity_frac": data["relative_humidity"] / 100.0,
        "pressure_pa": data["atmospheric_pressure"],
        "rain_mm_per_h": data["liquid_precipitation_depth"],
    }
    offset_s = 3_600.0 * about["TZ"]
    return _Read(
        pd.DataFrame(columns), offset_s, 1_800.0, 3_600.0, True, about["latitude"], about["longitude"], first_line=9
    )


def _tmy3(text: str) -> _Read:
    data, about = pvlib.iotools.read_tmy3(io.StringIO(text))
    columns = {
        "ghi": data["ghi"],
        "dhi": data["dhi"],
        "air_degc": data["temp_air"],
        "wind_m_per_s": data["wind_speed"],
        "wind_deg": data["wind_direction"],
        "humidity_frac": data["relative_humidity"] / 100.0,
        "pressure_pa": data["pressure"] * 100.0,
        "rain_mm_per_h": data["Lprecip depth (mm)"].where(data["Lprecip quantity (hr)"] == 1),
    }
    frame = pd.DataFrame(columns)
    frame.index = data.index - pd.Timedelta(hours=1)  # labelled by their ends [2]
    offset_s = 3_600.0 * about["TZ"]
    return _Read(frame, offset_s, 1_800.0, 3_600.0, True, about["latitude"], about["longitude"], first_line=3)


def _pvgis(text: str) -> _Read:
    lines = text.splitlines()
    head = next((i for i, line in enumerate(lines) if line.startswith("time")), None)
    if head is None:
        raise WeatherFileError(0, "has no row of column names that begins with time; PVGIS files are read as CSV")
    told = "\n".join(re.sub(r",(?=,|$)", ",nan", line) if line[:8].isdigit() else line for line in lines)
    if lines[head].startswith("time(UTC)"):
        data, about = _pvgis_tmy(told, head)
        ghi, dhi = data["ghi"], data["dhi"]
        shift_s = 3_600.0 * about["inputs"].get("irradiance time offset", 0.0)
    else:
        data, about = pvlib.iotools.read_pvgis_hourly(io.StringIO(told), pvgis_format="csv")
        slope = float(str(about["inputs"].get("Slope", "0")).split()[0])
        if slope != 0.0:
            raise WeatherFileError(0, f"is for a plane tilted by {slope:g} degrees; download it with slope 0")
        dhi = data["poa_sky_diffuse"]
        ghi = data["poa_direct"] + dhi + data["poa_ground_diffuse"]
        shift_s = 60.0 * float(data.index[0].minute)
    columns = {"ghi": ghi, "dhi": dhi, "air_degc": data["temp_air"], "wind_m_per_s": data["wind_speed"]}
    for name, column, factor in (
        ("wind_deg", "wind_direction", 1.0),
        ("humidity_frac", "relative_humidity", 0.01),
        ("pressure_pa", "pressure", 1.0),
    ):
        if column in data:
            columns[name] = data[column] * factor
    where = about["inputs"]
    return _Read(
        pd.DataFrame(columns),
        0.0,
        shift_s,
        0.0,
        False,
        where["latitude"],
        where["longitude"],
        first_line=head + 2,
    )


def _pvgis_tmy(text: str, head: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a TMY of PVGIS whose rows may be fewer than pvlib counts on: absent hours are added as missing."""
    lines = text.splitlines()
    rows = [line for line in lines[head + 1 :] if line[:8].isdigit()]
    wide = lines[head].count(",")
    filler = [f"20000229:0000{',nan' * wide}"] * (HOURS - len(rows))  # of a day that no common year has
    whole = "\n".join([*lines[: head + 1], *rows, *filler, ""])
    data, about = pvlib.iotools.read_pvgis_tmy(io.BytesIO(whole.encode()), pvgis_format="csv")
    return data, about


_READERS: Final[dict[str, Callable[[str], _Read]]] = {"epw": _epw, "tmy3": _tmy3, "pvgis": _pvgis}
FORMATS: Final = tuple(_READERS)
