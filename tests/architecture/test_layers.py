"""The house keeps its order: imports run one way, and the inner rooms have no clock and no socket."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("profiles", "emulators", "api", "loadtests")
PREFIX = "pilotfarm."
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# From the ground up. A module imports from its own floor or from below. Rooms that are still to come have their place.
FLOORS = (
    ("profiles", "emulators.columns", "emulators.quantities", "emulators.clock", "emulators.errors"),
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
)
WORLDLY = {"asyncio", "socket", "time", "random", "threading", "logging", "subprocess", "os"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix(PREFIX) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            module = node.module.removeprefix(PREFIX)
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


def under(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def floor_of(name: str) -> int | None:
    return next((i for i, rooms in enumerate(FLOORS) if any(under(name, room) for room in rooms)), None)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    here = floor_of(name_of(path))
    if here is None:
        assert name_of(path) == "emulators", f"{name_of(path)} stands on no floor: give it one"
        return
    upward = {each for each in imports(path) if (there := floor_of(each)) is not None and there > here}
    assert not upward, f"{name_of(path)} reaches up to {sorted(upward)}"


@pytest.mark.parametrize("path", [p for p in MODULES if any(under(name_of(p), room) for room in SIBLINGS)], ids=name_of)
def test_devices_maps_protocols_and_faults_do_not_know_each_other(path: Path) -> None:
    home = next(room for room in SIBLINGS if under(name_of(path), room))
    others = [room for room in SIBLINGS if room != home]
    assert not {each for each in imports(path) if any(under(each, room) for room in others)}


@pytest.mark.parametrize("path", [p for p in MODULES if any(under(name_of(p), room) for room in PURE)], ids=name_of)
def test_inner_rooms_have_no_clock_no_socket_and_no_log(path: Path) -> None:
    assert not {each for each in imports(path) if each.partition(".")[0] in WORLDLY}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_clock_reads_time_and_only_the_server_has_sockets(path: Path) -> None:
    if not under(name_of(path), "emulators"):
        return
    if name_of(path) != "emulators.clock":
        assert "time" not in imports(path)
    if name_of(path) not in ("emulators.serving.transports", "emulators.site.addresses"):
        assert "socket" not in imports(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 600, "split it along a seam"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = (node.end_lineno or node.lineno) - node.lineno + 1
            documented = node.body[0] if ast.get_docstring(node) else None
            if documented is not None:
                body -= (documented.end_lineno or 0) - documented.lineno + 1
            assert body <= 70, f"{node.name} has {body} lines"
