"""What a device behind an inverter does for the grid, and how it protects itself from it.

``with_inverter`` adds the columns that the functions here work on. What nobody has switched on is not computed: a
switch that is ``nothing`` (``columns.arrays``) is on nowhere, and a support function whose columns are ``nothing`` is
at rest.

Protection watches at all times whatever can deliver power, whoever switched support on or off.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, everything, flags, is_nothing, nothing
from pilotfarm.emulators.contracts.device import Limits, OfColumn, Rating
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import easing
from pilotfarm.emulators.physics import grid_code, inverter, protection

GRID_CODE: Final = Rating(
    "grid_code",
    "code",
    0.0,
    0.0,
    len(grid_code.NAMES) - 1.0,
    "Grid code of its support and protection",
    grid_code.NAMES,
)
RATINGS: Final = (
    GRID_CODE,
    Rating("rated_apparent_power_va", "VA", 0.0, 0.0, 1e9, "Apparent power; 0 takes 1.1 of the larger active power"),
    Rating("reactive_capability_frac", "1", 0.6, 0.0, 1.0, "Maximum reactive power, as a share of the apparent power"),
    Rating("reactive_first", "bool", 1.0, 0.0, 1.0, "1: reactive power keeps its value at full load, 0: active does"),
    Rating("ramp_frac_per_s", "1/s", 0.2, 1e-4, 100.0, "Maximum change of active power, as a share of the rated power"),
)
"""Ratings of a device behind an inverter that follows set-points."""

LIMITS: Final = {
    "reactive_power_setpoint_var": Limits(
        OfColumn("rated_reactive_power_var", -1.0),
        OfColumn("rated_reactive_power_var"),
        OfColumn("reactive_available_var", -1.0),
        OfColumn("reactive_available_var"),
    ),
    "voltage_setpoint_v": Limits(OfColumn("reference_min_v"), OfColumn("reference_max_v")),
    "active_power_max_w": Limits(0.0, OfColumn("rated_power_w")),
}

BEHAVIOUR: Final = {
    "modify reactive power": (
        "reactive_power_setpoint_var",
        "reactive_power_setpoint_enabled",
        "power_factor_setpoint",
        "power_factor_setpoint_enabled",
        "reactive_power_var",
        "power_factor",
    ),
    "maintain voltage at the connection point": ("volt_var_enabled", "voltage_setpoint_v", "reactive_power_var"),
    "maintain frequency": ("frequency_support_enabled", "frequency_setpoint_hz", "active_power_w"),
    "connected to the grid": ("grid_switch_closed", "grid_switch"),
    "connected to the communication platform": ("online",),
    "has established the needed contract": ("identified",),
    "available": ("available",),
    "can provide the information": ("online", "general_alarm"),
    "can control its active and reactive power": ("remote_enabled", "local_mode", "active_power_w"),
}

FAULTS: Final = (
    "derated_frac",  # the share of its power that it does without
    "blind",  # 1: it cannot see its own voltage or current, and trips
    "booting",  # 1: off, and no trip
)
"""Columns that device faults set, besides those of ``faulty``."""
_FACTOR: Final = "power_factor_setpoint"
_NOMINAL_HZ: Final = 50.0
_IN_TIME: Final = tuple(f"{stage}_out_s" for stage in protection.STAGES)
_FUNCTIONS: Final = tuple(name.replace("_", "") for name in protection.FUNCTIONS)
_STARTED: Final = tuple(f"{name}_protection_started" for name in _FUNCTIONS)
_OPERATED: Final = tuple(f"{name}_protection_operated" for name in _FUNCTIONS)


def with_inverter(columns: Columns) -> Columns:
    """Add to the columns of a kind at the start what its inverter needs, from ``RATINGS``."""
    new = dict(columns)
    largest = np.maximum(new["rated_power_w"], new["rated_charge_power_w"])
    given = new["rated_apparent_power_va"]
    new["rated_apparent_power_va"] = np.where(given > 0.0, given, 1.1 * largest)
    n = len(largest)
    new.setdefault("grid_code", np.zeros(n))
    new["grid_code"] = np.rint(new["grid_code"])
    code = grid_code.of(new["grid_code"])
    share = np.minimum(new["reactive_capability_frac"], code.reactive_max)
    new["rated_reactive_power_var"] = share * new["rated_apparent_power_va"]
    new["reactive_available_var"] = new["rated_reactive_power_var"].copy()
    new["ramp_w_per_s"] = new["ramp_frac_per_s"] * largest
    new["largest_power_w"] = new["export_max_w"] = largest
    new["active_power_max_w"] = new["rated_power_w"]
    new["reference_min_v"] = 0.9 * new["nominal_voltage_v"]
    new["reference_max_v"] = 1.1 * new["nominal_voltage_v"]
    for name in ("volt_var", "volt_watt", "droop"):
        new[f"{name}_frac"], new[f"{name}_asked_frac"] = np.zeros(n), np.zeros(n)
    for name in ("volt_var", "volt_watt"):
        new[f"{name}_moved_frac"], new[f"{name}_pace_frac"] = nothing(n), everything(n)
    new["own_trip"], new["voltage_seen_pu"] = np.zeros(n), np.ones(n)
    new["delivers"], new["single_phase"] = flags(new["rated_power_w"] > 0.0), flags(new["phases"] < 2.0)
    new.update(_remembered(protection.in_service(n)))
    new.update(dict.fromkeys(("grid_trip", "heat_derated_frac", *_STARTED, *FAULTS), nothing(n)))
    return new


def _remembered(state: protection.Protection) -> Columns:
    """Return the columns that hold the state of the grid protection."""
    return {
        **dict(zip(_IN_TIME, state.out_s, strict=True)),
        **dict(zip(_OPERATED, state.operated, strict=True)),
        "voltage_mean_pu": state.mean_pu,
        "grid_trip": state.tripped,
        "reconnect_waited_s": state.waited_s,
        "reconnect_ramp_frac": state.ramp_frac,
        "protection_calm": state.calm,
    }


def _protection(columns: Columns) -> protection.Protection:
    """Return the state that ``_remembered`` put into columns."""
    return protection.Protection(
        tuple(columns[name] for name in _IN_TIME),
        tuple(columns[name] for name in _OPERATED),
        columns["voltage_mean_pu"],
        columns["grid_trip"],
        columns["reconnect_waited_s"],
        columns["reconnect_ramp_frac"],
        columns["protection_calm"],
    )


def watch(new: Columns, surroundings: Surroundings, seen_v: Floats, dt_s: float) -> None:
    """Update protection, droop and volt-watt by the measured grid, in the step's own columns."""
    code, frequency_hz = grid_code.of(new["grid_code"]), surroundings.frequency_hz
    new["voltage_seen_pu"] = seen = seen_v / new["nominal_voltage_v"]
    # What cannot deliver is a load, and stays on: its protection has nothing to watch.
    if not is_nothing(new["delivers"]):
        _protect(new, surroundings, seen_v, code, dt_s)
    supports = _supports(new, "frequency_support_enabled", "droop")
    if supports is not None:
        asked = inverter.droop(frequency_hz, new["frequency_setpoint_hz"], code) * supports
        _follow(new, "droop", asked, code.droop_response_s, dt_s)
    supports = _supports(new, "volt_var_enabled", "volt_watt")
    if supports is not None:
        asked = inverter.volt_watt(seen, code) * supports
        _support(new, "volt_watt", asked, supports, code.volt_watt_response_s, dt_s)


