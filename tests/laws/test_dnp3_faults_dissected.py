"""What tshark makes of what an outstation says whose frames, link or responses are wrong, and of what several say."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from dnp3_bench import STATION, Line
from dnp3_drops import drops
from dnp3_rig import CLASS_0, rig
from py1815.application import FunctionCode
from py1815.link import PrimaryFunction, build, control_byte
from py1815.transport import segment

from pilotfarm.emulators import registry
from pilotfarm.emulators.plans.dnp3 import PointType

MASTER: Final = 1
NONE: Final = ("", "")
FIELDS: Final = {
    "data wrong": "dnp3.data_chunk.CRC.incorrect",
    "source": "dnp3.src",
    "destination": "dnp3.dst",
    "link says": "dnp3.ctl.secfunc",
    "busy": "dnp3.ctl.dfc",
    "from the master": "dnp3.ctl.dir",
    "function": "dnp3.al.func",
    "indications": "dnp3.al.iin",
}
NO_FRAME: Final = dict.fromkeys(FIELDS, "")
NO_DATA: Final = {"source": "7", "destination": "1", "from the master": "0"}
UNREAD: Final = {"function": "", "indications": ""}
TWICE: Final = {"source": "7,7,7", "destination": "1,1,1", "from the master": "0,0,0", "function": "129,129"}
EXPECTED: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("dnp3-frame", "header-crc"): NO_FRAME,
    ("dnp3-frame", "start"): NO_FRAME,
    ("dnp3-frame", "truncated"): NO_FRAME,
    ("dnp3-frame", "cut"): NO_FRAME,
    ("dnp3-frame", "data-crc"): {"data wrong": "1", **UNREAD},
    ("dnp3-frame", "source"): {"source": "8,8"},
    ("dnp3-frame", "destination"): {"destination": "2,2"},
    ("dnp3-frame", "direction"): {"from the master": "1,1"},
    ("dnp3-frame", "lost"): {**NO_DATA, **UNREAD},
    ("dnp3-frame", "repeated"): {**TWICE, "indications": "0x8000,0x8000"},
    ("dnp3-frame", "doubled"): {**TWICE, "indications": "0x8000,0x8000"},
    ("dnp3-frame", "no-first"): UNREAD,
    ("dnp3-link", "nack"): {"link says": "1"},
    ("dnp3-link", "not-supported"): {"link says": "15"},
    ("dnp3-link", "busy"): {"busy": "1"},
    ("dnp3-link", "unacknowledged"): {**NO_DATA, "link says": "", "busy": ""},
    ("dnp3-response", "function"): {"function": "193", "indications": ""},
    ("dnp3-indication", "device-trouble"): {"indications": "0xc000"},
    ("dnp3-indication", "need-time"): {"indications": "0x9000"},
    ("dnp3-indication", "local-control"): {"indications": "0xa000"},
    ("dnp3-indication", "event-buffer-overflow"): {"indications": "0x8008"},
    ("dnp3-indication", "already-executing"): {"indications": "0x8010"},
    ("dnp3-indication", "configuration-corrupt"): {"indications": "0x8020"},
}
"""What tshark finds that it does not find without a fault. It shows a frame whose header is wrong as no DNP3 at all."""


def said(kind: str, mode: str) -> bytes:
    """What an outstation answers to a request of its link's status and to a read of one measurement, under a fault."""
    here = rig("smart_meter", unsolicited=False)
    engine: Any = here.station.connect("peer", 0.0)
    if kind:
        spec: Any = registry.fault(kind)
        if spec.family == "link":
            engine = spec.wrap(engine, mode, spec.parameters(), 1, 0.0)
        else:
            here.seat.filters = (spec.filter(mode, spec.parameters(), 1),)
            here.station.filtered = True
    outstation = here.outstation.address
    status = control_byte(from_master=True, primary=True, function=PrimaryFunction.REQUEST_LINK_STATUS)
    data = control_byte(from_master=True, primary=True, function=PrimaryFunction.UNCONFIRMED_USER_DATA)
    engine.receive(build(status, outstation, MASTER), 0.0)
    index = here.table.sections[PointType.ANALOG_INPUT].indices[0]
    for each in segment(struct.pack("<BBBBBHH", 0xC0, 1, 30, 1, 1, index, index), first_sequence=0):
        engine.receive(build(data, outstation, MASTER, each), 0.0)
    engine.advance(0.0)
    octets: bytes = engine.take_output()
    return octets


SHARED: Final = ("", "shared")


def said_together() -> bytes:
    """What three outstations answer on one connection to requests of their static points that come in one piece."""
    line = Line(drops(3, "smart_meter", unsolicited=False).station)
    addresses = [STATION + row for row in range(3)]
    requests = [line.master(address).request(FunctionCode.READ, CLASS_0) for address in addresses]
    line.engine.receive(b"".join(requests), 0.0)
    return line.engine.take_output()


def captured(streams: Sequence[bytes]) -> bytes:
    """A capture of one segment each, of connections of their own: libpcap's format, link type 101 (raw IP)."""
    packets = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)]
    for number, octets in enumerate(streams):
        size = 40 + len(octets)
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, size, number, 0, 64, 6, 0, bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
        )
        tcp = struct.pack(">HHIIBBHHH", 20_000, 50_000 + number, 1, 1, 0x50, 0x18, 8_192, 0, 0)
        packets.append(struct.pack("<IIII", number, 0, size, size) + ip + tcp + octets)
    return b"".join(packets)


@pytest.fixture(scope="module")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, str]]:
    """What tshark finds in each, by the names of ``FIELDS``."""
    if shutil.which("tshark") is None:
        pytest.skip("no tshark: `sudo apt-get install tshark`")
    capture: Path = tmp_path_factory.mktemp("dissected") / "frames.pcap"
    capture.write_bytes(captured([*(said(*each) for each in (NONE, *EXPECTED)), said_together()]))
    words = [word for name in FIELDS.values() for word in ("-e", name)]
    read = ["tshark", "-r", str(capture), "-T", "fields", *words]
    done = subprocess.run(read, check=True, capture_output=True, text=True)
    lines = (line.split("\t") for line in done.stdout.splitlines())
    each_one = zip((NONE, *EXPECTED, SHARED), lines, strict=True)
    return {each: dict(zip(FIELDS, line, strict=True)) for each, line in each_one}


@pytest.mark.parametrize(("kind", "mode"), EXPECTED)
def test_tshark_shows_what_is_wrong_and_no_more(
    dissected: dict[tuple[str, str], dict[str, str]], kind: str, mode: str
) -> None:
    before, found = dissected[NONE], dissected[kind, mode]
    expected = EXPECTED[kind, mode]
    assert {name: each for name, each in found.items() if each != before[name]} == {
        name: each for name, each in expected.items() if each != before[name]
    }


def test_tshark_puts_together_what_each_of_several_outstations_says_on_one_connection(
    dissected: dict[tuple[str, str], dict[str, str]],
) -> None:
    found = dissected[SHARED]
    sources = found["source"].split(",")
    assert list(dict.fromkeys(sources)) == ["7", "8", "9"]
    assert set(found["destination"].split(",")) == {"1"}
    assert found["function"] == "129,129,129"
    assert found["data wrong"] == ""
