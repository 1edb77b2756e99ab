"""SunSpec models laid out: a chain of models from a base address on, points bound to quantities.

The definitions are pysunspec2's, and our own vendor models in ``models/``, whose points are named after the
quantities they carry. They are read when a plan is made, never while serving.

A point whose quantity a kind does not have holds the type's not-implemented value. So do L2, L3 and the voltages
between phases of a single-phase device; where SunSpec has a model of its own for these, it says so by its number.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final, TypeAlias

import sunspec2.device
import sunspec2.mb
import sunspec2.mdef

from pilotfarm.emulators.maps.binding import Quantities
from pilotfarm.emulators.plans.chains import BASE, MARK
from pilotfarm.emulators.plans.modbus import Identity, Register, ScaleFactor, Window
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.scaling import rolling, times
from pilotfarm.emulators.wire.sinks import Pulse, Sink
from pilotfarm.emulators.wire.sources import Scaled, Source
from pilotfarm.emulators.wire.wiring import ByWiring

VENDOR_MODELS: Final = (64_901, 64_902, 64_903, 64_904, 64_905, 64_906, 64_907, 64_908, 64_909, 64_910, 64_911)

_END: Final = b"\xff\xff\x00\x00"
_DTYPES: Final = {
    "int16": ">i2",
    "uint16": ">u2",
    "acc16": ">u2",
    "enum16": ">u2",
    "bitfield16": ">u2",
    "int32": ">i4",
    "uint32": ">u4",
    "acc32": ">u4",
    "enum32": ">u4",
    "bitfield32": ">u4",
    "int64": ">i8",
    "uint64": ">u8",
    "acc64": ">u8",
    "float32": ">f4",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A point that shows one thing and takes another."""

    shows: Source | None
    takes: Sink
    dtype: str = ""
    """Wider than the point where it carries the following one too."""
    partly: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """The first of these that a device has all of."""

    bounds: tuple[Bound, ...]


Bound: TypeAlias = "str | tuple[str, float] | Source | Pair | OneOf"
"""A quantity in its own unit; one with a gain to the point's unit; a source; a pair; alternatives.

Where a point has a scale factor, a source is in the point's unit, else it gives raw wire values.
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a chain: fixed points (scale factors among them), scale factors by size, bound points."""

    id: int
    fixed: Mapping[str, int | str] = field(default_factory=dict)
    scale_factors: Mapping[str, ScaleFactor] = field(default_factory=dict)
    points: Mapping[str, Bound] = field(default_factory=dict)
    single: int = 0
    """The number of the same model for single-phase devices, if they have one of their own."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain laid out: its registers, and the addresses of points that are not implemented."""

    window: Window
    registers: tuple[Register, ...]
    unimplemented: frozenset[int]


@cache
def definition(model_id: int) -> dict[str, Any]:
    """The definition of a standard or vendor model, as its JSON has it."""
    if model_id in VENDOR_MODELS:
        with resources.as_file(
            resources.files("pilotfarm.emulators.maps") / "models" / f"model_{model_id}.json"
        ) as path:
            found: dict[str, Any] = sunspec2.mdef.from_json_file(str(path))
    else:
        found = sunspec2.device.get_model_def(model_id)
    return found


