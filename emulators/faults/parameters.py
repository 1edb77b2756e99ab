"""What many kinds of fault are told: nothing, or a share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Nothing(BaseModel):
    """Nothing to choose beside the mode."""

    model_config = ConfigDict(extra="forbid")


class Share(BaseModel):
    """How often."""

    model_config = ConfigDict(extra="forbid")

    share_frac: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="Share that it grips of all that can be wrong in this way, drawn by the seed",
    )
