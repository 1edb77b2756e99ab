"""Modbus pages: the registers of each unit, and the SunSpec models of a chain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tables import code, listed, table

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps.sunspec.chain import definition
from pilotfarm.emulators.plans.chains import BASE, MARK
from pilotfarm.emulators.plans.modbus import BESIDES, INPUT, Register, Unit, bare
from pilotfarm.emulators.plans.register_points import unit_id
from pilotfarm.emulators.quantities import quantity, split
from pilotfarm.emulators.wire.derived import Cases, Marks, Product, Weighted
from pilotfarm.emulators.wire.scaling import Times
from pilotfarm.emulators.wire.sources import Source

HEAD = """
Addresses are those of the message, counted from 0; a client that counts registers from 1 or 40001 adds to them. Words
and bytes are big-endian. Function 3 reads holding registers, and function 4 too unless a page has *input registers*;
single registers are written by function 6 or 16, longer ones by 16, coils by 5 or 15. The number on the wire times
`scale` is the quantity in its unit; *sf* is by the SunSpec scale factor that the model has for it, and `pilotfarm
points` says to what it comes. With several quantities a register is worked out of them, as it says. Registers that
always hold the same are left out.
"""
MODELS = "sunspec"
COLUMNS = ("address", "quantity", "type", "scale", "unit", "access", "of", "meaning")


@dataclass(slots=True)
class Line:
    """One line of a table: where, what, and whose."""

    cells: tuple[object, ...]
    says: str
    holders: list[str] = field(default_factory=list)

    def row(self) -> tuple[object, ...]:
        return (*self.cells, listed(self.holders), self.says)


def kinds(found: MapSpec) -> list[str]:
    return [kind for kind in registry.DEVICES if found.fits(registry.device(kind))]


def body(found: MapSpec) -> str:
    """Return a map's page below its head."""
    text = HEAD + "".join(_unit_sections(found))
    return text + "".join(_model_sections()) if found.name == MODELS else text


# ------------------------------------------------------------------------------------- plain registers


def _unit_sections(found: MapSpec) -> Iterator[str]:
    plain: dict[str, dict[object, Line]] = {}
    chains: dict[str, list[str]] = {}
    for kind in kinds(found):
        several = units(found, kind)
        by_step = [unit for unit, _ in several if unit.step is not None]
        for unit, points in several:
            whose = kind if len(by_step) == 1 else f"unit {unit_id(unit)} ({_owner(unit)})"
            chain = chain_of(unit)
            if chain:
                each = (f"[{model}](sunspec.md#model-{model}) at {start}" for model, start, _ in chain)
                chains.setdefault(", ".join(each), []).append(whose)
            end = chain[-1][1] + chain[-1][2] if chain else 0
            for name, key, line in _lines(unit, points, kind):
                if not (chain and BASE <= line_address(line) < end and name.endswith("egisters")):
                    plain.setdefault(name, {}).setdefault(key, line).holders.append(whose)
    for order, owners in chains.items():
        title = "SunSpec models" if len(chains) == 1 else f"SunSpec models of {'; '.join(owners)}"
        yield f"\n## {title}\n\nThe mark `SunS` at {BASE}, then {order}.\n"
    for name in sorted(plain, key=_order):
        rows = sorted(plain[name].values(), key=lambda line: (line_address(line), str(line.cells)))
        yield f"\n## {name[0].upper()}{name[1:]}\n\n{table(COLUMNS, (line.row() for line in rows))}"


def _owner(unit: Unit) -> str:
    return code(f"{unit.resource}_") if unit.resource else "the home's meter"


def line_address(line: Line) -> int:
    return int(re.match(r"\d+", str(line.cells[0])).group())  # type: ignore[union-attr]


def _order(name: str) -> tuple[bool, bool, str]:
    return "discrete" in name or "coil" in name, "coil" in name, name


def units(found: MapSpec, kind: str) -> list[tuple[Unit, list[PointRow]]]:
    """Return the units of a kind with their points."""
    spec = registry.device(kind)
    points = found.points(spec, {})
    return [
        (unit, [point for point in points if point.resource_unit == unit_id(unit)]) for unit in found.plan(spec).units
    ]


def _lines(unit: Unit, points: list[PointRow], kind: str) -> Iterator[tuple[str, object, Line]]:
    """Yield table, key and line of every point, and of every register that is worked out."""
    seen = set()
    for point in points:
        seen.add((point.object, point.number))
        name = f"{point.object}s"
        if point.is_alias:
            name += f" of unit {point.resource_unit}"
        plain = split(point.quantity)[1]
        where = f"{point.number}" + ("" if point.bit is None else f" bit {point.bit}")
        cells = (where, code(plain), *_typed(point), point.unit, point.access)
        yield name, cells, Line(cells, quantity(plain).doc)
    for register in unit.registers:
        named = "input register" if register.function == INPUT else "holding register"
        if (named, register.address) not in seen and register.names:
            name = f"{named}s" + (f" of unit {unit_id(unit)}" if unit.step is None else "")
            made_of, says = _worked_out(register)
            yield name, made_of, Line(made_of, says)


def _typed(point: PointRow) -> tuple[str, str]:
    by_factor = " times a scale factor"
    if by_factor in point.data_type:
        return point.data_type.replace(by_factor, ""), "sf"
    return point.data_type, f"{point.scale:g}"


