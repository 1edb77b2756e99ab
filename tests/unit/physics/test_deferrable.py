"""Loads that can wait: what they draw, and that every lot is there in time."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.physics import deferrable
from pilotfarm.profiles.draws import keys_of

N = 64
KEYS = keys_of(5, [f"home-{k}" for k in range(N)])
POWER = np.full(N, 2_000.0)
START_S = 490_000 * deferrable.HOUR_S


def waiting(first_wh: float, now_s: float = START_S) -> np.ndarray:
    """A ring in which one lot came in the hour that runs."""
    ring = np.zeros((deferrable.HOURS, N))
    ring[int(now_s // deferrable.HOUR_S) % deferrable.HOURS] = first_wh
    return ring


def drawn(ring: np.ndarray, waits_h: float, asked_w: float, now_s: float, dt_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The mean power of a step and what is left."""
    hour = int(now_s // deferrable.HOUR_S)
    latest = deferrable.latest_s(ring, np.full(N, waits_h), POWER, hour)
    wh = deferrable.drawn_wh(ring.sum(axis=0), latest, np.full(N, asked_w), POWER, POWER, now_s, dt_s)
    rest = deferrable.settled(ring, wh, hour)
    assert rest.sum(axis=0) + wh == pytest.approx(ring.sum(axis=0))
    return wh * (3_600.0 / dt_s), rest


def draw(wh: float, asked: float, dt_s: float = 60.0, now_s: float = START_S, waits_h: float = 6.0) -> float:
    power, _ = drawn(waiting(wh), waits_h, asked, now_s, dt_s)
    assert np.all(power == power[0])
    return float(power[0])


def test_waiting_loads_draw_what_they_are_asked_for_up_to_their_power() -> None:
    assert draw(1_800.0, 0.0) == 0.0
    assert draw(1_800.0, 700.0) == pytest.approx(700.0)
    assert draw(1_800.0, 9_000.0) == pytest.approx(2_000.0)


def test_they_never_draw_more_than_waits() -> None:
    assert draw(10.0, 2_000.0, 3_600.0) == pytest.approx(10.0)
    assert draw(0.0, 2_000.0) == 0.0


def test_a_lot_is_drawn_unasked_as_late_as_it_can_be() -> None:
    """1,000 Wh at 2,000 W take half an hour: nothing until then, all the power from then on."""
    assert draw(1_000.0, 0.0, now_s=START_S + 3_599.0, waits_h=1.6) == pytest.approx(0.0)
    assert draw(1_000.0, 0.0, now_s=START_S + 1_860.0, waits_h=1.0) == pytest.approx(2_000.0)


@pytest.mark.parametrize("dt_s", [60.0, 700.0, 900.0, 3_600.0])
@pytest.mark.parametrize("waits_h", [1.0, 2.5, 8.0])
def test_every_lot_is_drawn_by_its_deadline_even_if_every_hour_brings_the_largest(dt_s: float, waits_h: float) -> None:
    ring, last = waiting(0.0), np.full(N, START_S // deferrable.HOUR_S)
    came, drawn_wh = np.zeros(N), np.zeros(N)
    arrivals = []
    for k in range(1, round(3 * 86_400 / dt_s)):
        now_s = START_S + k * dt_s
        hour = int(now_s // deferrable.HOUR_S)
        before = ring.sum(axis=0)
        ring = deferrable.with_arrivals(ring, last, hour, KEYS, np.full(N, 1e9), POWER)
        last = np.full(N, hour)
        if np.any(ring.sum(axis=0) > before):
            arrivals.append((hour * deferrable.HOUR_S, ring.sum(axis=0) - before))
            came = came + ring.sum(axis=0) - before
        power, ring = drawn(ring, waits_h, 0.0, now_s, dt_s)
        drawn_wh = drawn_wh + power * dt_s / 3_600.0
        assert power.max() <= 2_000.0 + 1e-6
        # A lot that comes within a step is known at its end alone, so a deadline may be met that much late.
        due = sum((wh for at, wh in arrivals if at + waits_h * 3_600.0 + dt_s <= now_s), start=np.zeros(N))
        assert np.all(drawn_wh >= due - 1e-6)
    assert drawn_wh + ring.sum(axis=0) == pytest.approx(came)
    assert came.mean() == pytest.approx(3 * 6 * 2_000.0, rel=0.1)


def test_an_hour_brings_the_same_lots_however_the_steps_fall() -> None:
    hour = int(START_S // deferrable.HOUR_S)
    rates = (KEYS, np.full(N, 6_000.0), POWER)
    ring = waiting(0.0)
    for number in range(hour + 1, hour + 6):
        ring = deferrable.with_arrivals(ring, np.full(N, number - 1.0), number, *rates)
    at_once = deferrable.with_arrivals(waiting(0.0), np.full(N, float(hour)), hour + 5, *rates)
    assert np.array_equal(ring, at_once)


def test_what_rounding_leaves_of_a_lot_hurries_no_other() -> None:
    """A lot drawn in uneven pieces is gone: the next one's deadline is its own."""
    hour, luck = int(START_S // deferrable.HOUR_S), np.random.default_rng(7)
    ring, pieces = waiting(900.0), luck.random((7, N))
    ring[(hour - 5) % deferrable.HOURS] = older = luck.uniform(300.0, 1_000.0, N)
    taken = sum(older * piece for piece in pieces / pieces.sum(axis=0))
    rest = np.asarray(deferrable.settled(ring, taken, hour))
    assert rest.sum(axis=0) == pytest.approx(900.0)
    latest = deferrable.latest_s(rest, np.full(N, 6.0), POWER, hour)
    assert latest == pytest.approx((hour + 6.0 - 900.0 / 2_000.0) * deferrable.HOUR_S, abs=1.0)
