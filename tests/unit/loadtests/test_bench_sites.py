"""The benchmarks' sites are good site files of the size they promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.listing import endpoint_rows
from pilotfarm.loadtests.bench.sites import SITES


@pytest.mark.parametrize("name", SITES)
def test_a_benchmarks_site_has_as_many_devices_as_its_name_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITES[name](), encoding="utf-8")
    layout = load(str(path))
    assert layout.name == name
    assert layout.device_count == int(name.rpartition("-")[2])


def test_ten_thousand_meters_count_up_from_the_first_address_on_one_port(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITES["modbus-10000"](), encoding="utf-8")
    rows = endpoint_rows(load(str(path)))
    hosts = [tuple(map(int, row["host"].split("."))) for row in rows]
    assert [(a << 24) + (b << 16) + (c << 8) + d for a, b, c, d in hosts] == [
        (127 << 24) + (16 << 16) + 1 + n for n in range(10_000)
    ]
    assert {row["port"] for row in rows} == {1502}
