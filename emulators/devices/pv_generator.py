"""PV generator (use case UC-3-GEN): turns sun into power, and is curtailed as asked.

A set-point of active power is an upper limit: the sun gives what it gives. With the SESP's link lost it
generates freely but for the active power limit, which stays in force: a lost link must not lift a
curtailment. Support of voltage and frequency is the device's own and goes on. The inverter sleeps at
night and delivers no vars then.

A system has up to three planes of modules, each with a tracker and a module temperature of its own, behind
one inverter. Its weather station looks at the sky as the first plane does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, is_nothing, nothing
from pilotfarm.emulators.contracts.device import DeviceSpec, Effect, Keys, Limits, OfColumn, Rating, with_reverted
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import common, support
from pilotfarm.emulators.devices.keys import key_columns
from pilotfarm.emulators.physics import grid_code, inverter, pv
from pilotfarm.emulators.quantities import COMMON, CONNECTION_POINT, INVERTER, PROTECTION, SUPPORT, quantities

WEATHER: Final = (
    "irradiance_horizontal_w_per_m2",
    "irradiance_plane_w_per_m2",
    "outside_temperature_degc",
    "module_temperature_degc",
    "wind_speed_m_per_s",
    "wind_direction_deg",
    "humidity_frac",
    "pressure_pa",
    "rain_mm_per_h",
)
GENERATION: Final = (
    "available_power_w",
    "available_power_frac",
    "dc_voltage_v",
    "dc_current_a",
    "dc_energy_wh",
    "cabinet_temperature_degc",
    *WEATHER,
)
NAMES: Final = (*COMMON, *SUPPORT, *INVERTER, *PROTECTION, *GENERATION)

RATINGS: Final = (
    *common.COMMON_RATINGS,
    *support.RATINGS,
    Rating("rated_power_w", "W", {"choice": [5_000, 8_000, 10_000]}, 100.0, 1e9, "AC power of the inverter"),
    Rating("dc_power_w", "W", 0.0, 0.0, 2e9, "Modules at 1000 W/m2 and 25 degC; 0 takes 1.15 of the AC power"),
    Rating("tilt_deg", "deg", {"uniform": [15, 40]}, 0.0, 90.0, "Tilt of the modules from the horizontal"),
    Rating("azimuth_deg", "deg", {"normal": [180, 35]}, 0.0, 360.0, "Where they face, from north over east"),
    Rating("share_2", "1", 0.0, 0.0, 1.0, "Share of the modules in a second plane; the first has what is left"),
    Rating("tilt_2_deg", "deg", 30.0, 0.0, 90.0, "Tilt of the second plane"),
    Rating("azimuth_2_deg", "deg", 270.0, 0.0, 360.0, "Where the second plane faces"),
    Rating("share_3", "1", 0.0, 0.0, 1.0, "Share of the modules in a third plane; with share_2 at most 1"),
    Rating("tilt_3_deg", "deg", 30.0, 0.0, 90.0, "Tilt of the third plane"),
    Rating("azimuth_3_deg", "deg", 90.0, 0.0, 360.0, "Where the third plane faces"),
    Rating("soiling_frac", "1", 0.02, 0.0, 1.0, "Share of the light that dirt on the modules keeps"),
    Rating("shading_frac", "1", 0.03, 0.0, 1.0, "Share of the light that trees and chimneys keep"),
    Rating("system_loss_frac", "1", 0.095, 0.0, 0.9, "Mismatch, wiring, ageing and availability together"),
    Rating("temperature_coefficient_per_k", "1/K", -0.0037, -0.01, 0.0, "Change of DC power with temperature"),
    Rating("nominal_dc_voltage_v", "V", 600.0, 20.0, 1_500.0, "DC voltage at 25 degC and full power"),
)

_PLANES: Final = ("", "_2", "_3")
_TINY: Final = 1e-9
"""Far below any power [W] or voltage [V] there is; it keeps a division by 0 away."""


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build the columns of ``len(keys)`` generators at 0 W."""
    new = support.with_inverter(common.initial_columns(NAMES, ratings, len(keys))) | key_columns(keys)
    given = new["dc_power_w"]
    new["dc_power_w"] = np.where(given > 0.0, given, 1.15 * new["rated_power_w"])
    new["net_dc_power_w"] = new["dc_power_w"] * (1.0 - new["system_loss_frac"])
    new["clean_frac"] = (1.0 - new["soiling_frac"]) * (1.0 - new["shading_frac"])
    others = new["share_2"] + new["share_3"]
    for which in _PLANES[1:]:
        new[f"plane_share{which}"] = new[f"share{which}"] / np.maximum(others, 1.0)
    new["plane_share"] = 1.0 - new["plane_share_2"] - new["plane_share_3"]
    for which in _PLANES:
        plane = pv.planes(new[f"tilt{which}_deg"], new[f"azimuth{which}_deg"])
        new[f"plane_up{which}"], new[f"plane_north{which}"], new[f"plane_east{which}"] = (
            plane.up,
            plane.north,
            plane.east,
        )
        new[f"module_excess{which}_k"] = np.zeros_like(others)
    new["rated_loss_w"] = pv.dc_drawn(new["rated_power_w"], new["rated_power_w"]) - new["rated_power_w"]
    new["cabinet_excess_k"] = new["overheat_k"] = nothing(len(keys))
    new["deliverable_w"], new["delivered_before_w"] = np.zeros_like(others), new["rated_power_w"]
    return common.end_step(new)


