"""What is installed is what stands here, and the lock holds what pyproject.toml asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("api", "emulators", "loadtests", "profiles")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


def here(pattern: str) -> list[Path]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob(pattern))
    return sorted(path.relative_to(ROOT) for path in found if path.is_file() and "__pycache__" not in path.parts)


def test_every_package_is_listed() -> None:
    packages = {".".join(("pilotfarm", *path.parent.parts)) for path in here("__init__.py")}
    assert PYPROJECT["tool"]["setuptools"]["packages"] == sorted(packages)
    astray = {path.parent for path in here("*.py")} - {path.parent for path in here("__init__.py")}
    assert not astray, "a folder with modules needs an __init__.py"


def test_the_wheel_holds_every_file(tmp_path: Path) -> None:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = "import setuptools.build_meta as backend; print(backend.build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {f"pilotfarm/{path.as_posix()}" for path in here("*")}


def locked(name: str) -> list[tuple[Requirement, bool]]:
    """What a lock pins, a line each Python where they differ, and whether by hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", "")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [(Requirement(re.split(r"\s+--hash", line)[0]), "--hash=sha256:" in line) for line in lines]


def asked(*extras: str) -> list[Requirement]:
    lines = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["build-system"]["requires"]]
    lines += [line for extra in extras for line in EXTRAS[extra] if not line.startswith("pilotfarm")]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("name", "extras"), [("run.txt", ["loadtest"]), ("dev.txt", list(EXTRAS))])
def test_the_lock_holds_what_pyproject_asks_for(name: str, extras: list[str]) -> None:
    pins = locked(name)
    assert all(hashed for _, hashed in pins)
    for need in asked(*extras):
        found = [pin for pin, _ in pins if canonicalize_name(pin.name) == canonicalize_name(need.name)]
        assert found, f"{need.name} is not in requirements/{name}: make lock"
        for pin in found:
            (version,) = (each.version for each in pin.specifier)
            assert need.specifier.contains(version, prereleases=True), f"{pin} is not {need}: make lock"


def test_both_locks_pin_the_same_releases() -> None:
    more = {(pin.name, str(pin.specifier)) for pin, _ in locked("dev.txt")}
    assert {(pin.name, str(pin.specifier)) for pin, _ in locked("run.txt")} <= more
