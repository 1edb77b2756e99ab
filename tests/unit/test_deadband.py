"""How far a value moves before it is reported: a share of a rating, over a voltage, and never less than a minimum."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.plans.deadband import EVERY_CHANGE, Deadband

RATINGS = {"power": np.array([1_000.0, 50_000.0]), "charge": np.array([4_000.0, 0.0]), "volts": np.array([200.0, 0.0])}


def test_it_is_a_share_of_the_largest_rating_that_the_device_has() -> None:
    assert Deadband(10.0, 0.01, ("power", "charge", "none")).width(RATINGS) == pytest.approx([40.0, 500.0])


def test_it_is_never_less_than_its_minimum() -> None:
    assert Deadband(10.0, 0.001, ("power",)).width(RATINGS) == pytest.approx([10.0, 50.0])


def test_over_a_voltage_it_is_a_current_and_a_dead_voltage_counts_as_one() -> None:
    assert Deadband(share=0.01, of=("power",), over="volts").width(RATINGS) == pytest.approx([0.05, 500.0])


@pytest.mark.parametrize("lacking", [Deadband(3.0, 0.1, ("none",)), Deadband(3.0, 0.1, ("power",), "none")])
def test_without_the_rating_it_is_the_minimum(lacking: Deadband) -> None:
    assert lacking.width(RATINGS) == 3.0


def test_none_reports_every_change() -> None:
    assert EVERY_CHANGE.width(RATINGS) == 0.0
