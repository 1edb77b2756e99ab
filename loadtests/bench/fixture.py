"""What a farm costs a test: the pytest fixture beside `pilotfarm up` of the same site."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree

from pilotfarm.loadtests.bench.process import BenchError, Child
from pilotfarm.loadtests.bench.row import Row

SITE: Final = "tiny"
NETWORK: Final = "127.96.0.0/16"
_TESTS: Final = """\
import pytest

@pytest.mark.pilotfarm("{site}")
@pytest.mark.parametrize("number", range({count}))
def test_nothing(pilotfarm, number):
    pass
"""


def fixture_times(quick: bool) -> Iterator[Row]:
    """(l) Set-up and teardown of the fixture `pilotfarm`, first and further ones of a run, against the command."""
    what = f"the fixture of {SITE}, set-up and teardown"
    if find_spec("pytest") is None:
        yield Row("l", f"{what}: over the command", None, "x", "<= 1.1", note="there is no pytest: pip install pytest")
        return
    command, first, further = [], [], []
    for _ in range(1 if quick else 7):
        command.append(_command_s())
        one, *others = _fixture_s(4)
        first.append(one)
        further.append(statistics.median(others))
    yield Row("l", f"`pilotfarm up {SITE}` until ready, and its end", statistics.median(command), "s")
    yield Row("l", f"{what}: the first of a run", statistics.median(first), "s")
    yield Row("l", f"{what}: each further one", statistics.median(further), "s")
    for name, took_s, most in (("the first", first, 1.1), ("each further one", further, 0.25)):
        ratio = statistics.median(a / b for a, b in zip(took_s, command, strict=True))
        yield Row("l", f"ratio to the command: {name}", ratio, "x", f"<= {most:g}", ratio <= most)


def _command_s() -> float:
    begin_s = time.perf_counter()
    options = ("--quiet", "--api", "127.0.0.1:0", "--addresses", NETWORK)
    with Child("pilotfarm.api.cli", "up", SITE, *options):
        pass
    return time.perf_counter() - begin_s


def _fixture_s(count: int) -> list[float]:
    """Run so many tests that do nothing with a farm; how long pytest says that each took with its fixture. [s]"""
    with TemporaryDirectory() as folder:
        tests, report = Path(folder, "test_nothing.py"), Path(folder, "report.xml")
        tests.write_text(_TESTS.format(site=SITE, count=count), encoding="utf-8")
        options = ("-q", "-p", "pilotfarm.api.pytest_plugin", "-p", "no:cacheprovider", f"--junit-xml={report}")
        done = subprocess.run(  # noqa: S603  our own program, no shell
            [sys.executable, "-m", "pytest", *options, f"--rootdir={folder}", str(tests)],
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"the fixture's tests did not pass: {done.stdout[-2_000:]}")
        cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  written by pytest a moment ago
        return [float(case.attrib["time"]) for case in cases]
