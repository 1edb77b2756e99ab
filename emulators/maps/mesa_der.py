"""The DNP3 point list of a distributed energy resource, after IEEE 1815.2 (formerly DNP AN2018-001).

Where the profile has a point for a quantity, it stands there; the tables below hold the indices we
use, in our own words. Integers on the wire are the value over the scale. Plus is generation and
discharge, as inside, so ratings and limits of charging are negative (AI5, AI33, AI44).

- An enable is a binary output of its own (BO16-18, 27-29): writing a set-point moves the set-point
  and nothing else.
- The generation limit is AO88 (mirror AI149). The profile's tables call AO87 and AO88 maximum and
  minimum with plus for generation, while IEEE 1815.2, 6.4.2.2 has the first limit charging and the
  second generation. The clause is followed; AO87 is not served.
- The power factor set-point carries its sign on AO210 (minus is under-excited), where the profile
  has a separate selector of the excitation.
- The cells of a battery are one lump: AI20014, the lowest temperature, carries the mean.
- A prosumer's resources are meters 1 to 4 (ev, storage, pv, home): AI 5000 + 37 (k - 1), counters
  5000 + 4 (k - 1). Its one battery and its weather stand where those of a battery and a PV
  generator stand.

Vendor range. The profile leaves 50000 to 64999 to vendors. The first thousand indices hold the
hand-picked points of ``_POINTS``. Every other quantity stands at 51000 + 500 k + n in its type
(BI, BO, AI, AO; a total's counter likewise), with k = 0 for the device itself and 1 to 4 for a
prosumer's resource, and n the quantity's number in ``_NUMBERS``.

Events: alarms in class 1, states and set-points in class 2, measurements in class 3; ratings are
only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.plans.dnp3 import Deadband, Plan, Point, PointType
from pilotfarm.emulators.quantities import CATALOGUE, COMMON, RESOURCES, Quantity, Role, number_of, split

_BI, _BO, _CTR = PointType.BINARY_INPUT, PointType.BINARY_OUTPUT, PointType.COUNTER
_AI, _AO = PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT

VENDOR_FIRST: Final = 51_000
VENDOR_STRIDE: Final = 500
VENDOR_LAST: Final = 64_999
BLOCK: Final = 5_000
INVERTERS, BATTERIES = 3, 4

_METER: Final = {
    "frequency_hz": 4,
    "active_power_w": 5,
    "active_power_l1_w": 6,
    "active_power_l2_w": 7,
    "active_power_l3_w": 8,
    "reactive_power_var": 9,
    "reactive_power_l1_var": 10,
    "reactive_power_l2_var": 11,
    "reactive_power_l3_var": 12,
    "power_factor": 13,
    "apparent_power_va": 14,
    "voltage_l1_v": 15,
    "voltage_l2_v": 17,
    "voltage_l3_v": 19,
    "voltage_ll_v": 21,
    "current_l1_a": 22,
    "current_l2_a": 23,
    "current_l3_a": 24,
}
"""A meter's analog inputs, counted from its first; the system meter's first is AI532."""
SYSTEM_METER: Final = 532
METER_FIRST: Final = 5_000
METER_STRIDE: Final = 37
METER_COUNTERS: Final = 4
_COUNTERS: Final = {
    "energy_exported_wh": 0,
    "energy_imported_wh": 1,
    "reactive_energy_exported_varh": 2,
    "reactive_energy_imported_varh": 3,
}

_POINTS: Final[dict[str, tuple[tuple[PointType, int, float], ...]]] = {
    # Nameplate and settings: type, index, scale
    "rated_power_w": ((_AI, 4, 1.0), (_AI, 32, 1.0)),
    "rated_charge_power_w": ((_AI, 5, -1.0), (_AI, 33, -1.0)),
    "rated_apparent_power_va": ((_AI, 14, 1.0),),
    "rated_energy_wh": ((_AI, 16, 1.0), (_AI, 20_001, 1.0)),
    "real_capacity_wh": ((_AI, 17, 1.0), (_AI, 20_002, 1.0)),
    # Available power and state of charge
    "available_power_w": ((_AI, 43, 1.0),),
    "discharge_power_available_w": ((_AI, 43, 1.0),),
    "charge_power_available_w": ((_AI, 44, -1.0),),
    "soc_frac": ((_AI, 47, 0.001), (_AI, 20_008, 0.001)),
    # Battery 1 where there are cells, inverter 1 where there are none
    "dc_voltage_v": ((_AI, 15_008, 0.1), (_AI, 20_006, 0.1)),
    "soh_frac": ((_AI, 20_009, 0.001),),
    "dc_current_a": ((_AI, 15_009, 0.1), (_AI, 20_010, 0.1)),
    "charge_rate_w": ((_AI, 20_011, 0.1),),
    "temperature_degc": ((_AI, 20_014, 0.1),),
    "temperature_max_degc": ((_AI, 20_015, 0.1),),
    # Vendor measurements
    "irradiance_horizontal_w_per_m2": ((_AI, 50_000, 1.0),),
    "irradiance_plane_w_per_m2": ((_AI, 50_001, 1.0),),
    "outside_temperature_degc": ((_AI, 50_002, 0.1),),
    "module_temperature_degc": ((_AI, 50_003, 0.1),),
    "wind_speed_m_per_s": ((_AI, 50_004, 0.1),),
    "wind_direction_deg": ((_AI, 50_005, 1.0),),
    "humidity_frac": ((_AI, 50_006, 0.001),),
    "pressure_pa": ((_AI, 50_007, 10.0),),
    "available_power_frac": ((_AI, 50_010, 0.001),),
    "room_temperature_degc": ((_AI, 50_020, 0.1),),
    "deferrable_power_w": ((_AI, 50_022, 1.0),),
    "deferrable_energy_wh": ((_AI, 50_023, 1.0),),
    "vehicle_soc_frac": ((_AI, 50_030, 0.001),),
    "energy_acceptable_wh": ((_AI, 50_031, 1.0),),
    "charge_power_min_w": ((_AI, 50_032, 1.0),),
    "charge_power_max_w": ((_AI, 50_033, 1.0),),
    "session_energy_wh": ((_AI, 50_034, 1.0),),
    "charge_point_state": ((_AI, 50_035, 1.0),),
    "charging_power_w": ((_AI, 50_036, 1.0),),
    "time_to_departure_s": ((_AI, 50_037, 1.0),),
    "energy_wanted_wh": ((_AI, 50_038, 1.0),),
    "cycle_count": ((_AI, 50_040, 1.0),),
    "remaining_life_years": ((_AI, 50_041, 0.1),),
    # Alarms and states
    "sesp_link_lost": ((_BI, 0, 1.0), (_BI, 50_003, 1.0)),
    "soc_high_alarm": ((_BI, 4, 1.0),),
    "soc_low_alarm": ((_BI, 7, 1.0),),
    "temperature_high_alarm": ((_BI, 8, 1.0),),
    "local_mode": ((_BI, 10, 1.0),),
    "running": ((_BI, 14, 1.0),),
    "grid_switch_closed": ((_BI, 23, 1.0),),
    "overvoltage_l1_alarm": ((_BI, 100, 1.0),),
    "undervoltage_l1_alarm": ((_BI, 101, 1.0),),
    "overvoltage_l2_alarm": ((_BI, 102, 1.0),),
    "undervoltage_l2_alarm": ((_BI, 103, 1.0),),
    "overvoltage_l3_alarm": ((_BI, 104, 1.0),),
    "undervoltage_l3_alarm": ((_BI, 105, 1.0),),
    "communication_lost_alarm": ((_BI, 106, 1.0),),
    "vehicle_connected": ((_BI, 50_000, 1.0),),
    "authorised": ((_BI, 50_001, 1.0),),
    "identification_failed": ((_BI, 50_002, 1.0),),
    # Commands and switches
    "start": ((_BO, 1, 1.0),),
    "stop": ((_BO, 2, 1.0),),
    "grid_switch": ((_BO, 5, 1.0),),
    "frequency_support_enabled": ((_BO, 16, 1.0),),
    "active_power_limit_enabled": ((_BO, 17, 1.0),),
    "active_power_setpoint_enabled": ((_BO, 18, 1.0),),
    "reactive_power_setpoint_enabled": ((_BO, 27, 1.0),),
    "power_factor_setpoint_enabled": ((_BO, 28, 1.0),),
    "volt_var_enabled": ((_BO, 29, 1.0),),
    "charge_release": ((_BO, 50_000, 1.0),),
    "identification_clear": ((_BO, 50_001, 1.0),),
    "sesp_receipt": ((_BO, 50_002, 1.0),),
    # Set-points with their mirrors
    "voltage_setpoint_v": ((_AO, 0, 0.1), (_AI, 29, 0.1)),
    "frequency_setpoint_hz": ((_AO, 2, 0.001), (_AI, 31, 0.001)),
    "active_power_limit_frac": ((_AO, 88, 0.001), (_AI, 149, 0.001)),
    "power_factor_setpoint": ((_AO, 210, 0.01), (_AI, 288, 0.01)),
    "active_power_setpoint_w": ((_AO, 508, 1.0), (_AI, 618, 1.0)),
    "reactive_power_setpoint_var": ((_AO, 511, 1.0), (_AI, 621, 1.0)),
    # A prosumer's resources
    "ev_active_power_setpoint_w": ((_AO, 50_100, 1.0), (_AI, 50_100, 1.0)),
    "ev_reactive_power_setpoint_var": ((_AO, 50_101, 1.0), (_AI, 50_101, 1.0)),
    "storage_active_power_setpoint_w": ((_AO, 50_110, 1.0), (_AI, 50_110, 1.0)),
    "storage_reactive_power_setpoint_var": ((_AO, 50_111, 1.0), (_AI, 50_111, 1.0)),
    "pv_active_power_limit_frac": ((_AO, 50_120, 0.001), (_AI, 50_120, 0.001)),
    "pv_reactive_power_setpoint_var": ((_AO, 50_121, 1.0), (_AI, 50_121, 1.0)),
    "home_active_power_setpoint_w": ((_AO, 50_130, 1.0), (_AI, 50_130, 1.0)),
}

_OWN: Final = frozenset(name for name in COMMON if name in _POINTS) | {"discharge_power_available_w"}
_LENT: Final = frozenset(
    name
    for name in _POINTS
    if name in CATALOGUE and CATALOGUE[name].role in (Role.MEASUREMENT, Role.STATE, Role.ALARM) and name not in _OWN
) | {"rated_energy_wh", "charge_release"}
"""What a home has once, so that its resource stands at the device's own point (AI43 is the sun's, not the cells')."""

