"""The household of a prosumer (``home``): appliances, heating, hot water, and loads that can wait.

Not a kind of its own: ``prosumer`` steps it beside the other resources, after the appliances. A thermostat
holds the room temperature, with a heat pump, with electric heaters, or with heat from elsewhere; in a room
that gets too warm the blinds go down. A heat pump heats the hot water first and is helped by an electric
element where it cannot hold room or water, to a little below what it holds itself; others heat room and water
at once. Lots of the loads that can wait come up at full hours, each due some hours later. Unasked they are
drawn a little faster than they come up on average; a set-point says otherwise, but what must be drawn to meet
a deadline is drawn in any case.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, Indices, anywhere
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import Keys, Rating
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import appliances, common, connection
from pilotfarm.emulators.devices.keys import key_columns, keys_in
from pilotfarm.emulators.physics import deferrable, home
from pilotfarm.emulators.physics.inverter import clipped
from pilotfarm.emulators.quantities import CONNECTION_POINT
from pilotfarm.profiles import draws, hot_water

QUANTITIES: Final = (
    *CONNECTION_POINT,
    "rated_charge_power_w",
    "active_power_setpoint_w",
    "active_power_setpoint_enabled",
    "room_temperature_degc",
    "deferrable_power_w",
    "deferrable_energy_wh",
)

HEATINGS: Final = ("elsewhere", "heat-pump", "heaters")
RATINGS: Final = (
    Rating("annual_energy_wh", "Wh", {"choice": [2_500_000, 4_000_000]}, 0.0, 1e9, "Yearly use of the appliances"),
    Rating("deferrable_rated_w", "W", {"choice": [2_000, 3_000]}, 1.0, 1e6, "Power of the loads that can wait"),
    Rating("deferrable_wh_per_day", "Wh", {"uniform": [2_000, 6_000]}, 0.0, 1e6, "Their energy in a day"),
    Rating("heat_loss_w_per_k", "W/K", {"uniform": [80, 250]}, 1.0, 1e5, "Heat the house loses a kelvin"),
    Rating("coupling_w_per_k", "W/K", 1_000.0, 1.0, 1e6, "Heat between room air and the mass of the house"),
    Rating("air_j_per_k", "J/K", 2e6, 1e3, 1e10, "Heat capacity of the room air and what is in it"),
    Rating("mass_j_per_k", "J/K", 2.5e7, 1e3, 1e12, "Heat capacity of the mass of the house"),
    Rating("room_wanted_degc", "degC", {"uniform": [20, 22]}, 5.0, 35.0, "Room temperature the thermostat holds"),
    Rating("deferrable_wait_h", "h", {"uniform": [4, 8]}, 1.0, 8.0, "How long each lot of them can wait"),
    Rating("heating", "name", 1.0, 0.0, 2.0, "Where the heat for room and water comes from", HEATINGS),
    Rating("heat_pump_w", "W", {"choice": [2_000, 3_000]}, 0.0, 1e6, "Electric power of the heat pump"),
    Rating("backup_w", "W", 9_000.0, 0.0, 1e6, "Power of the electric element that helps the heat pump"),
    Rating("heaters_w", "W", {"choice": [9_000, 12_000]}, 0.0, 1e6, "Power of the electric heaters, or from elsewhere"),
    Rating("hot_water_wh_per_day", "Wh", {"uniform": [3_000, 8_000]}, 0.0, 1e6, "Heat tapped as hot water in a day"),
    Rating("window_m2", "m2", 3.0, 0.0, 1e3, "Window area by which the sun heats the room"),
)

_UNASKED: Final = 1.5  # power drawn unasked, as a multiple of the mean over a day
_BLINDS_K: Final = 2.0  # above the temperature wanted by this much, the sun is kept out
_GAIN_FRAC: Final = 0.8  # share of the appliances' power that heats the room
_HEAT_PUMP_VARS_PER_WATT: Final = 0.2
_HELPED_BELOW_K: Final = 1.0  # below the temperature wanted, and that of the water by
_HELPED_BELOW_TANK_K: Final = 6.0
_TANK_ELEMENT_W: Final = 6_000.0  # beside electric heaters, or the coil of heat from elsewhere
_NO_LIMIT_W: Final = 1e9
ELSEWHERE, HEAT_PUMP, HEATERS = 0.0, 1.0, 2.0
_HOUSE: Final = tuple(field.name for field in fields(home.House))
_OVER: Final = tuple(field.name for field in fields(home.Response))
_SUPPLY_DEGC: Final = np.array([[home.HOT_WATER_DEGC], [home.SUPPLY_TEMPERATURE_DEGC]])


def make(ratings: Columns, keys: Keys) -> Columns:
    """Build ``n`` houses, each somewhere within its thermostat's band."""
    n = len(keys)
    columns = common.initial_columns(QUANTITIES, ratings, n)
    columns.update(key_columns(keys))
    spread = home.THERMOSTAT_BAND_K * (2.0 * draws.uniform(keys, 0, "room at start") - 1.0)
    columns["room_temperature_degc"] = columns["room_wanted_degc"] + spread
    columns["mass_temperature_degc"] = columns["room_wanted_degc"].copy()
    in_band = 2.0 * draws.uniform(keys, 0, "tank at start") - 1.0
    columns["tank_temperature_degc"] = home.HOT_WATER_DEGC + home.HOT_WATER_BAND_K * in_band
    columns["source"] = np.floor(columns["heating"])
    pumped, electric = columns["source"] == HEAT_PUMP, columns["source"] != ELSEWHERE
    columns["own_w"] = np.where(pumped, columns["heat_pump_w"], columns["heaters_w"])
    columns["electric"] = electric.astype(np.float64)
    columns["heating_vars_per_watt"] = _HEAT_PUMP_VARS_PER_WATT * pumped
    columns["tank_max_w"] = np.where(pumped, _NO_LIMIT_W, _TANK_ELEMENT_W)
    columns["element_w"] = columns["backup_w"] * pumped
    columns |= {name: np.zeros(n) for name in ("room_heats", "tank_heats", "lots_taken_wh", *_OVER)}
    columns["lots_wh"] = np.zeros((n, deferrable.HOURS))
    columns |= {name: np.full(n, -1.0) for name in ("lot_hour", "tap_slot")}
    columns |= {name: np.zeros(n) for name in ("tap_w", "deferred_w")}
    columns["over_dt_s"] = np.zeros(n)
    columns["lots_wait_until_s"] = np.full(n, deferrable.NEVER)
    columns["rated_charge_power_w"] = columns["deferrable_rated_w"] + columns["own_w"] * electric + 6_000.0
    columns["rated_charge_power_w"] += np.where(columns["source"] == HEATERS, _TANK_ELEMENT_W, columns["element_w"])
    return columns


