"""The grid's frequency."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.physics.frequency import LARGEST_DEVIATION_HZ, STANDARD_DEVIATION_HZ, frequency_hz

START_S = 1_750_000_000.0


def test_it_is_a_function_of_key_and_time_alone() -> None:
    assert frequency_hz(5, START_S + 12.3) == frequency_hz(5, START_S + 12.3)
    assert frequency_hz(5, START_S) != frequency_hz(6, START_S)


def test_over_a_week_its_mean_and_spread_are_those_of_continental_europe() -> None:
    values = np.array([frequency_hz(1, START_S + 30.0 * k) for k in range(20_160)])
    assert values.mean() == pytest.approx(50.0, abs=0.001)
    assert values.std() == pytest.approx(STANDARD_DEVIATION_HZ, rel=0.05)
    assert np.abs(values - 50.0).max() <= LARGEST_DEVIATION_HZ


def test_it_moves_by_millihertz_a_second() -> None:
    values = np.array([frequency_hz(1, START_S + k) for k in range(3_600)])
    assert 0.0 < np.abs(np.diff(values)).max() < 0.005


def test_it_lies_about_the_nominal_frequency() -> None:
    assert frequency_hz(1, START_S, 60.0) - 60.0 == pytest.approx(frequency_hz(1, START_S) - 50.0)
