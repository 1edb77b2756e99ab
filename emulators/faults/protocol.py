"""Protocol faults: the device is there and answers, but not as its master hopes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault


class ModbusException(BaseModel):
    """Every request is answered with one exception."""

    model_config = ConfigDict(extra="forbid")

    code: int = Field(
        4,
        ge=1,
        le=11,
        description="Exception code; 4 is server device failure, 6 busy (MODBUS Application Protocol V1.1b3, 7)",
    )


@dataclass(frozen=True, slots=True)
class _Refusing:
    """Answers every request with the exception of its function, and asks nobody."""

    code: int

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return None, bytes((message[0] | 0x80, self.code))

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


def _refusing(mode: str, parameters: ModbusException, key: int) -> _Refusing:
    return _Refusing(parameters.code)


MODBUS_EXCEPTION = ProtocolFault(
    kind="modbus-exception",
    title="Every Modbus request is answered with an exception",
    parameters=ModbusException,
    protocols=("modbus",),
    filter=_refusing,
    example={"code": 6},
)
