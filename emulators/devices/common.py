"""What every device kind shares: its start, its life cycle, its connection point, its link to the SESP.

A kind's ``step`` runs ``life_cycle`` first, then its own physics, then ``at_connection`` with the power
it came to, and ends with ``end_step``. Every function returns new columns and changes none it was given;
a column that did not change stays the same array, so a column is copied before it is written to.

Columns used here that are no quantity's: ``sesp_silence_s`` (seconds since the SESP was heard), ``sesp_heard``
(1.0 in the step that takes a remote write) and ``share_l1`` to ``share_l3`` (each phase's share of the power).
``support.with_inverter`` adds those of the inverter.

Two things trip a device behind an inverter, and ``fault_trip`` and ``available`` show both. A fault of its own
(``own_trip``) stays until ``alarm_reset`` comes with its cause gone. Its grid protection (``grid_trip``) is
not to be reset: it brings the device back by itself once the grid has been good for as long as the grid code
says. Protection watches at all times whatever can deliver power, whoever switched support on or off. A device
fault may keep it tripped too (``faulty``), for as long as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, everything, flags, is_nothing, nothing
from pilotfarm.emulators.contracts.clock import DRIFT_MAX_PPM
from pilotfarm.emulators.contracts.device import Effect, Rating
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import easing, faulty, metering, support
from pilotfarm.emulators.quantities import CATALOGUE, Role

Switched: TypeAlias = Callable[[Columns, Bools | None, float], Floats]

COMMANDS: Final = tuple(q.name for q in CATALOGUE.values() if q.role is Role.COMMAND)
ALARMS: Final = tuple(q.name for q in CATALOGUE.values() if q.role is Role.ALARM and q.name != "general_alarm")

COMMON_RATINGS: Final = (
    Rating("nominal_voltage_v", "V", 230.0, 50.0, 1_000.0, "Nominal voltage, line to neutral"),
    Rating("phases", "1", 3.0, 1.0, 3.0, "Phases it is connected to: 1 or 3", only=(1.0, 3.0)),
    Rating(
        "phase",
        "1",
        {"choice": [0, 1, 2]},
        0.0,
        2.0,
        "Which phase a single-phase device is on: 0, 1 or 2",
        only=(0.0, 1.0, 2.0),
    ),
    Rating("sesp_timeout_s", "s", 0.0, 0.0, 604_800.0, "Silence after which the SESP's link is lost; 0 is never"),
    Rating("invalid_credential", "bool", 0.0, 0.0, 1.0, "1: the device's identification is not valid and is refused"),
    Rating("clock_drift_ppm", "ppm", 0.0, -DRIFT_MAX_PPM, DRIFT_MAX_PPM, "Drift of its clock; plus gains time"),
)

SET_POINT_ITEMS: Final = (
    "active_power_setpoint_w",
    "active_power_setpoint_enabled",
    "reactive_power_setpoint_var",
    "reactive_power_setpoint_enabled",
    "power_factor_setpoint",
    "power_factor_setpoint_enabled",
    "active_power_limit_frac",
    "active_power_limit_enabled",
    "voltage_setpoint_v",
    "volt_var_enabled",
    "frequency_setpoint_hz",
    "frequency_support_enabled",
)
COMMAND_ITEMS: Final = (
    *("start", "stop", "start_permitted", "stop_permitted"),
    "alarm_reset",
    "grid_switch",
    "identification_clear",
    "sesp_receipt",
    "sesp_heartbeat",
    "sesp_timeout_s",
)
EXCEPTIONS: Final = {
    "no valid identification": ("identified", "identification_failed", "remote_enabled"),
    "no communications with the SESP": ("sesp_link_lost", "remote_enabled"),
}
WITH_ANY_COMMAND: Final = {"sesp_heard": 1.0}
FOLLOWS: Final = {
    "start": Effect("running"),
    "stop": Effect("running", inverted=True),
    "grid_switch": Effect("grid_switch_closed"),
    "reactive_power_setpoint_var": Effect("reactive_power_var"),
}

_BEGIN_AT_1: Final = (
    "online",
    "running",
    "started",
    "available",
    "remote_enabled",
    "grid_switch_closed",
    "grid_switch",
    *("start_permitted", "stop_permitted"),
    "power_factor",
    "power_factor_setpoint",
    "active_power_limit_frac",
    "active_power_limit_reverted_frac",
    "power_factor_setpoint_reverted",
    "charge_limit_frac",
    "discharge_limit_frac",
)
DEAD_FRAC: Final = 0.2
"""Below this share of the nominal voltage a connection point is dead: nothing runs on it."""


def initial_columns(names: Iterable[str], ratings: Columns, n: int) -> Columns:
    """Build the columns of ``n`` devices at the start: connected, started, at nominal voltage, at 0 W.

    Parameters
    ----------
    names : names of the kind's quantities
        Each gets an array, which equal columns may share: 0, or the value of a healthy idle device.
    ratings : one array ``(n,)`` for each rating of the kind, ``COMMON_RATINGS`` among them
        Copied in under their own names; a rating that is a quantity becomes its value.
    """
    columns: Columns = {name: np.zeros(n) for name in (*names, "sesp_silence_s", "sesp_heard")} | faulty.at_rest(n)
    columns.update(dict.fromkeys((name for name in _BEGIN_AT_1 if name in columns), np.ones(n)))
    columns.update({name: np.array(values, dtype=np.float64) for name, values in ratings.items()})
    nominal = columns["nominal_voltage_v"]
    for name in ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "voltage_setpoint_v"):
        if name in columns:
            columns[name] = nominal.copy()
    if "grid_switch_window_s" in columns:
        for name in ("grid_switch", "active_power_limit"):
            columns |= easing.at_rest(name, everything(n))
        columns |= easing.at_rest("power_factor_setpoint", nothing(n))
    columns["voltage_ll_v"] = nominal * np.sqrt(3.0)
    for name in ("frequency_hz", "frequency_setpoint_hz"):
        if name in columns:
            columns[name] = np.full(n, 50.0)
    for index in range(3):
        alone = (columns["phase"] == index).astype(np.float64)
        columns[f"share_l{index + 1}"] = np.where(columns["phases"] >= 2.0, 1.0 / 3.0, alone)
    failed = columns["invalid_credential"] > 0.0
    columns["identification_failed"] = failed.astype(np.float64)
    columns["identified"] = (~failed).astype(np.float64)
    columns["remote_enabled"] = columns["identified"].copy()
    columns["general_alarm"] = columns["identification_failed"].copy()
    return columns


def phase_shares(columns: Columns) -> Floats:
    """Return each phase's share of the power ``(3, n)``."""
    return np.array([columns[f"share_l{phase}"] for phase in (1, 2, 3)])


