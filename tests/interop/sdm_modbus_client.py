"""sdm_modbus in a process of its own: write some of what an SDM630 has, read everything; answer in JSON."""

from __future__ import annotations

import json
import sys


def main(packages: str, host: str, port: int, write: dict[str, float]) -> None:
    sys.path.insert(0, packages)  # before this environment's pymodbus, which is too new for it
    from sdm_modbus import SDM630
    from sdm_modbus.meter import registerType

    meter = SDM630(host=host, port=port, unit=1)
    for name, value in write.items():
        meter.write(name, value)
    print(json.dumps({"measured": meter.read_all(registerType.INPUT), "set": meter.read_all(registerType.HOLDING)}))
    meter.disconnect()


main(**json.loads(sys.argv[1]))
