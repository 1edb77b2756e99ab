"""Silence: the device is there, its connections stand, and messages are lost on one side of its application."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.links.channels import Draws


class Silence(BaseModel):
    """How often."""

    model_config = ConfigDict(extra="forbid")

    share_frac: float = Field(
        1.0, gt=0.0, le=1.0, allow_inf_nan=False, description="Share of the messages that is lost, drawn by the seed"
    )


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


def _silent(mode: str, parameters: Silence, key: int) -> _Silent:
    return _Silent(mode == "unheard", parameters.share_frac, Draws(key, "silence"))


SILENCE = ProtocolFault(
    kind="silence",
    title="Connections stand, and requests never reach the device, or it does what they ask and what it says is lost",
    parameters=Silence,
    modes=("unheard", "unanswered"),
    protocols=("modbus", "iec104", "dnp3"),
    filter=_silent,
    example={"share_frac": 0.5},
)
