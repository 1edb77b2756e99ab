"""The DNP3 point list of a distributed energy resource, after IEEE 1815.2 (formerly DNP AN2018-001).

Where the profile has a point for a quantity, it stands there; ``indices`` holds those we use, in
our own words. Integers on the wire are the value over the scale. Plus is generation and
discharge, as inside, so ratings and limits of charging are negative (AI5, AI33, AI44).

- An enable is a binary output of its own (BO16-18, 27-29): writing a set-point moves the set-point
  and nothing else.
- The generation limit is AO88 (mirror AI149). The profile's tables call AO87 and AO88 maximum and
  minimum with plus for generation, while IEEE 1815.2, 6.4.2.2 has the first limit charging and the
  second generation. The clause is followed; AO87 is not served.
- The power factor set-point carries its sign on AO210 (minus is under-excited), where the profile
  has a separate selector of the excitation.
- An input of a mode is online only while the mode is on (6.1.1). Which modes there are, and why the others are not,
  is in ``modes``.
- The cells of a battery are one lump: AI20014, the lowest temperature, carries the mean.

Events: in the class of the profile's tables; in the vendor range alarms in class 1, states and set-points in class 2,
measurements in class 3, and ratings are only read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Final

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps.mesa_der import indices, states
from pilotfarm.emulators.maps.mesa_der.indices import AI, AO, BI, BO, CTR
from pilotfarm.emulators.maps.mesa_der.modes import MIRRORS
from pilotfarm.emulators.plans.deadband import EVERY_CHANGE, Deadband
from pilotfarm.emulators.plans.dnp3 import GROUPS, Point, PointPlan, PointType
from pilotfarm.emulators.quantities import Quantity, Role, split

_SCALES: Final = {
    "V": 0.1,
    "A": 0.1,
    "Hz": 0.001,
    "degC": 0.1,
    "m/s": 0.1,
    "a": 0.1,
    "mm/h": 0.1,
    "1/s": 0.001,
    "Pa": 10.0,
}
_RATING: Final = "rated_apparent_power_va"
_DEADBANDS: Final = {
    "Hz": Deadband(0.02),
    "degC": Deadband(0.5),
    "W/m2": Deadband(20.0),
    "m/s": Deadband(0.5),
    "deg": Deadband(7.2),
    "Pa": Deadband(200.0),
    "mm/h": Deadband(1.0),
    "s": Deadband(60.0),
    "a": Deadband(0.1),
}
"""Weather: 2 % of a full scale of 1000 W/m2, 25 m/s, 360 degrees, 100 hPa and 50 mm/h."""


def usual_scale(quantity: Quantity) -> float:
    """The scale outside the profile's tables: the profile's own for that unit, 1 where it has none."""
    if quantity.name.endswith("_frac"):
        return 0.001
    if "power_factor" in quantity.name:
        return 0.01
    return _SCALES.get(quantity.unit, 1.0)


def usual_deadband(quantity: Quantity, kind_has: frozenset[str]) -> Deadband:
    """Return 1 % of the rating for power, energy and current, 0.5 % of nominal for voltage, 1 % for shares."""
    own = split(quantity.name)[0].of(_RATING)
    rating = (own if own in kind_has else _RATING,)
    if quantity.name.endswith("_frac") or "power_factor" in quantity.name:
        return Deadband(0.01)
    if quantity.unit in ("W", "var", "VA", "Wh", "varh"):
        return Deadband(share=0.01, of=rating)
    if quantity.unit == "V":
        return Deadband(share=0.005, of=("nominal_voltage_v",))
    if quantity.unit == "A":
        return Deadband(share=0.01, of=rating, over="nominal_voltage_v", per=3.0)
    return _DEADBANDS.get(quantity.unit, EVERY_CHANGE)


EVENT_CLASSES: Final = {
    Role.ALARM: 1,
    Role.STATE: 2,
    Role.SETPOINT: 2,
    Role.COMMAND: 2,
    Role.MEASUREMENT: 3,
    Role.TOTAL: 3,
    Role.RATING: 0,
}
assert set(EVENT_CLASSES) == set(Role)


def _class(kind: PointType, index: int, quantity: Quantity) -> int:
    if kind in (BO, AO):
        return 0
    by_profile = indices.profile_class(kind, index)
    return EVENT_CLASSES[quantity.role] if by_profile is None else by_profile


def _mode_of(kind: PointType, index: int, kind_has: frozenset[str]) -> str:
    """Return the switch of the mode that an input belongs to; empty if it belongs to none."""
    switch = MIRRORS.get(index, "") if kind is AI else ""
    return switch if switch in kind_has else ""


def usual_type(quantity: Quantity) -> PointType:
    if quantity.writable:
        return BO if quantity.is_binary else AO
    if quantity.role is Role.TOTAL:
        return CTR
    return BI if quantity.is_binary else AI


def _profiled(quantity: Quantity) -> Iterator[tuple[PointType, int, float]]:
    """Yield where the profile and the hand-picked vendor points have this quantity, best first."""
    resource, plain = split(quantity.name)
    counter, analog_input = indices.meter_counter(resource, plain), indices.meter_input(resource, plain)
    if counter is not None:
        yield CTR, counter, 1.0
    if analog_input is not None:
        yield AI, analog_input, usual_scale(quantity)
    yield from indices.POINTS.get(quantity.name, ())
    if resource and plain in indices.RESOURCE_AT_DEVICE:
        yield from indices.POINTS[plain]


def _vendor(quantity: Quantity) -> tuple[PointType, int, float]:
    return usual_type(quantity), indices.vendor(*split(quantity.name)), usual_scale(quantity)


def plan(spec: DeviceSpec) -> PointPlan:
    """Give every quantity of a kind its points; where two want one, the first of the kind's list has it."""
    taken: dict[tuple[PointType, int], Point] = {}
    kind_has = frozenset(quantity.name for quantity in spec.quantities)
    for quantity in spec.quantities:
        free = (place for place in _profiled(quantity) if place[:2] not in taken)
        has_cells = split(quantity.name)[0].of("soc_frac") in kind_has
        wanted = [place for place in free if indices.suits(place[1], has_cells)]
        for kind, index, scale in wanted or [_vendor(quantity)]:
            binary_or_mirror = quantity.is_binary or quantity.writable
            taken[kind, index] = Point(
                kind,
                index,
                quantity.name,
                scale,
                event_class=_class(kind, index, quantity),
                deadband=EVERY_CHANGE if binary_or_mirror else usual_deadband(quantity, kind_has),
                pulse=quantity.role is Role.COMMAND,
                enabled_by=_mode_of(kind, index, kind_has),
            )
    for point in (*states.states(kind_has), *states.counts(kind_has, taken.keys())):
        assert (point.type, point.index) not in taken, f"{point.address} is given twice"
        taken[point.type, point.index] = point
    order = list(PointType)
    in_order = tuple(sorted(taken.values(), key=lambda point: (order.index(point.type), point.index)))
    return PointPlan(in_order, model=spec.kind.replace("_", "-"))


