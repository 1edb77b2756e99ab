"""Faults of what a device does with power: it trips, cannot do all it is rated for, gets too hot, its switch sticks."""

from __future__ import annotations

from pydantic import Field

from pilotfarm.emulators.contracts.fault import DeviceFault
from pilotfarm.emulators.faults.device_parts import Noticed, OfPart, noticed, part


class Derating(Noticed):
    """How much of its power a device lacks."""

    share_frac: float = Field(
        gt=0.0, le=1.0, allow_inf_nan=False, description="Share of its rated power that it cannot draw nor deliver"
    )


class OverTemperature(OfPart):
    """How hot it gets."""

    rise_k: float = Field(
        gt=0.0, le=200.0, allow_inf_nan=False, description="By how much it is warmer than its losses make it [K]"
    )


def _trips(mode: str, parameters: OfPart) -> dict[str, float]:
    return {"trip_forced" if mode == "trip" else "lock_out_forced": 1.0}


def _derates(mode: str, parameters: Derating) -> dict[str, float]:
    return noticed(parameters, derated_frac=parameters.share_frac)


def _heats(mode: str, parameters: OverTemperature) -> dict[str, float]:
    return {"overheat_k": parameters.rise_k}


def _sticks(mode: str, parameters: Noticed) -> dict[str, float]:
    return noticed(parameters, **{"switch_welded" if mode == "welded" else "switch_blocked": 1.0})


TRIP = DeviceFault(
    kind="trip",
    title="The device trips: it is back when the fault is over (`trip`), or once it is reset after that (`lock-out`)",
    parameters=OfPart,
    modes=("trip", "lock-out"),
    sets=_trips,
    part=part,
)

DERATING = DeviceFault(
    kind="derating",
    title="The device can draw and deliver no more than a share of its rated power",
    parameters=Derating,
    sets=_derates,
    part=part,
    example={"share_frac": 0.5},
)

OVER_TEMPERATURE = DeviceFault(
    kind="over-temperature",
    title="The hottest cells of a storage or the cabinet of a PV inverter get too warm: it derates with an alarm, and "
    "a storage trips at last",
    parameters=OverTemperature,
    sets=_heats,
    part=part,
    example={"rise_k": 35.0},
)

CONTACTOR_STUCK = DeviceFault(
    kind="contactor-stuck",
    title="The switch at the connection point no longer opens once it is closed, or no longer closes once it is open",
    parameters=Noticed,
    modes=("welded", "open"),
    sets=_sticks,
    part=part,
)
