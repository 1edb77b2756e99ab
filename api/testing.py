"""Farms for tests, and for whatever else wants one: the Python API of ``docs/python-api.md``, whose names stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from os import PathLike

from pilotfarm.api import farm_process
from pilotfarm.api.endpoint import Endpoint
from pilotfarm.api.running_farm import Fault, NotSeen, RunningFarm
from pilotfarm.emulators.errors import ConfigError, LinkError

__all__ = ["ConfigError", "Endpoint", "Fault", "LinkError", "NotSeen", "RunningFarm", "running"]


@contextmanager
def running(
    site: str | PathLike[str] | None = None,
    *,
    text: str | None = None,
    start: str | datetime | None = None,
    seed: int | None = None,
    step_s: float | None = None,
    media: bool | None = None,
    speed: float | None = None,
    ports_from: int | None = None,
    addresses: str | None = None,
) -> Iterator[RunningFarm]:
    """Bring a farm up in a process of its own, for as long as the block lasts.

    ``site`` is the name of a built-in site (left out: tiny) or the path of a site file, ``text`` what a site file would
    say. ``start``, ``seed``, ``step_s`` and ``media`` go before what the site says. Without a ``speed`` it is paused.
    It listens on free ports of 127.0.0.1, or where ``ports_from`` or ``addresses`` say, as with `pilotfarm up`.

    ``ConfigError`` has every problem of the site. ``LinkError`` says that the farm has died, at its start or by the end
    of the block, and what it has said.
    """
    if site is not None and text is not None:
        raise TypeError("running takes site or text, not both")
    asked = {
        "folder": os.getcwd(),
        "site": None if site is None else os.fspath(site),
        "text": text,
        "start": start.isoformat() if isinstance(start, datetime) else start,
        "seed": seed,
        "step_s": step_s,
        "media": media,
        "speed": speed,
        "ports_from": ports_from,
        "addresses": addresses,
    }
    process = farm_process.spare()
    try:
        url = process.bring_up({name: value for name, value in asked.items() if value is not None})
    except ConfigError:
        process.keep()
        raise
    except BaseException:
        process.close()
        raise
    farm = RunningFarm(url, process=process)
    try:
        yield farm
    finally:
        farm.close()
        try:
            process.end_farm()
        except BaseException:
            process.close()
            raise
        process.keep()