def connection_power_w(columns: Columns, current_a: Floats) -> Floats:
    """Return the power of a current on every phase of the connection, at nominal voltage. [W]"""
    phase_count = np.where(columns["phases"] >= 2.0, 3.0, 1.0)
    power_w: Floats = phase_count * columns["nominal_voltage_v"] * current_a
    return power_w


def no_most(ratings: Columns) -> Floats:
    """Return that devices bound a value in no way, ``(n,)``."""
    return np.full(len(ratings["phases"]), np.inf)


def voltage_at(columns: Columns, voltage_v: Floats) -> Floats:
    """Return the voltage at the device, line to neutral [V]: of its phase, or the mean of its three."""
    seen: Floats = columns["share_l1"] * voltage_v[0]
    seen += columns["share_l2"] * voltage_v[1]
    seen += columns["share_l3"] * voltage_v[2]
    return seen


def life_cycle(
    columns: Columns,
    surroundings: Surroundings,
    dt_s: float,
    *,
    trip_cause: Bools | None = None,
    keeps_off: Floats | None = None,
    switched: Switched = faulty.switched,
) -> Columns:
    """Follow commands, switch, identification and the SESP's link through one step.

    ``stop`` goes before ``start``. A trip of its own stays until ``alarm_reset`` comes with its cause gone;
    one of the grid protection ends by itself. Start, stop, reset and switch are followed only from an
    identified SESP and not in local mode; the identification holds unless refused, until
    ``identification_clear``. With the link lost they keep their positions, ``remote_enabled`` falls, and the
    kind applies its fallback; when the SESP is heard again the set-points are followed again.

    Parameters
    ----------
    trip_cause : (n,) bool, optional
        Where a reason to trip stands now.
    keeps_off : (n,), optional
        1 where a fault keeps it tripped, and is not to be reset.
    switched : function, optional
        Of the step's own columns, of where the SESP's commands are followed, and of the length of the step: returns
        where the switch at the connection point is closed.

    Returns
    -------
    Columns
        All columns, with states, alarms and the link brought up to the end of the step. The command
        columns still hold their pulses until ``end_step``.
    """
    new, n = dict(columns), len(columns["started"])
    none = nothing(n)
    identified = faulty.identify(new)
    _update_link(new, dt_s)
    obeys = _obeys(columns, identified)
    closed_now = switched(new, obeys, dt_s)
    seen = voltage_at(columns, surroundings.voltage_v)
    trip = own_trip = _own_trip(columns, obeys, faulty.locked_out(columns, trip_cause))
    if "grid_trip" in columns:
        new["own_trip"] = own_trip
        support.watch(new, surroundings, seen, dt_s)
        if new["grid_trip"] is not none:
            trip = flags((own_trip > 0.0) | (new["grid_trip"] > 0.0))
    trip = faulty.tripped(new, trip, own_trip, keeps_off)
    if columns["start"] is not none or columns["stop"] is not none:
        started = columns["started"] > 0.0
        started |= _followed(columns["start"], obeys)
        started &= ~_followed(columns["stop"], obeys)
        new["started"] = started.astype(np.float64)
    # Where nothing stands against it, a state is the one it rests on, and the same array.
    available = new["started"] if trip is none else new["started"] * (trip == 0.0)
    if columns.get("booting", none) is not none:
        available = available * (columns["booting"] == 0.0)
    dead_v = DEAD_FRAC * columns["nominal_voltage_v"]
    dead = surroundings.mains.lowest_v <= dead_v
    if anywhere(dead):
        # A device of three phases needs them all; a connection point is dead with the last of its own.
        one_will_do = columns["single_phase"] > 0.0 if "single_phase" in columns else True
        dead = np.where(one_will_do, seen <= dead_v, dead)
    if closed_now is not everything(n):
        dead |= closed_now <= 0.0
    new["identified"] = everything(n) if identified is None else identified.astype(np.float64)
    if "active_power_limit_frac" in new:
        support.limit(new, dt_s)
    new["grid_switch_closed"] = closed_now
    new["fault_trip"] = trip
    new["available"] = available
    new["running"] = available * ~dead if anywhere(dead) else available
    new["remote_enabled"] = available
    if obeys is not None:
        new["remote_enabled"] = available * obeys
    if new["sesp_link_lost"] is not none:
        new["remote_enabled"] = new["remote_enabled"] * (new["sesp_link_lost"] == 0.0)
    return new