def _points(group: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Points in register order, groups once each, named ``group.point`` inside a group."""
    for point in group["points"]:
        yield path + point["name"], point
    for inner in group.get("groups", ()):
        yield from _points(inner, f"{path}{inner['name']}.")


def vendor(model_id: int, names: Container[str]) -> Model:
    """A vendor model with those of its points whose quantities are asked for."""
    points: dict[str, Bound] = {}
    for name, _ in _points(definition(model_id)["group"]):
        if name in names:
            points[name] = Pair(Scaled(name), Pulse(name)) if quantity(name).role is Role.COMMAND else name
    return Model(model_id, points=points)


def common(identity: Identity) -> Model:
    """Model 1; serial number and unit id are written into each device's own row."""
    texts = {"Mn": identity.vendor, "Md": identity.model, "Opt": identity.product_code, "Vr": identity.revision}
    return Model(1, {**texts, "SN": "", "DA": 1})


SERIAL: Final = (BASE + 2 + 50, 16)
"""Where model 1, first in every chain, has its serial number: address and registers."""
UNIT_ID: Final = BASE + 2 + 66
"""Where model 1 has the unit id."""


def chain(models: Sequence[Model], has: Quantities) -> Chain:
    """Lay a chain out from ``BASE`` on, with the mark before and the end model behind it."""
    data = bytearray(MARK)
    registers: list[Register] = []
    unimplemented: set[int] = set()
    for model in models:
        image, bound, missing = _lay(model, BASE + len(data) // 2, has)
        data += image
        registers += bound
        unimplemented |= missing
    return Chain(Window(BASE, bytes(data + _END)), tuple(registers), frozenset(unimplemented))


def _lay(model: Model, start: int, has: Quantities) -> tuple[bytes, list[Register], set[int]]:
    image = bytearray()
    registers: list[Register] = []
    known, missing = set(), set()
    for name, point in _points(definition(model.id)["group"]):
        known.add(name)
        address = start + len(image) // 2
        size = 2 * point["size"]
        bound: list[Register] = []
        if name in model.scale_factors:
            bound = [Register(address, ">i2", scale_factor=has.scale_factor(model.scale_factors[name]))]
        elif name in model.points:
            bound = _bind(model, model.points[name], point, address, has)
        elif name == "ID" and model.single:
            bound = has.bind(address, ">u2", ByWiring(float(model.id), float(model.single)))
        value = model.id if name == "ID" else model.fixed.get(name)
        if value is None or (name in model.points and not bound):
            image += sunspec2.mb.create_unimpl_value(point["type"], len=size)
            missing |= set() if bound else set(range(address, address + point["size"]))
        else:
            image += sunspec2.mb.point_type_info[point["type"]].to_data(value, size)
        registers += bound
    unknown = (model.fixed.keys() | model.scale_factors.keys() | model.points.keys()) - known
    assert not unknown, f"model {model.id} has no point {', '.join(sorted(unknown))}"
    image[2:4] = (len(image) // 2 - 2).to_bytes(2, "big")
    for register in registers:
        missing.difference_update(range(register.address, register.address + register.width))
    return bytes(image), registers, missing - {start + 1}


def _bind(model: Model, bound: Bound, point: Mapping[str, Any], address: int, has: Quantities) -> list[Register]:
    if isinstance(bound, OneOf):
        return next(filter(None, (_bind(model, each, point, address, has) for each in bound.bounds)), [])
    dtype = _DTYPES[point["type"]]
    missing = int.from_bytes(sunspec2.mb.create_unimpl_value(point["type"], len=2 * point["size"]), "big")
    if dtype[1] == "i":
        missing = -(1 << (16 * point["size"] - 1))
    factor = point.get("sf", 0)
    scale_factor = model.scale_factors.get(factor) if isinstance(factor, str) else None
    exponent = 0 if scale_factor else int(model.fixed[factor]) if isinstance(factor, str) else int(factor)
    unit = 10.0**-exponent
    shows: Source | None
    takes: Sink | None = None
    partly = False
    match bound:
        case str() | tuple():
            name, gain = (bound, 1.0) if isinstance(bound, str) else bound
            shows = Scaled(name, gain * unit)
            takes = shows if point.get("access") == "RW" and quantity(name).writable else None
        case Pair():
            shows, takes, partly, dtype = bound.shows, bound.takes, bound.partly, bound.dtype or dtype
        case _:
            shows = times(bound, unit)
    if shows is not None and point["type"] == "acc32":
        shows = rolling(shows, 2.0**32)  # an accumulator rolls over
    return has.bind(address, dtype, shows, takes, missing=missing, scale_factor=scale_factor, partly=partly)
