"""The inverter's capability and support, at the points the grid codes name and between them."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.physics import grid_code, inverter

RATED = np.array([10_000.0])
ONE = np.ones(1)
IEEE = grid_code.code("ieee-1547-2018-b")
EN = grid_code.code("en-50549-1")
CODES = pytest.mark.parametrize("code", [grid_code.code(name) for name in grid_code.NAMES], ids=grid_code.NAMES)


# ----------------------------------------------------------------------------------------- support


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
    assert inverter.volt_var(per_unit * ONE, ONE, IEEE) == pytest.approx(share, abs=1e-12)


def test_volt_var_moves_with_its_reference() -> None:
    assert inverter.volt_var(1.03 * ONE, 1.03 * ONE, IEEE) == 0.0
    assert inverter.volt_var(0.98 * ONE, 1.03 * ONE, IEEE) == pytest.approx(0.22)


@CODES
def test_support_never_rises_with_voltage_or_frequency_and_is_nothing_at_nominal(code: grid_code.GridCode) -> None:
    voltages = np.linspace(0.0, 1.5, 2_001)
    assert np.all(np.diff(inverter.volt_var(voltages, np.ones_like(voltages), code)) <= 0.0)
    assert np.all(np.diff(inverter.volt_watt(voltages, code)) >= 0.0)
    answers = [float(inverter.droop(hertz, np.array([50.0]), code)[0]) for hertz in np.linspace(45.0, 55.0, 501)]
    assert np.all(np.diff(answers) <= 0.0)
    assert answers[0] == 1.0
    assert answers[-1] == -1.0
    assert inverter.volt_var(ONE, ONE, code) == inverter.droop(50.0, 50.0 * ONE, code) == 0.0
    assert inverter.volt_watt(ONE, code) == 0.0


@pytest.mark.parametrize(
    ("name", "frequency", "share"),
    [
        ("en-50549-1", 50.2, 0.0),
        ("en-50549-1", 50.7, -0.2),  # 40 % of the rating a hertz
        ("en-50549-1", 51.5, -0.52),
        ("vde-ar-n-4105", 49.3, 0.2),
        ("ieee-1547-2018-b", 50.53, -0.2),  # dead band 0.036 Hz and 5 % of 60 Hz, scaled to 50 Hz
        ("ieee-1547-2018-b", 49.97, 0.0),
    ],
)
def test_droop_answers_as_its_code_says(name: str, frequency: float, share: float) -> None:
    found = inverter.droop(frequency, np.array([50.0]), grid_code.code(name))
    assert found == pytest.approx(share, abs=1e-12)


def test_volt_watt_takes_all_by_category_b_and_nothing_without_a_curve() -> None:
    """IEEE 1547-2018, table 10: down to a fifth, or to the least power if that is less; here it is none."""
    found = inverter.volt_watt(np.array([1.06, 1.08, 1.10, 1.3]), IEEE)
    assert found == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert inverter.volt_watt(1.3 * ONE, grid_code.code("vde-ar-n-4105")) == 0.0


# ------------------------------------------------------------------------------------------ timing


def test_a_lag_is_nine_tenths_done_after_its_response_time() -> None:
    """Within the rounding of ln(10) / 2 to 1.15 and the step's length; a step enters as the mean of its ends."""
    state, before = np.zeros(1), ONE
    for _ in range(500):
        state, before = inverter.lagged(ONE, before, state, 5.0, 0.01), ONE
    assert state == pytest.approx(0.9, abs=5e-4)


@pytest.mark.parametrize("dt_s", [0.1, 1.0, 4.3, 4.4, 60.0, 900.0])
def test_a_lag_never_swings_past_its_target(dt_s: float) -> None:
    """Above 4.35 s the answer is over within the step, and the target passes through."""
    state, before = np.zeros(1), np.zeros(1)
    for _ in range(200):
        new = inverter.lagged(ONE, before, state, 5.0, dt_s)
        assert np.all((new >= state) & (new <= 1.0))
        state, before = new, ONE
    assert dt_s < 4.35 or state == 1.0


def test_a_ramp_goes_no_faster_than_its_rate_and_stops_at_the_target() -> None:
    before, target = np.array([0.0, 0.0, 100.0]), np.array([1_000.0, -30.0, 100.0])
    assert inverter.ramped(before, target, np.full(3, 50.0), 2.0).tolist() == [100.0, -30.0, 100.0]


# -------------------------------------------------------------------------------------- capability


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


def test_the_area_of_vde_4105_keeps_a_power_factor_of_nine_tenths() -> None:
    code = grid_code.code("vde-ar-n-4105")
    active = np.linspace(-1.2e4, 1.2e4, 241)
    rated = np.full_like(active, 1e4)
    area = inverter.reactive_area(active, rated, code.reactive_max * rated, code)
    p, q = inverter.within_circle(active, np.full_like(active, 1e5), rated, area, np.ones_like(active))
    loaded = np.abs(p) >= 1e3
    assert np.all(np.abs(p[loaded]) / np.hypot(p, q)[loaded] >= 0.9 - 1e-3)
    assert np.all(q[~loaded] == 484.0)
    assert q.max() == pytest.approx(4_360.0)


def test_the_other_codes_leave_the_circle_whole() -> None:
    assert inverter.reactive_area(np.zeros(1), RATED, RATED, EN) == RATED


def test_mixed_codes_give_each_device_the_numbers_of_its_own_to_the_last_bit() -> None:
    mixed = grid_code.of(np.array([0.0, 2.0, 1.0, 0.0]))
    voltage, ones = np.linspace(0.9, 1.12, 4), np.ones(4)
    for row, name in enumerate(("en-50549-1", "ieee-1547-2018-b", "vde-ar-n-4105", "en-50549-1")):
        alone, at = grid_code.code(name), slice(row, row + 1)
        for found, expected in (
            (inverter.volt_var(voltage, ones, mixed), inverter.volt_var(voltage[at], ONE, alone)),
            (inverter.volt_watt(voltage, mixed), inverter.volt_watt(voltage[at], alone)),
            (inverter.droop(50.6, 50.0 * ones, mixed), inverter.droop(50.6, 50.0 * ONE, alone)),
            (
                inverter.lagged(voltage, ones, ones, mixed.volt_var_response_s, 1.0),
                inverter.lagged(voltage[at], ONE, ONE, alone.volt_var_response_s, 1.0),
            ),
        ):
            assert found[row] == expected[0]