def _obeys(columns: Columns, identified: Bools | None) -> Bools | None:
    """Return where the SESP's commands are followed; ``None`` stands for everywhere, in ``identified`` too."""
    local = columns["local_mode"]
    if local is nothing(len(local)):
        obeys = identified
    else:
        obeys = local == 0.0 if identified is None else identified & (local == 0.0)
    return None if obeys is None or not anywhere(~obeys) else obeys


def _followed(command: Floats, obeys: Bools | None) -> Bools:
    """Return where a command is set and followed."""
    stands = command > 0.0
    return stands if obeys is None else stands & obeys


def _own_trip(columns: Columns, obeys: Bools | None, trip_cause: Bools | None) -> Floats:
    """Return 1.0 where a device is off by a fault of its own, which stays until it is reset with its cause gone."""
    none = nothing(len(columns["fault_trip"]))
    was_own, was_any = columns.get("own_trip", none), columns["fault_trip"]
    caused = trip_cause is not None and anywhere(trip_cause)
    if was_own is none and was_any is none and not caused:
        return none
    tripped = was_any > columns["tripped_meanwhile"]
    if "grid_trip" in columns:
        tripped &= columns["grid_trip"] == 0.0
        tripped |= was_own > 0.0
    tripped &= ~_followed(columns["alarm_reset"], obeys)
    if trip_cause is not None:
        tripped |= trip_cause
    return flags(tripped)


