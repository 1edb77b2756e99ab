"""What the routes share: the pilot they speak of, and the answers to what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Depends, Path, Request

from pilotfarm.api.events import EventStream
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.population import Rows
from pilotfarm.emulators.farm.targets import chosen, strange
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.scenarios.board import Board
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.loadtests.problems import Refused

TOTAL: Final = "X-Total-Count"
DeviceId = Annotated[str, Path(description="A device's id", examples=["batteries-0001"])]


@dataclass(frozen=True, slots=True)
class Context:
    """One running pilot, and who watches it."""

    pilot: Pilot
    events: EventStream
    ledger: Ledger | None
    scenarios: Board
    checking: asyncio.Lock
    """Held by whoever has a scenario checked: one at a time."""

    @property
    def farm(self) -> Farm:
        return self.pilot.farm

    def rows_of(self, where: str, target: Mapping[str, str | Sequence[str] | None]) -> Rows:
        """Find the devices of a target; what of it there is not is refused, with what was meant."""
        asked = {key: value for key, value in target.items() if value is not None}
        found = strange(self.farm.population, asked)
        problems = [(f"{where}.{key}" if key else where, message) for key, message in found]
        if problems:
            raise Refused(422, problems)
        return chosen(self.farm.population, asked)


def _context(request: Request) -> Context:
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


def counted(what: str) -> dict[str, Any]:
    """Describe, for OpenAPI, the header that says how long a list is of which a page is shown."""
    return {TOTAL: {"description": what, "schema": {"type": "integer"}}}


Here: TypeAlias = Annotated[Context, Depends(_context)]


def quality_text(bits: int) -> str:
    """Name what is wrong with a reported value."""
    names = [str(flag.name).lower() for flag in Quality if flag and bits & flag]
    return ",".join(names) if names else "good"


def number(value: float) -> float | None:
    """JSON has no NaN and no infinity; both are null there."""
    return value if isfinite(value) else None
