"""Faults of data units over IEC 60870-5-101: the same as over 104, whatever the widths of addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from iec101_bench import SMALL, Poller, line
from iec104_bench import ACT, SETPOINT, Bench, Master, float_element

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec101.widths import narrowed, widened
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Asdu, Format, Type

SHARED = [
    (kind, mode)
    for kind in registry.FAULTS
    if isinstance(spec := registry.fault(kind), ProtocolFault) and "iec101" in spec.protocols
    for mode in spec.modes or ("",)
]
AS_104: dict[str, Any] = {"cause_octets": 2, "object_address_octets": 3, "frame_length": 251}
NARROW: dict[str, Any] = {"common_address_octets": 1}


def gripped(bench: Bench, kind: str, mode: str) -> None:
    if not kind:
        return
    spec = registry.fault(kind)
    assert isinstance(spec, ProtocolFault)
    given: dict[str, Any] = {"share_frac": 1.0} if "share_frac" in spec.parameters.model_fields else dict(spec.example)
    given |= {"of": "all"} if kind == "iec104-data" else {}
    bench.seats[0].filters = (spec.filter(mode, spec.parameters(**given), 1),)
    bench.station.filtered = True


def moved(bench: Bench) -> None:
    for _ in range(2):
        bench.set("active_power_w", 0, bench.columns["active_power_w"][0] - 50_000.0)
        bench.set("general_alarm", 0, 1.0 - bench.columns["general_alarm"][0])
        bench.step()


def octets(each: Asdu, form: Format) -> bytes:
    cause = each.cause | each.negative << 6 | each.test << 7
    return form.header(each.type, each.count, cause, each.address, each.originator) + each.body


def conversation(master: Any, say: Any, form: Format) -> list[list[bytes]]:
    """What is told of a command, an interrogation and events, in no order."""
    command = form.header(Type.SETPOINT, 1, ACT, 1, 7) + form.ioa(SETPOINT) + float_element(77.0)
    question = form.header(Type.INTERROGATION, 1, ACT, 1, 7) + form.ioa(0) + b"\x14"
    return [sorted(octets(each, form) for each in say(told)) for told in (command, question, b"")]


def over_104(kind: str, mode: str) -> list[list[bytes]]:
    bench = Bench(1, SMALL)
    master = Master(bench)
    gripped(bench, kind, mode)

    def say(told: bytes) -> list[Asdu]:
        if told:
            return master.send(told)
        moved(bench)
        master.pull()
        return master.heard()

    return conversation(master, say, FORMAT_104)


def over_101(kind: str, mode: str, **options: Any) -> list[list[bytes]]:
    bench = line(1, **options)
    master = Poller(bench, 1)
    master.both(1)
    gripped(bench, kind, mode)

    def say(told: bytes) -> list[Asdu]:
        if told:
            return master.send(1, told)
        moved(bench)
        return master.both(1)

    return conversation(master, say, bench.station.options.form)


def test_filters_of_data_units_act_over_both_and_faults_of_frames_do_not() -> None:
    over = {kind for kind in registry.FAULTS if "iec101" in getattr(registry.fault(kind), "protocols", ())}
    assert over == {"silence", "iec104-command", "iec104-data", "iec104-time", "iec104-flood"}


@pytest.mark.parametrize(("kind", "mode"), SHARED, ids=" ".join)
def test_a_fault_does_over_101_what_it_does_over_104(kind: str, mode: str) -> None:
    assert over_101(kind, mode, **AS_104) == over_104(kind, mode)


@pytest.mark.parametrize(("kind", "mode"), SHARED, ids=" ".join)
def test_and_it_shows_where_addresses_are_narrower(kind: str, mode: str) -> None:
    told = over_101(kind, mode, **NARROW)
    assert told != over_101("", "", **NARROW)
    if mode == "object-address":
        form = Iec101Options(**NARROW).form
        known = {point.ioa for point in Bench(1, SMALL).plan.monitor}
        first = {int.from_bytes(each[form.header_octets :][:2], "little") for each in told[1]}
        assert not first & known


@pytest.mark.parametrize("options", [NARROW, AS_104, {"cause_octets": 2, "common_address_octets": 1}])
def test_what_a_filter_leaves_alone_is_the_same_in_other_widths(options: dict[str, Any]) -> None:
    form = Iec101Options(**options).form
    for told in over_101("", "", **options):
        for data in told:
            wide = widened(data, form)
            assert narrowed(wide, form, 0) == data
            found, seen = replace(FORMAT_104, limit=1_000).parse(wide), form.parse(data)
            assert (found.type, found.count, found.cause, found.address) == (
                seen.type, seen.count, seen.cause, seen.address
            )  # fmt: skip
            assert found.originator == (seen.originator if form.cause_octets == 2 else 0)
            assert FORMAT_104.ioa(int.from_bytes(seen.body[: form.object_octets], "little")) == found.body[:3]
            assert found.body[3:][:1] == seen.body[form.object_octets :][:1]


ELEMENTS = {1: 1, 2: 4, 3: 1, 4: 4, 13: 5, 14: 8, 15: 5, 30: 8, 31: 8, 36: 12, 70: 1} | {
    45: 1, 46: 1, 50: 5, 58: 8, 59: 8, 63: 12, 100: 1, 101: 1, 102: 0, 103: 7, 104: 2, 105: 1, 107: 9
}  # fmt: skip
"""Type -> octets of its element and time tag (IEC 60870-5-101:2003, 7.3; IEC 60870-5-104:2006, 8)."""


@pytest.mark.parametrize("type_id", ELEMENTS)
def test_each_object_of_a_data_unit_has_its_address_in_other_widths(type_id: int) -> None:
    form = Iec101Options(**NARROW).form
    elements = [bytes(range(10 * at, 10 * at + ELEMENTS[type_id])) for at in range(3)]
    data = form.header(type_id, 3, 20, 7) + b"".join(form.ioa(2_000 + at) + each for at, each in enumerate(elements))
    wide = FORMAT_104.header(type_id, 3, 20, 7) + b"".join(
        FORMAT_104.ioa(2_000 + at) + each for at, each in enumerate(elements)
    )
    assert widened(data, form) == wide
    assert narrowed(wide, form, 0) == data
    of_no_type = bytes((99,)) + wide[1:]
    assert narrowed(of_no_type, form, type_id) == bytes((99,)) + data[1:]


def test_what_stands_where_a_line_has_no_octet_is_laid_over_the_highest() -> None:
    form = Iec101Options(**NARROW).form
    wide = FORMAT_104.header(1, 1, 20, 0x4007) + FORMAT_104.ioa(0x800102) + b"\x01"
    assert narrowed(wide, form, 1) == form.header(1, 1, 20, 0x47) + form.ioa(0x8102) + b"\x01"
