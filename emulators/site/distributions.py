"""Ratings as a site file writes them: a number, or a distribution from which each device has its own value.

A device's value is a function of the device's key and the rating's name alone, so neither another
group, another rating nor the number of devices moves it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import inf, log
from typing import Annotated, Any, ClassVar, Final, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator
from scipy.special import ndtr, ndtri

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.profiles import draws

Pair: TypeAlias = Annotated[list[float], Field(min_length=2, max_length=2)]

SHARE_MIN: Final = 1e-9
"""Minimum probability between ``min`` and ``max``: with less, the inverse distribution has no digits left."""


class _Distribution(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Uniform(_Distribution):
    """Evenly between two numbers."""

    uniform: Pair = Field(description="Lowest and highest number")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.uniform[0] > self.uniform[1]:
            raise ValueError("the first number is the lower one")
        return self

    def support(self) -> tuple[float, float]:
        return self.uniform[0], self.uniform[1]

    def at(self, share: Floats) -> Floats:
        low, high = self.uniform
        return low + (high - low) * share


class Choice(_Distribution):
    """One of several numbers, evenly or by weight."""

    choice: list[float] = Field(min_length=1, max_length=1000, description="The numbers of which each device has one")
    weights: list[Annotated[float, Field(ge=0)]] | None = Field(
        default=None, description="How often each of them comes, in any measure; all alike if left out"
    )

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.choice):
            raise ValueError(f"{len(self.choice)} choices need {len(self.choice)} weights")
        if self.weights is not None and not 0 < sum(self.weights) < inf:
            raise ValueError("the weights need a sum above 0")
        return self

    def support(self) -> tuple[float, float]:
        return min(self.choice), max(self.choice)

    def at(self, share: Floats) -> Floats:
        edges = np.cumsum(self.weights if self.weights is not None else np.ones(len(self.choice)))
        place = np.searchsorted(edges / edges[-1], share, side="right")
        return np.asarray(self.choice, dtype=np.float64)[np.minimum(place, len(self.choice) - 1)]


class _Truncated(_Distribution, ABC):
    """A distribution made from the normal one, truncated at ``min`` and ``max``."""

    min: float | None = Field(default=None, description="Cut off below this; nothing piles up there")
    max: float | None = Field(default=None, description="Cut off above this; nothing piles up there")

    lowest: ClassVar[float] = -inf
    hint: ClassVar[str] = ""

    def _to_normal(self, value: float) -> float:
        return value

    @abstractmethod
    def _parameters(self) -> tuple[float, float]:
        """Mean and standard deviation of the normal distribution behind it."""

    def _shares(self) -> tuple[float, float]:
        mean, sd = self._parameters()
        low, high = self.support()
        at_low = 0.0 if low == self.lowest else float(ndtr((self._to_normal(low) - mean) / sd))
        at_high = 1.0 if high == inf else float(ndtr((self._to_normal(high) - mean) / sd))
        return at_low, at_high

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self._parameters()[1] <= 0.0:
            raise ValueError("the second number, the spread, is above 0")
        if self.support()[0] >= self.support()[1]:
            raise ValueError("min is below max")
        at_low, at_high = self._shares()
        if at_high - at_low < SHARE_MIN:
            raise ValueError(f"nearly nothing of the distribution lies between min and max{self.hint}")
        return self

    def support(self) -> tuple[float, float]:
        low = self.lowest if self.min is None else max(self.min, self.lowest)
        return low, inf if self.max is None else self.max

    def _normal_at(self, share: Floats) -> Floats:
        mean, sd = self._parameters()
        at_low, at_high = self._shares()
        # Half a step of the draw's grid keeps the share off 0, whose inverse is minus infinity.
        return np.asarray(mean + sd * ndtri(at_low + (at_high - at_low) * (share + 2.0**-54)), dtype=np.float64)


class Normal(_Truncated):
    """Mean and standard deviation."""

    normal: Pair = Field(description="Mean and standard deviation")

    def _parameters(self) -> tuple[float, float]:
        return self.normal[0], self.normal[1]

    def at(self, share: Floats) -> Floats:
        return np.clip(self._normal_at(share), *self.support())


class Lognormal(_Truncated):
    """Mean and standard deviation of the value's natural logarithm."""

    lognormal: Pair = Field(description="Mean and standard deviation of the natural logarithm")

    lowest: ClassVar[float] = 0.0
    hint: ClassVar[str] = "; its two numbers are of the logarithm"

    def _to_normal(self, value: float) -> float:
        return log(value)

    @model_validator(mode="after")
    def _finite(self) -> Self:
        mu, sigma = self.lognormal
        if abs(mu) + 10 * sigma > log(1e15):
            raise ValueError(f"values can have no end of digits{self.hint}")
        return self

    def _parameters(self) -> tuple[float, float]:
        return self.lognormal[0], self.lognormal[1]

    def at(self, share: Floats) -> Floats:
        return np.clip(np.exp(self._normal_at(share)), *self.support())


_KINDS: Final = ("uniform", "normal", "lognormal", "choice")


def _tag(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return next((kind for kind in _KINDS if kind in value), None)
    return "number"


Value: TypeAlias = Annotated[
    Annotated[float, Field(allow_inf_nan=False, strict=True), Tag("number")]
    | Annotated[Uniform, Tag("uniform")]
    | Annotated[Normal, Tag("normal")]
    | Annotated[Lognormal, Tag("lognormal")]
    | Annotated[Choice, Tag("choice")],
    Discriminator(
        _tag,
        custom_error_type="distribution",
        custom_error_message="a rating is a number or one of uniform, normal, lognormal, choice",
    ),
]
"""A number or a distribution."""

VALUE: Final[TypeAdapter[Any]] = TypeAdapter(Value)


def support(value: Any) -> tuple[float, float]:
    """Return the smallest and the largest number a validated ``Value`` can take."""
    if isinstance(value, int | float):
        return value, value
    low, high = value.support()
    return low, high


def values(value: Any) -> tuple[float, ...] | None:
    """Return every number a validated ``Value`` can take, ``None`` if they form a range."""
    if isinstance(value, int | float):
        return (value,)
    return tuple(value.choice) if isinstance(value, Choice) else None


def sample(value: Any, keys: Keys, name: str) -> Floats:
    """Return each device's value of the rating ``name``, shape ``(len(keys),)``."""
    if isinstance(value, int | float):
        return np.full(len(keys), float(value))
    return np.asarray(value.at(draws.uniform(keys, 0, f"rating/{name}")), dtype=np.float64)
