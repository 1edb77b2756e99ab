"""The control pilot and the charge of a vehicle."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from pilotfarm.emulators.physics import ev
from pilotfarm.emulators.physics.ev import State

FULL_RATE = 11_000.0 / (60_000.0 * 3600.0)


def charged(soc: float, rate: float, dt_s: float) -> float:
    return float(ev.charged_soc(np.array([soc]), np.array([rate]), np.array([FULL_RATE]), dt_s)[0])


@pytest.mark.parametrize("inputs", list(product([False, True], repeat=4)))
@pytest.mark.parametrize("state", State)
def test_every_transition_is_legal(state: State, inputs: tuple[bool, ...]) -> None:
    following = ev.next_state(np.array([float(state)]), *(np.array([flag]) for flag in inputs))
    assert State(int(following[0])) in ev.LEGAL[state]


def test_charging_starts_from_b_alone() -> None:
    states = np.array([float(state) for state in State])
    yes, no = np.ones(6, dtype=bool), np.zeros(6, dtype=bool)
    following = ev.next_state(states, yes, yes, no, no)
    assert [State(int(value)) for value in following] == [State.B, State.C, State.C, State.B, State.B, State.B]


def test_out_of_service_shows_before_out_of_supply() -> None:
    yes = np.ones(1, dtype=bool)
    assert ev.next_state(np.zeros(1), yes, yes, yes, yes)[0] == State.F
    assert ev.next_state(np.zeros(1), yes, yes, yes, ~yes)[0] == State.E


def test_less_than_six_amperes_is_nothing() -> None:
    limits = np.array([-1.0, 0.0, 5.999, 6.0, 10.0, 40.0])
    assert ev.offered_current_a(limits, np.full(6, 32.0)).tolist() == [0.0, 0.0, 0.0, 6.0, 10.0, 32.0]


def test_below_the_taper_the_charge_rises_evenly() -> None:
    assert charged(0.2, FULL_RATE, 600.0) == pytest.approx(0.2 + 600.0 * FULL_RATE)


def test_in_the_taper_the_charge_nears_full_and_never_gets_beyond() -> None:
    socs = [charged(0.85, FULL_RATE, hours * 3600.0) for hours in (0.5, 1.0, 2.0, 10.0, 1_000.0)]
    assert all(low < high or high == 1.0 for low, high in zip([0.85, *socs], socs, strict=False))
    assert max(socs) <= 1.0


def test_power_does_not_jump_where_the_taper_begins() -> None:
    before = charged(0.8 - 2e-6, FULL_RATE, 1e-3) - (0.8 - 2e-6)
    after = charged(0.8 + 2e-6, FULL_RATE, 1e-3) - (0.8 + 2e-6)
    assert after == pytest.approx(before, rel=1e-4)


def test_with_half_the_power_the_taper_begins_half_as_far_from_full() -> None:
    assert charged(0.85, FULL_RATE / 2.0, 60.0) == pytest.approx(0.85 + 30.0 * FULL_RATE)
    assert charged(0.95, FULL_RATE / 2.0, 60.0) < 0.95 + 29.0 * FULL_RATE


@pytest.mark.parametrize("soc", [0.0, 0.5, 0.79, 0.8, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("dt_s", [0.1, 60.0, 3_600.0, 36_000.0])
def test_two_half_steps_are_one_step(soc: float, share: float, dt_s: float) -> None:
    rate = share * FULL_RATE
    assert charged(charged(soc, rate, dt_s / 2.0), rate, dt_s / 2.0) == pytest.approx(
        charged(soc, rate, dt_s), abs=1e-12
    )


def test_without_power_the_charge_stays() -> None:
    assert charged(0.37, 0.0, 3_600.0) == 0.37


def test_the_power_a_vehicle_takes_agrees_with_how_its_charge_rises() -> None:
    for soc in (0.3, 0.8, 0.9, 0.99):
        rise = (charged(soc, FULL_RATE, 1e-2) - soc) / 1e-2
        taken = ev.taper_power_w(np.array([soc]), np.array([11_000.0]))[0]
        assert rise / FULL_RATE == pytest.approx(taken / 11_000.0, rel=1e-4)
