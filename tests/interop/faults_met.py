"""What a client sees of every kind of fault over each protocol: the table, and the site that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from what_is_seen import WORDS, Said

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import (
    GridFault,
    needed,
)

SITE: Final = """\
name: met
title: A battery and a meter on feeders of their own, each at its own addresses, a meter behind stations, a PV roof
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
start: 2026-06-15T08:00:00
seed: 1
step_s: 1
weather: {clouds: false}
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
      - {protocol: dnp3, medium: ethernet}
  roof:
    kind: pv_generator
    count: 1
    feeder: lane
    endpoints: *everywhere
stations:
  gateway: {protocol: modbus, medium: ethernet}
  rtu: {protocol: iec104, medium: ethernet}
"""
BATTERY, METER, CELLAR, ROOF = "battery-001", "meter-001", "cellar-001", "roof-001"
DEVICES: Final = (BATTERY, METER, CELLAR, ROOF)
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
    then: Mapping[str, float] = field(default_factory=dict)
    """What it is told when the fault ends."""
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
SKY: Final = ("irradiance_horizontal_w_per_m2", "outside_temperature_degc")

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
    Row(
        "tamper",
        "1",
        "cover-open",
        device=METER,
        of=("cover_open_alarm", "general_alarm"),
        then={"event_clear": 1.0},
    ),
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
    # ---------------------------------------------------------------- weather, load and medium
    Row("weather", "lower", device=ROOF, of=SKY, given={"irradiance_factor": 0.5, "temperature_rise_k": -8.0}),
    Row("load", "lower", device=METER, of=POWER, given={"added_w": 5_000.0}),
    Row("medium", "later", device=CELLAR, later_s=0.02, given={"to": "lte"}),
)

# ---------------------------------------------------------------------------------------- the clients