_VENDOR_ORDER: Final = """
online general_alarm fault_trip local_mode remote_enabled running available grid_switch_closed sesp_link_lost
identified identification_failed sesp_receipts active_power_w reactive_power_var apparent_power_va power_factor
frequency_hz voltage_l1_v voltage_l2_v voltage_l3_v voltage_ll_v current_l1_a current_l2_a current_l3_a
active_power_l1_w active_power_l2_w active_power_l3_w reactive_power_l1_var reactive_power_l2_var
reactive_power_l3_var energy_exported_wh energy_imported_wh reactive_energy_exported_varh
reactive_energy_imported_varh rated_power_w rated_charge_power_w rated_apparent_power_va nominal_voltage_v start
stop alarm_reset grid_switch identification_clear sesp_receipt sesp_heartbeat sesp_timeout_s
active_power_setpoint_w active_power_setpoint_enabled reactive_power_setpoint_var
reactive_power_setpoint_enabled power_factor_setpoint power_factor_setpoint_enabled active_power_limit_frac
active_power_limit_enabled voltage_setpoint_v volt_var_enabled frequency_setpoint_hz frequency_support_enabled
charging_power_w charge_power_min_w charge_power_max_w energy_acceptable_wh vehicle_soc_frac session_energy_wh
charge_point_state vehicle_connected authorised owner_card_id time_to_departure_s energy_wanted_wh
session_duration_s charging_duration_s current_limit_in_force_a rated_current_a rated_energy_wh charge_release
current_limit_a fallback_current_a soc_frac soh_frac cycle_count remaining_life_years temperature_degc
temperature_max_degc real_capacity_wh charge_rate_w charge_rate_frac dc_voltage_v dc_current_a
charge_power_available_w discharge_power_available_w soc_min_frac soc_max_frac temperature_high_alarm
temperature_low_alarm soc_low_alarm soc_high_alarm available_power_w available_power_frac
irradiance_horizontal_w_per_m2 irradiance_plane_w_per_m2 outside_temperature_degc module_temperature_degc
wind_speed_m_per_s wind_direction_deg humidity_frac pressure_pa rain_mm_per_h power_failure_alarm
undervoltage_l1_alarm undervoltage_l2_alarm undervoltage_l3_alarm overvoltage_l1_alarm overvoltage_l2_alarm
overvoltage_l3_alarm overcurrent_alarm low_power_factor_alarm cover_open_alarm magnetic_field_alarm
clock_invalid_alarm battery_low_alarm relay_open communication_lost_alarm event_count
interval_energy_imported_wh interval_energy_exported_wh event_clear room_temperature_degc deferrable_power_w
deferrable_energy_wh
"""
NUMBERED: Final = tuple(_VENDOR_ORDER.split())
"""The order that fixes the vendor range. An index is never used again: a new quantity goes to the end."""
_NUMBERS: Final = {name: number for number, name in enumerate(dict.fromkeys((*NUMBERED, *CATALOGUE)))}
assert VENDOR_FIRST + VENDOR_STRIDE * len(RESOURCES) + max(_NUMBERS.values()) <= VENDOR_LAST
assert len(_NUMBERS) <= VENDOR_STRIDE

