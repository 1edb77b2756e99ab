"""What the farm runs on: sites, scenarios, weather, loads, EV sessions, random draws, the specification as data."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

_SUFFIX = ".yaml"


def names() -> list[str]:
    """Return the names of the built-in sites, sorted."""
    return _names("sites")


def site(name: str) -> Traversable:
    """Return the file of a built-in site; it exists if ``name`` is one of ``names()``."""
    return files(__name__) / "sites" / f"{name}{_SUFFIX}"


def scenario_names() -> list[str]:
    """Return the names of the built-in scenarios, sorted."""
    return _names("scenarios")


def scenario(name: str) -> Traversable:
    """Return the file of a built-in scenario; it exists if ``name`` is one of ``scenario_names()``."""
    return files(__name__) / "scenarios" / f"{name}{_SUFFIX}"


def _names(folder: str) -> list[str]:
    entries = (files(__name__) / folder).iterdir()
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX))
