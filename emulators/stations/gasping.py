"""Last gasps of meters whose supply is gone, and what they say when it is back: by arrays, over a medium they share.

A message goes from meter to meter to its concentrator, a hop at a time. Whoever hears another waits; of two that are
on the air behind one concentrator at once and do not hear each other both are lost. All times are site seconds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices
from pilotfarm.profiles.draws import Keys, uniform
from pilotfarm.profiles.media.shared import HOPS_MAX, SharedMedium, hop_s

OCTETS: Final = 20
"""Of a message: who, what, when, and its check."""
COPIES: Final = 2
APART_S: Final = 8.0
"""Between two copies of a message."""
GASP_WITHIN_S: Final = 3.0
"""A meter waits so long at most before its first copy, drawn evenly."""
LIVE_MIN_S, LIVE_MAX_S = 5.0, 60.0
"""How long a meter lives without supply, to send and to pass on, drawn evenly."""
HOLD_OFF_S: Final = 300.0
"""At most so long a meter waits that is back, drawn evenly; a storm of returns is spread over that."""
TRIES: Final = 6
"""A meter that is back says so until it is acknowledged, so often at most: waits double."""
_AGAIN_S: Final = 30.0
_HIDDEN_FRAC: Final = 0.3
"""Of two meters behind a concentrator, how often they do not hear each other."""


def parents(keys: Keys, behind: Indices, hops: Floats) -> Indices:
    """Return for each meter by which one its messages go, -1 straight to the concentrator.

    It is drawn from those behind the same concentrator that are a hop nearer.
    """
    found = np.full(len(keys), -1, dtype=np.intp)
    drawn = uniform(keys, 0, "parent")
    for concentrator in range(int(behind.max(initial=-1)) + 1):
        here = np.flatnonzero(behind == concentrator)
        for away in range(2, HOPS_MAX + 1):
            nearer = here[hops[here] == away - 1]
            if len(nearer):
                own = here[hops[here] == away]
                found[own] = nearer[(drawn[own] * len(nearer)).astype(np.intp)]
    return found


def lives_s(keys: Keys, number: int) -> Floats:
    """Return how long each meter lives in outage ``number``. [s]"""
    lives: Floats = LIVE_MIN_S + (LIVE_MAX_S - LIVE_MIN_S) * uniform(keys, number, "live")
    return lives


def gasps(
    medium: SharedMedium, keys: Keys, behind: Indices, parent: Indices, kept: Floats, out: Bools, number: int
) -> Floats:
    """Return how long after the outage each meter's last gasp has come, infinite where it does not. [s]

    ``out`` are those without supply; ``kept`` is the share of messages that all hops of a meter let pass.
    """
    until_s = np.where(out, lives_s(keys, number), np.inf)
    sent_s = GASP_WITHIN_S * uniform(keys, number, "gasp")
    come_s = np.full(len(keys), np.inf)
    who = np.flatnonzero(out)
    copies = [(who, sent_s[who] + copy * APART_S, f"gasp {copy}") for copy in range(COPIES)]
    for at_s, came in _passed(medium, keys, behind, parent, kept, until_s, copies, number):
        come_s[who] = np.minimum(come_s[who], np.where(came, at_s, np.inf))
    return come_s


def returns(
    medium: SharedMedium, keys: Keys, behind: Indices, parent: Indices, kept: Floats, back: Bools, number: int
) -> Floats:
    """Return how long after its supply is back each meter's word of it has come, infinite where it does not. [s]"""
    alive_s = np.full(len(keys), np.inf)
    sent_s = HOLD_OFF_S * uniform(keys, number, "hold-off")
    come_s = np.full(len(keys), np.inf)
    for each in range(TRIES):
        who = np.flatnonzero(back & ~np.isfinite(come_s))
        if not len(who):
            break
        copy = [(who, sent_s[who], f"return {each}")]
        ((at_s, came),) = _passed(medium, keys, behind, parent, kept, alive_s, copy, number)
        come_s[who[came]] = at_s[came]
        sent_s += _AGAIN_S * 2.0**each * (0.5 + uniform(keys, number, f"again {each}"))
    return come_s


class _Air(NamedTuple):
    """One hop of some messages: whose they are, who sends them on when, NaN where nobody does."""

    whose: Indices
    by: Indices
    begin_s: Floats


def _passed(
    medium: SharedMedium,
    keys: Keys,
    behind: Indices,
    parent: Indices,
    kept: Floats,
    until_s: Floats,
    copies: list[tuple[Indices, Floats, str]],
    number: int,
) -> list[tuple[Floats, Bools]]:
    """Send messages at some times, all on one air: when each has come, and whether it has.

    ``until_s`` is how long each meter can send and pass on.
    """
    air_s = hop_s(medium, OCTETS, medium.rate_bit_s)
    hops: list[_Air] = []
    ends, lost = [], []
    for whose, sent_s, stream in copies:
        begin_s, by, end_s = sent_s, whose, sent_s
        gone = uniform(keys[whose], number, f"{stream} kept") >= kept[whose]
        for hop in range(HOPS_MAX):
            on = by >= 0
            gone = gone | (on & (begin_s + air_s > until_s[by]))
            hops.append(_Air(whose, by, np.where(on & ~gone, begin_s, np.nan)))
            end_s = np.where(on, begin_s + air_s, end_s)
            begin_s = end_s + 2.0 * medium.access_median_s * uniform(keys[whose], number, f"{stream} {hop}")
            by = np.where(on, parent[by], -1)
        ends.append(end_s)
        lost.append(gone)
    met = np.split(_met(keys, behind, hops, air_s), len(copies))
    return [(end_s, ~gone & ~each.any(axis=0)) for end_s, gone, each in zip(ends, lost, met, strict=True)]


def _met(keys: Keys, behind: Indices, hops: list[_Air], air_s: float) -> Bools:
    """Return where messages were on the air with one of a meter that does not hear the sender, a row a hop."""
    whose, by, begin_s = (np.concatenate(each) for each in zip(*hops, strict=True))
    order = np.lexsort((begin_s, behind[whose]))
    earlier, later = order[:-1], order[1:]
    near = (begin_s[later] - begin_s[earlier] < air_s) & (behind[whose[later]] == behind[whose[earlier]])
    of_both = keys[by[earlier]] ^ keys[by[later]]
    near &= (by[earlier] != by[later]) & (uniform(of_both, 0, "hidden") < _HIDDEN_FRAC)
    met = np.zeros(len(begin_s), dtype=bool)
    met[later] |= near
    met[earlier] |= near
    return met.reshape(len(hops), -1)
