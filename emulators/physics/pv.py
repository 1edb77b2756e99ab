"""From sun and sky to alternating current: light in a plane, module temperature, PVWatts, strings.

The sun is one value for the site; light, planes and modules are arrays ``(n,)``. No state.

Validity: flat-plate crystalline silicon on open racks or roofs, one maximum power point tracker a plane,
steps from a tenth of a second to a quarter of an hour; no horizon, no snow, no spectral effects.

References
----------
.. [1] Hay and Davies, "Calculations of the solar radiation incident on an inclined surface",
   First Canadian Solar Radiation Data Workshop, 1980.
.. [2] Spencer, "Fourier series representation of the position of the sun", Search 2 (1971) 172.
.. [3] Faiman, Prog. Photovolt. 16 (2008) 307, doi 10.1002/pip.813, equation 12.
.. [4] Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, equations 8 to 11.
.. [5] De Soto, Klein and Beckman, Solar Energy 80 (2006) 78, equations 1 to 4 (reflection and absorption of
   the cover), with n = 1.526, 4 per m and 2 mm.
.. [6] King, Boyson and Kratochvil, "Photovoltaic Array Performance Model", SAND2004-3535, equations 3 to 5, with
   the medians of the 381 modules of crystalline silicon in SAM's library of Sandia's measurements.
.. [7] Rauschenbach, "Solar Cell Array Design Handbook", 1980: a module's curve through three points.
"""

from __future__ import annotations

from functools import cache
from math import cos, exp, expm1, log, pi, radians, sin
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics.inverter import clipped

SOLAR_CONSTANT_W_PER_M2: Final = 1366.1
ALBEDO: Final = 0.2
"""Share of the light that grass and asphalt throw back."""
MODULE_LAG_S: Final = 300.0
"""Time constant with which modules warm and cool: of glass and cells in light wind, our own choice."""
_COS_ZENITH_MIN: Final = 0.01745
_LOSS_AT_STILL: Final = 25.0  # W/(m2 K), [3]
_LOSS_BY_WIND: Final = 6.84  # W s/(m3 K), [3]
_NOMINAL_EFFICIENCY: Final = 0.96
_REFERENCE_EFFICIENCY: Final = 0.9637
_BY_LOAD, _CONSTANT, _OWN_USE = 0.0162, 0.9858, 0.0059  # [4], equation 11
_DARK: Final = 1.0  # W/m2; below it strings have no voltage worth the name
_BOLTZMANN_BY_CHARGE: Final = 8.617333e-5  # V/K
# [6], medians; voltages of a cell in units of its voltage at the maximum power point, 0.479 V
_IDEALITY, _MPP_LIGHT, _MPP_LIGHT_2, _CELL_V = 1.323, -0.117, -8.79, 0.479
_MPP_PER_K, _OPEN_PER_K = -0.00477, -0.00368  # each of its own voltage
_MPP_BY_OPEN: Final = 0.796
_MPP_BY_SHORT: Final = 0.919
_WAY: Final = -log(1.0 - _MPP_BY_SHORT)
_TURNS: Final = 3


class Planes(NamedTuple):
    """How module planes look at the sky: the cosine of incidence is a weighted sum of the sun's direction."""

    up: Floats
    north: Floats
    east: Floats


class Sun(NamedTuple):
    """Sun and light over the planes: angles [deg] (true zenith, azimuth from north over east), light [W/m2].

    Global, direct normal and diffuse light are arrays ``(n,)`` or one value for all; ``extra`` is
    extraterrestrial.
    """

    zenith_deg: float
    azimuth_deg: float
    ghi: Floats | float
    dni: Floats | float
    dhi: Floats | float
    extra: float


def planes(tilt_deg: Floats, azimuth_deg: Floats) -> Planes:
    """Normals of planes tilted from the horizontal towards an azimuth (from north over east) [deg]."""
    tilt, azimuth = np.radians(tilt_deg), np.radians(azimuth_deg)
    return Planes(np.cos(tilt), np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth))


