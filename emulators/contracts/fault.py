"""What a kind of fault is to the farm: one of a few families, each with the one function it needs.

A measurement fault makes reported columns of true ones. A device fault sets columns that the physics reads, and may
take its device away for a while. Admission, link and protocol faults use the hooks of ``way``. A grid fault moves true
columns by way of the physics: it disturbs supplies (``disturbance``), or the area. An override breaks nothing: weather,
load or medium are others than usual (``override``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.contracts.disturbance import Disturbance
from pilotfarm.emulators.contracts.hindrance import Hindrance
from pilotfarm.emulators.contracts.override import Shift
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


def _no_columns(mode: str, parameters: Any) -> Mapping[str, float]:
    return {}


def _every_part(parameters: Any) -> str | None:
    return None


def _until_cleared(mode: str, parameters: Any) -> float | None:
    return None


ALARM: Final = "trouble"
"""The column that raises a device's general alarm. To have that alone is not to have a fault."""


class Away(NamedTuple):
    """Which of some devices are away, and how long it will be until one of them goes or comes back [s]."""

    now: Bools
    turns_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault(_Kind):
    """The device itself fails: its physics knows of it, and so may what it reports and its connections.

    A device that can have nothing of all this is missed.
    """

    family: ClassVar = "device"
    sets: Callable[[str, Any], Mapping[str, float]] = _no_columns
    """``sets(mode, parameters)``: columns that the physics of kinds reads (``devices.common``), by name. They are 0
    while no fault stands; of two faults on a device the larger number holds. Of a fault with ``away`` only those who
    are away have them."""
    part: Callable[[Any], str | None] = _every_part
    """Which resource of a compound device fails by these parameters: empty is the device itself, ``None`` all that can.
    """
    says: MeasurementFault | None = None
    """What it reports instead of the truth meanwhile, of the quantities that this ``reads``."""
    away: Callable[[str, Any, Floats], Away] | None = None
    """``away(mode, parameters, elapsed_s)``: which devices are off the network so long after each was taken, ``(m,)``;
    below 0 it is yet to be. One that comes back has begun anew: it owes its masters nothing of what was before."""
    exchanges: bool = False
    """Whether the device that comes back is another one, with a serial number of its own."""
    lasts_s: Callable[[str, Any], float | None] = _until_cleared
    """How long it lasts by itself of a device where nobody says how long; ``None`` is until it is cleared."""


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
    stops: bool = False
    """Whether a station that polls its devices stops meanwhile, and begins anew; else it is only cut off from masters.
    """


def _spares_nobody(mode: str, parameters: Any) -> bool:
    return False


Whose: TypeAlias = Callable[[bytes], Collection[int]]
"""The addresses of the stations that a frame is from or for."""


def _the_connections(mode: str) -> Whose | None:
    return None


def _agrees(mode: str, parameters: Any, medium: Medium) -> str:
    return ""


def _unhindered(mode: str, parameters: Any) -> Hindrance | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFault(_Kind):
    """Something happens to the bytes of a device's connections, those that stand and those that come.

    ``wrap(engine, mode, parameters, key, now_s)`` puts a link around an engine. ``key`` is the connection's own, for
    random draws. ``protocols`` are those whose bytes it understands, none is all: a device served on no such protocol
    is missed. ``spares(mode, parameters)`` says whether it leaves connections alone that come while it acts.
    ``fights(mode, parameters, medium)`` says why parameters make no sense on a way over a medium, or
    nothing. ``whose(mode)`` tells frames of several devices on one connection apart: it then acts on those of each that
    is gripped; ``None`` where it acts on the connection, and that when all its devices are gripped.
    """

    family: ClassVar = "link"
    protocols: tuple[str, ...] = ()
    wrap: Callable[[Engine, str, Any, int, float], Link]
    spares: Callable[[str, Any], bool] = _spares_nobody
    fights: Callable[[str, Any, Medium], str] = _agrees
    whose: Callable[[str], Whose | None] = _the_connections
    polled: Callable[[str, Any], Hindrance | None] = _unhindered
    """What it makes of the exchanges of a station that polls the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFault(_Kind):
    """The device is there and answers, but not as its master hopes.

    ``filter(mode, parameters, key)`` makes what stands at each seat of a gripped device, ``key`` being the device's.
    ``protocols`` are those it acts on: a device served on none of them is missed.
    """

    family: ClassVar = "protocol"
    protocols: tuple[str, ...]
    filter: Callable[[str, Any, int], Filter]
    polled: Callable[[str, Any], Hindrance | None] = _unhindered
    """As of a link fault."""
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
    return isinstance(spec, AdmissionFault | LinkFault | ProtocolFault | MediumOverride)


def spreads(spec: FaultSpec) -> bool:
    """Whether a fault can leave its devices one after the other."""
    return on_the_way(spec) or isinstance(spec, Override)


def ramps(spec: FaultSpec) -> bool:
    """Whether a fault can take its devices one after the other, or go from nothing to the whole of it."""
    return not isinstance(spec, DeviceFault) or (spec.away is not None and not spec.exchanges)


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


# ------------------------------------------------------------------------------------- overrides


def _from_nowhere(parameters: Any) -> float | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override(_Kind):
    """What surrounds devices, or what their customers draw, is not what models and series say.

    ``shifts(parameters)`` says what becomes of each number, by the names of ``override.CHANGEABLE``. A device to
    which none of them matters is missed. ``from_deg(parameters)`` is where it comes from, by degrees from north over
    east: it takes and leaves devices by where they stand. With ``None`` the seed draws their order.
    """

    family: ClassVar = "override"
    shifts: Callable[[Any], Mapping[str, Shift]]
    from_deg: Callable[[Any], float | None] = _from_nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumOverride(_Kind):
    """Ways to devices are over another medium: ``medium(parameters)`` is its name, one of ``profiles.media.NAMES``."""

    family: ClassVar = "override"
    medium: Callable[[Any], str]


FaultSpec: TypeAlias = (
    MeasurementFault
    | DeviceFault
    | ClockFault
    | AdmissionFault
    | LinkFault
    | ProtocolFault
    | GridFault
    | Override
    | MediumOverride
)
