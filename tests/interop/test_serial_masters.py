"""Masters nobody here wrote on a bus of meters and chargers, and behind a serial server.

mbpoll is libmodbus, minimalmodbus is pyserial; lib60870-C masters batteries on lines of IEC 101. The bus is a
pseudo-terminal; the serial server is RTU over TCP, which socat makes a terminal of for mbpoll, and whose frames tshark
dissects.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from lib60870_master import BALANCED, UNBALANCED
from pymodbus.client import ModbusTcpClient
from pymodbus.framer import FramerType
from running_farm import RunningFarm, brought_up, eventually

minimalmodbus = pytest.importorskip("minimalmodbus", reason="not installed: `pip install minimalmodbus`")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals of Linux")

SITE: Final = """\
name: bus
title: Meters and chargers on a bus, and the same behind a serial server
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
start: 2026-06-15T08:00:00
seed: 1
groups:
  meters:
    kind: smart_meter
    count: 3
    endpoints:
      - {protocol: modbus, pty: bus, baud_rate: 9600, map: sdm630}
      - {protocol: modbus, station: server, map: sdm630}
      - {protocol: modbus, pty: shared, baud_rate: 9600, medium: rs485, map: sdm630}
      - {protocol: modbus, station: gateway, map: sdm630}
  chargers:
    kind: ev_charger
    count: 2
    endpoints:
      - {protocol: modbus, pty: bus, baud_rate: 9600, address: 10}
      - {protocol: modbus, station: server, address: 10}
  storages:
    kind: battery
    count: 2
    endpoints:
      - {protocol: iec101, pty: unbalanced, options: {cause_octets: 2, object_address_octets: 3}}
      - {protocol: iec101, station: balanced}
stations:
  server: {protocol: modbus, options: {framing: rtu}}
  balanced: {protocol: iec101, pty: balanced, options: {mode: balanced, cause_octets: 2, object_address_octets: 3}}
  gateway: {protocol: modbus, options: {bus: {baud_rate: 19200, timeout_s: 5, timeouts_s: {70-79: 0.3}}}}
"""
LIB60870: Final = Path(sys.prefix) / "lib" / "liblib60870.so"
METERS: Final = {1: "meters-001", 2: "meters-002", 3: "meters-003"}
ABSENT: Final = 77
VOLTAGE: Final = 0
LIMIT_A: Final = 1301
SETPOINT: Final = 5000
ORDERED: Final = "active_power_setpoint_w"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    folder = tmp_path_factory.mktemp("bus")
    (folder / "bus.yaml").write_text(SITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        with brought_up(folder, str(folder / "bus.yaml")) as farm:
            yield farm
    assert not (folder / "pilotfarm").exists()


@pytest.fixture(scope="module")
def rows(site: RunningFarm) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.rest.get("endpoints").json()
    return found


@pytest.fixture(scope="module")
def line(rows: list[dict[str, Any]]) -> str:
    """The terminal of the bus, as the list of endpoints names it."""
    (told,) = {
        json.dumps(row["serial"])
        for row in rows
        if "serial" in row and row["protocol"] == "modbus" and row["medium"] == "none"
    }
    device: str = json.loads(told).pop("device")
    assert json.loads(told) == {
        "device": device,
        "baud_rate": 9_600,
        "parity": "even",
        "data_bits": 8,
        "stop_bits": 1,
    }
    return device


@pytest.fixture(scope="module")
def shared(rows: list[dict[str, Any]]) -> str:
    """The terminal of a bus that its devices share, which takes time."""
    (told,) = {row["serial"]["device"] for row in rows if row["medium"] == "rs485"}
    return str(told)


@pytest.fixture(scope="module")
def server(rows: list[dict[str, Any]]) -> tuple[str, int]:
    (told,) = {(row["host"], row["port"]) for row in rows if row.get("framing") == "rtu"}
    return told


@pytest.fixture(scope="module")
def over_tcp(server: tuple[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A terminal whose octets go to the serial server and back."""
    if shutil.which("socat") is None:
        pytest.skip("no socat: `sudo apt-get install socat`")
    link = tmp_path_factory.mktemp("socat") / "tty"
    process = subprocess.Popen(["socat", f"PTY,link={link},rawer", f"TCP:{server[0]}:{server[1]}"])
    eventually(link.is_symlink)
    yield str(link)
    process.terminate()
    process.wait(20)


def volts(site: RunningFarm, device: str) -> float:
    return site.values(device)["voltage_l1_v"]


# ------------------------------------------------------------------------------------------- mbpoll


