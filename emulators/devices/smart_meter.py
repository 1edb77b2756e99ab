"""A smart meter at a household's connection: load, roof PV where it has some, registers, alarms, relay.

The household's appliances are switched on as ``profiles.load`` says, each on a phase of its own; what
stands by is spread unevenly over the phases; PV feeds in evenly with the sun on the horizontal. The supply
relay follows ``grid_switch``.

Alarms a meter raises: voltage out of band by its means over 10 min of the clock, without the time it was
dead [1]_, so such an alarm rises and falls when a mean is complete; no voltage, too much current and a low
power factor at once. Those of tampering stay until ``event_clear`` once their cause is gone. Each alarm
that rises is an event. An interval's energy stands as soon as the first whole quarter of an hour of site
time is over. A meter without voltage reports on, as from a backup battery.

Columns that are no quantity and 0 unless a fault sets them: ``cover_open``, ``magnetic_field``,
``clock_invalid``, ``battery_low`` and ``communication_lost``.

References
----------
.. [1] EN 50160:2010, 4.2.2 (10-min means of the supply voltage within +-10 % of nominal). Its text was not seen; the
   upper limit and the means are in VDE-AR-N 4105's rise-in-voltage protection, which is there to keep it (Delta,
   manual of SOLIVIA 10 EU T4 TL, p. 69). By others who quote it a twentieth of a week's means may fall to -15 %;
   this meter raises its alarm at -10 %.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emulators.contracts import DeviceSpec, Keys, Place, Rating, Surroundings
from emulators.devices import common, connection
from emulators.encoding import Columns, Floats, anywhere
from emulators.physics import appliances
from emulators.quantities import COMMON, CONNECTION_POINT, quantities
from profiles import draws

INTERVAL_S: Final = 900.0
VOLTAGE_WINDOW_S: Final = 600.0
VOLTAGE_BAND_FRAC: Final = 0.10
LEAST_POWER_FACTOR: Final = 0.5
_UNDER_LOAD_VA: Final = 100.0
_SYSTEM_YIELD: Final = 0.85  # AC power a W/m2 over what the modules are rated for at 1,000 W/m2

TAMPERS: Final = ("cover_open", "magnetic_field", "clock_invalid", "battery_low", "communication_lost")
ALARMS: Final = (
    "power_failure_alarm",
    *(f"undervoltage_l{phase}_alarm" for phase in (1, 2, 3)),
    *(f"overvoltage_l{phase}_alarm" for phase in (1, 2, 3)),
    "overcurrent_alarm",
    "low_power_factor_alarm",
    *(f"{tamper}_alarm" for tamper in TAMPERS),
)
QUANTITIES: Final = (
    *COMMON,
    *ALARMS,
    "relay_open",
    "event_count",
    "interval_energy_imported_wh",
    "interval_energy_exported_wh",
    "event_clear",
)

RATINGS: Final = (
    *common.COMMON_RATINGS,
    Rating(
        "annual_energy_wh",
        "Wh",
        {"choice": [2_500_000, 4_000_000, 9_000_000, 16_000_000]},
        0.0,
        1e9,
        "What the household draws in a year",
    ),
    Rating("main_fuse_a", "A", 63.0, 6.0, 1_000.0, "Rated current a phase"),
    Rating("pv_power_w", "W", 0.0, 0.0, 1_000_000.0, "Rated power of PV behind the meter"),
)


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build ``n`` meters; each household has its own split over the phases and its own reactive share."""
    n = len(keys)
    columns = common.begun(QUANTITIES, ratings, n)
    columns.update(common.key_columns(keys))
    columns.update({name: np.zeros(n) for name in (*TAMPERS, "imported_mark_wh", "exported_mark_wh")})
    columns["interval_number"] = np.full(n, -1.0)
    columns["interval_whole"] = np.zeros(n)
    wires = np.where(columns["phases"] >= 2.0, 3.0, 1.0)
    columns["rated_charge_power_w"] = wires * columns["nominal_voltage_v"] * columns["main_fuse_a"]
    columns["rated_apparent_power_va"] = columns["rated_charge_power_w"].copy()
    columns["rated_power_w"] = columns["pv_power_w"].copy()
    weights = [0.3 + draws.uniform(keys, index, "phase share") for index in range(3)]
    total = weights[0] + weights[1] + weights[2]
    for index, weight in enumerate(weights):
        share = columns[f"share_l{index + 1}"]
        columns[f"share_l{index + 1}"] = np.where(columns["phases"] >= 2.0, weight / total, share)
    columns |= appliances.begun(keys, columns["annual_energy_wh"], columns["phases"], columns["phase"])
    columns["even"] = np.where(columns["phases"] >= 2.0, 1.0, 0.0)
    columns["window_number"] = np.full(n, -1.0)
    for phase in (1, 2, 3):
        columns |= {f"window_l{phase}_vs": np.zeros(n), f"window_l{phase}_s": np.zeros(n)}
    return columns


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Take the meters through one step."""
    new = common.life_cycle(columns, surroundings, dt_s)
    drawn_w, drawn_var = appliances.drawn(new, common.keys_in, surroundings, dt_s)
    sun_w = np.minimum(new["pv_power_w"] * (surroundings.ghi_w_per_m2 / 1000.0 * _SYSTEM_YIELD), new["pv_power_w"])
    # Sun on even phases, a single-phase home's on its own; never more to the grid than the fuse lets through.
    kept_w = np.minimum(sun_w, new["rated_apparent_power_va"] + drawn_w.sum(axis=0))
    shares = (np.where(new["even"] > 0.0, 1.0 / 3.0, new[f"share_l{phase}"]) for phase in (1, 2, 3))
    active_w = (np.array([share * kept_w for share in shares]) - drawn_w) * new["running"]
    new = connection.by_phase(new, surroundings, active_w, 0.0 - drawn_var * new["running"], dt_s)
    new["relay_open"] = 1.0 - new["grid_switch_closed"]
    _intervals(columns, new, surroundings.unix_s, dt_s)
    _alarms(columns, new, surroundings, dt_s)
    return common.closed(new)


def _intervals(columns: Columns, new: Columns, unix_s: float, dt_s: float) -> None:
    """Close the quarters of an hour that ended in this step, in the step's own columns.

    Power is constant over a step, so the register at a boundary inside it is known exactly.
    """
    number = np.floor(unix_s / INTERVAL_S)
    ended = columns["interval_number"] != number
    if not anywhere(ended):
        return
    since_s = min(unix_s - number * INTERVAL_S, dt_s)
    begun = columns["interval_number"] >= 0.0
    known = begun & (columns["interval_whole"] > 0.0)
    several = begun & (number - columns["interval_number"] > 1.0)
    for way in ("imported", "exported"):
        before, after = columns[f"energy_{way}_wh"], new[f"energy_{way}_wh"]
        rate_wh_per_s = (after - before) / dt_s
        boundary = after - rate_wh_per_s * since_s
        last = np.where(several, rate_wh_per_s * INTERVAL_S, boundary - columns[f"{way}_mark_wh"])
        shown = f"interval_energy_{way}_wh"
        new[shown] = np.where(ended & (known | several), np.maximum(last, 0.0), columns[shown])
        new[f"{way}_mark_wh"] = np.where(ended, boundary, columns[f"{way}_mark_wh"])
    # The first interval is whole only if its boundary lay in the first step.
    whole = begun | (unix_s - number * INTERVAL_S <= dt_s)
    new["interval_whole"] = np.where(ended, whole.astype(np.float64), columns["interval_whole"])
    new["interval_number"] = np.full_like(columns["interval_number"], number)


def _alarms(columns: Columns, new: Columns, surroundings: Surroundings, dt_s: float) -> None:
    """Raise and clear the alarms and count the events, in the step's own columns."""
    nominal, voltage_v = columns["nominal_voltage_v"], surroundings.voltage_v
    dead = voltage_v < common.DEAD_FRAC * nominal
    off, over_a = np.ones_like(nominal, dtype=np.bool_), np.zeros_like(nominal, dtype=np.bool_)
    for index in range(3):
        off &= dead[index] | (columns[f"share_l{index + 1}"] == 0.0)
        over_a |= new[f"current_l{index + 1}_a"] > columns["main_fuse_a"]
    loaded = new["apparent_power_va"] > _UNDER_LOAD_VA
    raised = {
        "power_failure_alarm": off,
        "overcurrent_alarm": over_a,
        "low_power_factor_alarm": loaded & (np.abs(new["power_factor"]) < LEAST_POWER_FACTOR),
    }
    new.update({name: common.flags(alarm) for name, alarm in raised.items()})
    _voltage_means(columns, new, np.where(dead, 0.0, voltage_v), surroundings.unix_s, dt_s)
    kept = 1.0 - columns["event_clear"]
    for tamper in TAMPERS:
        if anywhere(columns[tamper]) or anywhere(columns[f"{tamper}_alarm"]):
            new[f"{tamper}_alarm"] = np.maximum(columns[tamper], columns[f"{tamper}_alarm"] * kept)
    risen = np.zeros_like(nominal)
    for name in ALARMS:
        if new[name] is not columns[name]:
            risen += new[name] > columns[name]
    new["event_count"] = columns["event_count"] * kept + risen


