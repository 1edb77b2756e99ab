"""A smart meter at a household's connection: load, roof PV where it has some, registers, alarms, relay.

The household's appliances are switched on as ``profiles.load`` says, each on a phase of its own; what
stands by is spread unevenly over the phases; PV feeds in evenly with the sun on the horizontal. The supply
relay follows ``grid_switch``.

Alarms a meter raises: voltage out of band by its means over 10 min of the clock, without the time it was
dead on all phases [1]_, so such an alarm rises and falls when a mean is complete, and a lost phase is a low
voltage; no voltage, too much current and a low power factor at once. Those of tampering stay until
``event_clear`` once their cause is gone. Each alarm that rises is an event, and so is each voltage dip, below
90 % of nominal on a phase, with a hysteresis of 2 % (both from memory of IEC 61000-4-30, to be checked).

Demands are means over a demand period (``demand``). An interval's energy stands as soon as the first whole quarter of
an hour of site time is over. A meter without voltage reports on, as from a backup battery, or for ``last_gasp_s`` as
from a capacitor: then it is dark, which is off the network (``unpowered_s`` and ``dark`` are no quantities).

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

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, canonical, flags, is_nothing, nothing
from pilotfarm.emulators.columns.views import as_resource
from pilotfarm.emulators.contracts.device import DeviceSpec, Effect, Flow, Keys, Rating, ResourceColumns, Turn
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import appliances, common, compound, connection, demand, relay
from pilotfarm.emulators.devices.appliances import APPLIANCES
from pilotfarm.emulators.quantities import COMMON, CONNECTION_POINT, METERING, RECORDS, RELAY, quantities
from pilotfarm.profiles import draws

INTERVAL_S: Final = 900.0
VOLTAGE_WINDOW_S: Final = 600.0
VOLTAGE_BAND_FRAC: Final = 0.10
DIP_FRAC, DIP_OVER_FRAC = 0.90, 0.92
"""Of the nominal voltage: below the one a dip begins, at the other it is over."""
POWER_FACTOR_MIN: Final = 0.5
_UNDER_LOAD_VA: Final = 100.0
_RESOURCES: Final = {APPLIANCES: appliances.DEVICE}
_SYSTEM_YIELD: Final = 0.85  # AC power a W/m2 over what the modules are rated for at 1,000 W/m2

TAMPERS: Final = ("cover_open", "magnetic_field", "clock_invalid", "battery_low", "communication_lost")
ALARMS: Final = (
    "power_failure_alarm",
    *(f"undervoltage_l{phase}_alarm" for phase in (1, 2, 3)),
    *(f"overvoltage_l{phase}_alarm" for phase in (1, 2, 3)),
    "overcurrent_alarm",
    "low_power_factor_alarm",
    *(f"{tamper}_alarm" for tamper in TAMPERS),
    "limiter_alarm",
)
QUANTITIES: Final = (
    *COMMON,
    *METERING,
    *ALARMS,
    "relay_open",
    "event_count",
    "interval_energy_imported_wh",
    "interval_energy_exported_wh",
    "event_clear",
    *demand.QUANTITIES,
    *(name for name in RELAY if name not in ALARMS),
    *RECORDS,
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
    Rating(
        "last_gasp_s",
        "s",
        0.0,
        0.0,
        86_400.0,
        "How long it goes on without supply before it is off the network; 0 is for ever, on a battery",
    ),
    Rating("memory", "bool", 0.0, 0.0, 1.0, "1: it keeps load profiles of 60 days and a log of 200 events"),
    *relay.RATINGS,
)


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build ``n`` meters; each household has its own split over the phases and its own reactive share."""
    n = len(keys)
    columns = common.initial_columns(QUANTITIES, ratings, n)
    columns.update({name: np.zeros(n) for name in ("imported_mark_wh", "exported_mark_wh")})
    columns.update(dict.fromkeys((*TAMPERS, *ALARMS, "unpowered_s", "dark"), nothing(n)))
    columns |= demand.initial(n) | relay.initial(n)
    columns["interval_number"] = np.full(n, -1.0)
    columns["interval_whole"] = np.zeros(n)
    columns["rated_charge_power_w"] = common.connection_power_w(columns, columns["main_fuse_a"])
    columns["rated_apparent_power_va"] = columns["rated_charge_power_w"].copy()
    columns["rated_power_w"] = columns["pv_power_w"].copy()
    weights = [0.3 + draws.uniform(keys, index, "phase share") for index in range(3)]
    total = weights[0] + weights[1] + weights[2]
    for index, weight in enumerate(weights):
        share = columns[f"share_l{index + 1}"]
        columns[f"share_l{index + 1}"] = np.where(columns["phases"] >= 2.0, weight / total, share)
    columns |= as_resource(appliances.make(columns, keys, place), APPLIANCES)
    # Sun comes evenly on three phases, in a single-phase home on its own.
    shares = np.stack([columns[f"share_l{phase}"] for phase in (1, 2, 3)], axis=1)
    columns["pv_shares"] = np.where(columns["phases"][:, None] >= 2.0, 1.0 / 3.0, shares)
    columns["window_number"], columns["dipped"] = np.full(n, -1.0), nothing(n)
    columns["window_vs"], columns["window_s"] = np.zeros((n, 3)), np.zeros(n)
    return columns


