"""The laws of reconciliation: the books balance, and nothing missing goes unseen."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.loadtests.journal import BATCH, Entry, Journal
from pilotfarm.loadtests.reconcile import EXAMPLES_MAX, StoredDevice, balanced, fetch_stored
from pilotfarm.loadtests.sesp.app import make_app
from pilotfarm.loadtests.sesp.store import expanded

STATUSES = (0, 201, 503)


def entry(device: str, sequence: int, status: int = 201, sent_s: float = 0.0, latency_s: float = 0.1) -> Entry:
    return Entry(device, sequence, sent_s, sent_s, sent_s + latency_s if status else None, status)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, list[Entry]], dict[str, StoredDevice]]:
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True))
    sent = {
        name: [entry(name, n + 1, status) for n, status in enumerate(draw(st.lists(st.sampled_from(STATUSES))))]
        for name in names
    }
    holds = st.builds(StoredDevice, st.frozensets(st.integers(1, 12)), st.integers(0, 5))
    return sent, draw(st.dictionaries(st.sampled_from("abcdefg"), holds))


@given(worlds())
def test_the_books_balance(world: tuple[dict[str, list[Entry]], dict[str, StoredDevice]]) -> None:
    sent, stored = world
    b = balanced(sent.items(), stored)
    assert b.sent == sum(map(len, sent.values())) == b.acknowledged + b.failed + b.unconfirmed
    assert b.stored == b.acknowledged - b.lost + b.stored_unacknowledged + b.extras
    assert b.failed + b.unconfirmed == b.undelivered + b.stored_unacknowledged
    assert b.duplicates == sum(held.extra_copies for held in stored.values())
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
        assert fetch_stored(url, "r") == {f"d{d}": StoredDevice(frozenset({1, 2, 5}), 1) for d in range(5)}
        assert fetch_stored(url, "another") == {}


# ----------------------------------------------------------------------------------------- journal


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_least_latency_that_so_many_kept(latencies: list[float], share: float) -> None:
    journal = Journal(Path(":memory:"))
    for n, latency in enumerate(latencies):
        journal.add(entry("a", n, latency_s=latency))
    journal.flush()
    found = journal.latency_s(share)
    assert found in latencies
    assert sum(each <= found for each in latencies) >= share * len(latencies)
    assert sum(each < found for each in latencies) < share * len(latencies)
    journal.close()


def test_a_journal_hands_out_by_device_and_number_whatever_the_order_of_arrival(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    rows = [entry(f"d{n % 3}", n) for n in range(BATCH + 7)]
    for row in reversed(rows):
        journal.add(row)
    journal.close()
    again = Journal(path)
    found = dict(again.devices())
    again.close()
    assert found == {f"d{k}": [row for row in rows if row.device_id == f"d{k}"] for k in range(3)}


def test_an_empty_journal_has_no_latency_and_no_span() -> None:
    journal = Journal(Path(":memory:"))
    assert (journal.latency_s(0.5), journal.duration_s(), journal.worst_late_s()) == (None, 0.0, 0.0)
    journal.close()


def test_unanswered_readings_have_no_latency_and_count_for_the_span() -> None:
    journal = Journal(Path(":memory:"))
    for each in (entry("a", 1, 0, sent_s=10.0), entry("a", 2, 0, sent_s=30.0)):
        journal.add(each)
    journal.flush()
    assert (journal.latency_s(0.99), journal.duration_s()) == (None, 20.0)
    journal.close()
