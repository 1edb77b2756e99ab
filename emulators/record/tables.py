"""The ledger's tables: rows of values from columns, and a ledger read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.record.exchange import halfway
from pilotfarm.emulators.record.schema import RUN, SCHEMAS, TIME

_READS_MAX: Final = 10
"""How often files may be merged away under a reader before it gives up."""


@dataclass(slots=True)
class Step:
    """What one group reported at one step; the arrays belong to the farm and never change again."""

    site_time: datetime
    group: Group
    names: Sequence[str]
    columns: Seen
    reported: Seen
    quality: Mapping[str, Qualities]

    @property
    def rows(self) -> int:
        return self.group.size * len(self.names)


def read(directory: Path, table: str) -> pa.Table:
    """Read a table of a ledger as it stands, with the column ``run``, whether or not a farm is still writing it.

    Raises ``KeyError`` for a table there is none of; an empty ledger gives an empty table.
    """
    schema = SCHEMAS[table]
    for attempt in range(_READS_MAX):
        files = [(run, path) for run in runs_in(directory, table) for path in files_of(directory, table, run)]
        if halfway(directory, table):
            continue
        try:
            parts = [_of_run(run, pq.read_table(path, schema=schema, partitioning=None)) for run, path in files]
        except FileNotFoundError:  # in a larger one since they were listed
            if attempt == _READS_MAX - 1:
                raise
            continue
        return pa.concat_tables(parts or [_of_run(0, schema.empty_table())])
    return _of_run(0, schema.empty_table())


def runs_in(directory: Path, table: str = "*") -> list[int]:
    """Return the numbers of the runs of which there are files, of one table or of any."""
    folders = directory.glob(f"{table}/{RUN}=*")
    return sorted({int(number) for path in folders if (number := path.name.removeprefix(f"{RUN}=")).isdecimal()})


def files_of(directory: Path, table: str, run: int) -> list[Path]:
    """Return the files of a run in a table, by site time."""
    return sorted((directory / table / f"{RUN}={run}").glob("*.parquet"))


def _of_run(run: int, rows: pa.Table) -> pa.Table:
    return rows.append_column(RUN, pa.array(np.full(rows.num_rows, run, dtype=np.int32)))


def instant(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def values_table(steps: Sequence[Step]) -> pa.Table:
    """Lay steps out as rows: for each step and group, quantity by quantity, device by device."""
    parts = [_values_part(step) for step in steps]
    devices, kinds, quantities = _Names(), _Names(), _Names()
    indices: dict[str, list[Any]] = {"device": [], "kind": [], "quantity": []}
    for step in steps:
        names, n = step.names, step.group.size
        indices["device"].append(np.tile(devices.of(step.group.layout.devices), len(names)))
        indices["kind"].append(np.full(n * len(names), kinds.of([step.group.spec.kind])[0], dtype=np.int32))
        indices["quantity"].append(np.repeat(quantities.of(names), n))
    counts = [len(part[0]) for part in parts]
    times = pa.array([step.site_time for step in steps], TIME).cast(pa.int64()).to_numpy()
    named = {
        name: pa.DictionaryArray.from_arrays(np.concatenate(indices[name]), pa.array(known.names))
        for name, known in (("device", devices), ("kind", kinds), ("quantity", quantities))
    }
    true, reported, quality = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return pa.Table.from_arrays(
        [
            pa.array(np.repeat(times, counts)).cast(TIME),
            *(named[name] for name in ("device", "kind", "quantity")),
            pa.array(true),
            pa.array(reported),
            pa.array(quality),
        ],
        schema=SCHEMAS["values"],
    )


def _values_part(step: Step) -> tuple[Any, Any, Any]:
    good = np.zeros(step.group.size, dtype=np.uint8)
    return (
        np.concatenate([step.columns[name] for name in step.names]),
        np.concatenate([step.reported[name] for name in step.names]),
        np.concatenate([step.quality.get(name, good) for name in step.names]),
    )


class _Names:
    """Names in the order they were first met, each with its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return list(self._numbers)

    def of(self, names: Sequence[str]) -> Any:
        numbers = self._numbers
        return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int32)
