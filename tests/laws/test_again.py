"""Again: a site that is told the same at the same steps leaves the same ledger, byte by byte, whoever reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from again_rig import STEPS, WINDOW, digests, play

from pilotfarm import profiles
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.record import windows
from pilotfarm.emulators.record.schema import OF_STATIONS, OF_THE_WALL_CLOCK, SCHEMAS
from pilotfarm.emulators.record.tables import read

OWN = {"wall_time", "peer", "received", "true_value", "reported_value"}
"""What is another in a run again, in the tables of the wall clock."""
SITES = profiles.names()
RIG = Path(__file__).parents[1] / "again_rig.py"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sites played in another process, at another time and speed, with masters where a site is small."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {**os.environ, "PYTHONHASHSEED": "4"}
    subprocess.run([sys.executable, str(RIG), str(folder), *SITES], check=True, env=environment)
    return folder


@pytest.mark.parametrize("site", SITES)
def test_a_run_again_is_the_same_by_bytes_but_for_what_is_of_the_wall_clock(
    site: str, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LENGTHS", (WINDOW,))
    found = play(site, tmp_path, ManualClock(1_800_000_000.0))
    assert found == digests(elsewhere / site)
    assert {name.split("/")[0] for name in found} == SCHEMAS.keys() - {*OF_THE_WALL_CLOCK, *OF_STATIONS}
    assert len([name for name in found if name.startswith("values/")]) == 4
    assert all(name.split("/")[1] == "run=1" and "-" not in name.split("/")[2] for name in found)

    for table in OF_THE_WALL_CLOCK:
        ours, theirs = read(tmp_path, table), read(elsewhere / site, table)
        own = [name for name in ours.column_names if name in OWN]
        assert ours.num_rows == theirs.num_rows > 0
        assert ours.drop_columns(own).equals(theirs.drop_columns(own)), table
        assert all(ours[name].drop_null().to_pylist() != theirs[name].drop_null().to_pylist() for name in own), table
    assert read(tmp_path, "steps").num_rows == STEPS
