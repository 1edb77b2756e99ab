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
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pvlib

from pilotfarm.profiles.draws import Floats

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


_MOST_OFF_THE_SUN_H: Final = 3.5
_EPW_PLACE, _EPW_WIDTH, _EPW_FIRST_LINE, _TMY3_FIRST_LINE = 10, 35, 9, 3
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
    text = path.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # a column that is no numbers is refused below
            found = _READERS[form](text)
    except WeatherFileError:
        raise
    except Exception as error:  # pvlib and pandas raise whatever their parsers run into
        raise WeatherFileError(0, f"cannot be read as a file in the format {form.upper()}: {error}") from error
    return _year(found)


def _year(found: _Read) -> Record:
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


def _refuse_parts_of_hours(starts: pd.DatetimeIndex, rows: np.ndarray[Any, np.dtype[np.intp]], first_line: int) -> None:
    again = np.flatnonzero(starts[rows].duplicated())
    if len(again):
        row = int(rows[again[0]])
        raise WeatherFileError(
            first_line + row, f"is a second row for the hour {starts[row]:%Y-%m-%d %H:00}; only whole hours are read"
        )


def _notes(found: _Read, again: int) -> list[str]:
    """What is odd about a file as a whole."""
    notes = []
    if again:
        notes.append(f"{again:,} hours come again in a later year; the first year counts")
    zone_h = found.utc_offset_s / 3_600.0
    off_h = (zone_h - found.longitude_deg / 15.0 + 12.0) % 24.0 - 12.0
    # Averages are told in local time, and no country's is farther from the sun's; instants of PVGIS are in UTC.
    if found.averaged and abs(off_h) > _MOST_OFF_THE_SUN_H:
        notes.append(
            f"its time zone, UTC{zone_h:+g}, is {abs(off_h):.0f} hours off the sun at {found.longitude_deg:g} E"
        )
    return notes


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
        elif name in _NEEDED:
            raise WeatherFileError(first_line - 1, f"has no column {heading}")
    return pd.DataFrame(columns)


def _epw(text: str) -> _Read:
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


def _tmy3(text: str) -> _Read:
    lines = text.splitlines()
    if len(lines) < _TMY3_FIRST_LINE or "Date (MM/DD/YYYY)" not in lines[1]:
        raise WeatherFileError(min(len(lines), 2), "has no row of column names that begins with Date (MM/DD/YYYY)")
    if "GHI (W/m^2)" not in lines[1]:  # what pvlib would trip over
        raise WeatherFileError(2, "has no column GHI (W/m^2)")
    data, about = pvlib.iotools.read_tmy3(io.StringIO(text))
    frame = _columns(data, _TMY3, _TMY3_FIRST_LINE)
    if "Lprecip quantity (hr)" in data and "rain_mm_per_h" in frame:
        frame["rain_mm_per_h"] = frame["rain_mm_per_h"].where(data["Lprecip quantity (hr)"] == 1)
    frame.index = _began(data)
    return _hours(frame, about, _TMY3_FIRST_LINE)


def _began(data: pd.DataFrame) -> pd.DatetimeIndex:
    """Instants within the hours of a TMY3, which are labelled by their ends [2], or by their middles.

    pvlib moves what is dated 29 February to 1 March. That is right for the last hour of the 28th, which ends on the
    29th, and wrong for the day itself, which no common year has.
    """
    ends = pd.DatetimeIndex(data.index)
    began = ends - pd.Timedelta(minutes=1)
    late = (began.month == 2) & (began.day == 29)
    leap_day = data["Date (MM/DD/YYYY)"].str.startswith("02/29").to_numpy()
    began = began.where(~late, began - pd.Timedelta(days=1))
    return began.where(~leap_day, pd.Timestamp(2000, 2, 29, tz=ends.tz))


def _hours(frame: pd.DataFrame, about: dict[str, Any], first_line: int) -> _Read:
    """Means of hours in the file's own zone: light in the middle of the hour, air at its end."""
    offset_s = 3_600.0 * about["TZ"]
    return _Read(frame, offset_s, 1_800.0, 3_600.0, True, about["latitude"], about["longitude"], first_line)


def _pvgis(text: str) -> _Read:
    lines = text.splitlines()
    head = next((i for i, line in enumerate(lines) if line.startswith("time")), None)
    if head is None:
        raise WeatherFileError(0, "has no row of column names that begins with time; PVGIS files are read as CSV")
    if head == 0:
        raise WeatherFileError(
            1, "has no lines of header: place and settings stand above the column names in PVGIS files"
        )
    _refuse_words(lines, head)
    told = "\n".join(re.sub(r",(?=,|$)", ",nan", line) if line[:8].isdigit() else line for line in lines)
    if lines[head].startswith("time(UTC)"):
        _expect(lines[head], head + 1, ("T2m", "G(h)", "WS10m"))
        data, about = _pvgis_tmy(told, head)
        shift_s = 3_600.0 * about["inputs"].get("irradiance time offset", 0.0)
    else:
        _expect(lines[head], head + 1, ("Gb(i)", "Gd(i)", "Gr(i)", "T2m", "WS10m"))
        data, about = pvlib.iotools.read_pvgis_hourly(io.StringIO(told), pvgis_format="csv")
        slope = float(str(about["inputs"].get("Slope", "0")).split()[0])
        if slope != 0.0:
            raise WeatherFileError(0, f"is for a plane tilted by {slope:g} degrees; download it with slope 0")
        data["dhi"] = data["poa_sky_diffuse"]
        data["ghi"] = data["poa_direct"] + data["dhi"] + data["poa_ground_diffuse"]
        shift_s = 60.0 * float(data.index[0].minute)
    where = about["inputs"]
    frame = _columns(data, _PVGIS, head + 2)
    return _Read(frame, 0.0, shift_s, 0.0, False, where["latitude"], where["longitude"], first_line=head + 2)


def _refuse_words(lines: list[str], head: int) -> None:
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
