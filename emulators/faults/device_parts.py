"""What faults of a device or of a resource of it have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ALARM


class OfPart(BaseModel):
    """Which part of a device fails."""

    model_config = ConfigDict(extra="forbid")

    resource: Literal["itself", "ev", "storage", "pv"] | None = Field(
        None, description="Of a home: which resource fails, or the home itself; all that can if left out"
    )


class Noticed(OfPart):
    """Which part of a device fails, and whether it knows."""

    alarm: bool = Field(False, description="Whether the device notices it, and raises its general alarm")


def part(parameters: OfPart) -> str | None:
    """Return the part's name among the resources, empty for the device itself; ``None`` is every part."""
    return "" if parameters.resource == "itself" else parameters.resource


def noticed(parameters: Noticed, **columns: float) -> dict[str, float]:
    """Return the columns that a fault sets, with that of the alarm."""
    return columns | {ALARM: float(parameters.alarm)}
