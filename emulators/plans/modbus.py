"""What a Modbus map hands to the Modbus engine: units, windows of registers, bits, and how they are filled.

A unit has windows of contiguous registers, the same for function codes 3 and 4 unless a window says otherwise;
every register inside a window can be read, whether anything stands there or not. All windows of all units lie end
to end in one row of bytes. Discrete inputs and coils, seldom asked for, are names of quantities and have no place
in it.

A scale factor that has to suit the size of a device (``ScaleFactor``), and what depends on the phases it is connected
to (``ByWiring``), are settled when a group's ratings are known; everything else is settled here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.plans.own_list import Addresses
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.clock import CLOCK
from pilotfarm.emulators.wire.derived import Cases, DrawnFactor, Flags, Magnitude, Marks
from pilotfarm.emulators.wire.resource import ResourceSink, ResourceSource
from pilotfarm.emulators.wire.rows import Field
from pilotfarm.emulators.wire.scaling import Exponent, Following, Rolling, times
from pilotfarm.emulators.wire.sinks import ShareTaken, Sink
from pilotfarm.emulators.wire.sources import Bits, Scaled, Source
from pilotfarm.emulators.wire.wiring import WIRING, ByWiring, Shown, settled

COILS, DISCRETES, HOLDING, INPUT = 1, 2, 3, 4
"""Functions that read. Only what the first and third of them read can be written."""
READS: Final = (HOLDING, INPUT)
BESIDES: Final = frozenset({"sesp_silence_s", *WIRING, CLOCK})
"""Columns that a table has besides those of the device's quantities."""


@dataclass(frozen=True, slots=True)
class ScaleFactor:
    """How large the values behind one scale factor get: ``factor`` times the largest of ``ratings`` in a group.

    With ``follows`` it is no fixed one, but for each device what the largest of these quantities comes to now.
    """

    ratings: tuple[str, ...]
    factor: float
    fallback: float
    """The largest value where no rating says more than 0."""
    limit: int = 32_767
    finest: int = 0
    follows: tuple[str, ...] = ()

    @property
    def moving(self) -> Exponent | None:
        return Exponent(self.follows, float(self.limit), self.finest) if self.follows else None

    def exponent(self, columns: Mapping[str, Floats]) -> int:
        """The smallest power of ten, not below ``finest``, with which the largest value fits ``limit``."""
        if self.moving:
            known = all(name in columns for name in self.follows)
            return int(np.max(self.moving.of(columns))) if known else self.finest
        rated = [float(np.max(columns[name])) for name in self.ratings if name in columns and columns[name].size]
        largest = max(rated, default=0.0) * self.factor
        if not largest > 0.0:
            largest = self.fallback
        return max(self.finest, math.ceil(math.log10(largest / self.limit)))


@dataclass(frozen=True, slots=True)
class Register:
    """A value at a register address.

    ``dtype`` is a big-endian NumPy type. ``shows`` is what a read finds (``None``: the static bytes),
    ``takes`` what a write means (``None``: read only). With ``partly``, a write may cover a part of
    its registers. ``scale_factor`` scales what is shown, and what is written, by a power of ten that suits the group's
    ratings; a register with a ``scale_factor`` and no ``shows`` holds that power. ``function`` is one that reads it. A
    register that only takes may stand in no window: it cannot be read.
    """

    address: int
    dtype: str
    shows: Source | None = None
    takes: Sink | None = None
    missing: int = 0
    scale_factor: ScaleFactor | None = None
    partly: bool = False
    function: int = HOLDING

    @property
    def width(self) -> int:
        """Registers it takes."""
        return np.dtype(self.dtype).itemsize // 2

    def wire(self, value: float) -> bytes:
        """Return the bytes of a wire value that never changes."""
        missing = math.isnan(value) and np.dtype(self.dtype).kind != "f"
        return np.array(self.missing if missing else value).astype(self.dtype).tobytes()

    @property
    def sink(self) -> Sink | None:
        """What it takes, as its resource sees it."""
        return self.takes.sink if isinstance(self.takes, ResourceSink) else self.takes

    def meaning(self, raw: float, value: Callable[[str], float]) -> dict[str, float]:
        """Return what a written number means for a device whose quantities have these values."""
        takes = self.takes
        assert takes is not None
        if isinstance(self.sink, ShareTaken) and isinstance(takes, ShareTaken | ResourceSink):
            return takes.given(raw, value)
        return takes.back(raw)

    @property
    def names(self) -> tuple[str, ...]:
        """Quantities it shows or takes."""
        source, resource = inner(self.shows)
        shown = [resource.of(name) for name in source.quantities if name not in BESIDES] if source else ()
        return tuple(dict.fromkeys((*shown, *(self.takes.quantities if self.takes else ()))))

    @property
    def carries(self) -> tuple[str, ...]:
        """Quantities it shows each by itself (not one among several in a sum or a bit), and commands it gives."""
        source, resource = bare(self.shows)
        shown = tuple(resource.of(name) for name in source.quantities if name not in BESIDES) if source else ()
        if isinstance(source, Flags):
            shown = tuple(resource.of(names[0]) for _, names in source.of_bit if len(names) == 1)
        elif isinstance(source, DrawnFactor):
            shown = shown[:1]
        elif isinstance(source, Cases | Marks | Magnitude) or _is_cut_off(source):
            shown = ()
        elif len(shown) > 1 and not isinstance(source, Bits):
            shown = ()
            shown = ()
        taken = self.takes.quantities if self.takes else ()
        return (*shown, *(name for name in taken if quantity(name).role is Role.COMMAND))


