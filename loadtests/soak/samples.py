"""What is written down of each farm, a row now and then."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Sample:
    """A farm and its masters as they stand at an instant; what counts up counts from the farm's start."""

    farm: str
    elapsed_s: float
    """Since the masters began."""
    rss_mb: float
    descriptors: int
    threads: int
    cpu_s: float
    site_unix_s: float
    steps: int
    late_steps: int
    worst_late_s: float
    connections: int
    log_lines: int
    modbus_answers: int
    modbus_errors: int
    iec104_answers: int
    iec104_errors: int
    dnp3_answers: int
    dnp3_errors: int


class SampleFile:
    """Samples as CSV, each on disk once it is taken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._file = self._path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, [field.name for field in fields(Sample)])
        self._writer.writeheader()
        return self

    def write(self, samples: Iterable[Sample]) -> None:
        self._writer.writerows(asdict(sample) for sample in samples)
        self._file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
