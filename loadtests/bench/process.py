"""A child process whose start, memory and processor time are measured from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

READY_WITHIN_S: Final = 180.0
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A child process did not start, or a measurement could not be made."""


class Program:
    """A process that prints a line beginning with ``ready`` once it can be measured."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self.ready_s = 0.0
        self.ready_line = ""

    def __enter__(self) -> Self:
        begin_s = time.monotonic()
        self._errors = TemporaryDirectory()
        with (Path(self._errors.name) / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603  our own programs, no shell
                self._command, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ready"):
                self.ready_s = time.monotonic() - begin_s
                self.ready_line = line.strip()
                return self
        message = (Path(self._errors.name) / "stderr").read_text()
        self._process.wait()
        self._errors.cleanup()
        raise BenchError(f"{' '.join(self._command)} ended before it was ready: {message.strip()[-2_000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.cleanup()

    def rss_mb(self) -> float:
        """Return the resident memory. [MB of 10**6 bytes]"""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kib) * 1024 / 1e6

    def cpu_s(self) -> float:
        """Return the processor time used so far, user and system. [s]"""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND

    def idle_cpu_frac(self, over_s: float) -> float:
        """Return the share of one core the process uses over ``over_s`` [s] without requests."""
        begin_cpu_s, begin_s = self.cpu_s(), time.monotonic()
        time.sleep(over_s)
        return (self.cpu_s() - begin_cpu_s) / (time.monotonic() - begin_s)


class Child(Program):
    """A module of ours, run as a program."""

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__(sys.executable, "-m", module, *arguments)


class Pilot(Child):
    """A farm of ours, brought up from a site's text as a user would."""

    def __init__(self, text: str, *options: str) -> None:
        self._folder = TemporaryDirectory()
        site = Path(self._folder.name) / "site.yaml"
        site.write_text(text, encoding="utf-8")
        super().__init__("pilotfarm.api.cli", "up", str(site), "--quiet", "--api", "127.0.0.1:0", *options)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._folder.cleanup()
