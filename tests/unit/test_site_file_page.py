"""``docs/site-file.md`` names every key and every rating of every kind, with its unit and its default."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import Rating
from pilotfarm.emulators.devices import support
from pilotfarm.emulators.site import model

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "site-file.md").read_text(encoding="utf-8")
RESOURCES = {"ev_": "ev_charger", "storage_": "battery", "pv_": "pv_generator"}
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .*\|$", re.MULTILINE)
Rows = dict[str, tuple[str, str]]


def _rows(heading: str) -> Rows:
    """Return the ratings of the section under a heading: name -> unit, default."""
    assert f"\n### {heading}\n" in PAGE
    section = re.split(r"\n##+ ", PAGE.split(f"\n### {heading}\n")[1])[0]
    found = [(name, (unit, default)) for name, unit, default in ROW.findall(section)]
    assert len(found) == len(dict(found)), f"{heading}: a rating twice"
    return dict(found)


def _number(value: float) -> str:
    return f"{value:,.10g}"


def _shown(rating: Rating, value: float) -> str:
    return f"`{rating.names[int(value)]}`" if rating.names else _number(value)


def _listed(values: Iterable[str]) -> str:
    *first, last = values
    return f"{', '.join(first)} or {last}"


def _default(rating: Rating) -> str:
    """Write a default as the page does."""
    value: float | Mapping[str, Any] = rating.default
    if isinstance(value, Mapping):
        (name, numbers), *_ = value.items()
        if name == "choice":
            return _listed([_shown(rating, each) for each in numbers])
        low, high = map(_number, numbers)
        return {"uniform": f"{low} to {high}", "normal": f"{low} ± {high}"}[name]
    return _shown(rating, value)


def _documented(kind: str) -> Rows:
    """Return the ratings the page gives a kind: those of every kind, of an inverter, its own."""
    inverter = _rows("Behind an inverter")
    if kind == "prosumer":
        inherited = {
            prefix + name: row
            for prefix, part in RESOURCES.items()
            for name, row in _documented(part).items()
            if name not in _rows("Every kind")
        }
        return _rows("Every kind") | inherited | _rows("`prosumer`")
    if kind == "ev_charger":
        inverter = {support.GRID_CODE.name: inverter[support.GRID_CODE.name]}
    if kind == "smart_meter":
        inverter = {}
    return _rows("Every kind") | inverter | _rows(f"`{kind}`")


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_the_page_names_every_rating_with_its_unit_and_default(kind: str) -> None:
    ratings = registry.device(kind).ratings
    assert _documented(kind) == {rating.name: (rating.unit, _default(rating)) for rating in ratings}


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_the_page_names_what_a_rating_may_be_named(kind: str) -> None:
    named = {name for rating in registry.device(kind).ratings for name in rating.names}
    assert not {name for name in named if f"`{name}`" not in PAGE}


@pytest.mark.parametrize(
    "table",
    [each for each in vars(model).values() if isinstance(each, type) and issubclass(each, model.Table)],
    ids=lambda table: table.__name__,
)
def test_the_page_names_every_key(table: type[model.Table]) -> None:
    assert not {name for name in table.model_fields if not re.search(rf"`[^`]*\b{name}\b[^`]*`", PAGE)}


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_the_page_says_how_many_connections_a_protocol_takes(protocol: str) -> None:
    schema = registry.protocol(protocol).options_model.model_json_schema()["properties"]["max_connections"]
    assert f"| `{protocol}` | {schema['default']} | {schema['minimum']} to {schema['maximum']} |" in PAGE


@pytest.mark.parametrize("name", registry.MAPS)
def test_the_page_names_every_map_and_its_protocol(name: str) -> None:
    assert f"| `{name}` | `{registry.point_map(name).protocol}` |" in PAGE
