"""The process behind a farm that a program holds (``api.testing``): one site after another, as its holder asks.

A request is a line of JSON on standard input, an answer a line on standard output. Any further line ends the farm that
is up, and so does the end of the input, with the process: whatever becomes of the holder, nothing is left behind.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from ipaddress import IPv4Network
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, ValidationError

from pilotfarm.api import serve
from pilotfarm.api.ports import BLOCK, claimed
from pilotfarm.api.requests import Request
from pilotfarm.emulators import site as sites
from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.farm.farm import STEP_MAX_S, STEP_MIN_S
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.serving.runner import SPEED_MAX, SPEED_MIN
from pilotfarm.emulators.site import Addressing
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.wording import said
from pilotfarm.loadtests import logs

Answer: TypeAlias = Callable[[dict[str, Any]], None]


def _network(text: str) -> str:
    try:
        IPv4Network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IPv4 network such as 127.8.0.0/16") from None
    return text


class Asked(Request):
    """The farm to bring up; what is left out is as the site file says. Without ``speed`` it is paused."""

    folder: str = "."
    """Where paths begin."""
    site: str = "tiny"
    text: str | None = None
    """Of a site file, in place of ``site``."""
    start: str | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    step_s: Annotated[float, Field(ge=STEP_MIN_S, le=STEP_MAX_S)] | None = None
    media: bool | None = None
    speed: Annotated[float, Field(ge=SPEED_MIN, le=SPEED_MAX)] | None = None
    ports_from: Annotated[int, Field(ge=1, le=65_535)] | None = None
    addresses: Annotated[str, AfterValidator(_network)] | None = None
    """In place of free ports."""


def main() -> None:
    """Serve whoever holds the process, until its input ends."""
    asked = open(0, "rb", buffering=0)  # noqa: SIM115  to the end
    answer = _answers()
    logs.configure()
    import pilotfarm.profiles.weather.sun  # noqa: F401  what every farm imports as it begins

    gc.freeze()  # what has been imported stays: no collection needs to look at it again
    for line in iter(asked.readline, b""):
        try:
            told = _serve(json.loads(line), answer)
        except ConfigError as error:
            answer({"problems": [asdict(problem) for problem in error.problems]})
            continue
        if not told:
            sys.exit("the farm was ended by a signal")
        if not asked.readline():
            return
        gc.collect()  # a farm is full of circles
        answer({"ended": True})


def _answers() -> Answer:
    """Return what writes to standard output, to which from now on nothing else writes."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        out.write(json.dumps(content) + "\n")
        out.flush()

    return answer


def _serve(request: Any, answer: Answer) -> bool:
    """Bring a farm up and down; whether its holder has ended it."""
    asked = _read(request)
    told = []

    def attend(pilot: Pilot, stop: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(0)
            told.append(True)
            stop()

        loop.add_reader(0, end)
        pilot.runner.change(paused=asked.speed is None)

    speed = 1.0 if asked.speed is None else asked.speed
    with _layout(asked) as layout:
        options = serve.Options("127.0.0.1", 0, None, speed, None)
        serve.run(layout, options, lambda url: answer({"url": url}), attend)
    os.set_blocking(0, True)  # which an event loop undoes for what it watches
    return bool(told)


def _read(request: Any) -> Asked:
    try:
        asked = Asked.model_validate(request)
    except ValidationError as error:
        known = list(Asked.model_fields)
        problems = [Problem(str(each["loc"][0]), 0, "", said(each, known)) for each in error.errors()]
        raise ConfigError(problems) from None
    if asked.ports_from is not None and asked.addresses is not None:
        raise ConfigError([Problem("ports_from", 0, "", "say ports_from or addresses, not both")])
    return asked


@contextmanager
def _layout(asked: Asked) -> Iterator[SiteLayout]:
    """Load the site where it is asked to be, or on free ports, which are claimed until it is over."""
    if asked.addresses is not None:
        yield _load(asked, Addressing(network=IPv4Network(asked.addresses)))
    elif asked.ports_from is not None:
        yield _load(asked, Addressing(ports_from=asked.ports_from))
    else:
        with claimed(BLOCK) as first:
            layout = _load(asked, Addressing(ports_from=first))
            if len(layout.stations) <= BLOCK:
                yield layout
                return
        with claimed(len(layout.stations)) as first:
            yield _load(asked, Addressing(ports_from=first))


def _load(asked: Asked, addressing: Addressing) -> SiteLayout:
    os.chdir(asked.folder)
    try:
        if asked.text is None:
            layout = sites.load(asked.site, addressing, asked.start, asked.seed, asked.media)
        else:
            layout = sites.load_text(asked.text, "text", addressing, asked.start, asked.seed, asked.media)
    except ConfigError as error:
        raise ConfigError([_by_its_name(problem) for problem in error.problems]) from None
    return layout if asked.step_s is None else replace(layout, step_s=asked.step_s)


def _by_its_name(problem: Problem) -> Problem:
    """Blame the keyword of what the command line has as an option."""
    option = problem.file.startswith("--")
    return replace(problem, file=problem.file[2:].replace("-", "_")) if option else problem


if __name__ == "__main__":
    main()