def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Move the generators on by ``dt_s`` [s]; sun and sky are those of the step's end."""
    new = common.life_cycle(columns, surroundings, dt_s)
    new["heat_derated_frac"] = hot = _too_hot(new)
    _observe(new, surroundings)
    harvest = _harvested(new, surroundings, dt_s)
    available = new["available_power_w"]
    dark = is_nothing(available)
    active = available if dark else _curtailed(new, available, dt_s)
    active, reactive = support.inverter_power(new, surroundings, active, dt_s)
    awake = available > 0.0
    if not is_nothing(reactive):
        reactive = reactive * awake
    new["reactive_available_var"] = available if dark else new["reactive_available_var"] * awake
    new["deliverable_w"] = available if dark else np.minimum(available, new["export_max_w"])
    if is_nothing(new["droop_frac"], new["droop_asked_frac"]):
        new["delivered_before_w"] = active
    else:
        new["delivered_before_w"] = np.where(_too_fast(new), new["delivered_before_w"], active)
    drawn = _show_dc(new, active, harvest, dt_s)
    _warm(new, surroundings, drawn if is_nothing(drawn) else drawn - active, dt_s)
    ended = common.end_step(common.at_connection(new, surroundings, active, reactive, dt_s))
    if not is_nothing(hot):
        ended["general_alarm"] = np.maximum(ended["general_alarm"], hot > 0.0)
    return ended


def _too_hot(new: Columns) -> Floats:
    """Return the share of their power that inverters do without because a fault makes their cabinets too warm."""
    rise = new["overheat_k"]
    if is_nothing(rise):
        return rise
    return inverter.heat_derating(new["cabinet_temperature_degc"]) * (rise > 0.0)


def _curtailed(new: Columns, available: Floats, dt_s: float) -> Floats:
    """Active power [W] of what is available: within set-point, limit and support, and no faster than its ramp."""
    target = available
    if not is_nothing(new["active_power_setpoint_enabled"]):
        by_set_point = new["remote_enabled"] * new["active_power_setpoint_enabled"] > 0.0
        target = np.where(by_set_point, np.minimum(new["active_power_setpoint_w"], available), available)
    target = _supporting(new, target)
    target = inverter.clipped(target, 0.0, np.minimum(support.export_limit(new), available))
    active = inverter.ramped(new["active_power_w"], target, new["ramp_w_per_s"], dt_s)
    return inverter.clipped(active, 0.0, available)


def _supporting(new: Columns, target: Floats) -> Floats:
    """Power [W] with what frequency support adds or takes.

    By the European codes too high a frequency takes shares of what was delivered when that began, and no more
    sun than then is let through until it is over.
    """
    share = new["droop_frac"]
    if is_nothing(share) or not anywhere(share):
        return target
    momentary = np.asarray(grid_code.of(new["grid_code"]).droop_over_momentary) * _too_fast(new) > 0.0
    capped = np.minimum(target, new["delivered_before_w"] * (1.0 + share))
    return np.where(momentary, capped, target + share * new["rated_power_w"])


