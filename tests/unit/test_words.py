"""What messages are made of: articles, suggestions that are true, and plain words for what pydantic finds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from pilotfarm.emulators import registry, wording, words
from pilotfarm.emulators.site.time_zones import known_zone

RATINGS = {kind: [rating.name for rating in registry.device(kind).ratings] for kind in registry.DEVICES}


@pytest.mark.parametrize(
    "said",
    [
        "an ev_charger", "a battery", "a pv_generator", "a smart_meter", "a prosumer", "a heat_pump", "an inverter",
        "an offline", "an outage", "a stuck", "a bias", "a modbus-exception", "a generation-loss", "an iec104",
        "an rtu", "a dnp3", "an unmetered_load", "an uplink", "a unit", "a user", "a one-way", "a eu_meter", "a dc",
    ],
)  # fmt: skip
def test_an_article_goes_by_the_sound(said: str) -> None:
    assert words.with_article(said.partition(" ")[2]) == said


@pytest.mark.parametrize("kind", [*registry.DEVICES, *registry.FAULTS])
def test_every_kind_has_the_article_of_its_first_letter(kind: str) -> None:
    assert words.with_article(kind) == f"{'an' if kind[0] in 'aeio' or kind == 'rtu-down' else 'a'} {kind}"


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        ("battery", "rated_power_kw", ["rated_power_w"]),
        ("battery", "Rated-Power-W", ["rated_power_w"]),
        ("battery", "power_w", ["rated_power_w", "rated_charge_power_w"]),
        ("battery", "rated_energy_mwh", ["rated_energy_wh"]),
        ("battery", "soc_percent", ["soc_frac"]),
        ("battery", "soc_min", ["soc_min_frac"]),
        ("battery", "nominal_voltage_kv", ["nominal_voltage_v"]),
        ("battery", "max_power_w", []),
        ("ev_charger", "rated_power_kw", []),
        ("ev_charger", "rated_power_w", []),
        ("ev_charger", "rated_current_ma", ["rated_current_a"]),
        ("ev_charger", "sesp_timeout_ms", ["sesp_timeout_s"]),
        ("pv_generator", "rated_kwp", ["rated_power_w"]),
        ("pv_generator", "power_kwp", ["rated_power_w", "dc_power_w"]),
        ("pv_generator", "azimut", ["azimuth_deg"]),
        ("smart_meter", "pv_power_kwp", ["pv_power_w"]),
        ("prosumer", "storage_rated_power_kw", ["storage_rated_power_w"]),
    ],
)
def test_a_rating_is_suggested_where_it_is_the_same_but_for_unit_order_or_a_slip(
    kind: str, name: str, meant: list[str]
) -> None:
    assert words.meant(name, RATINGS[kind]) == meant


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_rating_is_found_by_its_name_without_a_letter_and_in_capitals(kind: str) -> None:
    for name in RATINGS[kind]:
        assert words.meant(name.upper(), RATINGS[kind]) == [name]
        if len(name) > 8:
            assert name in words.meant(name[:3] + name[4:], RATINGS[kind]), name


def test_a_suggestion_names_the_unit_where_it_is_another_one() -> None:
    assert words.suggestion("power_kw", ["power_w"]) == "; did you mean 'power_w', in W?"
    assert words.suggestion("powr_w", ["power_w"]) == "; did you mean 'power_w'?"
    assert words.suggestion("soc_percent", ["soc_frac"]) == "; did you mean 'soc_frac', a share: 0.5 is 50 %?"
    assert words.suggestion("colour", ["power_w"]) == ""


def test_a_name_that_another_begins_with_goes_before_a_slip() -> None:
    assert words.meant("prot", ["port", "protocol"]) == ["protocol"]


def test_without_a_suggestion_what_shares_a_word_comes_first() -> None:
    assert words.choice("peak_power_w", ["phase", "dc_power_w"]) == "; known are dc_power_w, phase"


@pytest.mark.parametrize("hours", range(-12, 15))
def test_an_offset_is_the_zone_that_is_as_far_from_utc(hours: int) -> None:
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo

    with pytest.raises(ValueError, match=" all year ") as caught:
        known_zone(f"UTC{hours:+03}:00")
    zone = ZoneInfo(str(caught.value).rpartition(" ")[2])
    assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize(
    "name", ["CET+1", "CEST", "PST", "UTC+15", "UTC-13", "UTC+5:30", "Norway", "Europe/Bergen", ""]
)
def test_what_is_no_place_gets_no_other_place(name: str) -> None:
    with pytest.raises(ValueError, match=r"; name a place of the IANA data base, such as Europe/Oslo$"):
        known_zone(name)


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a word for a whole number": (int, "many", "must be a whole number, not 'many'"),
    "a half for a whole number": (int, 2.5, "must be a whole number, not 2.5"),
    "quotes": (float, "16", "must be a number, not '16'; a number has no quotes"),
    "a unit": (
        float,
        "16 kW",
        "must be a number, not '16 kW'; write the number alone, in the unit that the key ends in",
    ),
    "a comma": (float, "1,5", "must be a number, not '1,5'; decimals follow a point, and _ may group digits"),
    "no end": (Annotated[float, Field(allow_inf_nan=False)], float("inf"), "must be a finite number, not .inf"),
    "too low": (Annotated[float, Field(ge=1)], 0, "must be at least 1, not 0"),
    "too high": (Annotated[float, Field(lt=2.5)], 3, "must be below 2.5, not 3"),
    "a word for a switch": (bool, "on", "must be true or false, not 'on'"),
    "a switch for a text": (str, True, "must be a text, not true"),
    "nothing": (str, None, "must be a text, not nothing"),
    "a table for a list": (list[int], {}, "must be a list such as [1, 2], not a table"),
    "few": (Annotated[list[int], Field(min_length=2)], [1], "must have at least 2 entries, not 1"),
    "another word": (Literal["epw", "tmy3"], "tmy", "must be epw or tmy3, not 'tmy'; did you mean 'tmy3'?"),
}


@pytest.mark.parametrize(("kind", "value", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_value_is_said_in_plain_words(kind: Any, value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, strict=True)
    assert [words.wrong(error) for error in caught.value.errors()] == [said]


def test_what_has_no_words_of_ours_keeps_those_of_pydantic() -> None:
    assert words.wrong({"type": "other", "input": 1, "msg": "Input should be odd", "loc": ()}) == "should be odd"


def test_a_value_is_shown_as_a_site_file_writes_it_and_cut_off() -> None:
    shown = [words.quoted(value) for value in (None, True, float("nan"), [1], {}, "a", 10**5000, "x" * 50)]
    assert shown == ["nothing", "true", ".nan", "a list", "a table", "'a'", "a number without end", f"'{'x' * 36}..."]


@pytest.mark.parametrize(("n", "more"), [(20, ""), (21, " and 1 more"), (60, " and 40 more")])
def test_a_message_lists_only_so_many_of_the_names_there_are(n: int, more: str) -> None:
    names = [f"kind-{k:02d}" for k in range(n)]
    assert wording.unknown("zzz", names) == f"zzz is not known; known are {', '.join(names[:20])}{more}"
