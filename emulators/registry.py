"""The tables that name every plug-in; a new one is one file and one line here.

A name leads to ``"module:attribute"`` and is imported when it is first asked for, so a plug-in
that is not used costs nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.fault import FaultSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, ProtocolSpec
from pilotfarm.emulators.plans.own_list import OwnList

DEVICES: Final = {
    "ev_charger": "pilotfarm.emulators.devices.ev_charger:DEVICE",
    "battery": "pilotfarm.emulators.devices.battery:DEVICE",
    "pv_generator": "pilotfarm.emulators.devices.pv_generator:DEVICE",
    "smart_meter": "pilotfarm.emulators.devices.smart_meter:DEVICE",
    "prosumer": "pilotfarm.emulators.devices.prosumer:DEVICE",
}

PROTOCOLS: Final = {
    "modbus": "pilotfarm.emulators.protocols.modbus:PROTOCOL",
    "iec104": "pilotfarm.emulators.protocols.iec104:PROTOCOL",
    "iec101": "pilotfarm.emulators.protocols.iec101:PROTOCOL",
    "dnp3": "pilotfarm.emulators.protocols.dnp3:PROTOCOL",
}

# The first map of a protocol that fits a kind is that kind's default, so those that fit few come first, and those of
# one product, which show a part of a device, last.
MAPS: Final = {
    "prosumer": "pilotfarm.emulators.maps.prosumer:MAP",
    "charx": "pilotfarm.emulators.maps.charx:MAP",
    "sunspec": "pilotfarm.emulators.maps.sunspec:MAP",
    "alfen": "pilotfarm.emulators.maps.alfen:MAP",
    "keba": "pilotfarm.emulators.maps.keba:MAP",
    "sdm630": "pilotfarm.emulators.maps.sdm630:MAP",
    "iec104": "pilotfarm.emulators.maps.iec104:MAP",
    "iec101": "pilotfarm.emulators.maps.iec101:MAP",
    "mesa-der": "pilotfarm.emulators.maps.mesa_der:MAP",
}

# How a protocol serves a station's own list of points, in place of a map.
OWN_LISTS: Final = {
    "modbus": "pilotfarm.emulators.maps.own_registers:OWN_LIST",
    "iec104": "pilotfarm.emulators.maps.iec104.own_objects:OWN_LIST_104",
    "iec101": "pilotfarm.emulators.maps.iec104.own_objects:OWN_LIST_101",
    "dnp3": "pilotfarm.emulators.maps.mesa_der.own_points:OWN_LIST",
}

FAULTS: Final = {
    "offline": "pilotfarm.emulators.faults.device:OFFLINE",
    "restart": "pilotfarm.emulators.faults.device_restart:RESTART",
    "exchanged": "pilotfarm.emulators.faults.device_restart:EXCHANGED",
    "trip": "pilotfarm.emulators.faults.device_power:TRIP",
    "derating": "pilotfarm.emulators.faults.device_power:DERATING",
    "over-temperature": "pilotfarm.emulators.faults.device_power:OVER_TEMPERATURE",
    "contactor-stuck": "pilotfarm.emulators.faults.device_power:CONTACTOR_STUCK",
    "sensor-lost": "pilotfarm.emulators.faults.device_sensor:SENSOR_LOST",
    "follows-none": "pilotfarm.emulators.faults.device_following:FOLLOWS_NONE",
    "follows-slowly": "pilotfarm.emulators.faults.device_following:FOLLOWS_SLOWLY",
    "identification-refused": "pilotfarm.emulators.faults.device_following:IDENTIFICATION_REFUSED",
    "tamper": "pilotfarm.emulators.faults.device_tamper:TAMPER",
    "cell-down": "pilotfarm.emulators.faults.site:CELL_DOWN",
    "rtu-down": "pilotfarm.emulators.faults.site:RTU_DOWN",
    "gateway-restart": "pilotfarm.emulators.faults.site:GATEWAY_RESTART",
    "firmware-bad": "pilotfarm.emulators.faults.site:FIRMWARE_BAD",
    "stuck": "pilotfarm.emulators.faults.measurement:STUCK",
    "bias": "pilotfarm.emulators.faults.measurement:BIAS",
    "noise": "pilotfarm.emulators.faults.measurement_drawn:NOISE",
    "drift": "pilotfarm.emulators.faults.measurement:DRIFT",
    "spike": "pilotfarm.emulators.faults.measurement_drawn:SPIKE",
    "quantised": "pilotfarm.emulators.faults.measurement:QUANTISED",
    "missing": "pilotfarm.emulators.faults.measurement:MISSING",
    "phase-missing": "pilotfarm.emulators.faults.measurement_phase:PHASE_MISSING",
    "phases-swapped": "pilotfarm.emulators.faults.measurement_phase:PHASES_SWAPPED",
    "sign-turned": "pilotfarm.emulators.faults.measurement:SIGN_TURNED",
    "out-of-range": "pilotfarm.emulators.faults.measurement:OUT_OF_RANGE",
    "quality": "pilotfarm.emulators.faults.measurement:QUALITY",
    "stale-time-tag": "pilotfarm.emulators.faults.measurement_time:STALE_TIME_TAG",
    "clock-drift": "pilotfarm.emulators.faults.clock:CLOCK_DRIFT",
    "clock-step": "pilotfarm.emulators.faults.clock:CLOCK_STEP",
    "clock-zone": "pilotfarm.emulators.faults.clock:CLOCK_ZONE",
    "latency": "pilotfarm.emulators.faults.link:LATENCY",
    "bandwidth": "pilotfarm.emulators.faults.link:BANDWIDTH",
    "loss": "pilotfarm.emulators.faults.link:LOSS",
    "flapping": "pilotfarm.emulators.faults.link:FLAPPING",
    "sliced": "pilotfarm.emulators.faults.link:SLICED",
    "blackhole": "pilotfarm.emulators.faults.link:BLACKHOLE",
    "refused": "pilotfarm.emulators.faults.connection:REFUSED",
    "reset": "pilotfarm.emulators.faults.connection:RESET",
    "half-open": "pilotfarm.emulators.faults.connection:HALF_OPEN",
    "silence": "pilotfarm.emulators.faults.silence:SILENCE",
    "modbus-exception": "pilotfarm.emulators.faults.modbus:MODBUS_EXCEPTION",
    "modbus-answer": "pilotfarm.emulators.faults.modbus:MODBUS_ANSWER",
    "modbus-late": "pilotfarm.emulators.faults.modbus_late:MODBUS_LATE",
    "iec104-command": "pilotfarm.emulators.faults.iec104_command:IEC104_COMMAND",
    "iec104-function": "pilotfarm.emulators.faults.iec104_link:IEC104_FUNCTION",
    "iec104-withheld": "pilotfarm.emulators.faults.iec104_link:IEC104_WITHHELD",
    "iec104-frame": "pilotfarm.emulators.faults.iec104_frame:IEC104_FRAME",
    "iec104-data": "pilotfarm.emulators.faults.iec104_data:IEC104_DATA",
    "iec104-time": "pilotfarm.emulators.faults.iec104_time:IEC104_TIME",
    "iec104-flood": "pilotfarm.emulators.faults.iec104_flood:IEC104_FLOOD",
    "dnp3-indication": "pilotfarm.emulators.faults.dnp3:DNP3_INDICATION",
    "dnp3-control": "pilotfarm.emulators.faults.dnp3:DNP3_CONTROL",
    "dnp3-confirmation": "pilotfarm.emulators.faults.dnp3:DNP3_CONFIRMATION",
    "dnp3-response": "pilotfarm.emulators.faults.dnp3_response:DNP3_RESPONSE",
    "dnp3-frame": "pilotfarm.emulators.faults.dnp3_frame:DNP3_FRAME",
    "dnp3-link": "pilotfarm.emulators.faults.dnp3_link:DNP3_LINK",
    "dnp3-overflow": "pilotfarm.emulators.faults.dnp3_events:DNP3_OVERFLOW",
    "dnp3-storm": "pilotfarm.emulators.faults.dnp3_events:DNP3_STORM",
    "outage": "pilotfarm.emulators.faults.grid:OUTAGE",
    "phase-loss": "pilotfarm.emulators.faults.grid:PHASE_LOSS",
    "voltage-sag": "pilotfarm.emulators.faults.grid:VOLTAGE_SAG",
    "voltage-swell": "pilotfarm.emulators.faults.grid:VOLTAGE_SWELL",
    "islanding": "pilotfarm.emulators.faults.grid:ISLANDING",
    "tap": "pilotfarm.emulators.faults.grid:TAP_MOVED",
    "weak-grid": "pilotfarm.emulators.faults.grid:WEAK_GRID",
    "generation-loss": "pilotfarm.emulators.faults.grid:GENERATION_LOSS",
    "frequency-offset": "pilotfarm.emulators.faults.grid:FREQUENCY_OFFSET",
    "weather": "pilotfarm.emulators.faults.overrides:WEATHER",
    "load": "pilotfarm.emulators.faults.overrides:LOAD",
    "medium": "pilotfarm.emulators.faults.overrides:MEDIUM",
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


def own_list(protocol_name: str) -> OwnList | None:
    """Return how a protocol serves a station's own list of points; ``None`` if it serves none."""
    served: OwnList | None = _load(OWN_LISTS[protocol_name]) if protocol_name in OWN_LISTS else None
    return served


def fault(kind: str) -> FaultSpec:
    """Return a fault kind; ``KeyError`` if none is registered under that name."""
    spec: FaultSpec = _load(FAULTS[kind])
    return spec


def maps_for(protocol_name: str, kind: str) -> list[MapSpec]:
    """Return every map of a protocol that serves a device kind, the default first."""
    spec = device(kind)
    return [each for each in map(point_map, MAPS) if each.protocol == protocol_name and each.fits(spec)]
