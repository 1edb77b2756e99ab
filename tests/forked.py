"""Commands of pilotfarm in processes of their own, forked from one that has imported what a farm needs.

To import it costs two seconds of a processor, to fork a few hundredths. What runs is the command as from a shell, but
for the start of Python itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

IMPORTED: Final = [
    "pilotfarm.api.cli",
    "pilotfarm.api.serve",
    "pilotfarm.emulators.record.writer",
    "pilotfarm.profiles.weather.sun",
]
SOON_S: Final = 60.0
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(IMPORTED)

T = TypeVar("T")


def eventually(asked: Callable[[], T], within_s: float = SOON_S, every_s: float = 0.05) -> T:
    """Ask until the answer is true, and return it; what another process does has no event to wait on here."""
    until = time.monotonic() + within_s
    while not (answer := asked()):
        assert time.monotonic() < until, f"not within {within_s} s: {answer!r}"
        time.sleep(every_s)
    return answer


class Forked:
    """A command that runs, with what ``subprocess.Popen`` has of a process."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int:
        self._process.join(timeout_s)
        code = self.poll()
        assert code is not None, f"did not end within {timeout_s} s"
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@contextmanager
def forked(
    arguments: Sequence[str],
    out: Path,
    *,
    err: Path | None = None,
    environment: Mapping[str, str] | None = None,
    segment_s: float | None = None,
) -> Iterator[Forked]:
    """Run a command, and kill it at the end if it still runs.

    ``out`` takes what it says, what it says on standard error too where that has no file of its own. With
    ``segment_s``, its ledger is on disk within so many seconds.
    """
    out.touch()
    given = dict(os.environ if environment is None else environment)
    process = _FORKS.Process(target=_run, args=(arguments, out, err, given, segment_s))
    process.start()
    running = Forked(process)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        process.join()
        process.close()


def _run(
    arguments: Sequence[str], out: Path, err: Path | None, environment: dict[str, str], segment_s: float | None
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with out.open("ab") as said, (err or out).open("ab") as wrong:
        os.dup2(said.fileno(), 1)
        os.dup2(wrong.fileno(), 2)
    from pilotfarm.api.cli import main
    from pilotfarm.emulators.record import writer

    if segment_s is not None:
        writer.SEGMENT_S = segment_s
    sys.argv = ["pilotfarm", *arguments]
    main()
