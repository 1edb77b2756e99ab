"""The DNP3 indices of a distributed energy resource, after IEEE 1815.2 (formerly DNP AN2018-001).

A prosumer's resources are meters 1 to 4 (ev, storage, pv, home): AI 5000 + 37 (k - 1), counters
5000 + 4 (k - 1). Its one battery and its weather stand where those of a battery and a PV
generator stand.

Vendor range. The profile leaves 50000 to 64999 to vendors. The first thousand indices hold the
hand-picked points of ``POINTS``. Every other quantity stands at 51000 + 500 k + n in its type
(BI, BO, AI, AO; a total's counter likewise), with k = 0 for the device itself and 1 to 4 for a
prosumer's resource, and n the quantity's number in ``_NUMBERS``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.maps.mesa_der.modes import SWITCHES
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.quantities import CATALOGUE, COMMON, PROTECTION, RESOURCES, Role, number_of

BI, BO, CTR = PointType.BINARY_INPUT, PointType.BINARY_OUTPUT, PointType.COUNTER
AI, AO = PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT

VENDOR_RANGE: Final = 50_000
VENDOR_FIRST: Final = 51_000
_VENDOR_STRIDE: Final = 500
VENDOR_LAST: Final = 64_999

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
_SYSTEM_METER: Final = 532
_METER_FIRST: Final = 5_000
_METER_STRIDE: Final = 37
_METER_COUNTERS: Final = 4
_UNIT: Final = 5_000
"""The room for the blocks of one sort of equipment."""
METERS: Final = tuple(
    range(first, first + _METER_STRIDE)
    for first in range(_METER_FIRST, _METER_FIRST + _METER_STRIDE * len(RESOURCES), _METER_STRIDE)
)
INVERTER: Final = range(15_000, 15_000 + _UNIT)
BATTERY: Final = range(20_000, 20_000 + _UNIT)
_COUNTERS: Final = {
    "energy_exported_wh": 0,
    "energy_imported_wh": 1,
    "reactive_energy_exported_varh": 2,
    "reactive_energy_imported_varh": 3,
}

POINTS: Final[dict[str, tuple[tuple[PointType, int, float], ...]]] = {
    # Nameplate and settings: type, index, scale
    "rated_power_w": ((AI, 4, 1.0), (AI, 32, 1.0)),
    "rated_charge_power_w": ((AI, 5, -1.0), (AI, 33, -1.0)),
    "rated_apparent_power_va": ((AI, 14, 1.0),),
    "rated_energy_wh": ((AI, 16, 1.0), (AI, 20_001, 1.0)),
    "real_capacity_wh": ((AI, 17, 1.0), (AI, 20_002, 1.0)),
    # Available power and state of charge
    "available_power_w": ((AI, 43, 1.0),),
    "discharge_power_available_w": ((AI, 43, 1.0),),
    "charge_power_available_w": ((AI, 44, -1.0),),
    "soc_frac": ((AI, 47, 0.001), (AI, 20_008, 0.001)),
    # Battery 1 where there are cells, inverter 1 where there are none
    "dc_voltage_v": ((AI, 15_008, 0.1), (AI, 20_006, 0.1)),
    "soh_frac": ((AI, 20_009, 0.001),),
    "dc_current_a": ((AI, 15_009, 0.1), (AI, 20_010, 0.1)),
    "charge_rate_w": ((AI, 20_011, 0.1),),
    "temperature_degc": ((AI, 20_014, 0.1),),
    "temperature_max_degc": ((AI, 20_015, 0.1),),
    # Vendor measurements
    "irradiance_horizontal_w_per_m2": ((AI, 50_000, 1.0),),
    "irradiance_plane_w_per_m2": ((AI, 50_001, 1.0),),
    "outside_temperature_degc": ((AI, 50_002, 0.1),),
    "module_temperature_degc": ((AI, 50_003, 0.1),),
    "wind_speed_m_per_s": ((AI, 50_004, 0.1),),
    "wind_direction_deg": ((AI, 50_005, 1.0),),
    "humidity_frac": ((AI, 50_006, 0.001),),
    "pressure_pa": ((AI, 50_007, 10.0),),
    "available_power_frac": ((AI, 50_010, 0.001),),
    "room_temperature_degc": ((AI, 50_020, 0.1),),
    "deferrable_power_w": ((AI, 50_022, 1.0),),
    "deferrable_energy_wh": ((AI, 50_023, 1.0),),
    "vehicle_soc_frac": ((AI, 50_030, 0.001),),
    "energy_acceptable_wh": ((AI, 50_031, 1.0),),
    "charge_power_min_w": ((AI, 50_032, 1.0),),
    "charge_power_max_w": ((AI, 50_033, 1.0),),
    "session_energy_wh": ((AI, 50_034, 1.0),),
    "charge_point_state": ((AI, 50_035, 1.0),),
    "charging_power_w": ((AI, 50_036, 1.0),),
    "time_to_departure_s": ((AI, 50_037, 1.0),),
    "energy_wanted_wh": ((AI, 50_038, 1.0),),
    "cycle_count": ((AI, 50_040, 1.0),),
    "remaining_life_years": ((AI, 50_041, 0.1),),
    # Alarms and states
    "sesp_link_lost": ((BI, 0, 1.0), (BI, 50_003, 1.0)),
    "soc_high_alarm": ((BI, 4, 1.0),),
    "soc_low_alarm": ((BI, 7, 1.0),),
    "temperature_high_alarm": ((BI, 8, 1.0),),
    "local_mode": ((BI, 10, 1.0),),
    "running": ((BI, 14, 1.0),),
    "overvoltage_protection_started": ((BI, 53, 1.0),),
    "overvoltage_protection_operated": ((BI, 54, 1.0),),
    "undervoltage_protection_started": ((BI, 56, 1.0),),
    "undervoltage_protection_operated": ((BI, 57, 1.0),),
    "overfrequency_protection_started": ((BI, 59, 1.0),),
    "overfrequency_protection_operated": ((BI, 60, 1.0),),
    "underfrequency_protection_started": ((BI, 62, 1.0),),
    "underfrequency_protection_operated": ((BI, 63, 1.0),),
    "grid_switch_closed": ((BI, 23, 1.0),),
    "overvoltage_l1_alarm": ((BI, 100, 1.0),),
    "undervoltage_l1_alarm": ((BI, 101, 1.0),),
    "overvoltage_l2_alarm": ((BI, 102, 1.0),),
    "undervoltage_l2_alarm": ((BI, 103, 1.0),),
    "overvoltage_l3_alarm": ((BI, 104, 1.0),),
    "undervoltage_l3_alarm": ((BI, 105, 1.0),),
    "communication_lost_alarm": ((BI, 106, 1.0),),
    "vehicle_connected": ((BI, 50_000, 1.0),),
    "authorised": ((BI, 50_001, 1.0),),
    "identification_failed": ((BI, 50_002, 1.0),),
    # Commands and switches
    "start": ((BO, 1, 1.0),),
    "stop": ((BO, 2, 1.0),),
    "start_permitted": ((BO, 3, 1.0), (BI, 16, 1.0)),
    "stop_permitted": ((BO, 4, 1.0), (BI, 17, 1.0)),
    "grid_switch": ((BO, 5, 1.0),),
    **{name: ((BO, switch, 1.0), (BI, shown, 1.0)) for name, (switch, shown) in SWITCHES.items()},
    "charge_release": ((BO, 50_000, 1.0),),
    "identification_clear": ((BO, 50_001, 1.0),),
    "sesp_receipt": ((BO, 50_002, 1.0),),
    # Set-points with their mirrors
    "voltage_setpoint_v": ((AO, 0, 0.1), (AI, 29, 0.1)),
    "frequency_setpoint_hz": ((AO, 2, 0.001), (AI, 31, 0.001)),
    "active_power_limit_frac": ((AO, 88, 0.001), (AI, 149, 0.001)),
    "power_factor_setpoint": ((AO, 210, 0.01), (AI, 288, 0.01)),
    "active_power_setpoint_w": ((AO, 508, 1.0), (AI, 618, 1.0)),
    "reactive_power_setpoint_var": ((AO, 511, 1.0), (AI, 621, 1.0)),
    # Times of modes: in seconds, with their mirrors
    "active_power_limit_window_s": ((AO, 83, 1.0), (AI, 143, 1.0)),
    "active_power_limit_ramp_s": ((AO, 84, 1.0), (AI, 144, 1.0)),
    "active_power_limit_reversion_s": ((AO, 85, 1.0), (AI, 145, 1.0)),
    "active_power_setpoint_reversion_s": ((AO, 92, 1.0), (AI, 153, 1.0)),
    "reactive_power_setpoint_reversion_s": ((AO, 202, 1.0), (AI, 280, 1.0)),
    "power_factor_setpoint_window_s": ((AO, 207, 1.0), (AI, 285, 1.0)),
    "power_factor_setpoint_ramp_s": ((AO, 208, 1.0), (AI, 286, 1.0)),
    "power_factor_setpoint_reversion_s": ((AO, 209, 1.0), (AI, 287, 1.0)),
    # A prosumer's resources
    "ev_active_power_setpoint_w": ((AO, 50_100, 1.0), (AI, 50_100, 1.0)),
    "ev_reactive_power_setpoint_var": ((AO, 50_101, 1.0), (AI, 50_101, 1.0)),
    "storage_active_power_setpoint_w": ((AO, 50_110, 1.0), (AI, 50_110, 1.0)),
    "storage_reactive_power_setpoint_var": ((AO, 50_111, 1.0), (AI, 50_111, 1.0)),
    "pv_active_power_limit_frac": ((AO, 50_120, 0.001), (AI, 50_120, 0.001)),
    "pv_reactive_power_setpoint_var": ((AO, 50_121, 1.0), (AI, 50_121, 1.0)),
    "home_active_power_setpoint_w": ((AO, 50_130, 1.0), (AI, 50_130, 1.0)),
}

_OWN: Final = frozenset(name for name in (*COMMON, *PROTECTION) if name in POINTS) | {"discharge_power_available_w"}
RESOURCE_AT_DEVICE: Final = frozenset(
    name
    for name in POINTS
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
deferrable_energy_wh started active_power_limit_window_s active_power_limit_ramp_s active_power_limit_reversion_s
active_power_limit_reversion_remaining_s active_power_limit_reverted_frac active_power_limit_reverted_enabled
active_power_setpoint_reversion_s active_power_setpoint_reversion_remaining_s active_power_setpoint_reverted_w
active_power_setpoint_reverted_enabled reactive_power_setpoint_reversion_s
reactive_power_setpoint_reversion_remaining_s reactive_power_setpoint_reverted_var
reactive_power_setpoint_reverted_enabled power_factor_setpoint_window_s power_factor_setpoint_ramp_s
power_factor_setpoint_reversion_s power_factor_setpoint_reversion_remaining_s power_factor_setpoint_reverted
power_factor_setpoint_reverted_enabled grid_switch_window_s grid_switch_reversion_s grid_switch_reversion_remaining_s
charge_limit_frac charge_limit_enabled discharge_limit_frac discharge_limit_enabled grid_charging_allowed
reference_power_w charge_ramp_frac_per_s discharge_ramp_frac_per_s
charge_discharge_limits_window_s charge_discharge_limits_ramp_s charge_discharge_limits_reversion_s
charge_discharge_limits_reversion_remaining_s
energy_exported_l1_wh energy_exported_l2_wh energy_exported_l3_wh energy_imported_l1_wh energy_imported_l2_wh
energy_imported_l3_wh reactive_energy_exported_l1_varh reactive_energy_exported_l2_varh
reactive_energy_exported_l3_varh reactive_energy_imported_l1_varh reactive_energy_imported_l2_varh
reactive_energy_imported_l3_varh apparent_energy_l1_vah apparent_energy_l2_vah apparent_energy_l3_vah
apparent_energy_vah charge_ah charging_phases session_energy_limit_wh
demand_power_w demand_power_max_w demand_apparent_power_va demand_apparent_power_max_va
demand_current_l1_a demand_current_l2_a demand_current_l3_a demand_current_neutral_a
demand_current_max_l1_a demand_current_max_l2_a demand_current_max_l3_a demand_current_max_neutral_a demand_period_s
demand_reset active_power_max_w rated_reactive_power_var nominal_dc_voltage_v cell_voltage_v dc_energy_wh
cabinet_temperature_degc
start_permitted stop_permitted overvoltage_protection_started overvoltage_protection_operated
undervoltage_protection_started undervoltage_protection_operated overfrequency_protection_started
overfrequency_protection_operated underfrequency_protection_started underfrequency_protection_operated
relay_control_state load_energised relay_control_mode relay_manual_disconnect relay_manual_reconnect limiter_alarm
limiter_threshold_w limiter_over_duration_s limiter_under_duration_s
record_kind record_selected record_count record_day record_time_s record_energy_imported_wh record_energy_exported_wh
record_reactive_energy_imported_varh record_reactive_energy_exported_varh record_status record_event
record_event_value record_event_cause
"""
NUMBERED: Final = tuple(_VENDOR_ORDER.split())
"""The order that fixes the vendor range. An index is never used again: a new quantity goes to the end."""
_NUMBERS: Final = {name: number for number, name in enumerate(dict.fromkeys((*NUMBERED, *CATALOGUE)))}
assert VENDOR_FIRST + _VENDOR_STRIDE * len(RESOURCES) + max(_NUMBERS.values()) <= VENDOR_LAST
assert len(_NUMBERS) <= _VENDOR_STRIDE


