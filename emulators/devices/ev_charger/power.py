"""What power flows at a charging point: limits, what is on offer, the vehicle's state and its charge."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, everything, is_nothing, nothing
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import common, support
from pilotfarm.emulators.devices.ev_charger.session import EFFICIENCY, leaves_s
from pilotfarm.emulators.physics import ev
from pilotfarm.emulators.physics.inverter import clipped

NEARLY: Final = 0.98
"""A set-point of at least this share of what the least current comes to is the least current, own choice."""
V2G_RESERVE_FRAC: Final = 0.3
"""State of charge below which a vehicle is not discharged, own choice."""


class Limits(NamedTuple):
    """What a point may do in a step, whatever the active power set-point; ``(n,)`` each."""

    per_ampere_w: Floats
    """Power of an ampere on the phases that the vehicle loads."""
    current_a: Floats
    offered_a: Floats
    """Current on offer where nothing less is asked for."""
    charge_w: Floats
    """Maximum power to a vehicle that takes all of it."""
    discharge_w: Floats
    """Maximum power from a vehicle; ``nothing`` if no point can take any."""


def limits(new: Columns, surroundings: Surroundings) -> Limits:
    per_ampere = new["vehicle_phases"] * common.voltage_at(new, surroundings.voltage_v)
    max_a = _limit_a(new)
    offered_a = ev.offered_current_a(max_a, new["rated_current_a"], new["current_min_a"])
    charge_w = np.minimum(offered_a * per_ampere, new["rated_apparent_power_va"])
    return Limits(per_ampere, max_a, offered_a, charge_w, _discharge_max_w(new, max_a * per_ampere))


def _limit_a(new: Columns) -> Floats:
    """Return the maximum current a phase, whatever the active power set-point. [A]"""
    limit = np.where(new["remote_enabled"] > 0.0, new["current_limit_a"], new["rated_current_a"])
    if not is_nothing(new["sesp_link_lost"]):
        limit = np.where(new["sesp_link_lost"] > 0.0, new["fallback_current_a"], limit)
    if not is_nothing(new["derated_frac"]):
        limit = np.minimum(limit, (1.0 - new["derated_frac"]) * new["rated_current_a"])
    return np.minimum(limit, new["rated_current_a"]) * new["running"]


def _discharge_max_w(new: Columns, max_w: Floats) -> Floats:
    """Return the maximum power a vehicle may deliver where the current limit allows ``max_w``. [W]"""
    if is_nothing(new["rated_power_w"]):
        return nothing(len(max_w))
    limited = new["remote_enabled"] * new["active_power_limit_enabled"] > 0.0
    share = np.where(limited, new["active_power_limit_frac"], 1.0)
    return np.minimum(max_w, new["active_power_max_w"] * share)


def asked(new: Columns, surroundings: Surroundings, limits: Limits) -> tuple[Floats, Floats]:
    """Return the current on offer [A], and the power that the vehicle moves towards [W]; plus discharges."""
    unasked_w = np.minimum(limits.charge_w, new["vehicle_power_w"])
    if is_nothing(new["active_power_setpoint_enabled"], new["droop_frac"]):
        return limits.offered_a, -unasked_w
    per_ampere, min_a = limits.per_ampere_w, new["current_min_a"]
    max_w = limits.current_a * per_ampere
    follows = (new["remote_enabled"] > 0.0) & (new["active_power_setpoint_enabled"] > 0.0)
    net_w = np.where(follows, new["active_power_setpoint_w"], -max_w)
    net_w += support.droop_power(new, surroundings, new["rated_charge_power_w"])
    charge_w = clipped(-net_w, 0.0, max_w)
    wanted_a = np.divide(charge_w, per_ampere, out=np.zeros_like(charge_w), where=per_ampere > 0.0)
    # A set-point rounded on the wire, or a voltage higher than when the range was read, does not stop a vehicle.
    wanted_a = np.where(wanted_a >= NEARLY * min_a, np.maximum(wanted_a, min_a), 0.0)
    offer_a = ev.offered_current_a(np.minimum(wanted_a, limits.current_a), new["rated_current_a"], min_a)
    ask_w = np.minimum(np.minimum(offer_a * per_ampere, new["vehicle_power_w"]), new["rated_apparent_power_va"])
    # A point asked for nothing offers what it would without neighbours that are, to the last bit.
    steered = follows | (new["droop_frac"] != 0.0)
    offer_a, ask_w = np.where(steered, offer_a, limits.offered_a), np.where(steered, ask_w, unasked_w)
    if is_nothing(limits.discharge_w):
        return offer_a, -ask_w
    discharge_w = clipped(net_w, 0.0, limits.discharge_w)
    return offer_a, np.where(discharge_w > 0.0, discharge_w, -ask_w)


def next_state(new: Columns, offer_a: Floats, target_w: Floats) -> Floats:
    """Return the next state of each point, by the current on offer and the power the vehicle moves towards."""
    soc, running, available = new["vehicle_soc_frac"], new["running"], new["available"]
    wants = (offer_a > 0.0) & (soc < new["target_soc_frac"])
    if (left_wh := _left_wh(new)) is not None:
        wants &= left_wh > 0.0
    if not is_nothing(new["rated_power_w"]):
        wants |= (target_w > 0.0) & (soc > V2G_RESERVE_FRAC)
    return ev.next_state(
        new["charge_point_state"],
        new["vehicle_connected"] > 0.0,
        wants & (new["authorised"] > 0.0),
        None if running is everything(len(running)) else running == 0.0,
        None if available is everything(len(available)) else available == 0.0,
    )


def reachable(new: Columns, asked_w: Floats, now_s: float, dt_s: float) -> Floats:
    """Return the mean power to the grid that the vehicles' charge and stay allow over a step. [W]"""
    soc, cells_ws = new["vehicle_soc_frac"], new["pack_wh"] * 3600.0
    per_watt = EFFICIENCY / cells_ws
    charge_w = np.maximum(-asked_w, 0.0)
    stay_s = clipped(leaves_s(new) - (now_s - dt_s), 0.0, dt_s)
    charged = ev.charged_soc(
        soc, charge_w * per_watt, new["vehicle_power_w"] * per_watt, stay_s, new["taper_from_frac"]
    )
    rise = np.maximum(np.minimum(charged, new["target_soc_frac"]) - soc, 0.0)
    reached_w = 0.0 - rise * (cells_ws / (EFFICIENCY * dt_s))
    if (left_wh := _left_wh(new)) is not None:
        reached_w = np.maximum(reached_w, left_wh * (-3600.0 / dt_s))
    if is_nothing(new["rated_power_w"]):
        return reached_w
    spare = np.maximum(soc - V2G_RESERVE_FRAC, 0.0)
    deliverable_w = np.minimum(asked_w * (stay_s / dt_s), spare * (EFFICIENCY * cells_ws / dt_s))
    return np.where(asked_w > 0.0, deliverable_w, reached_w)


