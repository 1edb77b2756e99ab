"""Random draws: a pure function of key and counter, with the distribution they claim."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.stats import kstest

from pilotfarm.profiles.draws import bits, key_of, keys_of, normal, sixteen, uniform, uniform_one, uniforms

KEYS = keys_of(7, [f"device-{i}" for i in range(20_000)])


def test_a_draw_depends_on_its_own_key_and_counter_alone() -> None:
    everybody = uniform(KEYS, 3, "load")
    for rows in (slice(0, 1), slice(5, 9), slice(None, None, -1)):
        assert np.array_equal(uniform(KEYS[rows], 3, "load"), everybody[rows])


@pytest.mark.parametrize("stream", ["", "session"])
@pytest.mark.parametrize("key", [0, 1, 2**63, 2**64 - 1])
def test_one_draw_is_that_of_an_array_of_one(key: int, stream: str) -> None:
    counters = [0, 1, 2, 77, 10**9, 2**62]
    keys = np.array([key], dtype=np.uint64)
    assert [uniform_one(key, each, stream) for each in counters] == [
        float(uniform(keys, each, stream)[0]) for each in counters
    ]


def test_several_streams_at_once_are_drawn_as_one_by_one() -> None:
    counters = np.arange(len(KEYS)) % 11
    together = uniforms(KEYS, counters, ("load", "sun"))
    assert np.array_equal(together, [uniform(KEYS, counters, "load"), uniform(KEYS, counters, "sun")])


def test_counters_may_differ_from_row_to_row() -> None:
    counters = np.arange(len(KEYS)) % 11
    mixed = uniform(KEYS, counters, "session")
    for k in range(11):
        assert np.array_equal(mixed[counters == k], uniform(KEYS[counters == k], k, "session"))


def test_uniform_draws_are_uniform() -> None:
    draws = uniform(KEYS, 0, "x")
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    assert kstest(draws, "uniform").pvalue > 1e-4


def test_normal_draws_are_normal_and_finite() -> None:
    draws = normal(KEYS, 0, "x")
    assert np.isfinite(draws).all()
    assert kstest(draws, "norm").pvalue > 1e-4


def test_streams_counters_and_seeds_are_independent() -> None:
    base = uniform(KEYS, 0, "a")
    others = [
        uniform(KEYS, 1, "a"),
        uniform(KEYS, 0, "b"),
        uniform(keys_of(8, [f"device-{i}" for i in range(20_000)]), 0, "a"),
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 5.0 / np.sqrt(len(KEYS))


def test_a_key_is_the_same_on_every_machine() -> None:
    # The first eight bytes of BLAKE2b of "1 US a", little-endian: a change would change every site.
    assert key_of(1, "a") == int.from_bytes(hashlib.blake2b(b"1\x1fa", digest_size=8).digest(), "little")
    assert key_of(1, "a", "b") != key_of(1, "ab")


def mixed(z: int) -> int:
    """The finaliser of SplitMix64, as its paper prints it, in whole numbers."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


@pytest.mark.parametrize("counter", [0, 7, 5_833_000, 2**40])
def test_a_draw_is_the_hash_that_it_is_said_to_be_on_every_machine(counter: int) -> None:
    for key in KEYS[:50]:
        start = mixed(int(key) ^ key_of(0, "load"))
        bits = mixed((start + (counter + 1) * 0x9E3779B97F4A7C15) % 2**64)
        assert uniform(np.array([key]), counter, "load").tolist() == [(bits >> 11) * 2.0**-53]
        assert uniform(key, counter, "load").tolist() == [(bits >> 11) * 2.0**-53]


def test_bits_are_those_of_splitmix64() -> None:
    """The first numbers of seed 1234567, as Rosetta Code has them (Pseudo-random numbers/Splitmix64)."""
    seed = np.array([1234567], dtype=np.uint64)
    drawn = [int(bits(seed, counter)[0]) for counter in range(3)]
    assert drawn == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_bits_depend_on_their_own_key_and_counter_alone() -> None:
    everybody = bits(KEYS, 3)
    assert np.array_equal(bits(KEYS[5:9], 3), everybody[5:9])
    assert not np.any(bits(KEYS, 4) == everybody)


def test_sixteen_bits_each_are_all_of_them_and_tell_nothing_of_each_other() -> None:
    drawn = bits(KEYS, 1)
    parts = [sixteen(drawn, part) for part in range(4)]
    assert np.array_equal(sum(each.astype(np.uint64) << np.uint64(16 * k) for k, each in enumerate(parts)), drawn)
    for each in parts:
        assert kstest((each + 0.5) / 2**16, "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(parts) - np.eye(4)).max() < 0.03