def meter_input(resource: Resource, plain: str) -> int | None:
    """Return the analog input at which a meter has a quantity; ``None`` if meters have none for it."""
    if plain not in _METER:
        return None
    first = _METER_FIRST + _METER_STRIDE * (number_of(resource) - 1) if resource else _SYSTEM_METER
    return first + _METER[plain]


def meter_counter(resource: Resource, plain: str) -> int | None:
    """Return the counter at which a meter has a quantity; ``None`` if meters have none for it."""
    if plain not in _COUNTERS:
        return None
    first = _METER_FIRST + _METER_COUNTERS * (number_of(resource) - 1) if resource else 0
    return first + _COUNTERS[plain]


def vendor(resource: Resource, plain: str) -> int:
    """Return the index of a quantity in the vendor range, within its type."""
    return VENDOR_FIRST + _VENDOR_STRIDE * number_of(resource) + _NUMBERS[plain]


def suits(index: int, has_cells: bool) -> bool:
    """Whether a point's block suits its owner: batteries (20000) need cells, inverters (15000) stand for the others."""
    return has_cells if index in BATTERY else not has_cells or index not in INVERTER


_CLASSES: Final[Mapping[PointType, Sequence[tuple[int, int]]]] = {
    BI: ((0, 1), (10, 2), (25, 3), (29, 2), (31, 0), (52, 1), (64, 2), (94, 1), (108, 2), (5_000, 1)),
    AI: (
        *((0, 3), (29, 2), (533, 3), (535, 2), (536, 3), (538, 1), (541, 3), (542, 1), (545, 3), (553, 1), (557, 3)),
        *((582, 2), (583, 3), (584, 2), (INVERTER.start, 2), (15_003, 3), (15_005, 2), (15_007, 3), (15_008, 2)),
        *((BATTERY.start, 2), (20_006, 3), (20_009, 1), (20_023, 2)),
    ),
}
"""First index -> the event class of the points from there on."""


def profile_class(kind: PointType, index: int) -> int | None:
    """Return the event class that the profile's tables give an input; ``None`` if they have no such point."""
    if kind not in _CLASSES or index >= VENDOR_RANGE:
        return None
    if kind is AI and METERS[0].start <= index < METERS[-1].stop:
        index = _SYSTEM_METER + (index - _METER_FIRST) % _METER_STRIDE
    classes = _CLASSES[kind]
    return classes[bisect_right(classes, (index, 3)) - 1][1]
