"""Everything in a prosumer's house behind ``home_``: appliances, a heat pump, and loads that can wait.

Not a kind of its own: ``prosumer`` steps it beside the other resources. Appliances draw what
``profiles.load`` says. The heat pump holds the room temperature; in a room that gets too warm the blinds
go down. Energy of loads that can wait (hot water, washing, dishes) comes up in lots at full hours. Unasked
it is drawn a little faster than it comes up on average; a set-point says otherwise, and what waits beyond
a day's energy is drawn in any case.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emulators.contracts import Keys, Rating, Surroundings
from emulators.devices import common
from emulators.encoding import Columns, Floats
from emulators.physics import home
from emulators.quantities import CONNECTION_POINT
from profiles import draws, load

QUANTITIES: Final = (
    *CONNECTION_POINT,
    "rated_charge_power_w",
    "active_power_setpoint_w",
    "active_power_setpoint_enabled",
    "room_temperature_degc",
    "deferrable_power_w",
    "deferrable_energy_wh",
)

RATINGS: Final = (
    Rating("annual_energy_wh", "Wh", {"choice": [2_500_000, 4_000_000]}, 0.0, 1e9, "Yearly use of the appliances"),
    Rating("deferrable_rated_w", "W", {"choice": [2_000, 3_000]}, 1.0, 1e6, "Power of the loads that can wait"),
    Rating("deferrable_wh_per_day", "Wh", {"uniform": [2_000, 6_000]}, 0.0, 1e6, "Their energy in a day"),
    Rating("heat_loss_w_per_k", "W/K", {"uniform": [80, 250]}, 1.0, 1e5, "Heat the house loses a kelvin"),
    Rating("coupling_w_per_k", "W/K", 1_000.0, 1.0, 1e6, "Heat between room air and the mass of the house"),
    Rating("air_j_per_k", "J/K", 2e6, 1e3, 1e10, "Heat capacity of the room air and what is in it"),
    Rating("mass_j_per_k", "J/K", 2.5e7, 1e3, 1e12, "Heat capacity of the mass of the house"),
    Rating("room_wanted_degc", "degC", {"uniform": [20, 22]}, 5.0, 35.0, "Room temperature the thermostat holds"),
    Rating("heat_pump_w", "W", {"choice": [2_000, 3_000]}, 0.0, 1e6, "Electric power of the heat pump; 0 is none"),
    Rating("window_m2", "m2", 3.0, 0.0, 1e3, "Window area by which the sun heats the room"),
)

SLOT_S: Final = 3600.0
_LOTS_A_DAY: Final = 6.0
_MOST_SLOTS: Final = 48  # a step that skips more hours than this forgets the older lots
_UNASKED: Final = 1.5  # power drawn unasked, as a multiple of the mean over a day
_BLINDS_K: Final = 2.0  # above the temperature wanted by this much, the sun is kept out
_GAIN_FRAC: Final = 0.8  # share of the appliances' power that heats the room
_HEAT_PUMP_VARS_PER_WATT: Final = 0.2


def make(ratings: Columns, keys: Keys) -> Columns:
    """Build ``n`` houses, each somewhere within its thermostat's band."""
    n = len(keys)
    columns = common.begun(QUANTITIES, ratings, n)
    columns.update(common.key_columns(keys))
    spread = home.THERMOSTAT_BAND_K * (2.0 * draws.uniform(keys, 0, "room at start") - 1.0)
    columns["room_temperature_degc"] = columns["room_wanted_degc"] + spread
    columns["mass_temperature_degc"] = columns["room_wanted_degc"].copy()
    columns["heating"] = np.zeros(n)
    columns["slot_number"] = np.full(n, -1.0)
    columns["deferrable_energy_wh"] = columns["deferrable_wh_per_day"] * (0.5 * draws.uniform(keys, 0, "lot at start"))
    columns["deferrable_power_w"] = columns["deferrable_rated_w"] * (columns["deferrable_energy_wh"] > 0.0)
    columns["vars_per_watt"] = 0.1 + 0.25 * draws.uniform(keys, 0, "vars")
    columns["rated_charge_power_w"] = columns["deferrable_rated_w"] + columns["heat_pump_w"] + 6_000.0
    return columns


