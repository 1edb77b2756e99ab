"""Battery storage (use case UC-2-STO): charges and discharges as asked, within energy, power and heat.

Without an active power set-point it follows a schedule of its own, charging around noon and discharging
in the evening (``own_schedule_frac``). With the SESP's link lost it falls back to 0 W; an active power
limit stays in force, and voltage and frequency support go on.
"""

from __future__ import annotations

from math import pi, sin
from typing import Final

import numpy as np

from emulators.contracts import DeviceSpec, Keys, Limits, Place, Rating, Surroundings
from emulators.devices import common
from emulators.encoding import Columns, Floats
from emulators.physics import battery, inverter
from emulators.quantities import COMMON, CONNECTION_POINT, SUPPORT, quantities

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
    "charge_power_available_w",
    "discharge_power_available_w",
    "soc_min_frac",
    "soc_max_frac",
    "temperature_high_alarm",
    "temperature_low_alarm",
    "soc_low_alarm",
    "soc_high_alarm",
)
NAMES: Final = (*COMMON, *SUPPORT, *STORAGE)

RATINGS: Final = (
    *common.COMMON_RATINGS,
    *common.SUPPORT_RATINGS,
    Rating("rated_power_w", "W", {"choice": [5_000, 10_000]}, 100.0, 1e9, "Discharge power at the connection point"),
    Rating("rated_charge_power_w", "W", 0.0, 0.0, 1e9, "Charge power; 0 takes the discharge power"),
    Rating("rated_energy_wh", "Wh", {"uniform": [10_000, 20_000]}, 100.0, 1e10, "Energy capacity, new"),
    Rating("c_rate_per_h", "1/h", 1.0, 0.05, 10.0, "Most power of the cells over their energy capacity"),
    Rating("charge_efficiency_frac", "1", 0.96, 0.5, 1.0, "Stored energy over energy drawn"),
    Rating("discharge_efficiency_frac", "1", 0.96, 0.5, 1.0, "Energy delivered over stored energy spent"),
    Rating("soc_frac", "1", {"uniform": [0.3, 0.7]}, 0.0, 1.0, "State of charge at the start"),
    Rating("soc_min_frac", "1", 0.1, 0.0, 0.5, "Lowest state of charge at the start"),
    Rating("soc_max_frac", "1", 0.95, 0.5, 1.0, "Highest state of charge at the start"),
    Rating("soh_frac", "1", {"uniform": [0.92, 1.0]}, 0.5, 1.0, "State of health at the start"),
    Rating("cycle_count", "1", {"uniform": [0, 800]}, 0.0, 1e5, "Full equivalent cycles at the start"),
    Rating("calendar_life_years", "a", 18.0, 1.0, 100.0, "Life to 80 % at 25 degC without use"),
    Rating("cycle_life", "1", 6_000.0, 100.0, 1e6, "Full equivalent cycles to 80 % without age"),
    Rating("nominal_dc_voltage_v", "V", 400.0, 12.0, 1_500.0, "DC voltage, half charged and at rest"),
    Rating("room_min_degc", "degC", 10.0, -40.0, 40.0, "The room is heated to at least this"),
    Rating("room_max_degc", "degC", 30.0, 0.0, 60.0, "The room is cooled to at most this"),
    Rating("own_schedule_frac", "1", 0.4, 0.0, 1.0, "Power of the daily schedule it follows when not asked; 0 idles"),
)