def _protect(new: Columns, surroundings: Surroundings, seen_v: Floats, code: grid_code.GridCode, dt_s: float) -> None:
    """Update the grid protection of devices that can deliver, in the step's own columns; the others never trip."""
    delivers, alone = new["delivers"], new["single_phase"]
    highest, lowest = surroundings.mains.highest_v, surroundings.mains.lowest_v
    if not is_nothing(alone):
        highest, lowest = (np.where(alone > 0.0, seen_v, each) for each in (highest, lowest))
    highest, lowest = highest / new["nominal_voltage_v"], lowest / new["nominal_voltage_v"]
    if delivers is not everything(len(delivers)):
        highest, lowest = (np.where(delivers > 0.0, each, 1.0) for each in (highest, lowest))
    before = _protection(new)
    frequency = surroundings.frequency_hz / _NOMINAL_HZ
    state = protection.watched(before, highest, lowest, frequency, code, dt_s, new["start_permitted"])
    new.update(_remembered(state))
    if state.out_s is not before.out_s:
        new.update(_shown(state, delivers > 0.0))
    if state.tripped is not before.tripped:
        new["grid_trip"] = flags((state.tripped > 0.0) & (delivers > 0.0))


def _shown(state: protection.Protection, delivers: Bools) -> Columns:
    """Return where each function sees a limit passed, whether its time is over or not, and where it has tripped."""
    stages = zip(state.out_s[::2], state.out_s[1::2], strict=True)
    started = [flags(((first > 0.0) | (second > 0.0)) & delivers) for first, second in stages]
    operated = [flags((each > 0.0) & delivers) for each in state.operated]
    return dict(zip((*_STARTED, *_OPERATED), (*started, *operated), strict=True))


