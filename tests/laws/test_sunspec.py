"""SunSpec by pysunspec2's definitions: what a model must have moves, what can be written acts, all else is not there.

The definitions are the SunSpec Alliance's own (github.com/sunspec/models), as pysunspec2 ships them.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from modbus_bench import NOW_S, frame, talk
from sunspec_bench import Point, chains, points, served
from world import devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.plans.modbus import Unit
from pilotfarm.emulators.plans.register_points import unit_id
from pilotfarm.emulators.protocols.modbus import PROTOCOL
from pilotfarm.emulators.quantities import Role, modes, split
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.site import load

CONSTANT = {
    "1.Mn": "who made it",
    "1.Md": "what it is",
    "103.Evt2": "reserved for future use",
    "101.Evt2": "reserved for future use",
    "120.DERTyp": "what it is",
    "120.VArRtgQ2": "PV draws no power: no quadrant 2",
    "120.VArRtgQ3": "PV draws no power: no quadrant 3",
    "120.PFRtgQ2": "PV draws no power: no quadrant 2",
    "120.PFRtgQ3": "PV draws no power: no quadrant 3",
    "121.VRefOfs": "a device stands at its connection point",
    "122.PVConn": "a battery has no PV of its own",
    "122.StorConn": "PV has no storage of its own",
    "701.ACType": "how many phases it has, which a test of its own compares",
    "802.AlmRst": "a command, which falls back",
    "802.Typ": "lithium-ion, whatever the chemistry",
    "802.Evt2": "no events in use",
    "802.EvtVnd1": "no events in use",
    "802.EvtVnd2": "no events in use",
    "803.NStr": "one string",
    "803.NStrCon": "one string",
    "803.string.StrNMod": "one module",
    "803.string.StrSt": "enabled, its contactor closed",
    "803.string.StrEvt1": "the bank's events are in 802",
}
"""Mandatory points that never move, and why."""
NEVER = {("prosumer", 4, "203.TotWhExp"), ("prosumer", 4, "201.TotWhExp")}
"""Counters that stay at 0: loads deliver nothing."""
ONE_VALUE = {"121.VRefOfs", "704.VarSetMod"}
"""Points that take the one value they have."""
FIXED: Final = {"1.DA": "the site file gives the unit id"}
"""Points that SunSpec would let a master write, and that can only be read here, and why."""
PULSES = {"802.AlmRst", "715.AlarmReset"}
"""Commands: they act and fall back."""
AT_ONCE = {"123.Conn_WinTms", "123.Conn_RvrtTms"}
"""Of a resource, whose switch is its home's, these take 0 alone."""
MODES = frozenset(each.name for each in (*modes.QUANTITIES, *modes.OF_STORAGE))
"""Times of modes and what they revert to: states, of which ``test_modes`` says what they do."""
KEPT = {"704.WSetMod", "123.VArPct_Mod", "715.ControllerHb", "802.CtrlHb"}
"""What the interface keeps as written: the unit a master speaks in, and its sign of life."""

SERVED = [each for each in served() if find_spec(registry.DEVICES[each[0]].partition(":")[0])]
CASES = [(kind, name, phases) for kind, name in SERVED for phases in (3, 1)]


# --------------------------------------------------------------------------------------- what moves


@cache
def lived(kind: str, phases: int) -> tuple[Columns, ...]:
    return tuple(_lived(registry.device(kind), phases))


def _lived(spec: DeviceSpec, phases: int) -> Iterator[Columns]:
    """Devices through a day with commands, a fault of the mains, and somebody who works at them."""
    known = {rating.name for rating in spec.ratings}
    halves = (
        _of({"v2g_power_w": 11_000.0, "pv_power_w": 8_000.0}, known),
        _of({"reactive_capability_frac": 0.3}, known),
    )
    made = [devices(spec, 3, phases=phases, **half) for half in halves]
    columns = {name: np.concatenate([half[name] for half in made]) for name in made[0]}
    yield columns
    names = {each.name for each in spec.quantities}
    for k in range(1, 145):
        given: dict[str, float] = {}
        for every, at, values in _SCRIPT:
            if k % every == at:
                given |= _of(values, names)
        columns = told(columns, **given)
        if k == 120:
            columns = columns | {name: np.ones(6) for name in names if _plain(name) == "local_mode"}
        mains = {60: (0.0, 50.0), 62: (262.0, 50.0), 64: (200.0, 50.0), 66: (230.0, 52.0), 68: (230.0, 47.0)}
        volts, hertz = mains.get(k, (228.0 + k % 7, 50.0 + 0.01 * (k % 5)))
        uneven = np.array([[volts], [volts * 0.99], [volts * 1.01]])
        columns = spec.step(columns, surroundings(6, 600.0 * k, voltage_v=uneven, frequency_hz=hertz), 600.0)
        yield columns


