"""A station's own list of points over IEC 60870-5-101 and -104.

A point's type is the standard's name of it (IEC 60870-5-101:2003, 7.2.1): of a monitored one that of its events, which
says how they are tagged; an interrogation answers without time tags. Commands are named without, and served with and
without. The types with CP24Time2a are not among those of IEC 60870-5-104 (2006, clause 6).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.maps.iec104 import CounterReading, returned, usual_deadband, wire
from pilotfarm.emulators.plans.iec104 import (
    MEASURED,
    NORMALIZED_END,
    ControlPoint,
    ControlType,
    MonitorPoint,
    MonitorType,
    ObjectPlan,
    Widths,
)
from pilotfarm.emulators.plans.own_list import Addresses, OwnList, OwnPoint, Span, Unfit
from pilotfarm.emulators.quantities import Quantity, Role, quantity
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.words import choice, with_article


class _Type(NamedTuple):
    """A monitored type: without time, the octets of its tag, its number."""

    monitored: MonitorType
    tag_octets: int
    code: int


_MONITORED: Final = {
    "M_SP_NA_1": _Type(MonitorType.SINGLE, 0, 1),
    "M_SP_TA_1": _Type(MonitorType.SINGLE, 3, 2),
    "M_SP_TB_1": _Type(MonitorType.SINGLE, 7, 30),
    "M_DP_NA_1": _Type(MonitorType.DOUBLE, 0, 3),
    "M_DP_TA_1": _Type(MonitorType.DOUBLE, 3, 4),
    "M_DP_TB_1": _Type(MonitorType.DOUBLE, 7, 31),
    "M_ME_NA_1": _Type(MonitorType.NORMALIZED, 0, 9),
    "M_ME_TA_1": _Type(MonitorType.NORMALIZED, 3, 10),
    "M_ME_TD_1": _Type(MonitorType.NORMALIZED, 7, 34),
    "M_ME_NB_1": _Type(MonitorType.SCALED, 0, 11),
    "M_ME_TB_1": _Type(MonitorType.SCALED, 3, 12),
    "M_ME_TE_1": _Type(MonitorType.SCALED, 7, 35),
    "M_ME_NC_1": _Type(MonitorType.FLOAT, 0, 13),
    "M_ME_TC_1": _Type(MonitorType.FLOAT, 3, 14),
    "M_ME_TF_1": _Type(MonitorType.FLOAT, 7, 36),
    "M_IT_NA_1": _Type(MonitorType.TOTAL, 0, 15),
}
_COMMANDED: Final = {
    "C_SC_NA_1": ControlType.SINGLE,
    "C_DC_NA_1": ControlType.DOUBLE,
    "C_SE_NA_1": ControlType.NORMALIZED,
    "C_SE_NB_1": ControlType.SCALED,
    "C_SE_NC_1": ControlType.SETPOINT,
}
_TAGGED: Final = {"C_SC_NA_1": "C_SC_TA_1 (58)", "C_DC_NA_1": "C_DC_TA_1 (59)", "C_SE_NA_1": "C_SE_TA_1 (61)",
                  "C_SE_NB_1": "C_SE_TB_1 (62)", "C_SE_NC_1": "C_SE_TC_1 (63)"}  # fmt: skip
_OBJECTS: Final[Mapping[MonitorType | ControlType, str]] = {
    MonitorType.SINGLE: "single point",
    MonitorType.DOUBLE: "double point",
    MonitorType.NORMALIZED: "normalized value",
    MonitorType.SCALED: "scaled value",
    MonitorType.FLOAT: "measured value",
    MonitorType.TOTAL: "integrated total",
    ControlType.SINGLE: "single command",
    ControlType.DOUBLE: "double command",
    ControlType.NORMALIZED: "normalized set-point",
    ControlType.SCALED: "scaled set-point",
    ControlType.SETPOINT: "set-point",
}
_STATES: Final = (MonitorType.SINGLE, MonitorType.DOUBLE)
_SWITCHES: Final = (ControlType.SINGLE, ControlType.DOUBLE)
_NORMALIZED: Final = (MonitorType.NORMALIZED, ControlType.NORMALIZED)
_SHORT_OCTETS: Final = 3
_GROUPS: Final = 16
_COUNTER_GROUPS: Final = 4
_TAG_OCTETS: Final = 7
_OBJECT_OCTETS: Final = 3


def _name_of(monitored: MonitorType, tag_octets: int) -> str:
    return next(name for name, each in _MONITORED.items() if each[:2] == (monitored, tag_octets))


def _usual_type(found: Quantity, tag_octets: int) -> str:
    if found.role is Role.COMMAND:
        return "C_SC_NA_1"
    if found.role is Role.TOTAL:
        return "M_IT_NA_1"
    stands = _name_of(MonitorType.SINGLE if found.is_binary else MonitorType.FLOAT, tag_octets)
    if found.writable:
        commanded = "C_SC_NA_1" if found.is_binary else "C_SE_NC_1"
        message = f"is missing: {found.name} may be written as {commanded}, or read as it stands as {stands}; say which"
        raise Unfit(("type", message))
    return stands


def _wrong_type(name: str, found: Quantity) -> str:
    """Say why a quantity is not told, or asked for, as objects of a type; empty if it is."""
    a_role = with_article(found.role.value)
    if name in _COMMANDED:
        if not found.writable:
            return f"{name} is a command, and {found.name} {a_role}, which cannot be written"
        if (_COMMANDED[name] in _SWITCHES) is not found.is_binary:
            return f"{found.name} is {'on or off' if found.is_binary else 'a number'}, and {name} is not"
        return ""
    monitored = _MONITORED[name].monitored
    if found.role is Role.COMMAND:
        return f"{found.name} is a command, which has no value to be read"
    if monitored is MonitorType.TOTAL:
        return "" if found.role is Role.TOTAL else f"{name} is a counter, and {found.name} {a_role}"
    if (monitored in _STATES) is not found.is_binary:
        return f"{found.name} is {'on or off' if found.is_binary else 'a number'}, and {name} is not"
    return ""


def _wrong_group(name: str, group: int) -> str:
    if name in _COMMANDED:
        return "a command is in no group"
    total = _MONITORED[name].monitored is MonitorType.TOTAL
    last = _COUNTER_GROUPS if total else _GROUPS
    return "" if 1 <= group <= last else f"must be 1 to {last} of {'a counter' if total else 'a point'}, not {group}"


def _problems(point: OwnPoint, found: Quantity) -> Iterator[tuple[str, str]]:
    wrong = _wrong_type(point.type, found)
    if wrong:
        yield "type", wrong
        return
    if point.group is not None and (wrong := _wrong_group(point.type, point.group)):
        yield "group", wrong
    if point.scale is not None and found.is_binary:
        yield "scale", f"{found.name} is on or off, and has no scale"
    if point.scale is not None and point.scale < 0.0 and point.type == "M_IT_NA_1":
        yield "scale", "a counter only counts up"
    if point.scale is None and _type_of(point) in _NORMALIZED:
        yield "scale", f"is missing: {point.type} goes from -1 to 1; say what {found.name} is at 1"


def _type_of(point: OwnPoint) -> MonitorType | ControlType:
    return _COMMANDED[point.type] if point.type in _COMMANDED else _MONITORED[point.type].monitored


def _settled(point: OwnPoint, spec: DeviceSpec, form: Hashable, *, short: bool) -> OwnPoint:
    found = quantity(point.quantity)
    known = [name for name, each in _MONITORED.items() if short or each.tag_octets != _SHORT_OCTETS]
    known += _COMMANDED
    if point.type and point.type not in known:
        raise Unfit(("type", f"there is no type {point.type!r} here{choice(point.type, known)}"))
    tag_octets = form.tag_octets if isinstance(form, Widths) else _TAG_OCTETS
    point = replace(point, type=point.type or _usual_type(found, tag_octets))
    problems = list(_problems(point, found))
    if problems:
        raise Unfit(*problems)
    kind = _type_of(point)
    scale = point.scale
    if scale is None and not found.is_binary:
        scale = 1.0 if kind is MonitorType.TOTAL else 1.0 / wire(found.name).gain
    measured = kind in MEASURED
    deadband = usual_deadband(found, frozenset(each.name for each in spec.quantities)) if measured else None
    return replace(point, scale=scale, deadband=deadband)


def _span(point: OwnPoint, form: Hashable) -> Span:
    octets = form.object_octets if isinstance(form, Widths) else _OBJECT_OCTETS
    why = f"in {octets} octet{'s' * (octets > 1)}"
    return Span("", 1, 1, (1 << 8 * octets) - 1, why)


def _source(point: OwnPoint) -> Source:
    kind = _type_of(point)
    if kind is MonitorType.DOUBLE:
        return Scaled(point.quantity, 1.0, 1.0)  # 1 is open, 2 is closed
    if point.scale is None:
        return Scaled(point.quantity)
    if kind is MonitorType.TOTAL:
        return CounterReading(point.quantity, 1.0 / point.scale)
    return Scaled(point.quantity, (NORMALIZED_END if kind in _NORMALIZED else 1.0) / point.scale)


def _plan(spec: DeviceSpec, points: Sequence[OwnPoint], addresses: Addresses) -> ObjectPlan:
    names = {each.name for each in spec.quantities}
    monitor, control = [], []
    monitored: dict[str, list[int]] = {}
    for number, point in enumerate(points, 1):
        if point.type in _COMMANDED:
            found = quantity(point.quantity)
            enables = (found.enables,) if found.enables in names and not found.is_binary else ()
            control.append(ControlPoint(number, _COMMANDED[point.type], _source(point), enables))
            continue
        kind, tag_octets, _ = _MONITORED[point.type]
        band = {} if point.deadband is None else {"deadband": point.deadband}
        monitor.append(MonitorPoint(number, kind, _source(point), point.group or 0, **band, tag_octets=tag_octets))
        monitored.setdefault(point.quantity, []).append(number)
    returning = tuple(replace(each, returns=returned(each, spec, monitored)) for each in control)
    return ObjectPlan(tuple(monitor), returning, addresses)


def _row(point: OwnPoint, address: int, spec: DeviceSpec, columns: Seen, form: Hashable) -> PointRow:
    """List a point; of a normalized value the number on the wire is -1 to 1, of a double point 1 and 2 are 0 and 1."""
    found, kind = quantity(point.quantity), _type_of(point)
    width = None
    if point.deadband is not None and (columns or not point.deadband.of):
        width = point.deadband.width(columns)
    row = PointRow(
        point.quantity,
        str(address),
        "",
        1.0 if point.scale is None else point.scale,
        found.unit,
        "w" if point.type in _COMMANDED else "r",
        width,
        object=_OBJECTS[kind],
        number=address,
        group=point.group,
    )
    if point.type in _COMMANDED:
        return replace(row, data_type=f"{point.type} ({kind:d}) / {_TAGGED[point.type]}", write_code=int(kind))
    asked = f"{_name_of(MonitorType(kind), 0)} ({kind:d})"
    code = _MONITORED[point.type].code
    told = "" if code == kind else f"{point.type} ({code}) / "
    return replace(
        row,
        data_type=told + asked,
        read_code=int(kind),
        event_code=None if kind is MonitorType.TOTAL else code,
    )


_KEYS: Final = frozenset({"scale", "group", "deadband"})
OWN_LIST_104: Final = OwnList(_KEYS, partial(_settled, short=False), _span, _plan, _row)
OWN_LIST_101: Final = OwnList(_KEYS, partial(_settled, short=True), _span, _plan, _row)
