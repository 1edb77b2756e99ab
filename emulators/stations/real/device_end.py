"""A device at the end of its way to a station that really polls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pilotfarm.emulators.contracts.asking import Order
from pilotfarm.emulators.contracts.clock import Clock
from pilotfarm.emulators.contracts.protocol import Command, Device
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.links.through import Through


class DeviceEnd:
    """What a station's end of the way knows of the device's: whether it is there, and when it last heard something."""

    __slots__ = ("heard_s", "order", "reachable", "wall_s")

    def __init__(self, wall_s: Callable[[float], float]) -> None:
        self.wall_s = wall_s
        """The wall time of a site time."""
        self.reachable = True
        self.heard_s = 0.0
        self.order: Order | None = None
        """On whose behalf it is told something."""


class Heard(Through):
    """A device's engine: deaf while the device is off, and on wall time, as engines are."""

    def __init__(self, inner: Engine, end: DeviceEnd) -> None:
        super().__init__(inner)
        self._end = end

    def receive(self, data: bytes, now_s: float) -> None:
        if self._end.reachable:
            self._end.heard_s = now_s
            self.inner.receive(data, self._end.wall_s(now_s))

    def advance(self, now_s: float) -> None:
        self.inner.advance(self._end.wall_s(now_s))

    def deadline_s(self) -> float | None:
        """None: a device answers as soon as it has heard a whole request."""
        return None


class Ordered:
    """A device that is told something by its station, on behalf of who has asked that."""

    __slots__ = ("_device", "_end")

    def __init__(self, device: Device, end: DeviceEnd) -> None:
        self._device, self._end = device, end

    @property
    def id(self) -> str:
        return self._device.id

    @property
    def clock(self) -> Clock:
        return self._device.clock

    @property
    def serial(self) -> str:
        return self._device.serial

    def value(self, quantity: str) -> float:
        return self._device.value(quantity)

    def quality(self, quantity: str) -> int:
        return self._device.quality(quantity)

    def check(self, values: Mapping[str, float]) -> None:
        self._device.check(values)

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        order = self._end.order
        if order is not None:
            protocol, peer = order.protocol, order.peer
        return self._device.submit(values, protocol, peer, now_s)
