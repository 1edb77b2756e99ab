"""A charging point and whoever comes to it: sessions, owner identification, charge and V2G discharge.

A session goes through IEC 61851-1: plugged in the vehicle is in state B; it charges (C) once its owner is
identified, the point is released and at least 6 A are on offer; an owner without valid identification
stays in B without power. The least of these limits the current a phase: the rating, ``current_limit_a``,
the active power set-point, and while the SESP's link is lost only ``fallback_current_a``. A positive
set-point discharges a vehicle at a point rated for it (``v2g_power_w``), down to a reserve.

Of a session's energy the vehicle takes what its owner asked for, which like all energy here is counted at the
connection point, before the vehicle's losses; reactive power takes what the active
power leaves of the apparent power, while the vehicle's converter is connected (state C). The vehicle
follows the offer with a lag. At a three-phase AC point a vehicle with a single-phase charger loads the
phase that ``phase`` names; who comes to a V2G point has a three-phase converter that can do all of it.

A DC point (``dc_power_w``) is three-phase, offers down to nothing, and its currents are those it draws.

A session that would end before it began is none: nobody comes, and the point draws its next one.

A vehicle is seen at the end of the step in which it comes, in state B, and charges from then on. What it waits for
that end it stays longer, and the step in which it leaves counts as far as it stays: so a session comes to the
same energy whatever the steps are, at most a step late. Between two vehicles a point is in state A for a step.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, anywhere, everything, is_nothing, nothing
from pilotfarm.emulators.contracts.device import DeviceSpec, Effect, Keys, Limits, OfColumn, Rating
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import common, support
from pilotfarm.emulators.devices.common import Bools
from pilotfarm.emulators.physics import ev
from pilotfarm.emulators.physics.inverter import held
from pilotfarm.emulators.quantities import COMMON, CONNECTION_POINT, SUPPORT, quantities
from pilotfarm.profiles import draws, sessions

EFFICIENCY: Final = 0.92
"""From the grid to the cells, and back: an on-board charger's, own choice."""
NEARLY: Final = 0.98
"""A set-point of at least this share of what the least current comes to is the least current, own choice."""
V2G_RESERVE_FRAC: Final = 0.3
"""State of charge below which a vehicle is not discharged, own choice."""

QUANTITIES: Final = (
    *COMMON,
    *SUPPORT,
    "charging_power_w",
    "charge_power_min_w",
    "charge_power_max_w",
    "energy_acceptable_wh",
    "vehicle_soc_frac",
    "session_energy_wh",
    "charge_point_state",
    "vehicle_connected",
    "authorised",
    "owner_card_id",
    "time_to_departure_s",
    "energy_wanted_wh",
    "session_duration_s",
    "charging_duration_s",
    "current_limit_in_force_a",
    "rated_current_a",
    "charge_release",
    "current_limit_a",
    "fallback_current_a",
)

RELEASES: Final = ("card", "sesp")
"""What it takes to charge: a valid card, or the SESP's release as well."""

