"""What a master should read of a point, by the point list, and what its octets say."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_MODBUS: Final = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}
_LIMITS: Final = {
    "uint16": (0.0, 2.0**16 - 2),
    "int16": (1.0 - 2.0**15, 2.0**15 - 1),
    "uint32": (0.0, 2.0**32 - 2),
    "int32": (1.0 - 2.0**31, 2.0**31 - 1),
}
_REGISTER: Final = re.compile(r"(input )?register (\d+)")
_BCR_MODULO: Final = 2.0**31
_COUNTER_MODULO: Final = 2.0**32
_FLOAT32_REL: Final = 2e-7
_ABOUT_ZERO: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Point:
    """A point a master reads: where it is, and how its wire value comes from a quantity."""

    device: str
    quantity: str
    place: tuple[Any, ...]
    """Modbus: unit, whether input registers, register. IEC 104: object address. DNP3: kind and index."""
    data_type: str
    scale: float
    total: bool
    modulus: float = math.inf
    """A total begins again at 0 here."""
    whole: bool = False
    offset: float = 0.0
    floored: bool = False
    limits: tuple[float, float] | None = None
    """Where an integer saturates: beside the value of its type that says "not implemented"."""

    @property
    def registers(self) -> int:
        return struct.calcsize(_MODBUS[self.data_type]) // 2

    def agrees(self, wire: float, reported: float) -> bool:
        """Whether the wire value is what the quantity comes to."""
        due = reported / self.scale + self.offset
        if self.modulus < math.inf:
            due = (math.floor(due) if self.floored else round(due)) % self.modulus
            apart = abs(wire - due)
            # One unit: a register may round the half the other way.
            return min(apart, self.modulus - apart) <= 1.0 and 0.0 <= wire < self.modulus
        if self.limits is not None:
            due = min(max(due, self.limits[0]), self.limits[1])
        return abs(wire - due) <= (0.5 if self.whole else 0.0) + _ABOUT_ZERO + _FLOAT32_REL * abs(due)


def points_of(rows: Sequence[Mapping[str, Any]], protocol: str, unit: int) -> list[Point]:
    """The points of a device's list that can be read over a protocol and come from one quantity alone."""
    read = {"modbus": _modbus, "iec104": _iec104, "dnp3": _dnp3}[protocol]
    found = []
    for row in rows:
        if row["protocol"] == protocol and row["access"] == "r" and row["quantity"] and row["scale"]:
            point = read(row, unit)
            if point is not None:
                found.append(point)
    return found


def _modbus(row: Mapping[str, Any], unit: int) -> Point | None:
    place, kind = _REGISTER.fullmatch(row["address"]), row["data_type"]
    if place is None or kind not in _MODBUS:
        return None
    total = row["role"] == "total"
    return Point(
        row["device"],
        row["quantity"],
        (unit + int(row["resource_unit"]) - 1, place[1] is not None, int(place[2])),
        kind,
        row["scale"],
        total,
        modulus=_COUNTER_MODULO if total and kind == "uint32" else math.inf,
        whole="int" in kind,
        limits=_LIMITS.get(kind),
    )


def _iec104(row: Mapping[str, Any], _: int) -> Point | None:
    kind = row["data_type"].split("_")[1]
    if kind not in ("ME", "SP", "DP", "IT"):
        return None
    return Point(
        row["device"],
        row["quantity"],
        (int(row["address"]),),
        kind,
        row["scale"],
        row["role"] == "total",
        modulus=_BCR_MODULO if kind == "IT" else math.inf,
        whole=kind != "ME",
        offset=1.0 if kind == "DP" else 0.0,
        floored=kind == "IT",
    )


def _dnp3(row: Mapping[str, Any], _: int) -> Point | None:
    found = re.fullmatch(r"(BI|AI|CTR)(\d+)", row["address"])
    if found is None or " " in row["data_type"]:
        return None
    return Point(
        row["device"],
        row["quantity"],
        (found[1], int(found[2])),
        row["data_type"],
        row["scale"],
        row["role"] == "total",
        modulus=_COUNTER_MODULO if found[1] == "CTR" else math.inf,
        whole=True,
        limits=(-(2.0**31), 2.0**31 - 1) if found[1] == "AI" else None,
    )


def decoded(data_type: str, registers: Sequence[int]) -> float:
    """The number that Modbus registers hold, the highest first."""
    (value,) = struct.unpack(_MODBUS[data_type], struct.pack(f">{len(registers)}H", *registers))
    return float(value)
