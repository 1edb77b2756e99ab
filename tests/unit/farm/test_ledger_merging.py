"""Small files become large ones: no row lost, none twice, whoever reads and whenever it crashes."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.record import ledger as ledger_module
from pilotfarm.emulators.record import merging
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.merging import Merging, recover
from pilotfarm.emulators.record.tables import read

ORDER = ["quantity", "device", "site_time"]


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of tiny's in twelve small files of three steps each."""
    from pilotfarm.emulators.site import load

    folder = tmp_path_factory.mktemp("small") / "ledger"
    farm = Farm(load("tiny"))
    ledger = Ledger(folder, farm, ManualClock())
    farm.observers.append(ledger)
    for n in range(12):
        for _ in range(3):
            farm.step(1.0)
        written = ledger.rows_written
        with ledger._lock:
            ledger._press()
        while ledger.rows_written == written or len(list((folder / "feeders").glob("*.parquet"))) <= n:
            threading.Event().wait(0.002)
    ledger.close()
    return folder


@pytest.fixture
def folder(small_files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_files, tmp_path / "ledger"))


def files(folder: Path, table: str = "values") -> list[Path]:
    return sorted((folder / table).glob("*.parquet"))


def of(folder: Path, table: str = "values") -> Merging:
    found = Merging(folder, table)
    for path in files(folder, table):
        found.add(path, pq.ParquetFile(path).metadata.num_rows)
    return found


def merge(folder: Path, table: str = "values") -> Merging:
    found = of(folder, table)
    while found.step():
        pass
    return found


def plain(table: pa.Table) -> pd.DataFrame:
    """Categories are no matter, and their order is another in every file."""
    frame = table.to_pandas()
    return frame.astype(dict.fromkeys(frame.columns[frame.dtypes == "category"], str))


def sorted_rows(table: pa.Table) -> pd.DataFrame:
    frame = plain(table)
    return frame.sort_values(ORDER if "quantity" in frame else ["feeder", "site_time"], ignore_index=True)


