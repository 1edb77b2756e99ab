"""A file is of a window of site time: the same however its rows came, whoever reads and whenever it crashes."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pilotfarm.emulators.record import exchange, shelf, whole
from pilotfarm.emulators.record.exchange import beside, recover
from pilotfarm.emulators.record.schema import described
from pilotfarm.emulators.record.shelf import Shelf
from pilotfarm.emulators.record.tables import Step, instant, read, values_table
from pilotfarm.emulators.record.windows import LENGTHS, ROWS_MAX, STEPS_MAX, Window, length_for, window_at
from pilotfarm.emulators.record.writer import SEGMENT_S

STEPS = 12
HOUR = Window(datetime(2026, 6, 15, 6, tzinfo=UTC), datetime(2026, 6, 15, 7, tzinfo=UTC))
NEXT = Window(HOUR.end, HOUR.end + timedelta(hours=1))
WHOLE = "20260615T060000Z.parquet"


@pytest.fixture(scope="module")
def rows() -> Sequence[pa.Table]:
    """The values of twelve steps of tiny."""
    from pilotfarm.emulators.farm.farm import Farm
    from pilotfarm.emulators.record.selection import recordable
    from pilotfarm.emulators.site import load

    farm = Farm(load("tiny"))
    names, found = recordable(farm.population), []
    for _ in range(STEPS):
        farm.step(1.0)
        at = instant(farm.unix_s)
        groups = [g for g in farm.population if names[g.name]]
        found.append(values_table([Step(at, g, names[g.name], g.columns, g.reported, dict(g.quality)) for g in groups]))
    return found


def kept(folder: Path, rows: Sequence[pa.Table], *, tidied: bool = False, over: bool = False) -> Shelf:
    """Put tables of rows, each as it comes, on a shelf of ``values``."""
    found = Shelf(folder, "values", 1, described("values", {"seed": 1}))
    for each in rows:
        found.put(HOUR, each, last=False)
        while tidied and found.step():
            pass
    if over:
        found.pass_to(HOUR.end)
    return found


def files(folder: Path) -> list[Path]:
    return sorted((folder / "values" / "run=1").glob("*.parquet"))


def names(folder: Path) -> list[str]:
    return [path.name for path in files(folder)]


def plain(table: pa.Table) -> pd.DataFrame:
    """Categories are no matter."""
    frame = table.to_pandas()
    return frame.astype(dict.fromkeys(frame.columns[frame.dtypes == "category"], str))


def cut(rows: Sequence[pa.Table], *every: int) -> Iterator[pa.Table]:
    """Cut rows anew, anywhere, into tables of these sizes in turn."""
    together, begin, turn = pa.concat_tables(rows), 0, 0
    while begin < together.num_rows:
        yield together.slice(begin, size := every[turn % len(every)])
        begin, turn = begin + size, turn + 1


# -------------------------------------------------------------------------------------- the same bytes


def test_the_bytes_of_a_whole_file_depend_on_its_rows_alone(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they were cut, whether parts were joined, and whether there were any."""
    monkeypatch.setattr(whole, "CHUNK_ROWS", 1_000)
    monkeypatch.setattr(shelf, "CHUNK_ROWS", 300)
    monkeypatch.setattr(shelf, "FAN_IN", 2)
    all_at_once = Shelf(tmp_path / "once", "values", 1, described("values", {"seed": 1}))
    all_at_once.put(HOUR, pa.concat_tables(rows), last=True)
    found = {names(tmp_path / "once")[0]: (tmp_path / "once/values/run=1" / WHOLE).read_bytes()}
    for n, tables in enumerate((rows, rows[::1], [*cut(rows, 7, 1_100)], [*cut(rows, 999, 1)])):
        for tidied in (False, True):
            folder = tmp_path / f"{n}{tidied}"
            kept(folder, tables, tidied=tidied, over=True)
            assert {path.name: path.read_bytes() for path in files(folder)} == found
            assert [path.name for path in folder.iterdir()] == ["values"], "nothing is left beside"


def test_other_rows_are_other_bytes(rows: Sequence[pa.Table], tmp_path: Path) -> None:
    kept(tmp_path / "all", rows, over=True)
    kept(tmp_path / "less", rows[:-1], over=True)
    kept(tmp_path / "turned", rows[::-1], over=True)
    assert len({path.read_bytes() for name in ("all", "less", "turned") for path in files(tmp_path / name)}) == 3


