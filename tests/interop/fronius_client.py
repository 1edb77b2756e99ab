"""A conversation of fronius-modbus with a storage, told as JSON: run by a Python that has the client (3.12 and later).

The argument is a JSON object: the parameters of ``main``. The last line printed is what the client saw. Of other
packages it takes none, so that it runs in an environment of the client's own.
"""

import asyncio
import json
import sys
import urllib.request
from typing import Any

from fronius_modbus import FroniusModbusInverter
from modbus_connection.pymodbus import connect_tcp


def post(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()


async def main(host: str, port: int, unit: int, rest: str, device: str, asks: list[list[Any]]) -> dict[str, Any]:
    """Ask for one thing after another; note what the client reads back at once, and what is done some steps later.

    An ask is the name of a method of the client's storage with its keywords; ``"tell"``, set-points over REST; or
    ``"wait"``, so many seconds of wall time.
    """
    connection = await connect_tcp(host, port=port)
    try:
        inverter = FroniusModbusInverter(connection.for_unit(unit))
        await inverter.discover()
        storage = inverter.storage
        noted = []
        for name, arguments in asks:
            if name == "tell":
                post(f"{rest}devices/{device}/setpoints", arguments)
            elif name == "wait":
                await asyncio.sleep(arguments)
            else:
                await getattr(storage, name)(**arguments)
            await storage.async_update()
            read = {
                "charge": [storage.charge_limit, storage.charge_limit_enabled],
                "discharge": [storage.discharge_limit, storage.discharge_limit_enabled],
                "reserve": storage.minimum_reserve,
                "reverts_s": storage.revert_seconds,
                "grid": storage.grid_charging,
            }
            post(f"{rest}clock/step", {"steps": 10})
            await inverter.async_update()
            done = {"power_w": inverter.inverter.ac_power, "state": storage.state.name, "soc": storage.state_of_charge}
            noted.append(read | done)
        return {
            "maker": inverter.common.manufacturer,
            "serial": inverter.common.serial_number,
            "models": [model.model_id for model in inverter.model_chain],
            "floats": inverter.float_mode,
            "storage": inverter.has_storage,
            "reference_w": storage.charge_reference_power,
            "writes": await inverter.controls.probe_write_access(),
            "noted": noted,
        }
    finally:
        await connection.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(**json.loads(sys.argv[1])))))