def _worked_out(register: Register) -> tuple[tuple[object, ...], str]:
    """A register that shows or takes no quantity by itself: what it is made of."""
    source, _ = bare(register.shows)
    names = source.quantities if source else [split(each)[1] for each in register.names]
    access = ("r" if register.shows else "") + ("w" if register.takes else "")
    kind = {"u": "uint", "i": "int", "f": "float"}[register.dtype[1]]
    scale, says = _formula(source)
    if register.scale_factor:
        scale = "sf"
    listed_names = ", ".join(code(each) for each in dict.fromkeys(names) if each not in BESIDES)
    return (register.address, listed_names, f"{kind}{16 * register.width}", scale, "", access), says


def _formula(source: Source | None) -> tuple[str, str]:
    """Return the scale of what a source works out, and what that is."""
    match source:
        case None:
            return "", "Of a single-phase device its own phase"
        case Times(inner, gain):
            scale, says = _formula(inner)
            return f"{float(scale or 1.0) / gain:g}", says
        case Weighted(terms) if len({gain for _, gain in terms}) == 1:
            return f"{1.0 / terms[0][1]:g}", "The sum"
        case Cases(cases, otherwise):
            each = (f"{wire:g} for {_what(what)} {_between(low, high)}" for what, low, high, wire in cases)
            return "", f"The first of: {'; '.join(each)}; else {otherwise:g}"
        case Marks(of_bit):
            return "", "; ".join(
                f"bit {bit} for {_what(what)} {_between(low, high)}" for bit, what, low, high in of_bit
            )
        case Product(factors, gain, over):
            product = " times ".join(map(code, factors)) + (f" over {code(over)}" if over else "")
            return f"{1.0 / gain:g}", product
    doc = (type(source).__doc__ or "").splitlines()[0].replace("``", "`").rstrip(".")
    is_coded = not hasattr(source, "gain") and "[" not in doc  # no unit: letters or an enumeration
    return "" if is_coded else f"{1.0 / getattr(source, 'gain', 1.0):g}", doc


def _what(what: str | Source) -> str:
    if isinstance(what, str):
        return code(what)
    if isinstance(what, Weighted):
        return f"the sum of {' and '.join(map(code, what.quantities))}"
    return _formula(what)[1] or ", ".join(map(code, what.quantities))


def _between(low: float, high: float) -> str:
    if low == high:
        return f"{low:g}"
    if high == float("inf"):
        return f"from {low:g}"
    return f"up to {high:g}" if low == float("-inf") else f"{low:g} to {high:g}"


# -------------------------------------------------------------------------------------- SunSpec models


def chain_of(unit: Unit) -> list[tuple[int, int, int]]:
    """Return model, start and length with the header of every model in a unit's chain."""
    window = next((each for each in unit.windows if each.data.startswith(MARK)), None)
    found: list[tuple[int, int, int]] = []
    at = len(MARK)
    while window is not None:
        model, length = (int.from_bytes(window.data[k : k + 2], "big") for k in (at, at + 2))
        if model == 0xFFFF:
            break
        found.append((model, window.first + at // 2, length + 2))
        at += 2 * (length + 2)
    return found


@cache
def names_of(model: int) -> Mapping[int, str]:
    """Return the names of a model's points by their offsets."""
    found: dict[int, str] = {}
    at = 0

    def walk(group: Mapping[str, Any], path: str) -> None:
        nonlocal at
        for point in group["points"]:
            found[at] = path + point["name"]
            at += point["size"]
        for inner in group.get("groups", ()):
            walk(inner, f"{path}{inner['name']}.")

    walk(definition(model)["group"], "")
    return found


def _model_sections() -> Iterator[str]:
    """Every model of every chain, whichever map has it: a line a point that means something."""
    models: dict[int, dict[object, Line]] = {}
    for each in map(registry.point_map, registry.MAPS):
        for kind in kinds(each) if each.protocol == "modbus" else ():
            for unit, points in units(each, kind):
                _collect(models, unit, points, f"{kind}/{unit.resource}_" if unit.resource else kind)
    yield (
        "\n## Models\n\nOf every chain of this map and of `charx` and `prosumer`. *Offset* counts from the register "
        "with the model's number; models from 64901 on are pilotfarm's own and carry what no other model has.\n"
    )
    for model in sorted(models):
        rows = sorted(models[model].values(), key=lambda line: (line_address(line), str(line.cells)))
        title = definition(model)["group"].get("label", "")
        columns = ("offset", "point", *COLUMNS[1:])
        listed_points = table(columns, (line.row() for line in rows)) if rows else "Nothing in it moves.\n"
        yield f"\n### Model {model}\n\n{title}\n\n{listed_points}"


def _collect(models: dict[int, dict[object, Line]], unit: Unit, points: list[PointRow], whose: str) -> None:
    registers = [line for name, _, line in _lines(unit, points, whose) if name == "holding registers"]
    for model, start, length in chain_of(unit):
        known = models.setdefault(model, {})
        for line in registers:
            address = line_address(line)
            if not start <= address < start + length:
                continue
            offset = str(line.cells[0]).replace(str(address), str(address - start), 1)
            cells = (offset, names_of(model).get(address - start, ""), *line.cells[1:])
            found = known.setdefault(cells, Line(cells, line.says))
            if whose not in found.holders:
                found.holders.append(whose)
