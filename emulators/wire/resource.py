"""Sources and sinks of one resource of a compound device, as the whole device sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.columns.views import OfResource
from pilotfarm.emulators.wire.sinks import ShareTaken, Sink
from pilotfarm.emulators.wire.sources import Source


@dataclass(frozen=True, slots=True)
class ResourceSink:
    """A sink of one resource, as the whole device sees it."""

    resource: Resource
    sink: Sink

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(map(self.resource.of, self.sink.quantities))

    def back(self, raw: float) -> dict[str, float]:
        return {self.resource.of(name): value for name, value in self.sink.back(raw).items()}

    def given(self, raw: float, value: Callable[[str], float]) -> dict[str, float]:
        """Return what a share comes to, where the whole device's quantities have these values."""
        assert isinstance(self.sink, ShareTaken)
        own = self.sink.given(raw, lambda name: value(self.resource.of(name)))
        return {self.resource.of(name): each for name, each in own.items()}


@dataclass(frozen=True, slots=True)
class ResourceSource:
    """A source of one resource, as the whole device sees it."""

    resource: Resource
    source: Source

    @property
    def quantities(self) -> tuple[str, ...]:
        return tuple(map(self.resource.of, self.source.quantities))

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        return self.source.of(OfResource(columns, self.resource))

    def back(self, raw: float) -> dict[str, float]:
        return {self.resource.of(name): value for name, value in self.source.back(raw).items()}
