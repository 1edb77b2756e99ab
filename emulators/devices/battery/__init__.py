"""Battery storage (use case UC-2-STO): charges and discharges as asked, within energy, power and heat.

Without an active power set-point it follows the clock or the price of energy (``own``). With the SESP's link lost it
falls back to 0 W; limits stay in force, and voltage and frequency support go on. ``limits`` says what goes before what.

A battery is so many equal cells (``cell_count``) behind a converter; the models are in ``physics.battery``,
``physics.cells`` and ``physics.ageing``. A chemistry is named in the site file.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, anywhere, flags, nothing
from pilotfarm.emulators.contracts.device import DeviceSpec, Effect, Keys, Limits, OfColumn, Rating, with_reverted
from pilotfarm.emulators.contracts.replay import PRICE
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import common, support
from pilotfarm.emulators.devices.battery import limits, own, wear
from pilotfarm.emulators.devices.keys import key_columns
from pilotfarm.emulators.physics import ageing, battery, cells, inverter
from pilotfarm.emulators.quantities import COMMON, CONNECTION_POINT, INVERTER, PROTECTION, SUPPORT, modes, quantities

CONTROLS: Final = (
    "charge_limit_frac",
    "charge_limit_enabled",
    "discharge_limit_frac",
    "discharge_limit_enabled",
    *(q.name for q in modes.OF_STORAGE if q.writable),
    "grid_charging_allowed",
    "reference_power_w",
    "charge_ramp_frac_per_s",
    "discharge_ramp_frac_per_s",
)
STORAGE: Final = (
    "rated_energy_wh",
    "soc_frac",
    "soh_frac",
    "cycle_count",
    "remaining_life_years",
    "temperature_degc",
    "temperature_max_degc",
    "real_capacity_wh",
    "charge_rate_w",
    "charge_rate_frac",
    "dc_voltage_v",
    "dc_current_a",
    "nominal_dc_voltage_v",
    "cell_voltage_v",
    "charge_power_available_w",
    "discharge_power_available_w",
    "soc_min_frac",
    "soc_max_frac",
    *CONTROLS,
    modes.CHARGE_DISCHARGE.remaining,
    "temperature_high_alarm",
    "temperature_low_alarm",
    "soc_low_alarm",
    "soc_high_alarm",
)
NAMES: Final = (*COMMON, *SUPPORT, *INVERTER, *PROTECTION, *STORAGE)

RATINGS: Final = (
    *common.COMMON_RATINGS,
    *support.RATINGS,
    Rating("rated_power_w", "W", {"choice": [5_000, 10_000]}, 100.0, 1e9, "Discharge power at the connection point"),
    Rating("rated_charge_power_w", "W", 0.0, 0.0, 1e9, "Charge power; 0 takes the discharge power"),
    Rating("rated_energy_wh", "Wh", {"uniform": [10_000, 20_000]}, 100.0, 1e10, "Energy capacity, new"),
    Rating("chemistry", "name", 0.0, 0.0, len(cells.NAMES) - 1.0, "What the cells are made of", cells.NAMES),
    Rating("c_rate_per_h", "1/h", 1.0, 0.05, 10.0, "Maximum current of the cells over their capacity, new"),
    Rating("soc_frac", "1", {"uniform": [0.3, 0.7]}, 0.0, 1.0, "State of charge at the start"),
    Rating("soc_min_frac", "1", 0.1, 0.0, 0.5, "Lowest state of charge at the start"),
    Rating("soc_max_frac", "1", 0.95, 0.5, 1.0, "Highest state of charge at the start"),
    Rating("soh_frac", "1", {"uniform": [0.92, 1.0]}, 0.5, 1.0, "State of health at the start"),
    Rating("cycle_count", "1", {"uniform": [0, 800]}, 0.0, 1e5, "Full equivalent cycles at the start"),
    Rating("nominal_dc_voltage_v", "V", 400.0, 12.0, 1_500.0, "DC voltage of all cells at their nominal voltage"),
    Rating("room_min_degc", "degC", 10.0, -40.0, 40.0, "The room is heated to at least this"),
    Rating("room_max_degc", "degC", 30.0, 0.0, 60.0, "The room is cooled to at most this"),
    *own.RATINGS,
    Rating("grid_charging_allowed", "bool", 1.0, 0.0, 1.0, "1: charges from the grid too, 0: only from PV at its side"),
)

_TRIP_DEGC: Final = 62.0
_HOT_ALARM_DEGC: Final = 50.0
_COLD_ALARM_DEGC: Final = 0.0
_AT_EDGE: Final = 1e-6
_OPEN: Final = ("cell_open_v", "cell_slope_v", "cell_energy_v")
_OHMS: Final = ("cell_charge_ohm", "cell_discharge_ohm")
_REACH: Final = ("reach_charge_w", "reach_discharge_w")
_REACHED: Final = ("reach_min_frac", "reach_max_frac")
"""The window that ``_REACH`` was found for; ``reach_dt_s`` holds the length of the step."""
_SET_MIN: Final = 0.01
"""The smallest setting of the reference power and of a ramp, as a share of the rating: with 0 nothing would move."""
_RAMP: Final = Limits(OfColumn("ramp_frac_per_s", _SET_MIN), OfColumn("ramp_frac_per_s"))


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build the columns of ``len(keys)`` batteries at rest, at the temperature of their heated room."""
    n = len(keys)
    new = common.initial_columns(NAMES, ratings, n) | key_columns(keys)
    new["rated_charge_power_w"] = np.where(
        new["rated_charge_power_w"] > 0.0, new["rated_charge_power_w"], new["rated_power_w"]
    )
    new = support.with_inverter(new)
    new["reference_power_w"] = new["largest_power_w"].copy()
    new["charge_ramp_frac_per_s"] = new["discharge_ramp_frac_per_s"] = new["ramp_frac_per_s"]
    new["own_generation_w"] = new["overheat_k"] = nothing(n)
    new |= limits.at_rest(n)
    new["chemistry"] = np.rint(new["chemistry"])
    new["temperature_degc"] = np.clip(
        20.0, new["room_min_degc"], np.maximum(new["room_min_degc"], new["room_max_degc"])
    )
    new["temperature_max_degc"] = new["temperature_degc"].copy()
    new["real_capacity_wh"] = new["rated_energy_wh"] * new["soh_frac"]
    of = cells.of(new["chemistry"])
    new["cell_count"] = new["rated_energy_wh"] / of.nominal_wh
    wear.begin(new, of)
    new.update(zip(_OPEN, cells.open_circuit(of.kind, new["soc_frac"]), strict=True))
    _set_resistance(new, of)
    _show_dc(new, _circuit(new, of), nothing(n), 1.0, None)
    _raise_alarms(new)
    return common.end_step(new)


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Move the batteries on by ``dt_s`` [s]; power is constant over the step."""
    too_hot = columns["temperature_max_degc"] > _TRIP_DEGC
    new = common.life_cycle(columns, surroundings, dt_s, trip_cause=too_hot)
    of = cells.of(new["chemistry"])
    circuit = _circuit(new, of)
    if _reach_is_stale(new, dt_s):
        _reach(new, circuit, dt_s)
    charge, discharge = (new[name] for name in _REACH)
    limits.ease(new, dt_s)
    asked, window = _asked(new, surroundings), limits.window(new, new["remote_enabled"])
    if window is not None:
        charge, discharge = np.minimum(charge, window.charge_max_w), np.minimum(discharge, window.discharge_max_w)
        asked = inverter.clipped(asked, window.min_w, window.max_w)
    charge = limits.by_source(new, charge)
    if new["droop_frac"] is not nothing(len(asked)):
        asked = asked + support.droop_power(new, surroundings, new["rated_power_w"])
    target = inverter.clipped(asked, -charge, discharge)
    up, down = (new[f"{way}_ramp_frac_per_s"] * new["reference_power_w"] for way in ("discharge", "charge"))
    active = inverter.ramped(new["active_power_w"], target, up, dt_s, down)
    active = inverter.clipped(active, -charge, discharge)
    active, reactive = support.inverter_power(new, surroundings, active, dt_s)
    cell_w = _store(new, circuit, surroundings, active, dt_s)
    wear.age(new, of, columns["soc_frac"], dt_s)
    _set_resistance(new, of)
    _show_dc(new, _circuit(new, of), cell_w, dt_s, window)
    _raise_alarms(new)
    return common.end_step(common.at_connection(new, surroundings, active, reactive, dt_s))


def _asked(new: Columns, surroundings: Surroundings) -> Floats:
    """Active power asked for [W]: the SESP's set-point, or what it follows by itself, or 0 with the link lost."""
    by_itself = none = nothing(len(new["rated_power_w"]))
    share = own.share(new, surroundings)
    if anywhere(share):
        by_itself = new["own_schedule_frac"] * (1.0 - new["sesp_link_lost"]) * share * new["rated_power_w"]
    if new["active_power_setpoint_enabled"] is none:
        return by_itself
    by_set_point = new["remote_enabled"] * new["active_power_setpoint_enabled"] > 0.0
    return np.where(by_set_point, new["active_power_setpoint_w"], by_itself)