def _supports(columns: Columns, switch: str, name: str) -> Floats | None:
    """Return 1.0 where a support function is switched on; ``None`` if it is on nowhere and remembers nothing."""
    memory = [columns[f"{name}_{part}"] for part in ("frac", "asked_frac", "moved_frac") if f"{name}_{part}" in columns]
    pace = columns.get(f"{name}_pace_frac", everything(len(memory[0])))
    paced = pace is not everything(len(pace))
    if not paced and is_nothing(columns[switch], *memory):
        return None
    supports: Floats = columns[switch] * columns["identified"]
    rests = not any(map(anywhere, (supports, *memory))) and not (paced and anywhere(pace != 1.0))
    return None if rests else supports


def _follow(new: Columns, name: str, asked: Floats, response_s: grid_code.Setting, dt_s: float) -> None:
    """Let a support function answer what its curve asks, within its open loop response time."""
    new[f"{name}_frac"] = inverter.lagged(asked, new[f"{name}_asked_frac"], new[f"{name}_frac"], response_s, dt_s)
    new[f"{name}_asked_frac"] = asked


def _support(
    new: Columns, name: str, asked: Floats, supports: Floats, response_s: grid_code.Setting, dt_s: float
) -> None:
    """Let voltage support answer as ``_follow`` does, and come to rest with the voltage it moves.

    A device that no longer supports it forgets its last move: nothing calls it back, and it rests in the next step.
    """
    before = new[f"{name}_frac"]
    _follow(new, name, asked, response_s, dt_s)
    if not inverter.outrun(response_s, dt_s):
        return
    follows, on = new[f"{name}_frac"], supports > 0.0
    answer, pace = inverter.paced(
        asked, follows, before, new[f"{name}_moved_frac"], new[f"{name}_pace_frac"], response_s, dt_s
    )
    new[f"{name}_frac"], new[f"{name}_pace_frac"] = np.where(on, answer, follows), np.where(on, pace, 1.0)
    new[f"{name}_moved_frac"] = np.where(on, answer - before, 0.0)


def limit(new: Columns, dt_s: float) -> None:
    """Update the active power limit in force, in the step's own columns; 1 where there is none.

    It outlives the SESP's link.
    """
    n = len(new["active_power_limit_enabled"])
    share = everything(n)
    if new["active_power_limit_enabled"] is not nothing(n):
        kept = new["active_power_limit_enabled"] * new["identified"] > 0.0
        share = np.where(kept, new["active_power_limit_frac"], 1.0)
    easing.follow(new, "active_power_limit", share, dt_s)


def inverter_power(new: Columns, surroundings: Surroundings, active_w: Floats, dt_s: float) -> tuple[Floats, Floats]:
    """Join an active power with the reactive power asked for, within the inverter's capability.

    Voltage support goes before the reactive power set-point, that before the power factor. Support that
    an identified SESP switched on is the device's own and goes on when the SESP is lost; set-points are
    followed only while ``remote_enabled``, and without one no vars flow. Writes the state of voltage
    support, the room for reactive power and the maximum active power to the grid (``export_max_w``: by the
    limits in force and what the vars leave) into the step's own columns.
    """
    rated, first, running = new["rated_apparent_power_va"], new["reactive_first"], new["running"]
    code = grid_code.of(new["grid_code"])
    supports = _supports(new, "volt_var_enabled", "volt_var")
    if supports is not None:
        reference = new["voltage_setpoint_v"] / new["nominal_voltage_v"]
        asked = inverter.volt_var(new["voltage_seen_pu"], reference, code) * supports
        _support(new, "volt_var", asked, supports, code.volt_var_response_s, dt_s)
    vars_asked = _vars_asked(new, supports, dt_s)
    # Where vars go first, a power factor is kept at full load too; else active power keeps its value.
    kept = rated if vars_asked is None else rated * np.where(first > 0.0, np.abs(vars_asked.factor), 1.0)
    active_max_w = np.minimum(kept, able_w(new))
    export_max_w = np.minimum(active_max_w, export_limit(new))
    active = inverter.clipped(active_w, -active_max_w, export_max_w)
    max_var = inverter.reactive_area(active, rated, new["rated_reactive_power_var"], code)
    if vars_asked is not None:
        asked = inverter.vars_at_power_factor(active, vars_asked.factor)
        asked = np.where(vars_asked.by_set_point, new["reactive_power_setpoint_var"], asked)
        asked = np.where(vars_asked.supporting, new["volt_var_frac"] * rated, asked)
        active, reactive = inverter.within_circle(active, asked, rated, max_var, first)
        reactive = reactive * running
        beside = np.where((first > 0.0) & ~vars_asked.by_factor, inverter.rest_of_circle(reactive, rated), export_max_w)
        export_max_w = np.minimum(export_max_w, beside)
    else:
        # The active power is within the rating, and without vars that is all the circle asks.
        reactive = nothing(len(active))
    room = np.where(first > 0.0, rated, inverter.rest_of_circle(active, rated))
    if supports is not None:
        for name in ("volt_var_frac", "volt_var_asked_frac"):
            new[name] = new[name] * running
    new["reactive_available_var"] = running * np.minimum(room, max_var)
    new["export_max_w"] = export_max_w
    return active * running, reactive


