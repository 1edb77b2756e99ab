"""Last gasps and returns of meters: laws, and shares of them that come."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices
from pilotfarm.emulators.stations import gasping
from pilotfarm.emulators.stations.exchanges import hops
from pilotfarm.profiles.draws import Keys, keys_of
from pilotfarm.profiles.media.shared import SharedMedium, hop_s, shared_medium

RADIO: Final = shared_medium("radio_mesh")
AIR_S: Final = hop_s(RADIO, gasping.OCTETS, RADIO.rate_bit_s)


class Network:
    def __init__(self, meters: int, concentrators: int = 10, medium: SharedMedium = RADIO) -> None:
        self.medium = medium
        self.keys: Keys = keys_of(3, [f"meter {k}" for k in range(meters * concentrators)])
        self.behind: Indices = np.repeat(np.arange(concentrators), meters)
        self.hops = hops(medium, self.keys)
        self.parent = gasping.parents(self.keys, self.behind, self.hops)
        self.kept: Floats = np.ones(len(self.keys))

    def gasps(self, out: Bools | None = None, number: int = 0) -> Floats:
        who = np.ones(len(self.keys), dtype=bool) if out is None else out
        return gasping.gasps(self.medium, self.keys, self.behind, self.parent, self.kept, who, number)

    def returns(self, back: Bools | None = None, number: int = 0) -> Floats:
        who = np.ones(len(self.keys), dtype=bool) if back is None else back
        return gasping.returns(self.medium, self.keys, self.behind, self.parent, self.kept, who, number)


def only(n: int, *places: int) -> Bools:
    return np.isin(np.arange(n), places)


def test_a_parent_is_a_hop_nearer_and_behind_the_same_concentrator() -> None:
    network = Network(50)
    through = network.parent >= 0
    assert (network.hops[through] == network.hops[network.parent[through]] + 1).all()
    assert (network.behind[through] == network.behind[network.parent[through]]).all()
    assert (network.hops[~through] == 1).all()
    assert len(set(network.parent[(network.behind == 0) & (network.hops == 2)].tolist())) > 5, "not all through one"


def test_who_has_supply_says_nothing_and_one_alone_comes_after_its_hops() -> None:
    network = Network(40)
    for far in (1.0, 2.0, 3.0, 4.0):
        one = int(np.flatnonzero(network.hops == far)[0])
        came = network.gasps(only(400, one))
        assert np.isfinite(came).tolist() == only(400, one).tolist()
        assert far * AIR_S <= came[one] <= gasping.GASP_WITHIN_S + far * AIR_S + far * 2 * RADIO.access_median_s


def test_two_that_do_not_hear_each_other_lose_both_copies_that_meet() -> None:
    network = Network(2, 8_000)
    network.parent[:] = -1
    came = np.isfinite(network.gasps()).reshape(-1, 2)
    lives_s = gasping.lives_s(network.keys, 0).reshape(-1, 2)
    twice = (lives_s > gasping.APART_S + gasping.GASP_WITHIN_S + AIR_S).all(axis=1)
    assert (came[twice, 0] == came[twice, 1]).all(), "their second copies are as far apart as the first"
    assert came[~twice].sum() > came[twice].sum() * (~twice).sum() / twice.sum() - 3
    meet = 2 * AIR_S / gasping.GASP_WITHIN_S
    assert 1.0 - came[twice].mean() == pytest.approx(0.3 * meet, abs=0.0011)


def test_meters_behind_another_concentrator_do_not_matter() -> None:
    network = Network(60, 4)
    first = network.behind == 0
    np.testing.assert_array_equal(network.gasps()[first], network.gasps(first)[first])
    np.testing.assert_array_equal(network.returns()[first], network.returns(first)[first])


def test_who_has_died_passes_nothing_on() -> None:
    network = Network(60, 4)
    lives_s = gasping.lives_s(network.keys, 0)
    assert gasping.LIVE_MIN_S <= lives_s.min() < lives_s.max() <= gasping.LIVE_MAX_S
    came = network.gasps()
    heard = np.isfinite(came)
    assert (came[heard] <= lives_s[heard]).all()
    late = came > gasping.APART_S
    through = network.parent >= 0
    relayed = heard & late & through
    assert relayed.any()
    assert (lives_s[network.parent[relayed]] >= came[relayed] - network.hops[relayed] * (AIR_S + 0.2)).all()


@pytest.mark.parametrize("name", ["radio_mesh", "plc_g3", "plc_prime"])
def test_in_a_wide_outage_a_part_of_last_gasps_come_and_nearly_all_returns(name: str) -> None:
    """20 to 80 % of last gasps, and over 90 % of returns in 5 to 15 minutes, are what such networks are said to do."""
    network = Network(100, 10, shared_medium(name))
    assert 0.2 < np.isfinite(network.gasps()).mean() < 0.8
    few = np.zeros(1_000, dtype=bool)
    few[::20] = True
    assert np.isfinite(network.gasps(few)[few]).mean() > np.isfinite(network.gasps()).mean() + 0.1
    came = network.returns()
    assert (came <= 300.0).mean() > 0.9
    assert (came <= 900.0).mean() > 0.98
    assert (came <= 60.0).mean() < 0.3, "they hold off"


def test_each_outage_is_drawn_anew_and_the_same_again() -> None:
    network = Network(50)
    assert (network.gasps(number=1) != network.gasps(number=2)).any()
    np.testing.assert_array_equal(network.gasps(number=1), network.gasps(number=1))
    assert (network.returns(number=1) != network.returns(number=2)).any()


def test_what_the_way_does_not_let_pass_does_not_come_and_returns_are_said_again() -> None:
    network = Network(20)
    network.kept[:] = 0.0
    assert not np.isfinite(network.gasps()).any()
    assert not np.isfinite(network.returns()).any()
    network.kept[:] = 0.5
    assert np.isfinite(network.returns()).mean() > 0.9
    network.kept[:] = 1.0
