"""The house keeps its order: rooms on floors, imports one way, no clock where nobody should know the time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("profiles", "emulators", "api", "loadtests")
PREFIX = "pilotfarm."
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# From the ground up. A room imports from its own floor or from below, and no rooms import each other in a circle.
FLOORS = (
    (
        "profiles",
        "emulators.columns",
        "emulators.quantities",
        "emulators.clock",
        "emulators.errors",
        "emulators.words",
        "emulators.wording",
    ),
    ("emulators.contracts", "emulators.wire"),
    (
        "emulators.physics",
        "emulators.faults",
        "emulators.links",
        "emulators.stations",
        "emulators.plans",
        "emulators.registry",
    ),
    ("emulators.devices", "emulators.maps", "emulators.protocols", "emulators.site"),
    ("emulators.grid",),
    ("emulators.farm",),
    ("emulators.serving", "emulators.record", "emulators.scenarios", "emulators.uplink"),
    ("loadtests",),
    ("api",),
)
TO_COME = ("emulators.uplink",)
"""Rooms whose place is kept."""
SIBLINGS = ("emulators.devices", "emulators.maps", "emulators.protocols", "emulators.faults")
PURE = (
    "emulators.columns",
    "emulators.quantities",
    "emulators.contracts",
    "emulators.wire",
    "emulators.physics",
    "emulators.links",
    "emulators.stations",
    "emulators.plans",
    *SIBLINGS,
    "emulators.farm",
    "emulators.grid",
    "emulators.scenarios",
    "emulators.site",
    "emulators.words",
    "profiles",
)
WORLDLY = {"asyncio", "socket", "time", "random", "threading", "subprocess", "os"}
MAY = {
    "emulators.site.addresses": {"socket"},  # looks whether an address is this machine's
    "emulators.site.lines": {"os"},  # looks where a user's session keeps what runs
}
NOW = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
"""What reads a clock when called on ``datetime``, ``date`` or ``time``."""

LINES_MAX = 350
LONGER: dict[str, str] = {}
"""Modules that may be longer, each with its reason."""
FUNCTION_LINES_MAX = 70


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """The modules a file imports, those of the house without its name."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix(PREFIX) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            module = node.module.removeprefix(PREFIX)
            found |= {each if (each := f"{module}.{alias.name}") in NAMES else module for alias in node.names}
    return found


def under(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def room_of(name: str) -> str | None:
    return next((room for floor in FLOORS for room in floor if under(name, room)), None)


def floor_of(name: str) -> int | None:
    return next((i for i, rooms in enumerate(FLOORS) if under(name, *rooms)), None)


def inside(*rooms: str) -> list[Path]:
    return [path for path in MODULES if under(name_of(path), *rooms)]


def test_every_room_on_the_plan_is_there_or_to_come() -> None:
    rooms = {room for floor in FLOORS for room in floor}
    assert {room_of(name) for name in NAMES} - {None} == rooms - set(TO_COME)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    here = floor_of(name_of(path))
    if here is None:
        assert name_of(path) == "emulators", f"{name_of(path)} stands on no floor: give it one"
        return
    upward = {each for each in imports(path) if (there := floor_of(each)) is not None and there > here}
    assert not upward, f"{name_of(path)} reaches up to {sorted(upward)}"


def test_neither_rooms_nor_modules_import_each_other_in_a_circle() -> None:
    modules = {name_of(path): imports(path) & NAMES - {name_of(path)} for path in MODULES}
    assert len(tuple(TopologicalSorter(modules).static_order())) == len(NAMES)
    rooms: dict[str, set[str]] = {}
    for name, imported in modules.items():
        here = room_of(name)
        if here is not None:
            rooms.setdefault(here, set()).update(
                there for each in imported if (there := room_of(each)) not in (here, None)
            )
    assert set(TopologicalSorter(rooms).static_order()) >= rooms.keys()


@pytest.mark.parametrize("path", inside(*SIBLINGS), ids=name_of)
def test_devices_maps_protocols_and_faults_do_not_know_each_other(path: Path) -> None:
    home = next(room for room in SIBLINGS if under(name_of(path), room))
    others = [room for room in SIBLINGS if room != home]
    assert not {each for each in imports(path) if under(each, *others)}


@pytest.mark.parametrize("path", inside(*PURE), ids=name_of)
def test_inner_rooms_have_no_clock_no_socket_and_no_thread(path: Path) -> None:
    found = {each.partition(".")[0] for each in imports(path)} & WORLDLY
    assert found <= MAY.get(name_of(path), set())
    assert not list(clock_readings(tree_of(path)))


@pytest.mark.parametrize("path", inside("emulators", "profiles"), ids=name_of)
def test_only_the_clock_reads_time_and_only_transports_have_sockets(path: Path) -> None:
    if name_of(path) != "emulators.clock":
        assert "time" not in imports(path)
        assert not list(clock_readings(tree_of(path)))
    if name_of(path) not in ("emulators.serving.transports", *MAY):
        assert "socket" not in imports(path)


def clock_readings(tree: ast.Module) -> Iterator[str]:
    """Calls such as ``datetime.now()``, ``date.today()`` or ``time.monotonic()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NOW:
            owner = ast.unparse(node.func.value)
            if owner.rpartition(".")[2] in ("datetime", "date", "time"):
                yield f"{owner}.{node.func.attr}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("datetime.now(UTC)", ["datetime.now"]),
        ("datetime.datetime.utcnow()", ["datetime.datetime.utcnow"]),
        ("date.today()", ["date.today"]),
        ("time.monotonic()", ["time.monotonic"]),
        ("farm.now()", []),
        ("moment.time()", []),
        ("datetime.fromtimestamp(0.0, UTC)", []),
    ],
)
def test_a_reading_of_the_clock_is_seen(text: str, found: list[str]) -> None:
    assert list(clock_readings(ast.parse(text))) == found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if name_of(path) not in LONGER:
        assert text.count("\n") <= LINES_MAX, "cut it along a seam, or give a reason"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = (node.end_lineno or node.lineno) - node.lineno + 1
            documented = node.body[0] if ast.get_docstring(node) else None
            if documented is not None:
                body -= (documented.end_lineno or 0) - documented.lineno + 1
            assert body <= FUNCTION_LINES_MAX, f"{node.name} has {body} lines"


def test_who_may_be_longer_still_is() -> None:
    lines = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert not [name for name in LONGER if lines.get(name, 0) <= LINES_MAX]
