"""The series of a site file: who replays what from which file, and everything that is wrong with either."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.replay import OF_THE_SITE, REPLAYABLE, SESSIONS, Replayable, Unit
from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.layout import GroupLayout, ReplayLayout
from pilotfarm.emulators.site.model import ReplayTable, SeriesTable
from pilotfarm.emulators.words import quoted, suggestion, with_article
from pilotfarm.profiles.series import Guests, Recipe, Replayed, Series, SeriesFileError

_PLACEHOLDERS: Final = ("{device}", "{number}")
_TOLD_MAX: Final = 20
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _Reference:
    """One thing that is replayed: for the devices of a group, or for the site, which is one device without a name."""

    path: Path
    group: str
    what: str
    table: ReplayTable
    devices: tuple[str, ...]
    most: Floats
    """The largest value of each device, infinite where nothing bounds it."""

    @property
    def replayable(self) -> Replayable:
        return REPLAYABLE[self.what]

    @property
    def unit(self) -> Unit:
        return self.replayable.units[self.table.unit]

    def column_of(self, number: int) -> str:
        """Return the column of a device, counted from 1."""
        column = self.table.column
        assert column is not None, "checked before"
        if not isinstance(column, str):
            return column[number - 1]
        return column.replace("{device}", self.devices[number - 1]).replace("{number}", str(number))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(map(self.column_of, range(1, len(self.devices) + 1)))


class SeriesReader:
    """Gathers what groups and the weather replay, then reads each file once, for all of them."""

    def __init__(self, checker: Checker, data: Mapping[str, Any], inputs: Inputs) -> None:
        self._checker, self._inputs = checker, inputs
        self._document = checker.document
        self._tables = checker.table(data, "series", at_least_one=False)
        self._references: list[_Reference] = []
        self._named: set[str] = set()
        self.is_complete = True
        """Whether every reference is known; else none is called unused."""

    def of_group(self, group: GroupLayout, spec: DeviceSpec, value: Mapping[str, Any]) -> None:
        """Take what a group replays."""
        path: Path = ("groups", group.name)
        for what, raw in self._checker.table(value, "replay", at_least_one=False, under=path).items():
            at: Path = (*path, "replay", what)
            if what in spec.replays:
                self._refer(at, group.name, what, raw, group.devices, spec.replays[what](group.ratings))
                continue
            self.is_complete = False
            if spec.replays:
                self._checker.unknown(at, f"series of {with_article(spec.kind)}", what, tuple(spec.replays))
            else:
                self._document.problem(at, f"{with_article(spec.kind)} replays nothing")

    def of_site(self, data: Mapping[str, Any]) -> None:
        """Take what the weather replays."""
        weather = data.get("weather")
        if not isinstance(weather, dict):
            return
        for what, raw in self._checker.table(weather, "replay", at_least_one=False, under=("weather",)).items():
            at: Path = ("weather", "replay", what)
            if what in OF_THE_SITE:
                self._refer(at, "", what, raw, ("",), np.array([np.inf]))
            else:
                self.is_complete = False
                self._checker.unknown(at, "series of the weather", what, OF_THE_SITE)

    def _refer(self, path: Path, group: str, what: str, raw: Any, devices: tuple[str, ...], most: Floats) -> None:
        table = self._checker.read(ReplayTable, raw, path)
        named = raw.get("series") if isinstance(raw, dict) else None
        if isinstance(named, str):
            self._named.add(named)
        if table is None:
            self.is_complete = False
            return
        units = REPLAYABLE[what].units
        if table.unit not in units:
            self._checker.unknown((*path, "unit"), f"unit of {what}", table.unit, tuple(units))
        if table.series not in self._tables:
            self.is_complete = False
            self._checker.unknown((*path, "series"), "series", table.series, tuple(self._tables))
        if (table.column is None) != (what == SESSIONS):
            self.is_complete = False
            told = "is missing" if table.column is None else "sessions have columns of their own; leave it out"
            self._document.problem((*path, "column"), told)
            return
        columns = table.column if isinstance(table.column, list) else devices
        many = len(columns) != len(devices)
        if many:
            told = f"names {len(columns):,} columns for {len(devices):,} devices"
            self._document.problem((*path, "column"), told)
        if table.unit in units and table.series in self._tables and not many:
            self._references.append(_Reference(path, group, what, table, devices, most))

    def layouts(self, start: datetime) -> tuple[ReplayLayout, ...]:
        """Read the files and return what is replayed from them."""
        found: list[ReplayLayout] = []
        for name, raw in self._tables.items():
            path: Path = ("series", name)
            table = self._checker.read(SeriesTable, raw, path)
            if self.is_complete and name not in self._named:
                self._document.problem(path, "nothing replays it")
            if table is not None:
                ours = [each for each in self._references if each.table.series == name]
                found += self._of_file(path, table, ours, start)
        return tuple(found)

    def _of_file(
        self, path: Path, table: SeriesTable, references: Sequence[_Reference], start: datetime
    ) -> list[ReplayLayout]:
        # pyarrow takes its time to import, which sites without series do not need.
        from pilotfarm.profiles.series.files import BYTES_MAX

        described = table.model_dump(exclude={"file", "repeat"})

        def read(file: FilePath) -> list[ReplayLayout]:
            recipe = Recipe(file, repeats=table.repeat, **described)
            visits = [self._visits(each, recipe, start) for each in references if each.what == SESSIONS]
            columns = [each for each in references if each.what != SESSIONS]
            return visits + (self._columns(path, columns, recipe, start) if columns else [])

        try:
            return self._inputs.read(table.file, (*path, "file"), BYTES_MAX, read) or []
        except SeriesFileError as error:
            file = str(self._inputs.place(table.file))
            self._document.problems += [Problem(file, line, "", message) for line, message in error.mistakes]
            return []

    def _columns(
        self, path: Path, references: Sequence[_Reference], recipe: Recipe, start: datetime
    ) -> list[ReplayLayout]:
        from pilotfarm.profiles.series.load import columns_of, load

        time, there = columns_of(recipe)
        fitting = [each for each in references if self._has_columns(each, recipe.path, there)]
        wanted = tuple(dict.fromkeys(column for each in fitting for column in each.columns))
        if not wanted:
            return []
        series = load(recipe, time, wanted, start.timestamp())
        if not series.repeats and series.end_s <= start.timestamp():
            told = f"ends at {_when(series.end_s)}, before the site starts at {_when(start.timestamp())}"
            self._document.problem(path, f"{told}; repeat: true lets it go round")
        return [self._layout(each, series) for each in fitting]

    def _visits(self, reference: _Reference, recipe: Recipe, start: datetime) -> ReplayLayout:
        from pilotfarm.profiles.series.visits import load

        stays = load(recipe, reference.devices, reference.unit.gain, start.timestamp())
        power_w = stays.energy_wh / (stays.leave_s - stays.arrive_s) * 3_600.0
        beyond = np.flatnonzero(power_w > reference.most[stays.point] * (1.0 + _ROUNDING))
        for row in beyond[:_TOLD_MAX].tolist():
            line, said = stays.place(row)
            device, most_w = reference.devices[stays.point[row]], reference.most[stays.point[row]]
            told = (
                f"{said}{device} would charge {stays.energy_wh[row]:,.6g} Wh with {power_w[row]:,.6g} W on average, "
                f"and at most {most_w:,.6g} W is possible by its ratings"
            )
            self._document.problems.append(Problem(str(stays.file), line, "", told))
        if len(beyond) > _TOLD_MAX:
            told = f"and {len(beyond) - _TOLD_MAX:,} more sessions that are too fast"
            self._document.problems.append(Problem(str(stays.file), 0, "", told))
        return ReplayLayout(reference.group, reference.what, Guests(stays))

    def _has_columns(self, reference: _Reference, file: FilePath, there: Sequence[str]) -> bool:
        """Check that a file has the columns of all devices, and none of devices that the site has not."""
        known, path = set(there), (*reference.path, "column")
        missing = [column for column in dict.fromkeys(reference.columns) if column not in known]
        if missing:
            others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            hint = suggestion(missing[0], there[:_TOLD_MAX]) if not others else ""
            self._document.problem(path, f"{file.name} has no column {quoted(missing[0])}{others}{hint}")
        strange = _of_nobody(reference, there)
        if strange:
            others = f" and {len(strange) - 1:,} more" if len(strange) > 1 else ""
            told = f"{file.name} has a column {quoted(strange[0])}{others}, of devices that {reference.group} has not"
            self._document.problem(path, f"{told}: it has {len(reference.devices):,}")
        return not missing

    def _layout(self, reference: _Reference, series: Series) -> ReplayLayout:
        unit, places = reference.unit, {name: place for place, name in enumerate(series.names)}
        columns = np.array([places[name] for name in reference.columns], dtype=np.intp)
        gain: Floats | float = unit.gain
        if unit.of_interval:
            gain = unit.gain * 3_600.0 / series.interval_s
        if unit.of_rating:
            gain = unit.gain * reference.most
        self._check_values(reference, series, columns, gain)
        return ReplayLayout(reference.group, reference.what, Replayed(series, columns, gain, unit.shift))

    def _check_values(
        self, reference: _Reference, series: Series, columns: np.ndarray[Any, np.dtype[np.intp]], gain: Floats | float
    ) -> None:
        """Refuse values that devices cannot have: their unit is another, or a rating."""
        kind, unit = reference.replayable, reference.unit
        most = np.minimum(reference.most, kind.max)
        least = np.maximum(kind.min, np.where(np.isinf(reference.most), -np.inf, kind.min_share * reference.most))
        lowest, highest = (np.asarray(each)[columns] * gain + unit.shift for each in (series.lowest, series.highest))
        slack = _ROUNDING * np.maximum(np.abs(np.where(np.isinf(most), 0.0, most)), 1.0)
        over, under = highest > most + slack, lowest < least - slack
        wrong = (over | under).nonzero()[0]
        for row in wrong[:_TOLD_MAX].tolist():
            column = int(columns[row])
            bound = most[row] if over[row] else least[row]
            factor = gain[row] if isinstance(gain, np.ndarray) else gain
            values = series.values[:, column] * factor + unit.shift
            at = int((values > bound + slack[row]).argmax() if over[row] else (values < bound - slack[row]).argmax())
            whose = f" of {reference.devices[row]}" if reference.group else ""
            told = (
                f"{series.names[column]}: {reference.what}{whose} would be {values[at]:,.6g} {kind.unit}, and "
                f"{'at most' if over[row] else 'at least'} {bound:,.6g} {kind.unit} is possible by its ratings"
            )
            line, said = series.place(at)
            self._document.problems.append(
                Problem(
                    str(series.file),
                    line,
                    "",
                    said + told + _other_unit(reference, highest[row], lowest[row], most[row]),
                )
            )
        if len(wrong) > _TOLD_MAX:
            told = f"and {len(wrong) - _TOLD_MAX:,} more devices whose {reference.what} is not possible"
            self._document.problems.append(Problem(str(series.file), 0, "", told))


def _of_nobody(reference: _Reference, there: Sequence[str]) -> list[str]:
    """Return columns that are named as those of devices are, and are of none."""
    column = reference.table.column
    if not isinstance(column, str) or not any(each in column for each in _PLACEHOLDERS):
        return []
    pattern = re.escape(column).replace(re.escape("{device}"), rf"{re.escape(reference.group)}-\d+")
    named = re.compile(pattern.replace(re.escape("{number}"), r"\d+"))
    ours = set(reference.columns)
    return [each for each in there if each not in ours and named.fullmatch(each)]


def _other_unit(reference: _Reference, highest: float, lowest: float, most: float) -> str:
    """Say in which other unit the values would be possible."""
    used = reference.unit
    if used.of_rating or used.shift:
        return ""
    reach = max(abs(highest), abs(lowest))
    fitting = [
        name
        for name, unit in reference.replayable.units.items()
        if not unit.of_rating and unit.of_interval == used.of_interval and not unit.shift
        if reach * unit.gain / used.gain <= most and unit.gain < used.gain
    ]
    return f"; are the numbers in {fitting[-1]}?" if fitting else ""


def _when(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
