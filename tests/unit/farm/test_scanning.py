"""How a station polls: against a poller that goes from request to request, and by hand. No time passes here."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Floats, Indices
from pilotfarm.emulators.stations import scanning
from pilotfarm.emulators.stations.exchanges import Drawn, ModemWay, NoWay, SharedWay, Way, hops, way
from pilotfarm.emulators.stations.scanning import RETRIES_MAX, Polls, Scanner, fullest_scan_s
from pilotfarm.profiles.draws import Keys, keys_of
from pilotfarm.profiles.media import medium
from pilotfarm.profiles.media.shared import SHARED, SharedMedium, hop_s, shared_medium, silence_s

CLASSES = 2


class Fixed:
    """A way on which each request takes its time, and some tries are lost."""

    def __init__(self, took_s: Floats, back_s: Floats, lost: dict[int, list[int]] | None = None) -> None:
        self.nominal_s, self._back_s, self._lost = took_s, back_s, lost or {}

    def drawn(self, keys: Keys, counter: int, which: Indices) -> Drawn:
        lost = np.array([counter in self._lost.get(each, ()) for each in which.tolist()], dtype=bool)
        return Drawn(self.nominal_s[which], self._back_s[which], lost)


def polls(*rows: tuple[int, int, int, int]) -> Polls:
    """Of rows of bus, class, device and every."""
    bus, scan_class, device, every = (np.array(each, dtype=np.intp) for each in zip(*rows, strict=True))
    return Polls(device, scan_class, bus, every)


def keys(n: int) -> Keys:
    return keys_of(1, [f"device-{k}" for k in range(n)])


def scanner(
    asked: Polls, over: Way, *, n: int, scan_s: float = 1.0, timeout_s: float = 0.5, retries: int = 1
) -> Scanner:
    return Scanner(asked, keys(n), over, classes=CLASSES, scan_s=scan_s, timeout_s=timeout_s, retries=retries)


def all_of(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


# ------------------------------------------------------------------------------------------ by hand


def test_devices_of_a_bus_are_asked_one_after_the_other() -> None:
    asked = polls((0, 0, 0, 1), (0, 0, 1, 1), (1, 0, 2, 1))
    poller = scanner(asked, Fixed(np.array([0.3, 0.2, 0.4]), np.array([0.1, 0.1, 0.1])), n=3)
    fresh = poller.advance(0.45, all_of(3))[0].fresh
    assert fresh.tolist() == [True, False, True]
    assert poller.known_s[0] == pytest.approx([0.2, 0.0, 0.3])
    news = poller.advance(0.55, all_of(3))[0]
    assert (news.fresh.tolist(), news.landed.tolist()) == ([False] * 3, [False, True, False])
    assert poller.known_s[0] == pytest.approx([0.2, 0.4, 0.3])


def test_what_is_on_its_way_at_the_end_of_a_step_was_read_in_it() -> None:
    poller = scanner(polls((0, 0, 0, 1)), Fixed(np.array([0.8]), np.array([0.5])), n=1, timeout_s=2.0)
    assert not poller.advance(0.3, all_of(1))[0].leaving.any()
    assert poller.advance(0.4, all_of(1))[0].leaving.tolist() == [True]
    assert poller.advance(0.8, all_of(1))[0].landed.tolist() == [True]


@pytest.mark.parametrize(("lost", "comes", "heard_s"), [((), True, 0.2), ((0,), True, 0.7), ((0, 1), False, 1.0)])
def test_what_is_lost_is_asked_for_again_after_the_time_out(lost: tuple[int, ...], comes: bool, heard_s: float) -> None:
    over = Fixed(np.array([0.2, 0.2]), np.zeros(2), {0: list(lost)})
    poller = scanner(polls((0, 0, 0, 1), (0, 0, 1, 1)), over, n=2, scan_s=5.0)
    poller.advance(heard_s - 0.001, all_of(2))
    assert poller.unanswered == 0
    poller.advance(heard_s + 0.001, all_of(2))
    assert poller.answers[0].tolist() == [comes, True]
    assert poller.unanswered == (not comes)
    poller.advance(heard_s + 0.2, all_of(2))
    assert poller.known_s[0, 1] == pytest.approx(heard_s + 0.2)


def test_an_answer_after_the_time_out_is_none() -> None:
    poller = scanner(polls((0, 0, 0, 1)), Fixed(np.array([0.51]), np.zeros(1)), n=1)
    poller.advance(0.9, all_of(1))
    assert poller.answers.all()
    poller.advance(1.0, all_of(1))
    assert not poller.answers[0, 0]


def test_who_did_not_answer_is_tried_once_until_he_does() -> None:
    over = Fixed(np.array([0.1]), np.zeros(1))
    poller = scanner(polls((0, 0, 0, 1)), over, n=1, scan_s=4.0, retries=3)
    poller.advance(1.999, ~all_of(1))
    assert poller.unanswered == 0
    poller.advance(2.0, ~all_of(1))
    assert poller.unanswered == 1
    poller.advance(4.5, ~all_of(1))
    assert poller.unanswered == 2
    poller.advance(8.1, all_of(1))
    assert poller.answers[0, 0]


def test_after_a_request_that_fails_the_others_of_its_device_are_not_made() -> None:
    over = Fixed(np.array([0.1, 0.1, 0.1, 0.2]), np.zeros(4), {1: [0, 1]})
    poller = scanner(polls((0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 1, 1)), over, n=2, scan_s=5.0)
    poller.advance(1.31, all_of(2))
    assert poller.answers[0].tolist() == [False, True]
    assert poller.known_s[0].tolist() == pytest.approx([0.0, 0.1 + 1.0 + 0.2])


def test_a_bus_that_is_busy_leaves_a_scan_out() -> None:
    asked = polls((0, 0, 0, 1), (1, 0, 1, 1))
    poller = scanner(asked, Fixed(np.array([1.2, 0.2]), np.zeros(2)), n=2, timeout_s=2.0)
    poller.advance(3.5, all_of(2))
    assert poller.known_s[0] == pytest.approx([3.2, 3.2])
    assert (poller.scans, poller.left_out) == (6, 2)


def test_what_is_seldom_read_is_spread_over_the_scans() -> None:
    rows = [(0, 0, k, 1) for k in range(4)] + [(0, 1, k, 2) for k in range(4)]
    poller = scanner(polls(*rows), Fixed(np.full(8, 0.1), np.zeros(8)), n=4)
    poller.advance(0.9, all_of(4))
    assert (poller.known_s[1] > 0.0).tolist() == [True, True, False, False]
    poller.advance(1.9, all_of(4))
    assert (poller.known_s[1] >= 1.0).tolist() == [False, False, True, True]
    assert fullest_scan_s(polls(*rows), np.full(8, 0.1)) == pytest.approx([0.6])


def test_the_fullest_scan_is_that_of_each_bus() -> None:
    rows = [(0, 0, 0, 1), (0, 0, 0, 1), (0, 1, 0, 3), (1, 0, 1, 1), (1, 1, 1, 3), (1, 1, 2, 3)]
    assert fullest_scan_s(polls(*rows), np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])) == pytest.approx([7.0, 40.0])


def test_a_long_step_takes_in_its_last_scans() -> None:
    poller = scanner(polls((0, 0, 0, 1)), Fixed(np.array([0.25]), np.zeros(1)), n=1)
    assert poller.advance(900.0, all_of(1))[0].fresh.tolist() == [True]
    assert poller.known_s[0, 0] == pytest.approx(899.25)
    assert poller.scans == scanning.SCANS_A_STEP


# --------------------------------------------------------------------------- another way to work it out


def one_by_one(asked: Polls, over: Way, requests: Keys, until_s: float, reachable: list[bool]) -> tuple[Floats, Floats]:
    """Poll from request to request; who answers and when what is known was read, by class and device."""
    n = int(asked.device.max()) + 1
    known_s, answers = np.zeros((CLASSES, n)), np.ones((CLASSES, n), dtype=bool)
    for bus in range(int(asked.bus.max()) + 1):
        here = np.flatnonzero(asked.bus == bus).tolist()
        free_s, pending = 0.0, []
        members: dict[int, list[int]] = {}
        for request in here:
            whose = members.setdefault(int(asked.scan_class[request]), [])
            if int(asked.device[request]) not in whose:
                whose.append(int(asked.device[request]))
        for scan in range(int(until_s) + 1):
            if free_s > scan + 1e-9:
                continue
            for ready_s, what, whose_, comes, read_s in pending:
                assert ready_s <= scan + 1e-9
                answers[what, whose_] = comes
                known_s[what, whose_] = read_s if comes else known_s[what, whose_]
            pending, now_s = [], float(scan)
            for what, whose in sorted(members.items()):
                for place, device in enumerate(whose):
                    every = int(asked.every[next(r for r in here if asked.scan_class[r] == what)])
                    if scan % every != place * every // len(whose):
                        continue
                    comes, back_s = True, 0.0
                    for request in [r for r in here if (asked.device[r], asked.scan_class[r]) == (device, what)]:
                        tries = 2 if answers[what, device] else 1
                        for number in range(tries):
                            one = np.array([request])
                            counter = scan * (1 + RETRIES_MAX) + number
                            took, back, lost, _ = over.drawn(requests[one], counter, one)
                            back_s = float(back[0])
                            if not lost[0] and took[0] <= 0.5 and reachable[device]:
                                now_s += float(took[0])
                                break
                            now_s += 0.5
                        else:
                            comes = False
                            break
                    pending.append((now_s, what, device, comes, now_s - back_s))
            free_s = max(now_s, free_s)
        for ready_s, what, whose_, comes, read_s in pending:
            if ready_s <= until_s:
                answers[what, whose_] = comes
                known_s[what, whose_] = read_s if comes else known_s[what, whose_]
    return answers, known_s


@pytest.mark.parametrize(("name", "seed", "step_s"), list(product(("rs485", "zigbee"), range(4), (0.3, 1.0, 2.5))))
def test_a_scan_is_what_a_poller_does_one_by_one(name: str, seed: int, step_s: float) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 12))
    rows = []
    for device in range(n):
        for scan_class, every in ((0, 1), (1, 3)):
            rows += [(device // 4, scan_class, device, every)] * int(draw.integers(0 if scan_class else 1, 3))
    asked = polls(*sorted(rows, key=lambda row: row[:3]))
    requests = len(asked.device)
    shape = shared_medium(name)
    over = SharedWay(
        replace(shape, loss_frac=0.15), keys(n)[asked.device], np.full(requests, 8.0), draw.uniform(5.0, 60.0, requests)
    )
    reachable = (draw.random(n) < 0.8).tolist()
    poller = scanner(asked, over, n=n)
    until_s = 15.0
    for k in range(1, round(until_s / step_s) + 1):
        poller.advance(k * step_s, np.array(reachable))
    answers, known_s = one_by_one(asked, over, poller.request_keys, until_s, reachable)
    assert poller.answers.tolist() == answers.tolist()
    assert poller.known_s == pytest.approx(known_s)


def test_what_is_asked_is_the_same_whether_it_is_kept_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(k // 3, 0, k, 1) for k in range(6)] + [(k // 3, 1, k, 4) for k in range(6)]
    asked, here = polls(*sorted(rows)), keys(6)
    over = SharedWay(shared_medium("rs485"), here[asked.device], np.full(12, 8.0), np.full(12, 40.0))
    known_s = []
    for kept in (scanning.REQUESTS_KEPT_MAX, 20, 0):
        monkeypatch.setattr(scanning, "REQUESTS_KEPT_MAX", kept)
        poller = scanner(asked, over, n=6)
        known_s.append([[poller.advance(float(k), all_of(6)), poller.known_s.tolist()][1] for k in range(1, 14)])
    assert known_s[0] == known_s[1] == known_s[2]


# ------------------------------------------------------------------------------------------- ways


def passing_s(shape: SharedMedium, octets: Floats, rate_bit_s: float) -> Floats:
    return np.array([hop_s(shape, int(each), rate_bit_s) for each in octets.tolist()])


def test_frames_of_modbus_pass_a_line_as_its_specification_has_it() -> None:
    """An 8-octet request takes 9.2 ms at 9,600 bit/s, 255 octets 292 ms, each after 3.5 characters' silence, 4.01 ms;
    at 115,200 bit/s the silence is 1.75 ms (MODBUS over Serial Line V1.02, 2.5.1.1)."""
    line = shared_medium("rs485")
    octets = np.array([8.0, 255.0])
    assert silence_s(line, 9_600.0) == pytest.approx(0.00401, abs=1e-5)
    assert passing_s(line, octets, 9_600.0) - silence_s(line, 9_600.0) == pytest.approx([0.0092, 0.292], abs=2e-4)
    assert passing_s(line, octets, 115_200.0) == pytest.approx([0.00175 + 0.00076, 0.00175 + 0.02435], abs=1e-5)
    assert silence_s(line, 19_200.0) == pytest.approx(3.5 * 11 / 19_200)


def test_between_two_frames_a_line_is_silent() -> None:
    line = replace(shared_medium("rs485"), frame_octets=50.0, header_octets=3.0)
    silent_s = 3.5 * 11 / 9_600
    assert hop_s(line, 120, 9_600.0) == pytest.approx((120 + 3 * 3) * 11 / 9_600 + 3 * silent_s)
    assert hop_s(line, 50, 9_600.0) == pytest.approx((50 + 3) * 11 / 9_600 + silent_s)


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_medium_takes_what_its_numbers_say(name: str) -> None:
    shape, n = shared_medium(name), 20_000
    here = keys(n)
    over = SharedWay(shape, here, np.full(n, 8.0), np.full(n, 100.0))
    took_s, back_s, lost, _ = over.drawn(here, 7, np.arange(n))
    far = hops(shape, here)
    wait_s = (back_s - far * passing_s(shape, np.full(n, 100.0), shape.rate_bit_s))[far == 1.0]
    for share, quoted in ((0.5, shape.access_median_s), (0.95, shape.access_p95_s), (0.99, shape.access_p99_s)):
        assert np.quantile(wait_s, share) == pytest.approx(quoted, rel=0.2)
    assert wait_s.max() <= shape.access_max_s
    assert (took_s > back_s)[~lost].all()
    turn_s = (took_s - back_s - far * passing_s(shape, np.full(n, 8.0), shape.rate_bit_s))[~lost].min()
    assert turn_s >= shape.turnaround_min_s
    assert float(np.mean(far > 1)) == pytest.approx(shape.hops_2_frac + shape.hops_3_frac + shape.hops_4_frac, abs=0.02)
    assert set(far.tolist()) == {1.0} | {k for k in (2.0, 3.0, 4.0) if getattr(shape, f"hops_{k:.0f}_frac")}
    bits = (108.0 + 2 * shape.header_octets) * shape.character_bits
    frames = 2.0 + (100.0 > shape.frame_octets > 0)
    if frames == 2.0:
        one = 1.0 - (1.0 - shape.loss_frac) ** frames * (1.0 - shape.bit_error_rate) ** bits
        for away in set(far.tolist()):
            assert float(np.mean(lost[far == away])) == pytest.approx(1.0 - (1.0 - one) ** away, abs=0.015)
    quick_s = (took_s - far * passing_s(shape, np.full(n, 8.0), shape.rate_bit_s) - back_s)[far == 1.0]
    assert np.median(quick_s) > shape.turnaround_min_s
    there_s, back_s = (passing_s(shape, np.full(n, octets), shape.rate_bit_s) for octets in (8.0, 100.0))
    turn_s = (shape.turnaround_min_s + shape.turnaround_max_s) / 2.0
    assert over.nominal_s == pytest.approx(far * (there_s + back_s + 2.0 * shape.access_median_s) + turn_s)
    assert not np.array_equal(over.drawn(here, 8, np.arange(n)).took_s, took_s)


def test_a_request_draws_the_same_whoever_is_asked_beside_it() -> None:
    here = keys(50)
    over = SharedWay(shared_medium("radio_mesh"), here, np.full(50, 8.0), np.full(50, 40.0))
    some = np.array([3, 17, 40])
    for whole, part in zip(over.drawn(here, 5, np.arange(50))[:3], over.drawn(here[some], 5, some)[:3], strict=True):
        assert whole[some].tolist() == part.tolist()


def test_a_modem_draws_the_same_whoever_is_asked_beside_it() -> None:
    gprs, here = medium("gprs"), keys(50)
    over = ModemWay(replace(gprs, loss_frac=0.3), np.full(50, 8.0), np.full(50, 40.0), np.tile([1.0, 60.0], 25))
    some = np.array([3, 4, 17, 40])
    for whole, part in zip(over.drawn(here, 5, np.arange(50))[:3], over.drawn(here[some], 5, some)[:3], strict=True):
        assert whole[some].tolist() == part.tolist()


def test_each_hop_takes_its_own_time() -> None:
    """Twice the median is exceeded by more than half of what is two hops away: the tail of either is enough."""
    shape, n = shared_medium("zigbee"), 20_000
    here = keys(n)
    over = SharedWay(shape, here, np.full(n, 8.0), np.full(n, 40.0))
    two = over.hops == 2.0
    wait_s = over.drawn(here, 7, np.arange(n)).back_s[two] - 2.0 * hop_s(shape, 40, shape.rate_bit_s)
    assert float(np.mean(wait_s > 2.0 * shape.access_median_s)) > 0.6


def test_the_turn_around_is_spread_evenly_however_much_is_lost() -> None:
    shape, n = replace(shared_medium("rs485"), loss_frac=0.4), 20_000
    shape = replace(shape, access_median_s=1e-9, access_p95_s=2e-9, access_p99_s=3e-9, access_max_s=4e-9)
    over = SharedWay(shape, keys(n), np.full(n, 8.0), np.full(n, 40.0))
    took_s, back_s, lost, _ = over.drawn(keys(n), 3, np.arange(n))
    assert float(np.mean(lost)) == pytest.approx(0.64, abs=0.01)
    turn_s = (took_s - back_s)[~lost] - hop_s(shape, 8, shape.rate_bit_s)
    shares = (turn_s - shape.turnaround_min_s) / (shape.turnaround_max_s - shape.turnaround_min_s)
    assert np.quantile(shares, [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0], abs=0.02)


def test_a_modem_that_is_left_alone_for_long_falls_asleep() -> None:
    gprs, n = medium("gprs"), 400
    here, often = keys(n), np.where(np.arange(n) < 200, 1.0, 60.0)
    over = ModemWay(gprs, np.full(n, 8.0), np.full(n, 60.0), often)
    awake, asleep = np.split(over.drawn(here, 1, np.arange(n)).took_s, 2)
    deepest = gprs.sleeps[-1]
    assert np.mean(asleep) - np.mean(awake) == pytest.approx((deepest.wake_min_s + deepest.wake_max_s) / 2, abs=0.4)
    assert awake.min() > 2 * gprs.floor_s
    assert not over.drawn(here, 1, np.arange(n)).lost.any()


def test_what_tcp_repeats_is_late() -> None:
    """After 0.2 s, 0.6 s, 1.4 s and so on: each wait is twice the one before."""
    wifi, n = medium("wifi"), 4_000
    here, octets, often = keys(n), np.full(n, 20.0), np.zeros(n)
    lossless, lossy = (
        ModemWay(replace(wifi, loss_frac=loss), octets, octets, often).drawn(here, 1, np.arange(n)).back_s
        for loss in (0.0, 0.3)
    )
    late = np.round(lossy - lossless, 9)
    assert set(late.tolist()) > {0.0, 0.2, 0.6, 1.4}
    assert float(np.mean(late > 0.0)) == pytest.approx(0.3, abs=0.03)
    assert float(np.mean(late > 0.2)) == pytest.approx(0.09, abs=0.02)


def test_one_way_or_both_lose_something_each_by_itself() -> None:
    wifi, n = medium("wifi"), 20_000
    here, octets, often = keys(n), np.full(n, 20.0), np.zeros(n)
    lossless, lossy = (
        ModemWay(replace(wifi, loss_frac=loss), octets, octets, often).drawn(here, 1, np.arange(n))
        for loss in (0.0, 0.3)
    )
    back = np.round(lossy.back_s - lossless.back_s, 9) > 0.0
    there = np.round(lossy.took_s - lossy.back_s - lossless.took_s + lossless.back_s, 9) > 0.0
    assert float(np.mean(there)) == pytest.approx(0.3, abs=0.015)
    assert float(np.mean(there & back)) == pytest.approx(0.09, abs=0.01)
    assert float(np.mean(there | back)) == pytest.approx(0.51, abs=0.015)


def test_what_a_modem_takes_when_all_goes_well() -> None:
    gprs = medium("gprs")
    sleep = gprs.sleeps[0]
    octets, often = np.full(2, 20.0), np.array([sleep.after_s - 0.01, sleep.after_s])
    awake_s, asleep_s = ModemWay(gprs, octets, octets, often).nominal_s
    passed_s = 8.0 * 72.0 * (1.0 / gprs.rate_down_bit_s + 1.0 / gprs.rate_up_bit_s)
    assert awake_s == pytest.approx(passed_s + 2.0 * gprs.floor_s)
    assert asleep_s - awake_s == pytest.approx((sleep.wake_min_s + sleep.wake_max_s) / 2.0)


def test_ways_by_name() -> None:
    here, octets = keys(3), np.full(3, 20.0)
    assert isinstance(way("none", None, here, octets, octets), NoWay)
    assert way("none", None, here, octets, octets).nominal_s.tolist() == [0.0] * 3
    assert isinstance(way("lte", None, here, octets, octets), ModemWay)
    slow, fast = (way("rs485", rate, here, octets, octets).nominal_s for rate in (9_600.0, 115_200.0))
    assert (slow > fast).all()
    assert way("rs485", None, here, octets, octets).nominal_s.tolist() == slow.tolist()
