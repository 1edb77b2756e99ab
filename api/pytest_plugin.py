"""The pytest plugin: a farm for each test that asks for one.

pytest imports this module whenever it starts, so all else is imported by the fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

if TYPE_CHECKING:
    from pilotfarm.api.running_farm import RunningFarm

    Running: TypeAlias = Callable[..., AbstractContextManager[RunningFarm]]

MARK: Final = "pilotfarm"
_SITE_HELP: Final = "site of tests that name none: a built-in one, or the path of a site file"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("pilotfarm").addoption("--pilotfarm-site", metavar="SITE", help=_SITE_HELP)
    parser.addini("pilotfarm_site", _SITE_HELP, default="tiny")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARK}(site, *, text, start, seed, step_s, media, speed, ...): the farm of the fixture `pilotfarm`"
    )


@pytest.fixture(scope="session")
def pilotfarm_factory(pytestconfig: pytest.Config) -> Running:
    """`pilotfarm.api.testing.running`, with the site of `--pilotfarm-site` or `pilotfarm_site` if none is named."""
    from pilotfarm.api.testing import running

    def run(site: Any = None, **options: Any) -> AbstractContextManager[RunningFarm]:
        if site is None and options.get("text") is None:
            site = _site(pytestconfig)
        return running(site, **options)

    return run


@pytest.fixture
def pilotfarm(request: pytest.FixtureRequest, pilotfarm_factory: Running) -> Iterator[RunningFarm]:
    """A farm on free ports, paused, for this test alone (`docs/testing-in-ci.md`)."""
    from pilotfarm.api.testing import ConfigError, LinkError

    trouble = ""
    try:
        with pilotfarm_factory(**_options(request)) as farm:
            yield farm
    except (ConfigError, LinkError, TypeError) as error:
        trouble = str(error)
    if trouble:  # outside of the block, so that pytest shows it alone
        pytest.fail(f"no farm: {trouble}", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Show what the farm of a failed test has said."""
    report = (yield).get_result()
    farm = getattr(item, "funcargs", {}).get("pilotfarm")
    if report.when == "call" and report.failed and farm is not None and (said := farm.log):
        report.sections.append(("what the farm said", said))


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What marks and an indirect parameter ask for; whichever is nearest to the test goes before.

    A path begins at the folder of the test's file.
    """
    found: dict[str, Any] = {}
    given = getattr(request, "param", {})
    parameter = given if isinstance(given, dict) else {"site": given}
    for asked in reversed([parameter, *map(_marked, request.node.iter_markers(MARK))]):
        if asked.keys() & {"site", "text"}:
            found = {name: value for name, value in found.items() if name not in ("site", "text")}
        found |= asked
    if found.get("site") is not None:
        found["site"] = _from(request.path.parent, os.fspath(found["site"]))
    return found


def _marked(mark: pytest.Mark) -> dict[str, Any]:
    if len(mark.args) > 1:
        raise TypeError(f"the mark {MARK} takes one site and keywords, not {len(mark.args)} values")
    return {**dict(zip(("site",), mark.args, strict=False)), **mark.kwargs}


def _site(config: pytest.Config) -> str:
    """The site of tests that name none; a path in the file of settings begins at its folder."""
    asked: str | None = config.getoption("--pilotfarm-site")
    if asked is not None:
        return _from(config.invocation_params.dir, asked)
    return _from(config.rootpath, str(config.getini("pilotfarm_site")))


def _from(folder: Path, site: str) -> str:
    """The name of a built-in site as it is, and a path from a folder."""
    return str(folder / site) if os.sep in site or site.endswith((".yaml", ".yml")) else site
