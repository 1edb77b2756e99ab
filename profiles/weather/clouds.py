"""Clouds that drift over a site: one sky for every device, so a cloud crosses the neighbours one after another.

Two periodic Gaussian fields are blown over the ground unchanged (frozen turbulence); a device reads them at
its own place. The cover field says whether the place is in a cloud's shadow: it is where the field is below
the threshold that gives the hour its share of shadow. The level field, smooth over kilometres, says how
bright that cloud, or that gap, is: its rank among the darker or the brighter of the indices measured in hours
of that mean. So the index has two modes, it is flat within clouds and gaps and steep at edges, and
the hourly mean, the spread within the hour, the ramps and the correlation in space come together, at any step
length. Two states with levels of their own are what one-minute data show [1] and other generators make [2, 3].

Valid for steps of a second and more. Calibrated with one month of one station (Payerne, June 2016): shares of shadow
and indices are measured, scales, smoothness, softness of edges and roughness of levels are fitted to the steps of
minutes and the noise within them (``docs/validation.md`` says how well). Every edge is equally soft, so the largest
steps of a minute come out a tenth to a fifth too small; that light beyond the clear sky's stands next to a cloud is
not modelled, only that it comes as often as measured. The fields repeat themselves after 51 km (cover) and 102 km
(level); sites are smaller.

References
----------
.. [1] Suehrcke and McCormick, Solar Energy 40 (1988) 413; Jurado, Caridad and Ruiz, Solar Energy 55 (1995) 469
   (two modes of the index within short intervals, gone in hourly means).
.. [2] Cai and Aliprantis, IEEE Trans. Power Systems 28 (2013) 4496 (clouds as moving fractal shadows).
.. [3] Bright et al., Solar Energy 115 (2015) 229 (cloud and gap, each with an index of its own).
.. [4] BSRN, station Payerne: the shares and quantiles in ``regimes.csv``.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import fmod, sin, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from pilotfarm.profiles.draws import Floats, Keys, normal, uniform

_COVER: Final = (1024, 50.0, 1_000.0, 0.8)  # cells, cell [m], length scale [m], smoothness nu
_LEVEL: Final = (512, 200.0, 4_000.0, 2.0)
_REPEATED_M: Final = _LEVEL[0] * _LEVEL[1]  # twice the cover's
_FAR_M: Final = 8.0 * _REPEATED_M
_SOFT: Final = 0.75  # an edge's width, in standard deviations of the cover
_ROUGH: Final = 0.12  # the level's correlation with the cover: the texture of a cloud
_INDEX_MAX: Final = 1.5  # as in ``regimes.csv``
_EDGE: Final = 4.0  # the tables of indices go over this many standard deviations of the level
_PER_SD: Final = 64
_PREVAILING_M_PER_S: Final = (5.2, 3.0)  # towards east and north: the west wind of middle latitudes
_SWING_M_PER_S: Final = 3.3
_SWING_DAYS: Final = (1.31, 3.73, 8.91)
_RATES: Final = tuple(2.0 * np.pi / 86_400.0 / days for days in _SWING_DAYS)


@dataclass(frozen=True, slots=True)
class _Hour:
    """What the fields mean in an hour: by cover (and level) how open the sky is, and indices by the level.

    The sky is open by ``cover_weight`` cover + ``level_weight`` level + ``offset``, held within 0 and 1 and smoothed.
    """

    mean_index: float
    cover_weight: float
    level_weight: float
    offset: float
    tables: Floats
    """``(2, levels)``: a cloud's index, and what an open sky has more than a cloud."""


