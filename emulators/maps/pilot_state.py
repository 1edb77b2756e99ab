"""The control pilot's state (IEC 61851-1) as the letters that charging stations show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, is_set
from pilotfarm.emulators.wire.derived import Cases, ReadOnly


@dataclass(frozen=True, slots=True)
class PilotState(ReadOnly):
    """Two ASCII letters in a register for states A to F: those ``before`` a current is offered, and ``after``."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    otherwise: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return ("charge_point_state", "authorised")

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        offered = is_set(columns["authorised"])
        return np.where(offered, self._letters(self.after).of(columns), self._letters(self.before).of(columns))

    def _letters(self, states: tuple[str, ...]) -> Cases:
        cases = (("charge_point_state", float(k), float(k), _wire(state)) for k, state in enumerate(states))
        return Cases(tuple(cases), _wire(self.otherwise))


def _wire(letters: str) -> float:
    return float(int.from_bytes(letters.encode().ljust(2, b"\0"), "big"))
