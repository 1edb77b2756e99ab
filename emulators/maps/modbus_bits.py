"""Discrete inputs and coils, the same numbers on every device: only ever append."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.quantities import CATALOGUE, Role

DISCRETES: Final = (
    "online",
    "general_alarm",
    "fault_trip",
    "local_mode",
    "remote_enabled",
    "running",
    "available",
    "grid_switch_closed",
    "sesp_link_lost",
    "identified",
    "identification_failed",
    "vehicle_connected",
    "authorised",
    "temperature_high_alarm",
    "temperature_low_alarm",
    "soc_low_alarm",
    "soc_high_alarm",
    "power_failure_alarm",
    "undervoltage_l1_alarm",
    "undervoltage_l2_alarm",
    "undervoltage_l3_alarm",
    "overvoltage_l1_alarm",
    "overvoltage_l2_alarm",
    "overvoltage_l3_alarm",
    "overcurrent_alarm",
    "low_power_factor_alarm",
    "cover_open_alarm",
    "magnetic_field_alarm",
    "clock_invalid_alarm",
    "battery_low_alarm",
    "relay_open",
    "communication_lost_alarm",
    "started",
    "overvoltage_protection_started",
    "overvoltage_protection_operated",
    "undervoltage_protection_started",
    "undervoltage_protection_operated",
    "overfrequency_protection_started",
    "overfrequency_protection_operated",
    "underfrequency_protection_started",
    "underfrequency_protection_operated",
    "load_energised",
    "limiter_alarm",
)
"""Binary state or alarm of discrete input 0, 1, 2 ..."""

COILS: Final = (
    "start",
    "stop",
    "alarm_reset",
    "grid_switch",
    "identification_clear",
    "sesp_receipt",
    "sesp_heartbeat",
    "active_power_setpoint_enabled",
    "reactive_power_setpoint_enabled",
    "power_factor_setpoint_enabled",
    "active_power_limit_enabled",
    "volt_var_enabled",
    "frequency_support_enabled",
    "charge_release",
    "event_clear",
    "active_power_limit_reverted_enabled",
    "active_power_setpoint_reverted_enabled",
    "reactive_power_setpoint_reverted_enabled",
    "power_factor_setpoint_reverted_enabled",
    "charge_limit_enabled",
    "discharge_limit_enabled",
    "grid_charging_allowed",
    "demand_reset",
    "start_permitted",
    "stop_permitted",
    "relay_manual_disconnect",
    "relay_manual_reconnect",
)
"""Binary command or set-point of coil 0, 1, 2 ..."""

_BINARY: Final = [quantity for quantity in CATALOGUE.values() if quantity.is_binary]
assert {q.name for q in _BINARY if q.role in (Role.STATE, Role.ALARM)} == set(DISCRETES), "discrete inputs"
assert {q.name for q in _BINARY if q.writable} == set(COILS), "coils"
