"""What comes of the voltages of three phases, against geometry."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.columns.views import at_rows, runs
from pilotfarm.emulators.contracts.mains import Mains

VOLTAGES = np.array([[230.0, 240.0, 0.0, 0.0], [230.0, 210.0, 231.0, 0.0], [230.0, 225.0, 229.0, 0.0]])


def test_three_equal_phases_stand_at_the_square_root_of_three() -> None:
    assert Mains.of(VOLTAGES).voltage_ll_v[0] == pytest.approx(230.0 * np.sqrt(3.0), rel=1e-14)


def test_between_lines_stands_the_mean_of_three_phasors_distances() -> None:
    turns = np.exp(2j * np.pi / 3.0 * np.arange(3))[:, None]
    phasors = VOLTAGES * turns
    apart = [np.abs(phasors[k] - phasors[(k + 1) % 3]) for k in range(3)]
    assert Mains.of(VOLTAGES).voltage_ll_v == pytest.approx(np.mean(apart, axis=0), rel=1e-12)


def test_extremes_and_currents_are_of_the_phases_and_a_dead_one_carries_none() -> None:
    mains = Mains.of(VOLTAGES)
    assert np.array_equal(mains.voltage_v, VOLTAGES)
    assert mains.highest_v.tolist() == [230.0, 240.0, 231.0, 0.0]
    assert mains.lowest_v.tolist() == [230.0, 210.0, 0.0, 0.0]
    assert np.array_equal(mains.current_a_per_va * VOLTAGES, (VOLTAGES > 0.0).astype(float))


@pytest.mark.parametrize("rows", [[1, 2], [3, 0], [2, 3, 0], [0, 1, 2, 3], [3]])
def test_those_of_some_points_are_those_of_their_voltages(rows: list[int]) -> None:
    found = Mains.of(VOLTAGES).at(runs(np.array(rows)))
    assert np.array_equal(found.table, Mains.of(VOLTAGES[:, rows]).table)


def test_rows_are_as_few_runs_as_there_are() -> None:
    assert runs(np.array([4, 5, 6, 1, 2, 9])) == (slice(4, 7), slice(1, 3), slice(9, 10))
    assert at_rows(VOLTAGES, (slice(1, 3),)).base is VOLTAGES, "one run needs no copy"
