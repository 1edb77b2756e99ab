"""What a site file may say of each protocol: the default, the lowest and the highest of every number."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Literal, get_origin

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.protocols.iec60870.options import ApplicationOptions

NUMBERS = {
    "modbus": {"max_connections": (16, 1, 1_000), "idle_timeout_s": (0.0, 0.0, 86_400.0)},
    # IEC 60870-5-104:2006, clause 9.6, where it has a range.
    "iec104": {
        "max_connections": (8, 1, 64),
        "k": (12, 1, 32_767),
        "w": (8, 1, 32_767),
        "t1_s": (15.0, 1.0, 255.0),
        "t2_s": (10.0, 1.0, 255.0),
        "t3_s": (20.0, 1.0, 172_800.0),
        "cyclic_s": (0.0, 0.0, 86_400.0),
        "select_timeout_s": (30.0, 1.0, 3_600.0),
        "command_max_age_s": (0.0, 0.0, 86_400.0),
        "event_queue": (10_000, 16, 1_000_000),
        "event_buffer": (2_000, 16, 1_000_000),
    },
    "iec101": {
        "max_connections": (1, 1, 8),
        "originator_address": (0, 0, 255),
        "frame_length": (255, 32, 255),
        "idle_s": (0.03, 0.001, 1.0),
        "gap_s": (0.3, 0.001, 10.0),
        "silence_s": (60.0, 1.0, 86_400.0),
        "timeout_s": (1.0, 0.05, 60.0),
        "repeats": (3, 0, 255),
        "test_s": (20.0, 0.0, 86_400.0),
        "cyclic_s": (0.0, 0.0, 86_400.0),
        "select_timeout_s": (30.0, 1.0, 3_600.0),
        "command_max_age_s": (0.0, 0.0, 86_400.0),
        "event_queue": (10_000, 16, 1_000_000),
        "event_buffer": (2_000, 16, 1_000_000),
    },
    "dnp3": {
        "max_connections": (4, 1, 64),
        "masters": (4, 1, 16),
        "event_buffer": (500, 1, 100_000),
        "select_timeout_s": (10.0, None, 3_600.0),  # more than 0
        "confirm_timeout_s": (5.0, None, 3_600.0),
        "keep_alive_s": (60.0, 0.0, 86_400.0),
        "restart_s": (2.0, 0.0, 60.0),
        "need_time_interval_s": (0.0, 0.0, 31_622_400.0),
    },
}
ROOM = {
    "k": {"k": 32_767},
    "w": {"k": 32_767},
    "t2_s": {"t1_s": 255.0},
    "originator_address": {"cause_octets": 2},
}
"""What leaves an option its whole range, as far as that goes: t2 stays below t1, and w does not exceed k."""
EVERY = [(protocol, name) for protocol, numbers in NUMBERS.items() for name in numbers]


def options(protocol: str, name: str, value: object) -> object:
    others = {"w": 1, "t2_s": 1.0} if protocol == "iec104" else {}
    return registry.protocol(protocol).options_model(**{**others, **ROOM.get(name, {}), name: value})


def test_every_number_is_here_and_no_other_option_has_a_bound() -> None:
    assert set(NUMBERS) == set(registry.PROTOCOLS)
    for protocol, numbers in NUMBERS.items():
        model = registry.protocol(protocol).options_model
        made = model()
        chosen = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is Literal}
        counted = {name for name in model.model_fields if type(getattr(made, name)) in (int, float)} - chosen
        assert counted == set(numbers)
        assert {name: getattr(made, name) for name in numbers} == {name: each[0] for name, each in numbers.items()}


@pytest.mark.parametrize(("protocol", "name"), EVERY)
def test_a_number_reaches_from_its_lowest_to_its_highest_and_no_further(protocol: str, name: str) -> None:
    _, low, high = NUMBERS[protocol][name]
    step = 1 if isinstance(high, int) else 0.001
    inside = [1e-6 if low is None else low, high]
    outside = [0.0 if low is None else low - step, high + step]
    if name in ("t1_s", "t2_s"):  # neither may be as long as the other: the ends at which they meet
        inside = [1.001, 255.0] if name == "t1_s" else [1.0, 254.999]
    for value in inside:
        assert getattr(options(protocol, name, value), name) == value
    for value in chain(outside, (float("nan"), float("inf"))):
        with pytest.raises(ValueError, match="validation error"):
            options(protocol, name, value)


@pytest.mark.parametrize("address", [-1, 65_520])
def test_masters_of_dnp3_have_addresses_of_the_standard(address: int) -> None:
    model = registry.protocol("dnp3").options_model
    assert model(masters=(0, 65_519)).masters == (0, 65_519)
    for wrong in ((address,), (), tuple(range(17))):
        with pytest.raises(ValueError, match="validation error"):
            model(masters=wrong)


@pytest.mark.parametrize(
    ("protocol", "lowest", "highest"),
    [
        ("modbus", 1, 247),  # 0 is a broadcast, and what is above 247 is reserved
        ("iec104", 1, 65_534),  # 0 is not used, and 65535 is a broadcast
        ("iec101", 1, 65_534),
        ("dnp3", 0, 65_519),  # what is above is reserved
    ],
)
def test_a_device_has_an_address_of_the_standard(protocol: str, lowest: int, highest: int) -> None:
    assert registry.protocol(protocol).address_range == (lowest, highest)


@pytest.mark.parametrize("protocol", ["iec104", "iec101"])
def test_the_pages_of_iec_60870_5_list_every_option_with_its_default(protocol: str) -> None:
    """That of 101 leaves out what both have."""
    page = (Path(__file__).parents[3] / "docs" / f"{protocol}.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    found = {}
    for _, names, defaults, *_ in rows:
        told = [each.strip(" `") for each in defaults.split(",")]
        found |= dict(zip([each.strip(" `") for each in names.split(",")], told, strict=True))
    made = registry.protocol(protocol).options_model()
    left_out = ApplicationOptions.model_fields if protocol == "iec101" else {}
    shown = {name: value for name, value in made if name not in left_out}
    assert found == {
        name: f"{value:g}"
        if type(value) in (int, float)
        else (str(value).lower() if isinstance(value, bool) else value or "none")
        for name, value in shown.items()
    }


def test_the_page_of_site_files_has_every_option_of_dnp3_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "site-file.md").read_text(encoding="utf-8")
    table = page.split("### DNP3 outstations")[1].split("\n\n")[1]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    made = registry.protocol("dnp3").options_model()
    wanted = {name: getattr(made, name) for name in type(made).model_fields if name != "max_connections"}
    assert {name: default for name, _, default in rows} == {
        name: str(value).lower() if isinstance(value, bool | str) else f"{value:g}" for name, value in wanted.items()
    }
    assert f"{made.max_connections} on DNP3" in page
