"""The other server of each comparison, in its own process: ``python -m pilotfarm.loadtests.bench.rivals NAME ...``."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import NoReturn


def pymodbus(host: str, port: int, first: int, content: bytes) -> None:
    """pymodbus's own server, holding the registers it is given."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    values = [int.from_bytes(content[i : i + 2], "big") for i in range(0, len(content), 2)]

    async def serve() -> None:
        data = SimData(first, values=values, datatype=DataType.REGISTERS)
        server = ModbusTcpServer(SimDevice(1, simdata=data), address=(host, port))
        await server.serve_forever(background=True)
        print("ready", flush=True)  # noqa: T201  the parent waits for this line
        await asyncio.Event().wait()

    asyncio.run(serve())


def lib60870(host: str, port: int, stations: int, points: int) -> NoReturn:
    """c104, which is lib60870: one server, ``stations`` common addresses of ``points`` short floats each."""
    import c104

    server = c104.Server(ip=host, port=port)
    for address in range(1, stations + 1):
        station = server.add_station(common_address=address)
        assert station is not None
        for place in range(points):
            point = station.add_point(io_address=2_000 + place, type=c104.Type.M_ME_NC_1)
            assert point is not None
            point.value = float(place)
    server.start()
    print("ready", flush=True)  # noqa: T201  the parent waits for this line
    threading.Event().wait()
    raise AssertionError("nobody sets that event")


if __name__ == "__main__":
    name, host, port, first, second = sys.argv[1:]
    if name == "pymodbus":
        pymodbus(host, int(port), int(first), bytes.fromhex(second))
    else:
        lib60870(host, int(port), int(first), int(second))
