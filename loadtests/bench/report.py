"""Runs the measurements and reports them: as a table, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pilotfarm.emulators.clock import WallClock
from pilotfarm.loadtests.bench.measures import MEASURES
from pilotfarm.loadtests.bench.process import BenchError
from pilotfarm.loadtests.bench.row import Row


def take(only: list[str], quick: bool, json_file: Path) -> int:
    """Take the measurements named, or all; return the exit code: 0, 1 if one failed, 2 if one is unknown."""
    errors = Console(stderr=True)
    unknown = [name for name in only if name not in MEASURES]
    if unknown:
        errors.print(f"error: no measurement {', '.join(unknown)}; there are {', '.join(MEASURES)}")
        return 2
    rows: list[Row] = []
    failed: dict[str, str] = {}
    for name, measure in MEASURES.items():
        if only and name not in only:
            continue
        with errors.status(f"measuring: {name}"):
            try:
                rows.extend(measure(quick))
            except (BenchError, OSError, ImportError) as error:
                failed[name] = str(error)
                errors.print(f"{name}: not measured: {error}")
    Console().print(_table(rows))
    json_file.write_text(json.dumps(_record(rows, failed, quick), indent=2) + "\n", encoding="utf-8")
    errors.print(f"written to {json_file}")
    return 1 if failed else 0


def _table(rows: list[Row]) -> Table:
    table = Table("", "measured", "value", "unit", "aim", "met", title=f"pilotfarm on {_machine()}")
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "no"
        value = "-" if row.value is None else _readable(row.value)
        what = f"{row.what}: not measured, {row.note}" if row.value is None else row.what
        table.add_row(row.part, what, value, row.unit, row.aim, met)
    table.columns[2].justify = "right"
    return table


def _readable(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _record(rows: list[Row], failed: dict[str, str], quick: bool) -> dict[str, Any]:
    packages = ("pilotfarm", "numpy", "uvloop", "pymodbus", "py1815")
    return {
        "taken": datetime.fromtimestamp(WallClock().now_s(), UTC).isoformat(),
        "machine": _machine(),
        "python": sys.version,
        "packages": {name: version(name) for name in packages},
        "quick": quick,
        "rows": [row.as_dict() for row in rows],
        "not_measured": failed,
    }
