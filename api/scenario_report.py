"""What is told of a scenario while it runs: on the terminal, as JSON Lines, and as JUnit XML at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self, TextIO

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from pilotfarm.emulators.clock import WallClock
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios import reporting, sesp_load
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.reading import Draft
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.scenarios.sesp_load import Outside
from pilotfarm.emulators.scenarios.verdict import Result, overall
from pilotfarm.emulators.site.layout import SiteLayout

_STYLES: Final = {"PASS": "green", "FAIL": "bold red", "BLOCKED": "red", "SKIPPED": "yellow"}
SILENT_MAX_S: Final = 60.0
"""Longest wall time without a line where there is no terminal: some who run tests end what says nothing."""
_SPINNER_WIDTH: Final = 2


class Teller:
    """Tells what becomes of a scenario while it goes on: on the terminal, and in the files that were asked for."""

    def __init__(self, *, lines: Path | None, junit: Path | None) -> None:
        self._paths = (lines, junit)
        self._lines: TextIO | None = None
        self._xml: TextIO | None = None
        self._console = Console(markup=False, highlight=False)
        self._status: Status | None = None
        self._clock = WallClock()
        self._said_s = self._clock.now_s()
        self._told = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, about: reporting.About) -> None:
        """Tell what begins.

        Files are opened only then, so that a bad scenario costs nobody what an earlier run has written.
        """
        self._about = about
        lines, junit = self._paths
        self._lines = self._stack.enter_context(_written("--json", lines))
        self._xml = self._stack.enter_context(_written("--junit", junit))
        self._write(reporting.header(about))
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._stack.enter_context(self._status)

    def tell(self, results: Sequence[Result]) -> None:
        """Tell what is new of the results so far."""
        for result in results[self._told :]:
            told = result.verdict != "PASS" or result.step == sesp_load.NAME
            because = f" ({result.detail})" if result.detail and told else ""
            where = f"{result.phase}: {result.text}"
            self.say(f"{result.verdict:8}{result.ended_s:>8g} s  {where}{because}", _STYLES[str(result.verdict)])
            self._write(reporting.line(result, self._about.began))
        self._told = len(results)

    def show(self, time_s: float, phase: str, doing: Callable[[], str]) -> None:
        """Show what is under way, ``time_s`` seconds after it began: on a terminal always, in a log now and then."""
        if not phase:
            return
        if self._status is not None:
            now = reporting.later(self._about.began, time_s)
            text = Text(f"{now:%Y-%m-%d %H:%M:%S} {time_s:>8g} s  {phase}: {doing()}")
            text.truncate(self._console.width - _SPINNER_WIDTH, overflow="ellipsis")
            self._status.update(text)
        elif self._clock.now_s() - self._said_s >= SILENT_MAX_S:
            self.say(f"        {time_s:>8g} s  {phase}: {doing()}")

    def close(self, results: Sequence[Result], time_s: float) -> None:
        """Tell the rest, and the verdict."""
        self.tell(results)
        if self._status is not None:
            self._status.stop()
        about, found = self._about, reporting.counts(results)
        self._write(reporting.footer(results))
        if self._xml is not None:
            self._xml.write(reporting.junit(about.scenario, about.file, results, about.began))
        verdict = str(overall(results))
        self.say(
            f"{about.scenario} at {about.site}: {found['pass']} passed, {found['fail']} failed, "
            f"{found['blocked']} blocked, {found['skipped']} skipped in {time_s:g} s of site time: {verdict}",
            _STYLES[verdict],
        )

    def say(self, text: str, style: str | None = None) -> None:
        self._said_s = self._clock.now_s()
        self._console.print(text, style=style, soft_wrap=True)

    def _write(self, line: str) -> None:
        if self._lines is not None:
            self._lines.write(line + "\n")
            self._lines.flush()


class Report(Teller):
    """Runs a scenario on a farm of this process, and tells what becomes of it."""

    def __init__(self, draft: Draft, layout: SiteLayout, *, lines: Path | None, junit: Path | None) -> None:
        super().__init__(lines=lines, junit=junit)
        self.layout = layout
        self._draft = draft

    def begin(self, farm: Farm, wall_s: Callable[[], float] | None, outside: Outside | None = None) -> None:
        """Begin the run on a farm; ``ConfigError`` if the scenario does not fit it."""
        plan = resolve(self._draft, farm)
        self.open(reporting.about(plan, self.layout, farm.now))
        self.run = Run(plan, farm, wall_s, outside)
        self.advance()

    def advance(self) -> None:
        """Let the run look at the farm, and tell what is new."""
        self.run.advance()
        self.tell(self.run.results)
        self.show(self.run.time_s, self.run.phase, self.run.waits_for)

    def finish(self) -> None:
        """Tell the rest and the verdict."""
        self.close(self.run.results, self.run.time_s)


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
