"""Outages a customer in the ledger: what data concentrators know of each, beside what is true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from again_rig import digests
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.outage import Outage
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.tables import instant, read
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

SITE: Final = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T23:30:00
feeders: {east: {}, west: {}}
groups:
  east:
    {kind: smart_meter, count: 12, feeder: east, ratings: {memory: 1},
    endpoints: [{protocol: iec104, station: dc-1}]}
  west:
    {kind: smart_meter, count: 8, feeder: west, ratings: {memory: 1},
    endpoints: [{protocol: iec104, station: dc-2}]}
stations:
  dc-1: {protocol: iec104, collecting: {medium: radio_mesh}}
  dc-2: {protocol: iec104, collecting: {medium: plc_g3}}
"""
STEPS: Final = 60


@pytest.fixture
def street(tmp_path: Path) -> SiteLayout:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    return site.load(str(tmp_path / "site.yaml"))


def played(layout: SiteLayout, folder: Path, wall_s: float) -> Iterator[Pilot]:
    """Yield a site after each step of a minute: an outage in the east, and a meter of the west off its network."""
    clock = ManualClock(wall_s)
    pilot = Pilot(layout, clock)
    ledger = Ledger(folder, pilot.farm, clock)
    pilot.observe(ledger)
    for step in range(STEPS):
        clock.advance(wall_s / 1e9)
        if step == 5:
            pilot.farm.faults.add("outage", {"feeder": "east"}, duration_s=600.0)
            pilot.farm.faults.add("offline", {"device": "west-003"})
        pilot.step(60.0)
        yield pilot
    ledger.close()


def rows(folder: Path) -> list[dict[str, Any]]:
    return read(folder, "outages").to_pylist()


def test_its_rows_taken_together_are_what_is_known_and_true_at_every_step(street: SiteLayout, tmp_path: Path) -> None:
    seen: dict[datetime, dict[tuple[str, str], Outage]] = {}
    for pilot in played(street, tmp_path / "ledger", 1e9):
        farm = pilot.farm
        seen[instant(farm.unix_s)] = {
            (name, each.device): each
            for name, concentrator in pilot.images.concentrators.items()
            for each in concentrator.outages()
        }
        dark = {each.id for each in farm if each.true_value("power_failure_alarm")}
        assert {device for (_, device), each in seen[instant(farm.unix_s)].items() if not each.supplied} == dark
    found = rows(tmp_path / "ledger")
    folded: dict[tuple[str, str], dict[str, Any]] = {}
    for at, outages in seen.items():
        for row in [each for each in found if each["site_time"] == at]:
            key = row["station"], row["device"]
            assert row != folded.get(key), "a row is a change"
            folded[key] = row
        open_ = {key: row for key, row in folded.items() if row["known"] != "supplied" or not row["supplied"]}
        assert open_.keys() == outages.keys()
        for key, row in open_.items():
            known, since_s = outages[key].known, outages[key].since_s
            since = None if since_s is None else instant(farm.unix_s - farm.time_s + since_s)
            assert (row["known"], row["supplied"], row["since"]) == (known, outages[key].supplied, since)
    assert {row["known"] for row in found} == {"last_gasp", "no_contact", "supplied"}
    assert {row["station"] for row in found} == {"dc-1", "dc-2"}
    assert len([row for row in found if row["device"] == "east-001" and not row["supplied"]]) in (1, 2)


def test_a_run_again_has_the_same_bytes(street: SiteLayout, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, wall_s in ((one, 1e9), (other, 1.7e9)):
        for pilot in played(street, folder, wall_s):
            if folder is other:
                pilot.images.concentrators["dc-1"].queue.readings(0, 10)
    assert digests(one) == digests(other)
    assert any(name.startswith("outages/") for name in digests(one))
    done = CliRunner().invoke(app, ["ledger", "same", str(one), str(other)])
    assert done.output.endswith(f" rows of feeders, {len(rows(one))} rows of outages\n")


def test_a_run_in_which_a_concentrator_was_down_parts_in_what_was_known(street: SiteLayout, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    list(played(street, one, 1e9))
    for pilot in played(street, other, 1e9):
        if pilot.farm.steps == 2:
            pilot.images.polling["dc-1"].down = True
    done = CliRunner().invoke(app, ["ledger", "same", str(one), str(other)])
    assert "outages part at 2025-06-02T21:3" in done.output, done.output