RATINGS: Final = (
    *common.COMMON_RATINGS,
    support.GRID_CODE,
    Rating("rated_current_a", "A", {"choice": [16, 32]}, 6.0, 500.0, "Rated current a phase"),
    Rating("v2g_power_w", "W", 0.0, 0.0, 350_000.0, "Most power from the vehicle to the grid; 0 is no V2G"),
    Rating("dc_power_w", "W", 0.0, 0.0, 350_000.0, "Rated power of a DC point; 0 is an AC point"),
    Rating(
        "site_type", "name", {"choice": [0, 1, 2]}, 0.0, 2.0, "Who comes, when and for how long", sessions.SITE_TYPES
    ),
    Rating("invalid_card_share", "1", 0.05, 0.0, 1.0, "Share of owners whose identification is refused"),
    Rating(
        "release_mode", "name", 0.0, 0.0, 1.0, "Whether a valid card is enough, or the SESP has to release", RELEASES
    ),
    Rating("fallback_current_a", "A", 6.0, 0.0, 600.0, "Most current a phase while the SESP's link is lost"),
)


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build ``n`` charging points; at about half of them a session is already under way."""
    n = len(keys)
    columns = common.begun(QUANTITIES, ratings, n)
    columns.update(common.key_columns(keys))
    fast = columns["dc_power_w"] > 0.0
    columns["wires"] = np.where(fast | (columns["phases"] >= 2.0), 3.0, 1.0)
    per_ampere = columns["wires"] * columns["nominal_voltage_v"]
    columns["rated_current_a"] = np.where(fast, columns["dc_power_w"] / per_ampere, columns["rated_current_a"])
    columns["rated_charge_power_w"] = per_ampere * columns["rated_current_a"]
    columns["least_current_a"] = np.where(fast, 0.0, ev.LEAST_CURRENT_A)
    columns["taper_from_frac"] = np.where(fast, ev.FAST_TAPER_FROM_FRAC, ev.TAPER_FROM_FRAC)
    columns["clientele"] = np.where(fast, float(sessions.FAST), np.floor(columns["site_type"]))
    columns["rated_power_w"] = np.minimum(columns["v2g_power_w"], columns["rated_charge_power_w"])
    columns["rated_apparent_power_va"] = columns["rated_charge_power_w"].copy()
    columns |= {"reactive_capability_frac": np.ones(n), "ramp_frac_per_s": np.ones(n), "reactive_first": np.zeros(n)}
    columns = support.begun(columns)
    columns["current_limit_a"] = columns["rated_current_a"].copy()
    columns["fallback_current_a"] = np.minimum(columns["fallback_current_a"], columns["rated_current_a"])
    columns["charge_release"] = (columns["release_mode"] < 0.5).astype(np.float64)
    columns["credential_refused"] = columns["invalid_credential"].copy()
    columns["owner_refused"] = np.zeros(n)
    columns |= {name: np.zeros(n) for name in ("discharge_power_max_w", "least_set_point_w", "followed_w")}
    first = sessions.session(keys, 0, columns["clientele"], columns["invalid_card_share"])
    busy = draws.uniform(keys, 0, "busy at start") < 0.5
    elapsed_s = first.stay_s * draws.uniform(keys, 0, "elapsed at start")
    columns["session_number"] = np.where(busy, 0.0, -1.0)
    columns["arrival_s"] = np.where(busy, -elapsed_s, 0.0)
    columns["departure_s"] = np.where(busy, first.stay_s - elapsed_s, 0.0)
    columns.update(_drawn(first, columns))
    columns["late_s"] = columns["vehicle_connected"] = np.zeros(n)
    columns = _with_vehicle(columns, 0.0, np.zeros(n, dtype=np.bool_))
    columns["late_s"] = columns["due_s"] = np.zeros(n)
    columns["charge_point_state"] = columns["vehicle_connected"] * float(ev.State.B)
    return _identified(columns)


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Take the charging points through one step; at most one vehicle leaves or comes in it."""
    new = _identified(_sessions(columns, surroundings, dt_s))
    # The identification of a charging point is its owner's; its own only decides whether it obeys.
    of_owner = {name: new[name] for name in ("identified", "identification_failed")}
    new["identification_failed"] = new["credential_refused"]
    new = common.life_cycle(new, surroundings, dt_s)
    new.update(of_owner)
    limits = _limits(new, surroundings)
    offer_a, wish_w = _asked(new, surroundings, limits)
    new["current_limit_in_force_a"] = offer_a
    charged_before = columns["charge_point_state"] == ev.CHARGING
    new["charge_point_state"] = _next_state(new, offer_a, wish_w)
    charging = new["charge_point_state"] == ev.CHARGING
    mean_w, last_w = ev.followed(new["followed_w"] * (charged_before & charging), wish_w, dt_s)
    new["followed_w"] = last_w * charging
    active_w = _reachable(new, mean_w * charging, surroundings.time_s, dt_s)
    active_w, reactive_var = support.inverter_power(new, surroundings, active_w, dt_s)
    if not is_nothing(reactive_var):
        reactive_var = reactive_var * charging
    new["vehicle_soc_frac"] = _stored(new, active_w, dt_s)
    new["reactive_available_var"] = new["reactive_available_var"] * charging
    new = common.at_connection(new, surroundings, active_w, reactive_var, dt_s)
    _session_report(new, surroundings.time_s, dt_s)
    _charging_range(new, limits)
    return common.closed(new)


