"""A charging point and whoever comes to it: sessions, owner identification, charge and V2G discharge.

A session goes through IEC 61851-1: plugged in the vehicle is in state B; it charges (C) once its owner is
identified, the point is released and at least 6 A are on offer; an owner without valid identification
stays in B without power. The current a phase is the smallest of these: the rating, ``current_limit_a``,
the active power set-point, and while the SESP's link is lost only ``fallback_current_a``. A positive
set-point discharges a vehicle at a point rated for it (``v2g_power_w``), down to a reserve.

Of a session's energy the vehicle takes what its owner asked for, which like all energy here is counted at the
connection point, before the vehicle's losses, and no more than ``session_energy_limit_wh``. Reactive power takes what
the active power leaves of the apparent power, while the vehicle's converter is connected (state C). The vehicle
follows the offer with a lag. At a three-phase AC point a vehicle with a single-phase charger loads the phase that
``phase`` names, and so does every vehicle, with a third of its power, while ``charging_phases`` is less than 3; who
comes to a V2G point has a three-phase converter that can do all of it.

A DC point (``dc_power_w``) is three-phase, offers down to nothing, and its currents are those it draws.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, is_nothing, nothing
from pilotfarm.emulators.contracts.device import DeviceSpec, Effect, Keys, Limits, OfColumn, Rating, with_reverted
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import common, support
from pilotfarm.emulators.devices.ev_charger import power, session
from pilotfarm.emulators.devices.keys import key_columns
from pilotfarm.emulators.physics import ev
from pilotfarm.emulators.quantities import COMMON, CONNECTION_POINT, INVERTER, METERING, PROTECTION, SUPPORT, quantities
from pilotfarm.profiles import draws, sessions

QUANTITIES: Final = (
    *COMMON,
    *SUPPORT,
    *INVERTER,
    *METERING,
    *PROTECTION,
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
    "charging_phases",
    "session_energy_limit_wh",
)

RELEASES: Final = ("card", "sesp")
"""What it takes to charge: a valid card, or the SESP's release as well."""

RATINGS: Final = (
    *common.COMMON_RATINGS,
    support.GRID_CODE,
    Rating("rated_current_a", "A", {"choice": [16, 32]}, 6.0, 500.0, "Rated current a phase"),
    Rating("v2g_power_w", "W", 0.0, 0.0, 350_000.0, "Maximum power from the vehicle to the grid; 0 is no V2G"),
    Rating("dc_power_w", "W", 0.0, 0.0, 350_000.0, "Rated power of a DC point; 0 is an AC point"),
    Rating(
        "site_type", "name", {"choice": [0, 1, 2]}, 0.0, 2.0, "Who comes, when and for how long", sessions.SITE_TYPES
    ),
    Rating("invalid_card_share", "1", 0.05, 0.0, 1.0, "Share of owners whose identification is refused"),
    Rating(
        "release_mode", "name", 0.0, 0.0, 1.0, "Whether a valid card is enough, or the SESP has to release", RELEASES
    ),
    Rating("fallback_current_a", "A", 6.0, 0.0, 600.0, "Maximum current a phase while the SESP's link is lost"),
)


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build ``n`` charging points; at about half of them a session is already under way."""
    n = len(keys)
    columns = common.initial_columns(QUANTITIES, ratings, n)
    columns.update(key_columns(keys))
    fast = columns["dc_power_w"] > 0.0
    columns["phase_count"] = np.where(fast | (columns["phases"] >= 2.0), 3.0, 1.0)
    columns["phases"] = columns["phase_count"].copy()
    columns["phase_count_min"] = np.where(fast, 3.0, 1.0)
    columns["charging_phases"] = columns["phase_count"].copy()
    columns["session_energy_limit_wh"] = nothing(n)
    per_ampere = columns["phase_count"] * columns["nominal_voltage_v"]
    columns["rated_current_a"] = np.where(fast, columns["dc_power_w"] / per_ampere, columns["rated_current_a"])
    columns["rated_charge_power_w"] = per_ampere * columns["rated_current_a"]
    columns["current_min_a"] = np.where(fast, 0.0, ev.CURRENT_MIN_A)
    columns["taper_from_frac"] = np.where(fast, ev.FAST_TAPER_FROM_FRAC, ev.TAPER_FROM_FRAC)
    columns["clientele"] = np.where(fast, float(sessions.FAST), np.floor(columns["site_type"]))
    columns["rated_power_w"] = np.minimum(columns["v2g_power_w"], columns["rated_charge_power_w"])
    columns["rated_apparent_power_va"] = columns["rated_charge_power_w"].copy()
    columns |= {"reactive_capability_frac": np.ones(n), "ramp_frac_per_s": np.ones(n), "reactive_first": np.zeros(n)}
    columns = support.with_inverter(columns)
    columns["current_limit_a"] = columns["rated_current_a"].copy()
    columns["fallback_current_a"] = np.minimum(columns["fallback_current_a"], columns["rated_current_a"])
    columns["charge_release"] = (columns["release_mode"] < 0.5).astype(np.float64)
    columns["credential_refused"] = columns["invalid_credential"].copy()
    columns["owner_refused"] = np.zeros(n)
    columns |= {name: np.zeros(n) for name in ("discharge_power_max_w", "setpoint_min_w", "followed_w")}
    first = sessions.session(keys, 0, columns["clientele"], columns["invalid_card_share"])
    busy = draws.uniform(keys, 0, "busy at start") < 0.5
    elapsed_s = first.stay_s * draws.uniform(keys, 0, "elapsed at start")
    columns["session_number"] = np.where(busy, 0.0, -1.0)
    columns["arrival_s"] = np.where(busy, -elapsed_s, 0.0)
    columns["departure_s"] = np.where(busy, first.stay_s - elapsed_s, 0.0)
    columns.update(session.columns_of(first, columns))
    columns = session.on_phases(columns)
    columns["late_s"] = columns["vehicle_connected"] = np.zeros(n)
    columns = session.with_vehicle(columns, 0.0, np.zeros(n, dtype=np.bool_))
    columns["late_s"] = columns["due_s"] = columns["session_said"] = np.zeros(n)
    columns["charge_point_state"] = columns["vehicle_connected"] * float(ev.State.B)
    return session.identified(columns)


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Take the charging points through one step; at most one vehicle leaves or comes in it."""
    new = session.on_phases(session.after_arrivals(columns, surroundings, dt_s))
    new = session.identified(new)
    # The identification of a charging point is its owner's; its own only decides whether it obeys.
    of_owner = {name: new[name] for name in ("identified", "identification_failed", "identification_refused")}
    new["identification_failed"] = new["credential_refused"]
    new["identification_refused"] = nothing(len(new["started"]))
    new = common.life_cycle(new, surroundings, dt_s, keeps_off=_contactor_sticks(new))
    new.update(of_owner)
    limits = power.limits(new, surroundings)
    offer_a, target_w = power.asked(new, surroundings, limits)
    new["current_limit_in_force_a"] = offer_a
    charged_before = columns["charge_point_state"] == ev.CHARGING
    new["charge_point_state"] = power.next_state(new, offer_a, target_w)
    charging = new["charge_point_state"] == ev.CHARGING
    mean_w, last_w = ev.followed(new["followed_w"] * (charged_before & charging), target_w, dt_s)
    new["followed_w"] = last_w * charging
    active_w = power.reachable(new, mean_w * charging, surroundings.time_s, dt_s)
    active_w, reactive_var = support.inverter_power(new, surroundings, active_w, dt_s)
    if not is_nothing(reactive_var):
        reactive_var = reactive_var * charging
    new["vehicle_soc_frac"] = power.stored(new, active_w, dt_s)
    new["reactive_available_var"] = new["reactive_available_var"] * charging
    new = common.at_connection(new, surroundings, active_w, reactive_var, dt_s)
    session.report(new, surroundings.time_s, dt_s)
    power.show_range(new, limits)
    return common.end_step(new)


