"""What is told of a scenario while it runs: on the terminal, as JSON Lines, and as JUnit XML at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TextIO

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios import reporting
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.reading import Draft
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.site.layout import SiteLayout

_STYLES: Final = {"PASS": "green", "FAIL": "bold red", "BLOCKED": "red", "SKIPPED": "yellow"}


class Report:
    """Tells what becomes of a run while it goes on: on the terminal, and in the files that were asked for."""

    def __init__(self, draft: Draft, layout: SiteLayout, *, lines: Path | None, junit: Path | None) -> None:
        self.layout = layout
        self._draft = draft
        self._paths = (lines, junit)
        self._lines: TextIO | None = None
        self._xml: TextIO | None = None
        self._console = Console(markup=False, highlight=False)
        self._status: Status | None = None
        self._told = 0
        self._stack = ExitStack()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, farm: Farm, wall_s: Callable[[], float] | None) -> None:
        """Begin the run on a farm; ``ConfigError`` if the scenario does not fit it.

        Files are opened only then, so that a bad scenario costs nobody what an earlier run has written.
        """
        self.plan = resolve(self._draft, farm)
        self._farm = farm
        self._began = farm.now
        lines, junit = self._paths
        self._lines = self._stack.enter_context(_written("--json", lines))
        self._xml = self._stack.enter_context(_written("--junit", junit))
        self.run = Run(self.plan, farm, wall_s)
        self._write(reporting.header(self.plan, self.layout, self._began))
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._stack.enter_context(self._status)
        self.advance()

    def advance(self) -> None:
        """Let the run look at the farm, and tell what is new."""
        self.run.advance()
        self._tell()
        if self._status is not None:
            now = f"{self._farm.now:%Y-%m-%d %H:%M:%S}"
            self._status.update(Text(f"{now}  {self.run.phase}: {self.run.waits_for()}"))

    def finish(self) -> None:
        """Tell the rest and the verdict."""
        self._tell()
        if self._status is not None:
            self._status.stop()
        results, found = self.run.results, reporting.counts(self.run.results)
        self._write(reporting.footer(results))
        if self._xml is not None:
            self._xml.write(reporting.junit(self.plan, results, self._began))
        verdict = str(self.run.verdict)
        self.say(
            f"{self.plan.name} at {self.layout.name}: {found['pass']} passed, {found['fail']} failed, "
            f"{found['blocked']} blocked, {found['skipped']} skipped in {self.run.time_s:g} s of site time: {verdict}",
            _STYLES[verdict],
        )

    def say(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, soft_wrap=True)

    def _tell(self) -> None:
        for result in self.run.results[self._told :]:
            because = f" ({result.detail})" if result.detail and result.verdict != "PASS" else ""
            where = f"{result.phase}: {result.text}"
            self.say(f"{result.verdict:8}{result.ended_s:>8g} s  {where}{because}", _STYLES[str(result.verdict)])
            self._write(reporting.line(result, self._began))
        self._told = len(self.run.results)

    def _write(self, line: str) -> None:
        if self._lines is not None:
            self._lines.write(line + "\n")
            self._lines.flush()


@contextmanager
def _written(option: str, path: Path | None) -> Iterator[TextIO | None]:
    """Open a file to write; who has named one that cannot be is told before anything runs."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint=option) from None
    with file:
        yield file
