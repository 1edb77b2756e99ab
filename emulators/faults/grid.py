"""Grid faults: the grid the devices stand on fails, and their physics answers it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import Disturbance, GridFault

LOST_MAX_W = 1e11


class Outage(BaseModel):
    """Nothing to choose beside the mode."""

    model_config = ConfigDict(extra="forbid")


class GenerationLoss(BaseModel):
    """How much the area loses; its frequency controls bring it back."""

    model_config = ConfigDict(extra="forbid")

    power_w: float = Field(
        ge=-LOST_MAX_W,
        le=LOST_MAX_W,
        allow_inf_nan=False,
        description="Generation that trips [W]; minus is load. The whole of Continental Europe is built for 3e9",
    )


def _outage(mode: str, parameters: Outage) -> Disturbance:
    return Disturbance(opens=mode)


def _generation_loss(mode: str, parameters: GenerationLoss) -> Disturbance:
    return Disturbance(lost_generation_w=parameters.power_w)


OUTAGE = GridFault(
    kind="outage",
    title="The feeders of the targeted devices, or their branches only, have no supply; devices stay in contact",
    parameters=Outage,
    modes=("feeder", "branch"),
    disturbance=_outage,
)

GENERATION_LOSS = GridFault(
    kind="generation-loss",
    title="A power station of the synchronous area trips: the frequency falls, and its controls bring it back",
    parameters=GenerationLoss,
    disturbance=_generation_loss,
    everywhere=True,
    example={"power_w": 3e9},
)
