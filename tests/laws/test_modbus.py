"""Laws of Modbus over every kind that is served on it: no stream surprises it, no value is distorted."""

from __future__ import annotations

import re
import struct
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
from modbus_bench import NOW_S, Bench, default_map, frame, plausible_columns, talk

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.resource import ITSELF
from pilotfarm.emulators.maps.charx import HexText
from pilotfarm.emulators.plans.modbus import Register, Unit
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.derived import DrawnFactor, Flags, OffValue, SignedPowerFactor
from pilotfarm.emulators.wire.resource import ResourceSink, ResourceSource
from pilotfarm.emulators.wire.rows import Field
from pilotfarm.emulators.wire.scaling import Following, Rolling
from pilotfarm.emulators.wire.sinks import Choice, Kept, Pulse
from pilotfarm.emulators.wire.sources import Bits, Lookup, Scaled, Source

KINDS = [kind for kind, target in registry.DEVICES.items() if find_spec(target.partition(":")[0])]

SAMPLES = [
    "01 0000 0008",
    "02 0000 0008",
    "03 9c40 0032",
    "04 9c42 0002",
    "05 0002 ff00",
    "06 9c40 0001",
    "0f 0000 0003 01 04",
    "10 9c40 0002 04 00010002",
    "16 9c40 fff0 0001",
    "17 9c40 0002 9c40 0001 02 0001",
    "2b 0e 02 00",
]
STREAM = b"".join(frame(sample) for sample in SAMPLES)


