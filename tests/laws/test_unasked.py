"""What meters tell unasked of their supply: laws."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Bools
from pilotfarm.emulators.stations import gasping
from pilotfarm.emulators.stations.exchanges import hops
from pilotfarm.emulators.stations.unasked import Unasked, Word
from pilotfarm.profiles.draws import Keys, keys_of
from pilotfarm.profiles.media.shared import shared_medium

N: Final = 60
RADIO: Final = shared_medium("radio_mesh")
KEYS: Final[Keys] = keys_of(9, [f"meter {k}" for k in range(N)])
HOPS: Final = hops(RADIO, KEYS)
NEAR, FAR = np.flatnonzero(HOPS == 1), np.flatnonzero(HOPS >= 2)
ALL: Final[Bools] = np.ones(N, dtype=bool)


def none_of(*places: int) -> Bools:
    return ~np.isin(np.arange(N), places)


def heard(made: Unasked, powered: Bools, begin_s: float, end_s: float, reachable: Bools = ALL) -> list[Word]:
    found = []
    for to_s in np.arange(begin_s, end_s, 1.0).tolist():
        words = made.advance(to_s, powered, reachable)
        assert all(to_s - 1.0 < each.at_s <= to_s for each in words)
        assert all(each.since_s <= each.at_s for each in words)
        found += words
    return found


def test_nobody_says_anything_while_nothing_happens() -> None:
    assert not heard(Unasked(RADIO, KEYS), ALL, 0.0, 50.0)
    assert not heard(Unasked(RADIO, KEYS), ALL, 0.0, 50.0, ~ALL)


def test_one_meter_gasps_once_and_says_once_that_it_is_back() -> None:
    made, one = Unasked(RADIO, KEYS), int(NEAR[0])
    assert not heard(made, ALL, 0.0, 10.0)
    (gasp,) = heard(made, none_of(one), 10.0, 100.0)
    assert (gasp.meter, gasp.supplied, gasp.since_s) == (one, False, 10.0)
    assert gasp.at_s <= 10.0 + gasping.GASP_WITHIN_S + gasping.APART_S + 5.0
    (word,) = heard(made, ALL, 100.0, 2_000.0)
    assert (word.meter, word.supplied, word.since_s) == (one, True, 100.0)
    assert not heard(made, ALL, 2_000.0, 2_100.0)


def test_all_that_go_dark_are_heard_in_part_and_all_that_are_back_in_the_end() -> None:
    made = Unasked(RADIO, KEYS)
    gasps = heard(made, ~ALL, 0.0, 100.0)
    assert 0.3 * N < len({each.meter for each in gasps}) == len(gasps) < N
    words = heard(made, ALL, 100.0, 3_000.0)
    assert {each.meter for each in words} == set(range(N))
    assert len(words) == N
    assert np.ptp([each.at_s for each in words]) > 0.5 * gasping.HOLD_OFF_S


def test_who_is_off_its_network_says_nothing_and_is_back_when_it_is_on_it() -> None:
    made, one = Unasked(RADIO, KEYS), int(NEAR[0])
    assert not heard(made, none_of(one), 0.0, 100.0, none_of(one))
    assert not heard(made, ALL, 100.0, 1_000.0, none_of(one))
    (word,) = heard(made, ALL, 1_000.0, 3_000.0)
    assert (word.meter, word.supplied, word.since_s) == (one, True, 1_000.0)


def test_nothing_passes_over_a_meter_that_is_dark_already() -> None:
    parent = gasping.parents(KEYS, np.zeros(N, dtype=np.intp), HOPS)
    for far in FAR[:10].tolist():
        over = int(parent[far])
        made = Unasked(RADIO, KEYS)
        heard(made, none_of(over), 0.0, 100.0)
        assert not heard(made, none_of(over, far), 100.0, 200.0)
        back = {each.meter for each in heard(made, none_of(over), 200.0, 3_000.0)}
        assert not back, "nor that it is back"
        assert len(heard(Unasked(RADIO, KEYS), none_of(far), 0.0, 100.0)) == 1


@pytest.mark.parametrize("dark_s", [30.0, 200.0])
def test_a_meter_that_is_dark_again_has_no_word_of_return_left(dark_s: float) -> None:
    made, one = Unasked(RADIO, KEYS), int(NEAR[0])
    heard(made, none_of(one), 0.0, 100.0)
    words = heard(made, ALL, 100.0, 101.0) + heard(made, none_of(one), 101.0, 101.0 + dark_s)
    assert [each.supplied for each in words] == [False]
    assert [each.supplied for each in heard(made, ALL, 101.0 + dark_s, 3_000.0)] == [True]
