"""What the farm runs on: sites, weather, loads, EV sessions, random draws, the specification as data."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

_SUFFIX = ".yaml"


def names() -> list[str]:
    """Return the names of the built-in sites, sorted."""
    folder = files(__name__) / "sites"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def site(name: str) -> Traversable:
    """Return the file of a built-in site; it exists if ``name`` is one of ``names()``."""
    return files(__name__) / "sites" / f"{name}{_SUFFIX}"