def _too_fast(new: Columns) -> Bools:
    """Where frequency support takes power away, or is not yet done with it."""
    return np.asarray((new["droop_frac"] < 0.0) | (new["droop_asked_frac"] < 0.0))


def _observe(new: Columns, surroundings: Surroundings) -> None:
    """Read the weather station; what has not changed stays the same array."""
    n = len(new["rated_power_w"])
    new["irradiance_horizontal_w_per_m2"] = np.full(n, surroundings.ghi_w_per_m2)
    of_air = {
        "outside_temperature_degc": surroundings.air_temperature_degc,
        "wind_speed_m_per_s": surroundings.wind_speed_m_per_s,
        "wind_direction_deg": surroundings.wind_direction_deg,
        "humidity_frac": surroundings.humidity_frac,
        "pressure_pa": surroundings.pressure_pa,
        "rain_mm_per_h": surroundings.rain_mm_per_h,
    }
    new |= {name: np.full(n, value) for name, value in of_air.items() if anywhere(new[name] != value)}


class _Harvest(NamedTuple):
    """What the modules of all planes could give: light on the cells, module temperature, DC power. ``(n,)`` each."""

    absorbed_w_per_m2: Floats
    module_degc: Floats
    dc_w: Floats


def _harvested(new: Columns, surroundings: Surroundings, dt_s: float) -> _Harvest:
    """Return the harvest of all planes over a step; set the power available, in the step's own columns."""
    rated, none = new["rated_power_w"], nothing(len(new["rated_power_w"]))
    sun = pv.Sun(
        surroundings.sun_zenith_deg,
        surroundings.sun_azimuth_deg,
        surroundings.ghi_w_per_m2,
        surroundings.dni_w_per_m2,
        surroundings.dhi_w_per_m2,
        pv.extraterrestrial(surroundings.day_of_year),
    )
    lit, said_w = any(map(np.count_nonzero, (sun.ghi, sun.dni, sun.dhi))), surroundings.pv_power_w
    planes = [which for which in _PLANES if not which or not is_nothing(new[f"plane_share{which}"])]
    each = [_on_plane(new, which, sun if lit else None, surroundings, dt_s) for which in planes]
    if not lit and (said_w is None or not anywhere(said_w > 0.0)):
        new["available_power_w"] = new["available_power_frac"] = none
        return _Harvest(none, none, none)
    harvest = each[0]
    if len(each) > 1:
        shares = [new[f"plane_share{which}"] for which in planes]
        harvest = _Harvest(*(_weighted(of_planes, shares) for of_planes in zip(*each, strict=True)))
    given = pv.ac_given(harvest.dc_w, rated)
    if said_w is not None:
        given, harvest = _as_said(new, said_w, given, harvest)
    new["available_power_w"] = available = given * new["running"]
    new["available_power_frac"] = available / rated
    return harvest


def _as_said(new: Columns, said_w: Floats, given_w: Floats, harvest: _Harvest) -> tuple[Floats, _Harvest]:
    """Return the AC power that a series says where it does, and the DC power and light that this takes."""
    by_model, rated = np.isnan(said_w), new["rated_power_w"]
    power_w = np.where(by_model, given_w, np.clip(said_w, 0.0, rated))
    dc_w = np.where(by_model, harvest.dc_w, pv.dc_drawn(power_w, rated) * (power_w > 0.0))
    light = dc_w * (1_000.0 / np.maximum(new["net_dc_power_w"], _TINY))
    return power_w, _Harvest(np.where(by_model, harvest.absorbed_w_per_m2, light), harvest.module_degc, dc_w)


def _on_plane(new: Columns, which: str, sun: pv.Sun | None, surroundings: Surroundings, dt_s: float) -> _Harvest:
    """Return the harvest of one plane over a step as if all modules were on it; without a sun it only cools."""
    air, share = surroundings.air_temperature_degc, new[f"plane_share{which}"]
    falls = absorbed = dc = nothing(len(share))
    if sun is not None:
        plane = pv.Planes(new[f"plane_up{which}"], new[f"plane_north{which}"], new[f"plane_east{which}"])
        falls, absorbed = pv.plane_irradiance(plane, sun)
        absorbed *= new["clean_frac"]
    excess, mean_excess = pv.warmed(new[f"module_excess{which}_k"], falls, surroundings.wind_speed_m_per_s, dt_s)
    module = air + mean_excess
    if sun is not None:
        dc = pv.dc_power(absorbed, module, new["net_dc_power_w"], new["temperature_coefficient_per_k"])
    # A plane that a system lacks stays at air temperature.
    new[f"module_excess{which}_k"] = excess * (share > 0.0) if which else excess
    if not which:
        new["irradiance_plane_w_per_m2"], new["module_temperature_degc"] = falls, air + excess
    return _Harvest(absorbed, module, dc)


