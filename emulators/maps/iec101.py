"""The IEC 60870-5-101 point list: that of IEC 60870-5-104, whose addresses a line may give fewer octets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.maps import iec104
from pilotfarm.emulators.plans.iec104 import Widths

_EVENTS: Final[Mapping[int, Mapping[int | None, tuple[int, str]]]] = {
    3: {30: (2, "M_SP_TA_1 (2) / "), 31: (4, "M_DP_TA_1 (4) / "), 36: (14, "M_ME_TC_1 (14) / ")},
    0: {30: (1, ""), 31: (3, ""), 36: (13, "")},
}
"""Octets of a time tag -> type of an event with CP56Time2a -> the type with CP24Time2a or without a tag (7.2.1.1)."""


def points(spec: DeviceSpec, columns: Mapping[str, Floats], form: Hashable = None) -> Sequence[PointRow]:
    """List every object of a group; ``ValueError`` if an address needs more octets than objects have."""
    rows = iec104.points(spec, columns, form)
    highest = max(row.number for row in rows)
    if isinstance(form, Widths) and highest >= 1 << 8 * form.object_octets:
        raise ValueError(
            f"an information object address of {form.object_octets} octet{'s' * (form.object_octets > 1)} is at most "
            f"{(1 << 8 * form.object_octets) - 1}, and {spec.kind} has points up to {highest}"
        )
    events = _EVENTS.get(form.tag_octets, {}) if isinstance(form, Widths) else {}
    return [_told(row, *events[row.event_code]) if row.event_code in events else row for row in rows]


def _told(row: PointRow, code: int, name: str) -> PointRow:
    return replace(row, event_code=code, data_type=name + row.data_type.partition(" / ")[2])


MAP: Final = replace(
    iec104.MAP, name="iec101", protocol="iec101", title="IEC 60870-5-101 point list, as over 104", points=points
)
