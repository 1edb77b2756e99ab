"""What disturbances that meet come to, and what they are on their way."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from pilotfarm.emulators.contracts.disturbance import (
    ALL_OPEN,
    IMPEDANCE_MAX,
    NOTHING,
    VOLTAGE_MAX,
    Disturbance,
    together,
)

L1 = Disturbance(opened=(True, False, False), voltage=(0.5, 1.0, 1.0), impedance=2.0)
L23 = Disturbance(opened=(False, True, True), voltage=(0.5, 0.8, 1.0), tap_frac=0.05, tap_step_frac=0.025)
OTHER = Disturbance(
    blown=(False, False, True), tap_frac=-0.025, lost_generation_w=3.0, frequency_hz=-0.2, impedance=3.0
)


def test_opens_unite_factors_multiply_and_the_rest_adds_up_in_any_order() -> None:
    for order in permutations((L1, L23, OTHER)):
        met = together(*order)
        assert met.opened == ALL_OPEN
        assert met.cut_off
        assert met.blown == (False, False, True)
        assert met.voltage == (0.25, 0.8, 1.0)
        assert met.impedance == 6.0
        assert met.tap_frac == pytest.approx(0.025)
        assert (met.lost_generation_w, met.frequency_hz) == (3.0, -0.2)


def test_nothing_is_nothing_and_one_alone_is_itself() -> None:
    assert together() == together(NOTHING, NOTHING) == NOTHING
    assert not NOTHING.cut_off
    assert together(L1) == L1


@pytest.mark.parametrize(("times", "carried_s"), [((2.0, 5.0), 2.0), ((5.0, 0.0), 0.0), ((3.0,), 3.0)])
def test_what_is_cut_off_is_carried_for_the_shortest_time(times: tuple[float, ...], carried_s: float) -> None:
    cuts = [Disturbance(opened=ALL_OPEN, carried_s=each) for each in times]
    for order in permutations((*cuts, L1)):
        assert together(*order).carried_s == carried_s


def test_however_many_meet_voltage_and_impedance_have_an_end() -> None:
    met = together(*[Disturbance(voltage=(2.0, 0.5, 1.5), impedance=100.0)] * 1_000)
    assert met.voltage == (VOLTAGE_MAX, 0.5**1_000, VOLTAGE_MAX)
    assert met.impedance == IMPEDANCE_MAX
    assert together(*[Disturbance(impedance=10.0)] * 2).impedance == 100.0


def test_two_that_cut_off_only_together_carry_nothing() -> None:
    assert together(L1, L23).carried_s == 0.0


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 0.99])
def test_on_its_way_a_depth_grows_evenly_and_what_opens_is_open(strength: float) -> None:
    way = Disturbance(
        opened=(True, False, False),
        blown=(False, True, False),
        voltage=(0.2, 1.0, 1.4),
        impedance=5.0,
        carried_s=2.0,
        lost_generation_w=1e9,
        frequency_hz=-0.4,
    ).scaled(strength)
    assert (way.opened, way.blown, way.carried_s) == ((True, False, False), (False, True, False), 2.0)
    assert way.voltage == pytest.approx((1.0 - 0.8 * strength, 1.0, 1.0 + 0.4 * strength))
    assert way.impedance == pytest.approx(1.0 + 4.0 * strength)
    assert (way.lost_generation_w, way.frequency_hz) == pytest.approx((1e9 * strength, -0.4 * strength))


def test_a_tap_moves_in_whole_steps() -> None:
    for sign, steps, step_frac in product((1, -1), range(1, 17), (0.025, 0.015, 0.0125)):
        moved = Disturbance(tap_frac=sign * steps * step_frac, tap_step_frac=step_frac)
        found = [round(moved.scaled(n / 400.0).tap_frac / step_frac, 9) for n in range(401)]
        assert set(found) == {sign * n for n in range(steps + 1)}
        assert found == sorted(found, reverse=sign < 0)
        assert moved.scaled(1.0) is moved