@pytest.mark.parametrize("table", ["values", "feeders"])
def test_merged_files_hold_the_same_rows_in_order(folder: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN_IN", 3)
    before, metadata = read(folder, table), pq.read_schema(files(folder, table)[0]).metadata
    merge(folder, table)
    # Twelve small ones make four, of which three make one.
    assert [path.stem.split("-")[1:] for path in files(folder, table)] == [
        ["00000001", "00000009"],
        ["00000010", "00000012"],
    ]
    after = read(folder, table)
    pd.testing.assert_frame_equal(sorted_rows(after), sorted_rows(before))
    for path in files(folder, table):
        merged = pq.read_table(path)
        assert merged.schema.metadata == metadata
        pd.testing.assert_frame_equal(plain(merged), sorted_rows(merged))


def test_chunks_bound_what_is_sorted_and_row_groups_what_a_filter_reads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sum(pq.ParquetFile(path).metadata.num_rows for path in files(folder))
    monkeypatch.setattr(merging, "FAN_IN", 12)
    monkeypatch.setattr(merging, "CHUNK_ROWS", rows // 4)
    monkeypatch.setattr(merging, "GROUP_ROWS", rows // 40)
    before = read(folder, "values")
    work = of(folder)
    pieces = 0
    while work.step():
        pieces += 1
        assert len(files(folder)) in (12, 1)
    assert pieces == 4 + 1
    pd.testing.assert_frame_equal(sorted_rows(read(folder, "values")), sorted_rows(before))
    (path,) = files(folder)
    metadata = pq.ParquetFile(path).metadata
    wanted = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        assert group.num_rows <= rows // 40
        columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
        assert {column.compression for column in columns.values()} == {"ZSTD"}
        assert "BYTE_STREAM_SPLIT" in columns["true_value"].encodings
        quantity = columns["quantity"].statistics
        wanted += quantity.min <= "soc_frac" <= quantity.max
    assert 4 <= wanted < metadata.num_row_groups / 4


@pytest.mark.parametrize(("fan_in", "large", "each"), [(30, 4, 4), (3, 5, 3)])
def test_many_rows_are_merged_early_and_a_large_file_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fan_in: int, large: int, each: int
) -> None:
    """A large file is half of what is merged before its time, or more."""
    rows = pq.ParquetFile(files(folder)[0]).metadata.num_rows
    monkeypatch.setattr(merging, "FAN_IN", fan_in)
    monkeypatch.setattr(merging, "FILE_ROWS", large * rows)
    merge(folder)
    spans = [(first, first + each - 1) for first in range(1, 13, each)]
    assert [path.stem.split("-")[1:] for path in files(folder)] == [[f"{a:08d}", f"{b:08d}"] for a, b in spans]


def test_a_merge_that_is_given_up_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN_IN", 12)
    monkeypatch.setattr(merging, "CHUNK_ROWS", 1_000)
    names = {path.name for path in folder.rglob("*")}
    work = of(folder)
    assert work.step()
    assert (folder / ".values.part").exists()
    work.close()
    assert {path.name for path in folder.rglob("*")} == names


def test_a_day_is_tens_of_files_a_table() -> None:
    """By the sizes of the levels alone: 28,800 small files."""
    small = 86_400 / ledger_module.SEGMENT_S
    most = small / merging.FAN_IN**2 + 2 * (merging.FAN_IN - 1)
    assert most < 100


def test_who_reads_meanwhile_sees_every_row_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reader by its own way: whole or not at all, for files that were listed may be gone when they are opened."""
    monkeypatch.setattr(merging, "FAN_IN", 3)
    rows, counts = read(folder, "values").num_rows, list[int]()
    with duckdb.connect() as database:
        query = f"select count(*) from '{folder}/values/*.parquet'"

        def look() -> None:
            counts.append(read(folder, "values").num_rows)
            counts.extend(database.execute(query).fetchone() or ())
            counts.append(ds.dataset(folder / "values").count_rows())

        work = of(folder)
        look()
        while work.step():
            look()
    assert set(counts) == {rows}
    assert len(counts) > 3 * 5


def test_a_reader_whose_files_are_merged_away_reads_the_merged_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "FAN_IN", 12)
    rows, really = read(folder, "values").num_rows, pq.read_table

    def slow(*arguments: Any, **options: Any) -> pa.Table:
        monkeypatch.setattr(pq, "read_table", really)
        merge(folder)
        return really(*arguments, **options)

    monkeypatch.setattr(pq, "read_table", slow)
    assert read(folder, "values").num_rows == rows


# -------------------------------------------------------------------------------------------- crashes

_CRASHES = """
import os, signal, shutil, sys
from pathlib import Path
from pilotfarm.emulators.record import merging
root = Path(sys.argv[1])
names = sorted(path.name for path in (root / "ledger" / "values").iterdir())
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
        merging.replace(folder, "values", {*names[:4]}, folder / ".values.part", "r-00000001-00000004.parquet")
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
merging._exchange = cannot_exchange
crash_at_every_step("rename")
"""


@pytest.fixture(scope="module")
def crashed(small_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders in which a merge of four of six files, written already, was killed before one of its steps each."""
    root = tmp_path_factory.mktemp("crashed")
    (root / "ledger" / "values").mkdir(parents=True)
    for path in files(small_files)[:6]:
        shutil.copy(path, root / "ledger" / "values")
    part = root / "ledger" / ".values.part"
    for _ in merging._written(part, files(root / "ledger")[:4], ()):
        pass
    subprocess.run([sys.executable, "-c", _CRASHES, str(root)], check=True)
    return root


@pytest.mark.parametrize("way", ["exchange", "rename"])
def test_killed_before_any_of_its_steps_a_merge_loses_no_row_and_shows_none_twice(crashed: Path, way: str) -> None:
    """Every call that touches the ledger is a step. Where names cannot be exchanged there may be no folder."""
    rows = read(crashed / "ledger", "values").num_rows
    left = sorted((crashed / way).iterdir())
    assert len(left) > 15
    gone, seen = 0, set()
    with duckdb.connect() as database:
        for each in left:
            if (each / "values").exists():
                seen.add(len(files(each)))
                query = f"select count(*) from '{each}/values/*.parquet'"
                assert database.execute(query).fetchone() == (rows,), each
            else:
                gone += 1
            recover(each, "values")
            query = f"select count(*) from '{each}/values/*.parquet'"
            assert database.execute(query).fetchone() == (rows,), each
            assert [path.name for path in each.iterdir()] == ["values"], each
            assert not list(each.rglob("*.part"))
    assert seen == {6, 3}
    assert gone == (1 if way == "rename" else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged on Linux alone")
def test_linux_exchanges_names_in_one_call(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    merging._exchange(tmp_path / "one", tmp_path / "other")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["other"]
    with pytest.raises(OSError, match="No such file"):
        merging._exchange(tmp_path / "one", tmp_path / "none")


# ------------------------------------------------------------------------------------------- troubles


def test_a_disk_without_room_for_the_merged_file_keeps_the_small_ones_and_says_so_once(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    file_size_limit: Callable[[int], None],
) -> None:
    monkeypatch.setattr(merging, "FAN_IN", 3)
    before = {path.name for path in folder.rglob("*")}
    rows = read(folder, "values").num_rows
    work = of(folder)
    with caplog.at_level(logging.WARNING):
        file_size_limit(2_000)
        while work.step():
            pass
        for _ in range(3):  # tried again a few files later
            work.add(folder / "values" / "none.parquet", 0)
        while work.step():
            pass
        file_size_limit(-1)
    assert {path.name for path in folder.rglob("*")} == before
    assert read(folder, "values").num_rows == rows
    assert [record.message for record in caplog.records if "stay small" in record.message] == [caplog.messages[0]]
    assert "File too large" in caplog.text


def test_files_somebody_took_away_are_not_missed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN_IN", 12)
    work = of(folder)
    for path in files(folder)[2:5]:
        path.unlink()
    rows = read(folder, "values").num_rows
    while work.step():
        pass
    assert len(files(folder)) == 1
    assert read(folder, "values").num_rows == rows


def test_a_farm_merges_what_it_writes(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FAN_IN", 3)
    monkeypatch.setattr(ledger_module, "SEGMENT_S", 0.001)
    ledger = Ledger(tmp_path / "ledger", farm, ManualClock())
    farm.observers.append(ledger)
    steps = 0
    while not any(path.stem.count("-") == 2 for path in files(tmp_path / "ledger")):
        farm.step(1.0)
        steps += 1
    ledger.close()
    values = read(tmp_path / "ledger", "values")
    assert values["site_time"].to_pandas().nunique() == steps
    assert values.num_rows == ledger.rows_written - steps * len(list(farm.network))
    assert json.loads(next((tmp_path / "ledger").glob("*.json")).read_text())["site"] == farm.layout.name
