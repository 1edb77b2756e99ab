"""A station's own list of points over DNP3: the points of several devices in one outstation.

A point's type is ``AI``, ``AO``, ``BI``, ``BO`` or ``CTR``, or the group and variation in which it is read where a
master asks for nothing else (IEEE 1815-2012, annex A): ``g30v5`` is an analog input as floating point, in the
quantity's own unit, and its events are floating point too. The indices of each type count by themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.maps.mesa_der import EVENT_CLASSES, listed_row, usual_deadband, usual_scale, usual_type
from pilotfarm.emulators.maps.mesa_der.indices import AI, AO, BI, BO, CTR
from pilotfarm.emulators.plans.deadband import EVERY_CHANGE, Deadband
from pilotfarm.emulators.plans.dnp3 import FLOATING, GROUPS, USUAL_VARIATIONS, Point, PointPlan, PointType
from pilotfarm.emulators.plans.own_list import Addresses, OwnList, OwnPoint, Span, Unfit
from pilotfarm.emulators.quantities import Quantity, Role, quantity
from pilotfarm.emulators.words import choice, with_article

_VARIATIONS: Final = {BI: (2,), BO: (2,), CTR: (1, 2, 5, 6), AI: (1, 2, 3, 4, 5, 6), AO: (1, 2, 3, 4)}
_TYPES: Final = {kind.value: (kind, USUAL_VARIATIONS[kind]) for kind in (AI, AO, BI, BO, CTR)} | {
    f"g{GROUPS[kind]}v{variation}": (kind, variation) for kind, known in _VARIATIONS.items() for variation in known
}
_BINARY: Final = (BI, BO)
_OUTPUTS: Final = (AO, BO)
_CLASSED: Final = (AI, BI)
_INDEX_MAX: Final = 65_535
_MODEL: Final = "point list"


def _wrong_type(kind: PointType, found: Quantity) -> str:
    """Say why a quantity is not told, or asked for, as a point of a type; empty if it is."""
    a_role = with_article(found.role.value)
    if kind in _OUTPUTS and not found.writable:
        return f"{kind.value} is an output, and {found.name} {a_role}, which cannot be written"
    if kind not in _OUTPUTS and found.role is Role.COMMAND:
        return f"{found.name} is a command, which has no value to be read"
    if kind is CTR:
        return "" if found.role is Role.TOTAL else f"{kind.value} is a counter, and {found.name} {a_role}"
    if (kind in _BINARY) is not found.is_binary:
        return f"{found.name} is {'on or off' if found.is_binary else 'a number'}, and {kind.value} is not"
    return ""


def _problems(point: OwnPoint, found: Quantity) -> Iterator[tuple[str, str]]:
    kind, variation = _TYPES[point.type]
    wrong = _wrong_type(kind, found)
    if wrong:
        yield "type", wrong
        return
    if point.event_class is not None:
        if kind not in _CLASSED:
            yield (
                "event_class",
                f"{kind.value} points have no events in a class; those of frozen counters are in class 3",
            )
        elif not 0 <= point.event_class <= 3:
            yield "event_class", f"must be 0 (no events) to 3, not {point.event_class}"
    if point.scale is not None and found.is_binary:
        yield "scale", f"{found.name} is on or off, and has no scale"
    elif point.scale is not None and variation in FLOATING.get(kind, ()):
        yield (
            "scale",
            f"{point.type} is floating point, which is in {found.unit or 'the quantity itself'} and has no scale",
        )
    elif point.scale is not None and point.scale < 0.0 and kind is CTR:
        yield "scale", "a counter only counts up"


def _settled(point: OwnPoint, spec: DeviceSpec, form: Hashable) -> OwnPoint:
    found = quantity(point.quantity)
    if point.type and point.type not in _TYPES:
        raise Unfit(("type", f"there is no type {point.type!r} here{choice(point.type, list(_TYPES))}"))
    point = replace(point, type=point.type or usual_type(found).value)
    problems = list(_problems(point, found))
    if problems:
        raise Unfit(*problems)
    kind, variation = _TYPES[point.type]
    number = EVENT_CLASSES[found.role] if point.event_class is None else point.event_class
    scale = None if found.is_binary else usual_scale(found) if point.scale is None and kind is not CTR else point.scale
    told = kind is AI and number != 0
    return replace(
        point,
        type=f"g{GROUPS[kind]}v{variation}",
        scale=1.0 if kind is CTR and scale is None else scale,
        event_class=number if kind in _CLASSED else None,
        deadband=_deadband(found, spec) if told else None,
    )


def _deadband(found: Quantity, spec: DeviceSpec) -> Deadband:
    return EVERY_CHANGE if found.writable else usual_deadband(found, frozenset(each.name for each in spec.quantities))


def _span(point: OwnPoint, form: Hashable) -> Span:
    return Span(_TYPES[point.type][0].value, 1, 0, _INDEX_MAX)


def _point(point: OwnPoint, index: int) -> Point:
    kind, variation = _TYPES[point.type]
    return Point(
        kind,
        index,
        point.quantity,
        1.0 if point.scale is None else point.scale,
        event_class=point.event_class or 0,
        deadband=EVERY_CHANGE if point.deadband is None else point.deadband,
        pulse=quantity(point.quantity).role is Role.COMMAND,
        variation=0 if variation == USUAL_VARIATIONS[kind] else variation,
    )


def _plan(spec: DeviceSpec, points: Sequence[OwnPoint], addresses: Addresses) -> PointPlan:
    made = tuple(_point(point, number) for number, point in enumerate(points))
    return PointPlan(made, model=_MODEL, addresses=addresses)


def _row(point: OwnPoint, address: int, spec: DeviceSpec, columns: Seen, form: Hashable) -> PointRow:
    """List a point; of one that is read as floating point the number on the wire is the quantity."""
    made = _point(point, address)
    row = listed_row(made, quantity(point.quantity).unit, columns)
    written = f"/{row.data_type.partition('/')[2]}" if made.type in _OUTPUTS else ""
    return replace(row, data_type=point.type + written, scale=1.0 if made.is_floating else made.scale)


OWN_LIST: Final = OwnList(frozenset({"scale", "event_class", "deadband"}), _settled, _span, _plan, _row)
