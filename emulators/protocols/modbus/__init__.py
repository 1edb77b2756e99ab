"""Modbus TCP: one engine a connection, over one row of bytes a device.

Sources: MODBUS Application Protocol Specification V1.1b3 ("AP") and MODBUS Messaging on TCP/IP
Implementation Guide V1.0b ("TCP").

The fast path, function codes 3 and 4, is ours: a whole request is found in the packet, its registers
are a slice of the device's row. Every other function goes through pymodbus's message classes (``functions``).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.protocols.modbus.engine import ModbusEngine, ModbusStation
from pilotfarm.emulators.protocols.modbus.table import ModbusTable

__all__ = ["PROTOCOL", "ModbusEngine", "ModbusOptions", "ModbusStation", "ModbusTable"]


class ModbusOptions(BaseModel):
    """What a site file may say of a Modbus TCP listener."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(16, ge=1, le=1000, description="Connections at a time; further ones are closed")
    idle_timeout_s: float = Field(
        0.0, ge=0.0, le=86_400.0, allow_inf_nan=False, description="Silence after which a connection closes; 0 is never"
    )


def _station(seats: Any, options: Any) -> ModbusStation:
    assert isinstance(options, ModbusOptions)
    return ModbusStation(seats, options.max_connections, options.idle_timeout_s)


PROTOCOL = ProtocolSpec(
    name="modbus",
    title="Modbus TCP",
    default_port=1502,
    address_name="unit",
    options_model=ModbusOptions,
    address_range=(1, 247),
    spontaneous=False,
    table=ModbusTable,
    station=_station,
)
