"""Every kind of fault over every protocol, met by a client nobody here wrote: pymodbus, c104 and opendnp3.

The table says what each sees when it looks once while the fault stands; afterwards each sees what it saw before.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pytest
from answering import Child
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from running_farm import RunningFarm, Way, brought_up
from stranger import FORMATS
from what_is_seen import SOON_S, WORDS, Case, Point, Said, Seen, came_back

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import (
    ClockFault,
    DeviceFault,
    FaultSpec,
    GridFault,
    LinkFault,
    ProtocolFault,
    acts_on,
    needed,
)

SITE: Final = """\
name: met
title: A battery and a meter on feeders of their own, each at its own addresses, and a meter behind stations
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
start: 2026-06-15T08:00:00
seed: 1
step_s: 1
feeders:
  street: {source_voltage_v: 233}
  lane: {source_voltage_v: 233}
groups:
  battery:
    kind: battery
    count: 1
    feeder: lane
    labels: {cell: north}
    endpoints: &everywhere
      - {protocol: modbus}
      - {protocol: iec104}
      - {protocol: dnp3, options: {masters: [1, 3], unsolicited: false}}
  meter:
    kind: smart_meter
    count: 1
    feeder: street
    endpoints: *everywhere
  cellar:
    kind: smart_meter
    count: 1
    feeder: street
    endpoints:
      - {protocol: modbus, station: gateway}
      - {protocol: iec104, station: rtu}
      - {protocol: dnp3}
stations:
  gateway: {protocol: modbus}
  rtu: {protocol: iec104}
"""
BATTERY, METER, CELLAR = "battery-001", "meter-001", "cellar-001"
STATIONS: Final = {"modbus": "gateway", "iec104": "rtu"}
"""Behind which the cellar's meter is; there is none of DNP3."""
USUAL: Final = {
    "active_power_setpoint_enabled": 1.0,
    "active_power_setpoint_w": 1_000.0,
    "reactive_power_setpoint_var": 0.0,
    "soc_min_frac": 0.1,
    "grid_switch": 1.0,
}
"""What the battery is told between rows."""
WRITES: Final = {
    "modbus": "soc_min_frac",
    "iec104": "reactive_power_setpoint_var",
    "dnp3": "active_power_setpoint_w",
}
"""What a client sets, so that none sets what another does."""
PROTOCOLS: Final = ("modbus", "iec104", "dnp3")
VOLTAGE: Final = ("voltage_l1_v",)


