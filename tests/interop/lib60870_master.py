"""lib60870-C masters a line of IEC 60870-5-101: run as a process of its own, told the parameters of ``main`` as JSON.

Widths are the library's own: link address 1, cause 2, common address 2, object address 3 octets.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_bool, c_char, c_char_p, c_float, c_int, c_uint8, c_void_p
from typing import Any, Final

PATIENCE_S: Final = 20.0
BALANCED, UNBALANCED = 0, 1
AVAILABLE: Final = 3
_ONLY: Final = -1
"""What the library calls the only station of a balanced line when it says how its link is."""
ACTIVATION, CONFIRMATION, TERMINATION = 6, 7, 10
STATION, TOTALS = 20, 5
SINGLE, DOUBLE, FLOAT, COUNTER, SETPOINT = 1, 3, 13, 15, 50
_HEARD = CFUNCTYPE(c_bool, c_void_p, c_int, c_void_p)
_STATE = CFUNCTYPE(None, c_void_p, c_int, c_int)
_RETURNS: Final = {
    "SerialPort_create": c_void_p,
    "CS101_Master_create": c_void_p,
    "CS101_ASDU_getElement": c_void_p,
    "SetpointCommandShort_create": c_void_p,
    "SinglePointInformation_getValue": c_bool,
    "MeasuredValueShort_getValue": c_float,
    "IntegratedTotals_getBCR": c_void_p,
    "CS101_ASDU_isNegative": c_bool,
    "CS101_Master_isChannelReady": c_bool,
    "SerialPort_open": c_bool,
}


class Master:
    """One line, and what has been heard on it: (type, cause, negative), and values by common address and object."""

    def __init__(self, library: str, path: str, mode: int, links: list[int]) -> None:
        self._lib = ctypes.CDLL(library)
        for name, kind in _RETURNS.items():
            getattr(self._lib, name).restype = kind
        self.said: list[tuple[int, int, bool]] = []
        self.values: dict[int, dict[int, float]] = {}
        self.up: dict[int, bool] = {}
        self._links, self._mode = links, mode
        self._handlers = _HEARD(self._heard), _STATE(self._changed)
        port = self._lib.SerialPort_create(c_char_p(path.encode()), 19_200, c_uint8(8), c_char(b"E"), c_uint8(1))
        self._port = c_void_p(port)
        self._master = c_void_p(self._lib.CS101_Master_create(self._port, None, None, mode))
        self._lib.CS101_Master_setASDUReceivedHandler(self._master, self._handlers[0], None)
        self._lib.CS101_Master_setLinkLayerStateChanged(self._master, self._handlers[1], None)
        for link in links:
            if mode == UNBALANCED:
                self._lib.CS101_Master_addSlave(self._master, link)
            else:
                self._lib.CS101_Master_setOwnAddress(self._master, link)
                self._lib.CS101_Master_useSlaveAddress(self._master, link)
        assert self._lib.SerialPort_open(self._port)

    def until(self, there: Callable[[], bool]) -> bool:
        """Poll every station of the line until something has come."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s and not there():
            for link in self._links if self._mode == UNBALANCED else ():
                self._lib.CS101_Master_pollSingleSlave(self._master, link)
                self._lib.CS101_Master_run(self._master)
            self._lib.CS101_Master_run(self._master)
        return there()

    def interrogate(self, address: int) -> None:
        self._lib.CS101_Master_sendInterrogationCommand(self._to(address), ACTIVATION, address, STATION)

    def count(self, address: int) -> None:
        self._lib.CS101_Master_sendCounterInterrogationCommand(self._to(address), ACTIVATION, address, TOTALS)

    def order(self, address: int, ioa: int, value: float) -> None:
        command = c_void_p(self._lib.SetpointCommandShort_create(None, ioa, c_float(value), c_bool(False), 0))
        self._lib.CS101_Master_sendProcessCommand(self._to(address), ACTIVATION, address, command)

    def has(self, kind: int, cause: int, times: int = 1) -> bool:
        return sum(each[:2] == (kind, cause) for each in self.said) >= times

    def _to(self, address: int) -> c_void_p:
        """Have the next message go to the link of a station; unbalanced, its common address is its link address."""
        if self._mode == UNBALANCED:
            self.until(lambda: bool(self._lib.CS101_Master_isChannelReady(self._master, address)))
            self._lib.CS101_Master_useSlaveAddress(self._master, address)
        return self._master

    def _changed(self, parameter: Any, link: int, state: int) -> None:
        self.up[link] = state == AVAILABLE

    def _heard(self, parameter: Any, link: int, asdu_: int) -> bool:
        asdu, lib = c_void_p(asdu_), self._lib
        kind, cause = lib.CS101_ASDU_getTypeID(asdu), lib.CS101_ASDU_getCOT(asdu)
        self.said.append((kind, cause, bool(lib.CS101_ASDU_isNegative(asdu))))
        values = self.values.setdefault(lib.CS101_ASDU_getCA(asdu), {})
        for index in range(lib.CS101_ASDU_getNumberOfElements(asdu) if kind in (SINGLE, DOUBLE, FLOAT, COUNTER) else 0):
            element = c_void_p(lib.CS101_ASDU_getElement(asdu, index))
            values[lib.InformationObject_getObjectAddress(element)] = float(self._value(kind, element))
            lib.InformationObject_destroy(element)
        return True

    def _value(self, kind: int, element: c_void_p) -> float:
        lib = self._lib
        if kind == COUNTER:
            return float(lib.BinaryCounterReading_getValue(c_void_p(lib.IntegratedTotals_getBCR(element))))
        read = {
            SINGLE: lib.SinglePointInformation_getValue,
            DOUBLE: lib.DoublePointInformation_getValue,
            FLOAT: lib.MeasuredValueShort_getValue,
        }
        return float(read[kind](element))


def main(
    library: str, path: str, mode: int, links: list[int], addresses: list[int], ioa: int, value: float
) -> dict[str, Any]:
    master = Master(library, path, mode, links)
    up = links if mode == UNBALANCED else [_ONLY]
    assert master.until(lambda: all(master.up.get(link) for link in up)), master.up
    for number, address in enumerate(addresses, 1):
        master.interrogate(address)
        assert master.until(lambda number=number: master.has(100, TERMINATION, number)), master.said  # type: ignore[misc]
        master.count(address)
        assert master.until(lambda number=number: master.has(101, TERMINATION, number)), master.said  # type: ignore[misc]
    master.order(addresses[0], ioa, value)
    assert master.until(lambda: master.has(SETPOINT, CONFIRMATION)), master.said
    return {"said": master.said, "values": master.values}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
