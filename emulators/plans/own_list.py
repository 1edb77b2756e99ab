"""A station's own list of points: what a site file asks for, and what a protocol makes of it.

The list names devices, quantities and addresses. What a point's ``type`` may be, how wide it is and which of the other
keys it has is the protocol's: ``OwnList``, one a protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.plans.deadband import Deadband

OWN_LIST: Final = "points"
"""What stands in place of a map's name where a station has a list of its own."""
ABSENT: Final = -1
"""In place of an address, where a device does not have a point."""
Addresses: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OwnPoint:
    """What stands at an address of a station's list: a quantity of some device, whichever that is.

    ``type`` is the protocol's name of it; empty for the quantity's usual one. The number on the wire times ``scale``
    is the quantity in its unit; ``None`` for the usual scale. ``group`` is an interrogation or counter group,
    ``event_class`` DNP3's; ``deadband`` is ``None`` for the usual one.
    """

    quantity: str
    type: str = ""
    scale: float | None = None
    group: int | None = None
    event_class: int | None = None
    deadband: Deadband | None = None


class Listed(NamedTuple):
    """A point at its address."""

    address: int
    point: OwnPoint


class Span(NamedTuple):
    """What a point takes of the addresses there are.

    Points of one ``space`` do not overlap; each takes ``width`` addresses, and none is outside ``first`` to ``last``.
    ``why`` says what in the station's options has it end there, if anything does.
    """

    space: str
    width: int
    first: int
    last: int
    why: str = ""


class Unfit(ValueError):
    """What is wrong with a point, by the key that is wrong."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__(*problems)
        self.problems = problems


def _no_refusal(options: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class OwnList:
    """How a protocol serves a station's own list.

    ``refusal(options)`` says why a station with these options has none, empty if it may. ``form`` is
    ``ProtocolSpec.form`` of the options. ``keys`` are those of ``OwnPoint`` that it has beside
    ``quantity`` and ``type``.

    ``settled(point, spec, form)`` fills in everything that was left out, or raises ``Unfit``; it is given no deadband,
    and leaves the usual one where a point is reported by deadband. The functions after it take points that are settled.
    ``span(point, form)`` says what it takes of the addresses. ``plan(spec, points, addresses)`` makes what
    ``ProtocolSpec.table`` needs for a group of ``n`` devices: ``addresses`` has shape ``(n, len(points))``, with
    ``ABSENT`` where a device does not have a point. ``row(point, address, spec, columns, form)`` is how a point is
    listed.
    """

    keys: frozenset[str]
    settled: Callable[[OwnPoint, DeviceSpec, Hashable], OwnPoint]
    span: Callable[[OwnPoint, Hashable], Span]
    plan: Callable[[DeviceSpec, Sequence[OwnPoint], Addresses], Any]
    row: Callable[[OwnPoint, int, DeviceSpec, Seen, Hashable], PointRow]
    refusal: Callable[[Any], str] = _no_refusal
