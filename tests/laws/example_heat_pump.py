"""A device kind as small as one can be: a heat pump that holds a room warm, within a set-point of its power.

Registered in one line, ``"heat_pump": "example_heat_pump:DEVICE"``, as ``ARCHITECTURE.md`` promises.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec, Effect, Keys, Limits, OfColumn, Rating
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import common
from pilotfarm.emulators.physics import home
from pilotfarm.emulators.quantities import COMMON, quantities

NAMES = (
    *COMMON,
    "active_power_setpoint_w",
    "active_power_setpoint_enabled",
    "room_temperature_degc",
    "outside_temperature_degc",
)
RATINGS = (
    *common.COMMON_RATINGS,
    Rating("rated_charge_power_w", "W", {"choice": [2_000, 4_000]}, 100.0, 1e6, "Electric power"),
    Rating("heat_loss_w_per_k", "W/K", {"uniform": [80, 250]}, 1.0, 1e5, "Heat the house loses a kelvin"),
    Rating("coupling_w_per_k", "W/K", 1_000.0, 1.0, 1e6, "Heat between room air and the mass of the house"),
    Rating("air_j_per_k", "J/K", 2e6, 1e3, 1e10, "Heat capacity of the room air"),
    Rating("mass_j_per_k", "J/K", 2.5e7, 1e3, 1e12, "Heat capacity of the mass of the house"),
    Rating("room_wanted_degc", "degC", 24.0, 5.0, 35.0, "Room temperature it holds"),
)


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    columns = common.initial_columns(NAMES, ratings, len(keys))
    for name in ("room_temperature_degc", "mass_temperature_degc"):
        columns[name] = columns["room_wanted_degc"].copy()
    columns["heats"] = np.ones(len(keys))
    return columns


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    new = common.life_cycle(columns, surroundings, dt_s)
    outside = surroundings.air_temperature_degc
    house = home.House(*(new[field.name] for field in fields(home.House)))
    over = home.response(house, dt_s)
    room, mass = home.house_temperatures(
        new["room_temperature_degc"],
        new["mass_temperature_degc"],
        outside,
        np.zeros_like(new["heats"]),
        house.heat_loss_w_per_k,
        over,
    )
    follows = new["remote_enabled"] * new["active_power_setpoint_enabled"] > 0.0
    power_w = np.where(follows, -new["active_power_setpoint_w"], new["rated_charge_power_w"]) * new["running"]
    cop = home.heat_pump_cop(outside)
    wanted = new["room_wanted_degc"]
    heat_w, new["heats"] = home.heat_by_thermostat(
        new["heats"],
        room,
        over.room_k_per_w,
        wanted - home.THERMOSTAT_BAND_K,
        wanted + home.THERMOSTAT_BAND_K,
        power_w * cop,
    )
    new["room_temperature_degc"] = room + heat_w * over.room_k_per_w
    new["mass_temperature_degc"] = mass + heat_w * over.mass_k_per_w
    new["outside_temperature_degc"] = np.full_like(room, outside)
    return common.end_step(common.at_connection(new, surroundings, 0.0 - heat_w / cop, np.zeros_like(room), dt_s))


DEVICE = DeviceSpec(
    kind="heat_pump",
    title="Heat pump",
    quantities=quantities(NAMES),
    make=make,
    step=step,
    ratings=RATINGS,
    limits={"active_power_setpoint_w": Limits(OfColumn("rated_charge_power_w", -1.0), 0.0)},
    follows={"active_power_setpoint_w": Effect("active_power_w")},
    with_any_command=common.WITH_ANY_COMMAND,
)
