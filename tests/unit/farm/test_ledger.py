"""The ledger: everything that happened, in files any Parquet reader takes, whatever the disk does."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from again_rig import digests

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.grid.network import FeederState
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.record import windows
from pilotfarm.emulators.record import writer as writer_module
from pilotfarm.emulators.record.backlog import Backlog
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.schema import OF_GROUPS, SCHEMAS
from pilotfarm.emulators.record.selection import counting, recordable
from pilotfarm.emulators.record.tables import read
from pilotfarm.emulators.site.layout import SiteLayout


def recorded(farm: Farm, directory: Path, steps: int, clock: ManualClock, **options: object) -> Ledger:
    """Run a farm under a ledger and close it."""
    ledger = Ledger(directory, farm, clock, **options)  # type: ignore[arg-type]
    farm.observers.append(ledger)
    for _ in range(steps):
        clock.advance(0.5)
        farm.step(1.0)
    ledger.close()
    return ledger


def rows_a_step(farm: Farm) -> int:
    return sum(rows_by_table(farm).values())


def rows_by_table(farm: Farm) -> dict[str, int]:
    """How many rows a step has in each table that has rows of every step."""
    counted, found = counting(farm.population), {"feeders": len(list(farm.network)), "steps": 1}
    for name, names in recordable(farm.population).items():
        size, counts = farm.groups[name].size, len(counted & set(names))
        found["countdowns"] = found.get("countdowns", 0) + size * counts
        found["values"] = found.get("values", 0) + size * (len(names) - counts)
    return found


def test_every_value_of_every_step_is_there_true_and_reported(farm: Farm, tmp_path: Path) -> None:
    farm.faults.add("bias", {"device": "meters-002", "quantity": "active_power_w"}, parameters={"offset": 100.0})
    recorded(farm, tmp_path, 5, ManualClock())
    values = pd.concat([read(tmp_path, table).to_pandas() for table in OF_GROUPS])
    names = {
        group.name: [q.name for q in group.spec.quantities if q.role not in (Role.RATING, Role.COMMAND)]
        for group in farm.groups.values()
    }
    assert len(values) == 5 * sum(group.size * len(names[group.name]) for group in farm.groups.values())
    last = values[values["site_time"] == values["site_time"].max()].set_index(["device", "quantity"])
    for device in farm:
        for name in names[device.group.name]:
            row = last.loc[(device.id, name)]
            assert (row["true_value"], row["reported_value"], row["quality"]) == (
                device.true_value(name),
                device.value(name),
                device.quality(name),
            )
    lying = values[values["true_value"] != values["reported_value"]]
    assert set(zip(lying["device"], lying["quantity"], strict=True)) == {("meters-002", "active_power_w")}


def test_stamps_are_site_time_and_wall_time(farm: Farm, tmp_path: Path) -> None:
    clock = ManualClock(1_800_000_000.0)
    recorded(farm, tmp_path, 3, clock)
    steps = read(tmp_path, "steps").to_pandas()
    site, wall = (steps[name].astype("int64") / 1e6 for name in ("site_time", "wall_time"))
    assert set(read(tmp_path, "values")["site_time"].to_pylist()) == set(steps["site_time"])
    assert np.allclose(site, farm.unix_s - np.array([2.0, 1.0, 0.0]))
    assert np.allclose(wall, 1_800_000_000.5 + np.array([0.0, 0.5, 1.0]))


def test_a_command_is_traced_from_receipt_to_effect(farm: Farm, tmp_path: Path) -> None:
    command = farm.device("storage-001").submit(
        enabled({"active_power_setpoint_w": 4_000.0}), "iec104", "127.0.0.1:5", 1_750_000_000.25
    )
    command.acknowledged_s = 1_750_000_000.5
    recorded(farm, tmp_path, 60, ManualClock())
    commands = read(tmp_path, "commands").to_pandas().set_index("quantity")
    row = commands.loc["active_power_setpoint_w"]
    assert (row["value"], row["protocol"], row["device"]) == (4_000.0, "iec104", "storage-001")
    (receipt,) = read(tmp_path, "receipts").to_pylist()
    assert (receipt["command"], receipt["peer"], receipt["site_time"]) == (
        row["command"],
        "127.0.0.1:5",
        row["site_time"],
    )
    assert receipt["received"].timestamp() == 1_750_000_000.25
    assert receipt["acknowledged"].timestamp() == 1_750_000_000.5
    effects = read(tmp_path, "effects").to_pandas()
    assert list(zip(effects["command"], effects["quantity"], effects["outcome"], strict=True)) == [
        (command.id, "active_power_w", "effective")
    ]
    assert effects["site_time"][0] >= row["site_time"]


def test_faults_are_there_with_whom_they_gripped(farm: Farm, tmp_path: Path) -> None:
    farm.faults.add("offline", {"device": "meters-00[12]"}, duration_s=2.0)
    recorded(farm, tmp_path, 5, ManualClock())
    faults = read(tmp_path, "faults").to_pandas()
    assert list(faults["event"]) == ["began", "ended"]
    assert list(faults["devices"][0]) == ["meters-001", "meters-002"]
    assert json.loads(faults["target"][0]) == {"device": "meters-00[12]"}


def test_feeders_are_there_as_last_solved_and_their_rows_meet_those_of_values(farm: Farm, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, farm, ManualClock())
    farm.observers.append(ledger)
    seen = []
    for step in range(6):
        if step == 4:
            farm.faults.add("outage", {"feeder": next(iter(farm.layout.feeders))})
        farm.step(1.0 / 3.0)
        seen += [{"feeder": state.name, **_without_name(state)} for state in farm.network]
    ledger.close()
    feeders = read(tmp_path, "feeders")
    columns = [name for name in feeders.column_names if name not in ("run", "site_time")]
    key = itemgetter("feeder")  # within a file by feeder, and then by time
    assert feeders.select(columns).to_pylist() == sorted(seen, key=key)
    assert {row["energised"] for row in seen} == {True, False}
    assert set(feeders["site_time"].to_pylist()) == set(read(tmp_path, "values")["site_time"].to_pylist())


def _without_name(state: FeederState) -> dict[str, object]:
    return {each.name: getattr(state, each.name) for each in fields(state) if each.name != "name"}


def test_feeders_are_thinned_with_the_values(farm: Farm, tmp_path: Path) -> None:
    recorded(farm, tmp_path, 10, ManualClock(), every_s=5.0)
    assert read(tmp_path, "feeders").num_rows == 2 * len(list(farm.network))


def test_values_can_be_thinned_by_site_time(farm: Farm, tmp_path: Path) -> None:
    recorded(farm, tmp_path, 10, ManualClock(), every_s=5.0)
    assert read(tmp_path, "values").to_pandas()["site_time"].nunique() == 2


def test_a_second_run_adds_to_the_folder_and_loses_nothing(
    make_layout: Callable[..., SiteLayout], tmp_path: Path
) -> None:
    for n in range(2):
        recorded(Farm(make_layout()), tmp_path / "ledger", 2, ManualClock(1_750_000_000.0 + n))
    assert read(tmp_path / "ledger", "values").to_pandas()["run"].nunique() == 2
    assert len(list((tmp_path / "ledger").glob("*.json"))) == 2


@pytest.mark.parametrize("rows", [1, 100, 1_000])
def test_how_many_rows_are_taken_at_once_is_no_matter_to_a_file(
    make_layout: Callable[..., SiteLayout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """A window ends with its last row, though the farm is further on."""
    monkeypatch.setattr(windows, "LENGTHS", (timedelta(seconds=2),))
    for name in ("all", "some"):
        recorded(Farm(make_layout()), tmp_path / name, 7, ManualClock(), lossless=True)
        monkeypatch.setattr(writer_module, "WAITING_MAX", 8 * rows)
    assert digests(tmp_path / "all") == digests(tmp_path / "some")
    assert len(list((tmp_path / "some" / "values" / "run=1").iterdir())) == 4


def test_an_empty_ledger_reads_as_empty_tables(tmp_path: Path) -> None:
    for name, schema in SCHEMAS.items():
        table = read(tmp_path, name)
        assert (table.num_rows, table.drop_columns("run").schema) == (0, schema)


def test_a_disk_that_cannot_be_written_is_counted_and_does_not_stop_the_farm(farm: Farm, tmp_path: Path) -> None:
    disk = Disk(tmp_path / "ledger", farm)
    for _ in range(3):
        farm.step(1.0)
    ledger = disk.ledger
    ledger.close()
    assert farm.steps == 4
    assert ledger.writer.errors > 0
    assert ledger.writer.rows_lost == {table: 3 * rows for table, rows in rows_by_table(farm).items()}
    assert ledger.writer.rows_dropped == sum(ledger.writer.rows_lost.values())
    assert ledger.writer.rows_written == 0
    assert "ledger" in ledger.writer.last_error
    lost = ledger.writer.rows_lost
    assert f"{lost['values']:,} of values, {lost['feeders']} of feeders, 3 of steps, " in ledger.loss


class Memory:
    """An observer that keeps what it is told, as rows of the ledger without the stamps and what was not asked for."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.tables: dict[str, list[tuple[object, ...]]] = {"commands": [], "effects": [], "faults": []}

    def stepped(self, farm: Farm) -> None:
        self.times_s.append(farm.unix_s)

    def commanded(self, command: Command, farm: Farm) -> None:
        self.tables["commands"] += [(command.id, name, command.limited.get(name)) for name in command.values]

    def traced(self, command: Command, name: str, outcome: str, farm: Farm) -> None:
        self.tables["effects"].append((command.id, name, outcome))

    def fault_changed(self, fault: Any, event: str, farm: Farm) -> None:
        self.tables["faults"].append((fault.id, event))