def _circuit(new: Columns, of: cells.Cells) -> battery.Circuit:
    """Return the cells in the state of the last step or the start, with the looked-up values it kept."""
    capacity = of.capacity_ah * new["soh_frac"]
    open_v, slope_v, energy_v = (new[name] for name in _OPEN)
    charge_ohm, discharge_ohm = (new[name] for name in _OHMS)
    return battery.Circuit(of, new["soc_frac"], open_v, slope_v, energy_v, charge_ohm, discharge_ohm, capacity)


def _set_resistance(new: Columns, of: cells.Cells) -> None:
    rise = ageing.resistance_rise(of.kind, new["summed_resistance_rise"], new["soh_frac"])
    found = battery.resistance(of, new["soc_frac"], new["temperature_degc"], rise)
    new.update(zip(_OHMS, found, strict=True))


def _reach_is_stale(new: Columns, dt_s: float) -> bool:
    """Whether the reach of the last step was found for a step of another length, or for another window."""
    found_for = ((new["soc_min_frac"], new["reach_min_frac"]), (new["soc_max_frac"], new["reach_max_frac"]))
    moved = any(now is not then and anywhere(now != then) for now, then in found_for)
    return moved or bool(new["reach_dt_s"][0] != dt_s)


def _reach(new: Columns, circuit: battery.Circuit, dt_s: float) -> None:
    """Find the maximum power that cells and converter can draw and deliver over a step [W, >= 0], at the connection."""
    fastest = battery.thermal_derating(_hot_spot(new, new["temperature_degc"])) * new["c_rate_per_h"]
    window = new["soc_min_frac"], new["soc_max_frac"]
    room, store = battery.reach(circuit, window, fastest, dt_s)
    converter = new["largest_power_w"]
    per_unit = new["cell_count"] / converter
    charge = np.minimum(battery.with_loss(room * per_unit) * converter, new["rated_charge_power_w"])
    discharge = np.minimum(battery.without_loss(store * per_unit) * converter, new["rated_power_w"])
    new.update(zip(_REACH, (charge, discharge), strict=True))
    new.update(zip(_REACHED, window, strict=True))
    if "reach_dt_s" not in new or new["reach_dt_s"][0] != dt_s:
        new["reach_dt_s"] = np.full_like(charge, dt_s)


