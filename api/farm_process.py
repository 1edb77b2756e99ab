"""Processes that bring farms up for whoever imports this: one is begun when there is none to spare, and used again.

What a farm needs is imported once a process, which takes longer than bringing a small site up. A process speaks to its
holder over its standard input and output (``api.farm_child``), and ends with it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from pilotfarm.emulators.errors import ConfigError, LinkError, Problem

SPARE_MAX: Final = 2
"""Processes kept for the next farms, of about 250 MB each."""
UP_WITHIN_S: Final = 300.0
END_WITHIN_S: Final = 30.0
DIES_WITHIN_S: Final = 2.0
"""How long a process that has closed its connections may take to be gone."""
SAID_MAX: Final = 20_000
"""Characters at the end of what a process said that are told."""
LINE_MAX: Final = 500
"""Characters of a line of it: what died lists every module that it had."""
_COMMAND: Final = (sys.executable, "-P", "-X", "faulthandler", "-m", "pilotfarm.api.farm_child")

__tracebackhide__ = True  # pytest shows the line of the test

_spare: list[FarmProcess] = []


class FarmProcess:
    """One process, with a farm up or without."""

    def __init__(self) -> None:
        self._holder = os.getpid()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by ``close``
        self._begin = 0
        self._said = ""
        # In a session of its own: Ctrl-C is for the holder, whose tests may need the farm to end well.
        self._process = subprocess.Popen(  # noqa: S603  our own program, no shell
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, start_new_session=True
        )

    @property
    def lives(self) -> bool:
        """Whether it is there, and of this process and not of one that this one was forked from."""
        return self._holder == os.getpid() and self._process.poll() is None

    def bring_up(self, asked: Mapping[str, Any]) -> str:
        """Bring a farm up (``farm_child.Asked``) and return the URL of its API.

        Raises ``ConfigError`` with every problem of the site, and ``LinkError`` if the process dies of it.
        """
        self._begin = os.fstat(self._stderr.fileno()).st_size
        answer = self._asked(json.dumps(asked), UP_WITHIN_S)
        if "problems" in answer:
            raise ConfigError([Problem(**each) for each in answer["problems"]])
        return str(answer["url"])

    def end_farm(self) -> None:
        """End the farm; ``LinkError`` if it has died."""
        self._asked("end", END_WITHIN_S)

    def keep(self) -> None:
        """Keep the process, which has no farm up, for the next that is asked for."""
        if len(_spare) < SPARE_MAX:
            _spare.append(self)
        else:
            self.close()

    def close(self) -> None:
        """End the process, with whatever it is at."""
        if self._holder == os.getpid() and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.said()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def said(self) -> str:
        """Return what it has said on standard error since the farm began to come up."""
        if not self._stderr.closed:
            # By no seek: the place where the process writes next is ours, too.
            end = os.fstat(self._stderr.fileno()).st_size
            said = os.pread(self._stderr.fileno(), end - self._begin, self._begin)
            lines = said.decode("utf-8", "replace")[-SAID_MAX:].strip().splitlines()
            self._said = "\n".join(line if len(line) <= LINE_MAX else f"{line[:LINE_MAX]}..." for line in lines)
        return self._said

    def trouble(self) -> LinkError:
        """Say what has become of a process that does not answer, and what it said before."""
        try:
            code = self._process.wait(DIES_WITHIN_S)
            what = f"has ended {f'by {signal.Signals(-code).name}' if code < 0 else f'with {code}'}"
        except subprocess.TimeoutExpired:
            what = "does not answer"
        said = self.said()
        return LinkError(f"the farm's process {what}; " + (f"it said:\n{said}" if said else "it said nothing"))

    def _asked(self, line: str, within_s: float) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            raise self.trouble() from None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(within_s):
                raise self.trouble()
        answer = process.stdout.readline()
        if not answer:
            raise self.trouble()
        return json.loads(answer)


def spare() -> FarmProcess:
    """Return a process without a farm, one that is kept or a new one."""
    while _spare:
        found = _spare.pop()
        if found.lives:
            return found
        found.close()
    return FarmProcess()


@atexit.register
def _close_spare() -> None:
    while _spare:
        _spare.pop().close()
