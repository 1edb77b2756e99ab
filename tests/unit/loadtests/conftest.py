"""What tests of the SESP and of load tests share: a SESP that serves, and the databases it can use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sesp_bench import new_postgresql, served

from pilotfarm.loadtests.sesp.app import make_app


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    return served


@pytest.fixture
def sesp(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a SESP with an empty database in a file."""
    with served(make_app(str(tmp_path / "sesp.sqlite"))) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with new_postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, as `pilotfarm sesp --database` takes it."""
    if request.param == "sqlite":
        return str(tmp_path / "sesp.sqlite")
    url: str = request.getfixturevalue("postgresql")
    return url