class Clouds:
    """The cloud field of one site and its drift, by the site's weather key."""

    def __init__(self, key: Keys) -> None:
        self._fields = _fields(int(key[0]))
        self._phases = 2.0 * np.pi * uniform(key, np.arange(2 * len(_SWING_DAYS)), "drift").reshape(2, -1)
        self._waves = [tuple(zip(_RATES, phases, strict=True)) for phases in self._phases.tolist()]
        self._regimes = _regimes()
        self._hour: _Hour | None = None

    def velocity(self, unix_s: Floats) -> tuple[Floats, Floats]:
        """Speed of the clouds towards east and north [m/s]: the prevailing wind and swings of days."""
        angle = np.array(_RATES)[:, None] * unix_s
        east, north = (
            mean + _SWING_M_PER_S * np.cos(angle + phase[:, None]).sum(axis=0)
            for mean, phase in zip(_PREVAILING_M_PER_S, self._phases, strict=True)
        )
        return east, north

    def drift(self, unix_s: float) -> tuple[float, float]:
        """How far the field has been blown since 1970 towards east and north [m]: the integral of ``velocity``."""
        east, north = (
            mean * unix_s + sum(_SWING_M_PER_S / rate * sin(rate * unix_s + phase) for rate, phase in waves)
            for mean, waves in zip(_PREVAILING_M_PER_S, self._waves, strict=True)
        )
        return east, north

    def index(self, unix_s: float, mean_index: float, x_m: Floats, y_m: Floats) -> Floats:
        """Clear-sky index at places of the site, ``(n,)``, whose mean over place and hour is ``mean_index``."""
        hour = self._of_mean(mean_index)
        cover, level = self._fields_at(unix_s, x_m, y_m)
        return _index(hour, cover, level)

    def _fields_at(self, unix_s: float, x_m: Floats, y_m: Floats) -> Floats:
        """Cover and level over places, ``(2, n)``, each of mean 0 and variance 1 over the field."""
        east, north = self._from_m(unix_s)
        return _read(self._fields, np.array((x_m - east, y_m - north)))

    def _from_m(self, unix_s: float) -> tuple[float, float]:
        """Where the fields begin, so far south-west that no place lies before them [m].

        Whole repetitions are left out first: ten digits before the point would cost five after it.
        """
        east, north = self.drift(unix_s)
        return fmod(east, _REPEATED_M) - _FAR_M, fmod(north, _REPEATED_M) - _FAR_M

    def _of_mean(self, mean_index: float) -> _Hour:
        """What the fields mean in an hour between two regimes; the last one is kept."""
        if self._hour is not None and self._hour.mean_index == mean_index:
            return self._hour
        regimes = self._regimes
        means = regimes.means
        row = min(max(bisect_left(means, mean_index) - 1, 0), len(means) - 2)
        weight = min(max((mean_index - means[row]) / (means[row + 1] - means[row]), 0.0), 1.0)
        score, cover_share, cloud, contrast = (
            (1.0 - weight) * of[row] + weight * of[row + 1]
            for of in (regimes.cloud_score, regimes.cover_share, regimes.cloud_mean, regimes.contrast_mean)
        )
        # So that the mean is what was asked for, between regimes and beyond them too.
        scale = mean_index / (cloud + (1.0 - float(ndtr(score))) * contrast)
        low, high = regimes.tables[row], regimes.tables[row + 1]
        tables = low * ((1.0 - weight) * scale) + high * (weight * scale)
        if scale > 1.0:
            np.minimum(tables[1], _INDEX_MAX - tables[0], out=tables[1])
        self._hour = _hour(mean_index, cover_share, score, tables)
        return self._hour


_RANKS: Final = np.array([0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0])
_OF_LEVEL: Final = _PER_SD * sqrt(1.0 - _ROUGH * _ROUGH)
_OF_COVER: Final = _PER_SD * _ROUGH
_SCORES: Final = np.linspace(-_EDGE, _EDGE, int(2.0 * _EDGE * _PER_SD) + 1)
_BLURRED: Final = sqrt(1.0 + _SOFT * _SOFT / 20.0)
"""How much wider than the cover's the distribution of cover and softness together is."""


@dataclass(frozen=True, slots=True)
class _Regimes:
    """Hours by their mean index: share in shadow, and tables of a cloud's index and of what a gap has more.

    The share is kept as the standard normal value below which it lies: so it is interpolated best.
    """

    means: list[float]
    cloud_score: list[float]
    cover_share: list[float]
    tables: Floats
    cloud_mean: list[float]
    contrast_mean: list[float]


@lru_cache(maxsize=1)
def _regimes() -> _Regimes:
    text = (files(__package__) / "regimes.csv").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")][1:]
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    mean, cloud_share, cover_share = table[:, :3].T
    score, rank = ndtri(cloud_share), ndtr(_SCORES)
    cover, level = (each.ravel() for each in np.meshgrid(_SCORES[::8], _SCORES[::8]))
    tables = np.empty((len(table), 2, len(_SCORES)))
    means = np.empty((len(table), 2))
    for row, quantiles in enumerate(table[:, 3:]):
        share = cloud_share[row]
        cloud = np.interp(share * rank, _RANKS, quantiles)
        tables[row] = cloud, np.interp(share + (1.0 - share) * rank, _RANKS, quantiles) - cloud
        hour = _hour(mean[row], cover_share[row], score[row], tables[row])
        means[row] = np.average(tables[row], axis=1, weights=np.exp(-0.5 * _SCORES**2))
        # Where level and cover are not independent, a gap has not quite the mean of all levels.
        mean_index = np.average(_index(hour, cover, level), weights=np.exp(-0.5 * (cover**2 + level**2)))
        means[row, 1] = (mean_index - means[row, 0]) / (1.0 - share)
    return _Regimes(mean.tolist(), score.tolist(), cover_share.tolist(), tables, *means.T.tolist())


