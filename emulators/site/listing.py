"""A site as lists: every endpoint of every device, and every point at every endpoint."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.layout import (
    Endpoint,
    GroupLayout,
    SeatLayout,
    SerialEndpoint,
    ServedLayout,
    SiteLayout,
    StationLayout,
    TcpEndpoint,
)
from pilotfarm.emulators.wire.wiring import all_wired, wiring_of

ENDPOINT_FIELDS: Final = (
    "site",
    "device",
    "kind",
    "protocol",
    "map",
    "station",
    "medium",
    "host",
    "port",
    "serial",
    "framing",
    "unit",
    "common_address",
    "link_address",
    "polled_over",
    "scan_s",
)
"""Columns of a list of endpoints."""

POINT_FIELDS: Final = (
    "site",
    "device",
    "kind",
    "quantity",
    "description",
    "unit",
    "role",
    "spec_item",
    "protocol",
    "map",
    "station",
    "medium",
    "host",
    "port",
    "serial",
    "framing",
    "unit_id",
    "common_address",
    "link_address",
    "address",
    "object",
    "number",
    "bit",
    "read_code",
    "event_code",
    "write_code",
    "group",
    "event_class",
    "data_type",
    "scale",
    "deadband",
    "access",
    "resource_unit",
    "polled_over",
    "scan_s",
)
"""Columns of a point list. A device's address at its station is ``unit_id``, ``common_address`` or ``link_address``."""

Way: TypeAlias = tuple[StationLayout, SeatLayout]
"""Where a device is found: a station, and its seat there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a list is wanted: globs over names; protocols, kinds and maps by name, where none is all."""

    device: str = "*"
    quantity: str = "*"
    protocols: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset()

    def has_way(self, protocol: str, map_name: str) -> bool:
        return (not self.protocols or protocol in self.protocols) and (not self.maps or map_name in self.maps)

    def has_device(self, device: str, kind: str) -> bool:
        return (not self.kinds or kind in self.kinds) and fnmatchcase(device, self.device)


ALL: Final = Wanted()