@dataclass(frozen=True, slots=True)
class Window:
    """Contiguous registers from ``first`` on, and what they hold where no ``Register`` says otherwise.

    A read begins and ends at a multiple of ``grain`` registers from ``first`` on: a part of a value has no address.
    """

    first: int
    data: bytes
    functions: tuple[int, ...] = READS
    grain: int = 1

    @property
    def end(self) -> int:
        return self.first + len(self.data) // 2


@dataclass(frozen=True, slots=True)
class Identity:
    """The device identification of function code 43/14 and of SunSpec model 1."""

    vendor: str
    product_code: str
    revision: str
    model: str


@dataclass(frozen=True)
class Unit:
    """What answers at one unit id: ``step`` ids behind the seat's first, or only at ``aliases`` if ``None``.

    Aliases hold on a station with one seat. ``serials`` are places (address, registers) for the device's id, and
    ``serial_numbers`` those of a number of eight digits, in two registers, that stands for it; ``own_ids`` are those
    for the unit id. ``unimplemented`` are the registers of SunSpec points that are not there. With ``makes_room``, what
    is beside the SunSpec models says nothing that they do not, and is left out where they are to stand.
    """

    step: int | None
    windows: tuple[Window, ...]
    registers: tuple[Register, ...]
    identity: Identity
    discretes: tuple[str, ...] = ()
    coils: tuple[str, ...] = ()
    aliases: tuple[int, ...] = ()
    serials: tuple[tuple[int, int], ...] = ()
    serial_numbers: tuple[int, ...] = ()
    own_ids: tuple[int, ...] = ()
    unimplemented: frozenset[int] = frozenset()
    makes_room: bool = False
    resource: Resource = ITSELF

    @cached_property
    def writable(self) -> dict[int, Register]:
        """Every address a write may touch -> the register it belongs to."""
        return {r.address + k: r for r in self.registers if r.takes is not None for k in range(r.width)}


@dataclass(frozen=True)
class Own:
    """Where a station's own list has the registers of a plan's unit: one point each.

    ``addresses`` has shape ``(n, points)``; ``functions`` are what reads them. What a coil or discrete input shows is a
    register here.
    """

    addresses: Addresses
    functions: tuple[int, ...]


