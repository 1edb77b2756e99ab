"""Voltages along feeders."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics import feeder

SOURCE_V, R, X = 235.0, 0.25, 0.08


def solved(active_w: Floats, position: Floats, *, reactive_var: Floats | float = 0.0) -> Floats:
    """Voltages on one feeder of devices that draw or deliver the same in every phase."""
    n = len(position)
    return feeder.voltages(
        np.tile(active_w, (3, 1)),
        np.tile(np.broadcast_to(reactive_var, n), (3, 1)),
        np.zeros(n, dtype=np.intp),
        position,
        np.array([SOURCE_V]),
        np.array([R]),
        np.array([X]),
    )


def test_without_load_every_device_has_the_sources_voltage() -> None:
    assert np.array_equal(solved(np.zeros(4), np.array([0.1, 0.4, 0.7, 1.0])), np.full((3, 4), SOURCE_V))


def test_one_small_load_lowers_its_own_voltage_by_rp_plus_xq_over_v() -> None:
    power, reactive = -1_000.0, -300.0
    voltage = solved(np.array([power]), np.array([1.0]), reactive_var=reactive)
    drop = (R * power + X * reactive) / SOURCE_V
    assert voltage[:, 0] - SOURCE_V == pytest.approx(drop, rel=0.01)


@pytest.mark.parametrize(("power", "side"), [(-3_000.0, -1.0), (3_000.0, 1.0)])
def test_generation_raises_and_load_lowers_the_voltage_more_the_farther_away(power: float, side: float) -> None:
    voltage = solved(np.full(5, power), np.linspace(0.2, 1.0, 5))[0]
    assert np.all(side * np.diff(np.concatenate(([SOURCE_V], voltage))) > 0.0)


def test_every_pair_meets_over_the_line_it_shares() -> None:
    rng = np.random.default_rng(1)
    n = 30
    line = rng.integers(0, 3, n)
    position = rng.uniform(0.01, 1.0, n)
    active, reactive = rng.normal(0.0, 2_000.0, (3, n)), rng.normal(0.0, 500.0, (3, n))
    source, resistance, reactance = np.array([230.0, 235.0, 240.0]), np.array([0.1, 0.2, 0.05]), np.full(3, 0.08)
    expected = np.empty((3, n))
    for i in range(n):
        together = (line == line[i]) * np.minimum(position, position[i])
        push = resistance[line[i]] * active + reactance[line[i]] * reactive
        expected[:, i] = np.sqrt(source[line[i]] ** 2 + 2.0 * (push * together).sum(axis=1))
    got = feeder.voltages(active, reactive, line, position, source, resistance, reactance)
    assert got == pytest.approx(expected, abs=1e-6)


def test_a_phase_does_not_feel_another() -> None:
    active = np.array([[-5_000.0, -5_000.0], [0.0, 0.0], [5_000.0, 5_000.0]])
    voltage = feeder.voltages(
        active,
        np.zeros((3, 2)),
        np.zeros(2, np.intp),
        np.array([0.5, 1.0]),
        np.array([230.0]),
        np.array([R]),
        np.array([X]),
    )
    assert np.array_equal(voltage[1], [230.0, 230.0])
    assert np.all(voltage[0] < 230.0)
    assert np.all(voltage[2] > 230.0)


def test_neither_other_feeders_nor_the_order_of_rows_change_a_bit() -> None:
    rng = np.random.default_rng(2)
    n = 200
    line = rng.integers(0, 2, n)
    position = rng.uniform(0.0, 1.0, n)
    active, reactive = rng.normal(0.0, 3_000.0, (3, n)), rng.normal(0.0, 900.0, (3, n))
    source, r, x = np.array([230.0, 233.0]), np.array([0.1, 0.3]), np.array([0.05, 0.1])
    together = feeder.voltages(active, reactive, line, position, source, r, x)
    alone = np.flatnonzero(line == 1)
    first = np.zeros(len(alone), dtype=np.intp)
    apart = feeder.voltages(active[:, alone], reactive[:, alone], first, position[alone], source[1:], r[1:], x[1:])
    assert np.array_equal(together[:, alone], apart)
    shuffled = rng.permutation(n)
    again = feeder.voltages(
        active[:, shuffled], reactive[:, shuffled], line[shuffled], position[shuffled], source, r, x
    )
    assert np.array_equal(again, together[:, shuffled])


def test_a_feeder_without_devices_does_no_harm() -> None:
    voltage = feeder.voltages(
        np.full((3, 2), -1_000.0),
        np.zeros((3, 2)),
        np.array([1, 3]),
        np.array([0.5, 1.0]),
        np.array([230.0, 231.0, 232.0, 233.0, 234.0]),
        np.full(5, R),
        np.full(5, X),
    )
    assert np.all((voltage[:, 0] < 231.0) & (voltage[:, 0] > 230.0))
    assert np.all((voltage[:, 1] < 233.0) & (voltage[:, 1] > 231.0))


@pytest.mark.parametrize("power", [-1e12, 1e12])
def test_the_most_absurd_load_leaves_a_voltage_within_bounds(power: float) -> None:
    voltage = solved(np.full(3, power), np.array([0.3, 0.6, 1.0]))
    assert np.all(voltage >= feeder.LOWEST_SHARE * SOURCE_V)
    assert np.all(voltage <= feeder.HIGHEST_SHARE * SOURCE_V)


def test_a_voltage_is_that_of_the_equation_up_to_half_and_thirteen_tenths_of_the_sources_and_stops_there() -> None:
    """From a load that would have collapsed the feeder to generation nobody would connect."""
    for power in np.linspace(-4e5, 4e5, 161):
        squared = SOURCE_V**2 + 2.0 * R * power
        free = np.sqrt(max(squared, 0.0))
        expected = min(max(free, 0.5 * SOURCE_V), 1.3 * SOURCE_V)
        assert solved(np.array([power]), np.array([1.0])) == pytest.approx(np.full((3, 1), expected))
    lowest, highest = (solved(np.array([power]), np.array([1.0])) for power in (-4e5, 4e5))
    assert lowest == pytest.approx(np.full((3, 1), 0.5 * SOURCE_V))
    assert highest == pytest.approx(np.full((3, 1), 1.3 * SOURCE_V))
