"""The point list of a device kind, as the IEC 60870-5-101/-104 application takes it.

The numbers of the types are the type identifications of IEC 60870-5-101, 7.2.1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, Protocol, runtime_checkable

from pilotfarm.emulators.plans.deadband import EVERY_CHANGE, Deadband, Deadbands
from pilotfarm.emulators.plans.own_list import Addresses
from pilotfarm.emulators.wire.sources import Scaled, Source


class MonitorType(IntEnum):
    """A monitored object's type without time tag, as an interrogation sends it."""

    SINGLE = 1
    DOUBLE = 3
    NORMALIZED = 9
    SCALED = 11
    FLOAT = 13
    TOTAL = 15


class ControlType(IntEnum):
    """A command's type without time tag."""

    SINGLE = 45
    DOUBLE = 46
    NORMALIZED = 48
    SCALED = 49
    SETPOINT = 50


MEASURED: Final = (MonitorType.NORMALIZED, MonitorType.SCALED, MonitorType.FLOAT)
NORMALIZED_END: Final = 32_768
"""A normalized value of 1, which is just not there, as the octets have it (7.2.6.6)."""


@runtime_checkable
class Widths(Protocol):
    """What a station's options say of its addresses and time tags."""

    @property
    def object_octets(self) -> int: ...
    @property
    def tag_octets(self) -> int: ...


GROUP_STATES: Final = 1
GROUP_ELECTRICAL: Final = 2
GROUP_SPECIFIC: Final = 3
GROUP_ENVIRONMENT: Final = 4
GROUP_MIRRORS: Final = 5
GROUP_NAMEPLATE: Final = 6


@dataclass(frozen=True, slots=True)
class MonitorPoint:
    """An information object that can be read.

    ``group`` is its interrogation group, 1 to 16 (QOI 21 to 36), or for a total its counter group, 1 to 4; 0 is none.
    ``tag_octets`` are those of its events' time tags, ``None`` for as many as the station's others have.
    """

    ioa: int
    type: MonitorType
    source: Source
    group: int
    deadband: Deadband = EVERY_CHANGE
    tag_octets: int | None = None

    @property
    def gain(self) -> float:
        """What the quantity is multiplied with on the wire."""
        return self.source.gain if isinstance(self.source, Scaled) else 1.0


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """An information object that can be commanded; ``enables`` are the switches a write also closes.

    ``returns`` are the monitored objects whose next change is the command's return information.
    """

    ioa: int
    type: ControlType
    source: Source
    enables: tuple[str, ...] = ()
    returns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """The point list of one device kind; no two points share an address.

    With ``addresses``, shape ``(n, points)``, every device has addresses of its own, and those of the points are only
    numbers: that of column 0 is 1.
    """

    monitor: tuple[MonitorPoint, ...]
    control: tuple[ControlPoint, ...]
    addresses: Addresses | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        used = [point.ioa for point in self.monitor] + [point.ioa for point in self.control]
        assert len(used) == len(set(used)), "two points share an information object address"

    def deadbands(self) -> Mapping[str, Deadband]:
        """The deadbands of measured values, by quantity; states are reported with every change, totals never."""
        return {p.source.quantities[0]: p.deadband for p in self.monitor if p.type in MEASURED}

    def reported_by(self, deadbands: Deadbands) -> ObjectPlan:
        """Return the same objects with other deadbands for these quantities."""
        wanted = dict(deadbands)
        return replace(
            self,
            monitor=tuple(
                replace(point, deadband=wanted.get(point.source.quantities[0], point.deadband))
                if point.type in MEASURED
                else point
                for point in self.monitor
            ),
        )