@pytest.fixture(scope="module", params=KINDS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def served() -> list[tuple[str, str]]:
    """Every kind with every map that serves it."""
    return [(kind, each.name) for kind in KINDS for each in registry.maps_for("modbus", kind)]


@pytest.fixture(scope="module", params=served(), ids="/".join)
def mapped(request: pytest.FixtureRequest) -> Bench:
    kind, name = request.param
    return Bench(kind, map_name=name)


def own_unit(unit: Unit) -> int:
    return unit.aliases[0] if unit.step is None else 1 + unit.step


def all_fields(bench: Bench) -> list[Field]:
    return bench.plan.layout(bench.columns)[1]


def bare(source: Source | None) -> object:
    while isinstance(source, ResourceSource | Rolling | Following):
        source = source.source
    return source


def unit_of(source: Source, bench: Bench) -> float:
    """What 1 on the wire is of what its source shows, where a scale factor follows the values."""
    return float(10.0 ** source.exponent.of(bench.columns)[0]) if isinstance(source, Following) else 1.0


# ----------------------------------------------------------------------------------------- streams


def test_a_stream_cut_anywhere_gives_the_same_answers(bench: Bench) -> None:
    whole, closed = talk(bench.station.connect("peer", NOW_S), STREAM)
    bench.station.connections = 0
    assert not closed
    for cut in range(1, len(STREAM)):
        engine = bench.station.connect("peer", NOW_S)
        out = talk(engine, STREAM[:cut])[0] + talk(engine, STREAM[cut:])[0]
        engine.hang_up(NOW_S)
        assert (out, engine.closed) == (whole, True), cut


def test_a_stream_byte_by_byte_gives_the_same_answers(bench: Bench) -> None:
    engine = bench.station.connect("peer", NOW_S)
    whole, _ = talk(engine, STREAM)
    assert b"".join(talk(engine, STREAM[k : k + 1])[0] for k in range(len(STREAM))) == whole
    engine.hang_up(NOW_S)


@pytest.fixture(scope="module")
def charger() -> Bench:
    return Bench("ev_charger")


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_change_of_one_byte_is_answered_or_closes_or_waits(charger: Bench, sample: str) -> None:
    bench, good = charger, frame(sample)
    for place in range(len(good)):
        for value in range(256):
            changed = good[:place] + bytes([value]) + good[place + 1 :]
            engine = bench.station.connect("peer", NOW_S)
            out, closed = talk(engine, changed)
            length = int.from_bytes(changed[4:6], "big")
            is_frame = changed[2:4] == b"\0\0" and 2 <= length <= 254
            assert closed is (not is_frame) or (place in (4, 5) and length < len(good) - 6)
            assert bool(out) is (is_frame and length + 6 <= len(changed))
            if out:
                assert out[:4] == changed[:4]
                assert out[6] == changed[6]
                assert out[7] & 0x7F == changed[7] & 0x7F
            engine.hang_up(NOW_S)


# --------------------------------------------------------------------------------------- registers


def test_every_register_of_every_window_can_be_read_and_the_next_ones_cannot(mapped: Bench) -> None:
    for unit in mapped.plan.units:
        address = own_unit(unit)
        for window, function in product(unit.windows, (3, 4)):
            if function not in window.functions:
                continue
            read = b""
            for first in range(window.first, window.end, 124):
                read += mapped.registers(first, min(124, window.end - first), address, function)
            assert len(read) == len(window.data)
            assert mapped.ask(struct.pack(">BHH", function, window.end, 1), address)[1] == 2
            if window.first:
                assert mapped.ask(struct.pack(">BHH", function, window.first - 1, 1), address)[1] == 2


def test_a_part_of_a_value_has_no_address_where_values_are_read_whole(mapped: Bench) -> None:
    for unit in mapped.plan.units:
        for window, function in product(unit.windows, (3, 4)):
            if window.grain == 1 or function not in window.functions:
                continue
            for first, count in ((0, 1), (1, 1), (1, 2), (0, window.grain + 1)):
                request = struct.pack(">BHH", function, window.first + first, count)
                assert mapped.ask(request, own_unit(unit)) == bytes([function | 0x80, 2]), (window, first, count)


def test_no_two_registers_share_a_place(mapped: Bench) -> None:
    for number, unit in enumerate(mapped.plan.units):
        taken = []
        for r in unit.registers:
            place = mapped.plan.place(number, r.address, r.width, r.function)
            assert place is not None or r.shows is None, r
            if place is not None:
                taken += [place + k for k in range(2 * r.width)]
        assert len(taken) == len(set(taken))
        written = [r.address + k for r in unit.registers if r.takes for k in range(r.width)]
        assert len(written) == len(set(written))
        assert all(r.function == 3 for r in unit.registers if r.takes), "what is written are holding registers"


def test_every_quantity_has_a_point(bench: Bench) -> None:
    listed = {point.quantity for point in default_map(bench.spec.kind).points(bench.spec, {})}
    assert listed == {each.name for each in bench.spec.quantities}


def test_every_quantity_can_be_told_from_the_registers(bench: Bench) -> None:
    """Within half a step of an integer, or the precision of a float32."""
    told = set()
    for field in all_fields(bench):
        source = bare(field.source)
        raw = np.frombuffer(bench.table.row(0), field.dtype, 1, field.offset)[0]
        if isinstance(source, Scaled) and source.floor is None:
            name = next(name for name in field.source.quantities if name.endswith(source.quantity))
            value = bench.columns[name][0]
            of_wire = unit_of(field.source, bench) / source.gain
            step = 0.5 * abs(of_wire) if np.dtype(field.dtype).kind != "f" else abs(value) * 2.0**-23
            assert float(raw) * of_wire == pytest.approx(value, abs=step * 1.000001), field
            told.add(name)
        elif isinstance(source, DrawnFactor):
            name = field.source.quantities[0]
            assert -float(raw) / source.gain == pytest.approx(bench.columns[name][0], abs=0.5 / source.gain)
            told.add(name)
        elif isinstance(source, Flags):
            expected = sum(
                1 << bit
                for bit, names in source.of_bit
                if any(bench.columns[at_the_device(field.source, name)][0] for name in names)
            )
            assert int(raw) == expected
            told |= {at_the_device(field.source, names[0]) for _, names in source.of_bit if len(names) == 1}
        elif isinstance(source, Bits):
            assert field.source.back(float(raw)) == {name: bench.columns[name][0] for name in field.source.quantities}
            told |= set(field.source.quantities)
        elif isinstance(source, Lookup | OffValue | SignedPowerFactor):
            (name,) = field.source.quantities
            assert field.source.back(float(raw))[name] == pytest.approx(bench.columns[name][0], abs=0.5)
            told.add(name)
        elif isinstance(source, HexText):
            (name,) = field.source.quantities
            assert int(int(raw).to_bytes(4, "big"), 16) == int(bench.columns[name][0]) >> source.shift & 0xFFFF
            told.add(name)
    assert told >= {each.name for each in bench.spec.quantities if each.role is not Role.COMMAND}


def at_the_device(source: Source, name: str) -> str:
    return source.resource.of(name) if isinstance(source, ResourceSource) else name


def test_what_is_not_known_reads_as_not_implemented(bench: Bench) -> None:
    """Not a number becomes the type's own value for it in SunSpec, and never an ordinary number there."""
    columns = {name: np.full_like(column, np.nan) for name, column in bench.columns.items()}
    unknown = Bench(bench.spec.kind, columns=plausible_columns(bench.spec, 1))
    with np.errstate(invalid="ignore"):
        unknown.table.refresh({**unknown.columns, "frequency_hz": columns["frequency_hz"]}, {}, NOW_S)
    missing = {">u2": b"\xff\xff", ">i2": b"\x80\x00", ">u4": b"\xff\xff\xff\xff", ">f4": b"\x7f\xc0\x00\x00"}
    seen = 0
    for register in unknown.plan.units[0].registers:
        if register.address >= 40_000 and register.shows and register.shows.quantities == ("frequency_hz",):
            assert unknown.registers(register.address, register.width) == missing[register.dtype]
            seen += 1
    assert seen


# ----------------------------------------------------------------------------------------- writing


def wire(register: Register, value: float) -> bytes:
    return np.array(value).astype(register.dtype).tobytes()


def writable(bench: Bench) -> list[tuple[int, Register]]:
    return [
        (unit.aliases[0] if unit.step is None else 1 + unit.step, register)
        for unit in bench.plan.units
        for register in unit.registers
        if register.takes is not None
    ]


def test_every_set_point_and_command_can_be_written(bench: Bench) -> None:
    reachable = {name for _, register in writable(bench) if register.takes for name in register.takes.quantities}
    assert reachable == {each.name for each in bench.spec.quantities if each.writable}


def test_a_set_point_that_is_read_and_written_back_means_the_same(mapped: Bench) -> None:
    bench = mapped
    for unit, register in writable(bench):
        if register.shows is None or register.takes is None or not set(register.shows.quantities) <= settable(bench):
            continue
        names = register.takes.quantities
        if any(quantity(name).role is Role.COMMAND for name in names):
            continue
        bench.device.commands.clear()
        raw = bench.registers(register.address, register.width, unit)
        assert len(bench.write(register.address, raw, unit)) == 5, register
        (told,) = bench.device.told
        assert list(told) == list(names)
        for name in names:
            assert told[name] == pytest.approx(bench.columns[name][0], abs=0.5, rel=1e-3), register


def settable(bench: Bench) -> set[str]:
    return {each.name for each in bench.spec.quantities if each.writable}


def meant(register: Register) -> dict[int, dict[str, float]]:
    """What every number means that a register for commands takes."""
    sink = register.takes.sink if isinstance(register.takes, ResourceSink) else register.takes
    resource = register.takes.resource if isinstance(register.takes, ResourceSink) else ITSELF
    if isinstance(sink, Pulse):
        return {1: {resource.of(sink.quantity): 1.0}} | ({} if sink.any_value else {0: {}})
    if isinstance(sink, Choice):
        return {int(wire): {resource.of(name): value} if name else {} for wire, name, value in sink.means}
    if isinstance(sink, Kept) and sink.gives:
        return {number: {resource.of(sink.gives): 1.0} for number in (0, 1)}
    return {}


def test_every_number_a_command_register_takes_does_what_it_means_and_no_other_number_does_anything(
    mapped: Bench,
) -> None:
    bench = mapped
    given: set[str] = set()
    for unit, register in writable(bench):
        numbers = meant(register)
        for number, values in numbers.items():
            bench.device.commands.clear()
            assert len(bench.write(register.address, wire(register, number), unit)) == 5
            assert bench.device.told == ([values] if values else [])
            given |= values.keys()
        if len(numbers) > 1 and not isinstance(register.sink, Kept):
            bench.device.commands.clear()
            assert bench.write(register.address, bytes(2 * register.width - 1) + b"\x63", unit) == b"\x90\x03"
            assert bench.device.told == []
    if bench.map is default_map(bench.spec.kind):
        assert given >= {each.name for each in bench.spec.quantities if each.role is Role.COMMAND}


def test_a_register_that_cannot_be_written_says_so(mapped: Bench) -> None:
    mapped.device.commands.clear()
    for unit in mapped.plan.units:
        for register in unit.registers:
            if not any(register.address + k in unit.writable for k in range(register.width)):
                assert mapped.write(register.address, bytes(2 * register.width), own_unit(unit)) == b"\x90\x02"
    assert mapped.device.told == []


def test_a_setting_that_is_kept_is_read_back_at_once_and_no_other_value_is_taken(mapped: Bench) -> None:
    mapped.device.commands.clear()
    for unit, register in writable(mapped):
        if not isinstance(register.takes, Kept):
            continue
        allowed = [value for value in map(float, range(300)) if value in register.takes.allowed]
        assert allowed
        for value in allowed:
            raw = wire(register, value)
            assert len(mapped.write(register.address, raw, unit)) == 5
            assert mapped.registers(register.address, register.width, unit) == raw
            mapped.step()
            assert mapped.registers(register.address, register.width, unit) == raw, "a step leaves it"
        before = mapped.registers(register.address, register.width, unit)
        odd = (-1.0, 0.5, max(allowed) + 1e6, np.nan, np.inf)
        for value in odd if np.dtype(register.dtype).kind == "f" else (300.0, 65_535.0):
            if value not in register.takes.allowed:
                assert mapped.write(register.address, wire(register, value), unit) == b"\x90\x03"
        assert mapped.registers(register.address, register.width, unit) == before
    assert all(set(told) == {"sesp_heartbeat"} for told in mapped.device.told), "no more than a sign of life"


def test_every_point_stands_where_the_list_says(mapped: Bench) -> None:
    """Of every map: a number times its scale is the quantity, unless the list says that it is coded."""
    mapped.table.rows.forget()  # what other tests have told it
    mapped.step()
    listed = [row for row in mapped.points() if "(" not in row.data_type]
    assert listed
    for row in listed:
        found = re.fullmatch(r"(input |holding |)register (\d+)(?: bit (\d+))?", row.address)
        if found is None:
            continue
        kind, bits = re.match(r"(u?int|float)(\d+)", row.data_type).groups()
        functions = {"input ": (4,), "holding ": (3,), "": (3, 4)}[found[1]]
        for function in functions:
            raw = mapped.registers(int(found[2]), int(bits) // 16, row.resource_unit, function)
            if kind == "float":
                number, slack = float(np.frombuffer(raw, f">f{len(raw)}")[0]), 2.0**-23
                assert number * row.scale == pytest.approx(mapped.columns[row.quantity][0], rel=slack), row
            elif found[3] is None:
                number = int.from_bytes(raw, "big", signed=kind == "int")
                value = mapped.columns[row.quantity][0]
                assert number * row.scale == pytest.approx(value, abs=0.5000001 * abs(row.scale)), row