def _show_dc(new: Columns, circuit: battery.Circuit, cell_w: Floats, dt_s: float, window: limits.Window | None) -> None:
    """Show the DC side at the end of a step of ``cell_w``, and the power available in the next one.

    That is bounded by the cells, by the limits in force, and after a trip by the ramp. ``chargeable_w`` is what it
    could draw from any source; ``reach_min_w`` and ``reach_max_w`` are the ends of what it follows of a set-point.
    """
    resting = cell_w is nothing(len(cell_w))
    cell_v = circuit.open_v if resting else battery.terminal_voltage(circuit, cell_w)
    new["cell_voltage_v"] = cell_v
    new["dc_voltage_v"] = volts = cell_v * (new["nominal_dc_voltage_v"] / circuit.cells.nominal_v)
    new["dc_current_a"] = cell_w if resting else new["charge_rate_w"] / volts
    _reach(new, circuit, dt_s)
    charge, discharge = (new[name] for name in _REACH)
    online, running = support.able_w(new), new["running"]
    if window is not None:
        charge, discharge = np.minimum(charge, window.charge_max_w), np.minimum(discharge, window.discharge_max_w)
    new["chargeable_w"] = np.minimum(charge, online) * running
    new["charge_power_available_w"] = charge = limits.by_source(new, new["chargeable_w"])
    discharge = np.minimum(np.minimum(discharge, support.export_limit(new)), online) * running
    new["discharge_power_available_w"] = new["reach_max_w"] = discharge
    new["reach_min_w"] = -charge
    if window is not None:
        new["reach_min_w"] = inverter.clipped(window.min_w, -charge, discharge)
        new["reach_max_w"] = inverter.clipped(window.max_w, -charge, discharge)


