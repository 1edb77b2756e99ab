"""The information object addresses of IEC 60870-5-104: one meaning each, whatever the device.

No open standard list exists; this one follows the pattern of German network operators: set-points
have readable mirrors, monitored and commanded addresses differ, everything stays below 65536 so
that two octets can address it in IEC 60870-5-101.

| addresses | content | type reported / asked / commanded |
|---|---|---|
| 1000-1049 | states and alarms | 30 / 1 |
| 1050-1099 | binary set-points as they stand: command's address - 2950 | 30 / 1 |
| 1100-1119 | switch: 1100 position, 1101 position asked for | 31 / 3 |
| 2000-2099 | electrical measurements at the connection point | 36 / 13 |
| 2100-2199 | what is particular to a device; counts and enumerations | 36 / 13 |
| 2200-2299 | environment | 36 / 13 |
| 2300-2399 | nameplate | 36 / 13 |
| 2900-2999 | set-points as they stand (mirrors): command's address - 2100 | 36 / 13 |
| 3000-3099 | energy registers, Wh, varh, VAh, Ah, starting again at 0 after 2**31 - 1 (2.1 GWh) | - / 15 |
| 4000-4099 | single commands; with 1 and 0 for a binary set-point | 45, 58 |
| 4100-4119 | double commands | 46, 59 |
| 5000-5099 | set-points, short float; a write also closes the set-point's own switch | 50, 63 |

A prosumer's resource k (1 EV, 2 storage, 3 generation, 4 home) has the same numbers plus 10000 k.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pilotfarm.emulators.quantities import CATALOGUE, number_of, split

RESOURCE_STEP: Final = 10_000
BINARY_MIRROR: Final = 4000 - 1050
SETPOINT_MIRROR: Final = 5000 - 2900
SWITCH_POSITION: Final = 1100
SWITCH_ASKED: Final = 1101

IOA: Final[Mapping[str, int]] = {
    # Single points
    "online": 1000,
    "general_alarm": 1001,
    "fault_trip": 1002,
    "local_mode": 1003,
    "remote_enabled": 1004,
    "running": 1005,
    "sesp_link_lost": 1006,
    "available": 1007,
    "grid_switch_closed": 1008,
    "started": 1009,
    "identified": 1010,
    "authorised": 1011,
    "identification_failed": 1012,
    "vehicle_connected": 1013,
    "overvoltage_protection_started": 1014,
    "overvoltage_protection_operated": 1015,
    "undervoltage_protection_started": 1016,
    "undervoltage_protection_operated": 1017,
    "overfrequency_protection_started": 1018,
    "overfrequency_protection_operated": 1019,
    "temperature_high_alarm": 1020,
    "temperature_low_alarm": 1021,
    "soc_low_alarm": 1022,
    "soc_high_alarm": 1023,
    "underfrequency_protection_started": 1024,
    "underfrequency_protection_operated": 1025,
    "power_failure_alarm": 1030,
    "undervoltage_l1_alarm": 1031,
    "undervoltage_l2_alarm": 1032,
    "undervoltage_l3_alarm": 1033,
    "overvoltage_l1_alarm": 1034,
    "overvoltage_l2_alarm": 1035,
    "overvoltage_l3_alarm": 1036,
    "overcurrent_alarm": 1037,
    "low_power_factor_alarm": 1038,
    "cover_open_alarm": 1039,
    "magnetic_field_alarm": 1040,
    "clock_invalid_alarm": 1041,
    "battery_low_alarm": 1042,
    "relay_open": 1043,
    "communication_lost_alarm": 1044,
    "load_energised": 1045,
    "limiter_alarm": 1046,
    # Electrical measurements
    "active_power_w": 2000,
    "reactive_power_var": 2001,
    "apparent_power_va": 2002,
    "power_factor": 2003,
    "frequency_hz": 2004,
    "voltage_l1_v": 2005,
    "voltage_l2_v": 2006,
    "voltage_l3_v": 2007,
    "voltage_ll_v": 2008,
    "current_l1_a": 2009,
    "current_l2_a": 2010,
    "current_l3_a": 2011,
    "active_power_l1_w": 2012,
    "active_power_l2_w": 2013,
    "active_power_l3_w": 2014,
    "reactive_power_l1_var": 2015,
    "reactive_power_l2_var": 2016,
    "reactive_power_l3_var": 2017,
    # Demands of a meter
    "demand_power_w": 2020,
    "demand_power_max_w": 2021,
    "demand_apparent_power_va": 2022,
    "demand_apparent_power_max_va": 2023,
    "demand_current_l1_a": 2024,
    "demand_current_l2_a": 2025,
    "demand_current_l3_a": 2026,
    "demand_current_neutral_a": 2027,
    "demand_current_max_l1_a": 2028,
    "demand_current_max_l2_a": 2029,
    "demand_current_max_l3_a": 2030,
    "demand_current_max_neutral_a": 2031,
    # EV charging
    "charging_power_w": 2100,
    "charge_power_min_w": 2101,
    "charge_power_max_w": 2102,
    "energy_acceptable_wh": 2103,
    "vehicle_soc_frac": 2104,
    "session_energy_wh": 2105,
    "charge_point_state": 2106,
    "time_to_departure_s": 2107,
    "energy_wanted_wh": 2108,
    "owner_card_id": 2109,
    "session_duration_s": 2140,
    "charging_duration_s": 2141,
    "current_limit_in_force_a": 2142,
    # Storage
    "soc_frac": 2110,
    "soh_frac": 2111,
    "cycle_count": 2112,
    "remaining_life_years": 2113,
    "temperature_degc": 2114,
    "temperature_max_degc": 2115,
    "real_capacity_wh": 2116,
    "charge_rate_w": 2117,
    "charge_rate_frac": 2118,
    "dc_voltage_v": 2119,
    "dc_current_a": 2120,
    "cell_voltage_v": 2123,
    "charge_power_available_w": 2150,
    "discharge_power_available_w": 2151,
    # Generation
    "available_power_w": 2121,
    "available_power_frac": 2122,
    "cabinet_temperature_degc": 2124,
    # Home
    "deferrable_power_w": 2130,
    "deferrable_energy_wh": 2131,
    # Meter
    "interval_energy_imported_wh": 2160,
    "interval_energy_exported_wh": 2161,
    "relay_control_state": 2162,
    "record_count": 2180,
    "record_day": 2181,
    "record_time_s": 2182,
    "record_energy_imported_wh": 2183,
    "record_energy_exported_wh": 2184,
    "record_reactive_energy_imported_varh": 2185,
    "record_reactive_energy_exported_varh": 2186,
    "record_status": 2187,
    "record_event": 2188,
    "record_event_value": 2189,
    "record_event_cause": 2192,
    # Counts
    "sesp_receipts": 2190,
    "event_count": 2191,
    # Time left of modes
    "active_power_limit_reversion_remaining_s": 2170,
    "active_power_setpoint_reversion_remaining_s": 2171,
    "reactive_power_setpoint_reversion_remaining_s": 2172,
    "power_factor_setpoint_reversion_remaining_s": 2173,
    "grid_switch_reversion_remaining_s": 2174,
    "charge_discharge_limits_reversion_remaining_s": 2175,
    # Environment
    "irradiance_horizontal_w_per_m2": 2200,
    "irradiance_plane_w_per_m2": 2201,
    "outside_temperature_degc": 2202,
    "module_temperature_degc": 2203,
    "wind_speed_m_per_s": 2204,
    "wind_direction_deg": 2205,
    "humidity_frac": 2206,
    "pressure_pa": 2207,
    "rain_mm_per_h": 2208,
    "room_temperature_degc": 2210,
    # Nameplate
    "rated_power_w": 2300,
    "rated_charge_power_w": 2301,
    "rated_apparent_power_va": 2302,
    "nominal_voltage_v": 2303,
    "rated_current_a": 2304,
    "rated_energy_wh": 2305,
    "rated_reactive_power_var": 2306,
    "nominal_dc_voltage_v": 2307,
    # Energy registers
    "energy_exported_wh": 3000,
    "energy_imported_wh": 3001,
    "reactive_energy_exported_varh": 3002,
    "reactive_energy_imported_varh": 3003,
    "energy_exported_l1_wh": 3010,
    "energy_exported_l2_wh": 3011,
    "energy_exported_l3_wh": 3012,
    "energy_imported_l1_wh": 3013,
    "energy_imported_l2_wh": 3014,
    "energy_imported_l3_wh": 3015,
    "reactive_energy_exported_l1_varh": 3016,
    "reactive_energy_exported_l2_varh": 3017,
    "reactive_energy_exported_l3_varh": 3018,
    "reactive_energy_imported_l1_varh": 3019,
    "reactive_energy_imported_l2_varh": 3020,
    "reactive_energy_imported_l3_varh": 3021,
    "apparent_energy_l1_vah": 3022,
    "apparent_energy_l2_vah": 3023,
    "apparent_energy_l3_vah": 3024,
    "apparent_energy_vah": 3025,
    "charge_ah": 3026,
    "dc_energy_wh": 3040,
    # Single commands
    "start": 4000,
    "stop": 4001,
    "alarm_reset": 4002,
    "charge_release": 4003,
    "volt_var_enabled": 4010,
    "frequency_support_enabled": 4011,
    "sesp_receipt": 4020,
    "sesp_heartbeat": 4021,
    "identification_clear": 4022,
    "event_clear": 4023,
    "demand_reset": 4024,
    "start_permitted": 4025,
    "stop_permitted": 4026,
    "relay_manual_disconnect": 4027,
    "relay_manual_reconnect": 4028,
    "active_power_setpoint_enabled": 4030,
    "reactive_power_setpoint_enabled": 4031,
    "power_factor_setpoint_enabled": 4032,
    "active_power_limit_enabled": 4033,
    "charge_limit_enabled": 4040,
    "discharge_limit_enabled": 4041,
    "grid_charging_allowed": 4042,
    "active_power_limit_reverted_enabled": 4043,
    "active_power_setpoint_reverted_enabled": 4044,
    "reactive_power_setpoint_reverted_enabled": 4045,
    "power_factor_setpoint_reverted_enabled": 4046,
    # Double command
    "grid_switch": 4100,
    # Set-points
    "active_power_setpoint_w": 5000,
    "reactive_power_setpoint_var": 5001,
    "power_factor_setpoint": 5002,
    "voltage_setpoint_v": 5003,
    "frequency_setpoint_hz": 5004,
    "active_power_limit_frac": 5005,
    "current_limit_a": 5007,
    "sesp_timeout_s": 5008,
    "fallback_current_a": 5009,
    "soc_min_frac": 5010,
    "soc_max_frac": 5011,
    "charging_phases": 5012,
    "session_energy_limit_wh": 5013,
    "active_power_max_w": 5030,
    "demand_period_s": 5014,
    "relay_control_mode": 5015,
    "limiter_threshold_w": 5016,
    "limiter_over_duration_s": 5017,
    "limiter_under_duration_s": 5018,
    "record_kind": 5060,
    "record_selected": 5061,
    "charge_limit_frac": 5020,
    "discharge_limit_frac": 5021,
    "reference_power_w": 5022,
    "charge_ramp_frac_per_s": 5023,
    "discharge_ramp_frac_per_s": 5024,
    # Times of modes, and what they revert to
    "active_power_limit_window_s": 5040,
    "active_power_limit_ramp_s": 5041,
    "active_power_limit_reversion_s": 5042,
    "active_power_limit_reverted_frac": 5043,
    "active_power_setpoint_reversion_s": 5044,
    "active_power_setpoint_reverted_w": 5045,
    "reactive_power_setpoint_reversion_s": 5046,
    "reactive_power_setpoint_reverted_var": 5047,
    "power_factor_setpoint_window_s": 5048,
    "power_factor_setpoint_ramp_s": 5049,
    "power_factor_setpoint_reversion_s": 5050,
    "power_factor_setpoint_reverted": 5051,
    "grid_switch_window_s": 5052,
    "grid_switch_reversion_s": 5053,
    "charge_discharge_limits_window_s": 5054,
    "charge_discharge_limits_ramp_s": 5055,
    "charge_discharge_limits_reversion_s": 5056,
}
"""Quantity -> its address; of a set-point or command the commanded one."""

assert set(IOA) == set(CATALOGUE), f"without a point: {set(CATALOGUE) ^ set(IOA)}"


def address(name: str) -> int:
    """Return the information object address of a quantity, the device's own or a resource's."""
    resource, plain = split(name)
    return IOA[plain] + RESOURCE_STEP * number_of(resource)
