"""From sun and sky to alternating current: irradiance on a plane, module temperature, PVWatts.

Sun and sky are one value for the site, planes and modules arrays ``(n,)``. No state.

References
----------
.. [1] Hay and Davies, "Calculations of the solar radiation incident on an inclined surface",
   First Canadian Solar Radiation Data Workshop, 1980.
.. [2] Spencer, "Fourier series representation of the position of the sun", Search 2 (1971) 172.
.. [3] Faiman, Prog. Photovolt. 16 (2008) 307, doi 10.1002/pip.813, equation 12.
.. [4] Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, equations 8 to 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

SOLAR_CONSTANT_W_PER_M2: Final = 1366.1
ALBEDO: Final = 0.2
"""Share of the light that grass and asphalt throw back."""
_LEAST_COS_ZENITH: Final = 0.01745
_LOSS_AT_STILL: Final = 25.0  # W/(m2 K), [3]
_LOSS_BY_WIND: Final = 6.84  # W s/(m3 K), [3]
_NOMINAL_EFFICIENCY: Final = 0.96
_REFERENCE_EFFICIENCY: Final = 0.9637


@dataclass(frozen=True, slots=True)
class Planes:
    """How module planes look at the sky: the cosine of incidence is a weighted sum of the sun's direction."""

    up: Floats
    north: Floats
    east: Floats


def planes(tilt_deg: Floats, azimuth_deg: Floats) -> Planes:
    """Normals of planes tilted from the horizontal towards an azimuth (from north over east) [deg]."""
    tilt, azimuth = np.radians(tilt_deg), np.radians(azimuth_deg)
    return Planes(np.cos(tilt), np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth))


def extraterrestrial(day_of_year: int) -> float:
    """Irradiance outside the atmosphere, normal to the sun [W/m2] by [2]."""
    angle = 2.0 * pi * (day_of_year - 1) / 365.0
    ratio = 1.00011 + 0.034221 * cos(angle) + 0.00128 * sin(angle) + 0.000719 * cos(2 * angle) + 7.7e-5 * sin(2 * angle)
    return SOLAR_CONSTANT_W_PER_M2 * ratio


def plane_irradiance(
    plane: Planes, zenith_deg: float, azimuth_deg: float, ghi: float, dni: float, dhi: float, extra: float
) -> Floats:
    """Irradiance in the plane [W/m2]: beam, sky by Hay and Davies [1], and ground.

    Parameters
    ----------
    zenith_deg, azimuth_deg : the sun's true zenith, and its azimuth from north over east
    ghi, dni, dhi, extra : global, direct normal, diffuse and extraterrestrial normal irradiance [W/m2]
    """
    zenith, azimuth = radians(zenith_deg), radians(azimuth_deg)
    facing = plane.up * cos(zenith)
    facing += plane.north * (sin(zenith) * cos(azimuth))
    facing += plane.east * (sin(zenith) * sin(azimuth))
    np.maximum(facing, 0.0, out=facing)
    anisotropy = dni / extra
    facing *= dni + dhi * anisotropy / max(cos(zenith), _LEAST_COS_ZENITH)
    facing += (0.5 * dhi * (1.0 - anisotropy)) * (1.0 + plane.up)
    facing += (0.5 * ALBEDO * ghi) * (1.0 - plane.up)
    return facing


def module_temperature(irradiance: Floats, air_degc: float, wind_m_per_s: float) -> Floats:
    """Temperature of the modules [degC] in an irradiance [W/m2], settled, by [3]."""
    return np.asarray(air_degc + irradiance * (1.0 / (_LOSS_AT_STILL + _LOSS_BY_WIND * wind_m_per_s)))


def dc_power(irradiance: Floats, module_degc: Floats, rated_dc_w: Floats, per_kelvin: Floats) -> Floats:
    """DC power of the modules [W] by [4]; ``per_kelvin`` is the (negative) temperature coefficient [1/K]."""
    heated = 1.0 + per_kelvin * (module_degc - 25.0)
    return np.asarray(np.maximum(irradiance * 1e-3 * rated_dc_w * heated, 0.0))


def inverter_efficiency(dc_w: Floats, rated_ac_w: Floats) -> Floats:
    """AC over DC power by [4], equations 10 and 11; 0 where the DC power does not cover the inverter's own use."""
    load = dc_w * (_NOMINAL_EFFICIENCY / rated_ac_w)
    own_use = np.divide(0.0059, load, out=np.zeros_like(load), where=load > 0.0)
    efficiency = (_NOMINAL_EFFICIENCY / _REFERENCE_EFFICIENCY) * (0.9858 - 0.0162 * load - own_use)
    return np.asarray(np.where(load > 0.0, np.maximum(efficiency, 0.0), 0.0))
