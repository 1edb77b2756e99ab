"""dnp3-python, the binding of opendnp3 2.x, polls and operates a battery, in an environment of its own.

It has wheels for Python 3.8 to 3.10 only, so a Python of those is looked for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from der_profile import told
from running_farm import RunningFarm, not_installed

PACKAGE: Final = "dnp3-python==0.3.0b2"
VERSIONS: Final = ("3.10", "3.9", "3.8")
DEVICE: Final = "battery-001"
pytestmark = pytest.mark.timeout(300)
HINT: Final = "`uv python install 3.10` or `pyenv install 3.10`, with python3.10 on the PATH or under ~/.pyenv/versions"


def pythons() -> Iterator[str]:
    """Pythons that dnp3-python may have wheels for, as they are found; a shim of pyenv may lead nowhere."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in VERSIONS:
        found = shutil.which(f"python{version}")
        yield from ([found] if found else [])
        yield from map(str, sorted(root.glob(f"versions/{version}.*/bin/python")))


def works(python: str) -> bool:
    done = subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with dnp3-python in it."""
    base = next((each for each in pythons() if works(each)), None)
    if base is None:
        pytest.skip(f"no Python of {', '.join(VERSIONS)}, which {PACKAGE} wants: {HINT}")
    folder = tmp_path_factory.mktemp("dnp3-python")
    subprocess.run([base, "-m", "venv", str(folder)], check=True, capture_output=True)
    made = folder / "bin" / "python"
    command = [str(made), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]
    if why := not_installed(command):
        pytest.skip(f"{PACKAGE} cannot be installed here: {why}")
    return made


@dataclass(frozen=True)
class Talk:
    """What the master said, and how the device stood before and after."""

    said: Mapping[str, Any]
    before: Mapping[str, float]
    after: Mapping[str, float]


@pytest.fixture(scope="module")
def talk(site: RunningFarm, python: Path) -> Talk:
    way = site.ways("dnp3")[DEVICE]
    before = site.values(DEVICE) | site.ledger_now()[DEVICE]
    script = Path(__file__).with_name("dnp3_python_master.py")
    points, rest = len(site.points(DEVICE, "dnp3")), str(site.rest.base_url)
    order = {"host": way.host, "port": way.port, "outstation": way.address, "points": points, "rest": rest}
    done = subprocess.run(
        [str(python), str(script), json.dumps(order)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return Talk(json.loads(done.stdout.splitlines()[-1]), before, site.values(DEVICE))


def held(site: RunningFarm, found: Mapping[str, float], truth: Mapping[str, float]) -> list[tuple[Any, ...]]:
    """What differs between points and the device."""
    rows, worked_out, wrong = site.points(DEVICE, "dnp3"), told(truth), []
    assert found.keys() == {row["address"] for row in rows}
    for row in rows:
        address, read = row["address"], found[row["address"]]
        wanted = worked_out[address] if address in worked_out else truth[row["quantity"]] / row["scale"]
        slack = 0.0 if address in worked_out else 1.0 if address.startswith("CTR") else 0.5001
        if abs(read - wanted) > slack + 1e-9:
            wrong.append((address, row["quantity"], read, wanted))
    return wrong


def test_its_start_gives_every_point_as_the_ledger_has_it(site: RunningFarm, talk: Talk) -> None:
    assert held(site, talk.said["startup"], talk.before) == []


def test_an_integrity_poll_gives_what_holds_after_the_commands(site: RunningFarm, talk: Talk) -> None:
    wrong = {address for address, *_ in held(site, talk.said["integrity"], talk.after)}
    moving = {row["address"] for row in site.points(DEVICE, "dnp3") if row["address"].startswith(("AI", "BI", "CTR"))}
    assert wrong <= moving, "the poll is of the step before the last"
    assert talk.said["integrity"]["AO508"] == 1900.0


@pytest.mark.parametrize("order", ["integer", "double", "relay on", "relay on too", "selected first", "pulse"])
def test_commands_succeed(talk: Talk, order: str) -> None:
    assert talk.said[order] == ["SUCCESS", "SUCCESS", "SUCCESS"]


def test_commands_are_followed_and_in_the_ledger(site: RunningFarm, talk: Talk) -> None:
    assert talk.said["integer"]
    site.step(60)
    values = site.values(DEVICE)
    assert values["active_power_w"] == pytest.approx(1900.0, rel=0.02)
    assert values["reactive_power_var"] == pytest.approx(-650.0, rel=0.02)
    site.proves(DEVICE, "active_power_setpoint_w", 1900.0, "dnp3")
    site.proves(DEVICE, "reactive_power_setpoint_var", -650.0, "dnp3")


def test_events_come_unsolicited(talk: Talk) -> None:
    events = dict(talk.said["unsolicited"])
    assert {"AI537", "AI541", "AI618", "AI621"} <= events.keys()
    assert events["AI618"] == 1900.0


def test_floating_point_is_read_in_the_quantitys_own_unit(site: RunningFarm, talk: Talk) -> None:
    floats = {f"AI{index}": value for index, value in talk.said["floats"].items()}
    rows = {row["address"]: row for row in site.points(DEVICE, "dnp3") if row["address"].startswith("AI")}
    assert floats.keys() == rows.keys()
    for address in ("AI547", "AI536", "AI149"):
        truth = talk.after[rows[address]["quantity"]]
        assert floats[address] == pytest.approx(truth, abs=5 * rows[address]["scale"]), address


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("float at an integer variation", "TypeError"),
        ("the group of a command", "ValueError"),
        ("a relay by a number", "ValueError"),
    ],
)
def test_its_helper_takes_the_groups_of_outputs_and_the_types_of_their_variations_alone(
    talk: Talk, order: str, error: str
) -> None:
    assert talk.said[order] == [error], "refused before it is sent"


def test_a_double_is_in_the_quantitys_own_unit_and_an_integer_in_that_of_the_wire(talk: Talk) -> None:
    """Its helper for analog outputs sends doubles, so 400 per mille as such is 400 times the rating."""
    assert talk.said["per mille as a double"] == ["SUCCESS", "OUT_OF_RANGE", "SUCCESS"]
    assert talk.said["per mille as an integer"] == ["SUCCESS", "SUCCESS", "SUCCESS"]
    assert talk.said["share as a double"] == ["SUCCESS", "SUCCESS", "SUCCESS"]
    assert talk.said["no such point"] == ["SUCCESS", "NOT_SUPPORTED", "SUCCESS"]
