"""Sources and sinks of one resource of a compound device, as the whole device sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.wire.sinks import Sink
from pilotfarm.emulators.wire.sources import Source


class _View(Mapping[str, Floats]):
    """Columns as one resource sees them: its own, without its prefix."""

    __slots__ = ("_columns", "_prefix")

    def __init__(self, columns: Mapping[str, Floats], prefix: str) -> None:
        self._columns = columns
        self._prefix = prefix

    def __getitem__(self, name: str) -> Floats:
        return self._columns[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._columns if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class PrefixedSink:
    """A sink of one resource, as the whole device sees it."""

    prefix: str
    sink: Sink

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in self.sink.quantities)

    def back(self, raw: float) -> dict[str, float]:
        return {self.prefix + name: value for name, value in self.sink.back(raw).items()}


@dataclass(frozen=True, slots=True)
class PrefixedSource:
    """A source of one resource, as the whole device sees it."""

    prefix: str
    source: Source

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in self.source.quantities)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return self.source.of(_View(columns, self.prefix))

    def back(self, raw: float) -> dict[str, float]:
        return {self.prefix + name: value for name, value in self.source.back(raw).items()}
