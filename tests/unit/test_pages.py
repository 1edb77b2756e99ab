"""The pages of quantities and maps are those that the catalogue and the maps make, and miss nothing."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.quantities import CATALOGUE, split

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def pages() -> Iterator[dict[Path, str]]:
    before = dict(sys.modules)
    sys.path.insert(0, str(DOCS / "pages"))
    yield runpy.run_path(str(DOCS / "pages" / "write.py"))["pages"]()
    sys.path.remove(str(DOCS / "pages"))
    for name in sys.modules.keys() - before:
        if getattr(sys.modules[name], "__file__", "").startswith(str(DOCS)):
            del sys.modules[name]


def test_every_page_is_as_it_would_be_written_now(pages: dict[Path, str]) -> None:
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "make pages"
    assert set((DOCS / "maps").glob("*.md")) == {path for path in pages if path.parent.name == "maps"}


def test_the_page_of_quantities_has_each_once_with_a_kind_and_a_meaning(pages: dict[Path, str]) -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| .+? \| .+? \| .*? \| (.*?) \| (.+?) \| .*\|$", pages[DOCS / "quantities.md"], re.M
    )
    assert [name for name, _, _ in rows] == list(CATALOGUE)
    assert all(of and meaning for _, of, meaning in rows)


@pytest.mark.parametrize("name", registry.MAPS)
def test_the_page_of_a_map_has_every_point_of_every_kind_it_fits(pages: dict[Path, str], name: str) -> None:
    found = registry.point_map(name)
    page = pages[DOCS / "maps" / f"{name}.md"]
    if found.protocol == "modbus":  # where the models of its chains are
        page += pages[DOCS / "maps" / "sunspec.md"]
    elif found.protocol == "iec101":  # whose points are those of 104
        page += pages[DOCS / "maps" / "iec104.md"]
    spoken = set(re.findall(r"`(\w+)`", page))
    for spec in map(registry.device, registry.DEVICES):
        if found.fits(spec):
            points = found.points(spec, {})
            assert points
            names = {point.quantity if found.protocol == "dnp3" else split(point.quantity)[1] for point in points}
            assert names - {""} <= spoken
    if found.protocol != "modbus":
        rows = re.findall(r"^\| (\d+) \| `?(\w*)", page, re.M)
        assert {(str(point.number % 10_000 if "iec" in name else point.number)) for point in points} <= {
            number for number, _ in rows
        }


def test_every_link_of_the_pages_leads_somewhere(pages: dict[Path, str]) -> None:
    for path, text in pages.items():
        for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), (path.name, target)
            if anchor:
                heads = {head.lower().replace(" ", "-") for head in re.findall(r"^#+ (.+)$", pages[there], re.M)}
                assert anchor in heads, (path.name, anchor)


def test_a_description_says_more_than_the_name() -> None:
    trivial = {"a", "an", "and", "at", "by", "in", "is", "it", "of", "that", "the", "to"}
    for name, found in CATALOGUE.items():
        assert set(re.findall(r"[a-z0-9]+", found.doc.lower())) - trivial - set(name.split("_")), name
