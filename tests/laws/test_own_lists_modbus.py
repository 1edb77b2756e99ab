"""A Modbus station with a list of its own: who knows the point list alone finds every register, and nothing else."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from modbus_bench import NOW_S
from own_list_bench import LOGGER, TWIN, Site, ask

from pilotfarm.emulators.protocols.modbus.application import Application


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


WIDTHS = {"bit": 1, "int16": 1, "uint16": 1, "int32": 2, "float32": 2, "uint64": 4}
FORMATS = {"int16": ">h", "uint16": ">H", "int32": ">i", "float32": ">f", "uint64": ">Q"}


def test_every_register_is_the_value_that_its_row_says(site: Site) -> None:
    engine = site.place(LOGGER).station.connect("peer", NOW_S)
    seen = set()
    for row in site.rows(LOGGER):
        if "r" not in row["access"]:
            continue
        kind = row["data_type"]
        answer = ask(engine, row["read_code"], row["number"], WIDTHS[kind], unit=row["unit_id"])
        assert answer[0] == row["read_code"], row
        wire = float(answer[2] & 1) if kind == "bit" else float(struct.unpack(FORMATS[kind], answer[2:])[0])
        value = site.farm.device(row["device"]).value(row["quantity"])
        slack = 0.0 if kind in ("bit", "float32") else 0.5001 * abs(row["scale"])
        assert wire * row["scale"] == pytest.approx(value, rel=1e-6, abs=slack), row
        seen.add((row["object"], kind))
    assert len(seen) == 7


def test_a_read_goes_over_several_devices_and_not_over_a_gap(site: Site) -> None:
    engine = site.place(LOGGER).station.connect("peer", NOW_S)
    rows = {row["number"]: row for row in site.rows(LOGGER) if row["data_type"] == "float32"}
    values = struct.unpack(">60f", ask(engine, 3, 4, 120)[2:])
    for at, value in enumerate(values):
        row = rows[4 + 2 * at]
        assert value == np.float32(site.farm.device(row["device"]).value(row["quantity"]))
    half = ask(engine, 3, 5, 2)[2:]
    assert half == ask(engine, 3, 4, 2)[4:] + ask(engine, 3, 6, 2)[2:4], "a part of a value has its address"
    for function, first, count in ((3, 138, 4), (3, 4000, 1), (4, 0, 5), (4, 1000, 1), (2, 99, 2), (1, 0, 1)):
        assert ask(engine, function, first, count) == bytes((function | 0x80, 2)), (function, first)
    assert len(ask(engine, 2, 100, 35)) == 2 + 5
    assert ask(engine, 3, 0, 1, unit=2) == b"\x83\x0b"


def test_stations_have_each_its_own_list_of_the_same_devices(site: Site) -> None:
    engine = site.place(TWIN).station.connect("peer", NOW_S)
    values = struct.unpack(">35H", ask(engine, 3, 3, 35, unit=5)[2:])
    assert [row["number"] for row in site.rows(TWIN)] == list(range(3, 38))
    hertz = [site.farm.device(row["device"]).value("frequency_hz") for row in site.rows(TWIN)]
    assert [each * 0.1 for each in values] == pytest.approx(hertz, abs=0.051)
    assert ask(engine, 3, 2, 1, unit=5) == ask(engine, 3, 38, 1, unit=5) == b"\x83\x02"


def test_a_write_reaches_its_device_and_no_other() -> None:
    site = Site()
    engine = site.place(LOGGER).station.connect("peer", NOW_S)

    def value(device: int, name: str) -> float:
        return site.farm.device(f"storage-00{device}").value(name)

    assert ask(engine, 6, 2021, 0xFFFF) == struct.pack(">BHH", 6, 2021, 0xFFFF)
    assert ask(engine, 5, 11, 0xFF00) == struct.pack(">BHH", 5, 11, 0xFF00)
    assert ask(engine, 3, 2020, 2)[2:] == struct.pack(">hh", round(value(1, "active_power_setpoint_w") / 10), -1)
    assert ask(engine, 1, 10, 2)[2:] == b"\x02"
    site.step()
    assert (value(1, "active_power_setpoint_enabled"), value(2, "active_power_setpoint_enabled")) == (0.0, 1.0)
    assert value(2, "active_power_setpoint_w") == -10.0
    assert ask(engine, 16, 2020, 1, data=b"\x02\x00\x05")[0] == 16
    assert ask(engine, 22, 2020, 0xFFFD, 0x0002)[0] == 22
    site.step()
    assert value(1, "active_power_setpoint_w") == 70.0
    refused = [
        ask(engine, 16, 2020, 2, data=b"\x04\0\0\0\0"),
        ask(engine, 15, 10, 2, data=b"\x01\x03"),
        ask(engine, 6, 2000, 1),
        ask(engine, 6, 2060, 1),
        ask(engine, 16, 2010, 2, data=b"\x04\0\0\0\0"),
        ask(engine, 16, 2041, 1, data=b"\x02\0\0"),
        ask(engine, 6, 2040, 1),
        ask(engine, 5, 12, 0xFF00),
    ]
    assert [answer[1] for answer in refused] == [2] * 8, "of two devices, not to be written, or nobody's"
    assert ask(engine, 23, 0, 2, 2020, 1, data=b"\x02\x00\x09")[0] == 23
    site.step()
    assert value(1, "active_power_setpoint_w") == 90.0


@pytest.mark.parametrize("coil", [True, False])
def test_a_command_is_given_by_one_and_not_by_nought(coil: bool) -> None:
    site = Site()
    engine = site.place(LOGGER).station.connect("peer", NOW_S)
    site.step()
    assert site.farm.device("storage-002").value("started") == 1.0
    for given, started in ((0, 1.0), (1, 0.0)):
        assert not (ask(engine, 5, 21, given * 0xFF00) if coil else ask(engine, 6, 2031, given))[0] & 0x80
        site.step()
        assert site.farm.device("storage-002").value("started") == started
    assert site.farm.device("storage-001").value("started") == 1.0


def test_what_the_station_does_not_reach_is_no_answer_of_its_registers_alone() -> None:
    site = Site()
    engine = site.place(LOGGER).station.connect("peer", NOW_S)
    site.reach("meters-002", False, LOGGER)
    site.step()
    assert ask(engine, 3, 0, 4)[0] == 3
    assert ask(engine, 3, 8, 4)[0] == 3
    assert [ask(engine, 3, *asked) for asked in ((4, 2), (0, 6), (1001, 1))] == [b"\x83\x0b"] * 3
    assert ask(engine, 2, 101, 1) == b"\x82\x0b"
    assert ask(engine, 3, 4000, 1) == b"\x83\x02"
    site.reach("meters-002", True, LOGGER)
    site.step()
    assert ask(engine, 3, 0, 6)[0] == 3


def test_what_is_not_known_is_the_word_of_its_type_and_else_the_end_of_the_range(site: Site) -> None:
    site = Site()
    engine = site.place(LOGGER).station.connect("peer", NOW_S)
    site.report("meters-001", active_power_w=np.nan, energy_imported_wh=np.nan, frequency_hz=np.nan)
    site.report("storage-001", soc_frac=np.nan, active_power_w=np.nan)
    assert np.isnan(struct.unpack(">f", ask(engine, 3, 0, 2)[2:])[0])
    assert ask(engine, 4, 0, 4)[2:] == b"\xff" * 8
    assert ask(engine, 3, 1000, 1)[2:] == b"\xff\xff"
    assert ask(engine, 3, 2000, 1)[2:] == b"\x80\0"
    assert ask(engine, 3, 2010, 2)[2:] == b"\x80\0\0\0"
    site.report("meters-001", frequency_hz=1e9)
    site.report("storage-001", soc_frac=-1e9)
    assert ask(engine, 3, 1000, 1)[2:] == b"\xff\xfe"
    assert ask(engine, 3, 2000, 1)[2:] == b"\x80\x01"


def test_one_unit_answers_also_for_who_is_addressed_by_its_ip_alone(site: Site) -> None:
    engine = site.place(LOGGER).station.connect("peer", NOW_S)
    assert ask(engine, 3, 0, 2, unit=255) == ask(engine, 3, 0, 2, unit=0) == ask(engine, 3, 0, 2)
    assert ask(engine, 43, unit=1, data=b"\x0e\x01\x00")[0] == 43


def test_on_a_bus_a_list_is_one_unit_that_always_answers_and_hears_what_is_said_to_all_once() -> None:
    site = Site()
    seats = [each.seat for each in site.place(LOGGER).placed]
    application = Application(seats, on_bus=True)
    site.reach("meters-001", False, LOGGER)
    read = struct.pack(">BHH", 3, 0, 2)
    assert application.answer(1, read, "peer", NOW_S) == b"\x83\x0b", "of the station, on behalf of its device"
    assert application.answer(0, read, "peer", NOW_S) is None
    assert application.answer(2, read, "peer", NOW_S) is None
    application.tell(struct.pack(">BHH", 6, 2020, 7), "peer", NOW_S)
    ((_, _, command),) = site.farm.commands.take()
    assert (command.device, dict(command.values)) == ("storage-001", {"active_power_setpoint_w": 70.0})