def _update_link(new: Columns, dt_s: float) -> None:
    """Update the watchdog of the SESP's link and the receipts, in the step's own columns."""
    silence, timeout = new["sesp_silence_s"] + dt_s, new["sesp_timeout_s"]
    heard = sesp_heard(new)
    none = nothing(len(silence))
    if heard is not none:
        silence = np.where(heard > 0.0, 0.0, silence)
        new["sesp_receipts"] = new["sesp_receipts"] + new["sesp_receipt"]
    new["sesp_silence_s"] = silence
    new["sesp_link_lost"] = none if timeout is none else flags((timeout > 0.0) & (silence > timeout))


def sesp_heard(columns: Columns) -> Floats:
    """Return more than 0 where the SESP was heard in this step, ``nothing`` if it was nowhere."""
    ways = [columns[name] for name in ("sesp_heard", "sesp_heartbeat", "sesp_receipt")]
    return nothing(len(ways[0])) if is_nothing(*ways) else ways[0] + ways[1] + ways[2]


def at_connection(
    columns: Columns, surroundings: Surroundings, active_w: Floats, reactive_var: Floats, dt_s: float
) -> Columns:
    """Show a power at the connection point: phases, currents, power factor, energy registers.

    Power is constant over the step and spread evenly over the device's phases. Without load the power
    factor is 1. ``active_w`` and ``reactive_var`` have shape ``(n,)``, plus to the grid.
    """
    new = dict(columns)
    none = nothing(len(active_w))
    if reactive_var is not none and not anywhere(reactive_var):
        reactive_var = none
    apparent = np.abs(active_w) if reactive_var is none else np.sqrt(active_w * active_w + reactive_var * reactive_var)
    new.update(seen(surroundings))
    current_a_per_va = surroundings.mains.current_a_per_va
    for index, phase in enumerate(("l1", "l2", "l3")):
        share = columns[f"share_{phase}"]
        new[f"active_power_{phase}_w"] = share * active_w
        new[f"reactive_power_{phase}_var"] = none if reactive_var is none else share * reactive_var
        new[f"current_{phase}_a"] = share * apparent * current_a_per_va[index]
    metering.show_totals(new, active_w, reactive_var, apparent, dt_s)
    return new


def seen(surroundings: Surroundings) -> Columns:
    """Return what a connection point shows of voltage and frequency."""
    mains = surroundings.mains
    l1, l2, l3 = mains.voltage_v
    return {
        "voltage_l1_v": l1,
        "voltage_l2_v": l2,
        "voltage_l3_v": l3,
        "voltage_ll_v": mains.voltage_ll_v,
        "frequency_hz": np.full_like(l1, surroundings.frequency_hz),
    }


def end_step(new: Columns) -> Columns:
    """Return the columns at the end of a step: ``general_alarm`` where any alarm is set, every command 0 again."""
    ended = dict(new)
    alarm = none = nothing(len(new["general_alarm"]))
    for name in (*ALARMS, "trouble"):
        stands = new.get(name, none)
        if stands is not none:
            alarm = stands if alarm is none else np.maximum(alarm, stands)
    ended["general_alarm"] = alarm
    ended.update({name: none for name in (*COMMANDS, "sesp_heard") if name in new})
    return ended
