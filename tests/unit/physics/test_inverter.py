"""The inverter's capability and support, at the points the standard names and between them."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.physics import inverter

RATED = np.array([10_000.0])
ONE = np.ones(1)


@pytest.mark.parametrize(
    ("per_unit", "share"),
    [
        (0.80, 0.44),
        (0.92, 0.44),
        (0.95, 0.22),
        (0.98, 0.0),
        (1.0, 0.0),
        (1.02, 0.0),
        (1.05, -0.22),
        (1.08, -0.44),
        (1.2, -0.44),
    ],
)  # IEEE 1547-2018, table 8, category B
def test_volt_var_passes_the_points_of_the_category_b_curve(per_unit: float, share: float) -> None:
    nominal = np.array([230.0])
    found = inverter.volt_var(nominal * per_unit, nominal, nominal, RATED)
    assert found == pytest.approx(share * RATED, abs=1e-6)


def test_volt_var_moves_with_its_reference() -> None:
    nominal, reference = np.array([230.0]), np.array([236.9])
    assert inverter.volt_var(reference, reference, nominal, RATED) == 0.0
    assert inverter.volt_var(reference - 0.05 * nominal, reference, nominal, RATED) == pytest.approx(2_200.0)


def test_volt_var_never_rises_with_the_voltage() -> None:
    voltages = np.linspace(0.0, 400.0, 2_001)
    nominal = np.full_like(voltages, 230.0)
    found = inverter.volt_var(voltages, nominal, nominal, np.full_like(voltages, 1e4))
    assert np.all(np.diff(found) <= 0.0)


@pytest.mark.parametrize(
    ("frequency", "share"),
    [(50.0, 0.0), (50.036, 0.0), (49.964, 0.0), (50.286, -0.1), (49.714, 0.1), (53.0, -1.0), (47.0, 1.0)],
)
def test_droop_answers_a_tenth_of_the_rating_a_quarter_hertz_beyond_the_dead_band(
    frequency: float, share: float
) -> None:
    assert inverter.droop(frequency, np.array([50.0]), RATED) == pytest.approx(share * RATED, abs=1e-6)


def test_a_lag_is_nine_tenths_done_after_its_response_time_however_it_is_cut() -> None:
    zero, one = np.zeros(1), np.ones(1)
    whole = inverter.settled(zero, one, 5.0, 5.0)
    cut = zero
    for _ in range(50):
        cut = inverter.settled(cut, one, 5.0, 0.1)
    assert whole == pytest.approx(0.9)
    assert cut == pytest.approx(whole)


def test_a_ramp_goes_no_faster_than_its_rate_and_stops_at_the_target() -> None:
    before, target = np.array([0.0, 0.0, 100.0]), np.array([1_000.0, -30.0, 100.0])
    assert inverter.ramped(before, target, np.full(3, 50.0), 2.0).tolist() == [100.0, -30.0, 100.0]


@pytest.mark.parametrize("active", [5_000.0, -5_000.0])
@pytest.mark.parametrize("factor", [0.8, -0.8, 0.95, -1.0, 1.0])
def test_vars_at_a_power_factor_have_its_sign_and_give_it_back(active: float, factor: float) -> None:
    power = np.array([active])
    found = inverter.vars_at_power_factor(power, np.array([factor]))
    assert abs(active) / np.hypot(active, found) == pytest.approx(abs(factor))
    assert np.sign(found) in (0.0, np.sign(factor))


def test_the_circle_is_kept_everywhere_and_nothing_grows_or_turns() -> None:
    grid = np.linspace(-2e4, 2e4, 81)
    active, reactive = (axis.ravel() for axis in np.meshgrid(grid, grid))
    rated, most = np.full_like(active, 1e4), np.full_like(active, 6e3)
    for first in (0.0, 1.0):
        p, q = inverter.within_circle(active, reactive, rated, most, np.full_like(active, first))
        assert np.all(np.hypot(p, q) <= 1e4 * (1.0 + 1e-12))
        assert np.all(np.abs(q) <= 6e3)
        assert np.all((np.abs(p) <= np.abs(active)) & (p * active >= 0.0))
        assert np.all((np.abs(q) <= np.abs(reactive)) & (q * reactive >= 0.0))
        inside = (np.hypot(active, reactive) < 1e4) & (np.abs(reactive) <= 6e3)
        assert np.array_equal(p[inside], active[inside])
        assert np.array_equal(q[inside], reactive[inside])


@pytest.mark.parametrize(("first", "expected"), [(1.0, (8_000.0, 6_000.0)), (0.0, (9_000.0, np.sqrt(19.0) * 1e3))])
def test_the_one_that_goes_first_keeps_its_value(first: float, expected: tuple[float, float]) -> None:
    p, q = inverter.within_circle(9e3 * ONE, 6e3 * ONE, RATED, RATED, first * ONE)
    assert (p[0], q[0]) == pytest.approx(expected)
