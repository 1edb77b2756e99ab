"""One running farm a module, and the mark on everything here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_farm import RunningFarm, brought_up

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """The site tiny, up for the tests of a module, paused."""
    with brought_up(tmp_path_factory.mktemp("farm")) as farm:
        yield farm
