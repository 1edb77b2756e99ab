"""The benchmarks' programs in C talk to a farm, and to the server they are compared with."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from running_farm import RunningFarm

from pilotfarm.loadtests.bench import against_c, native
from pilotfarm.loadtests.bench.process import BenchError, Program

NO_COMPILER = not any(map(shutil.which, native.COMPILERS))
NO_LIBMODBUS = not Path("/usr/include/modbus/modbus.h").exists()
CONNECTIONS, SECONDS = 3, 0.2
PROGRAMS = sorted(each.name for each in (files("pilotfarm.loadtests.bench") / "c").iterdir())

compiles = pytest.mark.skipif(NO_COMPILER, reason="no C compiler here; on Debian: apt-get install gcc libc6-dev")
has_libmodbus = pytest.mark.skipif(NO_LIBMODBUS, reason="no libmodbus here; on Debian: apt-get install libmodbus-dev")


@compiles
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name.removesuffix(".c") not in native.LIBRARIES])
def test_a_compiler_finds_nothing_to_say(name: str, tmp_path: Path) -> None:
    source = str(files("pilotfarm.loadtests.bench") / "c" / name)
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-o", str(tmp_path / "program"), source]
    subprocess.run(command, check=True)


@compiles
def test_a_modbus_master_reads_a_device(site: RunningFarm) -> None:
    way = site.ways("modbus")["battery-001"]
    with native.compiled("modbus_master") as master:
        taken = native.modbus_reads(master, way.host, way.port, CONNECTIONS, 40_070, 50, SECONDS)
        assert taken.number >= CONNECTIONS
        assert taken.seconds >= SECONDS
        with pytest.raises(BenchError, match="not the answer of 50 registers"):
            native.modbus_reads(master, way.host, way.port, CONNECTIONS, 30_000, 50, SECONDS)


@compiles
def test_an_iec_104_master_counts_the_objects_of_an_interrogation(site: RunningFarm) -> None:
    ways = site.ways("iec104", station="rtu")
    first = next(device for device, way in ways.items() if way.address == 1)
    held = [row for row in site.points(first, "iec104") if row["access"] == "r"]
    totals = [row for row in held if 3000 <= int(row["address"]) % 10_000 < 3100]
    with native.compiled("iec104_master") as master:
        taken, objects = native.interrogated(master, ways[first].host, ways[first].port, 1, SECONDS)
    assert objects == len(held) - len(totals)
    assert taken.number % objects == 0
    assert taken.number >= objects


@compiles
@has_libmodbus
def test_the_server_on_libmodbus_answers_what_it_was_given() -> None:
    content = bytes(range(100)).hex()
    with native.compiled("modbus_master") as master, native.compiled("modbus_server") as server:
        port = against_c.PORT + 5
        with Program(server, "127.0.0.1", str(port), "40070", content):
            assert against_c.modbus.read_once("127.0.0.1", port, 40_070).hex() == content
            taken = native.modbus_reads(master, "127.0.0.1", port, CONNECTIONS, 40_070, 50, SECONDS)
    assert taken.number >= CONNECTIONS


def test_without_a_compiler_a_row_says_so_and_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for measure in (against_c.modbus_reads, against_c.interrogations):
        (row,) = measure(True)
        assert row.value is None
        assert row.met is None
        assert "apt-get install gcc" in row.note
