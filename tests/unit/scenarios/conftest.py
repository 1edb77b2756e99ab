"""A built-in site is read once for all tests of scenarios: nothing writes to a layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pilotfarm import profiles
from pilotfarm.emulators import site
from pilotfarm.emulators.site.layout import SiteLayout

_READ: dict[tuple[Any, ...], SiteLayout] = {}


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    real = site.load

    def load(name: str, *options: Any, **more: Any) -> SiteLayout:
        if name not in profiles.names():
            return real(name, *options, **more)
        asked = (name, *options, *sorted(more.items()))
        if asked not in _READ:
            _READ[asked] = real(name, *options, **more)
        return _READ[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "load", load)
        yield