def step(columns: Columns, surroundings: Surroundings, dt_s: float, *, remote: Floats, spare_w: Floats) -> Columns:
    """Take the houses through one step.

    Parameters
    ----------
    remote : (n,)
        1.0 where the set-point is to be followed.
    spare_w : (n,)
        Power the home as a whole has left for this house, or NaN where nobody asks for it; the loads
        that can wait take what the rest of the house leaves of it.
    """
    new = dict(columns)
    powered = (common.voltage_at(columns, surroundings.voltage_v) > 0.0).astype(np.float64)
    appliances_w = powered * load.household_w(
        common.keys_in(columns),
        columns["annual_energy_wh"],
        surroundings.unix_s,
        surroundings.local_hour,
        surroundings.weekday,
        surroundings.day_of_year,
    )
    heating_w = _heated(new, surroundings, appliances_w, powered, dt_s)
    waiting_wh = _with_lots(new, surroundings.unix_s)
    left_w = np.maximum(spare_w - appliances_w - heating_w, 0.0)
    unasked_w = columns["deferrable_wh_per_day"] * (_UNASKED / 24.0)
    ask_w = np.where(np.isnan(left_w), unasked_w, left_w)
    told = remote * columns["active_power_setpoint_enabled"] > 0.0
    ask_w = np.where(told, -columns["active_power_setpoint_w"], ask_w)
    deferred_w = powered * home.deferrable_draw_w(
        waiting_wh, ask_w, columns["deferrable_rated_w"], columns["deferrable_wh_per_day"], dt_s
    )
    waiting_wh = np.maximum(waiting_wh - deferred_w * (dt_s / 3600.0), 0.0)
    new["deferrable_energy_wh"] = waiting_wh
    new["deferrable_power_w"] = columns["deferrable_rated_w"] * (waiting_wh > 0.0)
    active_w = 0.0 - (appliances_w + heating_w + deferred_w)
    reactive_var = 0.0 - (appliances_w * columns["vars_per_watt"] + heating_w * _HEAT_PUMP_VARS_PER_WATT)
    return common.at_connection(new, surroundings, active_w, reactive_var, dt_s)


def _heated(new: Columns, surroundings: Surroundings, appliances_w: Floats, powered: Floats, dt_s: float) -> Floats:
    """Heat the houses for one step, in the step's own columns; return what the heat pumps draw. [W]"""
    outside = surroundings.air_temperature_degc
    new["heating"] = home.thermostat(new["heating"], new["room_temperature_degc"], new["room_wanted_degc"])
    drawn_w = new["heat_pump_w"] * new["heating"] * powered
    sunlit = new["room_temperature_degc"] < new["room_wanted_degc"] + _BLINDS_K
    gains_w = _GAIN_FRAC * appliances_w + new["window_m2"] * surroundings.ghi_w_per_m2 * sunlit
    new["room_temperature_degc"], new["mass_temperature_degc"] = home.house_temperatures(
        new["room_temperature_degc"],
        new["mass_temperature_degc"],
        outside,
        drawn_w * home.heat_pump_cop(outside) + gains_w,
        new["heat_loss_w_per_k"],
        new["coupling_w_per_k"],
        new["air_j_per_k"],
        new["mass_j_per_k"],
        dt_s,
    )
    return drawn_w


def _with_lots(new: Columns, unix_s: float) -> Floats:
    """Return the waiting energy with the lots of the hours begun in this step. [Wh]"""
    number = np.floor(unix_s / SLOT_S)
    waiting_wh, last = new["deferrable_energy_wh"], new["slot_number"]
    if (last == number).all():
        return waiting_wh
    last = np.where(last < 0.0, number, last)
    keys, chance = common.keys_in(new), _LOTS_A_DAY / 24.0
    lot_wh = new["deferrable_wh_per_day"] / _LOTS_A_DAY
    for back in range(min(int((number - last).max()), _MOST_SLOTS)):
        comes = (draws.uniform(keys, int(number) - back, "lot") < chance) & (number - back > last)
        waiting_wh = waiting_wh + lot_wh * comes
    new["slot_number"] = np.full_like(last, number)
    return waiting_wh