def flow(columns: Columns, parts: ResourceColumns, surroundings: Surroundings, dt_s: float) -> Flow:
    """Take the meters through one step, after the appliances behind them."""
    used = yield Turn(APPLIANCES)
    new = common.life_cycle(columns, surroundings, dt_s, switched=relay.switched)
    share = connection.served(columns, surroundings)
    live = new["running"] if share is None else new["running"] * share
    drawn = appliances.drawn(used, live, surroundings)
    supplied = 0.0 - drawn
    active_w, reactive_var = supplied[:3], supplied[3:]
    if anywhere(new["pv_power_w"]):
        sun_w = _sun(new, surroundings, drawn[:3])
        active_w = active_w + (sun_w if share is None else sun_w * (connection.served_evenly(columns, share) > 0.0))
    new = connection.by_phase(new, surroundings, active_w, reactive_var, dt_s)
    new["relay_open"] = 1.0 - new["grid_switch_closed"]
    relay.watch(new, surroundings, common.DEAD_FRAC, dt_s)
    _intervals(columns, new, surroundings.unix_s, dt_s)
    demand.count(columns, new, surroundings.unix_s, dt_s)
    _alarms(columns, new, surroundings, dt_s)
    return common.end_step(new)


def _sun(new: Columns, surroundings: Surroundings, drawn_w: Floats) -> Floats:
    """Return the power of PV behind the meters by phase, ``(3, n)``. [W]"""
    rated_w = new["pv_power_w"]
    # The light of a group without PV is not known: there it is none.
    sun_w = np.fmin(rated_w * (surroundings.ghi_w_per_m2 / 1000.0 * _SYSTEM_YIELD), rated_w)
    said_w = surroundings.pv_power_w
    if said_w is not None:
        sun_w = np.where(np.isnan(said_w), sun_w, np.maximum(said_w, 0.0))
    # Never more to the grid than the fuse lets through.
    kept_w = np.minimum(sun_w, new["rated_apparent_power_va"] + drawn_w.sum(axis=0))
    return np.asarray(new["pv_shares"].T * (kept_w * new["running"]))


def _intervals(columns: Columns, new: Columns, unix_s: float, dt_s: float) -> None:
    """Close the quarters of an hour that ended in this step, in the step's own columns.

    Power is constant over a step, so the register at a boundary inside it is known exactly.
    """
    number = np.floor(unix_s / INTERVAL_S)
    ended = columns["interval_number"] != number
    if not anywhere(ended):
        return
    since_s = min(unix_s - number * INTERVAL_S, dt_s)
    counting = columns["interval_number"] >= 0.0
    known = counting & (columns["interval_whole"] > 0.0)
    several = counting & (number - columns["interval_number"] > 1.0)
    for way in ("imported", "exported"):
        before, after = columns[f"energy_{way}_wh"], new[f"energy_{way}_wh"]
        rate_wh_per_s = (after - before) / dt_s
        boundary = after - rate_wh_per_s * since_s
        last = np.where(several, rate_wh_per_s * INTERVAL_S, boundary - columns[f"{way}_mark_wh"])
        shown = f"interval_energy_{way}_wh"
        new[shown] = np.where(ended & (known | several), np.maximum(last, 0.0), columns[shown])
        new[f"{way}_mark_wh"] = np.where(ended, boundary, columns[f"{way}_mark_wh"])
    # The first interval is whole only if its boundary lay in the first step.
    whole = counting | (unix_s - number * INTERVAL_S <= dt_s)
    new["interval_whole"] = np.where(ended, whole.astype(np.float64), columns["interval_whole"])
    new["interval_number"] = np.full_like(columns["interval_number"], number)


