"""Clouds that drift over a site: one field for every device, so a cloud crosses the neighbours one after another.

A periodic Gaussian field of two scales is blown over the ground unchanged (frozen turbulence); a device
reads it at its own place. The value's rank is turned into a clear-sky index by the quantiles measured in
hours of that mean index. So the hourly mean, the spread within the hour, the ramps in time and the
correlation in space come together, at any step length.

Valid for steps of a second and more: within a second real light moves by 0.003 of its mean (median).
Calibrated with one month of one station (Payerne, June 2016); real skies are flatter inside clouds and
gaps (median one-minute step 0.008, here 0.03). The field repeats itself after 51 km (small scale) and
102 km (large scale); sites are smaller.

References
----------
.. [1] Cai and Aliprantis, IEEE Trans. Power Systems 28 (2013) 4496 (clouds as moving fractal shadows).
.. [2] Widen and Munkhammar, PVSC 2019, doi 10.1109/PVSC40753.2019.8980922 (Gaussian copula for the index).
.. [3] BSRN, station Payerne: the quantiles in ``regimes.csv``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from profiles.draws import Floats, Keys, normal, uniform

Field: TypeAlias = npt.NDArray[np.float32]

_SMALL: Final = (1024, 50.0, 300.0, 1.0)  # cells, cell [m], length scale [m], smoothness nu
_LARGE: Final = (512, 200.0, 3_000.0, 1.5)
_EDGE: Final = 4.0  # the table of indices goes over this many standard deviations
_PER_SD: Final = 64
_PREVAILING_M_PER_S: Final = (5.2, 3.0)  # towards east and north: the west wind of middle latitudes
_SWING_M_PER_S: Final = 3.3
_SWING_DAYS: Final = (1.31, 3.73, 8.91)


class Clouds:
    """The cloud field of one site and its drift, by the site's weather key."""

    def __init__(self, key: Keys) -> None:
        self._small, self._large = _fields(int(key[0]))
        self._phases = 2.0 * np.pi * uniform(key, np.arange(2 * len(_SWING_DAYS)), "drift").reshape(2, -1)
        self._means, self._shares, self._quantiles = _regimes()
        self._ranks = ndtr(np.linspace(-_EDGE, _EDGE, int(2.0 * _EDGE * _PER_SD) + 1))
        self._hour: tuple[float, float, Floats] | None = None

    def velocity(self, unix_s: Floats) -> tuple[Floats, Floats]:
        """Speed of the clouds towards east and north [m/s]: the prevailing wind and swings of days."""
        angle = self._angle(unix_s)
        east, north = (
            mean + _SWING_M_PER_S * np.cos(angle + phase[:, None]).sum(axis=0)
            for mean, phase in zip(_PREVAILING_M_PER_S, self._phases, strict=True)
        )
        return east, north

    def drift(self, unix_s: float) -> tuple[float, float]:
        """How far the field has been blown since 1970 towards east and north [m]: the integral of ``velocity``."""
        at = np.array([unix_s])
        angle, rate = self._angle(at), self._rate()
        east, north = (
            mean * unix_s + float((_SWING_M_PER_S / rate * np.sin(angle + phase[:, None])).sum())
            for mean, phase in zip(_PREVAILING_M_PER_S, self._phases, strict=True)
        )
        return east, north

    def index(self, unix_s: float, mean_index: float, x_m: Floats, y_m: Floats) -> Floats:
        """Clear-sky index at places of the site, ``(n,)``, whose mean over place and hour is ``mean_index``."""
        share, table = self._table(mean_index)
        east, north = self.drift(unix_s)
        x, y = x_m - east, y_m - north
        score = _read(self._small, _SMALL[1], x, y)
        score *= np.sqrt(share)
        large = _read(self._large, _LARGE[1], x, y)
        large *= np.sqrt(1.0 - share)
        score += large
        score += _EDGE
        score *= _PER_SD
        np.clip(score, 0.0, len(table) - 1.001, out=score)
        cell = score.astype(np.intp)
        score -= cell
        low = table.take(cell)
        cell += 1
        return np.asarray(low + (table.take(cell) - low) * score)

    def _table(self, mean_index: float) -> tuple[float, Floats]:
        """Small-scale share, and index by the field's value, of an hour between two regimes; the last one is kept."""
        if self._hour is not None and self._hour[0] == mean_index:
            return self._hour[1:]
        means = self._means
        place = float(np.interp(mean_index, means, np.arange(len(means))))
        row = min(int(place), len(means) - 2)
        weight = place - row
        share = (1.0 - weight) * self._shares[row] + weight * self._shares[row + 1]
        quantiles = (1.0 - weight) * self._quantiles[row] + weight * self._quantiles[row + 1]
        if mean_index < means[0]:
            quantiles = quantiles * (mean_index / means[0])
        self._hour = (mean_index, float(share), np.interp(self._ranks, _RANKS, quantiles))
        return self._hour[1:]

    def _angle(self, unix_s: Floats) -> Floats:
        return np.asarray(self._rate() * unix_s)

    @staticmethod
    def _rate() -> Floats:
        return (2.0 * np.pi / 86_400.0) / np.array(_SWING_DAYS)[:, None]


_RANKS: Final = np.array([0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0])


@lru_cache(maxsize=1)
def _regimes() -> tuple[Floats, Floats, Floats]:
    text = (files(__package__) / "regimes.csv").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")][1:]
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    return table[:, 0], table[:, 1], table[:, 2:]


@lru_cache(maxsize=2)
def _fields(key: int) -> tuple[Field, Field]:
    """The fields of a key, kept: 5 MB a key, a quarter of a second to make."""
    return _field(key, "small clouds", *_SMALL), _field(key, "large clouds", *_LARGE)


def _field(key: int, stream: str, cells: int, cell_m: float, length_m: float, smoothness: float) -> Field:
    """A periodic Gaussian field of unit variance with a Matern spectrum, its first row and column repeated."""
    white = normal(np.array([key], dtype=np.uint64), np.arange(cells * cells), stream).reshape(cells, cells)
    along, across = (2.0 * np.pi * f(cells, cell_m) for f in (np.fft.fftfreq, np.fft.rfftfreq))
    power = (length_m**-2 + along[:, None] ** 2 + across**2) ** (-(smoothness + 1.0))
    power[0, 0] = 0.0
    field = np.fft.irfft2(np.fft.rfft2(white) * np.sqrt(power), s=(cells, cells))
    field /= field.std()
    return np.pad(field, ((0, 1), (0, 1)), mode="wrap").astype(np.float32)


def _read(field: Field, cell_m: float, x_m: Floats, y_m: Floats) -> Floats:
    """The field at places, between its four neighbours [m, anywhere]."""
    wide = field.shape[0]
    cells = wide - 1
    flat = field.reshape(-1)
    east, north = x_m * (1.0 / cell_m), y_m * (1.0 / cell_m)
    column, row = np.floor(east), np.floor(north)
    east -= column
    north -= row
    at = (row.astype(np.int64) & (cells - 1)) * wide
    at += column.astype(np.int64) & (cells - 1)
    low = flat.take(at)
    at += 1
    south = low + (flat.take(at) - low) * east
    at += wide
    high = flat.take(at)
    at -= 1
    low = flat.take(at)
    south += (low + (high - low) * east - south) * north
    return np.asarray(south)
