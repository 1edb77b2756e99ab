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
from pilotfarm.emulators.record.schema import SCHEMAS, TIME

_READS_MAX: Final = 10
"""How often files may be merged away under a reader before it gives up."""


@dataclass(slots=True)
class Step:
    """What one group reported at one step; the arrays belong to the farm and never change again."""

    site_s: float
    wall_s: float
    group: Group
    names: Sequence[str]
    columns: Seen
    reported: Seen
    quality: Mapping[str, Qualities]

    @property
    def rows(self) -> int:
        return self.group.size * len(self.names)


def read(directory: Path, table: str) -> pa.Table:
    """Read a table of a ledger as it stands, whether or not a farm is still writing it.

    Raises ``KeyError`` for a table there is none of; an empty ledger gives an empty table.
    """
    schema = SCHEMAS[table]
    for attempt in range(_READS_MAX):
        files = sorted((directory / table).glob("*.parquet"))
        if not files and (directory / f".{table}.old").exists():
            continue  # between the two renames of a merge
        try:
            return pa.concat_tables([pq.read_table(file, schema=schema) for file in files] or [schema.empty_table()])
        except FileNotFoundError:  # merged since they were listed
            if attempt == _READS_MAX - 1:
                raise
    return schema.empty_table()


def instant(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def values_table(run: str, steps: Sequence[Step]) -> pa.Table:
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
    stamps = {
        # Rounded as the other tables' stamps are, so that rows of one step meet.
        name: np.repeat(pa.array([instant(each) for each in times], TIME).cast(pa.int64()).to_numpy(), counts)
        for name, times in (("site_time", [s.site_s for s in steps]), ("wall_time", [s.wall_s for s in steps]))
    }
    named = {
        name: pa.DictionaryArray.from_arrays(np.concatenate(indices[name]), pa.array(known.names))
        for name, known in (("device", devices), ("kind", kinds), ("quantity", quantities))
    }
    runs = pa.DictionaryArray.from_arrays(np.zeros(sum(counts), dtype=np.int32), pa.array([run]))
    true, reported, quality = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return pa.Table.from_arrays(
        [
            runs,
            *(pa.array(stamps[name]).cast(TIME) for name in ("site_time", "wall_time")),
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