@cache
def extraterrestrial(day_of_year: int) -> float:
    """Irradiance outside the atmosphere, normal to the sun [W/m2] by [2]."""
    angle = 2.0 * pi * (day_of_year - 1) / 365.0
    ratio = 1.00011 + 0.034221 * cos(angle) + 0.00128 * sin(angle) + 0.000719 * cos(2 * angle) + 7.7e-5 * sin(2 * angle)
    return SOLAR_CONSTANT_W_PER_M2 * ratio


def plane_irradiance(plane: Planes, sun: Sun) -> tuple[Floats, Floats]:
    """Irradiance in the plane [W/m2]: what falls on it, by Hay and Davies [1], and what reaches the cells.

    The cover keeps part of the sun's own light and of the glow around it by their angle [5]; light from
    the rest of the sky and from the ground is taken as it falls.
    """
    zenith, azimuth = radians(sun.zenith_deg), radians(sun.azimuth_deg)
    facing = plane.up * cos(zenith)
    facing += plane.north * (sin(zenith) * cos(azimuth))
    facing += plane.east * (sin(zenith) * sin(azimuth))
    np.maximum(facing, 0.0, out=facing)
    anisotropy = sun.dni * (1.0 / sun.extra)
    direct = facing * (sun.dni + sun.dhi * anisotropy * (1.0 / max(cos(zenith), _COS_ZENITH_MIN)))
    around = (0.5 * sun.dhi * (1.0 - anisotropy)) * (1.0 + plane.up)
    around += (0.5 * ALBEDO * sun.ghi) * (1.0 - plane.up)
    absorbed = direct * through_cover(facing)
    absorbed += around
    direct += around
    return direct, absorbed


def _cover(facing: Floats) -> Floats:
    """Share of light that passes the cover at an incidence, over that at right angles [5]."""
    index, path = 1.526, 4.0 * 0.002
    straight = np.maximum(facing, 1e-9)
    refracted = np.sqrt(1.0 - (1.0 - straight * straight) / index**2)
    across = ((straight - index * refracted) / (straight + index * refracted)) ** 2
    along = ((refracted - index * straight) / (refracted + index * straight)) ** 2
    head_on = exp(-path) * (1.0 - ((1.0 - index) / (1.0 + index)) ** 2)
    return np.asarray(np.exp(-path / refracted) * (1.0 - 0.5 * (across + along)) / head_on)


_COVER_CELLS: Final = 1_024
_COVER_NODES: Final = _cover(np.linspace(0.0, 1.0 + 1.0 / _COVER_CELLS, _COVER_CELLS + 2))
_COVER: Final = np.array((_COVER_NODES[:-1], np.diff(_COVER_NODES)))
"""At each node, and the rise from it to the next."""


def through_cover(facing: Floats) -> Floats:
    """Incidence-angle modifier by the cosine of incidence [0, 1], from a table of [5] (within 1e-4 from 0.03 up)."""
    place = facing * _COVER_CELLS
    cell = place.astype(np.intp)
    np.minimum(cell, _COVER_CELLS, out=cell)
    place -= cell
    at_node, rise = _COVER.take(cell, axis=1)
    return np.asarray(at_node + rise * place)


def settled_excess(irradiance: Floats, wind_m_per_s: Floats | float) -> Floats:
    """How much warmer than the air modules get in an irradiance [K], by [3]."""
    return np.asarray(irradiance * (1.0 / (_LOSS_AT_STILL + _LOSS_BY_WIND * wind_m_per_s)))


def warmed(excess_k: Floats, irradiance: Floats, wind_m_per_s: Floats | float, dt_s: float) -> tuple[Floats, Floats]:
    """Excess over the air at the end of a step in steady light, and its mean over the step [K].

    A first-order lag, exact for any step.
    """
    settled = settled_excess(irradiance, wind_m_per_s)
    away = excess_k - settled
    passed = -expm1(-dt_s / MODULE_LAG_S)
    return settled + away * (1.0 - passed), settled + away * (passed * MODULE_LAG_S / dt_s)


