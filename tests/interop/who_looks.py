"""The clients that look: pymodbus here, c104 and opendnp3 each in a process of its own."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from answering import Child
from faults_met import CELLAR, DEVICES, PROTOCOLS, STATIONS, WRITES
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from running_farm import RunningFarm, Way
from stranger import FORMATS
from what_is_seen import SOON_S, Point, Said, Seen

FLAGS: Final = {0x04: "communication lost", 0x10: "forced", 0x20: "over range"}
ONLINE, REFERENCE_ERR = 0x01, 0x40
"""Flags of an input (IEEE 1815-2012, 11.6); of an analog one the last."""
UNKNOWN: Final = {"int16": -0x8000, "uint16": 0xFFFF, "int32": -0x80000000, "uint32": 0xFFFFFFFF}
"""What SunSpec has in place of a value."""
SERIAL: Final = slice(52, 68)
"""Registers of the serial number in SunSpec's common model."""


def within(row: Mapping[str, Any]) -> float:
    """Half of the last digit, a whole one of a counter of IEC 104, which has floating point for all else."""
    if row["protocol"] == "iec104":
        return 1.0 if row["data_type"].startswith("M_IT") else 0.001
    return 0.51 * abs(float(row["scale"]))


def places(site: RunningFarm, device: str, protocol: str) -> dict[str, Mapping[str, Any]]:
    """Where each quantity can be read as it is."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in site.points(device, protocol):
        kind = row["data_type"]
        as_it_is = "(" not in kind or protocol == "iec104"
        if protocol == "modbus":
            as_it_is &= row["object"] == "holding register" and kind.split()[0] in FORMATS
        if "r" in row["access"] and as_it_is:
            found.setdefault(row["quantity"], row)
    return found


def way_to(site: RunningFarm, device: str, protocol: str) -> Way:
    """The only one there is."""
    station = STATIONS.get(protocol) if device == CELLAR else None
    return site.ways(protocol, station=station)[device]


def size(row: Mapping[str, Any]) -> int:
    """How many registers a value takes."""
    return struct.calcsize(FORMATS[row["data_type"].split()[0]]) // 2


def point(row: Mapping[str, Any], registers: Sequence[int]) -> Point:
    kind = row["data_type"].split()[0]
    (raw,) = struct.unpack(FORMATS[kind], struct.pack(f">{len(registers)}H", *registers))
    if raw == UNKNOWN.get(kind):
        return Point(math.nan, frozenset({"not implemented"}), 0.0)
    raw = raw >> row["bit"] & 1 if row["bit"] is not None else raw
    return Point(raw * row["scale"], frozenset(), within(row))


class Pymodbus:
    """One connection to a device; another for each row, with the patience it needs."""

    def __init__(self, way: Way, places: Mapping[str, Mapping[str, Any]], patience_s: float = SOON_S) -> None:
        self.way, self.places = way, places
        self.client = ModbusTcpClient(self.way.host, port=self.way.port, timeout=patience_s, retries=0)

    def __enter__(self) -> Pymodbus:
        assert self.client.connect()
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def look(self, of: Sequence[str], write: float | None = None) -> Seen:
        began_s = monotonic()
        ended, first = self.read(40_000, 100)
        took_s = monotonic() - began_s
        points = {}
        for name in of if ended == "answered" else ():
            ended, registers = self.read(self.places[name]["number"], size(self.places[name]))
            if ended != "answered":
                break
            points[name] = point(self.places[name], registers)
        more = {"serial": first[SERIAL], "registers": first}
        wrote = None if write is None else self.write(self.places[WRITES["modbus"]], write)
        return Seen(ended, took_s, points, wrote=wrote, more=more)

    def read(self, address: int, count: int) -> tuple[str, list[int]]:
        try:
            answer = self.client.read_holding_registers(address, count=count, device_id=self.way.address)
        except (ConnectionException, ConnectionError):
            return "cut", []
        except ModbusException:
            return "nothing", []
        return (f"exception {answer.exception_code}" if answer.isError() else "answered"), answer.registers

    def write(self, row: Mapping[str, Any], value: float) -> str:
        try:
            answer = self.client.write_register(row["number"], round(value / row["scale"]), device_id=self.way.address)
        except ModbusException:
            return "nothing"
        return f"exception {answer.exception_code}" if answer.isError() else "confirmed"

    def anew(self, patience_s: float) -> str:
        with ModbusTcpClient(self.way.host, port=self.way.port, timeout=patience_s, retries=0) as client:
            try:
                return (
                    "nothing"
                    if client.read_holding_registers(40_000, count=2, device_id=self.way.address).isError()
                    else "answered"
                )
            except (ModbusException, ConnectionError):
                return "nothing"


class Clients:
    """One client of each protocol for each device. c104 and opendnp3 are processes of their own, and stand."""

    def __init__(self, site: RunningFarm) -> None:
        self.site = site
        self.children = {"iec104": Child("c104_looks.py"), "dnp3": Child("opendnp3_looks.py")}
        self.reached = {
            (device, protocol): (way_to(site, device, protocol), places(site, device, protocol))
            for device in DEVICES
            for protocol in PROTOCOLS
        }

    def pymodbus(self, device: str, patience_s: float = SOON_S) -> Pymodbus:
        return Pymodbus(*self.reached[device, "modbus"], patience_s)

    def look(
        self,
        device: str,
        pymodbus: Pymodbus,
        of: Sequence[str],
        words: Mapping[str, Said],
        write: Mapping[str, float] | None = None,
        *,
        stop: bool = False,
        fresh: bool = False,
        link: str = "",
    ) -> dict[str, Seen]:
        """Let all look at once."""
        written = write or {}
        for protocol, child in self.children.items():
            (way, _), word = self.reached[device, protocol], words[protocol]
            asked: dict[str, Any] = {"host": way.host, "port": way.port, "address": way.address}
            asked |= {"patience_s": word.patience_s, "ends_s": word.ends_s, "anew": word.anew_s}
            asked["write"] = written.get(protocol)
            if protocol == "iec104":
                asked |= {"stop": stop, "fresh": fresh, "counters": any(name.startswith("energy") for name in of)}
            else:
                asked["link"] = link
            child.ask(**asked)
        try:
            seen = pymodbus.look(of, written.get("modbus"))
            if (anew_s := words["modbus"].anew_s) is not None:
                seen = replace(seen, anew=pymodbus.anew(anew_s))
        finally:
            said = {protocol: child.answer() for protocol, child in self.children.items()}
        others = {protocol: self.told(self.reached[device, protocol][1], said[protocol]) for protocol in said}
        return {"modbus": seen, **others}

    def told(self, rows: Mapping[str, Mapping[str, Any]], said: dict[str, Any]) -> Seen:
        """What a child has seen, by quantity and in its unit."""
        points, by_address = {}, {row["address"]: (name, row) for name, row in rows.items()}
        for address, (value, marks) in said["points"].items():
            if address in by_address:
                name, row = by_address[address]
                said_of_it = frozenset(flagged(marks, address) if isinstance(marks, int) else marks)
                points[name] = Point(value * row["scale"], said_of_it, within(row))
        news = [
            (by_address[address][0], value * by_address[address][1]["scale"], when(at))
            for address, value, at in said["news"]
            if address in by_address
        ]
        return Seen(said["ended"], said["took_s"], points, news, said.get("wrote"), said.get("anew"), said)

    def end(self) -> None:
        for child in self.children.values():
            child.end()


def flagged(flags: int, address: str) -> Iterator[str]:
    if not flags & ONLINE:
        yield "not online"
    if address.startswith("AI") and flags & REFERENCE_ERR:
        yield "reference error"
    yield from (name for bit, name in FLAGS.items() if flags & bit)


def when(at: str | float | None) -> datetime | None:
    """A time tag: c104 tells it as ISO 8601 without a zone, opendnp3 in milliseconds."""
    if at is None:
        return None
    return (
        datetime.fromtimestamp(at / 1000.0, UTC)
        if isinstance(at, int | float)
        else datetime.fromisoformat(at).replace(tzinfo=UTC)
    )


# ------------------------------------------------------------------------------------------ the tests
