"""The journal of load tests: what one run wrote is that run's alone, and no file of another kind is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.journal import BATCH, Entry, Journal
from pilotfarm.loadtests.plan import Plan


def plan(run: str = "r") -> Plan:
    return Plan(run, "http://127.0.0.1:9", "tiny", 5, 60.0, 5.0, 10.0, 300.0, 86_400.0, 5.0, "")


def memory() -> Journal:
    return Journal.begin(Path(":memory:"), plan())


def entry(device: str, sequence: int, status: int = 201, sent_s: float = 0.0, latency_s: float = 0.1) -> Entry:
    return Entry(device, sequence, sent_s, sent_s, sent_s + latency_s if status else None, status)


def test_runs_in_one_file_keep_to_themselves(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for n, run in enumerate("abc", 1):
        with closing(Journal.begin(path, plan(run))) as journal:
            journal.add(Entry("d", n, 10.0 * n - n, 10.0 * n, 10.0 * n + n, 201))
            journal.add(Entry("d", 7, 10.0 * n, 10.0 * n, None, 0))
    for n, run in enumerate("abc", 1):
        with closing(Journal.resume(path, run)) as journal:
            assert [(name, [e.sequence for e in entries]) for name, entries in journal.devices()] == [("d", [n, 7])]
            assert (journal.latency_s(0.0), journal.latency_s(1.0), journal.duration_s()) == (n, n, n)
            assert journal.worst_late_s() == n
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT run, url, sequence FROM sent JOIN runs ON runs.id = run_id").fetchall()
    assert {(run, url) for run, url, _ in rows} == {(run, "http://127.0.0.1:9") for run in "abc"}


def test_many_runs_at_once_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    def run(name: str) -> None:
        with closing(Journal.begin(path, plan(name))) as journal:
            for n in range(3 * BATCH):
                journal.add(entry(name, n))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, "abcdef"))
    for name in "abcdef":
        with closing(Journal.resume(path, name)) as journal:
            assert [(device, len(entries)) for device, entries in journal.devices()] == [(name, 3 * BATCH)]


def text(path: Path) -> None:
    path.write_text("a report, not a journal\n" * 100)


def short(path: Path) -> None:
    path.write_bytes(b"x")


def broken(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 16)


def older(path: Path) -> None:
    columns = "device_id TEXT, sequence INTEGER, due_s REAL, sent_s REAL, answered_s REAL, status INTEGER"
    execute(path, f"CREATE TABLE sent ({columns})", "INSERT INTO sent VALUES ('d', 1, 0, 0, 0, 201)")


def newer(path: Path) -> None:
    Journal.begin(path, plan("a")).close()
    execute(path, "PRAGMA journal_mode=DELETE", "PRAGMA user_version=2")


def foreign(path: Path) -> None:
    execute(path, "CREATE TABLE sent (letter TEXT)", "CREATE TABLE runs (miles REAL)")


def marked(path: Path) -> None:
    execute(path, "PRAGMA application_id=252006673")


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text, "no SQLite file"),
        (short, "no SQLite file"),
        (broken, "malformed|not a database"),
        (older, "older pilotfarm"),
        (newer, "version 2"),
        (foreign, "another program"),
        (marked, "another program"),
    ],
)
def test_a_file_that_is_no_journal_is_refused_and_stays_as_it_is(
    make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    with pytest.raises(StateError, match=said) as refused:
        Journal.begin(path, plan())
    assert str(path) in str(refused.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(StateError, match="it is no file"):
            Journal.begin(path, plan())
    for path in (tmp_path / "no folder" / "j", tmp_path / ("n" * 300)):
        with pytest.raises(StateError, match="cannot be used"):
            Journal.begin(path, plan())


def test_a_file_that_another_process_keeps_for_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilotfarm.loadtests.journal.BUSY_S", 0.05)
    path = tmp_path / "journal.sqlite"
    Journal.begin(path, plan("a")).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError, match="locked"):
            Journal.begin(path, plan("b"))
        other.rollback()
    Journal.begin(path, plan("b")).close()


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "50%?#journal"
    path.touch()
    Journal.begin(path, plan()).close()
    Journal.resume(path, "r").close()


def test_rows_that_the_file_does_not_take_are_kept_until_it_does(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal.begin(path, plan())
    journal.add(entry("a", 1))
    execute(path, "ALTER TABLE sent RENAME TO hidden")
    with pytest.raises(sqlite3.OperationalError):
        journal.flush()
    execute(path, "ALTER TABLE hidden RENAME TO sent")
    journal.close()
    with closing(Journal.resume(path, "r")) as again:
        assert [device for device, _ in again.devices()] == ["a"]


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_least_latency_that_so_many_kept(latencies: list[float], share: float) -> None:
    journal = memory()
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
    journal = Journal.begin(path, plan())
    rows = [entry(f"d{n % 3}", n) for n in range(BATCH + 7)]
    for row in reversed(rows):
        journal.add(row)
    journal.close()
    again = Journal.resume(path, "r")
    found = dict(again.devices())
    again.close()
    assert found == {f"d{k}": [row for row in rows if row.device_id == f"d{k}"] for k in range(3)}


def test_an_empty_journal_has_no_latency_and_no_span() -> None:
    journal = memory()
    assert (journal.latency_s(0.5), journal.duration_s(), journal.worst_late_s()) == (None, 0.0, 0.0)
    journal.close()


def test_unanswered_readings_have_no_latency_and_count_for_the_span() -> None:
    journal = memory()
    for each in (entry("a", 1, 0, sent_s=10.0), entry("a", 2, 0, sent_s=30.0)):
        journal.add(each)
    journal.flush()
    assert (journal.latency_s(0.99), journal.duration_s()) == (None, 20.0)
    journal.close()
