"""A farm as its user has it, ``pilotfarm up`` in a process of its own: started, sampled from outside, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

UP_WITHIN_S: Final = 180.0
DOWN_WITHIN_S: Final = 60.0
_REST_TIMEOUT_S: Final = 60.0
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class FarmError(Exception):
    """A farm did not come up, or has ended by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to bring a farm up."""

    name: str
    site: str
    """Name of a built-in site, or the path of a site file."""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds now."""

    rss_mb: float
    """[MB of 10**6 bytes]"""
    descriptors: int
    threads: int
    cpu_s: float


class Farm:
    """A farm that runs; its log goes to a file."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.name = plan.name
        self.log = folder / f"{plan.name}.log"
        self._said = folder / f"{plan.name}.ready"
        command = [sys.executable, "-m", "pilotfarm.api.cli", "up", plan.site, "--quiet", *plan.options]
        with self.log.open("wb") as errors, self._said.open("wb") as said:
            # In a session of its own, so that Ctrl-C ends it when the last sample is taken, and not before.
            self._process = subprocess.Popen(  # noqa: S603  our own program, no shell
                command, stdout=said, stderr=errors, start_new_session=True
            )
        self._rest: httpx.AsyncClient | None = None
        self.exit_code: int | None = None

    async def up(self) -> None:
        """Wait until it is up; ``FarmError`` if it does not come to be."""
        try:
            async with asyncio.timeout(UP_WITHIN_S):
                while not (line := self._said.read_text()).endswith("\n"):
                    self.check()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise FarmError(f"{self.name} is not up within {UP_WITHIN_S:g} s") from None
        self.url = line.split()[1]
        self._rest = httpx.AsyncClient(base_url=f"{self.url}/api/v1/", timeout=_REST_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rest is not None:
            await self._rest.aclose()
        await self._end()

    async def _end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = await asyncio.to_thread(self._process.wait, DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise ``FarmError`` if the farm has ended."""
        code = self._process.poll()
        if code is not None:
            raise FarmError(f"{self.name} ended with exit code {code}: {self.log.read_text()[-2_000:].strip()}")

    async def get(self, path: str) -> Any:
        assert self._rest is not None
        answer = await self._rest.get(path)
        answer.raise_for_status()
        return answer.json()

    async def pause(self, paused: bool) -> None:
        assert self._rest is not None
        (await self._rest.patch("clock", json={"paused": paused})).raise_for_status()

    async def metrics(self) -> Mapping[str, float]:
        """Every metric of one number, and the sum of those that are told by label."""
        assert self._rest is not None
        answer = await self._rest.get(f"{self.url}/metrics")
        answer.raise_for_status()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    def usage(self) -> Usage:
        process = Path(f"/proc/{self._process.pid}")
        self.check()
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        ticks = (process / "stat").read_text().rpartition(")")[2].split()
        return Usage(
            rss_mb=int(status["VmRSS"].split()[0]) * 1024 / 1e6,
            descriptors=len(list((process / "fd").iterdir())),
            threads=int(status["Threads"]),
            cpu_s=(int(ticks[11]) + int(ticks[12])) / _TICKS_A_SECOND,
        )

    def log_lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()