_TRIP_DEGC: Final = 62.0
_HOT_ALARM_DEGC: Final = 50.0
_COLD_ALARM_DEGC: Final = 0.0
_DESIGN_CYCLES_PER_YEAR: Final = 250.0
_AT_EDGE: Final = 1e-6


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build the columns of ``len(keys)`` batteries at rest, at the temperature of their heated room."""
    new = common.begun(NAMES, ratings, len(keys))
    new["rated_charge_power_w"] = np.where(
        new["rated_charge_power_w"] > 0.0, new["rated_charge_power_w"], new["rated_power_w"]
    )
    new = common.support_begun(new)
    new["temperature_degc"] = np.clip(
        20.0, new["room_min_degc"], np.maximum(new["room_min_degc"], new["room_max_degc"])
    )
    new["temperature_max_degc"] = new["temperature_degc"].copy()
    new["real_capacity_wh"] = new["rated_energy_wh"] * new["soh_frac"]
    design_use = np.full_like(new["soc_frac"], _DESIGN_CYCLES_PER_YEAR)
    new["mean_fade_per_year"] = battery.fade_per_year(
        new["temperature_degc"], design_use, new["calendar_life_years"], new["cycle_life"]
    )
    new["remaining_life_years"] = battery.remaining_years(new["soh_frac"], new["mean_fade_per_year"])
    new["dc_voltage_v"] = battery.terminal_voltage(
        new["soc_frac"], new["charge_rate_w"], new["rated_energy_wh"], new["nominal_dc_voltage_v"]
    )
    charge, discharge = _reach(new, 1.0)
    new["charge_power_available_w"], new["discharge_power_available_w"] = charge, discharge
    _raise_alarms(new)
    return common.closed(new)


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Move the batteries on by ``dt_s`` [s]; power is constant over the step."""
    too_hot = columns["temperature_max_degc"] > _TRIP_DEGC
    new = common.life_cycle(columns, surroundings, dt_s, trip_cause=too_hot)
    charge, discharge = _reach(new, dt_s)
    asked = _asked(new, surroundings)
    asked += common.droop_power(new, surroundings, new["rated_power_w"])
    target = np.clip(asked, -charge, discharge)
    active = inverter.ramped(new["active_power_w"], target, new["ramp_w_per_s"], dt_s)
    np.clip(active, -charge, discharge, out=active)
    active, reactive = common.inverter_power(new, surroundings, active, dt_s)
    _store(new, surroundings, active, dt_s)
    charge, discharge = _reach(new, dt_s)
    new["charge_power_available_w"], new["discharge_power_available_w"] = charge, discharge
    _raise_alarms(new)
    return common.closed(common.at_connection(new, surroundings, active, reactive, dt_s))


def _asked(new: Columns, surroundings: Surroundings) -> Floats:
    """Active power asked for [W]: the SESP's set-point, or the own schedule, or 0 with the link lost."""
    by_set_point = new["remote_enabled"] * new["active_power_setpoint_enabled"] > 0.0
    own = new["own_schedule_frac"] * (1.0 - new["sesp_link_lost"])
    own *= _schedule(surroundings.local_hour)
    own *= new["rated_power_w"]
    return np.where(by_set_point, new["active_power_setpoint_w"], own)


def _schedule(hour: float) -> float:
    """Share of the schedule's power at an hour of the day: charges from 10 to 15, discharges from 17 to 22."""
    if 10.0 < hour < 15.0:
        return -sin(pi * (hour - 10.0) / 5.0)
    if 17.0 < hour < 22.0:
        return sin(pi * (hour - 17.0) / 5.0)
    return 0.0


def _reach(new: Columns, dt_s: float) -> tuple[Floats, Floats]:
    """Most power to draw and to deliver over a step [W, >= 0], at the connection point."""
    room, store = battery.energy_limits(
        new["soc_frac"], new["soc_min_frac"], new["soc_max_frac"], new["real_capacity_wh"], dt_s
    )
    share_in, share_out = battery.thermal_derating(new["temperature_degc"])
    cells = new["c_rate_per_h"] * new["rated_energy_wh"]
    np.minimum(room, cells * share_in, out=room)
    np.minimum(store, cells * share_out, out=store)
    charge = np.minimum(room / new["charge_efficiency_frac"], new["rated_charge_power_w"])
    discharge = np.minimum(store * new["discharge_efficiency_frac"], new["rated_power_w"])
    np.minimum(discharge, common.export_limit(new), out=discharge)
    running = new["running"]
    charge *= running
    discharge *= running
    return charge, discharge


