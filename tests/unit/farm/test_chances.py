"""What messages meet on a shared medium, at the ends of what may be drawn."""

from __future__ import annotations

import pytest

from pilotfarm.emulators.links import chances
from pilotfarm.emulators.links.chances import Chances
from pilotfarm.emulators.links.medium import latency
from pilotfarm.profiles.media import medium
from pilotfarm.profiles.media.shared import hop_s, kept_frac, shared_medium

RADIO = shared_medium("radio_mesh")


@pytest.mark.parametrize("drawn", [0.0, 1.0 - 2.0**-53])
def test_the_least_and_the_most_that_is_drawn_are_times(monkeypatch: pytest.MonkeyPatch, drawn: float) -> None:
    monkeypatch.setattr(chances, "Draws", lambda key, name: lambda: drawn)
    made = Chances(RADIO, 1, RADIO.rate_bit_s)
    assert 0.0 <= made.access_s() <= RADIO.access_max_s
    assert made.passed_s(20) == hop_s(RADIO, 20, RADIO.rate_bit_s) + made.access_s()
    assert RADIO.turnaround_min_s <= made.turnaround_s() <= RADIO.turnaround_max_s
    assert made.loses(20) is (drawn > 0.0)


def test_a_message_is_lost_where_less_is_kept_of_it_than_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_frac(RADIO, 20)
    for hops in (1, 3):
        monkeypatch.setattr(chances, "Draws", lambda key, name, hops=hops: lambda: kept**hops)
        assert Chances(RADIO, 1, RADIO.rate_bit_s).loses(20, hops)
        assert not Chances(RADIO, 1, RADIO.rate_bit_s).loses(20, hops - 1) or hops == 1


@pytest.mark.parametrize("drawn", [0.0, 1.0 - 2.0**-53])
def test_a_mobile_message_takes_a_time_too_at_the_ends(monkeypatch: pytest.MonkeyPatch, drawn: float) -> None:
    monkeypatch.setattr("pilotfarm.emulators.links.medium.uniform_one", lambda *_: drawn)
    gprs = medium("gprs")
    assert gprs.floor_s <= latency(gprs, "to_device").drawn(1, 1) <= gprs.max_s