def _alarms(columns: Columns, new: Columns, surroundings: Surroundings, dt_s: float) -> None:
    """Raise and clear the alarms and count the events, in the step's own columns."""
    live_v, none = surroundings.voltage_v, nothing(len(new["online"]))
    failed, powered = none, None
    sags = anywhere(surroundings.mains.lowest_v < DIP_FRAC * columns["nominal_voltage_v"])
    if sags:
        dead = live_v < common.DEAD_FRAC * columns["nominal_voltage_v"]
        failed = flags(np.asarray((dead | ~_connected_phases(columns)).all(axis=0)))
        live_v, powered = np.where(dead, 0.0, live_v), failed == 0.0
    _last_gasp(columns, new, failed, dt_s)
    max_a = np.maximum(np.maximum(new["current_l1_a"], new["current_l2_a"]), new["current_l3_a"])
    new["overcurrent_alarm"] = flags(max_a > columns["main_fuse_a"])
    loaded = new["apparent_power_va"] > _UNDER_LOAD_VA
    new["low_power_factor_alarm"] = flags(loaded & (np.abs(new["power_factor"]) < POWER_FACTOR_MIN))
    _voltage_means(columns, new, live_v, powered, surroundings.unix_s, dt_s)
    dips = sags or columns["dipped"] is not none
    new["dipped"] = _dipped(columns, live_v, failed) if dips else none
    _count_events(columns, new)


def _last_gasp(columns: Columns, new: Columns, failed: Floats, dt_s: float) -> None:
    """Raise the alarm of a failed supply, and go dark where that has lasted; in the step's own columns.

    A meter that was dark is back before it says that the supply is: its master hears both.
    """
    new["power_failure_alarm"] = failed
    if is_nothing(failed, columns["unpowered_s"]):
        return
    since_s, lasts_s = columns["unpowered_s"], columns["last_gasp_s"]
    new["unpowered_s"] = canonical((since_s + dt_s) * failed)
    new["dark"] = flags((failed > 0.0) & (lasts_s > 0.0) & (since_s >= lasts_s))
    new["power_failure_alarm"] = np.maximum(failed, columns["dark"])


def _count_events(columns: Columns, new: Columns) -> None:
    """Raise the alarms of tampering and count the alarms that rose, in the step's own columns."""
    none, clear, count = nothing(len(new["online"])), columns["event_clear"], columns["event_count"]
    kept = 1.0 if clear is none else 1.0 - clear
    for tamper in TAMPERS:
        cause, alarm = columns[tamper], columns[f"{tamper}_alarm"]
        if cause is not none or alarm is not none:
            new[f"{tamper}_alarm"] = flags(np.maximum(cause, alarm * kept) > 0.0)
    if clear is not none:
        count = count * kept
    if new["relay_moved_by"] is not none:
        count = count + (new["relay_moved_by"] > 0.0)
    for name in (*ALARMS, "dipped"):
        if new[name] is not columns[name]:
            count = count + (new[name] > columns[name])
    new["event_count"] = count


def _connected_phases(columns: Columns) -> Bools:
    """Return which phases the meters are connected to, ``(3, n)``."""
    return np.asarray(common.phase_shares(columns) > 0.0)


def _dipped(columns: Columns, live_v: Floats, dead: Floats) -> Floats:
    """Return 1.0 where the voltage of a phase is in a dip; a supply that is dead is in none."""
    lowest_v = np.where(_connected_phases(columns), live_v, np.inf).min(axis=0)
    edge = np.where(columns["dipped"] > 0.0, DIP_OVER_FRAC, DIP_FRAC)
    return flags((lowest_v < edge * columns["nominal_voltage_v"]) & (dead == 0.0))