class _VarsAsked(NamedTuple):
    """Where vars are asked for, and how: by support of the voltage, else a set-point, else a power factor."""

    supporting: Bools
    by_set_point: Bools
    by_factor: Bools
    factor: Floats


def _vars_asked(new: Columns, supports: Floats | None, dt_s: float) -> _VarsAsked | None:
    """Return how vars are asked for; ``None`` if they are nowhere."""
    switches = [new[name] for name in ("reactive_power_setpoint_enabled", "power_factor_setpoint_enabled")]
    if supports is None and is_nothing(*switches, easing.in_force(new, _FACTOR)):
        return None
    by_set_point, by_factor = (switch * new["remote_enabled"] > 0.0 for switch in switches)
    supporting = np.zeros(len(by_factor), dtype=np.bool_) if supports is None else supports > 0.0
    by_factor &= ~by_set_point & ~supporting
    factor = power_factor(new, by_factor, dt_s)
    by_factor |= (factor != 1.0) & ~by_set_point & ~supporting
    if supports is None and not anywhere(by_set_point) and not anywhere(by_factor):
        return None
    return _VarsAsked(supporting, by_set_point, by_factor, factor)


def power_factor(new: Columns, asked: Bools, dt_s: float) -> Floats:
    """Return the power factor in force: where it is asked for the set-point, else 1, and eased from one to the other.

    Half way between two factors is where half of the change in vars has come.
    """
    factor = np.where(asked, new["power_factor_setpoint"], 1.0)
    per_watt = inverter.vars_per_watt(factor)
    per_watt = easing.follow(new, _FACTOR, per_watt if anywhere(per_watt) else nothing(len(factor)), dt_s)
    return inverter.power_factor_at(per_watt) if easing.is_eased(new, _FACTOR) else factor


def droop_power(columns: Columns, surroundings: Surroundings, rated_w: Floats) -> Floats:
    """Change of active power [W] by which devices with frequency support answer the frequency."""
    return columns["droop_frac"] * rated_w


def export_limit(columns: Columns) -> Floats:
    """Return the maximum active power to the grid [W], by its setting, the limit in force and volt-watt.

    Volt-watt acts, where the grid code has it, while the device supports the voltage. The setting outlives the link.
    """
    most, share = columns["active_power_max_w"], easing.in_force(columns, "active_power_limit")
    if share is everything(len(share)) and is_nothing(columns["volt_watt_frac"]):
        return most
    return np.minimum(share * most, (1.0 - columns["volt_watt_frac"]) * columns["rated_power_w"])


def able_w(columns: Columns) -> Floats | float:
    """Return the maximum active power [W], in or out, after the return from a trip and of a device that is derated.

    ``inf`` in normal service.
    """
    ramp, derated = columns["reconnect_ramp_frac"], columns["derated_frac"]
    if columns["heat_derated_frac"] is not nothing(len(derated)):
        derated = np.maximum(derated, columns["heat_derated_frac"])
    most: Floats | float = np.inf
    if ramp is not everything(len(ramp)):
        most = np.where(ramp < 1.0, ramp * columns["largest_power_w"], np.inf)
    if derated is not nothing(len(derated)):
        most = np.where(derated > 0.0, np.minimum(most, (1.0 - derated) * columns["largest_power_w"]), most)
    return most
