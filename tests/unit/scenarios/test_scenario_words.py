"""The language of conditions and times: what it means, and what it refuses."""

from __future__ import annotations

import pytest

from pilotfarm.emulators.scenarios.words import Condition, Reference, Watch, instant, seconds, watch


@pytest.mark.parametrize(
    ("text", "value"),
    [("60 s", 60.0), ("60s", 60.0), ("1.5 min", 90.0), ("2 h", 7_200.0), ("1 d", 86_400.0), (7, 7.0), (0.5, 0.5)],
)
def test_times_are_in_seconds(text: object, value: float) -> None:
    assert seconds(text) == instant(text) == value


@pytest.mark.parametrize("value", ["soon", "5", "5 parsecs", "-5 s", -1, True, None, [1], "1e3 s", float("nan"), 1e99])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be|must not"):
        seconds(value)


def test_nothing_takes_no_time_but_something_may_begin_at_0() -> None:
    assert instant("0 s") == 0.0
    with pytest.raises(ValueError, match="above 0"):
        seconds("0 s")


def test_every_word_of_a_condition() -> None:
    text = "any meter-*.voltage_l1_v reported == pv-001.voltage_l1_v true +- 0.5 within 2 min wall for 10s"
    left, right = Reference("meter-*", "voltage_l1_v", True), Reference("pv-001", "voltage_l1_v", False)
    assert watch(text) == Watch(text, Condition(True, left, "==", right, 0.5), 120.0, True, 10.0)


def test_what_may_be_left_out() -> None:
    found = watch("battery-003.soc_frac<0.1")
    assert found.condition == Condition(False, Reference("battery-003", "soc_frac", None), "<", 0.1, 0.0)
    assert (found.within_s, found.wall, found.for_s) == (None, False, 0.0)


@pytest.mark.parametrize("number", ["-3000", "+1e3", "4_000.5", ".5", "-.5"])
def test_numbers_as_site_files_have_them(number: str) -> None:
    assert watch(f"a.soc_frac > {number}").condition.right == float(number)


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_every_comparison(operator: str) -> None:
    assert watch(f"a.soc_frac {operator} 1").condition.operator == operator


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must name a device and a quantity"),
        ("soc_frac < 1", "must name a device and a quantity"),
        ("a.soc_frac", "a comparison is"),
        ("a.soc_frac = 1", "equality is =="),
        ("a.soc_frac <> 1", "not '<>'"),
        ("a.soc_frac < ", "a number alone"),
        ("a.soc_frac < much", "a number alone"),
        ("a.soc_frac < 1e999", "a number alone"),
        ("a.soc_frac < 5 V", "'V' cannot stand here"),
        ("a.soc_frac < 5 +- 1", "== and != alone"),
        ("a.soc_frac == 5 +- -1", "0 or more"),
        ("a.soc_frac < 5 within", "within must be a time"),
        ("a.soc_frac < 5 within 0 s", "within must be above 0"),
        ("a.soc_frac < 5 within 5 parsecs", "not '5 parsecs'"),
        ("a.soc_frac < 5 for 5 s within 5 s", "nothing follows `for`"),
        ("a.soc_frac < 5 and b.soc_frac < 5", "'and' cannot stand here"),
        ("a.soc_frac < " + "1" * 600, "500 are the maximum"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        watch(text)
    assert said in str(refused.value)
