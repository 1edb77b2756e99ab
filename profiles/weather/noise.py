"""Random processes that are functions of time: noise at numbered knots, hashed, so nothing is remembered."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.profiles.draws import Floats, Keys, normal

_MEMORY: Final = 6.0
"""Time constants after which an autoregressive process has forgotten: e^-6 of it is left."""


def smooth(key: Keys, unix_s: Floats, period_s: float, stream: str) -> Floats:
    """Draw smooth noise of unit variance: a normal number each ``period_s``, blended between two.

    The weights are cosine and sine, so that the variance is the same at and between the numbers.
    ``unix_s`` is in order.
    """
    place = unix_s / period_s
    index = np.floor(place)
    angle = (place - index) * (0.5 * np.pi)
    first = int(index[0])
    numbers = normal(key, np.arange(first, int(index[-1]) + 2), stream)
    offset = (index - first).astype(np.intp)
    return np.asarray(numbers[offset] * np.cos(angle) + numbers[offset + 1] * np.sin(angle))


def autoregressive(key: Keys, first: int, count: int, memory_knots: float, stream: str) -> Floats:
    """Draw ``count`` values of a stationary AR(1) process of unit variance from knot ``first`` on.

    Its correlation is ``exp(-k / memory_knots)`` over k knots. It is the moving average of hashed normal
    numbers that an AR(1) process is, cut off where it has forgotten; so a knot's value depends on nothing
    but its number.
    """
    reach = int(np.ceil(_MEMORY * memory_knots))
    weights = np.exp(-np.arange(reach + 1) / memory_knots)
    weights /= np.sqrt(np.sum(weights * weights))
    numbers = normal(key, np.arange(first - reach, first + count), stream)
    return np.convolve(numbers, weights, mode="valid")
