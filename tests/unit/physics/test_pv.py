"""The PV functions against pvlib's, over suns, planes and skies, and the laws of lag, cover and strings."""

from __future__ import annotations

import numpy as np
import pvlib
import pytest

from pilotfarm.emulators.physics import pv

TILTS, AZIMUTHS = (grid.ravel() for grid in np.meshgrid(np.arange(0.0, 91.0, 15.0), np.arange(0.0, 360.0, 30.0)))
SKIES = [(0.0, 0.0, 0.0), (80.0, 0.0, 80.0), (500.0, 450.0, 180.0), (900.0, 850.0, 90.0)]


def sun(zenith: float, azimuth: float, sky: tuple[float, float, float]) -> pv.Sun:
    return pv.Sun(zenith, azimuth, *sky, pv.extraterrestrial(172))


@pytest.mark.parametrize("zenith", [5.0, 45.0, 75.0, 89.5, 95.0])
@pytest.mark.parametrize("azimuth", [90.0, 185.0, 271.0])
@pytest.mark.parametrize("sky", SKIES)
def test_plane_irradiance_is_pvlibs_hay_davies(zenith: float, azimuth: float, sky: tuple[float, float, float]) -> None:
    ghi, dni, dhi = sky
    extra = pv.extraterrestrial(172)
    expected = pvlib.irradiance.get_total_irradiance(
        TILTS, AZIMUTHS, zenith, azimuth, dni, ghi, dhi, dni_extra=extra, albedo=0.2, model="haydavies"
    )["poa_global"]
    falls, absorbed = pv.plane_irradiance(pv.planes(TILTS, AZIMUTHS), sun(zenith, azimuth, sky))
    assert falls == pytest.approx(expected, abs=1e-9)
    assert np.all(absorbed <= falls + 1e-9)
    assert np.all(absorbed >= 0.0)


def test_light_of_its_own_gives_every_plane_what_it_would_get_alone() -> None:
    ghi, dni, dhi = (np.linspace(low, high, len(TILTS)) for low, high in ((100, 900), (0, 850), (100, 90)))
    together, _ = pv.plane_irradiance(pv.planes(TILTS, AZIMUTHS), pv.Sun(40.0, 150.0, ghi, dni, dhi, 1_320.0))
    for row in range(0, len(TILTS), 7):
        one = pv.planes(TILTS[row : row + 1], AZIMUTHS[row : row + 1])
        alone, _ = pv.plane_irradiance(one, pv.Sun(40.0, 150.0, ghi[row], dni[row], dhi[row], 1_320.0))
        assert alone[0] == pytest.approx(together[row], rel=1e-12)


