"""The formats of weather files: EPW, TMY3 and PVGIS (TMY or hourly), each to a table of hours.

pvlib reads them; what it would not report, or would misread, is refused here with its line.

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
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pvlib

from pilotfarm.profiles.weather.record import HOURS, WeatherFileError

NEEDED: Final = ("ghi", "air_degc", "wind_m_per_s")
"""Columns the farm cannot do without."""

_EPW_PLACE, _EPW_WIDTH, _EPW_FIRST_LINE, _TMY3_FIRST_LINE = 10, 35, 9, 3


@dataclass(frozen=True, slots=True)
class HourlyTable:
    """A file as pvlib reads it: rows by instant, columns by our names and units, NaN where missing.

    ``light_shift_s`` and ``air_shift_s`` are those of a ``Record``; ``first_line`` is the line of the first row.
    """

    data: pd.DataFrame
    utc_offset_s: float
    light_shift_s: float
    air_shift_s: float
    averaged: bool
    latitude_deg: float
    longitude_deg: float
    first_line: int


_Names: TypeAlias = dict[str, tuple[str, float, str]]
"""Our name of a column -> pvlib's, what its values are multiplied by, and its name in the file."""

_EPW: Final[_Names] = {
    "ghi": ("ghi", 1.0, "global horizontal radiation"),
    "dhi": ("dhi", 1.0, "diffuse horizontal radiation"),
    "air_degc": ("temp_air", 1.0, "dry bulb temperature"),
    "wind_m_per_s": ("wind_speed", 1.0, "wind speed"),
    "wind_deg": ("wind_direction", 1.0, "wind direction"),
    "humidity_frac": ("relative_humidity", 0.01, "relative humidity"),
    "pressure_pa": ("atmospheric_pressure", 1.0, "atmospheric pressure"),
    "rain_mm_per_h": ("liquid_precipitation_depth", 1.0, "liquid precipitation depth"),
}
_TMY3: Final[_Names] = {
    "ghi": ("ghi", 1.0, "GHI (W/m^2)"),
    "dhi": ("dhi", 1.0, "DHI (W/m^2)"),
    "air_degc": ("temp_air", 1.0, "Dry-bulb (C)"),
    "wind_m_per_s": ("wind_speed", 1.0, "Wspd (m/s)"),
    "wind_deg": ("wind_direction", 1.0, "Wdir (degrees)"),
    "humidity_frac": ("relative_humidity", 0.01, "RHum (%)"),
    "pressure_pa": ("pressure", 100.0, "Pressure (mbar)"),
    "rain_mm_per_h": ("Lprecip depth (mm)", 1.0, "Lprecip depth (mm)"),
}
_PVGIS: Final[_Names] = {
    "ghi": ("ghi", 1.0, "G(h)"),
    "dhi": ("dhi", 1.0, "Gd(h)"),
    "air_degc": ("temp_air", 1.0, "T2m"),
    "wind_m_per_s": ("wind_speed", 1.0, "WS10m"),
    "wind_deg": ("wind_direction", 1.0, "WD10m"),
    "humidity_frac": ("relative_humidity", 0.01, "RH"),
    "pressure_pa": ("pressure", 1.0, "SP"),
}


def _columns(data: pd.DataFrame, names: _Names, first_line: int) -> pd.DataFrame:
    """Our columns of a file as numbers; what is neither a number nor missing is refused with its line."""
    columns = {}
    for name, (theirs, factor, heading) in names.items():
        if theirs in data:
            values = pd.to_numeric(data[theirs], errors="coerce")
            wrong = np.flatnonzero((values.isna() & data[theirs].notna()).to_numpy())
            if len(wrong):
                row = int(wrong[0])
                raise WeatherFileError(first_line + row, f"{heading} is {data[theirs].iloc[row]!r}, not a number")
            columns[name] = factor * values.astype(np.float64)
        elif name in NEEDED:
            raise WeatherFileError(first_line - 1, f"has no column {heading}")
    return pd.DataFrame(columns)


def _epw(text: str) -> HourlyTable:
    lines = text.splitlines()
    if not lines or not lines[0].startswith("LOCATION,") or lines[0].count(",") < _EPW_PLACE - 1:
        raise WeatherFileError(1, "does not begin with LOCATION and nine values more, as an EPW file does")
    if len(lines) < _EPW_FIRST_LINE:
        raise WeatherFileError(0, "has no hours after its eight lines of header")
    width = lines[_EPW_FIRST_LINE - 1].count(",") + 1
    if width != _EPW_WIDTH:
        raise WeatherFileError(_EPW_FIRST_LINE, f"has {width} values; a row of an EPW file has {_EPW_WIDTH}")
    data, about = pvlib.iotools.read_epw(io.StringIO(text))
    return _hours(_columns(data, _EPW, _EPW_FIRST_LINE), about, _EPW_FIRST_LINE)