def _left_wh(new: Columns) -> Floats | None:
    """Return the energy that is left of the sessions' limits; ``None`` where no session is to have one. [Wh]"""
    limit_wh = new["session_energy_limit_wh"]
    if is_nothing(limit_wh):
        return None
    follows = (limit_wh > 0.0) & ((new["remote_enabled"] > 0.0) | (new["sesp_link_lost"] > 0.0))
    left_wh = limit_wh - new["session_energy_wh"]
    # What a step's rounding leaves is nothing.
    return np.where(follows, np.where(left_wh > 1e-6 * limit_wh, left_wh, 0.0), np.inf)


def stored(new: Columns, active_w: Floats, dt_s: float) -> Floats:
    """Return the vehicle's state of charge after a step of constant power to the grid."""
    cells_w = active_w * EFFICIENCY
    if not is_nothing(new["rated_power_w"]):
        cells_w = np.where(active_w > 0.0, active_w / EFFICIENCY, cells_w)
    return clipped(new["vehicle_soc_frac"] - cells_w * dt_s / (new["pack_wh"] * 3600.0), 0.0, 1.0)


def show_range(new: Columns, limits: Limits) -> None:
    """Show between which powers the vehicle can be charged now, in the step's own columns."""
    may = new["authorised"] * new["running"]
    soc = new["vehicle_soc_frac"]
    vehicle_w = ev.taper_power_w(soc, new["vehicle_power_w"], new["taper_from_frac"])
    # A vehicle that has the energy asked for takes no more.
    takes = soc < new["target_soc_frac"]
    if (left_wh := _left_wh(new)) is not None:
        takes &= left_wh > 0.0
    charge_max_w = np.minimum(limits.charge_w, vehicle_w) * (may * takes)
    min_w = new["current_min_a"] * limits.per_ampere_w
    new["charge_power_max_w"] = charge_max_w
    new["setpoint_min_w"] = NEARLY * min_w
    new["charge_power_min_w"] = min_w = np.minimum(min_w, charge_max_w)
    new["discharge_power_max_w"] = discharge = limits.discharge_w
    if not is_nothing(discharge):
        new["discharge_power_max_w"] = discharge = discharge * may * (soc > V2G_RESERVE_FRAC)
        new["charge_power_min_w"] = np.where(discharge > 0.0, -discharge, min_w)
