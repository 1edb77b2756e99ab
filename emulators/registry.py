"""The tables that name every plug-in; a new one is one file and one line here.

A name leads to ``"module:attribute"`` and is imported when it is first asked for, so a plug-in
that is not used costs nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final

from emulators.contracts import DeviceSpec, FaultSpec, MapSpec, ProtocolSpec

DEVICES: Final = {
    "ev_charger": "emulators.devices.ev_charger:DEVICE",
    "battery": "emulators.devices.battery:DEVICE",
    "pv_generator": "emulators.devices.pv_generator:DEVICE",
    "smart_meter": "emulators.devices.smart_meter:DEVICE",
    "prosumer": "emulators.devices.prosumer:DEVICE",
}

PROTOCOLS: Final = {
    "modbus": "emulators.protocols.modbus:PROTOCOL",
    "iec104": "emulators.protocols.iec104:PROTOCOL",
    "dnp3": "emulators.protocols.dnp3:PROTOCOL",
}

# The first map of a protocol that serves a kind is that kind's default.
MAPS: Final = {
    "sunspec": "emulators.maps.sunspec:MAP",
    "charx": "emulators.maps.charx:MAP",
    "prosumer": "emulators.maps.prosumer:MAP",
    "iec104": "emulators.maps.iec104:MAP",
    "mesa-der": "emulators.maps.mesa_der:MAP",
}

FAULTS: Final = {
    "offline": "emulators.faults.device:OFFLINE",
    "stuck": "emulators.faults.measurement:STUCK",
    "bias": "emulators.faults.measurement:BIAS",
    "modbus-exception": "emulators.faults.protocol:MODBUS_EXCEPTION",
    "outage": "emulators.faults.grid:OUTAGE",
    "generation-loss": "emulators.faults.grid:GENERATION_LOSS",
}


@cache
def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def device(kind: str) -> DeviceSpec:
    """Return a device kind; ``KeyError`` if none is registered under that name."""
    spec: DeviceSpec = _load(DEVICES[kind])
    return spec


def protocol(name: str) -> ProtocolSpec:
    """Return a protocol; ``KeyError`` if none is registered under that name."""
    spec: ProtocolSpec = _load(PROTOCOLS[name])
    return spec


def point_map(name: str) -> MapSpec:
    """Return a map; ``KeyError`` if none is registered under that name."""
    spec: MapSpec = _load(MAPS[name])
    return spec


def fault(kind: str) -> FaultSpec:
    """Return a fault kind; ``KeyError`` if none is registered under that name."""
    spec: FaultSpec = _load(FAULTS[kind])
    return spec


def maps_for(protocol_name: str, kind: str) -> list[MapSpec]:
    """Every map of a protocol that serves a device kind, the default first."""
    specs = map(point_map, MAPS)
    return [spec for spec in specs if spec.protocol == protocol_name and kind in spec.kinds]
