"""tshark, who has no stake in it, dissects a conversation of every protocol and finds nothing wrong."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from forked import forked
from py1815 import link as wire
from py1815.application import FunctionCode, Response, build_confirm, build_request, parse_response
from py1815.transport import Reassembler, segment
from pymodbus.client import ModbusTcpClient
from running_farm import RunningFarm, Way, eventually, run_client

OWN: Final = "own.pcapng"
_HINT: Final = "`sudo apt-get install tshark`, and run the tests as one who may capture (root, or group wireshark)"
_DECODE_AS: Final = {"modbus": "mbtcp", "iec104": "iec60870_104", "dnp3": "dnp3"}
_WRONG: Final = "_ws.malformed || _ws.expert.severity == error"
_TYPES: Final = {"modbus": "modbus.func_code", "iec104": "iec60870_asdu.typeid", "dnp3": "dnp3.al.func"}


class Capture:
    def __init__(self, file: Path, ports: dict[str, int]) -> None:
        self.file, self.ports = file, ports
        self._decode = [word for name, port in ports.items() for word in ("-d", f"tcp.port=={port},{_DECODE_AS[name]}")]

    def lines(self, wanted: str, *fields: str) -> list[str]:
        """Fields of every packet that passes a display filter; a file still being written ends where it ends."""
        command = [str(shutil.which("tshark")), "-r", str(self.file), *self._decode, "-Y", wanted]
        shown = [word for each in fields for word in ("-e", each)]
        done = subprocess.run([*command, "-T", "fields", *shown], capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "cut short" in done.stderr, done.stderr
        return [line for line in done.stdout.splitlines() if line]

    def conversations(self, protocol: str) -> list[tuple[str, str]]:
        """What each connection said to the device and heard from it, in hexadecimal."""
        port, found = self.ports[protocol], dict[str, dict[bool, bytearray]]()
        fields = ("tcp.stream", "tcp.dstport", "tcp.seq", "tcp.payload")
        for line in self.lines(f"tcp.port == {port} && tcp.len > 0", *fields):
            stream, target, sequence, payload = line.split("\t")
            said = found.setdefault(stream, {True: bytearray(), False: bytearray()})[int(target) == port]
            octets, begin = bytes.fromhex(payload), int(sequence) - 1
            said.extend(bytes(max(begin - len(said), 0)))  # a segment may be seen after its successor, or twice
            said[begin : begin + len(octets)] = octets
        return sorted((each[True].hex(), each[False].hex()) for each in found.values())

    def seen(self, protocol: str) -> set[int]:
        """The functions or types that were dissected."""
        field = _TYPES[protocol]
        return {int(each, 0) for line in self.lines(field, field) for each in line.split(",")}


@contextmanager
def captured_by_the_farm(site: RunningFarm, file: Path) -> Iterator[None]:
    """Have `pilotfarm capture` write what is said at the addresses of the battery, until Ctrl-C."""
    farm = f"{site.rest.base_url.scheme}://{site.rest.base_url.host}:{site.rest.base_url.port}"
    command = ["capture", "--device", "battery-001", "--out", str(file), "--api", farm]
    said = file.with_suffix(".txt")
    with forked(command, said) as process:
        eventually(lambda: process.poll() is not None or (file.exists() and file.stat().st_size > 0))
        assert process.poll() is None, said.read_text()
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(20.0) == 0
    assert "octets" in said.read_text()


@contextmanager
def captured(site: RunningFarm, folder: Path) -> Iterator[Capture]:
    if shutil.which("tshark") is None:
        pytest.skip(f"no tshark: {_HINT}")
    ways = {name: site.ways(name)["battery-001"] for name in ("modbus", "dnp3")}
    ways["iec104"] = site.ways("iec104", station="rtu")["battery-001"]
    hosts = " or ".join(sorted({f"host {way.host}" for way in ways.values()}))
    file, said = folder / "wire.pcapng", folder / "tshark.txt"
    with said.open("w") as output:
        command = [str(shutil.which("tshark")), "-i", "lo", "-f", f"tcp and ({hosts})", "-w", str(file)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or "Capturing on" in said.read_text())
        if process.poll() is not None:
            pytest.skip(f"tshark may not capture: {said.read_text()[-300:]} {_HINT}")
        with captured_by_the_farm(site, folder / OWN):
            yield Capture(file, {name: way.port for name, way in ways.items()})
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


# Without the list of attributes, g0v255: Wireshark has no dissection of its data type.
RARE: Final = (
    (FunctionCode.DELAY_MEASURE, b""),
    (FunctionCode.READ, bytes([0, 254, 0, 0, 0])),
    (FunctionCode.READ, bytes([34, 1, 6, 34, 2, 6, 34, 3, 6])),
    (FunctionCode.READ, bytes([30, 5, 6, 40, 3, 6])),
    (FunctionCode.READ, bytes([110, 0, 6, 30, 1, 0, 0, 9, 1, 2, 6])),
    (FunctionCode.ASSIGN_CLASS, bytes([60, 2, 6, 30, 0, 6])),
    (FunctionCode.WRITE, bytes([34, 1, 0x17, 1, 4, 9, 0])),
    (FunctionCode.WARM_RESTART, b""),
    (FunctionCode.COLD_RESTART, b""),
)
BROADCAST: Final = 0xFFFF


def speak_rarely(way: Way) -> None:
    """Say over DNP3 what no client at hand says, the last of which ends the connection."""
    control = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.UNCONFIRMED_USER_DATA)
    frames, segments = wire.FrameReader(), Reassembler()

    with socket.create_connection((way.host, way.port), timeout=10.0) as master:

        def say(fragment: bytes, to: int = way.address) -> None:
            for each in segment(fragment):
                master.sendall(wire.build(control, to, 9, each))

        def heard() -> Iterator[Response]:
            while data := master.recv(65_536):
                for frame in frames.feed(data):
                    fragment = segments.add(frame.payload)
                    if fragment is not None:
                        response = parse_response(fragment)
                        if response.control.con:
                            say(build_confirm(sequence=response.control.sequence, unsolicited=response.unsolicited))
                        yield response

        answers = heard()
        say(build_request(FunctionCode.IMMED_FREEZE_NR, sequence=0, body=b"\x14\0\6"), BROADCAST)
        for number, (function, body) in enumerate(RARE, 1):
            say(build_request(function, sequence=number, body=body))
            while next(answers).unsolicited:
                pass
        with suppress(ConnectionResetError):  # the connection ends with the restart
            assert all(each.unsolicited for each in answers)


@pytest.fixture(scope="module")
def capture(site: RunningFarm, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """A capture of one conversation of each protocol, whole."""
    modbus, dnp3 = site.ways("modbus")["battery-001"], site.ways("dnp3")["battery-001"]
    rtu, rest = site.ways("iec104", station="rtu")["battery-001"], str(site.rest.base_url)
    with captured(site, tmp_path_factory.mktemp("wire")) as made:
        eventually(lambda: made.file.exists())
        with ModbusTcpClient(modbus.host, port=modbus.port) as client:
            client.read_holding_registers(40_000, count=100)
            client.read_input_registers(40_000, count=100)
            client.read_coils(0, count=10)
            client.read_discrete_inputs(0, count=10)
            client.write_coil(7, True)
            client.write_coils(7, [False])
            client.write_register(1, 1)
            client.write_registers(1, [1, 2])
            client.read_device_information()
        run_client("c104_master.py", host=rtu.host, port=rtu.port, battery=rtu.address, rest=rest)
        run_client("opendnp3_master.py", host=dnp3.host, port=dnp3.port, outstation=dnp3.address, rest=rest)
        speak_rarely(dnp3)
        # The conversations end with something only they have: a set-point to nobody, a cold restart.
        eventually(lambda: made.seen("modbus") and made.seen("iec104") and 13 in made.seen("dnp3"), every_s=0.5)
    return made


def test_nothing_is_malformed(capture: Capture) -> None:
    assert capture.lines(_WRONG, "frame.number") == []


@pytest.mark.parametrize("protocol", _DECODE_AS)
def test_the_farms_own_capture_has_what_was_on_the_wire(capture: Capture, protocol: str) -> None:
    own = Capture(capture.file.with_name(OWN), capture.ports)
    assert own.lines(_WRONG, "frame.number") == []
    assert own.seen(protocol) == capture.seen(protocol)
    pairs = list(zip(own.conversations(protocol), capture.conversations(protocol), strict=True))
    assert pairs
    for (asked, answered), (sent, heard) in pairs:
        assert answered == heard
        assert asked
        assert sent.startswith(asked)  # what a master still says to a device that has hung up nobody takes


def test_modbus_is_dissected_with_every_function_called(capture: Capture) -> None:
    assert {1, 2, 3, 4, 5, 6, 15, 16, 43} <= capture.seen("modbus")


def test_iec104_is_dissected_with_interrogations_commands_and_data(capture: Capture) -> None:
    assert {1, 3, 13, 15, 30, 31, 36, 45, 46, 50, 70, 100, 101, 102, 103} <= capture.seen("iec104")
    assert 37 not in capture.seen("iec104"), "counters are asked for"
    for type_id, cause in ((36, 3), (36, 11), (31, 3), (100, 7), (100, 10), (13, 20), (15, 37)):
        wanted = f"iec60870_asdu.typeid == {type_id} && iec60870_asdu.causetx == {cause}"
        assert capture.lines(wanted, "frame.number"), wanted


def test_dnp3_is_dissected_with_polls_commands_freezes_and_unsolicited_responses(capture: Capture) -> None:
    confirm, read, select, operate, direct, freeze, response, unsolicited = 0, 1, 3, 4, 5, 7, 129, 130
    wanted = {confirm, read, select, operate, direct, freeze, response, unsolicited}
    assert wanted <= capture.seen("dnp3")
    assert capture.lines("dnp.hdr.CRC.status == 0 || dnp.data_chunk.CRC.status == 0", "frame.number") == []


def test_dnp3_attributes_are_dissected_with_their_values(capture: Capture) -> None:
    (line,) = set(capture.lines("dnp3.al.da.value", "dnp3.al.da.value"))
    assert {"pilotfarm", "battery", "battery-001"} <= set(line.split(","))


def test_dnp3_says_that_a_broadcast_was_received_and_what_of_a_read_is_not_there(capture: Capture) -> None:
    assert capture.lines("dnp3.al.iin.bmsg == 1 && dnp3.al.func == 129", "frame.number")
    assert capture.lines("dnp3.al.iin.obju == 1 && dnp3.al.obj == 0x0102", "frame.number")


def test_dnp3_is_dissected_with_classes_deadbands_floats_and_restarts(capture: Capture) -> None:
    assert {8, 13, 14, 22} <= capture.seen("dnp3")
    found = {int(each, 0) for line in capture.lines("dnp3.al.func == 129", "dnp3.al.obj") for each in line.split(",")}
    assert {0x2201, 0x2202, 0x2203, 0x1E05, 0x2803, 0x3402} <= found
