"""The files that a site is made from besides its own: their fingerprints, and what is no such file."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from test_weather_files import epw
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.site.document import Document
from pilotfarm.emulators.site.inputs import Inputs

TEXT = """\
name: replayed
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-01T00:00:00+00:00
series:
  loads: {file: loads.csv, repeat: true}
weather: {source: epw, file: year.epw}
groups:
  meters:
    kind: smart_meter
    count: 1
    replay:
      load: {series: loads, column: a, unit: W}
"""


def write(folder: Path) -> str:
    (folder / "loads.csv").write_text("time,a\n0,100\n900,200\n", encoding="utf-8")
    epw(folder / "year.epw")
    (folder / "site.yaml").write_text(TEXT, encoding="utf-8")
    return str(folder / "site.yaml")


def problem(file: str) -> str:
    with pytest.raises(ConfigError) as caught:
        site.load(file)
    (found,) = caught.value.problems
    assert (Path(found.file).name, found.line) == ("site.yaml", 5)
    return found.message


def test_a_site_has_the_fingerprint_of_every_file_it_was_made_from(tmp_path: Path) -> None:
    layout = site.load(write(tmp_path))
    assert [(each.name, each.sha256, each.bytes) for each in layout.inputs] == [
        (name, hashlib.sha256((tmp_path / name).read_bytes()).hexdigest(), (tmp_path / name).stat().st_size)
        for name in ("loads.csv", "year.epw")
    ]
    assert site.load("tiny").inputs == ()


def test_check_shows_the_fingerprints(tmp_path: Path) -> None:
    file = write(tmp_path)
    told, shown = (CliRunner().invoke(app, ["check", file, *words]).stdout for words in ((), ("--json",)))
    inputs = site.load(file).inputs
    assert json.loads(shown)["inputs"] == [asdict(each) for each in inputs]
    assert all(each.sha256 in told for each in inputs)


def test_what_is_no_file_is_told_where_it_is_named(tmp_path: Path) -> None:
    file = write(tmp_path)
    loads = tmp_path / "loads.csv"
    loads.unlink()
    assert "loads.csv cannot be read: No such file" in problem(file)
    loads.mkdir()
    assert "loads.csv is a folder" in problem(file)
    loads.rmdir()
    os.mkfifo(loads)  # whoever opens it waits for a writer
    assert "loads.csv is no plain file" in problem(file)
    loads.unlink()
    loads.symlink_to("loads.csv")
    assert "loads.csv cannot be read: Too many levels" in problem(file)


def test_a_file_that_is_too_long_is_not_opened(tmp_path: Path) -> None:
    file = write(tmp_path)
    with (tmp_path / "loads.csv").open("wb") as loads:
        loads.truncate(1_000_000_001)  # it takes no room on the disk
    assert "has 1,000,000,001 bytes; at most 1,000,000,000 are read" in problem(file)


def test_a_file_that_changes_while_it_is_read_is_a_problem(tmp_path: Path) -> None:
    loads, document = tmp_path / "loads.csv", Document(str(tmp_path / "site.yaml"))
    loads.write_text("1\n", encoding="utf-8")
    inputs = Inputs(document)
    assert inputs.read("loads.csv", ("series",), 2, lambda file: file.write_text("1\n2\n", encoding="utf-8")) is None
    assert "has changed while it was read" in document.problems[0].message
    assert not inputs.found