COLUMNS = {
    "commands": ("command", "quantity", "limited_to"),
    "effects": ("command", "quantity", "outcome"),
    "faults": ("fault", "event"),
}


def until(true: Callable[[], bool]) -> None:
    """Wait for the ledger's thread; the test's own time limit ends a wait for nothing."""
    while not true():
        threading.Event().wait(0.005)


class Disk:
    """A ledger's folder that is taken away once it was had; it cannot be made before somebody frees its place."""

    def __init__(self, folder: Path, farm: Farm, **options: Any) -> None:
        self.folder = folder
        self.memory = Memory()
        self.ledger = Ledger(folder, farm, ManualClock(), **options)
        shutil.rmtree(folder)
        folder.write_text("in the way")
        farm.observers += [self.memory, self.ledger]

    def fails(self) -> None:
        """Wait until all that waits has been tried, and has failed."""
        failed = self.ledger.writer.errors
        until(lambda: self.ledger.writer.errors >= failed + 2 * len(SCHEMAS))

    def comes_back(self) -> None:
        """Let the ledger write again, and end it once it has."""
        self.folder.unlink()
        until(lambda: self.ledger.writer.rows_written > 0)
        self.ledger.close()

    def read(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in read(self.folder, name).select(list(columns)).to_pylist()]