def mbpoll(terminal: str, *words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("mbpoll") is None:
        pytest.skip("no mbpoll: `sudo apt-get install mbpoll`")
    command = ["mbpoll", "-m", "rtu", "-b", "9600", "-P", "even", "-0", "-1", *words[:-1], terminal, words[-1]]
    return subprocess.run([each for each in command if each], capture_output=True, text=True, check=False, timeout=30)


def polled(terminal: str, *words: str) -> list[float]:
    done = mbpoll(terminal, *words, "")
    assert done.returncode == 0, done.stdout + done.stderr
    return [float(value) for value in re.findall(r"^\[\d+\]:\s+(\S+)", done.stdout, re.MULTILINE)]


@pytest.mark.parametrize("where", ["line", "over_tcp"])
def test_mbpoll_reads_every_meter_of_the_bus(site: RunningFarm, where: str, request: pytest.FixtureRequest) -> None:
    terminal = request.getfixturevalue(where)
    for unit, device in METERS.items():
        (found,) = polled(terminal, "-a", str(unit), "-t", "3:float", "-B", "-r", str(VOLTAGE), "-c", "1")
        assert found == pytest.approx(volts(site, device), rel=1e-5)


def test_mbpoll_reads_over_a_shared_medium_and_waits_for_it(site: RunningFarm, shared: str) -> None:
    """Eighty registers: 8 octets there and 165 back at 9,600 bit/s take 0.2 s, and the device turns around."""
    begin_s = time.monotonic()
    found = polled(shared, "-a", "2", "-t", "3:float", "-B", "-r", str(VOLTAGE), "-c", "40")
    assert time.monotonic() - begin_s > 173 * 11 / 9_600 + 0.01
    assert found[0] == pytest.approx(volts(site, "meters-002"), rel=1e-5)
    silent = mbpoll(shared, "-a", str(ABSENT), "-o", "0.1", "-t", "4", "-r", "0", "-c", "1", "")
    assert "Connection timed out" in silent.stderr, silent


@pytest.mark.parametrize("where", ["line", "over_tcp"])
def test_mbpoll_writes_and_the_ledger_proves_it(site: RunningFarm, where: str, request: pytest.FixtureRequest) -> None:
    limit_a = 14.0 if where == "line" else 13.0
    done = mbpoll(request.getfixturevalue(where), "-a", "11", "-t", "4", "-r", str(LIMIT_A), f"{limit_a:g}")
    assert "Written 1 references" in done.stdout, done.stdout + done.stderr
    site.step()
    site.proves("chargers-002", "current_limit_a", limit_a, "modbus")


def test_mbpoll_hears_exceptions_and_the_silence_of_a_unit_that_is_not_there(line: str) -> None:
    refused = mbpoll(line, "-a", "10", "-t", "4", "-r", "30000", "-c", "1", "")
    assert "Illegal data address" in refused.stderr, refused
    silent = mbpoll(line, "-a", str(ABSENT), "-o", "0.1", "-t", "4", "-r", "0", "-c", "1", "")
    assert "Connection timed out" in silent.stderr, silent


# ------------------------------------------------------------------------------------ minimalmodbus


@contextmanager
def instrument(terminal: str, unit: int) -> Iterator[Any]:
    made = minimalmodbus.Instrument(terminal, unit)
    made.serial.baudrate = 9_600
    made.serial.timeout = 0.3  # it waits that long for what an exception has less
    try:
        yield made
    finally:
        made.serial.close()


def test_minimalmodbus_reads_and_writes_with_every_function_it_has(site: RunningFarm, line: str) -> None:
    with instrument(line, 2) as meter:
        assert meter.read_float(VOLTAGE, functioncode=4) == pytest.approx(volts(site, "meters-002"), rel=1e-6)
    with instrument(line, 10) as charger:
        assert charger.read_string(40_000, 2) == "SunS"
        assert charger.read_registers(40_000, 2, functioncode=4) == [0x5375, 0x6E53]
        for function in (6, 16):
            charger.write_register(LIMIT_A, 6 + function, functioncode=function)
            assert charger.read_register(LIMIT_A) == 6 + function
        coils = len(charger.read_bits(0, 8, functioncode=1))
        assert coils == len(charger.read_bits(0, 8, functioncode=2)) == 8
        on = charger.read_bit(2, functioncode=1)
        charger.write_bit(2, on, functioncode=5)
        charger.write_bits(2, [on])
        assert charger.read_bit(2, functioncode=1) == on
        with pytest.raises(minimalmodbus.IllegalRequestError):
            charger.read_register(30_000)
    site.step()
    site.proves("chargers-001", "current_limit_a", 22.0, "modbus")


def test_minimalmodbus_hears_nothing_from_who_is_not_there_and_others_as_before(line: str) -> None:
    with instrument(line, ABSENT) as absent:
        absent.serial.timeout = 0.1
        with pytest.raises(minimalmodbus.NoResponseError):
            absent.read_register(0)
    with instrument(line, 0) as everybody:
        everybody.write_register(LIMIT_A, 9, functioncode=6)
    for unit in (10, 11):
        with instrument(line, unit) as charger:
            assert charger.read_register(LIMIT_A) == 9


# ------------------------------------------------------------------------------------ RTU over TCP


def talk(server: tuple[str, int], unit: int) -> None:
    """Ask by way of pymodbus's RTU framer, for every function that has an answer to look at."""
    client = ModbusTcpClient(server[0], port=server[1], framer=FramerType.RTU)
    assert client.connect()
    for answer in (
        client.read_coils(0, count=3, device_id=unit),
        client.read_discrete_inputs(0, count=3, device_id=unit),
        client.read_holding_registers(40_000, count=2, device_id=unit),
        client.read_input_registers(40_000, count=2, device_id=unit),
        client.write_register(LIMIT_A, 15, device_id=unit),
        client.write_registers(LIMIT_A, [16], device_id=unit),
        client.diag_query_data(b"\xa5\x5a", device_id=unit),
        client.read_device_information(device_id=unit),
    ):
        assert not answer.isError(), answer
    assert client.read_holding_registers(30_000, count=1, device_id=unit).exception_code == 2
    client.close()


def test_pymodbus_over_tcp_is_dissected_by_tshark_and_nothing_is_wrong(server: tuple[str, int], tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("no tshark: `sudo apt-get install tshark`, and run the tests as one who may capture")
    file, said = tmp_path / "wire.pcapng", tmp_path / "tshark.txt"
    with said.open("w") as output:
        command = ["tshark", "-i", "lo", "-f", f"tcp and host {server[0]} and port {server[1]}", "-w", str(file)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    eventually(lambda: process.poll() is not None or "Capturing on" in said.read_text())
    if process.poll() is not None:
        pytest.skip(f"tshark may not capture: {said.read_text()[-300:]}")

    decoded = ["-d", f"tcp.port=={server[1]},mbrtu", "-o", "mbrtu.crc_verification:TRUE"]

    def fields(wanted: str, field: str) -> list[str]:
        read = ["tshark", "-r", str(file), *decoded, "-Y", wanted, "-T", "fields", "-e", field]
        return subprocess.run(read, capture_output=True, text=True, check=False, timeout=60).stdout.split()

    def dissected() -> bool:
        """Whether the file has every function; the capture begins some time after it has said so."""
        talk(server, 10)
        return {int(each, 0) for each in fields("mbrtu", "modbus.func_code")} == {1, 2, 3, 4, 6, 8, 16, 43}

    try:
        eventually(dissected)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    frames = fields("mbrtu", "frame.number")
    assert fields("mbrtu.crc16.status == 1", "frame.number") == frames
    assert fields("_ws.malformed || _ws.expert.severity == error", "frame.number") == []
    assert set(fields("modbus.exception_code", "modbus.exception_code")) == {"2"}


# ---------------------------------------------------------------------------------------- a gateway


def test_a_gateway_says_0b_after_the_time_out_of_the_unit_that_is_silent(
    site: RunningFarm, rows: list[dict[str, Any]]
) -> None:
    (told,) = {(row["host"], row["port"]) for row in rows if row["station"] == "gateway"}
    with ModbusTcpClient(told[0], port=told[1], timeout=4, retries=0) as master:
        begin_s = time.monotonic()
        refused = master.read_input_registers(VOLTAGE, count=2, device_id=ABSENT)
        assert time.monotonic() - begin_s >= 0.3
        assert (refused.isError(), refused.exception_code) == (True, 0x0B)
        read = master.read_input_registers(VOLTAGE, count=2, device_id=2)
        found = master.convert_from_registers(read.registers, master.DATATYPE.FLOAT32)
    assert found == pytest.approx(volts(site, "meters-002"), rel=1e-6)


# -------------------------------------------------------------------------------------- lib60870-C


@pytest.mark.skipif(not LIB60870.exists(), reason="no lib60870-C here: `tests/lib60870.sh .venv`")
@pytest.mark.parametrize(("name", "mode", "links"), [("unbalanced", UNBALANCED, [1, 2]), ("balanced", BALANCED, [1])])
def test_lib60870_reads_every_point_and_sets_one(
    site: RunningFarm, rows: list[dict[str, Any]], name: str, mode: int, links: list[int]
) -> None:
    here = [row for row in rows if row.get("serial", {}).get("device", "").endswith(f"/{name}")]
    power_w = -1_000.0 - 100.0 * mode
    found = mastered(str(LIB60870), here[0]["serial"]["device"], mode, links, [1, 2], SETPOINT, power_w)
    assert not any(negative for _, _, negative in found["said"])
    for row in here:
        values, read = site.values(row["device"]), found["values"][str(row["common_address"])]
        listed = [point for point in site.points(row["device"], "iec101") if point["access"] == "r"]
        assert read.keys() == {str(point["number"]) for point in listed}
        measured = [point for point in listed if "M_ME_NC" in point["data_type"] and point["quantity"] != ORDERED]
        assert len(measured) > 5
        for point in measured:
            value = read[str(point["number"])] * float(point["scale"])
            assert value == pytest.approx(values[point["quantity"]], rel=1e-5, nan_ok=True), point
    site.step()
    site.proves(here[0]["device"], ORDERED, power_w, "iec101")


def mastered(*told: Any) -> dict[str, Any]:
    """Run the master as a process of its own: it is C, and does as C does."""
    words = dict(zip(("library", "path", "mode", "links", "addresses", "ioa", "value"), told, strict=True))
    command = [sys.executable, str(Path(__file__).with_name("lib60870_master.py")), json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
