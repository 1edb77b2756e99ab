"""What a kind of fault is to the farm: one of a few families, each with the one function it needs.

A measurement fault makes reported columns of true ones. Admission, link and protocol faults use the hooks of
``way``. A grid fault moves true columns by way of the physics: it disturbs supplies (``disturbance``), or the area.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.contracts.disturbance import Disturbance
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.contracts.way import Admission, Engine, Filter, Link
from pilotfarm.emulators.quantities import Quantity
from pilotfarm.profiles.media import Medium


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What every kind of fault has, as the registry names it."""

    kind: str
    title: str
    parameters: type[Any]
    """A pydantic model; its JSON Schema is the documentation."""
    modes: tuple[str, ...] = ()
    """Variants by name, the default first."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Parameters to try it with."""
    needs: tuple[str, ...] = ()
    """Keys that its target must have."""


# ------------------------------------------------------------------------------------ measurement


Numbers: TypeAlias = Mapping[str, Floats]
"""What faults of a kind need to know of themselves, by name: a number a cell, ``(m,)`` each."""


@dataclass(frozen=True, slots=True)
class Cells:
    """``m`` cells that faults of one kind grip, a quantity of a device each; every array is ``(m,)``.

    ``note`` is what was reported when the cell's fault began, ``elapsed_s`` how long ago that was [s of site time].
    ``numbers`` are the parameters of the cell's fault. ``keys`` are the cells' own, for draws: with a counter made of
    ``time_s`` [s since the site's start] a draw depends on no other cell and on no length of a step. ``counts`` says
    which cells are totals, that go on from where they are.
    """

    true: Floats
    reported: Floats
    note: Floats
    elapsed_s: Floats
    numbers: Numbers
    keys: Keys
    time_s: float
    counts: Bools


def _itself(mode: str, quantities: Sequence[Quantity]) -> Mapping[str, str]:
    return {each.name: each.name for each in quantities}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementFault(_Kind):
    """The physics goes on, and what is reported of it is wrong.

    ``numbers(mode, parameters)`` gives what ``report`` needs to know of a fault: the same names for every fault of
    the kind. ``report(mode, cells)`` returns what is reported instead, ``(m,)``: many faults are one call.
    """

    family: ClassVar = "measurement"
    numbers: Callable[[str, Any], Mapping[str, float]]
    report: Callable[[str, Cells], Floats]
    quality: Callable[[str, Any], Quality]
    """What the device says of such values."""
    replaces: bool = False
    """Whether it reports the same whatever faults before it made of the truth: these are then not worked out."""
    then: Callable[[Numbers, Numbers, Floats], Numbers] | None = None
    """``then(first, second, passed_s)``: numbers of one fault for two that follow each other, as if it had begun with
    the second, ``passed_s`` after the first [s]; where the kind does not look at the note."""
    reads: Callable[[str, Sequence[Quantity]], Mapping[str, str]] = _itself
    """``reads(mode, quantities)``: which of a device's quantities it can grip, and whose value it is given of each."""
    by_phase: bool = False
    """Whether it grips all quantities of a phase, so that a target need not name any."""


# --------------------------------------------------------------------------------- the device itself


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault(_Kind):
    """The device does something else than it was told, and shows what it was told.

    ``overrules(mode, parameters, columns, elapsed_s)`` is given the columns of the gripped devices, ``(m,)`` each, and
    returns what they follow in this step in place of their own set-points and commands, by name, ``(m,)`` each.
    ``needs`` are the quantities it looks at or returns: devices that lack one are missed.
    """

    family: ClassVar = "device"
    needs: tuple[str, ...]
    overrules: Callable[[str, Any, Seen, float], Columns]


@dataclass(frozen=True, slots=True)
class ClockTime:
    """When somebody looks at a clock: on the UTC scale [s since 1970], and how long after its fault began [s].

    ``zone`` is the name of the site's.
    """

    unix_s: float
    elapsed_s: float
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFault(_Kind):
    """The device's clock is off, and with it its time tags where it answers for itself.

    ``offset_s(mode, parameters, time)`` is by how much [s]; plus is fast.
    """

    family: ClassVar = "clock"
    offset_s: Callable[[str, Any, ClockTime], float]
    tags_only: bool = False
    """Whether the clock is right, and only the time tags of values are off."""


# -------------------------------------------------------------------------------- on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionFault(_Kind):
    """A device cannot be reached, or by nobody new.

    A listener all of whose devices are gripped meets who connects as ``admits(mode, parameters)`` has it, never
    ``OPEN``. A device whose masters may not stay is not ``reachable`` at its seat, at a station with others too.
    """

    family: ClassVar = "admission"
    admits: Callable[[str, Any], Admission]


def _spares_nobody(mode: str, parameters: Any) -> bool:
    return False


def _agrees(mode: str, parameters: Any, medium: Medium) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFault(_Kind):
    """Something happens to the bytes of a device's connections, those that stand and those that come.

    ``wrap(engine, mode, parameters, key, now_s)`` puts a link around an engine. ``key`` is the connection's own, for
    random draws. ``protocols`` are those whose bytes it understands, none is all: a device served on no such protocol
    is missed. ``spares(mode, parameters)`` says whether it leaves connections alone that come while it acts.
    ``fights(mode, parameters, medium)`` says why parameters make no sense on a way over a medium, or
    nothing.
    """

    family: ClassVar = "link"
    protocols: tuple[str, ...] = ()
    wrap: Callable[[Engine, str, Any, int, float], Link]
    spares: Callable[[str, Any], bool] = _spares_nobody
    fights: Callable[[str, Any, Medium], str] = _agrees


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFault(_Kind):
    """The device is there and answers, but not as its master hopes.

    ``filter(mode, parameters, key)`` makes what stands at each seat of a gripped device, ``key`` being the device's.
    ``protocols`` are those it acts on: a device served on none of them is missed.
    """

    family: ClassVar = "protocol"
    protocols: tuple[str, ...]
    filter: Callable[[str, Any, int], Filter]
    by_message: bool = True
    """Whether it acts on messages that pass: these can be counted."""


def acts_on(spec: LinkFault | ProtocolFault, protocol: str) -> bool:
    """Whether a fault is one of a protocol's."""
    return not spec.protocols or protocol in spec.protocols


def needed(spec: FaultSpec) -> tuple[str, ...]:
    """Return the keys that a fault's target must have."""
    return ("quantity",) if isinstance(spec, MeasurementFault) and not spec.by_phase else spec.needs


def on_the_way(spec: FaultSpec) -> bool:
    """Whether a fault acts between devices and their masters."""
    return isinstance(spec, AdmissionFault | LinkFault | ProtocolFault)


def counts(spec: FaultSpec) -> bool:
    """Whether a fault acts on single messages or frames, and can end after so many of them."""
    return spec.by_message if isinstance(spec, ProtocolFault) else isinstance(spec, LinkFault) and bool(spec.protocols)


# ------------------------------------------------------------------------------------------- grid


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFault(_Kind):
    """The grid the devices stand on fails, and their physics answers it."""

    family: ClassVar = "grid"
    disturbance: Callable[[str, Any], Disturbance]
    everywhere: bool = False
    """It acts on the whole site, and takes no target."""


FaultSpec: TypeAlias = (
    MeasurementFault | DeviceFault | ClockFault | AdmissionFault | LinkFault | ProtocolFault | GridFault
)
