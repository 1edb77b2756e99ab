"""What a home asks of its storage and its PV, so that its connection point keeps to set-points and limits."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import ResourceColumns
from pilotfarm.emulators.devices import easing, support
from pilotfarm.emulators.devices.battery import limits
from pilotfarm.emulators.physics import inverter

_SUPPORTED: Final = ("voltage_setpoint_v", "volt_var_enabled", "frequency_setpoint_hz", "frequency_support_enabled")


def limit_w(new: Columns) -> Floats | None:
    """Return the maximum power of homes to the grid, ``inf`` where it is not limited; ``None`` if it nowhere is. [W]"""
    share = easing.in_force(new, "active_power_limit")
    if not anywhere(new["active_power_limit_enabled"]) and not anywhere(share != 1.0):
        return None
    kept = (new["identified"] * new["active_power_limit_enabled"] > 0.0) | (share < 1.0)
    return np.where(kept, share * new["rated_power_w"], np.inf)


def asked_w(new: Columns) -> Floats | None:
    """Return the set-points of homes that follow one, NaN where none is asked for; ``None`` if nowhere is. [W]"""
    if not anywhere(new["active_power_setpoint_enabled"]):
        return None
    follows = new["remote_enabled"] * new["active_power_setpoint_enabled"] > 0.0
    return np.where(follows, new["active_power_setpoint_w"], np.nan)


def stored_w(storage: Seen, new: Columns, asked_w: Floats | None, dt_s: float) -> Floats:
    """Return the power that the storage is certain to draw, so that a limit curtails only the rest of the PV. [W]

    That is what a set-point has it draw, its own or the home's, or a limit that is a minimum, as far as its cells, its
    maximum, its ramp and its reactive power let it in this step. Its own schedule and support of the frequency do not
    count.
    """
    own = new["remote_enabled"] * storage["active_power_setpoint_enabled"] > 0.0
    wanted_w = np.where(own, np.maximum(-storage["active_power_setpoint_w"], 0.0), 0.0)
    if asked_w is not None:
        wanted_w = np.where(np.isnan(asked_w), wanted_w, np.inf)
    ramped_w = storage["charge_ramp_frac_per_s"] * storage["reference_power_w"] * dt_s - storage["active_power_w"]
    circle_w = inverter.rest_of_circle(storage["reactive_power_var"], storage["rated_apparent_power_va"])
    able_w = np.minimum(np.minimum(ramped_w, circle_w), storage["chargeable_w"])
    window = limits.window(limits.ahead(storage, dt_s), new["remote_enabled"])
    if window is not None:
        wanted_w = np.maximum(wanted_w, -window.max_w)
        able_w = np.minimum(able_w, window.charge_max_w)
    stops = storage["stop"] + np.maximum(storage["frequency_support_enabled"], new["frequency_support_enabled"])
    return np.asarray(np.maximum(np.minimum(wanted_w, able_w), 0.0) * new["running"] * (stops == 0.0))


def generation_beside(storage: Seen, pv: Seen) -> Columns:
    """Return what storages that may not charge from the grid may draw in this step instead: the power of the PV."""
    restricted = anywhere(storage["grid_charging_allowed"] == 0.0)
    return {"own_generation_w": pv["active_power_w"]} if restricted else {}


def capped(part: Seen, room_w: Floats) -> Columns:
    """Return the power limit a resource keeps to, at once, so that the home keeps to its own; ``inf`` is no limit."""
    limited = part["active_power_limit_enabled"] > 0.0
    own = np.where(limited, part["active_power_limit_frac"], 1.0)
    most = part["active_power_max_w"]
    room = np.divide(room_w, most, out=np.zeros_like(own), where=most > 0.0)
    share = np.minimum(inverter.clipped(room, 0.0, 1.0), own)
    times = "active_power_limit_window_s", "active_power_limit_ramp_s"
    at_once = {name: np.where(np.isinf(room_w), part[name], 0.0) for name in times}
    return {"active_power_limit_frac": share, "active_power_limit_enabled": np.ones_like(share), **at_once}


def asked_of_storage(
    storage: Seen, new: Columns, parts: ResourceColumns, missing_w: Floats | None, dt_s: float
) -> Columns:
    """Return the set-points the storage follows in this step in place of its own: the home's where it has one.

    What no home asks for is not among them. ``missing_w`` is NaN where no active power is asked for, or ``None``.
    """
    asked: Columns = {}
    total_w = new["active_power_w"]
    if missing_w is not None:
        asks = np.isfinite(missing_w)
        asked |= _in_place(storage, "active_power_setpoint_w", "active_power_setpoint_enabled", asks, missing_w)
        total_w = np.where(asks, new["active_power_setpoint_w"], total_w)
    switches = new["reactive_power_setpoint_enabled"], new["power_factor_setpoint_enabled"]
    if any(map(anywhere, (*switches, easing.in_force(new, "power_factor_setpoint")))):
        asked |= _vars_of_storage(storage, new, parts, total_w, dt_s)
    for value, switch in (_SUPPORTED[:2], _SUPPORTED[2:]):
        if anywhere(new[switch]):
            asked |= _in_place(storage, value, switch, new[switch] > 0.0, new[value])
    return asked


def _vars_of_storage(storage: Seen, new: Columns, parts: ResourceColumns, total_w: Floats, dt_s: float) -> Columns:
    """Return the reactive power set-points the storage follows in this step, at an active power of the home. [W]"""
    remote = new["remote_enabled"]
    asks_q = remote * new["reactive_power_setpoint_enabled"] > 0.0
    asks_pf = (remote * new["power_factor_setpoint_enabled"] > 0.0) & ~asks_q
    factor = support.power_factor(new, asks_pf, dt_s)
    asks_pf |= (factor != 1.0) & ~asks_q
    # A power factor holds for the sum; the storage's own share of the power is that of the step before.
    wanted_var = np.where(
        asks_pf,
        inverter.vars_at_power_factor(total_w, factor),
        new["reactive_power_setpoint_var"],
    )
    others_var = sum((part["reactive_power_var"] for part in parts.values()), start=np.zeros_like(wanted_var))
    value, switch = "reactive_power_setpoint_var", "reactive_power_setpoint_enabled"
    return _in_place(storage, value, switch, asks_q | asks_pf, wanted_var - others_var)


def _in_place(storage: Seen, value: str, switch: str, by_home: Bools, asked: Floats) -> Columns:
    """Return a set-point and its switch: the home's where it asks for something, else the storage's own."""
    return {value: np.where(by_home, asked, storage[value]), switch: np.where(by_home, 1.0, storage[switch])}
