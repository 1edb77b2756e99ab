"""What the routes share: the pilot they speak of, and the answers to what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from pilotfarm.api.events import EventStream
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.serving.pilot import Pilot


@dataclass(frozen=True, slots=True)
class Context:
    """One running pilot, and who watches it."""

    pilot: Pilot
    events: EventStream
    ledger: Ledger | None

    @property
    def farm(self) -> Farm:
        return self.pilot.farm


def _context(request: Request) -> Context:
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


Here: TypeAlias = Annotated[Context, Depends(_context)]


def number(value: float) -> float | None:
    """JSON has no NaN and no infinity; both are null there."""
    return value if isfinite(value) else None