def _sessions(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Let vehicles leave and come: a point whose session was over when the step began draws its next one."""
    now_s = surroundings.time_s
    if not anywhere(columns["due_s"] <= now_s):
        return columns
    stays = columns["vehicle_connected"] > 0.0
    # Who waits for the point to fall free still comes; who would leave first, or was never drawn, does not.
    over = np.flatnonzero((_leaves_s(columns) <= now_s - dt_s) & (stays | ~_comes(columns)))
    if not len(over):
        return _with_vehicle(columns, now_s, stays)
    left_s = columns["departure_s"][over]
    here_h = 24.0 * surroundings.weekday + surroundings.local_hour
    week_hour = np.mod(here_h - (now_s - left_s) / 3600.0, 168.0)
    rows = {name: columns[name][over] for name in (*_OF_A_POINT, "key_high", "key_low")}
    keys, clientele = common.keys_in(rows), rows["clientele"]
    number = columns["session_number"][over] + 1.0
    drawn = sessions.session(keys, number, clientele, rows["invalid_card_share"])
    arrival_s = left_s + sessions.arrival_gap_s(keys, number, clientele, week_hour)
    changes = {
        "session_number": number,
        "arrival_s": arrival_s,
        "departure_s": arrival_s + drawn.stay_s,
        "late_s": np.zeros(len(over)),
        **_drawn(drawn, rows),
    }
    new = dict(columns)
    for name, values in changes.items():
        new[name] = columns[name].copy()
        new[name][over] = values
    stays[over] = False
    return _with_vehicle(new, now_s, stays)


_OF_A_POINT: Final = ("clientele", "invalid_card_share", "wires", "phase", "v2g_power_w", "dc_power_w")


def _drawn(drawn: sessions.Sessions, points: Columns) -> Columns:
    """Name the columns that hold the session under way, or the next one, at points ``_OF_A_POINT``."""
    matched = (points["v2g_power_w"] > 0.0) | (points["dc_power_w"] > 0.0)
    three = (points["wires"] > 1.0) & (matched | (drawn.vehicle_phases > 1.0))
    phases = {
        f"share_l{index + 1}": np.where(three, 1.0 / 3.0, (points["phase"] == index).astype(np.float64))
        for index in range(3)
    }
    return {
        "session_soc_frac": drawn.soc_start_frac,
        "target_soc_frac": np.minimum(drawn.soc_start_frac + EFFICIENCY * drawn.energy_wanted_wh / drawn.pack_wh, 1.0),
        "pack_wh": drawn.pack_wh,
        "vehicle_power_w": np.maximum(drawn.vehicle_power_w, points["v2g_power_w"]),
        "vehicle_wires": np.where(three, 3.0, 1.0),
        "session_card_id": drawn.card_id,
        "session_card_valid": drawn.card_valid,
        **phases,
    }


def _with_vehicle(columns: Columns, now_s: float, stays: Bools) -> Columns:
    """Show who is plugged in at ``now_s``: who ``stays`` from before, and at a point that was free who came.

    From ``due_s`` on there is something to look for: who is there may leave, who is awaited come, and where nobody
    comes the next session be drawn.
    """
    comes = _comes(columns)
    came = (columns["arrival_s"] <= now_s) & comes & (columns["vehicle_connected"] == 0.0)
    there = stays | came
    new = dict(columns)
    new["vehicle_connected"] = there.astype(np.float64)
    if anywhere(came):
        for name, start in (
            ("late_s", now_s - columns["arrival_s"]),
            ("vehicle_soc_frac", columns["session_soc_frac"]),
            ("owner_card_id", columns["session_card_id"]),
            ("owner_refused", 1.0 - columns["session_card_valid"]),
            ("session_energy_wh", np.zeros_like(columns["arrival_s"])),
            ("charging_duration_s", np.zeros_like(columns["arrival_s"])),
        ):
            new[name] = np.where(came, start, columns[name])
    new["vehicle_soc_frac"] = new["vehicle_soc_frac"] * new["vehicle_connected"]
    new["owner_refused"] = new["owner_refused"] * new["vehicle_connected"]
    new["due_s"] = np.where(comes & ~there, new["arrival_s"], _leaves_s(new))
    return new


def _identified(columns: Columns) -> Columns:
    """Accept or refuse the owner's identification, and the point's own; say whether the session may charge."""
    new = dict(columns)
    if not is_nothing(columns["identification_clear"]):
        kept = 1.0 - columns["identification_clear"]
        for name in ("owner_refused", "credential_refused"):
            new[name] = columns[name] * kept
    failed = new["owner_refused"]
    if not is_nothing(new["credential_refused"]):
        failed = np.maximum(failed, new["credential_refused"])
    new["identification_failed"] = failed
    new["identified"] = columns["vehicle_connected"] * (1.0 - failed)
    new["authorised"] = new["identified"] * columns["charge_release"]
    return new


def _limit_a(new: Columns) -> Floats:
    """Return the most current a phase, whatever the active power set-point. [A]"""
    limit = np.where(new["remote_enabled"] > 0.0, new["current_limit_a"], new["rated_current_a"])
    if not is_nothing(new["sesp_link_lost"]):
        limit = np.where(new["sesp_link_lost"] > 0.0, new["fallback_current_a"], limit)
    return np.minimum(limit, new["rated_current_a"]) * new["running"]


class _Limits(NamedTuple):
    """What a point may do in a step, whatever the active power set-point; ``(n,)`` each."""

    per_ampere_w: Floats
    """Power of an ampere on the phases that the vehicle loads."""
    current_a: Floats
    offered_a: Floats
    """Current on offer where nothing less is asked for."""
    charge_w: Floats
    """Most power to a vehicle that takes all of it."""
    discharge_w: Floats
    """Most power from a vehicle; ``nothing`` if no point can take any."""


def _limits(new: Columns, surroundings: Surroundings) -> _Limits:
    per_ampere = new["vehicle_wires"] * common.voltage_at(new, surroundings.voltage_v)
    most_a = _limit_a(new)
    offered_a = ev.offered_current_a(most_a, new["rated_current_a"], new["least_current_a"])
    charge_w = np.minimum(offered_a * per_ampere, new["rated_apparent_power_va"])
    return _Limits(per_ampere, most_a, offered_a, charge_w, _most_discharge_w(new, most_a * per_ampere))


def _asked(new: Columns, surroundings: Surroundings, limits: _Limits) -> tuple[Floats, Floats]:
    """Return the current on offer [A], and the power that the vehicle is to come to [W], plus discharges."""
    unasked_w = np.minimum(limits.charge_w, new["vehicle_power_w"])
    if is_nothing(new["active_power_setpoint_enabled"], new["droop_frac"]):
        return limits.offered_a, -unasked_w
    per_ampere, least_a = limits.per_ampere_w, new["least_current_a"]
    most_w = limits.current_a * per_ampere
    follows = (new["remote_enabled"] > 0.0) & (new["active_power_setpoint_enabled"] > 0.0)
    net_w = np.where(follows, new["active_power_setpoint_w"], -most_w)
    net_w += support.droop_power(new, surroundings, new["rated_charge_power_w"])
    charge_w = held(-net_w, 0.0, most_w)
    wanted_a = np.divide(charge_w, per_ampere, out=np.zeros_like(charge_w), where=per_ampere > 0.0)
    # A watt rounded on the wire, or a volt more than when the range was read, does not stop a vehicle.
    wanted_a = np.where(wanted_a >= NEARLY * least_a, np.maximum(wanted_a, least_a), 0.0)
    offer_a = ev.offered_current_a(np.minimum(wanted_a, limits.current_a), new["rated_current_a"], least_a)
    ask_w = np.minimum(np.minimum(offer_a * per_ampere, new["vehicle_power_w"]), new["rated_apparent_power_va"])
    # A point asked for nothing offers what it would without neighbours that are, to the last bit.
    asked = follows | (new["droop_frac"] != 0.0)
    offer_a, ask_w = np.where(asked, offer_a, limits.offered_a), np.where(asked, ask_w, unasked_w)
    if is_nothing(limits.discharge_w):
        return offer_a, -ask_w
    discharge_w = held(net_w, 0.0, limits.discharge_w)
    return offer_a, np.where(discharge_w > 0.0, discharge_w, -ask_w)


def _next_state(new: Columns, offer_a: Floats, wish_w: Floats) -> Floats:
    """Return the next state of each point, by what is on offer and what the vehicle has to come to."""
    soc, running, available = new["vehicle_soc_frac"], new["running"], new["available"]
    wants = (offer_a > 0.0) & (soc < new["target_soc_frac"])
    if not is_nothing(new["rated_power_w"]):
        wants |= (wish_w > 0.0) & (soc > V2G_RESERVE_FRAC)
    return ev.next_state(
        new["charge_point_state"],
        new["vehicle_connected"] > 0.0,
        wants & (new["authorised"] > 0.0),
        None if running is everything(len(running)) else running == 0.0,
        None if available is everything(len(available)) else available == 0.0,
    )


def _most_discharge_w(new: Columns, most_w: Floats) -> Floats:
    """Return the most power a vehicle may deliver where the current limit allows ``most_w``. [W]"""
    if is_nothing(new["rated_power_w"]):
        return nothing(len(most_w))
    limited = new["remote_enabled"] * new["active_power_limit_enabled"] > 0.0
    share = np.where(limited, new["active_power_limit_frac"], 1.0)
    return np.minimum(most_w, new["rated_power_w"] * share)


def _comes(columns: Columns) -> Bools:
    """Return where a vehicle came or will: none that would leave before, and none before the first is drawn."""
    return (columns["session_number"] >= 0.0) & (columns["arrival_s"] < columns["departure_s"])


def _leaves_s(new: Columns) -> Floats:
    """Return when the vehicles under way leave. [s]"""
    return new["departure_s"] + new["late_s"]


def _reachable(new: Columns, asked_w: Floats, now_s: float, dt_s: float) -> Floats:
    """Return the mean power to the grid that the vehicles' charge and stay allow over a step. [W]"""
    soc, cells_ws = new["vehicle_soc_frac"], new["pack_wh"] * 3600.0
    per_watt = EFFICIENCY / cells_ws
    charge_w = np.maximum(-asked_w, 0.0)
    stay_s = held(_leaves_s(new) - (now_s - dt_s), 0.0, dt_s)
    charged = ev.charged_soc(
        soc, charge_w * per_watt, new["vehicle_power_w"] * per_watt, stay_s, new["taper_from_frac"]
    )
    rise = np.maximum(np.minimum(charged, new["target_soc_frac"]) - soc, 0.0)
    reached_w = 0.0 - rise * (cells_ws / (EFFICIENCY * dt_s))
    if is_nothing(new["rated_power_w"]):
        return reached_w
    spare = np.maximum(soc - V2G_RESERVE_FRAC, 0.0)
    deliverable_w = np.minimum(asked_w * (stay_s / dt_s), spare * (EFFICIENCY * cells_ws / dt_s))
    return np.where(asked_w > 0.0, deliverable_w, reached_w)


def _stored(new: Columns, active_w: Floats, dt_s: float) -> Floats:
    """Return the vehicle's state of charge after a step of constant power to the grid."""
    cells_w = active_w * EFFICIENCY
    if not is_nothing(new["rated_power_w"]):
        cells_w = np.where(active_w > 0.0, active_w / EFFICIENCY, cells_w)
    return held(new["vehicle_soc_frac"] - cells_w * dt_s / (new["pack_wh"] * 3600.0), 0.0, 1.0)


def _session_report(new: Columns, now_s: float, dt_s: float) -> None:
    """Bring the session's figures up to date, in the step's own columns."""
    connected, soc, pack_wh = new["vehicle_connected"], new["vehicle_soc_frac"], new["pack_wh"]
    active_w = new["active_power_w"]
    new["charging_power_w"] = np.maximum(-active_w, 0.0)
    new["session_energy_wh"] = new["session_energy_wh"] - active_w * (dt_s / 3600.0)
    new["charging_duration_s"] = new["charging_duration_s"] + dt_s * (active_w < 0.0)
    leaves_s = _leaves_s(new)
    new["session_duration_s"] = (np.minimum(now_s, leaves_s) - new["arrival_s"] - new["late_s"]) * connected
    new["time_to_departure_s"] = np.maximum(leaves_s - now_s, 0.0) * connected
    metered_wh = connected * pack_wh / EFFICIENCY
    new["energy_wanted_wh"] = np.maximum(new["target_soc_frac"] - soc, 0.0) * metered_wh
    new["energy_acceptable_wh"] = (1.0 - soc) * metered_wh


def _charging_range(new: Columns, limits: _Limits) -> None:
    """Say between which powers the vehicle can be charged now, in the step's own columns."""
    may = new["authorised"] * new["running"]
    soc = new["vehicle_soc_frac"]
    vehicle_w = ev.taper_power_w(soc, new["vehicle_power_w"], new["taper_from_frac"])
    # Who has what was asked for takes no more of it.
    most = np.minimum(limits.charge_w, vehicle_w) * (may * (soc < new["target_soc_frac"]))
    least_w = new["least_current_a"] * limits.per_ampere_w
    new["charge_power_max_w"] = most
    new["least_set_point_w"] = NEARLY * least_w
    new["charge_power_min_w"] = least_w = np.minimum(least_w, most)
    new["discharge_power_max_w"] = discharge = limits.discharge_w
    if not is_nothing(discharge):
        new["discharge_power_max_w"] = discharge = discharge * may * (soc > V2G_RESERVE_FRAC)
        new["charge_power_min_w"] = np.where(discharge > 0.0, -discharge, least_w)


DEVICE: Final = DeviceSpec(
    kind="ev_charger",
    use_case="UC-1-EV_CS",
    title="EV charging station",
    quantities=quantities(QUANTITIES),
    items={
        "electrical state variables set-points": (*common.SET_POINT_ITEMS, "current_limit_a", "fallback_current_a"),
        "commands / requests of information": (*common.COMMAND_ITEMS, "charge_release"),
        "electrical state variables measurements": CONNECTION_POINT,
        "charging power": ("charging_power_w",),
        "charging range capacity": ("charge_power_min_w", "charge_power_max_w", "energy_acceptable_wh"),
    },
    behaviour={
        **support.BEHAVIOUR,
        "modify active power consumed or generated": ("active_power_setpoint_w", "active_power_w"),
        "modify reactive power inductive or capacitive": ("reactive_power_setpoint_var", "reactive_power_var"),
        "the owner parks and connects the EV to the station": ("vehicle_connected", "charge_point_state"),
        "the owner identifies its needs": ("energy_wanted_wh", "time_to_departure_s"),
        "the station authorises the connection": ("identified",),
        "the SESP authorises the connection": ("charge_release", "authorised"),
        "modifies its energy consumed/generated": ("energy_imported_wh", "energy_exported_wh"),
        "modifies its power factor": ("power_factor",),
        "no valid identification": ("identification_failed", "identified", "authorised"),
        "no communications with the SESP": ("sesp_link_lost", "fallback_current_a", "current_limit_in_force_a"),
        "owners of the SESP have an ID card": ("owner_card_id", "identified"),
        "other owners use the charging point's dashboard with a credit card": ("owner_card_id", "identified"),
        "the owner states its needs at the dashboard or on a mobile phone": ("energy_wanted_wh", "time_to_departure_s"),
    },
    ratings=RATINGS,
    limits={
        **support.LIMITS,
        "active_power_setpoint_w": Limits(
            OfColumn("rated_charge_power_w", -1.0),
            OfColumn("rated_power_w"),
            OfColumn("charge_power_max_w", -1.0),
            OfColumn("discharge_power_max_w"),
            gap=(OfColumn("least_set_point_w", -1.0), 0.0),
        ),
        "current_limit_a": Limits(0.0, OfColumn("rated_current_a"), gap=(0.0, OfColumn("least_current_a"))),
        "fallback_current_a": Limits(0.0, OfColumn("rated_current_a")),
    },
    follows={
        **common.FOLLOWS,
        "active_power_setpoint_w": Effect("active_power_w"),
        "current_limit_a": Effect("current_limit_in_force_a"),
        "charge_release": Effect("authorised"),
    },
    make=make,
    step=step,
    with_any_command=common.WITH_ANY_COMMAND,
)
