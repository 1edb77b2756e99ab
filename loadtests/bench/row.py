"""A row of the table of ``pilotfarm bench``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, its value, its target, and whether that was met.

    Without a value it was not measured; ``note`` says why, and how it can be.
    """

    part: str
    what: str
    value: float | None
    unit: str
    aim: str = ""
    met: bool | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
