"""The load of a scenario's phase on a SESP: ``pilotfarm loadtest sesp``, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pilotfarm.emulators.scenarios.model import SespLoadTable
from pilotfarm.emulators.scenarios.sesp_load import NOBODY, Load, Outcome
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.loadtests.plan import TOKEN_ENVIRONMENT

LONGEST: Final = "7d"
"""How long it would send by itself: it is ended with its phase."""
GRACE_S: Final = 60.0
"""Wall time that a load has to end when the scenario has."""
_COUNTS: Final = ("sent", "acknowledged", "failed", "unconfirmed", "stored", "lost", "undelivered")


@dataclass(frozen=True, slots=True)
class Target:
    """The SESP that loads are put on."""

    url: str
    token: str | None = None
    allow_remote: bool = False


class Loads:
    """What phases ask for outside the farm, where it has servers; loads that are left are ended with it."""

    def __init__(self, layout: SiteLayout, target: Target | None, speed: float) -> None:
        self._layout = layout
        self._target = target
        self.usual_speed = self._speed = speed
        self._pacing: Callable[[float], None] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Loads:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def paced_by(self, change: Callable[[float], None]) -> None:
        """Say how to change the speed of the farm."""
        self._pacing = change

    def pace(self, speed: float | None) -> None:
        wanted = self.usual_speed if speed is None else speed
        if wanted != self._speed and self._pacing is not None:
            self._pacing(wanted)
        self._speed = wanted

    def load(self, asked: SespLoadTable) -> Load | str:
        if self._target is None:
            return NOBODY
        return self._stack.enter_context(_LoadTest(self._layout, self._target, asked, self._speed))


class _LoadTest:
    """A load test that has begun."""

    def __init__(self, layout: SiteLayout, target: Target, asked: SespLoadTable, speed: float) -> None:
        self._folder = TemporaryDirectory(prefix="pilotfarm-scenario-load-")
        self._said = Path(self._folder.name, "outcome.json")
        self._ended = False
        environment = {name: value for name, value in os.environ.items() if name != TOKEN_ENVIRONMENT}
        if target.token is not None:
            environment[TOKEN_ENVIRONMENT] = target.token
        # In a session of its own: Ctrl-C is the scenario's, and ends it in order.
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
            command(layout, target, asked, speed, self._said),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> _LoadTest:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._process.terminate()

    def outcome(self) -> Outcome | None:
        code = self._process.poll()
        return None if code is None else outcome_of(self._said, code)


def command(layout: SiteLayout, target: Target, asked: SespLoadTable, speed: float, said: Path) -> list[str]:
    """Return the command that puts a load on a SESP until it is told to end, and writes its outcome as JSON."""
    users = layout.device_count if asked.users is None else asked.users
    words = ["loadtest", "sesp", "--url", target.url, "--site", layout.source, "--users", str(users)]
    words += ["--duration", LONGEST, "--speedup", repr(speed * asked.factor), "--json", str(said)]
    remote = ["--allow-remote"] if target.allow_remote else []
    return [sys.executable, "-m", "pilotfarm.api.cli", *words, *remote]


def outcome_of(path: Path, code: int) -> Outcome:
    """Read what a load test that ended with a code has written."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        why = "before it could begin: its phase was too short" if code == -signal.SIGTERM else f"with {code}"
        return Outcome(None, None, f"the load test ended {why}")
    if found["status"] not in ("complete", "incomplete"):
        return Outcome(None, None, f"the load test has no result: {found['reason']}")
    return Outcome({name: found[name] for name in _COUNTS}, found["latency_p95_s"], found["reason"] or "")