def test_a_whole_file_has_its_rows_by_quantity_device_and_time(rows: Sequence[pa.Table], tmp_path: Path) -> None:
    kept(tmp_path, rows, over=True)
    (path,) = files(tmp_path)
    found, wanted = pq.read_table(path, partitioning=None), pa.concat_tables(rows)
    assert found.schema.metadata == described("values", {"seed": 1}).metadata
    by = ["quantity", "device", "site_time"]
    pd.testing.assert_frame_equal(plain(found), plain(wanted).sort_values(by, ignore_index=True))


def test_chunks_bound_what_is_sorted_and_row_groups_what_a_filter_reads(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = sum(table.num_rows for table in rows)
    monkeypatch.setattr(whole, "CHUNK_ROWS", count // 4)
    monkeypatch.setattr(whole, "GROUP_ROWS", count // 40)
    kept(tmp_path, rows, over=True)
    metadata = pq.ParquetFile(files(tmp_path)[0]).metadata
    wanted = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        assert group.num_rows <= count // 40
        columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
        assert {column.compression for column in columns.values()} == {"ZSTD"}
        assert "BYTE_STREAM_SPLIT" in columns["true_value"].encodings
        quantity = columns["quantity"].statistics
        wanted += quantity.min <= "soc_frac" <= quantity.max
    assert 4 <= wanted < metadata.num_row_groups / 4


# ------------------------------------------------------------------------------------------- windows


def test_windows_lie_side_by_side_and_a_time_is_in_one() -> None:
    for length in LENGTHS:
        begin = datetime(2026, 6, 15, tzinfo=UTC)
        assert window_at(begin, length) == Window(begin, begin + length)
        assert window_at(begin + length - timedelta(microseconds=1), length).begin == begin
        assert window_at(begin + length, length).begin == begin + length
        assert window_at(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), length).end == datetime(1970, 1, 1, tzinfo=UTC)
    assert HOUR.name == "20260615T060000Z"


@pytest.mark.parametrize(
    ("rows_a_step", "interval_s", "hours"),
    [
        (500, 1.0, 1.0),  # tiny
        (32_600, 1.0, 1.0),  # norway
        (32_600, 60.0, 24.0),
        (32_600, 10.0, 1.0),
        (100, 24.0, 24.0),
        (100, 23.995, 1.0),
        (500, 0.1, 1.0),
        (1_000_000, 1.0, 1 / 60),
        (160_000, 1.0, 0.25),
        (500_000, 1.0, 5 / 60),
        (10**9, 1.0, 1 / 60),
        (1, 1e9, 24.0),
        (0, 1.0, 1.0),
    ],
)
def test_a_window_has_no_more_rows_and_steps_than_a_file_should(
    rows_a_step: int, interval_s: float, hours: float
) -> None:
    length = length_for(rows_a_step, interval_s)
    assert length == timedelta(hours=hours)
    steps = length.total_seconds() / interval_s
    assert rows_a_step * steps <= ROWS_MAX or length == LENGTHS[0]
    assert steps <= STEPS_MAX or length <= timedelta(hours=1)


def test_a_day_is_tens_of_files_a_table() -> None:
    """By sizes alone, at a step a second in real time: those of an hour that is nearly over, and the hours before."""
    small = 3_600 / SEGMENT_S
    assert 24 + small % shelf.FAN_IN + small // shelf.FAN_IN + shelf.FAN_IN < 100


# --------------------------------------------------------------------------------- parts of a window


def test_parts_are_joined_in_their_order_once_and_once_more(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "FAN_IN", 3)
    kept(tmp_path, rows[:11], tidied=True)
    assert names(tmp_path) == [
        f"20260615T060000Z-{name}.parquet" for name in ("00000001-00000009", "00000010", "00000011")
    ]
    found = pa.concat_tables(pq.read_table(path, partitioning=None) for path in files(tmp_path))
    pd.testing.assert_frame_equal(plain(found), plain(pa.concat_tables(rows[:11])))


def test_rows_of_the_next_window_end_one_that_nobody_ended(rows: Sequence[pa.Table], tmp_path: Path) -> None:
    found = kept(tmp_path, rows[:2])
    found.put(NEXT, rows[2], last=False)
    found.pass_to(NEXT.end - timedelta(microseconds=1))
    assert names(tmp_path) == ["20260615T060000Z.parquet", "20260615T070000Z-00000003.parquet"]
    found.pass_to(NEXT.end)
    assert names(tmp_path) == ["20260615T060000Z.parquet", "20260615T070000Z.parquet"]


def test_what_is_given_up_leaves_nothing(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "FAN_IN", 12)
    monkeypatch.setattr(shelf, "CHUNK_ROWS", 1_000)
    found = kept(tmp_path, rows)
    before = {path.name for path in tmp_path.rglob("*")}
    assert found.step()
    assert beside(tmp_path / "values/run=1", "joined").exists()
    found.close()
    assert {path.name for path in tmp_path.rglob("*")} == before


def test_a_window_that_is_over_does_not_wait_for_parts_that_are_being_joined(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "FAN_IN", 12)
    monkeypatch.setattr(shelf, "CHUNK_ROWS", 1_000)
    found = kept(tmp_path, rows)
    assert found.step()
    found.pass_to(HOUR.end)
    assert not found.step()
    assert names(tmp_path) == [WHOLE]
    assert [path.name for path in tmp_path.iterdir()] == ["values"]


def test_who_reads_meanwhile_sees_every_row_once(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reader by its own way: whole or not at all, for files that were listed may be gone when they are opened."""
    monkeypatch.setattr(shelf, "FAN_IN", 3)
    counts = list[int]()
    with duckdb.connect() as database:
        query = f"select count(*) from '{tmp_path}/values/*/*.parquet'"

        def look() -> None:
            counts.append(read(tmp_path, "values").num_rows)
            counts.extend(database.execute(query).fetchone() or ())
            counts.append(ds.dataset(tmp_path / "values").count_rows())

        found = kept(tmp_path, rows)
        look()
        while found.step():
            look()
        found.pass_to(HOUR.end)
        look()
    assert set(counts) == {sum(table.num_rows for table in rows)}
    assert len(counts) > 3 * 5


def test_a_reader_whose_files_give_way_reads_those_in_their_place(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, really = kept(tmp_path, rows), pq.read_table

    def slow(*arguments: Any, **options: Any) -> pa.Table:
        monkeypatch.setattr(pq, "read_table", really)
        found.pass_to(HOUR.end)
        return really(*arguments, **options)

    monkeypatch.setattr(pq, "read_table", slow)
    assert read(tmp_path, "values").num_rows == sum(table.num_rows for table in rows)


# -------------------------------------------------------------------------------------------- crashes

_CRASHES = """
import os, signal, shutil, sys
from pathlib import Path
from pilotfarm.emulators.record import exchange
root = Path(sys.argv[1])
names = sorted(path.name for path in (root / "ledger" / "values" / "run=1").iterdir())
os.fsync = lambda number: None  # slow, and no matter to who is killed
TOUCHES = {"open", "shutil.rmtree"}
TOUCHES |= {f"os.{name}" for name in ("mkdir", "link", "rename", "remove", "rmdir", "listdir", "scandir")}

def crashed(folder, at):
    child = os.fork()
    if not child:
        left = [at]
        def hook(event, arguments):
            if event in TOUCHES:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        run = folder / "values" / "run=1"
        exchange.replace(run, {*names[:4]}, exchange.beside(run, "joined"), "20260615T060000Z.parquet")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def crash_at_every_step(way):
    at, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        folder = root / way / f"{at:03d}"
        shutil.copytree(root / "ledger", folder)
        code = crashed(folder, at)
        at += 1
    assert code == 0

def cannot_exchange(*names):
    raise OSError("cannot")

crash_at_every_step("exchange")
exchange._exchange = cannot_exchange
crash_at_every_step("rename")
"""


@pytest.fixture(scope="module")
def crashed(rows: Sequence[pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders in which an exchange of four of six files for one was killed before one of its steps each."""
    root = tmp_path_factory.mktemp("crashed")
    kept(root / "ledger", rows[:6])
    made = root / "made"
    kept(made, rows[:4], over=True)
    for left in (root / "ledger").glob(".*"):
        left.unlink()
    files(made)[0].rename(beside(root / "ledger/values/run=1", "joined"))
    subprocess.run([sys.executable, "-c", _CRASHES, str(root)], check=True)
    return root


@pytest.mark.parametrize("way", ["exchange", "rename"])
def test_killed_before_any_of_its_steps_an_exchange_loses_no_row_and_shows_none_twice(crashed: Path, way: str) -> None:
    """Every call that touches the ledger is a step. Where names cannot be exchanged there may be no folder."""
    rows = read(crashed / "ledger", "values").num_rows
    left = sorted((crashed / way).iterdir())
    assert len(left) > 15
    gone, seen = 0, set()
    with duckdb.connect() as database:
        for each in left:
            if (each / "values/run=1").exists():
                seen.add(len(files(each)))
                query = f"select count(*) from '{each}/values/*/*.parquet'"
                assert database.execute(query).fetchone() == (rows,), each
            else:
                gone += 1
                assert exchange.halfway(each, "values")
            recover(each, "values")
            assert read(each, "values").num_rows == rows, each
            assert [path.name for path in each.iterdir()] == ["values"], each
    assert seen == {6, 3}
    assert gone == (1 if way == "rename" else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged on Linux alone")
def test_linux_exchanges_names_in_one_call(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchange._exchange(tmp_path / "one", tmp_path / "other")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["other"]
    with pytest.raises(OSError, match="No such file"):
        exchange._exchange(tmp_path / "one", tmp_path / "none")


# ------------------------------------------------------------------------------------------- troubles


def test_a_disk_without_room_for_a_whole_file_keeps_the_parts_says_so_once_and_makes_it_later(
    rows: Sequence[pa.Table],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    file_size_limit: Callable[[int], None],
) -> None:
    rows = rows[:11]  # not all of them joined alike
    kept(tmp_path / "good", rows, over=True)
    monkeypatch.setattr(whole, "CHUNK_ROWS", 2 * rows[0].num_rows)
    monkeypatch.setattr(shelf, "FAN_IN", 3)
    folder = tmp_path / "full"
    kept(folder, rows[:1])
    part = files(folder)[0].stat().st_size
    shutil.rmtree(folder)
    with caplog.at_level(logging.WARNING):
        file_size_limit(part * 3 // 2)
        found = kept(folder, rows, tidied=True)
        found.pass_to(HOUR.end)
        assert len(files(folder)) > 1
        assert WHOLE not in names(folder)
        for _ in range(3):  # tried again a few files later, in vain
            found.put(NEXT, rows[0], last=False)
        while found.step():
            pass
        assert not beside(folder / "values/run=1", HOUR.name).exists()
        file_size_limit(-1)
    assert [record.message for record in caplog.records if "stay small" in record.message] == [caplog.messages[0]]
    assert "File too large" in caplog.text
    assert read(folder, "values").num_rows == sum(table.num_rows for table in (*rows, *[rows[0]] * 3))
    monkeypatch.setattr(whole, "CHUNK_ROWS", 1_000_000)
    for _ in range(3):
        found.put(NEXT, rows[0], last=False)
    while found.step():
        pass
    assert files(folder)[0].read_bytes() == files(tmp_path / "good")[0].read_bytes()


def test_a_whole_file_that_is_in_its_place_is_not_made_again(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails once the folders have changed places: no row stands twice."""

    def late(*arguments: Any) -> None:
        exchange.replace(*arguments)
        raise OSError("Input/output error")

    found = kept(tmp_path, rows[:-1])
    monkeypatch.setattr(shelf, "replace", late)
    found.put(HOUR, rows[-1], last=True)
    assert names(tmp_path) == [WHOLE]
    assert read(tmp_path, "values").num_rows == sum(table.num_rows for table in rows)


def test_rows_that_the_disk_did_not_take_are_not_there_and_may_come_again(
    rows: Sequence[pa.Table], tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    kept(tmp_path / "good", rows, over=True)
    folder = tmp_path / "full"
    found = kept(folder, rows[:6])
    for last in (False, True):
        file_size_limit(1_000)
        with pytest.raises(OSError, match="File too large"):
            found.put(HOUR, rows[6], last=last)
        file_size_limit(-1)
        assert len(files(folder)) == 6
    for each in rows[6:]:
        found.put(HOUR, each, last=False)
    found.pass_to(HOUR.end)
    while found.step():
        pass
    assert read(folder, "values").num_rows == read(tmp_path / "good", "values").num_rows


def test_files_somebody_took_away_are_not_missed(
    rows: Sequence[pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "FAN_IN", 12)
    found = kept(tmp_path, rows)
    for path in files(tmp_path)[2:5]:
        path.unlink()
    left = read(tmp_path, "values").num_rows
    while found.step():
        pass
    assert len(files(tmp_path)) == 1
    assert read(tmp_path, "values").num_rows == left
