"""SunSpec models in the registers of a device, found and decoded as pysunspec2 does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sunspec2.device
import sunspec2.mb

from pilotfarm.emulators import registry
from pilotfarm.emulators.maps.sunspec.chain import VENDOR_MODELS, definition
from pilotfarm.emulators.plans.modbus import RegisterPlan, Unit

END = 0xFFFF


@dataclass(frozen=True)
class Point:
    """A point of a model in a device's registers; ``name`` has the group before it, where it stands in one."""

    model: int
    name: str
    definition: dict[str, Any]
    address: int
    """Counted from the base."""
    data: bytes

    @property
    def key(self) -> str:
        return f"{self.model}.{self.name}"

    @property
    def type(self) -> str:
        return str(self.definition["type"])

    @property
    def is_mandatory(self) -> bool:
        return self.definition.get("mandatory") == "M" and self.type != "pad" and self.name not in ("ID", "L")

    @property
    def is_writable(self) -> bool:
        return self.definition.get("access") == "RW"

    @property
    def is_implemented(self) -> bool:
        return self.data != sunspec2.mb.create_unimpl_value(self.type, len=len(self.data))

    @property
    def value(self) -> int | float | str:
        found: int | float | str = sunspec2.mb.point_type_info[self.type].data_to(self.data)
        return found


def models(image: bytes) -> Iterator[tuple[int, sunspec2.device.Model]]:
    """Walk a chain from its mark to its end: where each model begins, in registers from the base, and the model."""
    assert image[:4] == b"SunS"
    at = 2
    while (model_id := int.from_bytes(image[2 * at : 2 * at + 2], "big")) != END:
        length = int.from_bytes(image[2 * at + 2 : 2 * at + 4], "big")
        known = definition(model_id) if model_id in VENDOR_MODELS else None
        data = image[2 * at : 2 * (at + 2 + length)]
        model = sunspec2.device.Model(model_id, data=data, model_len=length, model_def=known)
        assert not model.error_info, model.error_info
        yield at, model
        at += 2 + length
    assert len(image) == 2 * at + 4


def points(image: bytes) -> list[Point]:
    """Every point of every standard model of a chain."""
    return [
        Point(model.model_id, name, point.pdef, at + point.offset, image[2 * (at + point.offset) :][: 2 * point.len])
        for at, model in models(image)
        if model.model_id not in VENDOR_MODELS
        for name, point in _points(model)
    ]


def _points(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, point in group.points.items():
        yield path + name, point
    for name, inner in group.groups.items():
        for each in inner if isinstance(inner, list) else [inner]:
            yield from _points(each, f"{path}{name}.")


def chains(plan: RegisterPlan) -> Iterator[tuple[int, Unit, int, int]]:
    """The units of a plan that have a chain: number, unit, base address, and length in registers."""
    for number, unit in enumerate(plan.units):
        for window in unit.windows:
            if window.data.startswith(b"SunS"):
                yield number, unit, window.first, window.end - window.first


def served() -> list[tuple[str, str]]:
    """Every kind and map that has a chain."""
    return [
        (kind, each.name)
        for kind in registry.DEVICES
        for each in registry.maps_for("modbus", kind)
        if any(chains(each.plan(registry.device(kind))))
    ]