_SCALES: Final = {
    "V": 0.1,
    "A": 0.1,
    "Hz": 0.001,
    "degC": 0.1,
    "m/s": 0.1,
    "a": 0.1,
    "mm/h": 0.1,
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


def _scale(quantity: Quantity) -> float:
    """The scale outside the profile's tables: the profile's own for that unit, 1 where it has none."""
    if quantity.name.endswith("_frac"):
        return 0.001
    if "power_factor" in quantity.name:
        return 0.01
    return _SCALES.get(quantity.unit, 1.0)


def _deadband(quantity: Quantity) -> Deadband:
    """1 % of the rating for power, energy and current, 0.5 % of nominal for voltage, 1 % for shares."""
    resource, _ = split(quantity.name)
    power = (resource.of(_RATING), _RATING) if resource else (_RATING,)
    if quantity.name.endswith("_frac") or "power_factor" in quantity.name:
        return Deadband(0.01)
    if quantity.unit in ("W", "var", "VA", "Wh", "varh"):
        return Deadband(share=0.01, of=power)
    if quantity.unit == "V":
        return Deadband(share=0.005, of=("nominal_voltage_v",))
    if quantity.unit == "A":
        return Deadband(share=0.01 / 3, of=power, over=("nominal_voltage_v",))
    return _DEADBANDS.get(quantity.unit, Deadband())


_CLASSES: Final = {
    Role.ALARM: 1,
    Role.STATE: 2,
    Role.SETPOINT: 2,
    Role.COMMAND: 2,
    Role.MEASUREMENT: 3,
    Role.TOTAL: 3,
    Role.RATING: 0,
}
assert set(_CLASSES) == set(Role)


def _type(quantity: Quantity) -> PointType:
    if quantity.writable:
        return _BO if quantity.is_binary else _AO
    if quantity.role is Role.TOTAL:
        return _CTR
    return _BI if quantity.is_binary else _AI


def _profiled(quantity: Quantity) -> Iterator[tuple[PointType, int, float]]:
    """Where the profile and the hand-picked vendor points have this quantity, best first."""
    resource, plain = split(quantity.name)
    before = number_of(resource) - 1
    if plain in _COUNTERS:
        yield _CTR, _COUNTERS[plain] + (METER_FIRST + METER_COUNTERS * before if resource else 0), 1.0
    if plain in _METER:
        first = METER_FIRST + METER_STRIDE * before if resource else SYSTEM_METER
        yield _AI, first + _METER[plain], _scale(quantity)
    yield from _POINTS.get(quantity.name, ())
    if resource and plain in _LENT:
        yield from _POINTS[plain]


def _fits(index: int, quantity: Quantity, kind: frozenset[str]) -> bool:
    """Whether a point's block suits its owner: batteries (20000) need cells, inverters (15000) stand for the others."""
    resource, _ = split(quantity.name)
    cells = resource.of("soc_frac") in kind
    return cells if index // BLOCK == BATTERIES else not cells if index // BLOCK == INVERTERS else True


def _vendor(quantity: Quantity) -> tuple[PointType, int, float]:
    resource, plain = split(quantity.name)
    block = number_of(resource)
    return _type(quantity), VENDOR_FIRST + VENDOR_STRIDE * block + _NUMBERS[plain], _scale(quantity)


def plan(spec: DeviceSpec) -> Plan:
    """Give every quantity of a kind its points; where two want one, the first of the kind's list has it."""
    taken: dict[tuple[PointType, int], Point] = {}
    kind_has = frozenset(quantity.name for quantity in spec.quantities)
    for quantity in spec.quantities:
        free = (place for place in _profiled(quantity) if place[:2] not in taken)
        wanted = [place for place in free if _fits(place[1], quantity, kind_has)]
        for kind, index, scale in wanted or [_vendor(quantity)]:
            binary_or_mirror = quantity.is_binary or quantity.writable
            taken[kind, index] = Point(
                kind,
                index,
                quantity.name,
                scale,
                event_class=0 if kind in (_BO, _AO) else _CLASSES[quantity.role],
                deadband=Deadband() if binary_or_mirror else _deadband(quantity),
                pulse=quantity.role is Role.COMMAND,
            )
    order = list(PointType)
    return Plan(tuple(sorted(taken.values(), key=lambda point: (order.index(point.type), point.index))))


_DATA_TYPES: Final = {_BI: "g1v2", _BO: "g10v2/g12v1", _CTR: "g20v1", _AI: "g30v1", _AO: "g40v1/g41v1"}


def _event_beyond(point: Point, columns: Mapping[str, Floats]) -> float | Floats | None:
    """The deadband, where the point has one and what it depends on is known."""
    if point.type is not _AI or not point.event_class or (point.deadband.of and not columns):
        return None
    return point.deadband.width(columns)


def points(spec: DeviceSpec, columns: Mapping[str, Floats]) -> list[PointRow]:
    """List a group's points."""
    units = {quantity.name: quantity.unit for quantity in spec.quantities}
    return [
        PointRow(
            point.quantity,
            point.address,
            _DATA_TYPES[point.type],
            point.scale,
            units[point.quantity],
            "rw" if point.type in (_BO, _AO) else "r",
            _event_beyond(point, columns),
        )
        for point in plan(spec).points
    ]


MAP: Final = MapSpec(
    name="mesa-der",
    protocol="dnp3",
    title="DER point list after IEEE 1815.2 (MESA-DER)",
    plan=plan,
    points=points,
)
