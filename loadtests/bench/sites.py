"""The site files the benchmarks use, so that anyone can bring one up by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from pilotfarm import profiles
from pilotfarm.profiles.media import NAMES

_HEAD = """\
name: {name}
title: {title}
location: {{latitude_deg: 35.9, longitude_deg: 14.4, altitude_m: 50, time_zone: Europe/Malta}}
start: 2026-06-21T10:00:00
seed: 1
step_s: 1
feeders:
  lv: {{}}
groups:
"""

_MIX: Final = {"ev_charger": 0.15, "battery": 0.15, "pv_generator": 0.20, "smart_meter": 0.40, "prosumer": 0.10}


def _head(name: str, title: str) -> str:
    return _HEAD.format(name=name, title=title)


def _one_kind(name: str, title: str, devices: int, kind: str, endpoints: str, stations: str = "") -> str:
    group = f"  devices:\n    kind: {kind}\n    count: {devices}\n    feeder: lv\n    endpoints: [{endpoints}]\n"
    return _head(f"{name}-{devices}", f"{devices} {title}") + group + stations


def modbus(devices: int) -> str:
    """Smart meters, each on its own loopback address counted up from the first, all on one port."""
    endpoint = "{protocol: modbus, ip: 127.16.0.1, port: 1502}"
    return _one_kind("modbus", "smart meters, each with its own address", devices, "smart_meter", endpoint)


def serial(devices: int) -> str:
    """Smart meters, each over Modbus TCP, RTU over TCP, and on one bus that is a pseudo-terminal."""
    endpoints = (
        "{protocol: modbus, ip: 127.112.0.1, port: 1502}",
        "{protocol: modbus, ip: 127.112.0.1, port: 1503, options: {framing: rtu}}",
        "{protocol: modbus, pty: bus, baud_rate: 115200}",
    )
    return _one_kind("serial", "smart meters over TCP and on a bus", devices, "smart_meter", ", ".join(endpoints))


def bare(devices: int) -> str:
    """The same meters without endpoints: the cost of the physics alone."""
    return _one_kind("bare", "smart meters nobody can reach", devices, "smart_meter", "")


def dnp3(devices: int) -> str:
    """Batteries, each a DNP3 outstation on its own loopback address."""
    endpoint = "{protocol: dnp3, ip: 127.32.0.1, port: 20000}"
    return _one_kind("dnp3", "batteries as DNP3 outstations", devices, "battery", endpoint)


def iec104(devices: int) -> str:
    """Batteries, each with an IEC 60870-5-104 server of its own."""
    endpoint = "{protocol: iec104, ip: 127.48.0.1, port: 2404}"
    return _one_kind("iec104", "batteries, each its own IEC 104 server", devices, "battery", endpoint)


def rtu(devices: int) -> str:
    """Batteries behind one RTU, a common address each."""
    station = "stations:\n  rtu: {protocol: iec104, host: 127.64.0.1, port: 2404}\n"
    endpoint = "{protocol: iec104, station: rtu}"
    return _one_kind("rtu", "batteries behind one RTU", devices, "battery", endpoint, station)


def plain(devices: int) -> str:
    """All five kinds with no endpoint: what the physics of each costs."""
    text = _head(f"plain-{devices}", f"{devices} devices of all five kinds nobody can reach")
    for kind, share in _MIX.items():
        text += (
            f"  {kind}s:\n    kind: {kind}\n    count: {round(devices * share)}\n    feeder: lv\n    endpoints: []\n"
        )
    return text


def mixed(devices: int) -> str:
    """All five kinds, every device served over Modbus, IEC 104 (through one RTU) and DNP3."""
    text = _head(f"mixed-{devices}", f"{devices} devices of all five kinds over three protocols")
    for octet, (kind, share) in enumerate(_MIX.items()):
        text += (
            f"  {kind}s:\n    kind: {kind}\n    count: {round(devices * share)}\n    feeder: lv\n    endpoints:\n"
            f"      - {{protocol: modbus, ip: 127.{80 + octet}.0.1, port: 1502}}\n"
            f"      - {{protocol: dnp3, ip: 127.{80 + octet}.0.1, port: 20000}}\n"
            "      - {protocol: iec104, station: rtu}\n"
        )
    return text + "stations:\n  rtu: {protocol: iec104, host: 127.79.0.1, port: 2404}\n"


def busy_norway() -> str:
    """The built-in site norway, with room for many masters at each Modbus device."""
    text = profiles.site("norway").read_text(encoding="utf-8")
    return text.replace("{protocol: modbus", "{protocol: modbus, options: {max_connections: 1000}")


def media(devices: int) -> str:
    """Smart meters over every medium, and as many over none; no two in a cell."""
    each = devices // len(NAMES)
    text = _head(f"media-{devices}", f"{each} smart meters over each medium")
    for octet, name in enumerate(NAMES):
        text += (
            f"  {name}:\n    kind: smart_meter\n    count: {each}\n    feeder: lv\n    endpoints:\n"
            f"      - {{protocol: modbus, ip: 127.{96 + octet}.0.1, port: 1502, medium: {name}}}\n"
        )
    return text


SITES: Final[Mapping[str, Callable[[], str]]] = {
    **{f"modbus-{n}": partial(modbus, n) for n in (1_000, 10_000)},
    **{f"bare-{n}": partial(bare, n) for n in (1_000, 10_000)},
    **{f"mixed-{n}": partial(mixed, n) for n in (100, 1_000, 10_000, 50_000)},
    **{f"plain-{n}": partial(plain, n) for n in (1_000, 10_000, 100_000)},
    "dnp3-5000": partial(dnp3, 5_000),
    "iec104-1000": partial(iec104, 1_000),
    "rtu-500": partial(rtu, 500),
    "serial-1": partial(serial, 1),
    "media-240": partial(media, 240),
}
"""Name of a benchmark's site -> its site file."""