def _store(new: Columns, surroundings: Surroundings, active: Floats, dt_s: float) -> None:
    """Move charge, heat and age by one step of constant power, in the step's own columns."""
    hours = dt_s / 3600.0
    nominal, capacity = new["rated_energy_wh"], new["real_capacity_wh"]
    cells = battery.cell_power(active, new["charge_efficiency_frac"], new["discharge_efficiency_frac"])
    new["soc_frac"] = soc = np.clip(new["soc_frac"] - cells * hours / capacity, 0.0, 1.0)
    around = np.clip(surroundings.air_temperature_degc, new["room_min_degc"], new["room_max_degc"])
    mean, hottest = battery.warmed(new["temperature_degc"], around, np.abs(cells - active), nominal, dt_s)
    new["temperature_degc"], new["temperature_max_degc"] = mean, hottest
    cycles_per_hour = np.abs(cells) / (2.0 * nominal)
    new["cycle_count"] = new["cycle_count"] + cycles_per_hour * hours
    fade = battery.fade_per_year(
        mean, cycles_per_hour * (battery.YEAR_S / 3600.0), new["calendar_life_years"], new["cycle_life"]
    )
    new["soh_frac"] = soh = np.maximum(new["soh_frac"] - fade * (dt_s / battery.YEAR_S), 0.1)
    new["mean_fade_per_year"] = stress = inverter.settled(
        new["mean_fade_per_year"], fade, battery.STRESS_TIME_S * np.log(10.0), dt_s
    )
    new["remaining_life_years"] = battery.remaining_years(soh, stress)
    new["real_capacity_wh"] = nominal * soh
    new["charge_rate_w"] = cells
    new["charge_rate_frac"] = cells / np.where(cells > 0.0, new["rated_power_w"], new["rated_charge_power_w"])
    new["dc_voltage_v"] = voltage = battery.terminal_voltage(soc, cells, nominal, new["nominal_dc_voltage_v"])
    new["dc_current_a"] = cells / voltage


def _raise_alarms(new: Columns) -> None:
    new["temperature_high_alarm"] = (new["temperature_max_degc"] > _HOT_ALARM_DEGC).astype(np.float64)
    new["temperature_low_alarm"] = (new["temperature_degc"] < _COLD_ALARM_DEGC).astype(np.float64)
    new["soc_low_alarm"] = (new["soc_frac"] <= new["soc_min_frac"] + _AT_EDGE).astype(np.float64)
    new["soc_high_alarm"] = (new["soc_frac"] >= new["soc_max_frac"] - _AT_EDGE).astype(np.float64)


DEVICE: Final = DeviceSpec(
    kind="battery",
    use_case="UC-2-STO",
    title="Battery storage",
    quantities=quantities(NAMES),
    items={
        "electrical state variables set-points": (*common.SET_POINT_ITEMS, "soc_min_frac", "soc_max_frac"),
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
        **common.SUPPORT_BEHAVIOUR,
        "modify active power": ("active_power_setpoint_w", "active_power_setpoint_enabled", "active_power_w"),
        "modifies its energy consumed/generated": ("energy_imported_wh", "energy_exported_wh"),
    },
    ratings=RATINGS,
    limits={
        **common.SUPPORT_LIMITS,
        "active_power_setpoint_w": Limits(
            "-rated_charge_power_w", "rated_power_w", "-charge_power_available_w", "discharge_power_available_w"
        ),
        "soc_min_frac": Limits(0.0, "soc_max_frac"),
        "soc_max_frac": Limits("soc_min_frac", 1.0),
    },
    follows={**common.FOLLOWS, "active_power_setpoint_w": "active_power_w"},
    make=make,
    step=step,
)