def _of(values: dict[str, float], names: set[str]) -> dict[str, float]:
    return {full: value for name, value in values.items() for full in names if name in (full, _plain(full))}


_SCRIPT = (
    (48, 10, {"active_power_setpoint_w": 2_000.0, "active_power_setpoint_enabled": 1.0}),
    (48, 20, {"active_power_setpoint_w": -2_000.0, "reactive_power_setpoint_var": 300.0}),
    (48, 21, {"reactive_power_setpoint_enabled": 1.0, "power_factor_setpoint": 0.9}),
    (48, 25, {"active_power_limit_frac": 0.1, "active_power_limit_enabled": 1.0, "active_power_max_w": 1_500.0}),
    (48, 27, {"active_power_limit_enabled": 0.0, "power_factor_setpoint_enabled": 1.0, "voltage_setpoint_v": 228.0}),
    (48, 30, {"active_power_setpoint_enabled": 0.0, "reactive_power_setpoint_enabled": 0.0}),
    (48, 32, {"stop": 1.0}),
    (48, 33, {"start": 1.0, "soc_min_frac": 0.9, "soc_max_frac": 0.95}),
    (48, 35, {"grid_switch": 0.0}),
    (48, 36, {"grid_switch": 1.0, "soc_min_frac": 0.05}),
    (48, 38, {"charge_limit_enabled": 1.0, "charge_limit_frac": 0.3, "reference_power_w": 3_000.0}),
    (48, 40, {"charge_limit_enabled": 0.0, "charge_ramp_frac_per_s": 0.05, "discharge_ramp_frac_per_s": 0.1}),
    (48, 42, {"grid_charging_allowed": 0.0, "power_factor_setpoint_reversion_s": 60.0}),
)
"""In so many steps, at that one: what is written."""


def _plain(full: str) -> str:
    return next((full.removeprefix(p) for p in ("ev_", "storage_", "pv_", "home_") if full.startswith(p)), full)


@dataclass(frozen=True)
class History:
    """The points of a chain, and every image of it that was ever shown: ``(moments, bytes)``."""

    points: dict[str, Point]
    images: npt.NDArray[np.uint8]
    _found: dict[str, list[Point]] = field(default_factory=dict)

    def of(self, point: Point) -> list[Point]:
        """What a point was, every different value once."""
        if point.key not in self._found:
            octets = len(point.data)
            shown = self.images[:, 2 * point.address :][:, :octets].tobytes()
            every = {shown[at : at + octets] for at in range(0, len(shown), octets)}
            self._found[point.key] = [replace(point, data=each) for each in sorted(every)]
        return self._found[point.key]


@cache
def histories(kind: str, name: str, phases: int) -> list[History]:
    """What every point of every device was through a day, by unit."""
    spec = registry.device(kind)
    plan = registry.point_map(name).plan(spec)
    images: dict[int, list[npt.NDArray[np.uint8]]] = defaultdict(list)
    table: Any = None
    for columns in lived(kind, phases):
        if table is None:
            table = PROTOCOL.table(plan, len(columns["running"]), columns, None)
        table.refresh(columns, {}, NOW_S)
        table.make()
        for number, _, base, length in chains(plan):
            place = plan.place(number, base, length)
            assert place is not None
            images[number].append(table.rows.data[:, place : place + 2 * length].copy())
    return [
        History({point.key: point for point in points(bytes(each[0][0]))}, np.concatenate(each))
        for each in images.values()
    ]


@pytest.mark.parametrize(("kind", "name", "phases"), CASES)
def test_every_mandatory_point_is_there_and_moves_or_says_why_not(kind: str, name: str, phases: int) -> None:
    missing, still = set(), set()
    for unit, history in enumerate(histories(kind, name, phases)):
        for key, point in history.points.items():
            if not point.is_mandatory or key == "1.SN" or (kind, unit, key) in NEVER:
                continue
            shown = history.of(point)
            if not any(each.is_implemented for each in shown):
                missing.add(key)
            elif len(shown) < 2 and key not in CONSTANT and point.type not in ("sunssf", "count"):
                still.add(key)
    assert (missing, still) == (set(), set())


@pytest.mark.parametrize(("kind", "name", "phases"), CASES)
def test_every_point_with_a_scale_factor_has_it(kind: str, name: str, phases: int) -> None:
    for history in histories(kind, name, phases):
        for point in history.points.values():
            factor = point.definition.get("sf")
            if isinstance(factor, str) and any(each.is_implemented for each in history.of(point)):
                scale = history.points[f"{point.model}.{factor}"]
                assert all(each.is_implemented for each in history.of(scale)), point.key


