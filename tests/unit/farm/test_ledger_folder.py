"""A ledger's folder: writable, nobody else's, of this version; or it is said at once, before anything listens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.record.folder import LOCK, about, claimed, new_run, release
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.schema import SCHEMAS, VERSION, described
from pilotfarm.emulators.record.tables import read


def refused(directory: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        release(claimed(directory))
    (problem,) = caught.value.problems
    assert str(directory) in str(problem)
    assert "choose another folder" in str(problem)
    return str(problem)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a tmpfs with some options; needs the right to."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / "mounted"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("needs the right to mount a tmpfs; run the tests as root: sudo make test")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_file_in_the_way_or_above_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in refused(tmp_path / "file")
    assert "Not a directory" in refused(tmp_path / "file" / "ledger")
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "values").touch()
    assert "values" in refused(tmp_path / "ledger")


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Root may write everywhere, so it asks as nobody."""
    (tmp_path / "theirs").mkdir(mode=0o555)
    (tmp_path / "ledger" / "values").mkdir(parents=True)
    (tmp_path / "ledger").chmod(0o777)
    (tmp_path / "ledger" / "values").chmod(0o555)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(path.stat().st_mode | 0o055)
    script = """
import os, sys
from pathlib import Path
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.record.folder import claimed
if os.geteuid() == 0:
    os.setuid(65534)
for name in sys.argv[1:]:
    try:
        claimed(Path(name))
    except ConfigError as error:
        print(error)
"""
    asked = [tmp_path / "theirs", tmp_path / "theirs" / "new", tmp_path / "ledger"]
    said = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True, check=True).stdout
    assert said.count("cannot be written: Permission denied") == 3, said


def test_a_folder_that_can_only_be_read_is_refused(mounted: Callable[[str], Path]) -> None:
    assert "Read-only file system" in refused(mounted("ro"))


def test_a_full_disk_is_refused(mounted: Callable[[str], Path]) -> None:
    folder = mounted("size=64k")
    (folder / "filler").write_bytes(bytes(32 * 1024))
    assert "No space left on device" in refused(folder)
    assert not list(folder.glob(".probe*"))


def test_a_limit_below_a_first_file_is_refused(tmp_path: Path, file_size_limit: Callable[[int], None]) -> None:
    file_size_limit(1_000)
    said = refused(tmp_path)
    file_size_limit(-1)
    assert "cannot be written" in said
    assert not list(tmp_path.glob(".probe*"))


def test_two_farms_do_not_write_into_one_folder_at_once(farm: Farm, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", farm, ManualClock())
    assert "another pilotfarm writes" in refused(tmp_path / "ledger")
    ledger.close()
    release(claimed(tmp_path / "ledger"))


def test_a_refusal_leaves_the_folder_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "values").touch()
    refused(tmp_path)
    (tmp_path / "values").unlink()
    release(claimed(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {LOCK}


@pytest.mark.parametrize("table", SCHEMAS)
def test_a_ledger_of_another_version_or_with_other_columns_is_refused(tmp_path: Path, table: str) -> None:
    path = tmp_path / table / "run=1" / "20260615T060000Z.parquet"
    path.parent.mkdir(parents=True)
    ours = described(table, {"ledger_version": VERSION})
    fields = [pa.field(f"old_{field.name}", field.type) for field in ours]
    files = {
        "version 1": SCHEMAS[table],
        f"version {VERSION + 1}": described(table, {"ledger_version": VERSION + 1}),
        f"and this pilotfarm writes version {VERSION}": pa.schema(fields, ours.metadata),
    }
    for said, schema in files.items():
        pq.write_table(schema.empty_table(), path)
        before = path.read_bytes()
        assert said in refused(tmp_path)
        assert path.read_bytes() == before
    path.write_bytes(b"PAR1 and no more")
    assert "no whole Parquet file" in refused(tmp_path)
    pq.write_table(ours.empty_table(), path)
    release(claimed(tmp_path))


def test_a_half_written_file_of_a_crash_is_taken_away(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / ".values.run=3.next").mkdir()
    for name in ("rows", "joined", "20260615T060000Z", "next/20260615T060000Z.parquet"):
        Path(f"{tmp_path}/.values.run=3.{name}").write_bytes(b"PAR1")
    ledger = Ledger(tmp_path, farm, ManualClock())
    farm.observers.append(ledger)
    farm.step(1.0)
    ledger.close()
    assert {path.suffix for path in (tmp_path / "values" / "run=1").iterdir()} == {".parquet"}
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == {LOCK}
    assert read(tmp_path, "values").num_rows > 0


def test_runs_are_numbered_by_what_is_there(tmp_path: Path) -> None:
    assert new_run(tmp_path) == 1
    (tmp_path / "values" / "run=9").mkdir(parents=True)
    (tmp_path / "values" / "run=x").mkdir()
    (tmp_path / "run-other.json").touch()
    assert new_run(tmp_path) == 10
    about(tmp_path, 10).touch()
    assert new_run(tmp_path) == 11


def test_a_ledger_whose_files_are_in_no_folder_of_a_run_is_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "values" / "20261129T122311.123456Z-00000001.parquet"
    path.parent.mkdir()
    pq.write_table(described("values", {"ledger_version": 2}).empty_table(), path)
    assert "holds a ledger of version 2" in refused(tmp_path)
