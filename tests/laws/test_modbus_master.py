"""Laws of who asks devices over Modbus: what a device shows is what its master reads, and what that writes it is told.

Over every kind and map; the device's half is the engine that serves masters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from modbus_bench import NOW_S, Bench, plausible

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Master
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import Blocked, Busy, NoAnswer, NoSuchPoint, NotWritable, OutOfRange, Unsupported
from pilotfarm.emulators.protocols.modbus import PROTOCOL
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.quantities import Role, quantity, split
from pilotfarm.emulators.site.polling import CLASSES
from pilotfarm.emulators.wire.derived import DrawnFactor
from pilotfarm.emulators.wire.readings import read
from pilotfarm.emulators.wire.rtu import framed
from pilotfarm.emulators.wire.scaling import Rolling
from pilotfarm.emulators.wire.sources import Lookup, Scaled

MAPPED = [(kind, each.name) for kind in registry.DEVICES for each in registry.maps_for("modbus", kind)]
SAYS_A_PART: dict[str, set[str]] = {
    "charx": {"owner_card_id"},
    "prosumer": {"ev_owner_card_id"},
    "alfen": {"sesp_timeout_s"},
}
"""What maps have in several registers, or count down."""
VALUES = {"charging_phases": 3.0, "sesp_timeout_s": 300.0}
"""What some registers take only some values of."""


class Poller:
    """A master of the devices of a bench, on a line or over TCP, each with an engine of its own."""

    def __init__(self, bench: Bench, *, on_line: bool = True, unit: int = 1) -> None:
        assert PROTOCOL.asking is not None
        assert PROTOCOL.asking.really is not None
        really, spec = PROTOCOL.asking.really, bench.spec
        self.points: Sequence[PointRow] = bench.map.points(spec, {})
        readable = {point.quantity for point in self.points if point.read_code is not None}
        names = [{q.name for q in spec.quantities if q.role in roles} & readable for roles in CLASSES]
        self.names = set().union(*names)
        masters = really.masters(bench.plan, self.points, names, bench.columns, on_line)
        self.bench = bench
        self.masters: list[Master] = [masters(row, unit) for row in range(len(bench.seats))]
        options = ModbusOptions(framing="rtu" if on_line else "tcp")
        seats = [type(seat)(seat.device, seat.table, seat.row, unit) for seat in bench.seats]
        self.engines = [ModbusStation([seat], options).connect("rtu", NOW_S) for seat in seats]

    def known(self, row: int, name: str) -> float:
        return float(self.bench.columns[name][row])

    def exchange(self, row: int, message: object) -> bytes:
        self.engines[row].receive(self.masters[row].ask(message), NOW_S)
        answer = self.masters[row].hear(self.engines[row].take_output())
        assert answer is not None
        return answer

    def read(self, row: int) -> tuple[dict[str, float], set[str]]:
        """What all answers of a device say, and what is not there."""
        values: dict[str, float] = {}
        absent: set[str] = set()
        for number, messages in enumerate(self.masters[row].reads):
            answers = [self.exchange(row, message) for message in messages]
            assert [self.masters[row].refusal(answer) for answer in answers] == [None] * len(answers)
            told = self.masters[row].told(number, answers, lambda name: math.nan)
            values |= told.values
            absent |= set(told.absent)
        return values, absent


@pytest.fixture(scope="module", params=MAPPED, ids="/".join)
def bench(request: pytest.FixtureRequest) -> Bench:
    kind, name = request.param
    return Bench(kind, (1, 2), map_name=name)


def resolution(point: PointRow, value: float) -> float:
    return abs(value) * 2.0**-23 if point.data_type.startswith("float") else 0.5000001 * abs(point.scale)


@pytest.mark.parametrize("phase", [None, 1.0])
def test_what_a_device_shows_is_what_its_master_reads(bench: Bench, phase: float | None) -> None:
    if phase is not None:
        columns = {**bench.columns, "phases": np.ones(2), "phase": np.full(2, phase)}
        bench = Bench(bench.spec.kind, (1, 2), map_name=bench.map.name, columns=columns)
    poller = Poller(bench, on_line=phase is None)
    first: dict[str, PointRow] = {}
    for point in bench.map.points(bench.spec, bench.columns):
        if point.read_code is not None:
            first.setdefault(point.quantity, point)
    for row in range(2):
        values, absent = poller.read(row)
        said = set().union(*poller.masters[row].says)
        assert not absent
        assert values.keys() == said
        if phase is None:
            assert poller.names - said == SAYS_A_PART.get(bench.map.name, set())
        for name, value in values.items():
            wanted = bench.columns[name][row]
            assert value == pytest.approx(wanted, abs=resolution(first[name], wanted)), name


def test_what_is_not_there_is_read_as_that(bench: Bench) -> None:
    poller = Poller(bench)
    marks = {name: np.array([int(Quality.INVALID), 0], dtype=np.uint8) for name in poller.names}
    before, _ = poller.read(1)
    bench.table.refresh(bench.columns, marks, NOW_S)
    values, absent = poller.read(0)
    said, blanks = set().union(*poller.masters[0].says), bench.plan.blanks(bench.columns)
    assert values.keys() == said - absent
    assert absent <= blanks.keys()
    assert bool(absent) is bool(said & blanks.keys())
    assert poller.read(1) == (before, set())
    bench.step()


def test_what_a_master_writes_is_what_the_device_is_told(bench: Bench) -> None:
    poller = Poller(bench, unit=11)
    first: dict[str, PointRow] = {}
    for point in bench.map.points(bench.spec, bench.columns):
        if point.write_code is not None:
            first.setdefault(point.quantity, point)
    for number, (name, point) in enumerate(first.items()):
        is_command = quantity(name).role is Role.COMMAND
        value = 1.0 if is_command else VALUES.get(split(name)[1]) or plausible(quantity(name), number)
        for wanted in {value, 0.0} if is_command or quantity(name).is_binary else {value}:
            bench.devices[1].commands.clear()
            for message in poller.masters[1].writes({name: wanted}, lambda each: poller.known(1, each)):
                assert poller.masters[1].refusal(poller.exchange(1, message)) is None, name
            told = {key: each for values in bench.devices[1].told for key, each in values.items()}
            if is_command and not wanted:
                assert not any(told.values())
            else:
                assert told[name] == pytest.approx(wanted, abs=resolution(point, wanted)), name
    assert not bench.devices[0].told


def test_what_a_map_has_no_register_for_is_not_written_and_nor_is_what_does_not_fit_one() -> None:
    meters, storages = Poller(Bench("smart_meter", map_name="sdm630")), Poller(Bench("battery"))
    with pytest.raises(NotWritable, match="alarm_reset"):
        meters.masters[0].writes({"alarm_reset": 1.0}, lambda name: 0.0)
    with pytest.raises(OutOfRange, match="does not fit"):
        storages.masters[0].writes({"active_power_setpoint_w": 1e12}, lambda name: 0.0)
    with pytest.raises(OutOfRange, match="no number"):
        Poller(Bench("ev_charger")).masters[0].writes({"charging_phases": 2.0}, lambda name: 0.0)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11, 99])
def test_a_refusal_is_what_the_device_has_refused_with(code: int) -> None:
    (master,) = Poller(Bench("battery")).masters
    refusal = master.refusal(bytes((0x90, code)))
    wanted = {1: Unsupported, 2: NoSuchPoint, 3: OutOfRange, 4: Blocked, 6: Busy, 11: NoAnswer}
    assert type(refusal) is wanted.get(code, Busy)


# ----------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("on_line", [True, False])
def test_an_answer_cut_anywhere_is_the_same(on_line: bool) -> None:
    poller = Poller(Bench("battery"), on_line=on_line)
    master, message = poller.masters[0], poller.masters[0].reads[0][0]
    whole = poller.exchange(0, message)
    for cut in range(1, 12):
        poller.engines[0].receive(master.ask(message), NOW_S)
        octets = poller.engines[0].take_output()
        assert master.hear(octets[:cut]) is None
        assert master.hear(octets[cut:]) == whole


@pytest.mark.parametrize("on_line", [True, False])
def test_no_change_of_one_octet_of_a_frame_is_taken_for_another_answer(on_line: bool) -> None:
    """Over TCP nothing but its place says what is a value; what is said of the answer itself has to fit."""
    poller = Poller(Bench("battery"), on_line=on_line)
    master, message = poller.masters[0], poller.masters[0].reads[0][0]
    poller.engines[0].receive(master.ask(message), NOW_S)
    octets = poller.engines[0].take_output()
    places = range(len(octets)) if on_line else (0, 1, 6, 7, 8)
    for place in places:
        for bit in range(8):
            asked = master.ask(message)
            changed = bytearray(octets if on_line else asked[:2] + octets[2:])
            changed[place] ^= 1 << bit
            answer = master.hear(bytes(changed))
            # An exception has its own length, which this is not.
            assert answer is None, (place, bit)


def test_a_late_answer_over_tcp_is_none_to_a_later_request() -> None:
    poller = Poller(Bench("battery"), on_line=False)
    master, message = poller.masters[0], poller.masters[0].reads[0][0]
    late, now = master.ask(message), master.ask(message)
    poller.engines[0].receive(late, NOW_S)
    assert master.hear(poller.engines[0].take_output()) is None
    poller.engines[0].receive(now, NOW_S)
    assert master.hear(poller.engines[0].take_output()) is not None


def test_an_answer_of_another_unit_or_function_or_length_is_none() -> None:
    (master,) = Poller(Bench("smart_meter"), unit=7).masters
    message = next(each for reads in master.reads for each in reads if each.octets[3:] == b"\0\1")
    for unit, answer, fits in (
        (7, b"\x03\x02\0\5", True),
        (8, b"\x03\x02\0\5", False),
        (7, b"\x04\x02\0\5", False),
        (7, b"\x03\x04\0\5\0\5", False),
        (7, b"\x83\x02", True),
        (7, b"\x84\x02", False),
    ):
        master.ask(message)
        assert (master.hear(framed(unit, answer)) == answer) is fits, answer


def test_what_polls_by_columns_count_is_what_frames_have_of_octets(bench: Bench) -> None:
    poller = Poller(bench)
    assert PROTOCOL.asking is not None
    for number, roles in enumerate(CLASSES):
        points = [
            point
            for point in poller.points
            if any(each.name == point.quantity and each.role in roles for each in bench.spec.quantities)
        ]
        messages = poller.masters[0].reads[number]
        for counted, message in zip(PROTOCOL.asking.requests(points), messages, strict=True):
            asked = poller.masters[0].ask(message)
            poller.engines[0].receive(asked, NOW_S)
            assert counted == (len(asked), len(poller.engines[0].take_output()))


def test_a_total_that_has_begun_anew_goes_on_and_so_does_one_before_it() -> None:
    source = Rolling(Scaled("energy_imported_wh"), 2.0**32)
    for known in (5.0, 2.0**32 - 5.0, 7.0 * 2.0**32 + 5.0):
        for value in (known - 10.0, known, known + 1e6):
            if value >= 0.0:
                told = read(source, value % 2.0**32, lambda name, known=known: known)  # type: ignore[misc]
                assert told == {"energy_imported_wh": value}
    assert read(source, 17.0, lambda name: math.nan) == {"energy_imported_wh": 17.0}


def test_a_power_factor_without_load_has_no_sign() -> None:
    source = DrawnFactor(100.0)
    assert read(source, 100.0, lambda name: 0.0) == {"power_factor": 1.0}
    assert read(source, 100.0, lambda name: 5.0) == {"power_factor": -1.0}


def test_a_number_without_a_meaning_is_none() -> None:
    (value,) = read(Lookup("operating_state", (4.0, 7.0)), 5.0, lambda name: 0.0).values()
    assert math.isnan(value)