def _voltage_means(
    columns: Columns, new: Columns, live_v: Floats, powered: Bools | None, unix_s: float, dt_s: float
) -> None:
    """Bring the 10-min means of the voltages ``(3, n)`` up to date; judge one that ends. In the step's own columns.

    A voltage is constant over a step. Of a step longer than a window, its last whole window is judged.
    ``powered`` is where any phase has voltage, None for everywhere.
    """
    number = np.floor(unix_s / VOLTAGE_WINDOW_S)
    ended = columns["window_number"] != number
    alive_s = dt_s if powered is None else powered.astype(np.float64) * dt_s
    volt_s, seconds = columns["window_vs"].T, columns["window_s"]
    if anywhere(ended):
        since_s = min(unix_s - number * VOLTAGE_WINDOW_S, dt_s)
        rest_s = alive_s * ((dt_s - since_s) / dt_s)
        whole = dt_s - since_s >= VOLTAGE_WINDOW_S
        _judge(
            columns,
            new,
            ended,
            live_v * rest_s if whole else volt_s + live_v * rest_s,
            rest_s if whole else seconds + rest_s,
        )
        volt_s, seconds = np.where(ended, 0.0, volt_s), np.where(ended, 0.0, seconds)
        alive_s = np.where(ended, alive_s * (since_s / dt_s), alive_s)
        new["window_number"] = np.full_like(columns["window_number"], number)
    new["window_vs"] = (volt_s + live_v * alive_s).T
    new["window_s"] = seconds + alive_s


def _judge(columns: Columns, new: Columns, ended: Bools, total_vs: Floats, total_s: Floats | float) -> None:
    """Judge the means of complete windows, of voltages ``(3, n)``, in the step's own columns."""
    nominal, first = columns["nominal_voltage_v"], columns["window_number"] < 0.0
    connected = _connected_phases(columns)
    mean_v = np.broadcast_to(nominal, total_vs.shape).copy()
    np.divide(total_vs, total_s, out=mean_v, where=connected & (total_s > 0.0))
    judged = ended & ~(first & (total_s < VOLTAGE_WINDOW_S))
    low, high = mean_v < (1.0 - VOLTAGE_BAND_FRAC) * nominal, mean_v > (1.0 + VOLTAGE_BAND_FRAC) * nominal
    for index in range(3):
        for name, alarm in ((f"undervoltage_l{index + 1}_alarm", low), (f"overvoltage_l{index + 1}_alarm", high)):
            stands = np.where(judged, alarm[index], columns[name] > 0.0)
            new[name] = flags(stands)


DEVICE: Final = DeviceSpec(
    kind="smart_meter",
    use_case="UC-4-MET",
    title="Smart meter",
    quantities=quantities(QUANTITIES),
    items={
        "commands / requests of information": (
            *common.COMMAND_ITEMS,
            *("event_clear", "demand_period_s", "demand_reset"),
            *(each.name for each in quantities((*RELAY, *RECORDS)) if each.writable),
        ),
        "electrical state variables measurements": (
            *CONNECTION_POINT,
            *METERING,
            "interval_energy_imported_wh",
            "interval_energy_exported_wh",
            *(name for name in demand.QUANTITIES if name not in ("demand_period_s", "demand_reset")),
        ),
        "alarms and events": (
            *ALARMS,
            *("general_alarm", "relay_open", "relay_control_state", "load_energised", "event_count"),
        ),
    },
    behaviour={
        **common.EXCEPTIONS,
        "connected to the communication platform": ("online",),
        "can provide the information": ("online", "general_alarm"),
        "the SESP receives the information and stores it in databases": ("sesp_receipts", "sesp_receipt"),
    },
    ratings=RATINGS,
    limits={},
    follows={
        "start": Effect("running"),
        "stop": Effect("running", inverted=True),
        "grid_switch": Effect("grid_switch_closed"),
    },
    make=make,
    sunlit=lambda columns: anywhere(columns["pv_power_w"]),
    step=compound.stepped(flow, _RESOURCES),
    resources=_RESOURCES,
    flow=flow,
    replays={
        "load": lambda ratings: common.connection_power_w(ratings, ratings["main_fuse_a"]),
        "pv_power": lambda ratings: ratings["pv_power_w"],
        "irradiance": common.no_most,
    },
    with_any_command=common.WITH_ANY_COMMAND,
)
