"""Masters and a server in C, where a compiler is at hand: a master in Python is slower than what it is to measure.

The sources stand in ``c/`` and are compiled into a temporary folder when they are needed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pilotfarm.loadtests.bench.process import BenchError

COMPILERS: Final = ("cc", "gcc", "clang")
LIBRARIES: Final = {"modbus_server": ("-lmodbus",)}
RUN_LIMIT_S: Final = 120.0


class NotAtHand(BenchError):
    """There is no compiler here, or not what a program is made with."""


@contextmanager
def compiled(name: str) -> Iterator[str]:
    """Compile a program for as long as it is needed; ``NotAtHand`` says what is missing and how to have it."""
    compiler = next((found for each in COMPILERS if (found := shutil.which(each))), None)
    if compiler is None:
        raise NotAtHand("no C compiler here; on Debian: apt-get install gcc libc6-dev libmodbus-dev")
    source = files("pilotfarm.loadtests.bench") / "c" / f"{name}.c"
    with TemporaryDirectory() as folder, as_file(source) as path:
        program = Path(folder) / name
        command = [compiler, "-O2", "-o", str(program), str(path), *LIBRARIES.get(name, ())]
        made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own source
        if made.returncode:
            hint = "; on Debian: apt-get install libmodbus-dev" if name in LIBRARIES else ""
            raise NotAtHand(f"{name}.c cannot be compiled here{hint}: {made.stderr.strip()[:300]}")
        yield str(program)


@dataclass(frozen=True, slots=True)
class Taken:
    """How much a master was answered, and in how many seconds."""

    number: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.number / self.seconds


def modbus_reads(
    master: str, host: str, port: int, connections: int, first: int, registers: int, seconds: float
) -> Taken:
    """Read some registers for ``seconds`` over many connections, one request under way on each."""
    reads, took_s = _run(master, host, port, connections, first, registers, seconds)
    return Taken(int(reads), took_s)


def interrogated(master: str, host: str, port: int, stations: int, seconds: float) -> tuple[Taken, int]:
    """Interrogate ``stations`` common addresses in turn; the objects taken, and those of the first address."""
    objects, took_s, first = _run(master, host, port, stations, seconds)
    return Taken(int(objects), took_s), int(first)


def _run(program: str, *arguments: str | float) -> list[float]:
    command = [program, *map(str, arguments)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise BenchError(f"{Path(program).name} did not end within {RUN_LIMIT_S:g} s") from None
    if ran.returncode:
        raise BenchError(f"{Path(program).name}: {ran.stderr.strip() or ran.returncode}")
    return [float(number) for number in ran.stdout.split()]
