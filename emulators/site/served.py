"""Endpoints as read, and those who answer at them while their addresses are given out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, ProtocolSpec
from pilotfarm.emulators.plans.deadband import Deadbands
from pilotfarm.emulators.site import model
from pilotfarm.emulators.site.addresses import AddressBlock
from pilotfarm.emulators.site.collecting import CollectingReader
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.layout import (
    CollectingLayout,
    Endpoint,
    GroupLayout,
    PollingLayout,
    SeatLayout,
    SerialEndpoint,
    ServedLayout,
    StationLayout,
)
from pilotfarm.emulators.site.own_lists import ListReader
from pilotfarm.emulators.site.polling import PollingReader
from pilotfarm.profiles.media import NONE


@dataclass(frozen=True, slots=True)
class EndpointTable:
    """An endpoint of a group as read, with its protocol and options."""

    path: Path
    protocol: ProtocolSpec
    table: model.Endpoint
    options: Any
    line: SerialEndpoint | None


@dataclass(frozen=True, slots=True)
class Service(EndpointTable):
    """An endpoint with the map it serves a kind by, by name."""

    map: str
    form: Hashable
    addresses_per_device: int
    deadbands: Deadbands
    medium: str

    @property
    def served(self) -> ServedLayout:
        return ServedLayout(self.protocol.name, self.map, self.form, self.deadbands, self.medium)


@dataclass(slots=True)
class OwnEndpoints:
    """Devices of a group that each answer at an endpoint of their own."""

    group: GroupLayout
    protocol: str
    map: str
    block: AddressBlock
    address: int
    options: Any
    deadbands: Deadbands
    medium: str

    def stations(self) -> Iterable[StationLayout]:
        for row in range(len(self.group.devices)):
            seat = SeatLayout(self.group.name, row, self.map, self.address, self.deadbands)
            yield StationLayout("", self.protocol, self.block.at(row), self.options, (seat,), medium=self.medium)


@dataclass(slots=True)
class SharedStation:
    """A station that answers for devices; ``taken`` are the address ranges given out and to whom.

    Without a name it is a line that groups have named; ``path`` is where that was, or the station is.
    """

    name: str
    spec: ProtocolSpec
    endpoint: Endpoint | None
    options: Any
    path: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    clock_drift_ppm: float = 0.0
    medium: str = NONE
    polls: PollingReader | CollectingReader | None = None
    asks: PollingLayout | CollectingLayout | None = None
    lists: bool = False
    """Whether it has a list of points of its own."""
    own: ListReader | None = None
    """What reads that list, unless there was a problem with it."""
    seats: list[SeatLayout] = field(default_factory=list)
    taken: list[tuple[int, int, Path]] = field(default_factory=list)

    @property
    def next_address(self) -> int:
        return max((last + 1 for _, last, _ in self.taken), default=self.spec.default_address)

    def is_like(self, other: SharedStation) -> bool:
        """Whether both are said alike where devices of a line have to be."""
        mine, others = ((each.spec, each.endpoint, each.options, each.medium) for each in (self, other))
        return mine == others

    def layout(self, document: Document) -> StationLayout:
        assert self.endpoint is not None
        return StationLayout(
            self.name,
            self.spec.name,
            self.endpoint,
            self.options,
            tuple(self.seats),
            self.labels,
            self.clock_drift_ppm,
            self.medium,
            self.asks if isinstance(self.asks, PollingLayout) else None,
            document.written(self.path) if isinstance(self.endpoint, SerialEndpoint) else None,
            self.asks if isinstance(self.asks, CollectingLayout) else None,
        )


@lru_cache(maxsize=256)
def addresses_per_device(chosen: MapSpec, spec: DeviceSpec, form: Hashable = None) -> int:
    """Return how many addresses in a row a device takes under a map: five for a prosumer over Modbus.

    Further unit ids, far from its own, are aliases of a device that has an endpoint of its own.
    """
    units = {row.resource_unit for row in chosen.points(spec, {}, form)}
    count = 1
    while count + 1 in units:
        count += 1
    return count