@dataclass(frozen=True)
class Row:
    """One kind of fault, and what a client of each protocol sees of it."""

    kind: str
    sees: str | tuple[str, str, str]
    """One word for all, or one each for Modbus, IEC 104 and DNP3."""
    mode: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Parameters with which it is certain to be seen."""
    device: str = BATTERY
    of: Sequence[str] = VOLTAGE
    """The quantities that are looked at; for a fault of measurement its target as well."""
    told: Sequence[Mapping[str, float]] = ({},)
    """What the device is told while the fault stands, one after the other, each followed by ``steps``."""
    steps: int = 1
    looks: int = 1
    """How often the clients look, the last time for the word."""
    later_s: float = 0.0
    """How late an answer is at least."""
    write: bool = False
    """Whether the clients write a set-point as well."""
    stop: bool = False
    """Whether c104 stops the transfer of data."""
    fresh: bool = False
    """Whether c104 connects anew, and knows nobody yet, for the looks before and during the fault."""
    link: str = ""
    """What opendnp3 says of its link when it has been idle for a while."""
    cut_at_end: bool = False
    """Whether a connection that goes on while the fault stands is cut when it ends."""
    shown_by: str = ""
    """Where no client can show it here, the test that does."""

    def __str__(self) -> str:
        return f"{self.kind} {self.mode}".strip()

    def words(self) -> dict[str, Said]:
        sees = (self.sees,) * 3 if isinstance(self.sees, str) else self.sees
        return {protocol: WORDS[word] for protocol, word in zip(PROTOCOLS, sees, strict=True)}

    def request(self) -> dict[str, Any]:
        spec = registry.fault(self.kind)
        everywhere = isinstance(spec, GridFault) and spec.everywhere
        target: dict[str, Any] = {} if everywhere else {"device": self.device}
        named = {"quantity": self.of[0], "label": "cell=north", "station": [*STATIONS.values()]}
        target |= {key: named[key] for key in needed(spec)}
        return {"kind": self.kind, "mode": self.mode or None, "target": target, "parameters": dict(self.given)}


ALFEN: Final = "interop/test_masters_and_clocks.py::test_pymodbus_reads_the_wrong_time_of_an_alfen"
"""The only map of Modbus with a clock."""
MOVES: Final = ({"active_power_setpoint_w": 1_500.0},)
POWER: Final = ("active_power_w",)

TABLE: Final = (
    # ---------------------------------------------------------------- the device itself
    Row("offline", "cut, none gets in", "refuse"),
    Row(
        "offline", ("cut, none gets in", "cut", "cut, none gets in"), "cut"
    ),  # c104 may crash where it is reset as it connects
    Row("offline", "no answer, none gets one", "silent"),
    Row("restart", "cut, none gets in", given={"down_s": 5.0}),
    Row(
        "exchanged",
        ("another, from 0", "from 0", "from 0"),
        steps=3,
        looks=2,
        cut_at_end=True,
        of=("energy_exported_wh",),
        given={"down_s": 1.0},
    ),
    Row("trip", "1", "trip", of=("fault_trip", "general_alarm")),
    Row("derating", "lower", of=POWER, steps=10, given={"share_frac": 0.9}),
    Row("over-temperature", "higher", of=("temperature_max_degc", "general_alarm"), given={"rise_k": 35.0}),
    Row(
        "contactor-stuck",
        "as told, not done",
        "welded",
        of=("grid_switch", "grid_switch_closed"),
        told=({"grid_switch": 0.0},),
        steps=3,
    ),
    Row("sensor-lost", ("not implemented", "IV", "not online"), of=("temperature_max_degc",)),
    Row("follows-none", "as told, not done", of=("active_power_setpoint_w", *POWER), told=({}, *MOVES), steps=10),
    Row(
        "follows-slowly",
        "on its way",
        of=("active_power_setpoint_w", *POWER),
        told=({}, *MOVES),
        steps=10,
        given={"time_s": 30.0},
    ),
    Row("identification-refused", "1", of=("identification_failed",)),
    # ---------------------------------------------------------------- a whole site
    Row("cell-down", "no answer, none gets one", "silent"),
    Row("rtu-down", ("cut, none gets in", "cut, none gets in", "as before"), "refuse", device=CELLAR),
    Row(
        "gateway-restart", ("cut, none gets in", "cut, none gets in", "as before"), device=CELLAR, given={"down_s": 5.0}
    ),
    Row("firmware-bad", "cut, none gets in", given={"down_s": 5.0}),
    # ---------------------------------------------------------------- measurements
    Row("stuck", "still", of=POWER, told=MOVES, steps=5),
    Row("bias", "off", given={"offset": 20.0}),
    Row("noise", "off", given={"std": 20.0}),
    Row("drift", "off", steps=3, given={"rate_per_h": 36_000.0}),
    Row("spike", "off", steps=3, given={"offset": 20.0, "spikes_per_h": 36_000.0, "lasts_s": 0.1}),
    Row("quantised", "off", given={"step": 100.0}),
    Row("missing", ("not implemented", "not a number, IV", "0, reference error")),
    Row(
        "missing",
        ("not implemented", "not a number, IV and NT", "0, reference error, lost"),
        given={"quality": "questionable"},
    ),
    Row("phase-missing", "0", "l1", of=("voltage_l1_v", "current_l1_a", "active_power_l1_w")),
    Row("phases-swapped", "swapped", "l1-l2", device=METER, of=("active_power_l1_w", "active_power_l2_w")),
    Row("sign-turned", "other sign", of=POWER),
    Row("out-of-range", ("end of range", "infinite, OV and IV", "over range")),
    Row("quality", ("not implemented", "IV", "not online"), "invalid"),
    Row("quality", ("not implemented", "NT", "communication lost"), "not-topical"),
    Row("quality", ("as before", "BL", "forced"), "blocked"),
    Row("quality", ("as before", "SB", "forced"), "substituted"),
    Row("quality", ("as before", "OV", "over range, online"), "overflow"),
    # ---------------------------------------------------------------- clocks
    Row("stale-time-tag", ("as before", "an hour behind", "an hour behind"), told=MOVES, given={"lag_s": 3_600.0}),
    Row(
        "clock-drift",
        ("as before", "ten seconds ahead", "ten seconds ahead"),
        told=(*({},) * 10, *MOVES),
        given={"drift_ppm": 1e6},
    ),
    Row(
        "clock-step",
        ("as before", "an hour ahead", "an hour ahead"),
        told=MOVES,
        given={"step_s": 3_600.0},
        shown_by=ALFEN,
    ),
    Row(
        "clock-zone",
        ("as before", "two hours ahead", "two hours ahead"),
        told=MOVES,
        given={"hours": 2.0},
        shown_by=ALFEN,
    ),
    # ---------------------------------------------------------------- links
    Row("latency", "later", later_s=0.1, given={"delay_s": 0.05}),
    Row("bandwidth", "later", later_s=0.015, given={"rate_bit_s": 100_000.0}),
    Row("loss", "no answer", given={"loss_frac": 1.0}),
    Row("flapping", "no answer", given={"up_s": 0.0001, "down_s": 3_600.0}),
    Row("sliced", "later", later_s=0.03, given={"piece_octets": 20, "gap_s": 0.003}),
    Row("blackhole", "no answer"),
    Row("refused", "goes on, none gets in", "refuse"),
    Row(
        "refused", ("goes on, none gets in", "as before", "goes on, none gets in"), "reset"
    ),  # c104 may crash where it is reset as it connects
    Row("reset", "cut, others get in", "reset"),
    Row("reset", "cut, others get in", "close"),
    Row("half-open", "no answer, another connection has"),
    # ---------------------------------------------------------------- protocols
    Row("silence", "no answer", "unheard"),
    Row("silence", "no answer", "unanswered"),
    Row("modbus-exception", ("exception 6", "as before", "as before"), given={"code": 6}),
    Row(
        "modbus-exception",
        ("exception 6, not done", "as before", "as before"),
        write=True,
        given={"code": 6, "of": "writes"},
    ),
    Row("modbus-answer", ("no answer", "as before", "as before"), "transaction"),
    Row("modbus-answer", ("no answer", "as before", "as before"), "function"),
    Row("modbus-answer", ("no answer", "as before", "as before"), "truncated"),
    Row("modbus-answer", ("ever other bits", "as before", "as before"), "corrupted", looks=2),
    Row("modbus-answer", ("as before", "as before", "as before"), "doubled"),
    Row("modbus-answer", ("cut", "as before", "as before"), "cut"),
    Row("modbus-late", ("no answer", "as before", "as before"), "late", given={"delay_s": 5.0}),
    Row("iec104-command", ("as before", "done, not confirmed", "as before"), "unconfirmed", write=True),
    Row("iec104-command", ("as before", "refused, not done", "as before"), "refused", write=True),
    Row("iec104-command", ("as before", "confirmed, not done", "as before"), "ineffective", write=True),
    Row("iec104-command", ("as before", "confirmed, done, not ended", "as before"), "unterminated", write=True),
    Row("iec104-command", ("as before", "done, requested", "as before"), "wrong-cause", write=True),
    Row("iec104-function", ("as before", "goes on, none starts", "as before"), "startdt"),
    Row("iec104-function", ("as before", "cannot be stopped", "as before"), "stopdt", stop=True),
    Row("iec104-withheld", ("as before", "not acknowledged", "as before"), "acknowledgements", looks=2),
    Row("iec104-frame", ("as before", "cut", "as before"), "send-number"),
    Row("iec104-frame", ("as before", "cut", "as before"), "receive-number"),
    Row("iec104-frame", ("as before", "no answer", "as before"), "lost"),
    Row("iec104-frame", ("as before", "cut", "as before"), "repeated"),
    Row("iec104-frame", ("as before", "ever other bits", "as before"), "corrupted", looks=2),
    Row("iec104-frame", ("as before", "cut", "as before"), "start-octet"),
    Row("iec104-frame", ("as before", "cut", "as before"), "truncated"),
    Row("iec104-frame", ("as before", "cut", "as before"), "cut"),
    Row("iec104-data", ("as before", "another station", "as before"), "common-address", fresh=True),
    Row("iec104-data", ("as before", "other objects", "as before"), "object-address"),
    Row("iec104-data", ("as before", "another type", "as before"), "type"),
    Row("iec104-data", ("as before", "no cause", "as before"), "cause"),
    Row("iec104-data", ("as before", "an object too many", "as before"), "count", fresh=True),
    Row("iec104-data", ("as before", "objects missing", "as before"), "truncated", fresh=True),
    Row("iec104-time", ("as before", "no time", "as before"), "missing", told=MOVES),
    Row("iec104-time", ("as before", "an hour ahead", "as before"), "offset", told=MOVES),
    Row("iec104-flood", ("as before", "a flood of changes", "as before"), "states"),
    Row("iec104-flood", ("as before", "a flood of changes", "as before"), "chattering"),
    Row("dnp3-indication", ("as before", "as before", "device trouble"), "device-trouble", looks=2),
    Row(
        "dnp3-control",
        ("as before", "as before", "not authorized, not done"),
        "operate",
        write=True,
        given={"status": 9},
    ),
    Row("dnp3-confirmation", ("as before", "as before", "the same changes again"), told=MOVES, looks=2),
    Row("dnp3-response", ("as before", "as before", "no answer"), "sequence"),
    Row("dnp3-response", ("as before", "as before", "bad response"), "object"),
    Row("dnp3-frame", ("as before", "as before", "no answer"), "header-crc"),
    Row("dnp3-frame", ("as before", "as before", "no answer"), "data-crc"),
    Row("dnp3-frame", ("as before", "as before", "as before"), "doubled"),
    Row("dnp3-frame", ("as before", "as before", "cut"), "cut"),
    Row("dnp3-link", ("as before", "as before", "its link says so"), "nack", link="SEC_NACK"),
    Row("dnp3-link", ("as before", "as before", "its link says so"), "not-supported", link="SEC_NOT_SUPPORTED"),
    Row("dnp3-overflow", ("as before", "as before", "events lost"), told=MOVES, looks=2, given={"events": 1}),
    Row("dnp3-storm", ("as before", "as before", "a flood of changes"), "chattering", given={"events_per_s": 200.0}),
    # ---------------------------------------------------------------- the grid
    Row("outage", "0", "feeder", device=METER),
    Row("phase-loss", "0", "feeder", device=METER, given={"phases": "l1"}),
    Row("voltage-sag", "60 %", device=METER, given={"voltage_pu": 0.6}),
    Row("voltage-swell", "115 %", device=METER, given={"voltage_pu": 1.15}),
    Row("islanding", "0", "feeder", device=METER, given={"carried_s": 0.0}),
    Row("tap", "91 %", device=METER, given={"steps": -4}),
    Row("weak-grid", "lower", device=METER, given={"factor": 100.0}),
    Row("generation-loss", "lower", of=("frequency_hz",), steps=5, given={"power_w": 3e9}),
    Row("frequency-offset", "lower", of=("frequency_hz",), given={"offset_hz": -0.3}),
)

# ---------------------------------------------------------------------------------------- the clients

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
            for device in (BATTERY, METER, CELLAR)
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


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    folder = tmp_path_factory.mktemp("met")
    (folder / "met.yaml").write_text(SITE)
    with brought_up(folder, str(folder / "met.yaml")) as site:
        site.tell(BATTERY, **USUAL)
        site.step(60)
        yield site


@pytest.fixture(scope="module")
def clients(farm: RunningFarm) -> Iterator[Clients]:
    made = Clients(farm)
    yield made
    made.end()


AS_BEFORE: Final = dict.fromkeys(PROTOCOLS, WORDS["as before"])
NUMBERS: Final = itertools.count(1)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_client_sees_what_the_table_says_and_then_what_it_saw_before(
    farm: RunningFarm, clients: Clients, row: Row
) -> None:
    words, written = row.words(), values_to_write() if row.write else None
    with clients.pymodbus(row.device, words["modbus"].patience_s) as pymodbus:
        before = earlier = clients.look(row.device, pymodbus, row.of, AS_BEFORE, fresh=row.fresh)
        usual = judged(farm, row, before, before, before)
        if row.looks == 1 and not row.later_s:
            vain = [each for each in PROTOCOLS if words[each].holds(usual[each]) and words[each] is not AS_BEFORE[each]]
            assert not vain, f"{vain}: it would be seen without the fault"
        with broken(farm, row):
            for _ in range(row.looks - 1):
                earlier = clients.look(row.device, pymodbus, row.of, words)
            seen = clients.look(
                row.device, pymodbus, row.of, words, written, stop=row.stop, fresh=row.fresh, link=row.link
            )
            cases = judged(farm, row, seen, before, earlier)
            hold(row.sees, words, followed(farm, row.device, written, cases) if written else cases)
        written = written and values_to_write()
        with clients.pymodbus(row.device) if words["modbus"].patience_s < SOON_S else nullcontext(pymodbus) as again:
            if row.cut_at_end:
                clients.look(row.device, again, row.of, AS_BEFORE)
            seen = clients.look(row.device, again, row.of, AS_BEFORE, written)
            cases = judged(farm, row, seen, before, before)
            hold("as before", AS_BEFORE, followed(farm, row.device, written, cases) if written else cases)
            if isinstance(registry.fault(row.kind), DeviceFault | GridFault):  # which move what is true
                assert all(map(came_back, cases.values())), "\n".join(map(str, cases.values()))


@contextmanager
def broken(farm: RunningFarm, row: Row) -> Iterator[None]:
    answer = farm.rest.post("faults", json=row.request())
    assert answer.status_code == 201, answer.text
    assert row.device in answer.json()["hit"]
    try:
        for told in row.told:
            if told:
                farm.tell(row.device, **told)
            farm.step(row.steps)
        yield
        fault = farm.rest.get(f"faults/{answer.json()['id']}").json()
        assert fault["bites"] or not bites(registry.fault(row.kind)) or row.shown_by, fault
    finally:
        farm.rest.delete("faults").raise_for_status()
        farm.tell(BATTERY, **USUAL)
        farm.step(5 if any(row.told) or row.write or row.steps > 1 else 1)


def bites(spec: FaultSpec) -> bool:
    """Whether it is counted how often a fault of the kind has changed what passes."""
    return isinstance(spec, LinkFault) or (isinstance(spec, ProtocolFault) and spec.by_message)


def values_to_write() -> dict[str, float]:
    """What nobody has written yet."""
    number = next(NUMBERS)
    return {"modbus": 0.1 + 0.001 * number, "iec104": 10.0 * number, "dnp3": 1_000.0 + 10.0 * number}


def judged(
    farm: RunningFarm, row: Row, seen: Mapping[str, Seen], before: Mapping[str, Seen], earlier: Mapping[str, Seen]
) -> dict[str, Case]:
    """What each has seen beside what there is to see now."""
    quantities = farm.rest.get(f"devices/{row.device}").json()["quantities"]
    true, reported = (
        {name: math.nan if each[which] is None else each[which] for name, each in quantities.items()}
        for which in ("value", "reported")
    )
    there = (true, reported, farm.time, row.of, row.later_s)
    return {each: Case(seen[each], before[each], earlier[each], *there) for each in PROTOCOLS}


def hold(sees: str | tuple[str, ...], words: Mapping[str, Said], cases: Mapping[str, Case]) -> None:
    wrong = [f"{each}: {case}" for each, case in cases.items() if not words[each].holds(case)]
    assert not wrong, "\n".join((f"{sees}:", *wrong))


def followed(
    farm: RunningFarm, device: str, written: Mapping[str, float], cases: Mapping[str, Case]
) -> dict[str, Case]:
    """Whether what each has written was done, one step later."""
    farm.step()
    values = farm.values(device)
    done = {each: math.isclose(values[WRITES[each]], written[each], rel_tol=1e-6) for each in PROTOCOLS}
    said = {each: f"{case.now.wrote}, {'done' if done[each] else 'not done'}" for each, case in cases.items()}
    return {each: case._replace(now=replace(case.now, wrote=said[each])) for each, case in cases.items()}


# ----------------------------------------------------------------------------------------- the table


def touches(spec: FaultSpec, protocol: str) -> bool:
    """Whether a kind of fault can be seen over a protocol at all."""
    if isinstance(spec, LinkFault | ProtocolFault):
        return acts_on(spec, protocol)
    if isinstance(spec, ClockFault):
        return protocol != "modbus"  # it has no time tags, and of the maps only that of alfen a clock
    return "station" not in needed(spec) or protocol in STATIONS


def test_the_table_has_every_kind_of_fault_and_no_other() -> None:
    missing = set(registry.FAULTS) - {row.kind for row in TABLE}
    assert not missing, f"no client has met {sorted(missing)}: the table needs a row of each"
    assert {row.kind for row in TABLE} <= set(registry.FAULTS)


@pytest.mark.parametrize("kind", registry.FAULTS)
def test_a_kind_is_seen_over_every_protocol_that_it_acts_on_and_over_no_other(kind: str) -> None:
    rows, spec = [row for row in TABLE if row.kind == kind], registry.fault(kind)
    for protocol in PROTOCOLS:
        seen = {name for row in rows for name in WORDS if row.words()[protocol] is WORDS[name]} - {"as before"}
        assert bool(seen) == touches(spec, protocol), f"{kind} over {protocol}: {seen}"


def test_every_word_is_of_use() -> None:
    used = {word for row in TABLE for word in ((row.sees,) if isinstance(row.sees, str) else row.sees)}
    assert used == set(WORDS)


@pytest.mark.parametrize("row", [row for row in TABLE if row.shown_by], ids=str)
def test_what_no_client_here_can_show_is_shown_by_a_test_that_there_is(row: Row) -> None:
    file, _, name = row.shown_by.partition("::")
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