def _hour(mean_index: float, cover_share: float, score: float, tables: Floats) -> _Hour:
    """An hour in whose sky the part below ``score`` of a standard normal distribution is in shadow."""
    weights = sqrt(cover_share) / _SOFT, sqrt(1.0 - cover_share) / _SOFT
    return _Hour(mean_index, *weights, 0.5 - _BLURRED * score / _SOFT, tables)


@lru_cache(maxsize=2)
def _fields(key: int) -> Floats:
    """The fields of a key, cover and level one after the other, kept: 10 MB a key, a quarter of a second to make."""
    cover, level = _field(key, "cloud cover", *_COVER), _field(key, "cloud level", *_LEVEL)
    return np.concatenate((cover.ravel(), level.ravel()))


def _index(hour: _Hour, cover: Floats, level: Floats) -> Floats:
    """Clear-sky index where the fields have these values."""
    place = level * _OF_LEVEL
    place += cover * _OF_COVER
    place += _PER_SD * _EDGE
    np.maximum(place, 0.0, out=place)
    np.minimum(place, len(_SCORES) - 1.001, out=place)
    cell = place.astype(np.intp)
    place -= cell
    rise = hour.tables[:, 1:] - hour.tables[:, :-1]
    between = rise.take(cell, axis=1)
    between *= place
    between += hour.tables.take(cell, axis=1)
    cloud, contrast = between
    contrast *= _open_share(hour, cover, level)
    contrast += cloud
    return np.asarray(contrast)


def _open_share(hour: _Hour, cover: Floats, level: Floats) -> Floats:
    """Share of an open sky over places: 0 in a cloud's shadow, 1 in a gap, smooth in between."""
    share = cover * hour.cover_weight
    if hour.level_weight > 0.0:
        share += level * hour.level_weight
    share += hour.offset
    np.maximum(share, 0.0, out=share)
    np.minimum(share, 1.0, out=share)
    bent = share * -2.0
    bent += 3.0
    bent *= share
    bent *= share
    return bent


def _field(key: int, stream: str, cells: int, cell_m: float, length_m: float, smoothness: float) -> Floats:
    """A periodic Gaussian field of unit variance with a Matern spectrum, its first row and column repeated."""
    white = normal(np.array([key], dtype=np.uint64), np.arange(cells * cells), stream).reshape(cells, cells)
    along, across = (2.0 * np.pi * f(cells, cell_m) for f in (np.fft.fftfreq, np.fft.rfftfreq))
    power = (length_m**-2 + along[:, None] ** 2 + across**2) ** (-(smoothness + 1.0))
    power[0, 0] = 0.0
    field = np.fft.irfft2(np.fft.rfft2(white) * np.sqrt(power), s=(cells, cells))
    field /= field.std()
    return np.pad(field, ((0, 1), (0, 1)), mode="wrap")


_FIELDS: Final = ((_COVER[0], _COVER[1], 0), (_LEVEL[0], _LEVEL[1], (_COVER[0] + 1) ** 2))
"""Cells of a field's side, a cell [m], and where the field begins among the two."""

_MASK, _STRIDE, _BEGIN, _PER_M = (
    np.array(column)[:, None]
    for column in zip(*((cells - 1, cells + 1, begin, 1.0 / cell_m) for cells, cell_m, begin in _FIELDS), strict=True)
)


def _read(fields: Floats, place_m: Floats) -> Floats:
    """The fields at places ``(2, n)`` [m east and north of where they begin], ``(2, n)``: between four neighbours."""
    place = place_m[:, None] * _PER_M
    whole = np.floor(place)
    place -= whole
    cell = whole.astype(np.intp)
    cell &= _MASK
    column, at = cell
    at *= _STRIDE
    at += column
    at += _BEGIN
    east, north = place
    south = fields[1:].take(at)
    low = fields.take(at)
    south -= low
    south *= east
    south += low
    at += _STRIDE
    between = fields[1:].take(at)
    low = fields.take(at)
    between -= low
    between *= east
    between += low
    between -= south
    between *= north
    between += south
    return np.asarray(between)