def dc_power(absorbed: Floats, module_degc: Floats, rated_dc_w: Floats, per_kelvin: Floats) -> Floats:
    """DC power of the modules [W] by [4]; ``per_kelvin`` is the (negative) temperature coefficient [1/K]."""
    heated = 1.0 + per_kelvin * (module_degc - 25.0)
    return np.asarray(np.maximum(absorbed * 1e-3 * rated_dc_w * heated, 0.0))


def ac_given(dc_w: Floats, rated_ac_w: Floats) -> Floats:
    """AC power [W] an inverter gives of a DC power by [4], equations 10 and 11, up to its rating.

    It is 0 where the DC power does not cover the inverter's own use.
    """
    load = dc_w * (_NOMINAL_EFFICIENCY / rated_ac_w)
    share = (load * (_CONSTANT - _BY_LOAD * load) - _OWN_USE) * (1.0 / _REFERENCE_EFFICIENCY)
    return rated_ac_w * clipped(share, 0.0, 1.0)


def dc_drawn(ac_w: Floats, rated_ac_w: Floats) -> Floats:
    """DC power [W] an inverter draws to give an AC power from 0 to its rating: the inverse of ``ac_given``."""
    given = _OWN_USE + ac_w * (_REFERENCE_EFFICIENCY / rated_ac_w)
    load = (_CONSTANT - np.sqrt(_CONSTANT**2 - 4.0 * _BY_LOAD * given)) * (0.5 / _BY_LOAD)
    return np.asarray(load * (rated_ac_w / _NOMINAL_EFFICIENCY))


def string_voltages(absorbed: Floats, module_degc: Floats, nominal_v: Floats) -> tuple[Floats, Floats]:
    """Voltage at the maximum power point and of the open circuit [V] by [6]; both 0 in the dark.

    ``nominal_v`` is the voltage at the maximum power point at 1000 W/m2 and 25 degC.
    """
    lit_v = nominal_v * (absorbed > _DARK)
    thermal_v = (_IDEALITY * _BOLTZMANN_BY_CHARGE / _CELL_V) * (module_degc + 273.15)
    light = thermal_v * np.log(np.maximum(absorbed, _DARK) * 1e-3)
    warmer = module_degc - 25.0
    at_most = 1.0 + light * (_MPP_LIGHT + _MPP_LIGHT_2 * _CELL_V * light) + _MPP_PER_K * warmer
    opened = (1.0 + _OPEN_PER_K * warmer) * (1.0 / _MPP_BY_OPEN) + light
    opened = np.maximum(opened, 0.1)
    return lit_v * clipped(at_most, 0.05, 0.98 * opened), lit_v * opened


def operating_voltage(drawn_share: Floats, mpp_v: Floats, open_v: Floats) -> Floats:
    """Voltage [V] at which strings give a share of their maximum power: from that point towards the open circuit.

    On the curve of [7], ``I = Isc (1 - C1 (exp(V / (C2 Voc)) - 1))``, within 1e-5 of the open circuit's voltage:
    each turn solves the parabola that touches the power where the last one came to, for near its maximum a power
    is no straight line.
    """
    rows = ((drawn_share < 1.0 - 1e-9) & (open_v > 0.0)).nonzero()[0]
    if not len(rows):
        return mpp_v
    mpp_share = mpp_v[rows] / open_v[rows]
    wanted = drawn_share[rows] * mpp_share * _MPP_BY_SHORT
    # Of the way from the open circuit, at 0, to the maximum power point, at ``_WAY``.
    bend = (1.0 - mpp_share) * (1.0 / _WAY)
    way = np.full_like(mpp_share, 0.6 * _WAY)
    for _ in range(_TURNS):
        lost, place = np.exp(-way), 1.0 - bend * way
        current = 1.0 - lost
        missing = 2.0 * (wanted - place * current)
        slope = np.maximum(place * lost - bend * current, 1e-9)
        bent = slope * slope - (place + 2.0 * bend) * lost * missing
        way = clipped(way + missing / (slope + np.sqrt(np.maximum(bent, 0.0))), 0.0, _WAY)
    voltage = mpp_v.copy()
    voltage[rows] = (1.0 - bend * way) * open_v[rows]
    return voltage
