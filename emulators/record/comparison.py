"""Where two runs part: the first site time at which a table of theirs is another, and in which column.

Rows are compared, in whatever files they stand. Every step of a table comes to a number, the sum of those of its rows;
of the first step whose numbers differ the rows are read, so that memory is bounded by the rows of a step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path
from typing import Any, Final, TypeAlias

import pandas as pd
import pyarrow.parquet as pq

from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.record import folder
from pilotfarm.emulators.record.schema import SCHEMAS, VERSION, version_of
from pilotfarm.emulators.record.tables import files_of, runs_in

_WHOSE: Final[Mapping[str, list[str]]] = {
    "commands": ["command", "quantity"],
    "faults": ["fault", "event"],
    "effects": ["command", "quantity"],
    "values": ["device", "quantity"],
    "feeders": ["feeder"],
    "outages": ["station", "device"],
}
"""What tells the rows of a step from each other; first the tables in which a cause may stand."""
COMPARED: Final = tuple(_WHOSE)
_SAID: Final = ("pilotfarm_version", "site", "seed", "start", "step_s", "every_s", "quantities", "files", "site_file")

Numbers: TypeAlias = Mapping[pd.Timestamp, int]
"""What the rows of each step come to, by site time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a ledger."""

    directory: Path
    number: int

    def files(self, table: str) -> list[Path]:
        return files_of(self.directory, table, self.number)

    def rows(self, table: str) -> int:
        return sum(pq.ParquetFile(path).metadata.num_rows for path in self.files(table))

    @property
    def said(self) -> Mapping[str, Any]:
        """What it says of itself, as far as it does."""
        try:
            found: Mapping[str, Any] = json.loads(folder.about(self.directory, self.number).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found


def run_of(directory: Path, number: int | None = None) -> Run:
    """Return a run of a ledger, the last if none is named; ``ConfigError`` if there is none that can be read."""
    runs = runs_in(directory)
    if not runs:
        raise _refused(directory, f"holds no ledger of version {VERSION}")
    if number is not None and number not in runs:
        raise _refused(directory, f"has no run {number}; it has {', '.join(map(str, runs))}")
    found = Run(directory, runs[-1] if number is None else number)
    for path in (path for table in SCHEMAS for path in found.files(table)[:1]):
        if version_of(pq.read_schema(path)) != VERSION:
            raise _refused(path, f"is of another version of the ledger than {VERSION}")
    return found


def reasons(one: Run, other: Run) -> Iterator[str]:
    """Say in what the runs are told to be different."""
    for name in _SAID:
        ours, theirs = one.said.get(name), other.said.get(name)
        if ours != theirs:
            shown = "" if name in ("files", "site_file") else f": {ours} and {theirs}"
            yield f"{name.replace('_', ' ')} differ{'' if name == 'files' else 's'}{shown}"


def parting(one: Run, other: Run) -> str:
    """Say where two runs part first; nothing if they do not."""
    found = []
    for number, table in enumerate(COMPARED):
        files = _others(one.files(table), other.files(table))
        ours, theirs = map(_numbers, files)
        parted = [at for at in ours.keys() | theirs.keys() if ours.get(at) != theirs.get(at)]
        if parted:
            found.append((min(parted), number, table, files))
    if not found:
        return ""
    at, _, table, files = min(found)
    return f"{table} part at {at.isoformat()}: {_told(table, *(_at(table, each, at) for each in files))}"


def _others(ours: list[Path], theirs: list[Path]) -> tuple[list[Path], list[Path]]:
    """Leave out the files that are the same by bytes."""
    named = {path.name: path for path in theirs}
    same = {path.name for path in ours if path.name in named and cmp(path, named[path.name], shallow=False)}
    return [path for path in ours if path.name not in same], [path for path in theirs if path.name not in same]


def _numbers(files: Sequence[Path]) -> Numbers:
    found: dict[pd.Timestamp, int] = {}
    for path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                frame = _plain(file.read_row_group(group, use_threads=False).to_pandas())
                numbers = pd.util.hash_pandas_object(frame, index=False)
                for at, number in numbers.groupby(frame["site_time"]).sum().items():
                    assert isinstance(at, pd.Timestamp)
                    found[at] = (found.get(at, 0) + int(number)) % 2**64
    return found


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Make lists into text, which can be compared."""
    return frame.assign(devices=frame["devices"].map(", ".join)) if "devices" in frame else frame


def _at(table: str, files: Sequence[Path], at: pd.Timestamp) -> pd.DataFrame:
    """Read the rows of a step, by what tells them from each other."""
    filters = [("site_time", "==", at.to_pydatetime())]
    parts = [pq.read_table(path, filters=filters, partitioning=None).to_pandas() for path in files]
    whose = _WHOSE[table]
    frame = _plain(pd.concat(parts) if parts else SCHEMAS[table].empty_table().to_pandas())
    names = frame.columns[frame.dtypes == "category"]
    frame = frame.drop(columns="site_time").astype(dict.fromkeys([*whose, *names], str))
    return frame.assign(nth=frame.groupby(whose).cumcount()).set_index([*whose, "nth"])


def _told(table: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Say in what the rows of a step differ first."""
    every = ours.index.union(theirs.index)
    one, other = ours.reindex(every), theirs.reindex(every)
    differs = one.ne(other) & ~(one.isna() & other.isna())
    whose = every[int(differs.any(axis=1).to_numpy().argmax())]
    said = " ".join(f"{name} {each}" for name, each in zip(_WHOSE[table], whose, strict=False))
    for held, which in ((theirs, "first"), (ours, "second")):
        if whose not in held.index:
            return f"{said} is in the {which} alone"
    column = differs.columns[int(differs.loc[whose].to_numpy().argmax())]
    return f"{said} has {column} {one.loc[whose, column]} and {other.loc[whose, column]}"


def _refused(place: Path, message: str) -> ConfigError:
    return ConfigError([Problem(str(place), 0, "", message)])
