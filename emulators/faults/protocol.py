"""Protocol faults: the device is there and answers, but not as its master hopes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import FaultSpec


class ModbusException(BaseModel):
    """Every request is answered with one exception."""

    model_config = ConfigDict(extra="forbid")

    code: int = Field(
        4,
        ge=1,
        le=11,
        description="Exception code; 4 is server device failure, 6 busy (MODBUS Application Protocol V1.1b3, 7)",
    )


def _modbus_exception(mode: str, parameters: ModbusException) -> tuple[str, float]:
    return "modbus_exception", float(parameters.code)


MODBUS_EXCEPTION = FaultSpec(
    kind="modbus-exception",
    family="protocol",
    title="Every Modbus request is answered with an exception",
    parameters=ModbusException,
    condition=_modbus_exception,
    protocols=("modbus",),
    example={"code": 6},
)
