"""The PV functions against pvlib's, over suns, planes and skies."""

from __future__ import annotations

import numpy as np
import pvlib
import pytest

from emulators.physics import pv

TILTS, AZIMUTHS = (grid.ravel() for grid in np.meshgrid(np.arange(0.0, 91.0, 15.0), np.arange(0.0, 360.0, 30.0)))
SKIES = [(0.0, 0.0, 0.0), (80.0, 0.0, 80.0), (500.0, 450.0, 180.0), (900.0, 850.0, 90.0)]


@pytest.mark.parametrize("zenith", [5.0, 45.0, 75.0, 89.5, 95.0])
@pytest.mark.parametrize("azimuth", [90.0, 185.0, 271.0])
@pytest.mark.parametrize("sky", SKIES)
def test_plane_irradiance_is_pvlibs_hay_davies(zenith: float, azimuth: float, sky: tuple[float, float, float]) -> None:
    ghi, dni, dhi = sky
    extra = pv.extraterrestrial(172)
    expected = pvlib.irradiance.get_total_irradiance(
        TILTS, AZIMUTHS, zenith, azimuth, dni, ghi, dhi, dni_extra=extra, albedo=0.2, model="haydavies"
    )["poa_global"]
    found = pv.plane_irradiance(pv.planes(TILTS, AZIMUTHS), zenith, azimuth, ghi, dni, dhi, extra)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("day", [1, 3, 90, 172, 266, 365, 366])
def test_extraterrestrial_irradiance_is_pvlibs_spencer(day: int) -> None:
    expected = pvlib.irradiance.get_extra_radiation(day, solar_constant=1366.1, method="spencer")
    assert pv.extraterrestrial(day) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("wind", [0.0, 1.0, 12.0])
def test_module_temperature_is_pvlibs_faiman(wind: float) -> None:
    irradiance = np.linspace(0.0, 1_300.0, 27)
    expected = pvlib.temperature.faiman(irradiance, 17.0, wind)
    assert pv.module_temperature(irradiance, 17.0, wind) == pytest.approx(expected)


def test_dc_power_is_pvlibs_pvwatts() -> None:
    irradiance, module = np.linspace(0.0, 1_300.0, 27), np.linspace(-10.0, 70.0, 27)
    expected = pvlib.pvsystem.pvwatts_dc(irradiance, module, 6_000.0, -0.0037)
    found = pv.dc_power(irradiance, module, np.full(27, 6_000.0), np.full(27, -0.0037))
    assert found == pytest.approx(expected)


def test_the_inverter_is_pvlibs_pvwatts_up_to_its_clipping() -> None:
    dc = np.linspace(0.0, 7_000.0, 141)
    expected = pvlib.inverter.pvwatts(dc, 5_000.0 / 0.96)
    found = np.minimum(dc * pv.inverter_efficiency(dc, np.full(141, 5_000.0)), 5_000.0)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_dark_plane_gives_nothing() -> None:
    dark = np.zeros(3)
    assert not pv.dc_power(dark, dark, np.full(3, 5e3), np.full(3, -0.004)).any()
    assert not pv.inverter_efficiency(dark, np.full(3, 5e3)).any()