@dataclass(frozen=True)
class RegisterPlan:
    """All units of a device kind in one row; ``quantities`` are those the kind has.

    With ``own``, the addresses of its registers are only places in the row, one behind the other.
    """

    units: tuple[Unit, ...]
    quantities: frozenset[str]
    own: Own | None = field(default=None, compare=False)
    starts: tuple[tuple[int, ...], ...] = field(init=False)
    """Byte offset in the row of every window, by unit."""
    template: bytes = field(init=False)

    def __post_init__(self) -> None:
        row = bytearray()
        starts = []
        for unit in self.units:
            places = []
            for window in unit.windows:
                places.append(len(row))
                row += window.data
            starts.append(tuple(places))
        object.__setattr__(self, "starts", tuple(starts))
        object.__setattr__(self, "template", bytes(row))

    def place(self, unit: int, address: int, width: int, function: int = HOLDING) -> int | None:
        """Byte offset of ``width`` registers from ``address`` on, or ``None`` if no window has them all."""
        for window, start in zip(self.units[unit].windows, self.starts[unit], strict=True):
            if function in window.functions and window.first <= address and address + width <= window.end:
                whole = (address - window.first) % window.grain == 0 and width % window.grain == 0
                return start + 2 * (address - window.first) if whole else None
        return None

    def layout(self, columns: Seen) -> tuple[bytes, list[Field]]:
        """Return the row with all that is fixed, and its fields, both scaled for the ratings in ``columns``."""
        template = bytearray(self.template)
        fields = []
        for number, unit in enumerate(self.units):
            for register in unit.registers:
                offset = self.place(number, register.address, register.width, register.function)
                if offset is None:
                    assert register.shows is None, f"register {register.address} stands in no window"
                    continue
                shown = _shown(register, columns)
                if isinstance(shown, float):
                    template[offset : offset + 2 * register.width] = register.wire(shown)
                elif shown is not None:
                    fields.append(Field(offset, register.dtype, shown, register.missing))
        return bytes(template), fields

    def scales(self, columns: Seen) -> dict[ScaleFactor, float]:
        """The powers of ten of all scale factors, for the ratings in ``columns``."""
        factors = {register.scale_factor for unit in self.units for register in unit.registers if register.scale_factor}
        return {factor: 10.0 ** factor.exponent(columns) for factor in factors}

    def blanks(self, columns: Seen) -> dict[str, list[tuple[int, str, float]]]:
        """Where a map has a word for a value that is not there, by quantity: byte offset in the row, type, the word.

        A float has one of its own, not a number. Where the word is 0 it cannot be told from a value and is left out.
        Where single- and three-phase devices share a table, a phase is that of the three-phase ones.
        """
        found: dict[str, list[tuple[int, str, float]]] = {}
        for number, unit in enumerate(self.units):
            for register in unit.registers:
                offset = self.place(number, register.address, register.width, register.function)
                word = math.nan if np.dtype(register.dtype).kind == "f" else register.missing
                shown = settled(register.shows, columns)
                if offset is None or shown is None or isinstance(shown, float) or not word:
                    continue
                source, resource = bare(shown)
                for name in (
                    resource.of(each) for each in (source.quantities if source else ()) if each not in BESIDES
                ):
                    found.setdefault(name, []).append((offset, register.dtype, word))
        return found

    def carried(self) -> set[str]:
        """Quantities that have a register to themselves."""
        return {name for unit in self.units for register in unit.registers for name in register.carries}


def _shown(register: Register, columns: Seen) -> Shown | None:
    """Return what a register of devices with these ratings shows, or the one number that it always holds."""
    factor = register.scale_factor
    if factor is None:
        return settled(register.shows, columns)
    moving = factor.moving
    if register.shows is None:
        return moving or float(factor.exponent(columns))
    shown = settled(register.shows, columns)
    if shown is None or isinstance(shown, float):
        return shown
    return Following(shown, moving) if moving else times(shown, 10.0 ** -factor.exponent(columns))


def _is_cut_off(source: Source | None) -> bool:
    return isinstance(source, Scaled) and source.floor is not None


def inner(source: Source | None) -> tuple[Source | None, Resource]:
    """Return a source in the names of whom it is of, and who that is."""
    return (source.source, source.resource) if isinstance(source, ResourceSource) else (source, ITSELF)


def bare(source: Source | None) -> tuple[Source | None, Resource]:
    """Return what a three-phase device shows, and whose it is."""
    shown, resource = inner(source)
    if isinstance(shown, ByWiring):
        shown = None if isinstance(shown.three, float) else shown.three
    return shown.source if isinstance(shown, Rolling) else shown, resource


def check_covers(plan: RegisterPlan) -> RegisterPlan:
    """Assert that every quantity has a register: a map without one would hide part of the device."""
    missing = sorted(plan.quantities - plan.carried())
    assert not missing, f"no register for {', '.join(missing)}"
    return plan