def test_what_waited_for_the_disk_is_written_in_its_order_once_it_is_back(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SEGMENT_S", 0.01)
    disk = Disk(tmp_path / "ledger", farm)
    for k in range(30):
        farm.device(f"storage-00{k % 3 + 1}").submit(enabled({"active_power_setpoint_w": 100.0 * k}), "test", "me", 0.0)
        farm.faults.add("offline", {"device": f"meters-00{k % 4 + 1}"}, duration_s=2.0)
        farm.step(1.0)
        if k % 10 == 9:
            disk.fails()
    disk.comes_back()
    assert disk.ledger.writer.rows_dropped == 0
    for name, columns in COLUMNS.items():
        assert disk.read(name, *columns) == disk.memory.tables[name], name
        assert len(disk.memory.tables[name]) >= 30
    for name in ("values", "feeders"):
        times = [at.timestamp() for (at,) in disk.read(name, "site_time")]
        assert sorted(set(times)) == disk.memory.times_s
        assert len({times.count(at) for at in set(times)}) == 1, "every step is whole"


def test_each_table_says_for_itself_when_it_cannot_be_written_and_when_all_that_waited_is(
    farm: Farm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    file_size_limit: Callable[[int], None],
) -> None:
    """On a disk with room for the small table alone, its writes do not end the trouble of the large one."""
    monkeypatch.setattr(writer_module, "SEGMENT_S", 0.005)
    ledger = Ledger(tmp_path / "ledger", farm, ManualClock())
    farm.observers.append(ledger)
    folder = tmp_path / "ledger"
    farm.step(1.0)
    until(lambda: ledger.writer.rows_written == rows_a_step(farm))
    sizes = {name: path.stat().st_size for name in rows_by_table(farm) for path in (folder / name).rglob("*.parquet")}
    large, small = sizes.pop("values"), max(sizes.values())
    with caplog.at_level(logging.WARNING):
        file_size_limit((small + large) // 2)
        others = rows_a_step(farm) - rows_by_table(farm)["values"]
        for _ in range(4):
            before = ledger.writer.rows_written, ledger.writer.errors
            farm.step(1.0)
            until(lambda before=before: ledger.writer.rows_written == before[0] + others)  # type: ignore[misc]
            until(lambda before=before: ledger.writer.errors > before[1])  # type: ignore[misc]
        assert "File too large" in ledger.writer.last_error
        file_size_limit(-1)
        until(lambda: not ledger.writer.last_error)
        ledger.close()
    cannot, again = (record.getMessage() for record in caplog.records)
    assert cannot.startswith(f"the ledger cannot write values to {folder}: ")
    assert again == f"the ledger writes values to {folder} again, with all that waited; no row was lost"
    assert read(folder, "values").num_rows == 5 * rows_by_table(farm)["values"]
    assert ledger.loss == ""


def test_a_table_writes_again_only_when_all_is_written_that_waited_when_it_last_failed() -> None:
    backlog = Backlog("values")
    for n in range(6):
        backlog.add(n, 10)
    assert backlog.failed(backlog.take(25), "full")
    assert not backlog.failed(backlog.take(60), "still full")
    assert [item for item, _ in backlog.take(25)] == [0, 1, 2]
    assert not backlog.written(30)
    backlog.add(6, 10)  # what came after is not waited for
    backlog.shrink(30)
    assert (backlog.lost, backlog.rows, backlog.error) == (10, 30, "still full")
    backlog.take(20)
    assert backlog.written(20)
    assert (backlog.lost, backlog.rows, backlog.error) == (10, 10, "")
    assert not backlog.written(10)


def test_what_a_device_could_not_follow_in_full_stands_beside_what_it_was_asked(farm: Farm, tmp_path: Path) -> None:
    battery = farm.device("storage-001")
    battery.submit({"active_power_limit_frac": 0.3, "active_power_limit_enabled": 1.0}, "test", "me", 0.0)
    farm.step(1.0)
    asked = [(f"storage-00{n}", share) for share in (-0.9, -0.2, 0.0, 0.2, 0.9) for n in (1, 2)]
    for device, share in asked:
        farm.device(device).submit(enabled({"active_power_setpoint_w": 5_000.0 * share}), "test", "me", 0.0)
    recorded(farm, tmp_path, 1, ManualClock())
    rows = [row for row in read(tmp_path, "commands").to_pylist() if row["quantity"] == "active_power_setpoint_w"]
    assert [(row["device"], row["value"]) for row in rows] == [(device, 5_000.0 * share) for device, share in asked]
    limited = [None] * 8 + [pytest.approx(1_500.0), None]
    assert [row["limited_to"] for row in rows] == limited


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs; run the tests as root: sudo make test")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_counted_and_leaves_no_broken_file(farm: Farm, small_disk: Path) -> None:
    ledger = Ledger(small_disk / "ledger", farm, ManualClock())
    farm.observers.append(ledger)
    (small_disk / "filler").write_bytes(bytes(116 * 1024))
    for _ in range(20):
        farm.step(1.0)
    ledger.close()
    assert farm.steps == 21
    assert ledger.writer.errors > 0
    assert "No space left" in ledger.writer.last_error
    assert list(small_disk.rglob("*.part")) == []
    assert all(pq.read_table(file).num_rows for file in small_disk.rglob("*.parquet"))


@pytest.mark.parametrize("lossless", [False, True])
def test_memory_is_bounded_and_the_oldest_goes_first(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lossless: bool
) -> None:
    """A simulation, which loses no row as long as the disk takes any, does not wait for one that takes nothing."""
    kept, per_step = 12, rows_by_table(farm)["values"]
    monkeypatch.setattr(writer_module, "SEGMENT_S", 0.01)
    monkeypatch.setattr(writer_module, "WAITING_MAX", kept * per_step)
    monkeypatch.setattr(writer_module, "EVENTS_MAX", 20)
    disk = Disk(tmp_path / "ledger", farm, lossless=lossless)
    farm.step(1.0)
    disk.fails()
    for k in range(60):
        farm.device("storage-001").submit(enabled({"active_power_setpoint_w": 10.0 * k}), "test", "me", 0.0)
        farm.step(1.0)
    disk.fails()
    disk.comes_back()
    times_s = disk.memory.times_s
    times = [at.timestamp() for (at,) in disk.read("values", "site_time")]
    assert sorted(times) == [at for at in times_s[-kept:] for _ in range(per_step)]
    feeders = sorted(disk.read("feeders", "site_time", "feeder"))
    assert [(at.timestamp(), name) for at, name in feeders] == [
        (at, n) for at in times_s[-10:] for n in ("east", "west")
    ]
    assert disk.read("commands", *COLUMNS["commands"]) == disk.memory.tables["commands"][-20:]
    effects = disk.memory.tables["effects"]
    assert disk.read("effects", *COLUMNS["effects"]) == effects[-20:]
    lost_events = 61 * 2 - 20 + 60 * 2 - 20 + max(len(effects) - 20, 0)
    lost_events += 61 - 20 + 60 - 20  # steps and receipts
    assert disk.ledger.writer.rows_dropped == (61 - kept) * per_step + lost_events


def test_a_simulation_waits_for_the_disk_and_loses_no_row(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "EVENTS_MAX", 4)
    recorded(farm, tmp_path, 30, ManualClock(), lossless=True)
    assert read(tmp_path, "feeders").num_rows == 30 * len(list(farm.network))


_KILLED = """
import sys, time
from pathlib import Path
from pilotfarm.emulators.clock import WallClock
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.record import writer
from pilotfarm.emulators.record.backlog import Backlog
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.site import load
writer.SEGMENT_S = 0.05
farm = Farm(load("tiny"))
book = Ledger(Path(sys.argv[1]), farm, WallClock())
farm.observers.append(book)
while True:
    farm.step(1.0)
    if book.writer.rows_written:
        print("written", flush=True)
"""


def test_a_killed_farm_leaves_only_readable_files(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    files = list(tmp_path.rglob("*.parquet"))
    assert files
    for file in files:
        assert pq.read_table(file).num_rows > 0
