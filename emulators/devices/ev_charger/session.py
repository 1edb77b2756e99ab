"""The sessions of a charging point: drawn one after another, with identification and the figures of each.

A session that would end before it began is left out, and the point draws its next one.

A vehicle is in state B at the end of the step in which it comes, and charges from then on. It stays longer by the
time it waited for that end, and charges for the part of the step in which it leaves: so the energy of a session
does not depend on the length of the steps, and is at most a step late. Between two vehicles a point is in state A
for a step.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, is_nothing
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices.keys import keys_in
from pilotfarm.profiles import sessions

_DECIDE_PHASES: Final = ("vehicle_phases_max", "charging_phases", "remote_enabled", "sesp_link_lost")
EFFICIENCY: Final = 0.92
"""From the grid to the cells, and back: an on-board charger's, own choice."""
_OF_A_POINT: Final = ("clientele", "invalid_card_share", "phase_count", "v2g_power_w", "dc_power_w")


def after_arrivals(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Return the columns after vehicles left and came; a point whose session was over draws a new one."""
    now_s = surroundings.time_s
    stays = columns["vehicle_connected"] > 0.0
    if surroundings.sessions is not None:
        columns, stays = _as_said(columns, surroundings.sessions, stays, now_s - dt_s)
    if not anywhere(columns["due_s"] <= now_s):
        return columns
    # A vehicle that waits for the point to be free still comes, unless it would leave before.
    over = np.flatnonzero((leaves_s(columns) <= now_s - dt_s) & (stays | ~_comes(columns)))
    if not len(over):
        return with_vehicle(columns, now_s, stays)
    left_s = columns["departure_s"][over]
    here_h = 24.0 * surroundings.weekday + surroundings.local_hour
    week_hour = np.mod(here_h - (now_s - left_s) / 3600.0, 168.0)
    rows = {name: columns[name][over] for name in (*_OF_A_POINT, "key_high", "key_low")}
    keys, clientele = keys_in(rows), rows["clientele"]
    number = columns["session_number"][over] + 1.0
    drawn = sessions.session(keys, number, clientele, rows["invalid_card_share"])
    arrival_s = left_s + sessions.arrival_gap_s(keys, number, clientele, week_hour)
    changes = {
        "session_number": number,
        "arrival_s": arrival_s,
        "departure_s": arrival_s + drawn.stay_s,
        "late_s": np.zeros(len(over)),
        **columns_of(drawn, rows),
    }
    new = dict(columns)
    for name, values in changes.items():
        new[name] = columns[name].copy()
        new[name][over] = values
    stays[over] = False
    return with_vehicle(new, now_s, stays)


def _as_said(columns: Columns, said: Floats, stays: Bools, before_s: float) -> tuple[Columns, Bools]:
    """Return the columns with the next sessions that a series says, and which vehicles stay.

    ``said`` is ``Surroundings.sessions``. A vehicle that a series said stays until it leaves, another one goes at once.
    """
    arrival_s, departure_s, energy_wh = said
    over = ~stays | (leaves_s(columns) <= before_s) | (columns["session_said"] == 0.0)
    rows = np.flatnonzero(~np.isnan(arrival_s) & (arrival_s != columns["arrival_s"]) & over)
    if not len(rows):
        return columns, stays
    points = {name: columns[name][rows] for name in (*_OF_A_POINT, "key_high", "key_low", "taper_from_frac")}
    number = np.maximum(columns["session_number"][rows], 0.0) + 1.0
    drawn = sessions.session(keys_in(points), number, points["clientele"], points["invalid_card_share"])
    wanted = sessions.with_energy(
        drawn, energy_wh[rows], departure_s[rows] - arrival_s[rows], points["taper_from_frac"]
    )
    changes = {
        "session_number": number,
        "arrival_s": arrival_s[rows],
        "departure_s": departure_s[rows],
        "late_s": np.zeros(len(rows)),
        "session_said": np.ones(len(rows)),
        "due_s": np.full(len(rows), -np.inf),
        **columns_of(wanted, points),
    }
    new, stays = dict(columns), stays.copy()
    for name, values in changes.items():
        new[name] = columns[name].copy()
        new[name][rows] = values
    stays[rows] = False
    return new, stays


def columns_of(drawn: sessions.Sessions, points: Columns) -> Columns:
    """Return the columns that hold the session under way, or the next one; ``points`` has ``_OF_A_POINT``."""
    matched = (points["v2g_power_w"] > 0.0) | (points["dc_power_w"] > 0.0)
    three = (points["phase_count"] > 1.0) & (matched | (drawn.vehicle_phases > 1.0))
    return {
        "session_soc_frac": drawn.soc_start_frac,
        "target_soc_frac": np.minimum(drawn.soc_start_frac + EFFICIENCY * drawn.energy_wanted_wh / drawn.pack_wh, 1.0),
        "pack_wh": drawn.pack_wh,
        "vehicle_power_max_w": np.maximum(drawn.vehicle_power_w, points["v2g_power_w"]),
        "vehicle_phases_max": np.where(three, 3.0, 1.0),
        "session_card_id": drawn.card_id,
        "session_card_valid": drawn.card_valid,
    }


def on_phases(columns: Columns) -> Columns:
    """Return the columns with each vehicle on the phases it may charge on: all it can, or one if it is to be one.

    One phase is the point's own. While nothing that decides it changes, nothing is worked out.
    """
    decided_by = tuple(columns[name] for name in _DECIDE_PHASES)
    if all(now is columns.get(f"{name}_then") for name, now in zip(_DECIDE_PHASES, decided_by, strict=True)):
        return columns
    most, asked, enabled, lost = decided_by
    new = dict(columns) | {f"{name}_then": now for name, now in zip(_DECIDE_PHASES, decided_by, strict=True)}
    follows = (enabled > 0.0) | (lost > 0.0)
    three = (most > 1.0) & ((asked >= 3.0) | ~follows)
    new["vehicle_phases"] = np.where(three, 3.0, 1.0)
    new["vehicle_power_w"] = columns["vehicle_power_max_w"] * (new["vehicle_phases"] / most)
    for index in range(3):
        new[f"share_l{index + 1}"] = np.where(three, 1.0 / 3.0, (columns["phase"] == index).astype(np.float64))
    return new


def with_vehicle(columns: Columns, now_s: float, stays: Bools) -> Columns:
    """Return the columns with the vehicles at ``now_s``: those that stay, and those that came to a free point.

    ``due_s`` is when a point changes next: its vehicle leaves, the awaited one comes, or a new session is drawn.
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
    new["due_s"] = np.where(comes & ~there, new["arrival_s"], leaves_s(new))
    return new


def identified(columns: Columns) -> Columns:
    """Accept or refuse the identification of the owner and of the point; show whether the session may charge."""
    new = dict(columns)
    if not is_nothing(columns["identification_clear"]):
        kept = 1.0 - columns["identification_clear"]
        for name in ("owner_refused", "credential_refused"):
            new[name] = columns[name] * kept
    failed = new["owner_refused"]
    if not is_nothing(new["identification_refused"]):
        failed = np.maximum(failed, new["identification_refused"] * new["vehicle_connected"])
    if not is_nothing(new["credential_refused"]):
        failed = np.maximum(failed, new["credential_refused"])
    new["identification_failed"] = failed
    new["identified"] = columns["vehicle_connected"] * (1.0 - failed)
    new["authorised"] = new["identified"] * columns["charge_release"]
    return new


def report(new: Columns, now_s: float, dt_s: float) -> None:
    """Update the figures of the session, in the step's own columns."""
    connected, soc, pack_wh = new["vehicle_connected"], new["vehicle_soc_frac"], new["pack_wh"]
    active_w = new["active_power_w"]
    new["charging_power_w"] = np.maximum(-active_w, 0.0)
    new["session_energy_wh"] = new["session_energy_wh"] - active_w * (dt_s / 3600.0)
    new["charging_duration_s"] = new["charging_duration_s"] + dt_s * (active_w < 0.0)
    end_s = leaves_s(new)
    new["session_duration_s"] = (np.minimum(now_s, end_s) - new["arrival_s"] - new["late_s"]) * connected
    new["time_to_departure_s"] = np.maximum(end_s - now_s, 0.0) * connected
    metered_wh = connected * pack_wh / EFFICIENCY
    new["energy_wanted_wh"] = np.maximum(new["target_soc_frac"] - soc, 0.0) * metered_wh
    new["energy_acceptable_wh"] = (1.0 - soc) * metered_wh


def _comes(columns: Columns) -> Bools:
    """Return where the session drawn has a vehicle that came or will come, and does not leave before."""
    return (columns["session_number"] >= 0.0) & (columns["arrival_s"] < columns["departure_s"])


def leaves_s(new: Columns) -> Floats:
    """Return when the vehicles under way leave. [s]"""
    return new["departure_s"] + new["late_s"]
