"""A scenario file's text -> its tables and conditions, as far as they can be read without a site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from pilotfarm import profiles
from pilotfarm.emulators import site as sites
from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.scenarios.model import (
    ACTIONS,
    EXPANDED_MAX,
    OVERRIDES,
    FaultTable,
    Head,
    PhaseTable,
    ScenarioFile,
    SespLoadTable,
    SetpointsTable,
    StepTable,
)
from pilotfarm.emulators.scenarios.words import Watch, watch
from pilotfarm.emulators.site.addresses import Addressing
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Document, Path, read
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.source import text_of
from pilotfarm.emulators.words import listed, quoted


@dataclass(frozen=True, slots=True)
class StepDraft:
    """A step as it was read, where in the file, and its conditions with their places."""

    table: StepTable
    path: Path
    action: str
    """The key of what it does; empty where it only waits for a condition."""
    when: Watch | None
    expected: tuple[tuple[Path, Watch], ...]


@dataclass(frozen=True, slots=True)
class PhaseDraft:
    """A phase as it was read; a step that could not be read is None."""

    name: str
    repeat: int
    skip: str
    steps: tuple[StepDraft | None, ...]
    speed: float | None = None
    load: SespLoadTable | None = None
    path: Path = ()


class Draft:
    """A scenario as it was read; problems gather in the document, and one with problems is not to be run.

    ``name`` is what it was asked for by, a built-in one by its name; the document's file if left out.
    """

    def __init__(self, document: Document, name: str | None = None) -> None:
        self.document = document
        self.name = document.file if name is None else name
        self._checker = Checker(document)
        data = document.data
        plain = {key: value for key, value in data.items() if key != "phases"}
        self.head = self._checker.read(Head, plain, (), known=ScenarioFile.model_fields)
        site = data.get("site")
        self._site = site if isinstance(site, str) and site else None
        self.phases = tuple(self._phases(data))
        self._check_size()

    def layout(
        self, site: str | None = None, seed: int | None = None, addressing: Addressing | None = None
    ) -> SiteLayout:
        """Load the site it is for, with its start, seed, step and media.

        ``site`` and ``seed`` go before the file's. Raises ``ConfigError`` with the problems of both files.
        """
        head = self.head
        name = site if site is not None else _beside(self.document.file, self._site)
        if name is None:
            if "site" not in self.document.data:
                self.document.problem(("site",), "is missing, and --site does not say one")
            raise ConfigError(self.problems)
        start = head.start if head else None
        used_seed = seed if seed is not None else head.seed if head else None
        try:
            layout = sites.load(name, addressing, start, used_seed, head.media if head else None)
        except ConfigError as error:
            for problem in error.problems:
                self._add(problem, own_seed=seed is None)
            raise ConfigError(self.problems) from None
        return layout if head is None or head.step_s is None else replace(layout, step_s=head.step_s)

    @property
    def problems(self) -> list[Problem]:
        return sorted(set(self.document.problems))

    def _add(self, problem: Problem, own_seed: bool) -> None:
        """Take a problem of the site's; one of what this file gives in place of the site's is told here."""
        key = problem.file.removeprefix("--")
        if problem.file in ("--start", "--media") or (problem.file == "--seed" and own_seed):
            self.document.problem((key,), problem.message)
        else:
            self.document.problems.append(problem)

    # ------------------------------------------------------------------------------------ reading

    def _phases(self, data: Mapping[str, Any]) -> Iterator[PhaseDraft]:
        value = data.get("phases")
        if "phases" not in data:
            self.document.problem(("phases",), "is missing")
        elif not isinstance(value, list) or not value:
            self.document.problem(("phases",), f"must be a list of phases, not {quoted(value)}")
        else:
            names: dict[str, Path] = {}
            for number, each in enumerate(value):
                path: Path = ("phases", number)
                yield self._phase(each, path)
                self._once(names, each, path, "phase")

    def _phase(self, value: Any, path: Path) -> PhaseDraft:
        if not isinstance(value, dict):
            self.document.problem(path, f"must be a table with a name and steps, not {quoted(value)}")
            return PhaseDraft("", 1, "", ())
        # Steps are read one by one; here good ones stand for them.
        steps = value.get("steps")
        listed_steps = steps if isinstance(steps, list) else []
        plain = {**value, "steps": [{"wait": 1.0}] * len(listed_steps)} if listed_steps else value
        table = self._checker.read(PhaseTable, plain, path)
        drafts = [self._step(each, (*path, "steps", i)) for i, each in enumerate(listed_steps)]
        if table is None:
            return PhaseDraft("", 1, "", tuple(drafts))
        return PhaseDraft(table.name, table.repeat, table.skip or "", tuple(drafts), table.speed, table.sesp_load, path)

    def _step(self, value: Any, path: Path) -> StepDraft | None:
        if not isinstance(value, dict):
            self.document.problem(path, f"must be a table such as `wait: 60 s`, not {quoted(value)}")
            return None
        plain = {key: each for key, each in value.items() if key not in ("fault", "setpoints", *OVERRIDES)}
        table = self._checker.read(StepTable, plain, path)
        fault = self._fault(value["fault"], (*path, "fault")) if "fault" in value else self._override(value, path)
        told = self._told(value["setpoints"], (*path, "setpoints")) if "setpoints" in value else None
        action = self._action(value, path)
        when = value.get("when")
        watched = self._watch(when, (*path, "when")) if isinstance(when, str) else None
        expected = tuple(self._expected(value.get("expect"), (*path, "expect")))
        if table is None:
            return None
        return StepDraft(table.model_copy(update={"fault": fault, "setpoints": told}), path, action, watched, expected)

    def _fault(self, value: Any, path: Path) -> FaultTable | None:
        if isinstance(value, dict) and "start" in value:
            self.document.problem((*path, "start"), "a fault begins with its step, which may have `at` or `when`")
            value = {key: each for key, each in value.items() if key != "start"}
        return self._checker.read(FaultTable, value, path)

    def _override(self, value: Mapping[str, Any], path: Path) -> FaultTable | None:
        for key in OVERRIDES:
            table = self._checker.read(OVERRIDES[key], value[key], (*path, key)) if key in value else None
            if table is not None:
                return table.as_fault(key)
        return None

    def _told(self, value: Any, path: Path) -> SetpointsTable | None:
        table = self._checker.read(SetpointsTable, value, path)
        if table is not None and table.model_fields_set not in ({"devices"}, {"target", "values"}):
            self.document.problem(path, "needs either target and values, or devices")
            return None
        return table

    def _expected(self, value: Any, path: Path) -> Iterator[tuple[Path, Watch]]:
        several = [(path, value)] if isinstance(value, str) else []
        if isinstance(value, list):
            several = [((*path, i), each) for i, each in enumerate(value) if isinstance(each, str)]
        for at, text in several:
            found = self._watch(text, at)
            if found is not None:
                yield at, found

    def _watch(self, text: str, path: Path) -> Watch | None:
        try:
            return watch(text)
        except ValueError as error:
            self.document.problem(path, str(error))
            return None

    # ----------------------------------------------------------------------------------- checking

    def _action(self, value: Mapping[str, Any], path: Path) -> str:
        found = [key for key in ACTIONS if key in value]
        if len(found) > 1:
            self.document.problem(path, f"a step does one thing, not {' and '.join(found)}; make a step of each")
        elif not found and "when" not in value:
            self.document.problem(path, f"does nothing: it needs {listed((*ACTIONS, 'when'))}")
        if "at" in value and "after" in value:
            self.document.problem((*path, "at"), "does not go with after: a step waits for a time or for others")
        return next(iter(found), "")

    def _once(self, names: dict[str, Path], value: Any, path: Path, what: str) -> None:
        """Tell of a name that is given twice."""
        name = value.get("name") if isinstance(value, dict) else None
        if not isinstance(name, str):
            return
        if name in names:
            where = (*path, "name")
            self.document.problem(where, f"another {what} has this name: {self.document.locate(names[name])}")
        names.setdefault(name, path)

    def _check_size(self) -> None:
        names: dict[str, Path] = {}
        for phase in self.phases:
            for step in filter(None, phase.steps):
                self._once(names, {"name": step.table.name}, step.path, "step")
        count = sum(len(phase.steps) * phase.repeat for phase in self.phases)
        if count > EXPANDED_MAX:
            self.document.problem(
                ("phases",), f"comes to {count:,} steps with all repetitions; {EXPANDED_MAX:,} are the maximum"
            )


def load(name_or_path: str) -> Draft:
    """Read a built-in scenario by its name or a file by its path; ``ConfigError`` if there is nothing to read."""
    file, text = text_of(name_or_path, "scenario", profiles.scenario_names(), profiles.scenario)
    document = read(file, text, "scenario")
    if not isinstance(document.data, dict):
        raise ConfigError(document.problems)
    return Draft(document, name_or_path)


def _beside(file: str, site: str | None) -> str | None:
    """Return the site a file names: a built-in one, or a file from the scenario's own folder."""
    if site is None or site in profiles.names():
        return site
    return str(FilePath(file).parent / site)