def _tmy3(text: str) -> HourlyTable:
    lines = text.splitlines()
    if len(lines) < _TMY3_FIRST_LINE or "Date (MM/DD/YYYY)" not in lines[1]:
        raise WeatherFileError(min(len(lines), 2), "has no row of column names that begins with Date (MM/DD/YYYY)")
    if "GHI (W/m^2)" not in lines[1]:  # what pvlib would trip over
        raise WeatherFileError(2, "has no column GHI (W/m^2)")
    data, about = pvlib.iotools.read_tmy3(io.StringIO(text))
    frame = _columns(data, _TMY3, _TMY3_FIRST_LINE)
    if "Lprecip quantity (hr)" in data and "rain_mm_per_h" in frame:
        frame["rain_mm_per_h"] = frame["rain_mm_per_h"].where(data["Lprecip quantity (hr)"] == 1)
    frame.index = _instants(data)
    return _hours(frame, about, _TMY3_FIRST_LINE)


def _instants(data: pd.DataFrame) -> pd.DatetimeIndex:
    """Return an instant within each hour of a TMY3; the hours are labelled by their ends [2], or by their middles.

    pvlib moves what is dated 29 February to 1 March. That is right for the last hour of the 28th, which ends on the
    29th, and wrong for the day itself, which no common year has.
    """
    ends = pd.DatetimeIndex(data.index)
    began = ends - pd.Timedelta(minutes=1)
    late = (began.month == 2) & (began.day == 29)
    leap_day = data["Date (MM/DD/YYYY)"].str.startswith("02/29").to_numpy()
    began = began.where(~late, began - pd.Timedelta(days=1))
    return began.where(~leap_day, pd.Timestamp(2000, 2, 29, tz=ends.tz))


def _hours(frame: pd.DataFrame, about: dict[str, Any], first_line: int) -> HourlyTable:
    """Means of hours in the file's own zone: light in the middle of the hour, air at its end."""
    offset_s = 3_600.0 * about["TZ"]
    return HourlyTable(frame, offset_s, 1_800.0, 3_600.0, True, about["latitude"], about["longitude"], first_line)


def _pvgis(text: str) -> HourlyTable:
    lines = text.splitlines()
    head = next((i for i, line in enumerate(lines) if line.startswith("time")), None)
    if head is None:
        raise WeatherFileError(0, "has no row of column names that begins with time; PVGIS files are read as CSV")
    if head == 0:
        raise WeatherFileError(
            1, "has no lines of header: place and settings stand above the column names in PVGIS files"
        )
    _refuse_text(lines, head)
    complete = "\n".join(re.sub(r",(?=,|$)", ",nan", line) if line[:8].isdigit() else line for line in lines)
    if lines[head].startswith("time(UTC)"):
        _expect(lines[head], head + 1, ("T2m", "G(h)", "WS10m"))
        data, about = _pvgis_tmy(complete, head)
        shift_s = 3_600.0 * about["inputs"].get("irradiance time offset", 0.0)
    else:
        _expect(lines[head], head + 1, ("Gb(i)", "Gd(i)", "Gr(i)", "T2m", "WS10m"))
        data, about = pvlib.iotools.read_pvgis_hourly(io.StringIO(complete), pvgis_format="csv")
        slope = float(str(about["inputs"].get("Slope", "0")).split()[0])
        if slope != 0.0:
            raise WeatherFileError(0, f"is for a plane tilted by {slope:g} degrees; download it with slope 0")
        data["dhi"] = data["poa_sky_diffuse"]
        data["ghi"] = data["poa_direct"] + data["dhi"] + data["poa_ground_diffuse"]
        shift_s = 60.0 * float(data.index[0].minute)
    where = about["inputs"]
    frame = _columns(data, _PVGIS, head + 2)
    return HourlyTable(frame, 0.0, shift_s, 0.0, False, where["latitude"], where["longitude"], first_line=head + 2)


def _refuse_text(lines: list[str], head: int) -> None:
    """Refuse a cell that is no number, which pvlib would not name; an empty one is missing."""
    names = lines[head].split(",")
    for place in range(head + 1, len(lines)):
        if not lines[place][:8].isdigit():
            continue
        for name, cell in list(zip(names, lines[place].split(","), strict=False))[1:]:
            try:
                float(cell or "nan")
            except ValueError:
                raise WeatherFileError(place + 1, f"{name} is {cell!r}, not a number") from None


def _expect(header: str, line: int, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in header.split(",")]
    if missing:
        raise WeatherFileError(line, f"has no column {', '.join(missing)}; columns are separated by commas")


def _pvgis_tmy(text: str, head: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a TMY of PVGIS that may have fewer rows than pvlib expects: absent hours are added as missing."""
    lines = text.splitlines()
    rows = [line for line in lines[head + 1 :] if line[:8].isdigit()]
    wide = lines[head].count(",")
    filler = [f"20000229:0000{',nan' * wide}"] * (HOURS - len(rows))  # of a day that no common year has
    whole = "\n".join([*lines[: head + 1], *rows, *filler, ""])
    data, about = pvlib.iotools.read_pvgis_tmy(io.BytesIO(whole.encode()), pvgis_format="csv")
    return data, about


READERS: Final[dict[str, Callable[[str], HourlyTable]]] = {"epw": _epw, "tmy3": _tmy3, "pvgis": _pvgis}
"""Name of a format -> reader of a file's text. It raises ``WeatherFileError``, or whatever pvlib runs into."""
