"""The series of a site file: who replays what from which file, and everything that is wrong with either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.replay import OF_THE_SITE, PRICE, REPLAYABLE, SESSIONS
from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.layout import GroupLayout, ReplayLayout
from pilotfarm.emulators.site.reference import Reference
from pilotfarm.emulators.site.replay_model import ReplayTable, SeriesTable
from pilotfarm.emulators.words import quoted, suggestion, with_article
from pilotfarm.profiles.series import Guests, Prices, Recipe, Replayed, Series, SeriesFileError
from pilotfarm.profiles.series.told import Mistake

_HINTED: Final = 20
"""Columns of a file among which a misspelt one is looked for."""


class SeriesReader:
    """Gathers what groups and the weather replay, then reads each file once, for all of them."""

    def __init__(
        self, checker: Checker, data: Mapping[str, Any], inputs: Inputs, start: datetime, time_zone: str
    ) -> None:
        self._checker, self._inputs = checker, inputs
        self._start_s, self._zone = start.timestamp(), time_zone
        self._document = checker.document
        self._tables = checker.table(data, "series", at_least_one=False)
        self._references: list[Reference] = []
        self._named: set[str] = set()
        self._asked: set[tuple[str, str]] = set()
        self._by_price: list[GroupLayout] = []
        self.is_complete = True
        """Whether every reference is known; else none is called unused."""

    def of_group(self, group: GroupLayout, spec: DeviceSpec, value: Mapping[str, Any]) -> None:
        """Take what a group replays."""
        path: Path = ("groups", group.name)
        if spec.by_price is not None and spec.by_price(group.ratings).any():
            self._by_price.append(group)
        for what, raw in self._checker.table(value, "replay", at_least_one=False, under=path).items():
            at: Path = (*path, "replay", what)
            if what in spec.replays:
                self._refer(at, group.name, what, raw, group.devices, spec.replays[what](group.ratings))
            else:
                self.is_complete = False
                self._checker.unknown(at, f"series of {with_article(spec.kind)}", what, tuple(spec.replays))

    def of_site(self, data: Mapping[str, Any]) -> None:
        """Take what the weather and the market replay."""
        for table, names in OF_THE_SITE.items():
            described = data.get(table)
            if not isinstance(described, dict):
                continue  # told where the table is read
            for what, raw in self._checker.table(described, "replay", at_least_one=False, under=(table,)).items():
                at: Path = (table, "replay", what)
                if what in names:
                    self._refer(at, "", what, raw, ("",), np.array([np.inf]))
                else:
                    self.is_complete = False
                    self._checker.unknown(at, f"series of the {table}", what, names)

    def _refer(self, path: Path, group: str, what: str, raw: Any, devices: tuple[str, ...], most: Floats) -> None:
        self._asked.add((group, what))
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
            self._references.append(Reference(path, group, what, table, devices, most))

    def currency(self) -> str:
        """Return what prices are in, of which a site has one; say where a group follows prices and there are none."""
        for group in self._by_price:
            if not {("", PRICE), (group.name, PRICE)} & self._asked:
                told = "a tariff follows the price of energy, and neither the group nor market: replays one"
                self._document.problem(("groups", group.name, "ratings"), told)
        prices = sorted((each for each in self._references if each.what == PRICE), key=lambda each: each.group != "")
        for each in prices[1:]:
            if each.unit.currency != prices[0].unit.currency:
                first = self._document.locate((*prices[0].path, "unit"))
                told = f"is in {each.unit.currency}, and {first} in {prices[0].unit.currency}; a site has one currency"
                self._document.problem((*each.path, "unit"), told)
        return prices[0].unit.currency if prices else ""

    def layouts(self) -> tuple[ReplayLayout, ...]:
        """Read the files and return what is replayed from them."""
        found: list[ReplayLayout] = []
        for name, raw in self._tables.items():
            path: Path = ("series", name)
            table = self._checker.read(SeriesTable, raw, path)
            if self.is_complete and name not in self._named:
                self._document.problem(path, "nothing replays it")
            if table is not None:
                ours = [each for each in self._references if each.table.series == name]
                found += self._of_file(path, table, ours)
        return tuple(found)

    def _of_file(self, path: Path, table: SeriesTable, references: Sequence[Reference]) -> list[ReplayLayout]:
        # pyarrow takes its time to import, which sites without series do not need.
        from pilotfarm.profiles.series.files import BYTES_MAX

        described = table.model_dump(exclude={"file", "repeat"})

        def read(file: FilePath) -> list[ReplayLayout]:
            recipe = Recipe(file, repeats=table.repeat, **described)
            visits = [self._visits(each, recipe) for each in references if each.what == SESSIONS]
            columns = [each for each in references if each.what != SESSIONS]
            return visits + (self._columns(path, columns, recipe) if columns else [])

        try:
            return self._inputs.read(table.file, (*path, "file"), BYTES_MAX, read) or []
        except SeriesFileError as error:
            self._tell(self._inputs.place(table.file), error.mistakes)
            return []

    def _columns(self, path: Path, references: Sequence[Reference], recipe: Recipe) -> list[ReplayLayout]:
        from pilotfarm.profiles.series.load import columns_of, load

        time, there = columns_of(recipe)
        fitting = [each for each in references if self._has_columns(each, recipe.path, time, there)]
        wanted = tuple(dict.fromkeys(column for each in fitting for column in each.columns))
        if not wanted:
            return []
        series = load(recipe, time, wanted, self._start_s)
        if not series.repeats and series.end_s <= self._start_s:
            told = f"ends at {_when(series.end_s)}, before the site starts at {_when(self._start_s)}"
            self._document.problem(path, f"{told}; repeat: true lets it go round")
        return [self._layout(each, series) for each in fitting]

    def _visits(self, reference: Reference, recipe: Recipe) -> ReplayLayout:
        from pilotfarm.profiles.series.visits import load

        stays = load(recipe, reference.devices, reference.unit.gain, self._start_s)
        self._tell(recipe.path, reference.impossible_visits(stays))
        return ReplayLayout(reference.group, reference.what, Guests(stays))

    def _has_columns(self, reference: Reference, file: FilePath, time: str, there: Sequence[str]) -> bool:
        """Check that a file has the columns of all devices, and none of devices that the site has not."""
        known, path = set(there), (*reference.path, "column")
        missing = [column for column in dict.fromkeys(reference.columns) if column not in known]
        if time in missing:
            told = f"{quoted(time)} is the column of times of {file.name}; say which other one is, with time:"
            self._document.problem(path, told)
        elif missing:
            others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            hint = suggestion(missing[0], there[:_HINTED]) if not others else ""
            self._document.problem(path, f"{file.name} has no column {quoted(missing[0])}{others}{hint}")
        strange = reference.of_nobody(there)
        if strange:
            others = f" and {len(strange) - 1:,} more" if len(strange) > 1 else ""
            told = f"{file.name} has a column {quoted(strange[0])}{others}, of devices that {reference.group} has not"
            self._document.problem(path, f"{told}: it has {len(reference.devices):,}")
        return not missing

    def _layout(self, reference: Reference, series: Series) -> ReplayLayout:
        places = {name: place for place, name in enumerate(series.names)}
        columns = np.array([places[name] for name in reference.columns], dtype=np.intp)
        self._tell(series.file, reference.impossible(series, columns))
        values = Replayed(series, columns, reference.gain(series.interval_s), reference.unit.shift)
        priced = reference.what == PRICE
        return ReplayLayout(reference.group, reference.what, Prices(values, self._zone) if priced else values)

    def _tell(self, file: FilePath, mistakes: Sequence[Mistake]) -> None:
        self._document.problems += [Problem(str(file), line, "", message) for line, message in mistakes]


def _when(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
