"""Silence: the device is there, its connections stand, and messages are lost on one side of its application."""

from __future__ import annotations

from dataclasses import dataclass

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.hindrance import Hindrance
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws


@dataclass(slots=True)
class _Silent:
    """Keeps requests from the device, or its answers from the master."""

    unheard: bool
    share_frac: float
    draw: Draws

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return (None, None) if self.unheard and self._grips() else (message, None)

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return None if not self.unheard and self._grips() else message

    def _grips(self) -> bool:
        return self.draw() < self.share_frac


def _silent(mode: str, parameters: Share, key: int) -> _Silent:
    return _Silent(mode == "unheard", parameters.share_frac, Draws(key, "silence"))


SILENCE = ProtocolFault(
    kind="silence",
    title="Connections stand, and requests never reach the device, or it does what they ask and what it says is lost",
    parameters=Share,
    modes=("unheard", "unanswered"),
    protocols=("modbus", "iec104", "iec101", "dnp3"),
    filter=_silent,
    polled=lambda mode, p: Hindrance(p.share_frac, unanswered=True),
    example={"share_frac": 0.5},
)
