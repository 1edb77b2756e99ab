"""openapi-python-client makes a client from the schema without a complaint, and the client controls a farm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from running_farm import RunningFarm, installed, run_client

from pilotfarm.loadtests.sesp.app import make_app

GENERATOR: Final = ("openapi-python-client==0.29.1", "ruamel.yaml>=0.18.6,<0.20")
"""The rest of what it takes is here anyway."""
DEVICE: Final = "battery-001"
CONFIG: Final = {"content_type_overrides": {"application/yaml": "application/octet-stream"}}
"""It knows no YAML by itself."""


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator's packages, in a folder of their own."""
    return installed(tmp_path_factory.mktemp("generator"), GENERATOR, "--no-deps")


def generate(generator: Path, schema: dict[str, Any], folder: Path) -> str:
    """Make the package ``pilotfarm_client`` in a folder; return what the generator said."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(schema))
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(path), "--meta", "none"]
    done = subprocess.run(
        [*command, "--config", str(config), "--output-path", str(folder / "pilotfarm_client"), "--fail-on-warning"],
        env={**os.environ, "PYTHONPATH": str(generator), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said(site: RunningFarm, generator: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("client")
    assert "warning" not in generate(generator, site.rest.get("openapi.json").json(), folder).lower()
    url = str(site.rest.base_url).removesuffix("/api/v1/")
    return dict(run_client("generated_client.py", folder=str(folder), url=url, device=DEVICE))


def test_it_reads_what_there_is(said: dict[str, Any], site: RunningFarm) -> None:
    assert said["devices"] == [each["device"] for each in site.rest.get("devices").json()]
    assert said["kinds"] == [each["kind"] for each in site.rest.get("faults/kinds").json()]
    assert said["health"] == "ok"


def test_it_breaks_and_mends(said: dict[str, Any]) -> None:
    assert said["fault"] == [[DEVICE], True]


def test_it_commands(said: dict[str, Any]) -> None:
    assert said["accepted"] == {"stop": 1.0}
    assert said["after"] == [0.0, 0.0, "W", "measurement"]


def test_it_runs_a_scenario(said: dict[str, Any]) -> None:
    assert said["scenarios"]
    assert said["ran"] == ["running", "PASS", [f"expect {DEVICE}.online true == 1"]]
    assert said["stopped"] == ["ended", "SKIPPED"]
    assert said["junit"] == 1


def test_it_is_refused_in_words(said: dict[str, Any]) -> None:
    status, ((where, message),) = said["refused"]
    assert (status, where) == (422, "nonsense")
    assert "nonsense" in message
    assert said["nobody"] == [404, "Not Found"]


def test_the_sesp_has_a_client_too(generator: Path, tmp_path: Path) -> None:
    assert "warning" not in generate(generator, make_app("sqlite://").openapi(), tmp_path).lower()
    assert (tmp_path / "pilotfarm_client/api/default/store_readings.py").is_file()
