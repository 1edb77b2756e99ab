"""What a controlling station is told of devices over IEC 60870-5-101 or -104, as data units of so many octets.

Measured values come of themselves: cyclic, or as background (IEC 60870-5-101, 7.4.3 and 7.4.4). States and alarms are
told when they change, which is seldom, and are not counted. Set-points are told when their groups are
interrogated (7.4.5), totals by a counter interrogation (7.4.8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec60870.asdu import Format
from pilotfarm.emulators.quantities import Role, quantity

_ELEMENT_OCTETS: Final[Mapping[int | None, int]] = {
    MonitorType.SINGLE: 1,
    MonitorType.DOUBLE: 1,
    MonitorType.FLOAT: 5,
    MonitorType.TOTAL: 5,
}
_FLOAT_COMMAND: Final = 5
"""A short floating point number and the qualifier of the command (7.3.2.4)."""


@dataclass(slots=True)
class Told:
    """Octets of the data units that tell of some devices.

    ``interrogated`` has for each interrogation, of a group of objects or of counters, its confirmations, the objects,
    and its terminations. ``asks_at_all`` is whether anything comes of itself, be it that no measured value is among it.
    """

    asks_at_all: bool = False
    measured: list[int] = field(default_factory=list)
    interrogated: list[list[int]] = field(default_factory=list)


def told(devices: Sequence[tuple[Sequence[PointRow], int]], form: Format) -> Told:
    """Return what tells of devices: the rows of each sort of device, each quantity once, and how many there are."""
    found = Told()
    groups: dict[tuple[bool, int | None], list[int]] = {}
    count = 0
    for points, times in devices:
        count += times
        measured: list[PointRow] = []
        asked: dict[tuple[bool, int | None], list[PointRow]] = {}
        for row in _once(points):
            role = quantity(row.quantity).role
            if role in (Role.SETPOINT, Role.TOTAL):
                asked.setdefault((role is Role.TOTAL, row.group), []).append(row)
                continue
            found.asks_at_all = True
            if role is Role.MEASUREMENT:
                measured.append(row)
        found.measured += [*_units(measured, form)] * times
        for key, rows in asked.items():
            groups.setdefault(key, []).extend([*_units(rows, form)] * times)
    around = [interrogation_octets(form)] * count
    found.interrogated = [[*around, *units, *around] for _, units in sorted(groups.items(), key=lambda each: each[0])]
    return found


def interrogation_octets(form: Format) -> int:
    """Return the octets of an interrogation, C_IC_NA_1 or C_CI_NA_1, and of what confirms and terminates it."""
    return form.header_octets + form.object_octets + 1


def command_octets(form: Format) -> int:
    """Return the octets of a set-point, C_SE_NC_1, and of its confirmation."""
    return form.header_octets + form.object_octets + _FLOAT_COMMAND


def _once(points: Sequence[PointRow]) -> Iterator[PointRow]:
    seen: set[str] = set()
    for row in points:
        if row.read_code is not None and row.quantity not in seen:
            seen.add(row.quantity)
            yield row


def _units(points: Sequence[PointRow], form: Format) -> Iterator[int]:
    for code, number in Counter(row.read_code for row in points).items():
        octets = form.object_octets + _ELEMENT_OCTETS[code]
        room = form.room(octets)
        for at in range(0, number, room):
            yield form.header_octets + octets * min(room, number - at)
