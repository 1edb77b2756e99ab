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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.clock import CLOCK
from pilotfarm.emulators.wire.derived import Cases, Flags, OffValue, Product, SignedPowerFactor, Weighted
from pilotfarm.emulators.wire.resource import ResourceSink, ResourceSource
from pilotfarm.emulators.wire.rows import Field
from pilotfarm.emulators.wire.sinks import Choice, Sink
from pilotfarm.emulators.wire.sources import Bits, Lookup, Scaled, Source
from pilotfarm.emulators.wire.wiring import WIRING, ByWiring, settled

HOLDING, INPUT = 3, 4
"""Functions that read registers. Only those of the first can be written."""
READS: Final = (HOLDING, INPUT)
BESIDES: Final = frozenset({"sesp_silence_s", *WIRING, CLOCK})
"""Columns that a table has besides those of the device's quantities."""


@dataclass(frozen=True, slots=True)
class ScaleFactor:
    """How large the values behind one scale factor get: ``factor`` times the largest of ``ratings`` in a group."""

    ratings: tuple[str, ...]
    factor: float
    fallback: float
    """The largest value where no rating says more than 0."""
    limit: int = 32_767
    finest: int = 0

    def exponent(self, columns: Mapping[str, Floats]) -> int:
        """The smallest power of ten, not below ``finest``, with which the largest value fits ``limit``."""
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
    def names(self) -> tuple[str, ...]:
        """Quantities it shows or takes."""
        source, resource = _inner(self.shows)
        shown = [resource.of(name) for name in source.quantities if name not in BESIDES] if source else ()
        return tuple(dict.fromkeys((*shown, *(self.takes.quantities if self.takes else ()))))

    @property
    def carries(self) -> tuple[str, ...]:
        """Quantities it shows each by itself (not one among several in a sum or a bit), and commands it gives."""
        source, resource = _bare(self.shows)
        shown = tuple(resource.of(name) for name in source.quantities if name not in BESIDES) if source else ()
        if isinstance(source, Flags):
            shown = tuple(resource.of(names[0]) for _, names in source.of_bit if len(names) == 1)
        elif isinstance(source, Scaled):
            shown = shown if source.floor is None else ()
        elif isinstance(source, Cases) or (len(shown) > 1 and not isinstance(source, Bits)):
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
    ``serial_numbers`` those of a number of eight digits, in two registers, that stands for it.
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
    resource: Resource = ITSELF

    @cached_property
    def writable(self) -> dict[int, Register]:
        """Every address a write may touch -> the register it belongs to."""
        return {r.address + k: r for r in self.registers if r.takes is not None for k in range(r.width)}


@dataclass(frozen=True)
class RegisterPlan:
    """All units of a device kind in one row; ``quantities`` are those the kind has."""

    units: tuple[Unit, ...]
    quantities: frozenset[str]
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
                exponent = register.scale_factor.exponent(columns) if register.scale_factor else 0
                shows = settled(register.shows, columns)
                if isinstance(shows, float):
                    template[offset : offset + 2 * register.width] = register.wire(shows)
                elif shows is not None:
                    shown = _times(shows, 10.0**-exponent) if register.scale_factor else shows
                    fields.append(Field(offset, register.dtype, shown, register.missing))
                elif register.scale_factor is not None:
                    template[offset : offset + 2] = exponent.to_bytes(2, "big", signed=True)
        return bytes(template), fields

    def scales(self, columns: Seen) -> dict[ScaleFactor, float]:
        """The powers of ten of all scale factors, for the ratings in ``columns``."""
        factors = {register.scale_factor for unit in self.units for register in unit.registers if register.scale_factor}
        return {factor: 10.0 ** factor.exponent(columns) for factor in factors}

    def carried(self) -> set[str]:
        """Quantities that have a register to themselves."""
        return {name for unit in self.units for register in unit.registers for name in register.carries}

    def points(self, columns: Mapping[str, Floats]) -> list[PointRow]:
        """The point list, scaled for the ratings in ``columns``: registers first, then discrete inputs and coils."""
        placed = [(unit, _settled(register, columns)) for unit in self.units for register in unit.registers]
        rows = [row for unit, register in placed for row in _register_rows(unit, register, columns)]
        return rows + [row for unit in self.units for row in self._bit_rows(unit)]

    def _bit_rows(self, unit: Unit) -> Iterator[PointRow]:
        for label, names in (("discrete input", unit.discretes), ("coil", unit.coils)):
            for k, name in enumerate(names):
                full = unit.resource.of(name)
                if full in self.quantities:
                    access = {Role.COMMAND: "w", Role.SETPOINT: "rw"}.get(quantity(name).role, "r")
                    yield PointRow(full, f"{label} {k}", "bit", 1.0, "bool", access, resource_unit=unit_id(unit))