def test_the_cover_passes_what_pvlibs_physical_model_says() -> None:
    angles = np.linspace(0.0, 88.0, 200)
    expected = pvlib.iam.physical(angles, n=1.526, K=4.0, L=0.002)
    assert pv.through_cover(np.cos(np.radians(angles))) == pytest.approx(expected, abs=2e-4)
    assert pv.through_cover(np.array([0.0]))[0] < 0.01
    assert pv.through_cover(np.array([1.0]))[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("day", [1, 3, 90, 172, 266, 365, 366])
def test_extraterrestrial_irradiance_is_pvlibs_spencer(day: int) -> None:
    expected = pvlib.irradiance.get_extra_radiation(day, solar_constant=1366.1, method="spencer")
    assert pv.extraterrestrial(day) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("wind", [0.0, 1.0, 12.0])
def test_modules_left_alone_settle_at_pvlibs_faiman(wind: float) -> None:
    irradiance = np.linspace(0.0, 1_300.0, 27)
    expected = pvlib.temperature.faiman(irradiance, 17.0, wind)
    assert 17.0 + pv.settled_excess(irradiance, wind) == pytest.approx(expected)
    assert 17.0 + pv.warmed(np.full(27, 5.0), irradiance, wind, 36_000.0)[0] == pytest.approx(expected)


@pytest.mark.parametrize("dt_s", [0.1, 1.0, 60.0, 900.0])
def test_many_short_steps_warm_a_module_as_one_long_one_does(dt_s: float) -> None:
    light = np.array([0.0, 300.0, 1_000.0])
    begun = np.array([30.0, 10.0, 0.0])
    excess, means = begun, []
    for _ in range(50):
        excess, mean = pv.warmed(excess, light, 2.0, dt_s / 50.0)
        means.append(mean)
    after, over_all = pv.warmed(begun, light, 2.0, dt_s)
    assert excess == pytest.approx(after, rel=1e-10)
    assert np.mean(means, axis=0) == pytest.approx(over_all, rel=1e-10)


def test_a_module_is_63_percent_there_after_its_time_constant() -> None:
    light = np.array([800.0])
    share = pv.warmed(np.zeros(1), light, 1.0, pv.MODULE_LAG_S)[0] / pv.settled_excess(light, 1.0)
    assert share[0] == pytest.approx(1.0 - np.exp(-1.0))


def test_dc_power_is_pvlibs_pvwatts() -> None:
    irradiance, module = np.linspace(0.0, 1_300.0, 27), np.linspace(-10.0, 70.0, 27)
    expected = pvlib.pvsystem.pvwatts_dc(irradiance, module, 6_000.0, -0.0037)
    found = pv.dc_power(irradiance, module, np.full(27, 6_000.0), np.full(27, -0.0037))
    assert found == pytest.approx(expected)


def test_the_inverter_is_pvlibs_pvwatts_up_to_its_clipping() -> None:
    dc = np.linspace(0.0, 7_000.0, 141)
    expected = pvlib.inverter.pvwatts(dc, 5_000.0 / 0.96)
    found = pv.ac_given(dc, np.full(141, 5_000.0))
    assert found == pytest.approx(expected, abs=1e-9)


def test_what_an_inverter_draws_is_what_it_gives_backwards() -> None:
    rated = np.full(60, 5_000.0)
    ac = np.linspace(1.0, 5_000.0, 60)
    drawn = pv.dc_drawn(ac, rated)
    assert pv.ac_given(drawn, rated) == pytest.approx(ac, rel=1e-9)


def test_strings_stand_at_their_nominal_voltage_at_standard_conditions() -> None:
    mpp, opened = pv.string_voltages(np.array([1_000.0]), np.array([25.0]), np.array([600.0]))
    assert mpp[0] == pytest.approx(600.0)
    assert opened[0] == pytest.approx(600.0 / 0.796)


def test_heat_and_dusk_lower_the_voltage_of_strings() -> None:
    light = np.array([1_000.0, 1_000.0, 1_000.0, 200.0, 20.0, 0.0])
    module = np.array([-10.0, 25.0, 70.0, 25.0, 25.0, 25.0])
    mpp, opened = pv.string_voltages(light, module, np.full(6, 600.0))
    assert np.all(np.diff(mpp[:3]) < 0.0)
    assert np.all(np.diff(opened[:3]) < 0.0)
    assert np.all(np.diff(opened[[1, 3, 4, 5]]) < 0.0)
    assert np.all(mpp[:5] < opened[:5])
    assert mpp[5] == opened[5] == 0.0
    # [6]: a crystalline module loses 0.48 % of its voltage at the maximum power point with each kelvin.
    assert mpp[2] / mpp[1] == pytest.approx(1.0 - 0.00477 * 45.0, abs=1e-6)


def test_strings_give_their_share_between_the_maximum_power_point_and_the_open_circuit() -> None:
    share = np.linspace(0.0, 1.0, 41)
    mpp, opened = np.full(41, 600.0), np.full(41, 750.0)
    voltage = pv.operating_voltage(share, mpp, opened)
    assert voltage[0] == pytest.approx(750.0)
    assert voltage[-1] == 600.0
    assert np.all(np.diff(voltage) <= 1e-9)
    bend = (0.8 - 1.0) / np.log(1.0 - 0.919)
    current = 1.0 - (1.0 - 0.919) * np.exp((voltage / 750.0 - 0.8) / bend)
    assert voltage / 750.0 * current / (0.8 * 0.919) == pytest.approx(share, abs=2e-3)


def test_the_voltage_of_any_share_is_that_which_halving_an_interval_finds() -> None:
    """Within 1e-5 of the open circuit's, in every light and warmth there is, on the far side of the most power."""
    light, warmth = np.meshgrid(np.geomspace(1.1, 1_400.0, 30), np.linspace(-30.0, 90.0, 30))
    share = np.concatenate((np.linspace(0.0, 0.99, 100), 1.0 - np.geomspace(1e-2, 2e-9, 40)))[:, np.newaxis]
    mpp, opened = (np.tile(each, len(share)) for each in pv.string_voltages(light.ravel(), warmth.ravel(), 600.0))
    share = np.repeat(share, light.size)
    most = mpp / opened
    bend = (most - 1.0) / np.log(1.0 - 0.919)

    def power(place: np.ndarray) -> np.ndarray:
        return place * (1.0 - (1.0 - 0.919) * np.exp((place - most) / bend)) / (most * 0.919)

    low, high = most.copy(), np.ones_like(most)
    for _ in range(50):  # where the power is greatest: there a little to the right is no more
        middle = 0.5 * (low + high)
        rises = power(middle + 1e-8) > power(middle)
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    high = np.ones_like(most)
    for _ in range(50):
        middle = 0.5 * (low + high)
        enough = power(middle) > share
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    assert pv.operating_voltage(share, mpp, opened) / opened == pytest.approx(low, abs=1e-5)


def test_a_dark_plane_gives_nothing() -> None:
    dark = np.zeros(3)
    falls, absorbed = pv.plane_irradiance(pv.planes(dark, dark), sun(110.0, 10.0, (0.0, 0.0, 0.0)))
    assert not falls.any()
    assert not absorbed.any()
    assert not pv.dc_power(dark, dark, np.full(3, 5e3), np.full(3, -0.004)).any()
    assert not pv.ac_given(dark, np.full(3, 5e3)).any()
