"""Links on shared media: how long an exchange takes, what is lost of it, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pilotfarm.emulators.links.shared import SharedLink
from pilotfarm.profiles.media.shared import SharedMedium, hop_s, kept_frac, shared_medium


class Echo:
    """An engine that answers with so many octets what it hears, and remembers when."""

    closed = False

    def __init__(self, octets: int = 45) -> None:
        self.octets, self.heard_s, self._out = octets, [], b""  # type: tuple[int, list[float], bytes]

    def receive(self, data: bytes, now_s: float) -> None:
        self.heard_s.append(now_s)
        self._out += bytes(self.octets)

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def advance(self, now_s: float) -> None: ...
    def hang_up(self, now_s: float) -> None: ...
    def deadline_s(self) -> float | None:
        return None


PLAIN = replace(
    shared_medium("plc_g3"),
    access_median_s=1e-9,
    access_p95_s=2e-9,
    access_p99_s=3e-9,
    access_max_s=4e-9,
    turnaround_min_s=0.02,
    turnaround_max_s=0.02,
    loss_frac=0.0,
    bit_error_rate=0.0,
)


def link(medium: SharedMedium, hops: int = 1, key: int = 1) -> tuple[SharedLink, Echo]:
    echo = Echo()
    return SharedLink(echo, medium, key, rate_bit_s=medium.rate_bit_s, hops=hops), echo


def exchanged(over: SharedLink, now_s: float) -> float | None:
    """Ask, and return when the answer is there; ``None`` if it never is."""
    over.receive(bytes(8), now_s)
    while (due_s := over.deadline_s()) is not None:
        over.advance(due_s - 1e-9)
        assert not over.take_output()
        over.advance(due_s)
        if over.take_output():
            return due_s
    return None


@pytest.mark.parametrize("hops", [1, 3])
def test_an_exchange_passes_every_hop_both_ways_and_takes_the_turn_around(hops: int) -> None:
    over, echo = link(PLAIN, hops)
    there_s, back_s = (hops * hop_s(PLAIN, octets, PLAIN.rate_bit_s) for octets in (8, 45))
    assert exchanged(over, 100.0) == pytest.approx(100.0 + there_s + 0.02 + back_s, abs=1e-6)
    assert echo.heard_s == [pytest.approx(100.0 + there_s + 0.02, abs=1e-6)]


@pytest.mark.parametrize("hops", [1, 4])
def test_so_many_exchanges_are_lost_as_the_medium_loses_on_both_ways(hops: int) -> None:
    lossy = replace(PLAIN, loss_frac=0.05)
    over, _ = link(lossy, hops)
    kept = sum(exchanged(over, 10.0 * k) is not None for k in range(4_000)) / 4_000
    assert kept == pytest.approx((kept_frac(lossy, 8) * kept_frac(lossy, 45)) ** hops, abs=0.02)


def test_turn_arounds_and_accesses_are_spread_as_the_medium_has_them() -> None:
    shape = shared_medium("rs485")
    over, _ = link(shape)
    took_s = np.array([exchanged(over, 10.0 * k) or np.nan for k in range(2_000)]) - 10.0 * np.arange(2_000)
    passing_s = sum(hop_s(shape, octets, shape.rate_bit_s) for octets in (8, 45))
    turned_s = took_s[~np.isnan(took_s)] - passing_s
    assert turned_s.min() >= shape.turnaround_min_s
    middle_s = (shape.turnaround_min_s + shape.turnaround_max_s) / 2.0 + 2.0 * shape.access_median_s
    assert float(np.median(turned_s)) == pytest.approx(middle_s, abs=0.002)
    assert turned_s.max() > shape.turnaround_max_s


def test_what_is_sent_ends_what_is_under_way() -> None:
    """A late answer meets the next request on the medium, and nobody hears it."""
    over, echo = link(PLAIN)
    over.receive(bytes(8), 0.0)
    over.advance(over.deadline_s() or 0.0)
    assert len(echo.heard_s) == 1
    there_s, back_s = (hop_s(PLAIN, octets, PLAIN.rate_bit_s) for octets in (8, 45))
    sent_s = there_s + 0.02 + back_s / 2.0
    assert exchanged(over, sent_s) == pytest.approx(sent_s + there_s + 0.02 + back_s, abs=1e-6)
    assert len(echo.heard_s) == 2
