"""Who is who at a site: its groups, the devices in them, and where each stands among all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns, Floats
from pilotfarm.emulators.columns.views import Overlaid, Seen
from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.device import Bound, DeviceSpec, OfColumn
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.contracts.world import Place
from pilotfarm.emulators.errors import NoSuchPoint
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.site.layout import GroupLayout, SiteLayout, StationLayout
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.weather import scattered

Rows: TypeAlias = dict[str, npt.NDArray[np.intp]]
"""Some devices: group name -> their rows in it."""

Watcher: TypeAlias = Callable[[int, Sequence[str]], None]
"""Hears that a device, by its row, has accepted something, and which quantities show it."""


@dataclass(slots=True)
class Group:
    """The devices of one group of the site file: true columns, reported columns and their quality.

    ``quality`` has an entry only for a quantity that is not good in every row.
    """

    layout: GroupLayout
    spec: DeviceSpec
    columns: Seen
    reported: Seen
    quality: dict[str, Qualities] = field(default_factory=dict)
    readable: frozenset[str] = frozenset()
    writable: frozenset[str] = frozenset()
    branches: Sequence[str] = ()
    """By row, the branch of the feeder it is on, as ``FEEDER/N`` from 1; empty for none."""
    clocks: dict[int, Clock] = field(default_factory=dict)
    """Those that may be wrong, by row."""
    serials: dict[int, str] = field(default_factory=dict)
    """Serial numbers of some devices, by row; those of others are their ids."""
    told: Columns = field(default_factory=dict)
    """What is reported since the last step of set-points that devices have accepted in the meantime."""
    watchers: list[Watcher] = field(default_factory=list)
    """Who hears of it when a device has accepted a set-point."""

    @classmethod
    def made(cls, layout: GroupLayout, place: Place) -> Group:
        """Make the columns of the group's devices at the site's start."""
        spec = registry.device(layout.kind)
        columns = spec.make(layout.ratings, layout.keys, place)
        missing = [q.name for q in spec.quantities if q.name not in columns]
        assert not missing, f"{spec.kind} made no column for {missing}"
        readable = frozenset(q.name for q in spec.quantities)
        writable = frozenset(q.name for q in spec.quantities if q.writable)
        return cls(layout, spec, columns, columns, {}, readable, writable)

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def in_light(self) -> bool:
        """Whether light has an effect on its devices."""
        return self.spec.sunlit is not None and self.spec.sunlit(self.columns)

    def feels(self, name: str) -> bool:
        """Whether what overrides may change (``contracts.override``) matters to its devices."""
        if name == "irradiance":
            return self.in_light
        return name in self.spec.replays if name == "load" else name in self.spec.feels

    @property
    def size(self) -> int:
        return len(self.layout.devices)

    def clock(self, row: int) -> Clock:
        """A device's own clock; one that was right so far is made here, and kept once it is wrong."""
        return self.clocks.get(row) or Clock([(self.clocks, row)])

    def limit(self, bound: Bound, row: int) -> float:
        """A limit's value for one device."""
        if isinstance(bound, OfColumn):
            return float(self.columns[bound.name][row]) * bound.gain + 0.0
        return bound

    def bounds(self, name: str, row: int) -> tuple[float, float]:
        """What a quantity may be told for one device: min and max."""
        limits = self.spec.limits.get(name)
        if limits is None:
            asked = quantity(name)
            return asked.min, asked.max
        return self.limit(limits.min, row), self.limit(limits.max, row)

    def tell(self, row: int, values: Mapping[str, float]) -> None:
        """Report what a device has accepted, from now on; what it does about it shows after the step that takes it.

        Of a quantity that a fault misreports, the fault has its say after that step.
        """
        told: Columns = {}
        for name, value in _stands(values):
            if name in self.told or self.reported[name] is self.columns[name]:
                told[name] = self.reported[name].copy()
                told[name][row] = value
        if not told:
            return
        if not self.told:
            self.reported = Overlaid(self.reported, self.told)
        self.told.update(told)
        for watcher in self.watchers:
            watcher(row, tuple(told))

    def doubt(self, name: str, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_], quality: int) -> None:
        """Add to what is known of a quantity's reported values in some rows."""
        marks = self.quality.get(name)
        marks = np.zeros(self.size, dtype=np.uint8) if marks is None else marks.copy()
        marks[rows] |= np.uint8(quality)
        self.quality[name] = marks


class Way(NamedTuple):
    """One way to a device: where it is answered for, and from which map."""

    station: StationLayout
    map: str
    labels: Mapping[str, str]
    """The group's and the station's; of two with one name the station's."""

    @classmethod
    def to(cls, group: Group, station: StationLayout, map_name: str) -> Way:
        return cls(station, map_name, {**group.layout.labels, **station.labels})


class Population:
    """The groups of a site, in its order."""

    def __init__(self, layout: SiteLayout) -> None:
        self._seed, self._extent_m = layout.seed, layout.weather.extent_m
        self.stations = layout.stations
        self.feeders = tuple(layout.feeders)
        self.branches: tuple[str, ...] = ()
        """All there are, as ``Group.branches`` has them."""
        self.groups = {group.name: Group.made(group, layout.place) for group in layout.groups}
        self._rows = {
            device: (group, row) for group in self.groups.values() for row, device in enumerate(group.layout.devices)
        }

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups.values())

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def devices(self) -> Set[str]:
        """The ids of all devices, in the site's order."""
        return self._rows.keys()

    def find(self, device: str) -> tuple[Group, int]:
        """Return a device's group and its row in it; ``NoSuchPoint`` if the site has none of that name."""
        try:
            return self._rows[device]
        except KeyError:
            raise NoSuchPoint(f"the site has no device {device}") from None

    def placed(self) -> Iterator[tuple[Group, slice]]:
        """Yield each group with its devices' rows in the whole site."""
        start = 0
        for group in self:
            yield group, slice(start, start := start + group.size)

    def stand(self, name: str) -> tuple[Floats, Floats]:
        """Return where the devices of a group stand: metres east and north of the site's middle."""
        group = self.groups[name].layout
        return scattered(group.keys, key_of(self._seed, "ground", group.feeder), self._extent_m)

    @cached_property
    def ways(self) -> Mapping[tuple[str, int], Sequence[Way]]:
        """The ways to each device that is served, by group and row."""
        found: dict[tuple[str, int], list[Way]] = {}
        for station in self.stations:
            for seat in station.seats:
                found.setdefault((seat.group, seat.row), []).append(Way.to(self.groups[seat.group], station, seat.map))
        return found

    @cached_property
    def labels(self) -> frozenset[str]:
        """Every label that a group or a station carries, as ``name=value``."""
        carried = [group.layout.labels for group in self] + [station.labels for station in self.stations]
        return frozenset(f"{name}={value}" for labels in carried for name, value in labels.items())

    def ids(self, rows: Rows) -> list[str]:
        """Name devices, in the order of their groups."""
        return [self.groups[name].layout.devices[row] for name, chosen in rows.items() for row in chosen.tolist()]


def _stands(values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield what stays of accepted values: set-points, and the states that commands put."""
    for name, value in values.items():
        asked = quantity(name)
        if asked.role is Role.SETPOINT:
            yield name, value
        elif asked.puts is not None and value:
            yield asked.puts
