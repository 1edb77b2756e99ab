"""A browser without internet draws the page to try the API on."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from running_farm import RunningFarm


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no browser looks at the page: `apt-get install chromium`, which .ci/run does")
    return found


def test_every_operation_is_drawn_and_nothing_is_missed(site: RunningFarm, chromium: str, tmp_path: Path) -> None:
    url = site.rest.base_url
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {url.host}",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            "--dump-dom",
            f"http://{url.host}:{url.port}/",
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    drawn = set(re.findall(r'id="operations-(?!tag-)[a-z]+-([a-z_]+)"', done.stdout))
    paths = site.rest.get("openapi.json").json()["paths"]
    assert drawn == {each["operationId"] for item in paths.values() for each in item.values()}, done.stderr[-2_000:]
    assert "CONSOLE" not in done.stderr, "the page asked for what it does not get"
