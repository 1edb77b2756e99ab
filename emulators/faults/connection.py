"""Faults of connections: nobody new is let in, those that stand are reset, or the device has forgotten them.

They run on wall time, as protocols do, whatever the speed of the site.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from pilotfarm.emulators.contracts.fault import AdmissionFault, LinkFault
from pilotfarm.emulators.contracts.way import Admission, Engine, Link
from pilotfarm.emulators.faults.parameters import Nothing, Share
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.severing import Ending, Forgotten
from pilotfarm.emulators.links.through import Through

WAIT_MAX_S: Final = 86_400.0

# ------------------------------------------------------------------------------------------ refused


_ADMITS: Final = {"refuse": Admission.REFUSE_NEW, "reset": Admission.RESET_NEW}


def _admits(mode: str, parameters: Nothing) -> Admission:
    return _ADMITS[mode]


REFUSED = AdmissionFault(
    kind="refused",
    title="New connections are refused, or taken and reset at once; those that stand stay",
    parameters=Nothing,
    modes=tuple(_ADMITS),
    admits=_admits,
)

# -------------------------------------------------------------------------------------------- reset


class Ends(Share):
    """When connections end."""

    after_s: float | None = Field(
        None,
        ge=0.0,
        le=WAIT_MAX_S,
        allow_inf_nan=False,
        description="How long each lasts, from the fault's begin or its own, in wall time [s]",
    )
    after_octets: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="How much each is sent before it ends, which may be amid an answer [octets]",
    )


def _at_once(mode: str, parameters: Ends) -> bool:
    """Without a time or a size, those that stand end and those that come do not."""
    return parameters.after_s is None and parameters.after_octets is None


def _ending(engine: Engine, mode: str, parameters: Ends, key: int, now_s: float) -> Link:
    if not _gripped(parameters, key):
        return Through(engine)
    after_s = 0.0 if _at_once(mode, parameters) else parameters.after_s
    due_s = None if after_s is None else now_s + after_s
    link = Ending(engine, due_s, parameters.after_octets, reset=mode == "reset")
    link.advance(now_s)
    return link


def _gripped(parameters: Share, key: int) -> bool:
    return Draws(key, "connection")() < parameters.share_frac


RESET = LinkFault(
    kind="reset",
    title="Connections are reset, or closed: those that stand once, or each after a time or so many octets",
    parameters=Ends,
    modes=("reset", "close"),
    wrap=_ending,
    spares=_at_once,
    example={"after_s": 30.0},
)

# ---------------------------------------------------------------------------------------- half-open


class HalfOpen(Share):
    """Whether a master ever learns of it."""

    reset_after_s: float | None = Field(
        None,
        ge=0.0,
        le=WAIT_MAX_S,
        allow_inf_nan=False,
        description="How long after its master's next octets each is reset, in wall time [s]; never if left out",
    )


def _half_open(engine: Engine, mode: str, parameters: HalfOpen, key: int, now_s: float) -> Link:
    return Forgotten(engine, parameters.reset_after_s, now_s) if _gripped(parameters, key) else Through(engine)


def _spares_new(mode: str, parameters: HalfOpen) -> bool:
    return True


HALF_OPEN = LinkFault(
    kind="half-open",
    title="The device forgets the connections that stand, as after a power cut, and their masters are not told",
    parameters=HalfOpen,
    wrap=_half_open,
    spares=_spares_new,
    example={"reset_after_s": 5.0},
)