def _contactor_sticks(new: Columns) -> Floats | None:
    """Return 1 where a point has found out that its contactor sticks, and is out of order; ``None`` is nowhere.

    It looks for one that is welded while no vehicle charges, and for one that does not close when one is to.
    """
    welded, blocked = new["switch_welded"], new["switch_blocked"]
    if is_nothing(welded, blocked):
        return None
    idle = new["charge_point_state"] != ev.CHARGING
    sticks: Floats = np.maximum(welded * idle, blocked * new["vehicle_connected"])
    return sticks


def most_w(ratings: Columns) -> Floats:
    """Return the largest power of points, from their ratings. [W]"""
    per_ampere = np.where(ratings["phases"] >= 2.0, 3.0, 1.0) * ratings["nominal_voltage_v"]
    return np.where(ratings["dc_power_w"] > 0.0, ratings["dc_power_w"], per_ampere * ratings["rated_current_a"])


DEVICE: Final = DeviceSpec(
    kind="ev_charger",
    use_case="UC-1-EV_CS",
    title="EV charging station",
    quantities=quantities(QUANTITIES),
    items={
        "electrical state variables set-points": (
            *common.SET_POINT_ITEMS,
            "current_limit_a",
            "fallback_current_a",
            "charging_phases",
            "session_energy_limit_wh",
        ),
        "commands / requests of information": (*common.COMMAND_ITEMS, "charge_release"),
        "electrical state variables measurements": (*CONNECTION_POINT, *METERING),
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
    limits=with_reverted(
        {
            **support.LIMITS,
            "active_power_setpoint_w": Limits(
                OfColumn("rated_charge_power_w", -1.0),
                OfColumn("rated_power_w"),
                OfColumn("charge_power_max_w", -1.0),
                OfColumn("discharge_power_max_w"),
                gap=(OfColumn("setpoint_min_w", -1.0), 0.0),
            ),
            "current_limit_a": Limits(0.0, OfColumn("rated_current_a"), gap=(0.0, OfColumn("current_min_a"))),
            "fallback_current_a": Limits(0.0, OfColumn("rated_current_a")),
            "charging_phases": Limits(OfColumn("phase_count_min"), OfColumn("phase_count")),
        }
    ),
    follows={
        **common.FOLLOWS,
        "active_power_setpoint_w": Effect("active_power_w"),
        "current_limit_a": Effect("current_limit_in_force_a"),
        "charge_release": Effect("authorised"),
    },
    make=make,
    step=step,
    replays={"sessions": most_w},
    with_any_command=common.WITH_ANY_COMMAND,
)
