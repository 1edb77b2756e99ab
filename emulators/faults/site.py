"""Faults of a whole site: what several devices have in common fails, and all of them come back afterwards.

Each is a fault of admission or of devices, aimed at what they share: a cell or a firmware, which labels say, or a
station. How fast they come back is for the request to say (``spread_s``).
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.fault import Away, DeviceFault
from pilotfarm.emulators.faults.device import OFFLINE
from pilotfarm.emulators.faults.device_restart import RESTART, Restart, away

CELL_DOWN = replace(
    OFFLINE,
    kind="cell-down",
    title="A cell of the mobile network is down, or what else a label names: nobody behind it answers, and those who "
    "were connected learn of it when it is back",
    modes=("silent", "refuse", "cut"),
    needs=("label",),
)

RTU_DOWN = replace(
    OFFLINE,
    kind="rtu-down",
    title="An RTU or a gateway is down, and with it the way to all devices behind it",
    needs=("station",),
    stops=True,
)


class GatewayRestart(BaseModel):
    """How long it takes."""

    model_config = ConfigDict(extra="forbid")

    down_s: float = Field(
        60.0, gt=0.0, le=86_400.0, allow_inf_nan=False, description="How long it is down, in site time [s]"
    )


def _down(mode: str, parameters: GatewayRestart, elapsed_s: Floats) -> Away:
    return away(elapsed_s, parameters.down_s, None)


def _once(mode: str, parameters: GatewayRestart) -> float:
    return parameters.down_s


GATEWAY_RESTART = DeviceFault(
    kind="gateway-restart",
    title="A gateway or an RTU restarts: it is down for a while, and begins anew; the devices behind it go on",
    parameters=GatewayRestart,
    away=_down,
    lasts_s=_once,
    needs=("station",),
    example={"down_s": 30.0},
)


class BadFirmware(Restart):
    """How often devices fail, and for how long."""

    every_s: float | None = Field(
        120.0, gt=0.0, le=604_800.0, allow_inf_nan=False, description="From one restart to the next [s]"
    )


FIRMWARE_BAD = replace(
    RESTART,
    kind="firmware-bad",
    title="A batch of firmware is bad: the devices that carry its label restart again and again",
    parameters=BadFirmware,
    needs=("label",),
    example={"down_s": 5.0, "every_s": 20.0},
)
