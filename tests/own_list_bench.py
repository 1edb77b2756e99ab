"""A site whose stations have lists of points of their own, and what their devices are made to report."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

from iec104_bench import Master
from modbus_bench import frame, talk

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.images import Images, Place
from pilotfarm.emulators.site import load_text
from pilotfarm.emulators.site.listing import point_rows

SITE = """\
name: behind
location: {latitude_deg: 47.8, longitude_deg: 10.2, time_zone: Europe/Berlin}
start: 2026-06-21T12:00:00
groups:
  meters:
    kind: smart_meter
    count: 35
    endpoints:
      - {protocol: iec104, station: rtu}
      - {protocol: modbus, station: logger}
      - {protocol: modbus, station: twin}
  storage:
    kind: battery
    count: 2
    endpoints: [{protocol: iec104, station: rtu}, {protocol: modbus, station: logger}]
  pv:
    kind: pv_generator
    count: 2
    endpoints: [{protocol: iec104, station: rtu}]
  cars:
    kind: ev_charger
    count: 1
    endpoints: [{protocol: iec104}]
stations:
  rtu:
    protocol: iec104
    options: {cyclic_s: 5}
    points:
      - {devices: meters-*, quantity: [active_power_w, reactive_power_var], address: 1, type: M_ME_TF_1, group: 2}
      - {devices: [meters-035, meters-001], quantity: voltage_l1_v, address: 500, step: 7, type: M_ME_TE_1, scale: 0.1,
         group: 3, deadband: 0.4 %}
      - {devices: meters-*, quantity: energy_imported_wh, address: 1000, group: 1}
      - {devices: "meters-00?", quantity: energy_imported_wh, address: 1100, scale: 10, group: 4}
      - {devices: meters-*, quantity: online, address: 2000, group: 1}
      - {devices: meters-002, quantity: frequency_hz, address: 3000, type: M_ME_NC_1, deadband: 0}
      - {devices: meters-002, quantity: frequency_hz, address: 3001, type: M_ME_NC_1, deadband: 0}
      - {devices: [meters-*, storage-*], quantity: general_alarm, address: 16777000, type: M_DP_TB_1, group: 16}
      - {devices: storage-*, quantity: soc_frac, address: 4000, type: M_ME_NB_1, scale: 0.001, group: 3}
      - {devices: storage-*, quantity: active_power_w, address: 4010, type: M_ME_TD_1, scale: -200_000}
      - {devices: storage-*, quantity: active_power_w, address: 4020, scale: 1000}
      - {devices: storage-*, quantity: [active_power_setpoint_w], address: 5000, type: M_ME_TF_1}
      - {devices: storage-*, quantity: active_power_setpoint_w, address: 5010, type: C_SE_NC_1, scale: 1000}
      - {devices: storage-*, quantity: active_power_setpoint_w, address: 5020, type: C_SE_NB_1, scale: 100}
      - {devices: storage-*, quantity: active_power_setpoint_w, address: 5030, type: C_SE_NA_1, scale: 200_000}
      - {devices: storage-*, quantity: active_power_setpoint_enabled, address: 5040, type: C_DC_NA_1}
      - {devices: storage-*, quantity: active_power_setpoint_enabled, address: 5050, type: M_SP_NA_1}
      - {devices: storage-*, quantity: stop, address: 5060}
      - {devices: pv-002, quantity: active_power_w, address: 1, common_address: 9, group: 2}
  logger:
    protocol: modbus
    points:
      - {devices: meters-*, quantity: [active_power_w, voltage_l1_v], address: 0, type: float32}
      - {devices: meters-*, quantity: energy_imported_wh, address: 0, step: 8, type: input uint64}
      - {devices: meters-*, quantity: frequency_hz, address: 1000, type: uint16, scale: 0.01}
      - {devices: meters-*, quantity: online, address: 100}
      - {devices: storage-*, quantity: soc_frac, address: 2000, type: int16, scale: 0.001}
      - {devices: storage-*, quantity: active_power_w, address: 2010, type: int32, scale: -0.1}
      - {devices: storage-*, quantity: active_power_setpoint_w, address: 2020, type: int16, scale: 10}
      - {devices: storage-*, quantity: active_power_setpoint_enabled, address: 10}
      - {devices: storage-*, quantity: stop, address: 20}
      - {devices: storage-*, quantity: stop, address: 2030, type: uint16}
      - {devices: storage-*, quantity: active_power_limit_frac, address: 2040, type: float32}
  twin:
    protocol: modbus
    points: [{devices: meters-*, quantity: frequency_hz, address: 3, type: uint16, scale: 0.1, unit: 5}]
"""
RTU, LOGGER, TWIN = "rtu", "logger", "twin"


class Site:
    """A farm after some minutes, and the masters of its stations."""

    def __init__(self, text: str = SITE) -> None:
        self.farm = Farm(load_text(text, "behind.yaml"))
        self.images = Images(self.farm)
        self.step(180.0)

    def step(self, dt_s: float = 1.0) -> None:
        self.farm.step(dt_s)
        self.images.refresh()

    def place(self, station: str) -> Place:
        return next(each for each in self.images.places if each.layout.name == station)

    def master(self, station: str = RTU) -> Master:
        return Master(SimpleNamespace(station=self.place(station).station))  # type: ignore[arg-type]

    def rows(self, station: str = RTU) -> list[dict[str, Any]]:
        return [row for row in point_rows(self.farm.layout) if row["station"] == station]

    def reach(self, device: str, reached: bool, station: str = RTU) -> None:
        (placed,) = (each for each in self.place(station).placed if each.seat.device.id == device)
        placed.reach(reached)

    def report(self, device: str, **values: float) -> None:
        """Have a device report something else, and its stations hear of it."""
        self.tell(device, **values)
        self.images.refresh()

    def tell(self, device: str, **values: float) -> None:
        group, row = self.farm.population.find(device)
        told = {name: group.reported[name].copy() for name in values}
        for name, value in values.items():
            told[name][row] = value
        group.reported = {**group.reported, **told}


def ask(engine: Any, function: int, *words: int, unit: int = 1, data: bytes = b"") -> bytes:
    answer, closed = talk(engine, frame(struct.pack(f">B{len(words)}H", function, *words) + data, unit))
    assert not closed
    return answer[7:]
