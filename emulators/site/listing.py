"""A site as lists: every endpoint of every device, and every point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any, Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.layout import Endpoint, GroupLayout, SerialEndpoint, SiteLayout, TcpEndpoint
from pilotfarm.emulators.wire.wiring import all_wired, wiring_of

POINT_FIELDS: Final = (
    "device",
    "kind",
    "quantity",
    "unit",
    "spec_item",
    "role",
    "protocol",
    "address",
    "data_type",
    "scale",
    "deadband",
    "access",
    "map",
    "resource_unit",
)
"""Columns of a point list. ``resource_unit`` counts a device's Modbus unit ids from 1."""


def endpoint_rows(layout: SiteLayout) -> Sequence[dict[str, Any]]:
    """List every endpoint of every device, in the shape that ``pilotfarm endpoints --json`` promises."""
    groups = {group.name: group for group in layout.groups}
    rows: list[dict[str, Any]] = []
    for station in layout.stations:
        label = registry.protocol(station.protocol).address_name
        for seat in station.seats:
            group = groups[seat.group]
            rows.append(
                {
                    "device": group.devices[seat.row],
                    "kind": group.kind,
                    "site": layout.name,
                    "protocol": station.protocol,
                    "map": seat.map,
                    **_where(station.endpoint),
                    label: seat.address,
                    "station": station.name or None,
                }
            )
    return rows


def _where(endpoint: Endpoint) -> dict[str, Any]:
    """Return host and port, or what a master's serial port is to be set to."""
    match endpoint:
        case TcpEndpoint(host, port):
            return {"host": host, "port": port}
        case SerialEndpoint():
            return {"serial": asdict(endpoint)}


def point_rows(layout: SiteLayout, device: str = "*") -> Iterator[dict[str, Any]]:
    """Yield one row a point and device, with ``POINT_FIELDS`` as keys, in the order of the site file."""
    for group in layout.groups:
        chosen = [row for row, name in enumerate(group.devices) if fnmatchcase(name, device)]
        if chosen:
            columns = registry.device(group.kind).make(group.ratings, group.keys, layout.place)
            yield from group_point_rows(group, columns, chosen)


def group_point_rows(
    group: GroupLayout, columns: Mapping[str, Floats], chosen: Iterable[int]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``point_rows`` for the ``chosen`` devices of a group whose columns at the start these are."""
    known: dict[tuple[float, float], tuple[list[dict[str, Any]], list[Sequence[float | None]]]] = {}
    for number in chosen:
        name, wiring = group.devices[number], wiring_of(columns, number)
        if wiring not in known:
            known[wiring] = _template(group, all_wired(columns, wiring))
        template, deadbands = known[wiring]
        for row, by_device in zip(template, deadbands, strict=True):
            yield {**row, "device": name, "deadband": by_device[number]}


def _template(
    group: GroupLayout, columns: Mapping[str, Floats]
) -> tuple[list[dict[str, Any]], list[Sequence[float | None]]]:
    """Return the rows of a group's devices, as if all were wired alike, and the deadbands of each row."""
    spec = registry.device(group.kind)
    items = _items_of(spec.items)
    points = [
        (served, point)
        for served in group.served
        for point in registry.point_map(served.map).points(spec, columns, served.form)
    ]
    template = [
        {
            "device": "",
            "kind": group.kind,
            "quantity": point.quantity,
            "unit": point.unit,
            "spec_item": items.get(point.quantity, ""),
            "role": str(quantity(point.quantity).role) if point.quantity else "",
            "protocol": served.protocol,
            "address": point.address,
            "data_type": point.data_type,
            "scale": point.scale,
            "deadband": None,
            "access": point.access,
            "map": served.map,
            "resource_unit": point.resource_unit,
        }
        for served, point in points
    ]
    return template, [_by_device(point.deadband, len(group.devices)) for _, point in points]


def _by_device(deadband: float | Floats | None, n: int) -> Sequence[float | None]:
    """Return one deadband a device, rounded where it is a share of a rating."""
    if deadband is None or isinstance(deadband, float):
        return [deadband if deadband is None else round(deadband, 9)] * n
    each: list[float | None] = deadband.round(9).tolist()
    return each


def _items_of(items: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Invert item -> quantities: quantity -> its items, joined."""
    found: dict[str, list[str]] = {}
    for item, quantities in items.items():
        for name in quantities:
            found.setdefault(name, []).append(item)
    return {name: "; ".join(each) for name, each in found.items()}
