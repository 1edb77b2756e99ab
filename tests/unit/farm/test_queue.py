"""Queues of readings and alarms on a disk: bounds, what is acknowledged, what a kill, a cut or a full disk leaves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.record.queue import VERSION, SqliteQueue

Make = Callable[..., SqliteQueue]


def queue(file: Path | None, readings_max: int = 100, alarms_max: int = 5, of: str = "norway, seed 1") -> SqliteQueue:
    return SqliteQueue(file, of, readings_max=readings_max, alarms_max=alarms_max)


@pytest.fixture(params=["disk", "memory"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "queue.sqlite" if request.param == "disk" else None


def test_readings_come_in_order_and_stay_until_they_are_acknowledged(file: Path | None) -> None:
    made = queue(file)
    assert made.put_readings(["a", "b"], {"meter-1": 7})
    assert made.put_readings(["c"], {"meter-1": 14, "meter-2": 3})
    assert [each.text for each in made.readings(0, 10)] == ["a", "b", "c"]
    first, second, third = (each.number for each in made.readings(0, 10))
    assert first < second < third
    assert [each.text for each in made.readings(first, 1)] == ["b"]
    assert made.read_to() == {"meter-1": 14, "meter-2": 3}
    assert made.waiting() == (3, 0)
    assert made.acknowledge_readings(second) == 2
    assert made.acknowledge_readings(second) == 0
    assert [each.text for each in made.readings(0, 10)] == ["c"]
    assert made.acknowledge_readings(third) == 1
    assert made.put_readings(["d"], {})
    assert made.readings(0, 10)[0].number > third, "no number is used twice"
    assert made.waiting() == (1, 0)


def test_a_full_queue_keeps_the_oldest_readings_and_takes_all_or_none(file: Path | None) -> None:
    made = queue(file, readings_max=3)
    assert made.put_readings(["a", "b"], {"meter-1": 2})
    assert not made.put_readings(["c", "d"], {"meter-1": 4})
    assert made.problem == "the queue is full: 2 readings wait to be acknowledged"
    assert (made.waiting(), made.read_to()) == ((2, 0), {"meter-1": 2})
    assert made.put_readings(["c"], {"meter-1": 3})
    assert not made.problem
    made.acknowledge_readings(made.readings(0, 1)[0].number)
    assert made.put_readings(["d"], {"meter-1": 4})
    assert [each.text for each in made.readings(0, 10)] == ["b", "c", "d"]


def test_a_full_queue_keeps_the_newest_alarms_and_counts_the_others(file: Path | None) -> None:
    made = queue(file, alarms_max=3)
    made.put_alarms(["a", "b"])
    assert made.lost_alarms == 0
    made.put_alarms(["c", "d", "e"])
    assert [each.text for each in made.alarms(0, 10)] == ["c", "d", "e"]
    assert (made.lost_alarms, made.waiting()) == (2, (0, 3))
    made.put_alarms(list("fghij"))
    assert [each.text for each in made.alarms(0, 10)] == ["h", "i", "j"]
    assert (made.lost_alarms, made.waiting()) == (7, (0, 3))
    assert made.acknowledge_alarms(made.alarms(0, 10)[1].number) == 2
    assert made.waiting() == (0, 1)


def test_a_queue_is_there_again_with_its_numbers_and_counts(tmp_path: Path) -> None:
    made = queue(tmp_path / "queue.sqlite")
    made.put_readings(["a", "b"], {"meter-1": 7})
    made.put_alarms(["x"])
    (last,) = made.readings(1, 10)
    made.acknowledge_readings(last.number)
    made.close()
    again = queue(tmp_path / "queue.sqlite")
    assert again._base.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert (again.waiting(), again.read_to()) == ((0, 1), {"meter-1": 7})
    again.put_readings(["c"], {})
    assert again.readings(0, 1)[0].number > last.number


@pytest.mark.parametrize("why", ["another site", "another version", "no database", "no folder", "in use"])
def test_a_file_that_cannot_be_the_queue_is_told(tmp_path: Path, why: str) -> None:
    path = tmp_path / "queue.sqlite"
    made = queue(path)
    if why == "another site":
        made.close()
        with pytest.raises(ConfigError, match="is the queue of norway, seed 1, not of malta, seed 2"):
            queue(path, of="malta, seed 2")
        return
    if why == "another version":
        made._base.execute("PRAGMA user_version=9")
        made.close()
    if why == "no database":
        path = tmp_path / "text"
        path.write_text("no database, and longer than the header of one is" * 100)
    if why == "no folder":
        path = tmp_path / "missing" / "queue.sqlite"
    with pytest.raises(ConfigError, match="is a queue of version 9" if why == "another version" else "cannot be had"):
        queue(path)


_PUTS = """
import json, os, signal, sys
from pathlib import Path
from pilotfarm.emulators.record.queue import SqliteQueue
file = Path(sys.argv[1])
queue = SqliteQueue(file, "norway, seed 1", readings_max=1_000, alarms_max=5)
log = file.with_name(file.name + "-wal")
sizes = [log.stat().st_size]
for number in range(12):
    queue.put_readings([f"{number}.{part} " + 200 * "x" for part in range(5)], {"meter-1": number + 1})
    sizes.append(log.stat().st_size)
print(json.dumps(sizes), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_put_is_there_when_the_process_is_killed_at_any_octet(tmp_path: Path) -> None:
    """The log is cut at many octets, which is what a write that is cut leaves: a put is there, or not at all."""
    (tmp_path / "killed").mkdir()
    file = tmp_path / "killed" / "queue.sqlite"
    done = subprocess.run([sys.executable, "-c", _PUTS, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    sizes = json.loads(done.stdout)
    assert sizes == sorted(sizes)
    log = (tmp_path / "killed" / "queue.sqlite-wal").read_bytes()
    cuts = {size + near for size in sizes for near in (-1, 0, 1)} | set(range(sizes[0], sizes[-1], 1_021))
    for number, cut in enumerate(sorted(cut for cut in cuts if sizes[0] <= cut <= len(log))):
        folder = tmp_path / f"cut-{number}"
        folder.mkdir()
        shutil.copy(file, folder / "queue.sqlite")
        (folder / "queue.sqlite-wal").write_bytes(log[:cut])
        found = queue(folder / "queue.sqlite", readings_max=1_000)
        whole = sum(size <= cut for size in sizes) - 1
        assert len(found.readings(0, 1_000)) == 5 * whole
        assert found.read_to() == ({"meter-1": whole} if whole else {})
        assert found.put_readings(["next"], {}), "it goes on"
        found.close()
        shutil.rmtree(folder)


_FULL = """
import resource, sys
from pathlib import Path
from pilotfarm.emulators.record.queue import SqliteQueue
queue = SqliteQueue(Path(sys.argv[1]), "norway, seed 1", readings_max=10_000, alarms_max=5)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
put = 0
while queue.put_readings([f"{put} " + 1_000 * "x"], {"meter-1": put + 1}):
    put += 1
assert queue.problem.startswith("the queue cannot be written: "), queue.problem
assert len(queue.readings(0, 10_000)) == put == queue.waiting()[0] > 10
queue.put_alarms(["a" * 5_000])
assert queue.lost_alarms == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert queue.put_readings(["again"], {})
assert not queue.problem
assert len(queue.readings(0, 10_000)) == put + 1
print(put)
"""


def test_a_full_disk_loses_nothing_and_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path / "queue.sqlite")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = queue(tmp_path / "queue.sqlite", readings_max=10_000)
    assert found.waiting() == (int(done.stdout) + 1, 0)
