"""Scenarios at a running farm, over its REST API: one that is run and told as on a farm of one's own; recording."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO
from zoneinfo import ZoneInfo

import typer

from pilotfarm import profiles
from pilotfarm.api.commands.farm import Farm
from pilotfarm.api.commands.simulate import INTERRUPTED, until_interrupted
from pilotfarm.api.scenario_report import Teller
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.scenarios.reporting import About
from pilotfarm.emulators.scenarios.verdict import Result, Verdict
from pilotfarm.emulators.site.source import text_of

POLL_S: Final = 0.2
"""Wall time between two looks at a scenario that runs."""


def run_at(
    url: str, token: str | None, name_or_path: str, *, as_is: bool, lines: Path | None, junit: Path | None
) -> int:
    """Run a scenario at the farm of that URL until it has ended, or Ctrl-C stops it; return the exit code."""
    file, text = text_of(name_or_path, "scenario", profiles.scenario_names(), profiles.scenario)
    path = "/scenarios?as_is=true" if as_is else "/scenarios"
    with until_interrupted() as interrupt, Farm(url, token, "--farm") as farm, Teller(lines=lines, junit=junit) as tell:
        site = farm.send("GET", "/site").json()
        kind = {"Content-Type": "application/yaml"}
        taken = farm.send("POST", path, file, content=text.encode(), headers=kind).json()
        scenario = _Scenario(farm, taken["id"])
        try:
            tell.open(_about(taken, site, name_or_path))
            for warning in taken["warnings"]:
                tell.say(f"warning: {warning}")
            while scenario.look() and not interrupt.received:
                tell.tell(scenario.results)
                tell.show(scenario.time_s, scenario.now["phase"], lambda: str(scenario.now["waits_for"]))
                time.sleep(POLL_S)
        finally:
            stopped = scenario.stop()
        tell.close(scenario.results, scenario.time_s)
    if stopped:
        return INTERRUPTED
    return 1 if scenario.now["verdict"] == Verdict.FAIL else 0


class _Scenario:
    """A scenario at a farm, and what has been heard of it."""

    def __init__(self, farm: Farm, number: int) -> None:
        self._farm = farm
        self._path = f"/scenarios/{number}"
        self.results: list[Result] = []
        self.now: Mapping[str, Any] = {"state": "running"}

    @property
    def time_s(self) -> float:
        return float(self.now["time_s"])

    def look(self) -> bool:
        """Hear what is new; return whether more may come."""
        while True:
            self.now = found = self._farm.send("GET", f"{self._path}?offset={len(self.results)}").json()
            self.results += map(_result, found["results"])
            if not found["results"]:
                return bool(found["state"] == "running")

    def stop(self) -> bool:
        """End it if it has not ended, and hear the rest; return whether that was so."""
        if self.now["state"] != "running":
            return False
        try:
            self._farm.send("DELETE", self._path)
        except ConfigError:  # it has ended meanwhile
            return self.look()
        self.look()
        return True


def _about(taken: Mapping[str, Any], site: Mapping[str, Any], file: str) -> About:
    began = datetime.fromisoformat(taken["began"]).astimezone(ZoneInfo(site["place"]["time_zone"]))
    return About(
        taken["name"], taken["title"], file, site["name"], site["seed"], site["step_s"], began, taken["expectations"]
    )


def _result(found: Mapping[str, Any]) -> Result:
    return Result(**{**found, "line": found["line"] or 0, "verdict": Verdict(found["verdict"])})


def record_at(url: str, token: str | None, out: Path, *, masters: bool) -> None:
    """Record what is done to the farm of that URL until Ctrl-C, and write it as a scenario file, which is a new one."""
    query = "?masters=true" if masters else ""
    with until_interrupted() as interrupt, Farm(url, token) as farm, _new(out) as file:
        found = farm.send("POST", f"/scenarios/recording{query}").json()
        try:
            typer.echo(f"recording since {found['began']}; Ctrl-C ends it")
            while not interrupt.received:
                time.sleep(POLL_S)
                found = farm.send("GET", "/scenarios/recording").json()
            found = farm.send("DELETE", "/scenarios/recording").json()
        finally:  # a farm that ends in between has told nearly all
            file.write(found["text"])
    full = "; it came to its bound, and what was done since is not in it" if found["full"] else ""
    steps = f"{found['steps']} step{'s' if found['steps'] != 1 else ''}"
    typer.echo(f"{out}: {steps} until {found['time']}{full}; say in it what must be seen")


@contextmanager
def _new(out: Path) -> Iterator[TextIO]:
    try:
        file = out.open("x", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be made: {error.strerror}", param_hint="OUT") from None
    try:
        with file:
            yield file
    finally:
        if not out.stat().st_size:  # nothing was recorded: it leaves no file
            out.unlink()
