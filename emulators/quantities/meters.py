"""What meters have besides: alarms, intervals and demands, energy by phase, a supply relay with its limiter."""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.quantities.quantity import Quantity, Role, flag

_M, _T, _S, _A = Role.MEASUREMENT, Role.TOTAL, Role.STATE, Role.ALARM
_P, _C = Role.SETPOINT, Role.COMMAND

METER: Final = (
    flag("power_failure_alarm", _A, "No voltage on any phase"),
    flag("undervoltage_l1_alarm", _A, "L1 below 0.90 of nominal (EN 50160)"),
    flag("undervoltage_l2_alarm", _A, "L2 below 0.90 of nominal (EN 50160)"),
    flag("undervoltage_l3_alarm", _A, "L3 below 0.90 of nominal (EN 50160)"),
    flag("overvoltage_l1_alarm", _A, "L1 above 1.10 of nominal (EN 50160)"),
    flag("overvoltage_l2_alarm", _A, "L2 above 1.10 of nominal (EN 50160)"),
    flag("overvoltage_l3_alarm", _A, "L3 above 1.10 of nominal (EN 50160)"),
    flag("overcurrent_alarm", _A, "A phase current above the rated current"),
    flag("low_power_factor_alarm", _A, "Power factor below 0.5 while under load"),
    flag("cover_open_alarm", _A, "The terminal cover was opened"),
    flag("magnetic_field_alarm", _A, "A strong magnetic field was found"),
    flag("clock_invalid_alarm", _A, "The meter's clock is not to be trusted"),
    flag("battery_low_alarm", _A, "The meter's backup battery is low"),
    flag("relay_open", _S, "The supply relay is open: the customer is disconnected"),
    flag("communication_lost_alarm", _A, "The meter cannot reach its concentrator"),
    Quantity("event_count", "1", _S, "How many events the meter has logged", 0.0),
    Quantity("interval_energy_imported_wh", "Wh", _M, "Energy drawn in the last whole 15-minute interval", 0.0),
    Quantity("interval_energy_exported_wh", "Wh", _M, "Energy delivered in the last whole 15-minute interval", 0.0),
    flag("event_clear", _C, "Clear the meter's latched events"),
    Quantity("demand_power_w", "W", _M, "Demand: mean power drawn less delivered in the last whole demand period"),
    Quantity("demand_power_max_w", "W", _M, "Highest demand since the reset"),
    Quantity("demand_apparent_power_va", "VA", _M, "Mean apparent power in the last whole demand period", 0.0),
    Quantity("demand_apparent_power_max_va", "VA", _M, "Highest demand of apparent power since the reset", 0.0),
    *(
        Quantity(f"demand_current{of}_{at.lower()}_a", "A", _M, f"{doc} of the current in {at}", 0.0)
        for of, doc in (("", "Mean in the last whole demand period"), ("_max", "Highest demand since the reset"))
        for at in ("L1", "L2", "L3", "neutral")
    ),
    Quantity("demand_period_s", "s", _P, "Demand period; with 0 the demand is what is now", 0.0, 3_600.0),
    flag("demand_reset", _C, "Forget the highest demands"),
)

BY_PHASE: Final = (
    # What the meter in a device counts besides the sums: a phase may deliver while another draws.
    *(
        Quantity(f"{power}energy_{way}_l{phase}_{unit.lower()}", unit, _T, f"{doc} energy {does} in L{phase}", 0.0)
        for doc, power, unit in (("Active", "", "Wh"), ("Reactive", "reactive_", "varh"))
        for way, does in (("exported", "delivered"), ("imported", "drawn"))
        for phase in (1, 2, 3)
    ),
    *(
        Quantity(f"apparent_energy{of}_vah", "VAh", _T, f"Apparent power{doc} over time", 0.0)
        for of, doc in (("_l1", " in L1"), ("_l2", " in L2"), ("_l3", " in L3"), ("", ""))
    ),
    Quantity("charge_ah", "Ah", _T, "Sum of the phase currents over time", 0.0),
)

RELAY: Final = (
    Quantity(
        "relay_control_state",
        "enum",
        _S,
        "Supply relay (IEC 62056-6-2, class 70): 0 disconnected, 1 connected, 2 ready for reconnection",
        0.0,
        2.0,
    ),
    flag("load_energised", _S, "There is voltage on the customer's side of the supply relay"),
    Quantity(
        "relay_control_mode",
        "enum",
        _P,
        "Who may open and close the supply relay: control mode of IEC 62056-6-2, class 70",
        0.0,
        6.0,
    ),
    flag("relay_manual_disconnect", _C, "The customer opens the supply relay at the meter", on_site=True),
    flag(
        "relay_manual_reconnect",
        _C,
        "The customer presses the meter's button: a relay that is ready for it closes",
        on_site=True,
    ),
    flag("limiter_alarm", _A, "The limiter has opened the supply relay, which has not been closed since"),
    Quantity(
        "limiter_threshold_w",
        "W",
        _P,
        "Power drawn above which the limiter (IEC 62056-6-2, class 71) opens the supply relay; 0 is no limit",
        0.0,
        1e7,
    ),
    Quantity(
        "limiter_over_duration_s",
        "s",
        _P,
        "How long it must be above the threshold for the relay to open",
        0.0,
        86_400.0,
    ),
    Quantity(
        "limiter_under_duration_s",
        "s",
        _P,
        "How long it must be below the threshold for the relay to close by itself, in modes that let it",
        0.0,
        86_400.0,
    ),
)

RECORDS: Final = (
    # A window to a meter's memory, which a master moves
    Quantity("record_kind", "enum", _P, "Which memory is read: 0 load profile, 1 daily profile, 2 event log", 0.0, 2.0),
    Quantity(
        "record_selected", "enum", _P, "Which record is shown: 1 the newest, 2 the one before; 0 is none", 0.0, 5_760.0
    ),
    Quantity("record_count", "1", _S, "How many records that memory holds, while one is selected", 0.0),
    Quantity("record_day", "1", _S, "Days from 1970-01-01 to the end of the record, UTC", 0.0),
    Quantity("record_time_s", "s", _S, "Time of day at the end of the record, UTC", 0.0, 86_400.0),
    Quantity("record_energy_imported_wh", "Wh", _S, "Active energy drawn in the interval, or that register", 0.0),
    Quantity("record_energy_exported_wh", "Wh", _S, "Active energy delivered in the interval, or that register", 0.0),
    Quantity(
        "record_reactive_energy_imported_varh",
        "varh",
        _S,
        "Reactive energy drawn in the interval, or that register",
        0.0,
    ),
    Quantity(
        "record_reactive_energy_exported_varh",
        "varh",
        _S,
        "Reactive energy delivered in the interval, or that register",
        0.0,
    ),
    Quantity(
        "record_status",
        "1",
        _S,
        "What was the matter in the interval: 1 power failure, 2 clock invalid, 4 relay open, 8 tampered, added up",
        0.0,
        15.0,
    ),
    Quantity("record_event", "enum", _S, "What the logged event is about, by its code", 0.0, 255.0),
    Quantity("record_event_value", "enum", _S, "What it became: of an alarm 1 it began, 0 it ended", 0.0, 2.0),
    Quantity(
        "record_event_cause", "enum", _S, "Who moved the relay: 1 remote, 2 manual, 3 local; 0 is nobody", 0.0, 3.0
    ),
)
