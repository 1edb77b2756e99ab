"""What faults make of exchanges with polled devices: laws over many of them."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.contracts.hindrance import Hindrance, Impairment
from pilotfarm.emulators.contracts.way import Bites
from pilotfarm.emulators.stations.exchanges import NoWay, Way, way
from pilotfarm.emulators.stations.hindered import HinderedWay, Hindering, Hindrances
from pilotfarm.profiles.draws import keys_of

N = 4_000
KEYS = keys_of(1, [f"request {each}" for each in range(N)])
ALL = np.arange(N)
ASKED, ANSWERED = np.full(N, 8.0), np.full(N, 100.0)


def hindered(hindrance: Hindrance, over: Way | None = None, bites: Bites | None = None) -> HinderedWay:
    """Return a way of two requests a device, of which every second device has the fault."""
    at = np.arange(N // 2) % 2 == 0
    hindrances = Hindrances(0.0)
    hindrances.standing = [Hindering(hindrance, at, 7, 0.0, Bites() if bites is None else bites)]
    return HinderedWay(NoWay(N) if over is None else over, hindrances, ALL // 2, ASKED, ANSWERED)


GRIPPED = ALL // 2 % 2 == 0


def test_nobody_else_is_hindered_and_draws_do_not_depend_on_who_is_asked() -> None:
    over = way("radio_mesh", None, KEYS, ASKED, ANSWERED)
    plain = over.drawn(KEYS, 5, ALL)
    here = hindered(Hindrance(0.5, unanswered=True, back=Impairment(1.0, 1.0)), over)
    whole = here.drawn(KEYS, 5, ALL)
    for before, after in zip(plain[:3], whole[:3], strict=True):
        assert np.array_equal(before[~GRIPPED], after[~GRIPPED])
    some = ALL[::3]
    part = here.drawn(KEYS[some], 5, some)
    for every, few in zip(whole, part, strict=True):
        assert every is not None
        assert few is not None
        assert np.array_equal(every[some], few)
    assert not np.array_equal(whole.lost, here.drawn(KEYS, 6, ALL).lost)


def test_a_share_of_the_exchanges_is_hindered() -> None:
    drawn = hindered(Hindrance(0.3, unanswered=True)).drawn(KEYS, 0, ALL)
    assert drawn.lost[GRIPPED].mean() == pytest.approx(0.3, abs=0.03)
    assert drawn.refused is not None
    assert not drawn.refused.any()
    refused = hindered(Hindrance(0.3, refused=True)).drawn(KEYS, 0, ALL).refused
    assert refused is not None
    assert refused[GRIPPED].mean() == pytest.approx(0.3, abs=0.03)


def test_jitter_is_drawn_evenly_and_the_way_back_alone_comes_after_the_reading() -> None:
    drawn = hindered(Hindrance(there=Impairment(1.0, 0.5), back=Impairment(3.0, 2.0))).drawn(KEYS, 0, ALL)
    back_s, there_s = drawn.back_s[GRIPPED], (drawn.took_s - drawn.back_s)[GRIPPED]
    for late_s, min_s, max_s in ((there_s, 1.0, 1.5), (back_s, 3.0, 5.0)):
        assert min_s <= late_s.min() < late_s.max() < max_s
        assert late_s.mean() == pytest.approx((min_s + max_s) / 2.0, rel=0.02)
    assert abs(np.corrcoef(there_s, back_s)[0, 1]) < 0.1


@pytest.mark.parametrize(("there", "back", "lost_frac"), [(0.2, 0.0, 0.2), (0.0, 0.2, 0.2), (0.2, 0.2, 0.36)])
def test_what_is_lost_on_a_line_is_gone(there: float, back: float, lost_frac: float) -> None:
    impaired = Hindrance(there=Impairment(lost_frac=there), back=Impairment(lost_frac=back))
    drawn = hindered(impaired).drawn(KEYS, 0, ALL)
    assert drawn.lost[GRIPPED].mean() == pytest.approx(lost_frac, abs=0.03)
    assert not drawn.took_s.any()


def test_tcp_repeats_what_is_lost_after_longer_and_longer_waits() -> None:
    """Lost k times in a row it is 0.2 s (2^k - 1) late (RFC 6298, 5.5), which a share of 0.5^k (1 - 0.5) is."""
    over = way("lte", None, KEYS, ASKED, ANSWERED)
    plain = over.drawn(KEYS, 0, ALL)
    drawn = hindered(Hindrance(there=Impairment(lost_frac=0.5)), over).drawn(KEYS, 0, ALL)
    assert not drawn.lost.any()
    late_s = (drawn.took_s - plain.took_s)[GRIPPED]
    for k in range(4):
        assert np.isclose(late_s, 0.2 * (2.0**k - 1.0)).mean() == pytest.approx(0.5 ** (k + 1), abs=0.03)
    for_ever = hindered(Hindrance(there=Impairment(lost_frac=1.0)), over).drawn(KEYS, 0, ALL)
    assert for_ever.lost[GRIPPED].all()


def test_so_many_are_changed_and_no_more() -> None:
    bites = Bites(max=30)
    here = hindered(Hindrance(unanswered=True), bites=bites)
    assert here.drawn(KEYS[:40], 0, ALL[:40]).lost.sum() == 10  # of 20 devices every second, its first request
    assert here.drawn(KEYS, 1, ALL).lost.sum() == 20
    assert bites.count == 30
    assert not here.drawn(KEYS, 2, ALL).lost.any()


def test_two_faults_of_a_device_add_up() -> None:
    here = hindered(Hindrance(back=Impairment(1.0)))
    here._hindrances.standing = [*here._hindrances.standing] * 2
    assert set(here.drawn(KEYS, 0, ALL).took_s[GRIPPED]) == {2.0}