def step(
    columns: Columns, surroundings: Surroundings, dt_s: float, *, used: Seen, remote: Floats, spare_w: Floats | None
) -> Columns:
    """Take the houses through one step.

    Parameters
    ----------
    used : columns
        Those of the houses' appliances after the step.
    remote : (n,)
        1.0 where the set-point is to be followed.
    spare_w : (n,), optional
        Power the home as a whole has left for this house, or NaN where nobody asks for it; the loads
        that can wait take what the rest of the house leaves of it.
    """
    new = dict(columns)
    share = connection.served(columns, surroundings)
    live = None if share is None else connection.served_evenly(columns, share)
    drawn = appliances.drawn(used, share, surroundings)
    appliances_w = drawn[0] + drawn[1] + drawn[2]
    heating_w, element_w = _heated(new, surroundings, appliances_w, live, dt_s)
    ask_w = columns["deferrable_wh_per_day"] * (_UNASKED / 24.0)
    if spare_w is not None:
        left_w = np.maximum(spare_w - appliances_w - heating_w - element_w, 0.0)
        ask_w = np.where(np.isnan(left_w), ask_w, left_w)
    if anywhere(columns["active_power_setpoint_enabled"]):
        follows = remote * columns["active_power_setpoint_enabled"] > 0.0
        ask_w = np.where(follows, -columns["active_power_setpoint_w"], ask_w)
    deferred_w = _deferred(new, ask_w, live, surroundings.unix_s, dt_s)
    new["deferred_w"] = deferred_w
    even_w, even_var = heating_w + element_w + deferred_w, heating_w * new["heating_vars_per_watt"]
    shares = common.phase_shares(columns)
    return connection.by_phase(
        new, surroundings, 0.0 - (drawn[:3] + shares * even_w), 0.0 - (drawn[3:] + shares * even_var), dt_s
    )