def _voltage_means(columns: Columns, new: Columns, live_v: Floats, unix_s: float, dt_s: float) -> None:
    """Bring the 10-min means of the voltages up to date; at the end of one, judge it. In the step's own columns.

    A voltage is constant over a step. Of a step longer than a window, its last whole window is judged.
    """
    number = np.floor(unix_s / VOLTAGE_WINDOW_S)
    ended = columns["window_number"] != number
    some_ended = anywhere(ended)
    since_s = min(unix_s - number * VOLTAGE_WINDOW_S, dt_s)
    first = columns["window_number"] < 0.0
    nominal = columns["nominal_voltage_v"]
    for index in range(3):
        phase = f"l{index + 1}"
        alive_s = (live_v[index] > 0.0) * dt_s
        volt_s, seconds = columns[f"window_{phase}_vs"], columns[f"window_{phase}_s"]
        if some_ended:
            rest_s = alive_s * ((dt_s - since_s) / dt_s)
            whole = dt_s - since_s >= VOLTAGE_WINDOW_S
            total_vs = live_v[index] * rest_s if whole else volt_s + live_v[index] * rest_s
            total_s = rest_s if whole else seconds + rest_s
            wired = columns[f"share_{phase}"] > 0.0
            mean_v = np.divide(total_vs, total_s, out=nominal.copy(), where=wired & (total_s > 0.0))
            judged = ended & ~(first & (total_s < VOLTAGE_WINDOW_S))
            low, high = mean_v < (1.0 - VOLTAGE_BAND_FRAC) * nominal, mean_v > (1.0 + VOLTAGE_BAND_FRAC) * nominal
            for name, alarm in ((f"undervoltage_{phase}_alarm", low), (f"overvoltage_{phase}_alarm", high)):
                new[name] = np.where(judged, alarm.astype(np.float64), columns[name])
            volt_s, seconds = np.where(ended, 0.0, volt_s), np.where(ended, 0.0, seconds)
            alive_s = alive_s * np.where(ended, since_s / dt_s, 1.0)
        new[f"window_{phase}_vs"] = volt_s + live_v[index] * alive_s
        new[f"window_{phase}_s"] = seconds + alive_s
    if some_ended:
        new["window_number"] = np.full_like(nominal, number)


DEVICE: Final = DeviceSpec(
    kind="smart_meter",
    use_case="UC-4-MET",
    title="Smart meter",
    quantities=quantities(QUANTITIES),
    items={
        "commands / requests of information": (*common.COMMAND_ITEMS, "event_clear"),
        "electrical state variables measurements": (
            *CONNECTION_POINT,
            "interval_energy_imported_wh",
            "interval_energy_exported_wh",
        ),
        "alarms and events": (*ALARMS, "general_alarm", "relay_open", "event_count"),
    },
    behaviour={
        **common.EXCEPTIONS,
        "connected to the communication platform": ("online",),
        "can provide the information": ("online", "general_alarm"),
        "the SESP receives the information and stores it in databases": ("sesp_receipts", "sesp_receipt"),
    },
    ratings=RATINGS,
    limits={},
    follows={"start": "running", "stop": "!running", "grid_switch": "grid_switch_closed"},
    make=make,
    step=step,
)
