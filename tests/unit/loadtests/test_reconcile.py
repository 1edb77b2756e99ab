"""The laws of reconciliation: the books balance, and nothing missing goes unseen."""

from __future__ import annotations

from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.loadtests.journal import Entry
from pilotfarm.loadtests.reconcile import EXAMPLES_MAX, StoredDevice, asking, balanced, fetch_stored
from pilotfarm.loadtests.sesp.app import make_app
from pilotfarm.loadtests.sesp.store import expanded

STATUSES = (0, 201, 409, 503)


def entry(device: str, sequence: int, status: int = 201, sent_s: float = 0.0, latency_s: float = 0.1) -> Entry:
    return Entry(device, sequence, sent_s, sent_s, sent_s + latency_s if status else None, status)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, list[Entry]], dict[str, StoredDevice]]:
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True))
    sent = {
        name: [entry(name, n + 1, status) for n, status in enumerate(draw(st.lists(st.sampled_from(STATUSES))))]
        for name in names
    }
    numbers = st.frozensets(st.integers(1, 12))
    holds = st.builds(StoredDevice, numbers, st.integers(0, 5), numbers, st.integers(0, 5))
    return sent, draw(st.dictionaries(st.sampled_from("abcdefg"), holds))


@given(worlds())
def test_the_books_balance(world: tuple[dict[str, list[Entry]], dict[str, StoredDevice]]) -> None:
    sent, stored = world
    b = balanced(sent.items(), stored)
    assert b.sent == sum(map(len, sent.values())) == b.acknowledged + b.failed + b.unconfirmed
    assert b.stored == b.acknowledged - b.lost + b.stored_unacknowledged + b.extras
    assert b.failed + b.unconfirmed == b.undelivered + b.stored_unacknowledged
    assert b.duplicates == sum(held.extra_copies for held in stored.values())
    assert b.conflicts == sum(held.conflicts for held in stored.values())
    assert min(b.lost, b.undelivered, b.extras, b.stored_unacknowledged) >= 0


@given(worlds())
def test_every_reading_that_is_not_stored_is_counted_and_named(
    world: tuple[dict[str, list[Entry]], dict[str, StoredDevice]],
) -> None:
    sent, stored = world
    empty = StoredDevice(frozenset())
    absent = {
        (device, e.sequence)
        for device, entries in sent.items()
        for e in entries
        if e.sequence not in stored.get(device, empty).sequences
        or (e.status == 409 and e.sequence in stored[device].contested)
    }
    b = balanced(sent.items(), stored)
    assert b.lost + b.undelivered == len(absent)
    assert b.complete == (not absent)
    named = [(each["device_id"], each["sequence"]) for each in b.missing]
    assert len(named) == min(len(absent), EXAMPLES_MAX)
    assert set(named) <= absent


@pytest.mark.parametrize(("status", "stored"), list(product(STATUSES, (True, False))))
def test_one_reading_falls_into_one_class(status: int, stored: bool) -> None:
    held = {"a": StoredDevice(frozenset({1} if stored else ()))}
    b = balanced([("a", [entry("a", 1, status)])], held)
    acknowledged = status == 201
    assert (b.lost, b.undelivered, b.stored_unacknowledged, b.extras) == (
        acknowledged and not stored,
        not acknowledged and not stored,
        not acknowledged and stored,
        0,
    )


def test_a_reading_refused_because_of_another_of_its_name_is_not_the_one_that_is_stored() -> None:
    held = {"a": StoredDevice(frozenset({1, 2}), contested=frozenset({1, 2}), conflicts=2)}
    b = balanced([("a", [entry("a", 1, 409), entry("a", 2, 201)])], held)
    assert (b.undelivered, b.extras, b.stored, b.conflicts) == (1, 1, 2, 2)
    assert not b.complete


def test_a_sesp_that_answers_409_to_a_true_duplicate_has_stored_it() -> None:
    b = balanced([("a", [entry("a", 1, 409)])], {"a": StoredDevice(frozenset({1}))})
    assert (b.stored_unacknowledged, b.undelivered, b.extras) == (1, 0, 0)


def test_what_was_never_sent_is_an_extra() -> None:
    held = {"a": StoredDevice(frozenset({1, 2})), "ghost": StoredDevice(frozenset({1, 2, 3}))}
    assert balanced([("a", [entry("a", 1)])], held).extras == 4


@given(st.frozensets(st.integers(0, 50)))
def test_ranges_count_out_what_went_in(tmp: frozenset[int]) -> None:
    ranges: list[list[int]] = []
    for number in sorted(tmp):
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    assert list(expanded(ranges)) == sorted(tmp)


def test_what_the_sesp_stored_is_fetched_page_by_page(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.loadtests.reconcile.PAGE", 2)
    readings = [
        {"device_id": f"d{d}", "kind": "k", "run": "r", "sequence": n, "timestamp": "2026-01-01T00:00:00Z"}
        | {"values": {"p": 1.0}}
        for d in range(5)
        for n in (1, 2, 5, 1)
    ]
    with serve(make_app("sqlite://")) as url:
        httpx.post(f"{url}/api/v1/readings", json=readings).raise_for_status()
        assert httpx.post(f"{url}/api/v1/readings", json={**readings[0], "values": {"p": 2.0}}).status_code == 409
        with asking(url, None) as client:
            found = fetch_stored(client, "r")
            assert fetch_stored(client, "another") == {}
    plain = StoredDevice(frozenset({1, 2, 5}), 1)
    assert found.pop("d0") == StoredDevice(frozenset({1, 2, 5}), 1, frozenset({1}), 1)
    assert found == {f"d{d}": plain for d in range(1, 5)}