def _heated(
    new: Columns, surroundings: Surroundings, appliances_w: Floats, live: Floats | None, dt_s: float
) -> tuple[Floats, Floats]:
    """Heat water and room for one step, in the step's own columns.

    Return what that draws: the heat pump or the heaters, and the element that helps the pump. [W]

    A heat pump heats the water first: the room has the share of the step's heat that it leaves.
    """
    outside, room, electric = surroundings.air_temperature_degc, new["room_temperature_degc"], new["electric"]
    pumped, own_w, element_max_w = new["source"] == HEAT_PUMP, new["own_w"], new["element_w"]
    if live is not None:
        own_w, element_max_w = np.where(electric > 0.0, own_w * live, own_w), element_max_w * live
    tank_cop, room_cop = np.where(pumped, home.heat_pump_cop(outside, _SUPPLY_DEGC), 1.0)
    tank = new["tank_temperature_degc"]
    tapped_w = _tapped(new, surroundings, dt_s) * (tank > home.TAPPED_MIN_DEGC)
    cold_tank, kelvin_per_watt = home.unheated_tank(tank, room, tapped_w, dt_s)
    tank_w, new["tank_heats"] = home.heat_by_thermostat(
        new["tank_heats"],
        cold_tank,
        kelvin_per_watt,
        home.HOT_WATER_DEGC - home.HOT_WATER_BAND_K,
        home.HOT_WATER_DEGC + home.HOT_WATER_BAND_K,
        np.minimum(own_w * tank_cop, new["tank_max_w"]),
    )
    warm_tank = cold_tank + tank_w * kelvin_per_watt
    in_tank_w = clipped((home.HOT_WATER_DEGC - _HELPED_BELOW_TANK_K - warm_tank) / kelvin_per_watt, 0.0, element_max_w)
    new["tank_temperature_degc"] = warm_tank + in_tank_w * kelvin_per_watt
    for_tank_w = tank_w / tank_cop
    over = _response(new, dt_s)
    cold_room, cold_mass = home.house_temperatures(
        room, new["mass_temperature_degc"], outside, _GAIN_FRAC * appliances_w, new["heat_loss_w_per_k"], over
    )
    # As much of the sun as leaves the room no warmer than where the blinds come down.
    shaded_w = np.maximum((new["room_wanted_degc"] + _BLINDS_K - cold_room) / over.room_k_per_w, 0.0)
    sun_w = np.minimum(new["window_m2"] * surroundings.ghi_w_per_m2, shaded_w)
    cold_room = cold_room + sun_w * over.room_k_per_w
    heat_w, new["room_heats"] = home.heat_by_thermostat(
        new["room_heats"],
        cold_room,
        over.room_k_per_w,
        new["room_wanted_degc"] - home.THERMOSTAT_BAND_K,
        new["room_wanted_degc"] + home.THERMOSTAT_BAND_K,
        np.where(pumped, (own_w - for_tank_w) * room_cop, own_w),
    )
    warm_room = cold_room + heat_w * over.room_k_per_w
    short_k = new["room_wanted_degc"] - _HELPED_BELOW_K - warm_room
    in_room_w = clipped(short_k / over.room_k_per_w, 0.0, element_max_w - in_tank_w)
    new["room_temperature_degc"] = warm_room + in_room_w * over.room_k_per_w
    new["mass_temperature_degc"] = cold_mass + (sun_w + heat_w + in_room_w) * over.mass_k_per_w
    return (for_tank_w + heat_w / room_cop) * electric, in_tank_w + in_room_w


def _response(new: Columns, dt_s: float) -> home.Response:
    """Return what a step does to the houses; kept in the step's own columns as long as steps are the same."""
    if anywhere(new["over_dt_s"] != dt_s):
        house = home.House(*(new[name] for name in _HOUSE))
        over = home.response(house, dt_s)
        new.update({name: getattr(over, name) for name in _OVER})
        new["over_dt_s"] = np.full_like(new["over_dt_s"], dt_s)
    return home.Response(*(new[name] for name in _OVER))


