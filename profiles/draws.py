"""Random draws that are a pure function of a key and a counter.

A device's draw number k is a hash of the device's key and k, so it depends on no other device, on
no earlier draw, and on no step length: rows cannot feel their neighbours, a rerun gives the same
bytes, and a snapshot has no generator to save.

The hash is the finaliser of SplitMix64, used as a counter-based generator.

References
----------
.. [1] Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
   doi 10.1145/2660193.2660195, figure 10 (the constants below).
.. [2] Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
   doi 10.1145/2063384.2063405 (counter-based generators).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Keys: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float64]

_WORDS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_GOLDEN, _MIX_1, _MIX_2 = map(np.uint64, _WORDS)
_MASK = 2**64 - 1
_1, _11, _27, _30, _31 = (np.uint64(number) for number in (1, 11, 27, 30, 31))


@lru_cache(maxsize=256)
def _salt(stream: str) -> np.uint64:
    return np.uint64(key_of(0, stream))


@lru_cache(maxsize=16)
def _salts(streams: tuple[str, ...]) -> Keys:
    return np.array([[key_of(0, stream)] for stream in streams], dtype=np.uint64)


def key_of(seed: int, *names: str) -> int:
    """Return the 64-bit key of a named random stream: the seed and the stable names, hashed."""
    text = "\x1f".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def keys_of(seed: int, names: list[str]) -> Keys:
    """Return one stream key for each name, shape ``(len(names),)``."""
    return np.array([key_of(seed, name) for name in names], dtype=np.uint64)


def _mixed(z: Keys) -> Keys:
    z = (z ^ (z >> _30)) * _MIX_1
    z ^= z >> _27
    z *= _MIX_2
    z ^= z >> _31
    return z


def uniform(keys: Keys, counter: npt.ArrayLike, stream: str = "") -> Floats:
    """Draw from [0, 1), one value for each key.

    Parameters
    ----------
    keys : (n,) uint64
        One a device, from ``keys_of``.
    counter : (n,) or scalar integer, >= 0
        Which draw: the session's or the interval's number.
    stream : str
        What the draw is for; different names give independent draws.

    Returns
    -------
    (n,) float64
        Multiples of 2**-53 in [0, 1).
    """
    return _drawn(keys, _salt(stream), counter)


def uniform_one(key: int, counter: int, stream: str = "") -> float:
    """Draw what ``uniform`` draws for one key and counter, without an array: for who needs one now and then."""
    z = _mixed_int(key ^ int(_salt(stream)))
    return (_mixed_int(z + (counter + 1) * _WORDS[0] & _MASK) >> 11) * 2.0**-53


def _mixed_int(z: int) -> int:
    z = (z ^ z >> 30) * _WORDS[1] & _MASK
    z = (z ^ z >> 27) * _WORDS[2] & _MASK
    return z ^ z >> 31


def uniforms(keys: Keys, counter: npt.ArrayLike, streams: tuple[str, ...]) -> Floats:
    """Draw from several streams at once: what ``uniform`` draws, a row each, ``(len(streams), n)``."""
    return _drawn(keys, _salts(streams), counter)


def bits(keys: Keys, counter: int) -> Keys:
    """Draw 64 bits for each key, for who draws for many at every step: several uses may take some of them each.

    It is one hash, where ``uniform`` has two. So ``keys`` must be hashes themselves, as those of ``keys_of`` are, or
    such ones joined by exclusive or.
    """
    return _mixed(keys + np.uint64((counter + 1) * _WORDS[0] & _MASK))


def sixteen(drawn: Keys, part: int) -> npt.NDArray[np.uint16]:
    """Return sixteen of drawn bits: the lowest are part 0, the highest part 3."""
    return drawn.astype("<u8", copy=False).view("<u2")[part::4]


def _drawn(keys: Keys, salt: np.uint64 | Keys, counter: npt.ArrayLike) -> Floats:
    # In arrays, be they of one, what wraps around is meant; a number by itself would warn of it.
    key, count = (np.array(each, dtype=np.uint64, ndmin=1) for each in (keys, counter))
    bits = _mixed(_mixed(key ^ salt) + (count + _1) * _GOLDEN)
    return (bits >> _11).astype(np.float64) * 2.0**-53


def normal(keys: Keys, counter: npt.ArrayLike, stream: str = "") -> Floats:
    """Draw from the standard normal distribution, one value for each key (inverse of its distribution)."""
    return score(uniform(keys, counter, stream))


def score(drawn: Floats) -> Floats:
    """Return the standard normal scores of uniform draws."""
    return np.asarray(ndtri(drawn + 2.0**-54), dtype=np.float64)
