"""Reads a point list as CSV, and every point in it by what its row says and nothing else: run as a process of its own.

Modbus by pymodbus, IEC 60870-5-104 by c104, DNP3 by opendnp3. The argument is a JSON object: the parameters of
``main``. The last line printed is the value of each row that has one, by its number.
"""

from __future__ import annotations

import csv
import json
import struct
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

import c104
import opendnp3
from c104_master import Conversation, noticed
from opendnp3_master import PATIENCE_S, Application, Heard, Open, Silent
from pymodbus.client import ModbusTcpClient

Rows = Sequence[tuple[int, dict[str, str]]]
FORMATS = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}


def modbus(host: str, port: int, rows: Rows) -> Iterator[tuple[int, float]]:
    client = ModbusTcpClient(host, port=port)
    assert client.connect()
    read = {
        1: client.read_coils,
        2: client.read_discrete_inputs,
        3: client.read_holding_registers,
        4: client.read_input_registers,
    }
    for number, row in rows:
        ask, kind = read[int(row["read_code"])], row["data_type"].split()[0]
        size = struct.calcsize(FORMATS[kind]) // 2 if kind != "bit" else 1
        answer = ask(int(row["number"]), count=size, device_id=int(row["unit_id"]))
        assert not answer.isError(), (answer, row)
        if kind == "bit":
            yield number, float(answer.bits[0])
            continue
        (raw,) = struct.unpack(FORMATS[kind], struct.pack(f">{size}H", *answer.registers))
        yield number, float(raw >> int(row["bit"]) & 1 if row["bit"] else raw)
    client.close()


def iec104(host: str, port: int, rows: Rows) -> Iterator[tuple[int, float]]:
    talk = Conversation(host, port)
    try:
        assert noticed(lambda: talk.link.interrogation(common_address=0xFFFF, qualifier=c104.Qoi.STATION))
        assert noticed(lambda: talk.link.counter_interrogation(common_address=0xFFFF))
        said = talk.points()
        for number, row in rows:
            value, kind, good = said[row["common_address"]][row["number"]]
            assert good, row
            assert kind in row["data_type"], row
            yield number, float(value) - (kind == "M_DP_NA_1")  # 1 is off, 2 is on
    finally:
        talk.client.stop()


def dnp3(host: str, port: int, rows: Rows) -> Iterator[tuple[int, float]]:
    heard, application, listener, log = Heard(), Application(), Open(), Silent()
    kinds = {"analog input": "AI", "analog output": "AO", "binary input": "BI", "binary output": "BO", "counter": "CTR"}
    manager = opendnp3.DNP3Manager(1, log)
    try:
        there, retry = [opendnp3.IPEndpoint(host, port)], opendnp3.ChannelRetry.Default()
        channel = manager.AddTCPClient("a", opendnp3.LogLevels.none(), retry, there, "127.0.0.1", listener)
        stack = opendnp3.MasterStackConfig()
        stack.link.LocalAddr, stack.link.RemoteAddr = 1, int(rows[0][1]["link_address"])
        master = channel.AddMaster("master", heard, application, stack)
        master.Enable()
        with heard.changed:
            heard.changed.wait_for(lambda: len(heard.static) > 0, PATIENCE_S)
        everything = opendnp3.ClassField.AllClasses()
        assert application.after(lambda: master.ScanClasses(everything, heard)) == "SUCCESS"
        for number, row in rows:
            yield number, heard.static[f"{kinds[row['object']]}{row['number']}"]
    finally:
        manager.Shutdown()


MASTERS = {"modbus": modbus, "iec104": iec104, "dnp3": dnp3}


def main(path: str) -> dict[str, float]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = [(number, row) for number, row in enumerate(csv.DictReader(file)) if "r" in row["access"]]

    def where(each: tuple[int, dict[str, str]]) -> tuple[str, str, str, str]:
        return each[1]["protocol"], each[1]["host"], each[1]["port"], each[1]["link_address"]

    found: dict[str, float] = {}
    scales = {number: float(row["scale"]) for number, row in rows}
    for (protocol, host, port, _), several in groupby(sorted(rows, key=where), key=where):
        # What a number means otherwise is said in brackets; the types of IEC 104 have theirs there.
        plain = [each for each in several if protocol == "iec104" or "(" not in each[1]["data_type"]]
        for number, raw in MASTERS[protocol](host, int(port), plain):
            found[str(number)] = raw * scales[number]
    return found


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