def _tapped(new: Columns, surroundings: Surroundings, dt_s: float) -> Floats:
    """Return the mean heat of the hot water tapped over a step [W]; keep the last slot's in the step's columns."""
    end_s = surroundings.unix_s
    start_s = end_s - dt_s
    last = int(end_s // hot_water.SLOT_S)
    first = max(int(start_s // hot_water.SLOT_S), last - 96)
    if first == last and not anywhere(new["tap_slot"] != last):
        return new["tap_w"]
    keys, mean_w = keys_in(new), np.zeros_like(new["tap_w"])
    for slot in range(first, last + 1):
        begins_s = slot * hot_water.SLOT_S
        hour = (surroundings.local_hour - (end_s - begins_s) / 3_600.0) % 24.0
        new["tap_w"] = hot_water.tapped_w(keys, slot, hour, new["hot_water_wh_per_day"])
        inside_s = min(begins_s + hot_water.SLOT_S, end_s) - max(begins_s, start_s)
        mean_w += new["tap_w"] * (inside_s / dt_s)
    new["tap_slot"] = np.full_like(mean_w, last)
    return mean_w


def _deferred(new: Columns, asked_w: Floats, live: Floats | None, unix_s: float, dt_s: float) -> Floats:
    """Draw from the loads that wait, in the step's own columns; return their mean power. [W]

    The lots are looked at one by one when an hour begins and where one cannot wait any longer; in between
    what is taken from them is added up.
    """
    hour, rated_w = int(unix_s // deferrable.HOUR_S), new["deferrable_rated_w"]
    if anywhere(new["lot_hour"] != hour):
        _add_lots(new, hour)
    rows = (new["lots_wait_until_s"] < unix_s).nonzero()[0]
    if len(rows):
        _update_deadlines(new, rows, hour)
    max_w = rated_w if live is None else rated_w * live
    drawn_wh = deferrable.drawn_wh(
        new["deferrable_energy_wh"], new["lots_wait_until_s"], asked_w, rated_w, max_w, unix_s, dt_s
    )
    new["lots_taken_wh"] = new["lots_taken_wh"] + drawn_wh
    new["deferrable_energy_wh"] = waiting_wh = new["deferrable_energy_wh"] - drawn_wh
    new["deferrable_power_w"] = rated_w * (waiting_wh > deferrable.ROUNDING_WH)
    return drawn_wh * (deferrable.HOUR_S / dt_s)


def _add_lots(new: Columns, hour: int) -> None:
    """Add the lots of the hours up to ``hour``; at a home's start some wait already."""
    last = np.where(new["lot_hour"] < 0.0, hour - np.floor(new["deferrable_wait_h"] / 2.0), new["lot_hour"])
    lots = deferrable.settled(new["lots_wh"].T, new["lots_taken_wh"], int(last.max()))
    lots = deferrable.with_arrivals(
        lots, last, hour, keys_in(new), new["deferrable_wh_per_day"], new["deferrable_rated_w"]
    )
    new["lots_wh"] = lots.T
    new["lot_hour"] = np.full_like(last, hour)
    new["lots_taken_wh"] = np.zeros_like(last)
    new["deferrable_energy_wh"] = lots.sum(axis=0)
    new["lots_wait_until_s"] = deferrable.latest_s(lots, new["deferrable_wait_h"], new["deferrable_rated_w"], hour)


def _update_deadlines(new: Columns, rows: Indices, hour: int) -> None:
    """Compute again until when the lots of some homes can wait."""
    lots = deferrable.settled(new["lots_wh"][rows].T, new["lots_taken_wh"][rows], hour)
    until_s = deferrable.latest_s(lots, new["deferrable_wait_h"][rows], new["deferrable_rated_w"][rows], hour)
    taken_wh = np.zeros(len(rows))
    for name, values in (("lots_wh", lots.T), ("lots_wait_until_s", until_s), ("lots_taken_wh", taken_wh)):
        new[name] = new[name].copy()
        new[name][rows] = values