@pytest.mark.parametrize(("kind", "name", "phases"), CASES)
def test_a_device_says_how_many_phases_it_has_and_shows_no_others(kind: str, name: str, phases: int) -> None:
    for history in histories(kind, name, phases):
        found = {point.model for point in history.points.values()}
        assert found & {101, 103, 201, 203} <= ({101, 201} if phases == 1 else {103, 203})
        if "701.ACType" in history.points:
            assert [each.value for each in history.of(history.points["701.ACType"])] == [2 if phases == 3 else 0]
        others = [p for p in history.points.values() if p.model in (101, 201, 701) and p.name.endswith(_OTHERS)]
        if phases == 1 and others:
            assert [p.key for p in others if any(each.is_implemented for each in history.of(p))] == []
        first = [
            history.points[key] for key in ("103.AphA", "101.AphA", "201.AphA", "203.AphA") if key in history.points
        ]
        assert all(len(history.of(point)) > 1 for point in first)


_OTHERS = (
    *("phB", "phC", "phAB", "phBC", "phCA", "PhB", "PhC", "PPV", "LLV", "L1L2", "L2L3", "L3L1"),
    *(f"{what}L{phase}" for what in ("W", "VA", "Var", "PF", "A", "V", "Inj", "Abs") for phase in (2, 3)),
)
"""How the points of phases end that a single-phase device does not have."""


# ----------------------------------------------------------------------------------- what is written

SITE = """\
name: small
location: {{latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}}
start: 2026-06-21T17:30:00
weather: {{clouds: false}}
feeders: {{stiff: {{resistance_ohm: 1.0e-9, reactance_ohm: 1.0e-9}}}}
groups:
  all:
    kind: {kind}
    count: 90
    ratings: {{{ratings}}}
    endpoints: [{{protocol: modbus, map: {name}}}]
"""
"""Devices that do not feel each other, when the sun still shines and the cars are at home."""
DRAWS: Final = {"active_power_setpoint_w": -1_500.0, "active_power_setpoint_enabled": 1.0}
DELIVERS: Final = {"active_power_setpoint_w": 1_500.0, "active_power_setpoint_enabled": 1.0}
BEFORE: Final[dict[str, dict[str, float]]] = {
    key: values
    for keys, values in (
        ("704.WSet 704.WSetPct", {"active_power_setpoint_enabled": 1.0}),
        ("704.WSetEna", {"active_power_setpoint_w": 300.0}),
        ("704.VarSet 123.VArWMaxPct 123.VArMaxPct", {"reactive_power_setpoint_enabled": 1.0}),
        ("704.VarSetEna 123.VArPct_Ena", {"reactive_power_setpoint_var": 300.0}),
        ("704.WMaxLimPct 123.WMaxLimPct", {**DELIVERS, "active_power_limit_enabled": 1.0}),
        ("704.WMaxLimPctEna 123.WMaxLim_Ena", {**DELIVERS, "active_power_limit_frac": 0.05}),
        ("704.PFWInj.PF 123.OutPFSet", {**DELIVERS, "power_factor_setpoint_enabled": 1.0}),
        ("704.PFWInj.Ext", {**DELIVERS, "power_factor_setpoint": 0.8, "power_factor_setpoint_enabled": 1.0}),
        ("704.PFWInjEna 123.OutPFSet_Ena", {**DELIVERS, "power_factor_setpoint": 0.8}),
        ("121.WMax 702.WMax", DELIVERS),
        ("121.VRef", {"volt_var_enabled": 1.0}),
        ("124.StorCtl_Mod", {**DRAWS, "charge_limit_frac": 0.1}),
        ("124.OutWRte", {**DELIVERS, "discharge_limit_enabled": 1.0}),
        ("124.InWRte", {**DRAWS, "charge_limit_enabled": 1.0}),
        ("124.WChaMax", {**DELIVERS, "discharge_limit_frac": 0.1, "discharge_limit_enabled": 1.0}),
        ("124.ChaGriSet", DRAWS),
    )
    for key in keys.split()
}
"""What a device does before the write of a point, so that its effect shows."""
AFTER: Final = {"124.WChaGra": DRAWS, "124.WDisChaGra": DELIVERS}
"""What a device is told once a point is written that acts on the way from here to there."""
WRITTEN: Final = {
    "124.StorCtl_Mod": 3,
    "124.OutWRte": 500,
    "124.InWRte": 500,
    "124.WChaMax": 2_000,
    "124.WChaGra": 2,
    "124.WDisChaGra": 2,
    "121.WMax": 100,
    "702.WMax": 100,
    "123.WMaxLimPct": 500,
    "704.WMaxLimPct": 500,
    "123.OutPFSet": 800,
    "704.PFWInj.PF": 800,
    "704.WSet": 400,
    "704.WSetPct": 1_000,
    "704.VarSet": 300,
    "123.VArWMaxPct": 900,
    "123.VArMaxPct": 900,
    "121.VRef": 2_420,
    "124.MinRsvPct": 9_000,
    "802.SoCRsvMin": 9_000,
    "802.SocRsvMax": 2_500,
    "715.ControllerHb": 7,
    "802.CtrlHb": 7,
}
"""What is written, in range, where a point is no enumeration; by scale factors that these devices have."""
RATINGS: Final = {
    "battery": "rated_power_w: 5000, rated_energy_wh: 10000",
    "pv_generator": "rated_power_w: 5000",
    "ev_charger": "v2g_power_w: 5000, rated_current_a: 16, invalid_card_share: 0",
    "prosumer": "storage_rated_power_w: 5000, pv_rated_power_w: 5000, ev_v2g_power_w: 5000, main_fuse_a: 63",
}