def _store(new: Columns, circuit: battery.Circuit, surroundings: Surroundings, active: Floats, dt_s: float) -> Floats:
    """Move charge and heat by one step of constant power, in the step's own columns; return a cell's power [W]."""
    none = nothing(len(active))
    # Where no battery works, only temperatures change.
    cell_w, heat = _moved(new, circuit, active, dt_s) if anywhere(active) else (none, none)
    if cell_w is none:
        new["charge_rate_w"] = new["charge_rate_frac"] = none
    around = inverter.clipped(surroundings.air_temperature_degc, new["room_min_degc"], new["room_max_degc"])
    new["temperature_degc"], new["temperature_max_degc"] = battery.warmed(
        new["temperature_degc"], around, heat, circuit.cells.heat_j_per_k, dt_s
    )
    new["temperature_max_degc"] = _hot_spot(new, new["temperature_max_degc"])
    return cell_w


def _hot_spot(new: Columns, degc: Floats) -> Floats:
    """Return a temperature where a fault makes cells too warm. [degC]"""
    rise = new["overheat_k"]
    return degc if rise is nothing(len(rise)) else degc + rise


def _moved(new: Columns, circuit: battery.Circuit, active: Floats, dt_s: float) -> tuple[Floats, Floats]:
    """Move the charge, in the step's own columns; return power and heat of a cell [W]."""
    before = new["soc_frac"]
    power = battery.cell_power(active, new["largest_power_w"])
    cell_w = power / new["cell_count"]
    soc = battery.drawn(circuit, cell_w, dt_s)
    # What was within its window stays there to the last bit.
    soc = np.maximum(soc, np.minimum(before, new["soc_min_frac"]))
    new["soc_frac"] = soc = np.minimum(soc, np.maximum(before, new["soc_max_frac"]))
    new.update(zip(_OPEN, cells.open_circuit(circuit.cells.kind, soc), strict=True))
    new["charge_rate_w"] = power
    new["charge_rate_frac"] = power / np.where(power > 0.0, new["rated_power_w"], new["rated_charge_power_w"])
    return cell_w, battery.heat(circuit, new["cell_energy_v"], cell_w, dt_s)


def _raise_alarms(new: Columns) -> None:
    new["temperature_high_alarm"] = flags(new["temperature_max_degc"] > _HOT_ALARM_DEGC)
    new["temperature_low_alarm"] = flags(new["temperature_degc"] < _COLD_ALARM_DEGC)
    new["soc_low_alarm"] = flags(new["soc_frac"] <= new["soc_min_frac"] + _AT_EDGE)
    new["soc_high_alarm"] = flags(new["soc_frac"] >= new["soc_max_frac"] - _AT_EDGE)


DEVICE: Final = DeviceSpec(
    kind="battery",
    use_case="UC-2-STO",
    title="Battery storage",
    quantities=quantities(NAMES),
    items={
        "electrical state variables set-points": (*common.SET_POINT_ITEMS, "soc_min_frac", "soc_max_frac", *CONTROLS),
        "commands / requests of information": common.COMMAND_ITEMS,
        "electrical state variables measurements": CONNECTION_POINT,
        "state of charge": ("soc_frac",),
        "lifespan": ("soh_frac", "cycle_count", "remaining_life_years"),
        "temperature": ("temperature_degc", "temperature_max_degc"),
        "real capacity": ("real_capacity_wh",),
        "charge rate": ("charge_rate_w", "charge_rate_frac"),
    },
    behaviour={
        **common.EXCEPTIONS,
        **support.BEHAVIOUR,
        "modify active power": ("active_power_setpoint_w", "active_power_setpoint_enabled", "active_power_w"),
        "modifies its energy consumed/generated": ("energy_imported_wh", "energy_exported_wh"),
    },
    ratings=RATINGS,
    limits=with_reverted(
        {
            **support.LIMITS,
            "active_power_setpoint_w": Limits(
                OfColumn("rated_charge_power_w", -1.0),
                OfColumn("rated_power_w"),
                OfColumn("reach_min_w"),
                OfColumn("reach_max_w"),
            ),
            "reference_power_w": Limits(OfColumn("largest_power_w", _SET_MIN), OfColumn("largest_power_w")),
            "charge_ramp_frac_per_s": _RAMP,
            "discharge_ramp_frac_per_s": _RAMP,
            "soc_min_frac": Limits(0.0, OfColumn("soc_max_frac")),
            "soc_max_frac": Limits(OfColumn("soc_min_frac"), 1.0),
        }
    ),
    follows={**common.FOLLOWS, "active_power_setpoint_w": Effect("active_power_w")},
    make=make,
    step=step,
    feels=("temperature",),
    replays={PRICE: common.no_most},
    by_price=own.by_price,
    with_any_command=common.WITH_ANY_COMMAND,
)