_DATA_TYPES: Final = {BI: "g1v2", BO: "g10v2/g12v1", CTR: "g20v1", AI: "g30v1", AO: "g40v1/g41v1"}


_EVENTS: Final = {BI: 2, AI: 32}
_WRITTEN: Final = {BO: 12, AO: 41}
"""Object groups (IEEE 1815-2012, annex A). Counters have events only where they are frozen."""


def _shown_deadband(point: Point, columns: Mapping[str, Floats]) -> float | Floats | None:
    """The deadband, where the point has one and what it depends on is known."""
    if not point.has_deadband or (point.deadband.of and not columns):
        return None
    return point.deadband.width(columns)


def points(spec: DeviceSpec, columns: Mapping[str, Floats], form: Hashable = None) -> list[PointRow]:
    """List a group's points."""
    units = {quantity.name: quantity.unit for quantity in spec.quantities} | {"": ""}
    return [listed_row(point, units[point.quantity], columns) for point in plan(spec).points]


def listed_row(point: Point, unit: str, columns: Mapping[str, Floats]) -> PointRow:
    return PointRow(
        point.quantity,
        point.address,
        f"{_DATA_TYPES[point.type]} ({point.meaning})" if point.meaning else _DATA_TYPES[point.type],
        point.scale,
        unit,
        "rw" if point.type in (BO, AO) else "r",
        _shown_deadband(point, columns),
        object=point.type.name.lower().replace("_", " "),
        number=point.index,
        read_code=GROUPS[point.type],
        event_code=_EVENTS.get(point.type) if point.event_class else None,
        write_code=_WRITTEN.get(point.type),
        event_class=point.event_class if point.type in (BI, AI) else None,
        says=point.meaning,
    )


MAP: Final = MapSpec(
    name="mesa-der",
    protocol="dnp3",
    title="DER point list after IEEE 1815.2 (MESA-DER)",
    plan=plan,
    points=points,
)