def _times(source: Source, gain: float) -> Source:
    if isinstance(source, Scaled):
        return replace(source, gain=source.gain * gain)
    if isinstance(source, ResourceSource):
        return replace(source, source=_times(source.source, gain))
    if isinstance(source, Product):
        return replace(source, gain=source.gain * gain)
    assert isinstance(source, Weighted), f"{source} cannot be scaled"
    return Weighted(tuple((name, each * gain) for name, each in source.terms))


def unit_id(unit: Unit) -> int:
    """The unit id a point list shows, for a device at unit 1."""
    return unit.aliases[0] if unit.step is None else 1 + unit.step


_TYPES: Final = {"u": "uint", "i": "int", "f": "float"}


def _settled(register: Register, columns: Seen) -> Register:
    """Return a register as devices with these ratings have it; of what is always the same there is no point."""
    shows = settled(register.shows, columns)
    return replace(register, shows=None if isinstance(shows, float) else shows)


def _register_rows(unit: Unit, register: Register, columns: Mapping[str, Floats]) -> Iterator[PointRow]:
    dtype = np.dtype(register.dtype)
    name = f"{_TYPES[dtype.kind]}{8 * dtype.itemsize}"
    if register.scale_factor is not None:
        name += " times a scale factor"
    taken = register.takes.quantities if register.takes else ()
    source, _ = _bare(register.shows)
    # What is only one part of a sum, a state or a shared bit is no point of that quantity.
    shown = register.shows.quantities if isinstance(source, Scaled) and register.shows else register.carries
    shown = tuple(each for each in shown if register.shows and each in register.shows.quantities)
    scale = _scale(register, columns)
    for each in dict.fromkeys((*shown, *taken)):
        access = ("r" if each in shown else "") + ("w" if each in taken else "")
        address = f"{_space(unit, register)}register {register.address}{_bit_of(register.shows, each)}"
        unit_name = quantity(each).unit
        coded = name + _code_of(register, each)
        yield PointRow(each, address, coded, scale, unit_name, access, resource_unit=unit_id(unit))


def _space(unit: Unit, register: Register) -> str:
    """How a register is told from one with the same address that another function reads."""
    windows = [w for w in unit.windows if w.first <= register.address < w.end and register.function in w.functions]
    if windows and windows[0].functions == READS:
        return ""
    return "input " if register.function == INPUT else "holding "


def _inner(source: Source | None) -> tuple[Source | None, Resource]:
    """Return a source in the names of whom it is of, and who that is."""
    return (source.source, source.resource) if isinstance(source, ResourceSource) else (source, ITSELF)


def _bare(source: Source | None) -> tuple[Source | None, Resource]:
    """Return what a three-phase device shows, and whose it is."""
    bare, resource = _inner(source)
    if isinstance(bare, ByWiring):
        bare = None if isinstance(bare.three, float) else bare.three
    return bare, resource


def _bit_of(source: Source | None, name: str) -> str:
    bare, resource = _bare(source)
    if isinstance(bare, Flags):
        return "".join(f" bit {bit}" for bit, names in bare.of_bit if resource.plain(name) in names)
    if isinstance(bare, Bits):
        return "".join(f" bit {bit}" for bit, each in bare.of_bit if resource.plain(name) == each)
    return ""


def _code_of(register: Register, name: str) -> str:
    """In brackets what a number means that is not the quantity over the scale: ``(2 for 0, 1 for 1)``."""
    source, _ = _bare(register.shows)
    if register.shows is None or name not in register.shows.quantities:
        takes = register.takes
        sink, resource = (takes.sink, takes.resource) if isinstance(takes, ResourceSink) else (takes, ITSELF)
        means = sink.means if isinstance(sink, Choice) else ()
        return "".join(f" ({wire:g} for {value:g})" for wire, meant, value in means if resource.of(meant) == name)
    if isinstance(_inner(register.shows)[0], ByWiring):
        return " (of a single-phase device its own phase)"
    if isinstance(source, Lookup):
        return f" ({', '.join(f'{wire:g} for {value}' for value, wire in enumerate(source.wire))})"
    if isinstance(source, OffValue):
        return f" ({source.off:g} for 0)"
    if isinstance(source, SignedPowerFactor):
        return " (thousandths, then 1 if under-excited)"
    return "" if isinstance(source, Scaled | Flags | Bits) else " (coded)"


def _scale(register: Register, columns: Mapping[str, Floats]) -> float:
    """Quantity = wire * scale, negative where the map counts the other way."""
    source, _ = _bare(register.shows)
    exponent = register.scale_factor.exponent(columns) if register.scale_factor else 0
    return 10.0**exponent / source.gain if isinstance(source, Scaled) else 1.0


def check_covers(plan: RegisterPlan) -> RegisterPlan:
    """Assert that every quantity has a register: a map without one would hide part of the device."""
    missing = sorted(plan.quantities - plan.carried())
    assert not missing, f"no register for {', '.join(missing)}"
    return plan
