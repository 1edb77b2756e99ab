"""A real pilot behind its real application."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_client import Rest

from pilotfarm.api.app import create_app
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout


@pytest.fixture(scope="session")
def tiny() -> SiteLayout:
    return load("tiny")


@pytest.fixture(scope="session")
def make_rest() -> Callable[..., Rest]:
    def make(layout: SiteLayout, token: str | None = None) -> Rest:
        pilot = Pilot(layout, ManualClock())
        return Rest(pilot, create_app(pilot, token=token))

    return make


@pytest.fixture
def rest(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(tiny)


@pytest.fixture(scope="session")
def still(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    """A pilot for tests that change nothing: those that read, and those that are refused."""
    return make_rest(tiny)