def _weighted(values: Sequence[Floats], shares: Sequence[Floats]) -> Floats:
    """Mean of several planes' values, by their shares of the modules."""
    total: Floats = np.zeros_like(shares[0])
    for value, share in zip(values, shares, strict=True):
        total += share * value
    return total


def _show_dc(new: Columns, active: Floats, harvest: _Harvest, dt_s: float) -> Floats:
    """Show the strings' side, and return the DC power [W]: curtailed, they leave the maximum power point upwards."""
    dc = harvest.dc_w
    if is_nothing(dc):
        new["dc_voltage_v"] = new["dc_current_a"] = dc
        return dc
    mpp, opened = pv.string_voltages(harvest.absorbed_w_per_m2, harvest.module_degc, new["nominal_dc_voltage_v"])
    drawn = np.minimum(pv.dc_drawn(active, new["rated_power_w"]), dc) * (active > 0.0)
    new["dc_voltage_v"] = voltage = pv.operating_voltage(drawn / np.maximum(dc, _TINY), mpp, opened)
    new["dc_current_a"] = drawn * (voltage > 0.0) / np.maximum(voltage, _TINY)
    new["dc_energy_wh"] = new["dc_energy_wh"] + drawn * (dt_s / 3600.0)
    return np.asarray(drawn)


def _warm(new: Columns, surroundings: Surroundings, loss_w: Floats, dt_s: float) -> None:
    """Show the temperature in the cabinet, which the inverter's losses [W] heat."""
    air, before, rise = surroundings.air_temperature_degc, new["cabinet_excess_k"], new["overheat_k"]
    if is_nothing(before, loss_w, rise):
        if anywhere(new["cabinet_temperature_degc"] != air):
            new["cabinet_temperature_degc"] = np.full_like(loss_w, air)
        return
    excess = inverter.cabinet_excess(before, loss_w / new["rated_loss_w"], dt_s)
    new["cabinet_excess_k"] = excess if anywhere(excess) else nothing(len(excess))
    new["cabinet_temperature_degc"] = air + excess if is_nothing(rise) else air + excess + rise


DEVICE: Final = DeviceSpec(
    kind="pv_generator",
    use_case="UC-3-GEN",
    title="PV generator",
    quantities=quantities(NAMES),
    items={
        "electrical state variables set-points": common.SET_POINT_ITEMS,
        "commands / requests of information": common.COMMAND_ITEMS,
        "electrical state variables measurements": CONNECTION_POINT,
        "weather information": WEATHER,
        "generation capacity over the maximum": ("available_power_frac", "available_power_w"),
    },
    behaviour={
        **common.EXCEPTIONS,
        **support.BEHAVIOUR,
        "modify active power generation": (
            "active_power_setpoint_w",
            "active_power_setpoint_enabled",
            "active_power_limit_frac",
            "active_power_limit_enabled",
            "active_power_w",
        ),
        "modifies its energy generated": ("energy_exported_wh",),
        "the SESP notifies that it has received the information": ("sesp_receipt", "sesp_receipts"),
    },
    ratings=RATINGS,
    limits=with_reverted(
        {
            **support.LIMITS,
            "active_power_setpoint_w": Limits(0.0, OfColumn("rated_power_w"), 0.0, OfColumn("deliverable_w")),
        }
    ),
    follows={**common.FOLLOWS, "active_power_setpoint_w": Effect("active_power_w")},
    make=make,
    sunlit=lambda columns: True,
    step=step,
    feels=("temperature", "wind_speed", "wind_direction", "humidity", "pressure", "rain"),
    replays={"pv_power": lambda ratings: ratings["rated_power_w"], "irradiance": common.no_most},
    with_any_command=common.WITH_ANY_COMMAND,
)