def endpoint_rows(layout: SiteLayout, wanted: Wanted = ALL) -> Sequence[dict[str, Any]]:
    """List every endpoint of every device, in the shape that ``pilotfarm endpoints --json`` promises."""
    groups = {group.name: group for group in layout.groups}
    rows: list[dict[str, Any]] = []
    for station in layout.stations:
        label = registry.protocol(station.protocol).address_name
        for seat in station.seats:
            group = groups[seat.group]
            device = group.devices[seat.row]
            if not (wanted.has_way(station.protocol, seat.map) and wanted.has_device(device, group.kind)):
                continue
            rows.append(
                {
                    "device": device,
                    "kind": group.kind,
                    "site": layout.name,
                    "protocol": station.protocol,
                    "map": seat.map,
                    "medium": station.medium,
                    **_where(station.endpoint),
                    **_framing(station),
                    label: seat.address,
                    "station": station.name or None,
                    **_scanned(station),
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


def _scanned(station: StationLayout) -> dict[str, Any]:
    """Return what a station that asks its devices reaches them over, and how often it scans them, if it does."""
    if station.collecting is not None:
        return {"polled_over": station.collecting.medium}
    polling = station.polling
    if polling is None:
        return {} if station.collecting is None else {"polled_over": station.collecting.medium}
    return {"polled_over": polling.medium, "scan_s": polling.scan_s}


def _framing(station: StationLayout) -> dict[str, str]:
    """Return what messages travel in, where that is another framing than a master takes for granted there."""
    framing = registry.protocol(station.protocol).framing(station.options)
    return {"framing": framing} if framing and isinstance(station.endpoint, TcpEndpoint) else {}


def ways(stations: Iterable[StationLayout]) -> dict[tuple[str, int], list[Way]]:
    """Return by group and row where each device is found."""
    found: dict[tuple[str, int], list[Way]] = {}
    for station in stations:
        for seat in station.seats:
            found.setdefault((seat.group, seat.row), []).append((station, seat))
    return found


def point_rows(layout: SiteLayout, wanted: Wanted = ALL) -> Iterator[dict[str, Any]]:
    """Yield one row a point, endpoint and device, with ``POINT_FIELDS`` as keys, in the order of the site file."""
    found = ways(layout.stations)
    for group in layout.groups:
        chosen = [row for row, name in enumerate(group.devices) if wanted.has_device(name, group.kind)]
        if chosen:
            columns = registry.device(group.kind).make(group.ratings, group.keys, layout.place)
            yield from group_point_rows(layout.name, group, columns, chosen, found, wanted)


def group_point_rows(
    site: str,
    group: GroupLayout,
    columns: Mapping[str, Floats],
    chosen: Iterable[int],
    found: Mapping[tuple[str, int], Sequence[Way]],
    wanted: Wanted = ALL,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``point_rows`` for the ``chosen`` devices of a group whose columns at the start these are."""
    known: dict[Hashable, _Template] = {}
    order = {served: number for number, served in enumerate(group.served)}
    for number in chosen:
        wiring = wiring_of(columns, number)
        each = [(_served(station, seat), station, seat) for station, seat in found.get((group.name, number), ())]
        for served, station, seat in sorted(each, key=lambda way: order[way[0]]):
            if not wanted.has_way(served.protocol, served.map):
                continue
            if seat.points:
                own = _Template(site, group, served, _own_points(group, seat, served, columns), wanted)
                yield from own.rows(group.devices[number], station, seat)
                continue
            if (wiring, served) not in known:
                points = _map_points(group, served, all_wired(columns, wiring))
                known[wiring, served] = _Template(site, group, served, points, wanted)
            yield from known[wiring, served].rows(group.devices[number], station, seat)


def _served(station: StationLayout, seat: SeatLayout) -> ServedLayout:
    form = registry.protocol(station.protocol).form(station.options)
    return ServedLayout(station.protocol, seat.map, form, seat.deadbands, station.medium)


def _map_points(group: GroupLayout, served: ServedLayout, columns: Mapping[str, Floats]) -> Iterator[PointRow]:
    """Yield the points of a map, with the deadbands that the site file has."""
    changed = dict(served.deadbands)
    for point in registry.point_map(served.map).points(registry.device(group.kind), columns, served.form):
        if point.deadband is not None and point.quantity in changed:
            yield replace(point, deadband=changed[point.quantity].width(columns))
        else:
            yield point


def _own_points(
    group: GroupLayout, seat: SeatLayout, served: ServedLayout, columns: Mapping[str, Floats]
) -> Iterator[PointRow]:
    """Yield a device's points in the list that its station has of its own."""
    own, spec = registry.own_list(served.protocol), registry.device(group.kind)
    assert own is not None, "a site has a list of no other protocol"
    return (own.row(point, address, spec, columns, served.form) for address, point in seat.points)


class _Template:
    """The rows of a group's devices that are wired alike and served in the same way."""

    __slots__ = ("_points",)

    def __init__(
        self, site: str, group: GroupLayout, served: ServedLayout, points: Iterable[PointRow], wanted: Wanted
    ) -> None:
        items = _items_of(registry.device(group.kind).items)
        self._points: list[tuple[PointRow, dict[str, Any]]] = []
        for point in points:
            if not fnmatchcase(point.quantity, wanted.quantity):
                continue
            row = {
                **dict.fromkeys(POINT_FIELDS),
                **_described(point),
                "site": site,
                "kind": group.kind,
                "spec_item": items.get(point.quantity, ""),
                "protocol": served.protocol,
                "map": served.map,
                "medium": served.medium,
            }
            self._points.append((point, row))

    def rows(self, device: str, station: StationLayout, seat: SeatLayout) -> Iterator[dict[str, Any]]:
        """Yield the rows of one device at one station."""
        label = registry.protocol(station.protocol).address_name
        where = {
            **_flat(station.endpoint),
            **_framing(station),
            **_scanned(station),
            "device": device,
            "station": station.name or None,
            "unit_id" if label == "unit" else label: seat.address,
        }
        for point, row in self._points:
            if station.polling is not None:
                every_s = station.polling.every_s(seat.group, point.quantity)
                where["scan_s"] = every_s if "r" in point.access else None
            if point.resource_unit is None:
                yield {**row, **where, "deadband": _at(point.deadband, seat.row)}
            elif not point.is_alias:
                yield {**row, **where, "unit_id": seat.address + point.resource_unit - 1}
            elif len(station.seats) == 1:
                yield {**row, **where, "unit_id": point.resource_unit}


def _described(point: PointRow) -> dict[str, Any]:
    """What a point says of itself, whatever the device."""
    found = quantity(point.quantity) if point.quantity else None
    return {
        "quantity": point.quantity,
        "description": "; here ".join(filter(None, (found.doc if found else "", point.says))),
        "unit": point.unit,
        "role": str(found.role) if found else "",
        "address": point.address,
        "object": point.object,
        "number": point.number,
        "bit": point.bit,
        "read_code": point.read_code,
        "event_code": point.event_code,
        "write_code": point.write_code,
        "group": point.group,
        "event_class": point.event_class,
        "data_type": point.data_type,
        "scale": point.scale,
        "access": point.access,
        "resource_unit": point.resource_unit,
    }


def _flat(endpoint: Endpoint) -> dict[str, Any]:
    """Where a station is found, a value a column: a serial line as ``/dev/ttyUSB0 19200 8E1``."""
    where = _where(endpoint)
    return {"serial": serial_text(**where["serial"])} if "serial" in where else where


def serial_text(device: str, baud_rate: int, parity: str, data_bits: int, stop_bits: int) -> str:
    """Return a serial line in a word each: ``/dev/ttyUSB0 19200 8E1``."""
    return f"{device} {baud_rate} {data_bits}{parity[0].upper()}{stop_bits}"


def _at(deadband: float | Floats | None, row: int) -> float | None:
    """Return a device's deadband, rounded where it is a share of a rating."""
    if deadband is None:
        return None
    return round(deadband if isinstance(deadband, float) else deadband.item(row), 9)


def _items_of(items: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Invert item -> quantities: quantity -> its items, joined."""
    found: dict[str, list[str]] = {}
    for item, quantities in items.items():
        for name in quantities:
            found.setdefault(name, []).append(item)
    return {name: "; ".join(each) for name, each in found.items()}
