"""A page for each map: its points in the order of their addresses, for every kind it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import registers
from tables import code, holder, listed, table

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps.iec104.addresses import RESOURCE_STEP
from pilotfarm.emulators.plans.deadband import Deadband, Reporting
from pilotfarm.emulators.quantities import quantity, split

NOTE = "`make pages` writes this page from the map itself; quantities are on [a page of their own](../quantities.md)."
NUMBERS = ("measured value", "analog input")
"""Objects with a deadband."""
SCALES = "The number on the wire times `scale` is the quantity in its unit."


@dataclass(slots=True)
class Line:
    """One line of a table: a point, and whose it is."""

    point: PointRow
    deadband: str
    holders: list[str] = field(default_factory=list)


def pages() -> dict[str, str]:
    """Return the page of every map, and one that lists them."""
    found = {name: _page(registry.point_map(name)) for name in registry.MAPS}
    rows = [
        (f"[{name}]({name}.md)", registry.point_map(name).protocol, registry.point_map(name).title, _fitting(name))
        for name in registry.MAPS
    ]
    listing = table(("map", "protocol", "what it is", "of"), rows)
    return found | {"README": f"# Maps\n\nWhich quantity stands where. {NOTE}\n\n{listing}"}


def _fitting(name: str) -> str:
    spec = registry.point_map(name)
    return listed(kind for kind in registry.DEVICES if spec.fits(registry.device(kind)))


def _page(found: MapSpec) -> str:
    over = registry.protocol(found.protocol).title
    head = f"# `{found.name}`: {found.title}\n\nOver {over}, of: {_fitting(found.name)}. {NOTE}\n"
    return head + _BODIES[found.protocol](found)


def lines(found: MapSpec, key: Callable[[PointRow], object]) -> list[Line]:
    """Return the points of all kinds, those with the same key together, by their numbers."""
    known: dict[object, Line] = {}
    for kind in registry.DEVICES:
        spec = registry.device(kind)
        if not found.fits(spec):
            continue
        plan = found.plan(spec)
        bands = plan.deadbands() if isinstance(plan, Reporting) else {}
        for point in found.points(spec, {}):
            band = _deadband(point, bands)
            line = known.setdefault((key(point), band), Line(point, band))
            line.holders.append(holder(kind, point.quantity))
    step = RESOURCE_STEP if found.protocol == "iec104" else 2**16
    return sorted(known.values(), key=lambda line: line.point.number % step)


def _deadband(point: PointRow, bands: Mapping[str, Deadband]) -> str:
    band = bands.get(point.quantity)
    if band is None or point.object not in NUMBERS:
        return ""
    share = f"{100.0 * band.share:g} %" if band.of else ""
    least = f"{band.min:g}" if band.min or not share else ""
    return f"{share}, at least {least}" if share and least else share or least


def _by_object(found: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    for name in dict.fromkeys(line.point.object for line in found):
        yield name, [line for line in found if line.point.object == name]


def _says(point: PointRow) -> str:
    return quantity(split(point.quantity)[1]).doc if point.quantity else point.says


# ------------------------------------------------------------------------------------ IEC 60870-5-104


def _iec104(found: MapSpec) -> str:
    head = f"""
{SCALES} A resource of a prosumer has the addresses listed
plus {RESOURCE_STEP:,} k, with k 1 for `ev_`, 2 for `storage_`, 3 for `pv_`, 4 for `home_`. *Types* are the type
identifications: as interrogated, as an event, as a command. *Group* is the interrogation group (QOI 20 + group), of
totals the counter group. Events have cause 3, answers to a station interrogation 20 and to a group's 20 + group, to
counters 37; commands are activated with 6. *Deadband* is in the quantity's unit, or a share of the rated power, voltage
or energy; 0 is every change.
"""

    def key(point: PointRow) -> object:
        return point.number % RESOURCE_STEP, split(point.quantity)[1], point.data_type

    sections = []
    for name, several in _by_object(lines(found, key)):
        rows = []
        for line in several:
            point = line.point
            types = (point.read_code, point.event_code, point.write_code)
            rows.append(
                (
                    point.number % RESOURCE_STEP,
                    code(split(point.quantity)[1]),
                    " / ".join(str(each) for each in types if each is not None),
                    point.group,
                    f"{point.scale:g}",
                    point.unit,
                    line.deadband,
                    listed(line.holders),
                    _says(point),
                )
            )
        columns = ("IOA", "quantity", "types", "group", "scale", "unit", "deadband", "of", "meaning")
        sections.append(f"\n## {name[0].upper()}{name[1:]}s\n\n{table(columns, rows)}")
    return head + "".join(sections)


# ----------------------------------------------------------------------------------------------- DNP3


def _dnp3(found: MapSpec) -> str:
    head = f"""
{SCALES} That holds of integers; floating point is in the
quantity's own unit. *Class* is that of the events, 0 is only read. *Deadband* is in the quantity's unit, or a share of
the rating; 0 is every change. Points without a quantity are what the outstation says of itself. More is in
[dnp3.md](../dnp3.md).
"""

    def key(point: PointRow) -> object:
        return point.address, point.quantity, point.scale, point.says

    sections = []
    for name, several in _by_object(lines(found, key)):
        rows = []
        for line in several:
            point = line.point
            rows.append(
                (
                    point.number,
                    code(point.quantity),
                    "" if point.says else f"{point.scale:g}",
                    "" if point.says else point.unit,
                    point.event_class,
                    line.deadband,
                    listed(each.partition("/")[0] for each in line.holders),
                    _says(point) if not point.says else point.says,
                )
            )
        codes = [line.point for line in several]
        events = next((each.event_code for each in codes if each.event_code), None)
        groups = (codes[0].read_code, events, codes[0].write_code)
        text = ", ".join(
            f"{what} g{group}" for what, group in zip(("static", "events", "written"), groups, strict=True) if group
        )
        columns = ("index", "quantity", "scale", "unit", "class", "deadband", "of", "meaning")
        sections.append(f"\n## {name[0].upper()}{name[1:]}s ({text})\n\n{table(columns, rows)}")
    return head + "".join(sections)


_BODIES: Mapping[str, Callable[[MapSpec], str]] = {
    "iec104": _iec104,
    "iec101": lambda found: "\nThe points are those of [iec104](iec104.md).\n",
    "dnp3": _dnp3,
    "modbus": registers.body,
}
