"""Arithmetic on columns."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import finite, wrapped


@pytest.mark.parametrize("bits", [31, 32])
def test_wrapped_is_the_remainder(bits: int) -> None:
    span = 2.0**bits
    near = np.concatenate([turn * span + np.arange(-3.0, 4.0) for turn in (0.0, 1.0, 2.0, 5.0, 2.0**20)])
    drawn = np.floor(np.random.default_rng(1).uniform(0.0, 2.0**52, 10_000))
    values = np.concatenate([near, drawn, 2.0 ** np.arange(60.0), [-0.0, np.nan]])
    np.testing.assert_array_equal(wrapped(values, span), np.mod(values, span))


def test_infinite_numbers_become_the_largest_and_what_is_not_a_number_stays() -> None:
    largest = np.finfo(np.float64).max
    found = finite(np.array([np.inf, -np.inf, np.nan, 1.5, -largest]))
    assert found[[0, 1, 3, 4]].tolist() == [largest, -largest, 1.5, -largest]
    assert np.isnan(found[2])
