"""The tables of a site file that are not about devices: place, start, feeders, grid, frequency, weather."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pilotfarm.emulators.contracts.world import Place
from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout, WeatherLayout
from pilotfarm.emulators.site.model import Feeder, Frequency, Grid, Location
from pilotfarm.emulators.site.replay_model import Market, Weather, WeatherTable
from pilotfarm.emulators.site.table import Table
from pilotfarm.profiles.weather import WeatherFileError

DISTANCE_MAX_DEG: Final = 1.0
"""A weather file from further away is used with a note."""
YEAR_MIN, YEAR_MAX = 2000, 2099  # the two-digit year of a time tag: IEC 60870-5-101, 7.2.6.18
_IMPEDANCE: Final = ("resistance_ohm", "reactance_ohm")


def place(checker: Checker, data: Mapping[str, Any]) -> Place:
    location = checker.read(Location, data["location"], ("location",)) if "location" in data else None
    if location is None:
        return Place(0.0, 0.0, 0.0, "UTC")
    return Place(location.latitude_deg, location.longitude_deg, location.altitude_m, location.time_zone)


def start(checker: Checker, text: str, zone: str) -> datetime:
    """Read the start, aware; a text without an offset is local time in ``zone``."""
    path: Path = ("start",)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        checker.document.problem(path, f"{text!r} is not a date and time such as 2026-06-15T08:00:00")
        return datetime(2026, 1, 1, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
        there = moment.astimezone(UTC).astimezone(ZoneInfo(zone))
        if there.replace(tzinfo=None) != moment.replace(tzinfo=None):
            checker.document.problem(path, f"{text} is left out in {zone}, where clocks go forward; add an offset")
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        checker.document.problem(path, f"the year {moment.year} is not between {YEAR_MIN} and {YEAR_MAX}")
    return moment


def feeder(checker: Checker, name: str, value: Any) -> FeederLayout | None:
    path: Path = ("feeders", name)
    table = checker.read(Feeder, value, path)
    if table is None:
        return None
    nominal = table.nominal_voltage_v
    source = nominal if table.source_voltage_v is None else table.source_voltage_v
    if not 0.5 * nominal <= source <= 1.5 * nominal:
        message = f"{source:g} V is not within half of the nominal {nominal:g} V"
        checker.document.problem((*path, "source_voltage_v"), message)
    described = {key: item for key, item in table.model_dump().items() if not key.endswith("_voltage_v")}
    if not _is_described_once(checker, described, path):
        return None
    return FeederLayout(name, nominal, source, **described)


def _is_described_once(checker: Checker, described: Mapping[str, Any], path: Path) -> bool:
    """Check that a feeder is described in one way: by an impedance, or as a network."""
    given = [key for key, item in described.items() if item is not None]
    network = [key for key in given if key not in _IMPEDANCE]
    missing = [key for key in _IMPEDANCE if key not in given]
    if len(missing) == len(_IMPEDANCE):
        return True
    if missing:
        checker.document.problem((*path, missing[0]), "is missing")
    if network:
        checker.document.problem((*path, network[0]), f"a feeder described by an impedance has no {network[0]}")
    return not missing and not network


def grid(checker: Checker, data: Mapping[str, Any]) -> GridLayout:
    table = checker.read_optional(Grid, data, "grid")
    return GridLayout() if table is None else GridLayout(table.solve_every_s, table.moved_frac)


def frequency_area(checker: Checker, data: Mapping[str, Any]) -> str:
    table = checker.read_optional(Frequency, data, "frequency")
    return "" if table is None else table.area


def market(checker: Checker, data: Mapping[str, Any]) -> None:
    """Check the table of the market, which has what a series says of it and nothing else."""
    raw = data.get("market", {})
    plain = {key: item for key, item in raw.items() if key != "replay"} if isinstance(raw, dict) else raw
    checker.read(Table, plain, ("market",), known=Market.model_fields)


def weather(checker: Checker, data: Mapping[str, Any], site: Place, inputs: Inputs) -> WeatherLayout:
    """Read the weather's table and the file it names."""
    path: Path = ("weather",)
    raw = data.get("weather", {})
    plain = {key: item for key, item in raw.items() if key != "replay"} if isinstance(raw, dict) else raw
    table = checker.read(WeatherTable, plain, path, known=Weather.model_fields)
    if table is None:
        return WeatherLayout()
    if (table.file is None) != (table.source == "synthetic"):
        missing = "needs a file" if table.file is None else "has no file; name its format as the source"
        checker.document.problem(path, f"{table.source} weather {missing}")
    if table.file is None or table.source == "synthetic":
        return WeatherLayout(clouds=table.clouds, extent_m=table.extent_m)
    # pvlib and its pandas take a second to import, which few sites need to be understood.
    from pilotfarm.profiles.weather.files import BYTES_MAX, read

    source, file = table.source, inputs.place(table.file)
    try:
        record = inputs.read(table.file, (*path, "file"), BYTES_MAX, lambda found: read(found, source))
    except WeatherFileError as error:
        checker.document.problems.append(Problem(str(file), error.line, "", str(error)))
        return WeatherLayout()
    if record is None:
        return WeatherLayout()
    notes = [f"{file}: {note}" for note in record.notes]
    away = abs(record.latitude_deg - site.latitude_deg), abs(record.longitude_deg - site.longitude_deg)
    if max(away) > DISTANCE_MAX_DEG:
        here = f"{record.latitude_deg:g} N {record.longitude_deg:g} E"
        notes.append(f"{file}: is of a place at {here}, more than {DISTANCE_MAX_DEG:g} degrees from the site")
    return WeatherLayout(record, table.clouds, table.extent_m, tuple(notes))
