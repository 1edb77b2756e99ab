"""The catalogue: every quantity of every kind of device."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.quantities import meters, modes
from pilotfarm.emulators.quantities.quantity import Quantity, Role, flag

_M, _T, _S, _A = Role.MEASUREMENT, Role.TOTAL, Role.STATE, Role.ALARM
_R, _P, _C = Role.RATING, Role.SETPOINT, Role.COMMAND


def _run(name: str, doc: str, puts: float) -> Quantity:
    return Quantity(name, "bool", _C, doc, 0.0, 1.0, puts=("started", puts), permitted_by=f"{name}_permitted")


_COMMON: Final = (
    # States and alarms every device has
    flag("online", _S, "The device runs and answers its master"),
    flag("general_alarm", _A, "At least one alarm stands"),
    flag(
        "fault_trip",
        _A,
        "A fault has switched the device off: its own until an alarm reset, the grid's until the grid is good again",
    ),
    flag("local_mode", _S, "Operated on site; remote set-points are not followed"),
    flag("remote_enabled", _S, "Remote set-points are followed: identified, available, not local"),
    flag("running", _S, "Started and energised"),
    flag("started", _S, "Asked to run: by the last start or stop it followed"),
    flag("available", _S, "Ready for service: not tripped, not stopped"),
    flag("grid_switch_closed", _S, "The switch at the connection point is closed"),
    flag("sesp_link_lost", _A, "Nothing heard from the SESP for longer than its timeout; the fallback is in force"),
    flag("identified", _S, "The device's, or at a charging point the owner's, identification was accepted"),
    flag("identification_failed", _A, "No valid identification: refused"),
    Quantity("sesp_receipts", "1", _S, "How many times the SESP notified that it received the information", 0.0),
    # Electrical state variables at the connection point
    Quantity("active_power_w", "W", _M, "Active power at the connection point, all phases together"),
    Quantity("reactive_power_var", "var", _M, "Reactive power; plus is delivered (over-excited)"),
    Quantity("apparent_power_va", "VA", _M, "Apparent power at the connection point, all phases together", 0.0),
    Quantity("power_factor", "1", _M, "Active over apparent power, signed as the active power", -1.0, 1.0),
    Quantity("frequency_hz", "Hz", _M, "Frequency of the grid at the connection point", 0.0),
    Quantity("voltage_l1_v", "V", _M, "Voltage L1 to neutral, r.m.s.", 0.0),
    Quantity("voltage_l2_v", "V", _M, "Voltage L2 to neutral, r.m.s.", 0.0),
    Quantity("voltage_l3_v", "V", _M, "Voltage L3 to neutral, r.m.s.", 0.0),
    Quantity("voltage_ll_v", "V", _M, "Mean of the line-to-line voltages", 0.0),
    Quantity("current_l1_a", "A", _M, "Current L1, r.m.s.", 0.0),
    Quantity("current_l2_a", "A", _M, "Current L2, r.m.s.", 0.0),
    Quantity("current_l3_a", "A", _M, "Current L3, r.m.s.", 0.0),
    Quantity("active_power_l1_w", "W", _M, "Part of the active power that flows in L1"),
    Quantity("active_power_l2_w", "W", _M, "Part of the active power that flows in L2"),
    Quantity("active_power_l3_w", "W", _M, "Part of the active power that flows in L3"),
    Quantity("reactive_power_l1_var", "var", _M, "Part of the reactive power that flows in L1"),
    Quantity("reactive_power_l2_var", "var", _M, "Part of the reactive power that flows in L2"),
    Quantity("reactive_power_l3_var", "var", _M, "Part of the reactive power that flows in L3"),
    Quantity("energy_exported_wh", "Wh", _T, "Active energy delivered to the grid (A-)", 0.0),
    Quantity("energy_imported_wh", "Wh", _T, "Active energy drawn from the grid (A+)", 0.0),
    Quantity("reactive_energy_exported_varh", "varh", _T, "Reactive energy delivered (R-)", 0.0),
    Quantity("reactive_energy_imported_varh", "varh", _T, "Reactive energy drawn (R+)", 0.0),
    # Nameplate
    Quantity("rated_power_w", "W", _R, "Rated active power to the grid; 0 if the device cannot deliver", 0.0),
    Quantity("rated_charge_power_w", "W", _R, "Rated active power from the grid", 0.0),
    Quantity(
        "rated_apparent_power_va",
        "VA",
        _R,
        "Rated apparent power, of the inverter or the main fuse",
        0.0,
    ),
    Quantity("nominal_voltage_v", "V", _R, "Nominal voltage of the connection, line to neutral", 0.0),
    # Commands
    _run("start", "Start: energise and follow set-points", 1.0),
    _run("stop", "Stop: cease to energise", 0.0),
    flag("start_permitted", _P, "It may start: on command, and by itself once the grid is good again"),
    flag("stop_permitted", _P, "It may be stopped on command"),
    flag("alarm_reset", _C, "Reset latched alarms and trips whose cause is gone"),
    flag("grid_switch", _P, "Position asked of the switch at the connection point: 1 closed, 0 open"),
    flag("identification_clear", _C, "Accept the identification again: clears the failure"),
    flag("sesp_receipt", _C, "The SESP notifies that it has received the information"),
    flag("sesp_heartbeat", _C, "A sign of life from the SESP: restarts the link's timeout"),
    Quantity(
        "sesp_timeout_s", "s", _P, "Silence of the SESP after which its link counts as lost; 0 is never", 0.0, 604_800.0
    ),
)

_SUPPORT: Final = (
    # What the SESP may ask of a controllable device
    Quantity("active_power_setpoint_w", "W", _P, "Active power asked for", enables="active_power_setpoint_enabled"),
    flag("active_power_setpoint_enabled", _P, "Follow the active power set-point"),
    Quantity(
        "reactive_power_setpoint_var", "var", _P, "Reactive power asked for", enables="reactive_power_setpoint_enabled"
    ),
    flag("reactive_power_setpoint_enabled", _P, "Follow the reactive power set-point"),
    Quantity(
        "power_factor_setpoint",
        "1",
        _P,
        "Power factor asked for; minus is under-excited (draws vars)",
        -1.0,
        1.0,
        "power_factor_setpoint_enabled",
    ),
    flag(
        "power_factor_setpoint_enabled",
        _P,
        "Follow the power factor set-point; the reactive power set-point goes first",
    ),
    Quantity(
        "active_power_limit_frac",
        "1",
        _P,
        "Maximum active power to the grid, as a share of the rated power or of the maximum set",
        0.0,
        1.0,
        "active_power_limit_enabled",
    ),
    flag("active_power_limit_enabled", _P, "Keep to the active power limit; at 0 it is not in force"),
    Quantity("voltage_setpoint_v", "V", _P, "Reference voltage of voltage support, line to neutral", 0.0, 1_000.0),
    flag("volt_var_enabled", _P, "Maintain the voltage: reactive power by voltage"),
    Quantity("frequency_setpoint_hz", "Hz", _P, "Reference frequency of frequency support", 45.0, 66.0),
    flag("frequency_support_enabled", _P, "Maintain the frequency: active power by frequency"),
)

_INVERTER: Final = (
    # What a device behind an inverter of its own has besides
    Quantity(
        "active_power_max_w", "W", _P, "Setting of the maximum active power to the grid; a limit is a share of it", 0.0
    ),
    Quantity("rated_reactive_power_var", "var", _R, "Rated reactive power, delivered and drawn", 0.0),
)

_PROTECTION: Final = tuple(
    flag(f"{name}_protection_{what}", role, doc.format(side))
    for name, side in (
        ("overvoltage", "Voltage above its limit"),
        ("undervoltage", "Voltage below its limit"),
        ("overfrequency", "Frequency above its limit"),
        ("underfrequency", "Frequency below its limit"),
    )
    for what, role, doc in (
        ("started", _S, "{} of the grid code's protection, whether its time is over or not"),
        ("operated", _A, "{} for its time: off until the grid is good again"),
    )
)

_EV: Final = (
    Quantity("charging_power_w", "W", _M, "Power into the vehicle; 0 while it discharges", 0.0),
    Quantity(
        "charge_power_min_w", "W", _M, "Charging range: minimum power into the vehicle now; minus is discharge (V2G)"
    ),
    Quantity("charge_power_max_w", "W", _M, "Charging range: maximum power into the vehicle now", 0.0),
    Quantity("energy_acceptable_wh", "Wh", _M, "Charging range: energy the vehicle can still take", 0.0),
    Quantity("vehicle_soc_frac", "1", _M, "State of charge of the vehicle; 0 without one", 0.0, 1.0),
    Quantity("session_energy_wh", "Wh", _M, "Net energy into the vehicle in this session"),
    Quantity("charge_point_state", "enum", _S, "IEC 61851-1 state: 0 A, 1 B, 2 C, 3 D, 4 E, 5 F", 0.0, 5.0),
    flag("vehicle_connected", _S, "A vehicle is plugged in"),
    flag("authorised", _S, "The session may charge: owner identified and released by the SESP"),
    Quantity("owner_card_id", "1", _S, "Number of the card last shown; 0 is none", 0.0, 16_777_215.0),
    Quantity("time_to_departure_s", "s", _M, "Time until the owner wants to leave", 0.0),
    Quantity("energy_wanted_wh", "Wh", _M, "Energy the owner asked for at the dashboard and has not got yet", 0.0),
    Quantity("session_duration_s", "s", _M, "How long the vehicle has been connected", 0.0),
    Quantity("charging_duration_s", "s", _M, "How long the vehicle has been charging", 0.0),
    Quantity("current_limit_in_force_a", "A", _M, "Current the charging point offers the vehicle now", 0.0),
    Quantity("rated_current_a", "A", _R, "Rated current a phase", 0.0),
    Quantity("rated_energy_wh", "Wh", _R, "Energy capacity, new", 0.0),
    flag("charge_release", _P, "The SESP releases the charging point"),
    Quantity("current_limit_a", "A", _P, "Maximum current a phase", 0.0, 600.0),
    Quantity("fallback_current_a", "A", _P, "Maximum current a phase while the SESP's link is lost", 0.0, 600.0),
    Quantity(
        "session_energy_limit_wh", "Wh", _P, "Net energy into the vehicle at which a session ends; 0 is none", 0.0, 1e6
    ),
    Quantity("charging_phases", "1", _P, "Phases to charge on: 1, or 3 where vehicle and point have them", 1.0, 3.0),
)

_BATTERY: Final = (
    Quantity("soc_frac", "1", _M, "State of charge: what is left over what the cells can hold now", 0.0, 1.0),
    Quantity("soh_frac", "1", _M, "State of health: real over nameplate capacity", 0.0, 1.0),
    Quantity("cycle_count", "1", _M, "Full equivalent cycles so far", 0.0),
    Quantity("remaining_life_years", "a", _M, "Time until the state of health reaches 80 %", 0.0),
    Quantity("temperature_degc", "degC", _M, "Mean temperature of the cells"),
    Quantity("temperature_max_degc", "degC", _M, "Temperature of the hottest cell"),
    Quantity("real_capacity_wh", "Wh", _M, "Energy capacity now: nameplate times state of health", 0.0),
    Quantity("charge_rate_w", "W", _M, "DC power of the cells; plus discharges"),
    Quantity("charge_rate_frac", "1", _M, "DC power over the rated power of its direction; plus discharges"),
    Quantity("dc_voltage_v", "V", _M, "DC voltage at the inverter: of all cells or modules in series", 0.0),
    Quantity("dc_current_a", "A", _M, "DC current; plus is power towards the grid"),
    Quantity("nominal_dc_voltage_v", "V", _R, "Nominal DC voltage, of all cells or modules in series", 0.0),
    Quantity("cell_voltage_v", "V", _M, "Mean voltage of a cell", 0.0),
    Quantity("charge_power_available_w", "W", _M, "Maximum power it could draw now", 0.0),
    Quantity("discharge_power_available_w", "W", _M, "Maximum power it could deliver now", 0.0),
    Quantity("soc_min_frac", "1", _P, "Lowest state of charge to discharge to", 0.0, 1.0),
    Quantity("soc_max_frac", "1", _P, "Highest state of charge to charge to", 0.0, 1.0),
    Quantity(
        "charge_limit_frac",
        "1",
        _P,
        "Maximum charge power, as a share of the reference power; minus is a minimum discharge power",
        -1.0,
        1.0,
        "charge_limit_enabled",
    ),
    flag("charge_limit_enabled", _P, "Keep to the charge limit; at 0 it is not in force"),
    Quantity(
        "discharge_limit_frac",
        "1",
        _P,
        "Maximum discharge power, as a share of the reference power; minus is a minimum charge power",
        -1.0,
        1.0,
        "discharge_limit_enabled",
    ),
    flag("discharge_limit_enabled", _P, "Keep to the discharge limit; at 0 it is not in force"),
    flag("grid_charging_allowed", _P, "Charge from the grid too, not only from PV behind the same connection point"),
    Quantity(
        "reference_power_w",
        "W",
        _P,
        "Maximum charge power as set, and what the charge and discharge limits are shares of",
        0.0,
    ),
    Quantity("charge_ramp_frac_per_s", "1/s", _P, "Maximum change towards charge, over the reference power", 0.0),
    Quantity("discharge_ramp_frac_per_s", "1/s", _P, "Maximum change towards discharge, over the reference power", 0.0),
    *modes.OF_STORAGE,
    flag("temperature_high_alarm", _A, "Cells too hot"),
    flag("temperature_low_alarm", _A, "Cells too cold to charge"),
    flag("soc_low_alarm", _A, "At or below the lowest state of charge"),
    flag("soc_high_alarm", _A, "At or above the highest state of charge"),
)

_PV: Final = (
    Quantity("available_power_w", "W", _M, "Power the sun would give now without a limit", 0.0),
    Quantity(
        "available_power_frac", "1", _M, "Generation capacity over the maximum: available over rated power", 0.0, 1.0
    ),
    Quantity("dc_energy_wh", "Wh", _T, "Energy that came from the modules (DC)", 0.0),
    Quantity("cabinet_temperature_degc", "degC", _M, "Temperature in the inverter's cabinet"),
    Quantity("irradiance_horizontal_w_per_m2", "W/m2", _M, "Global horizontal irradiance", 0.0),
    Quantity("irradiance_plane_w_per_m2", "W/m2", _M, "Irradiance in the plane of the modules", 0.0),
    Quantity("outside_temperature_degc", "degC", _M, "Outside air temperature"),
    Quantity("module_temperature_degc", "degC", _M, "Temperature of the modules"),
    Quantity("wind_speed_m_per_s", "m/s", _M, "Wind speed at the site", 0.0),
    Quantity("wind_direction_deg", "deg", _M, "Direction the wind comes from, from north over east", 0.0, 360.0),
    Quantity("humidity_frac", "1", _M, "Relative humidity of the outside air", 0.0, 1.0),
    Quantity("pressure_pa", "Pa", _M, "Air pressure at the height of the site", 0.0),
    Quantity("rain_mm_per_h", "mm/h", _M, "Rate at which rain falls", 0.0),
)

_HOME: Final = (
    Quantity("room_temperature_degc", "degC", _M, "Temperature of the room air that the thermostat sees"),
    Quantity("deferrable_power_w", "W", _M, "Capacity of deferrable loads: power that could be shifted now", 0.0),
    Quantity("deferrable_energy_wh", "Wh", _M, "Capacity of deferrable loads: energy that waits to be drawn", 0.0),
)

PARTS: Final[dict[str, tuple[Quantity, ...]]] = {
    "Every device": _COMMON,
    "What follows set-points": _SUPPORT,
    "Behind an inverter": _INVERTER,
    "Modes that take a time or revert": modes.QUANTITIES,
    "Grid protection": _PROTECTION,
    "Charging points": _EV,
    "Batteries": _BATTERY,
    "PV and weather": _PV,
    "Meters": meters.METER,
    "Homes": _HOME,
    "Energy by phase": meters.BY_PHASE,
    "Supply relays": meters.RELAY,
    "Records of meters": meters.RECORDS,
}
"""The catalogue by what it is about."""

CATALOGUE: Final[dict[str, Quantity]] = {quantity.name: quantity for part in PARTS.values() for quantity in part}
assert len(CATALOGUE) == sum(map(len, PARTS.values())), "a quantity is defined twice"
assert all(q.puts[0] in CATALOGUE for q in CATALOGUE.values() if q.puts)
assert all(each in CATALOGUE for q in CATALOGUE.values() for each in (q.enables, q.permitted_by) if each)

COMMON: Final = tuple(q.name for q in _COMMON)
"""What every device has."""
SUPPORT: Final = tuple(q.name for q in (*_SUPPORT, *modes.QUANTITIES))
"""What every controllable device has besides."""
INVERTER: Final = tuple(q.name for q in _INVERTER)
"""What a device behind an inverter has besides those."""
RELAY: Final = tuple(q.name for q in meters.RELAY)
"""What a meter with a supply relay has."""
RECORDS: Final = tuple(q.name for q in meters.RECORDS)
"""What a meter with a memory shows of it."""
METERING: Final = tuple(q.name for q in meters.BY_PHASE)
"""What a device with a meter of its own counts besides, by phase among others."""
PROTECTION: Final = tuple(q.name for q in _PROTECTION)
"""What every device behind an inverter of its own has besides."""
CONNECTION_POINT: Final = tuple(q.name for q in _COMMON if q.role in (Role.MEASUREMENT, Role.TOTAL))
"""The electrical state variables and energy registers of a connection point."""