class Side:
    """One of two farms that are the same but for what is written to it."""

    def __init__(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        self.farm = Farm(load(str(path)))
        self.images = Images(self.farm)
        self.group = self.farm.groups["all"]
        self.engines = [place.station.connect("peer", NOW_S) for place in self.images.places]
        self.step(3)

    def step(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.farm.step(10.0)
        self.images.refresh()

    def ask(self, row: int, unit: int, message: bytes) -> bytes:
        out, closed = talk(self.engines[row], frame(message, unit))
        assert not closed
        return out[7:]

    def read(self, row: int, unit: int, address: int, count: int) -> bytes:
        found = b""
        for first in range(address, address + count, 125):
            answer = self.ask(row, unit, struct.pack(">BHH", 3, first, min(125, address + count - first)))
            assert answer[0] == 3, answer
            found += answer[2:]
        return found

    def write(self, row: int, unit: int, address: int, data: bytes) -> bytes:
        return self.ask(row, unit, struct.pack(">BHHB", 16, address, len(data) // 2, len(data)) + data)

    def tell(self, row: int, values: dict[str, float]) -> None:
        self.farm.device(self.group.layout.devices[row]).submit(values, "test", "me", NOW_S)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, int], tuple[Side, Side]]:
    folder = tmp_path_factory.mktemp("sides")

    @cache
    def made(kind: str, name: str, phases: int) -> tuple[Side, Side]:
        ratings = ", ".join(filter(None, (RATINGS.get(kind, ""), f"phases: {phases}")))
        text = SITE.format(kind=kind, name=name, ratings=ratings)
        return Side(folder / "one.yaml", text), Side(folder / "other.yaml", text)

    return made


Made: TypeAlias = Callable[[str, str, int], tuple[Side, Side]]


def writable(side: Side, kind: str, name: str) -> Iterator[tuple[Unit, int, list[Point]]]:
    """The units with a chain, its base, and its points at the first device."""
    plan = registry.point_map(name).plan(registry.device(kind))
    for _, unit, base, length in chains(plan):
        yield unit, base, points(side.read(0, unit_id(unit), base, length))


def is_state(unit: Unit, base: int, point: Point) -> bool:
    """Whether a point only keeps what is written, as far as one can see at once."""
    takes = unit.writable[base + point.address].takes
    assert takes is not None
    return point.key in KEPT or {split(name)[1] for name in takes.quantities} <= MODES


@pytest.mark.parametrize(("kind", "name", "phases"), CASES)
def test_every_writable_point_that_is_there_takes_a_write_reads_back_and_acts(
    sides: Made, kind: str, name: str, phases: int
) -> None:
    one, other = sides(kind, name, phases)
    wrong = []
    for unit, base, found in writable(one, kind, name):
        number, prefix = unit_id(unit), unit.resource.of("")
        there = [p for p in found if p.is_writable and base + p.address in unit.writable]
        one_value = ONE_VALUE | (AT_ONCE if unit.resource else set())
        chosen = [p for p in there if p.key not in one_value | PULSES]
        acting = [p for p in chosen if not is_state(unit, base, p)]
        rows = dict(zip((p.key for p in acting), _ready(one, prefix), strict=False))
        assert len(rows) == len(acting)
        idle = [row for row in range(one.group.size) if row not in rows.values()]
        rows |= {p.key: idle[k % len(idle)] for k, p in enumerate(p for p in chosen if p.key not in rows)}

        def read(point: Point, base: int = base, number: int = number, rows: dict[str, int] = rows) -> bytes:
            return one.read(rows[point.key], number, base + point.address, len(point.data) // 2)

        for point in acting:
            _tell(one, other, rows[point.key], prefix, BEFORE.get(point.key, {}))
        _step(one, other, 12)
        wanted = {}
        for point in chosen:
            now, row = read(point), rows[point.key]
            taken = (d for d in _candidates(point) if d != now and _took(one, row, number, base, point, d))
            wanted[point.key] = next(taken, b"")
            if not wanted[point.key]:
                wrong.append((number, point.key, "takes nothing"))
            _tell(one, other, row, prefix, AFTER.get(point.key, {}))
        _step(one, other, 1)
        wrong += [(number, p.key, "does not read back") for p in chosen if read(p) != wanted[p.key]]
        _step(one, other, 12)
        wrong += [(number, p.key, "does not act") for p in acting if not _differ(one, other, rows[p.key])]
    assert wrong == []


def _tell(one: Side, other: Side, row: int, prefix: str, values: dict[str, float]) -> None:
    known = {prefix + name: value for name, value in values.items() if prefix + name in one.group.writable}
    if known:
        for side in (one, other):
            side.tell(row, known)


def _step(one: Side, other: Side, steps: int) -> None:
    for side in (one, other):
        side.step(steps)


def _ready(side: Side, prefix: str) -> list[int]:
    """Devices that can be told something: of charging points those whose vehicle can go either way for a while."""
    columns = side.group.columns
    if f"{prefix}charge_point_state" not in side.group.readable:
        return list(range(side.group.size))
    soc, stays = columns[f"{prefix}vehicle_soc_frac"], columns[f"{prefix}time_to_departure_s"]
    charges = columns[f"{prefix}charge_point_state"] == 2.0
    return np.flatnonzero(charges & (soc > 0.4) & (soc < 0.9) & (stays > 1_800.0)).tolist()


def _took(side: Side, row: int, unit: int, base: int, point: Point, data: bytes) -> bool:
    return len(side.write(row, unit, base + point.address, data)) == 5


def _candidates(point: Point) -> Iterator[bytes]:
    symbols = [symbol["value"] for symbol in point.definition.get("symbols", ())]
    for number in [WRITTEN[point.key]] if point.key in WRITTEN else symbols or [60]:
        yield number.to_bytes(len(point.data), "big", signed=number < 0)


def _differ(one: Side, other: Side, row: int) -> bool:
    shown = [q for q in one.group.spec.quantities if q.role in (Role.MEASUREMENT, Role.STATE, Role.ALARM, Role.TOTAL)]
    pairs = ((side.group.columns[q.name][row] for side in (one, other)) for q in shown)
    return any(abs(mine - its) > 1e-3 * max(1.0, abs(its)) for mine, its in pairs)


@pytest.mark.parametrize(("kind", "name", "phases"), CASES)
def test_every_other_point_reads_not_implemented_or_is_no_masters_and_refuses_a_write(
    sides: Made, kind: str, name: str, phases: int
) -> None:
    one, _ = sides(kind, name, phases)
    wrong = []
    for unit, base, found in writable(one, kind, name):
        for point in found:
            if base + point.address in unit.writable:
                continue
            if point.is_writable and point.is_implemented and point.key not in FIXED:
                wrong.append((unit_id(unit), point.key, "looks writable and is not"))
            for data in (point.data, bytes(len(point.data))):
                if one.write(0, unit_id(unit), base + point.address, data) != b"\x90\x02":
                    wrong.append((unit_id(unit), point.key, "took a write"))  # noqa: PERF401
    assert wrong == []


@pytest.mark.parametrize(("kind", "name"), SERVED)
def test_what_takes_one_value_takes_no_other(sides: Made, kind: str, name: str) -> None:
    one, _ = sides(kind, name, 3)
    for unit, base, found in writable(one, kind, name):
        number = unit_id(unit)
        for point in found:
            if point.key in ONE_VALUE and base + point.address in unit.writable:
                other = bytes([*point.data[:-1], 60])
                assert _took(one, 0, number, base, point, point.data), point.key
                assert one.write(0, number, base + point.address, other) == b"\x90\x03", point.key


def test_every_point_of_the_lists_is_served() -> None:
    """So that a list says nothing about what is not there."""
    known = {key for case in CASES for history in histories(*case) for key in history.points}
    assert CONSTANT.keys() | ONE_VALUE | FIXED.keys() | PULSES | KEPT | WRITTEN.keys() | BEFORE.keys() <= known
