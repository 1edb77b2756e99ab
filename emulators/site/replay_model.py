"""The tables of a site file that say what is replayed: weather, market, series, and who follows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pilotfarm.emulators.site.table import Table
from pilotfarm.emulators.site.time_zones import known_zone, of_instants
from pilotfarm.profiles.series import Gaps, Resample
from pilotfarm.profiles.weather import EXTENT_DEFAULT_M


class ReplayTable(Table):
    """What one thing is replayed from, in place of a model."""

    series: str = Field(description="Name of a series of the site")
    column: str | list[str] | None = Field(
        default=None,
        description="Of its file: one for all devices, with {device} or {number} in it one a device, or a list of "
        "these; none for sessions",
    )
    unit: str = Field(description="Of the numbers in the file")


class WeatherTable(Table):
    """Made-up weather of the place, or a file's."""

    source: Literal["synthetic", "epw", "tmy3", "pvgis"] = Field(
        default="synthetic", description="synthetic, or the format of the file"
    )
    file: str | None = Field(default=None, min_length=1, description="A weather file, from the site file's folder")
    clouds: bool | None = Field(
        default=None,
        description="Whether single clouds cross the site; without, every device has the same light. "
        "Left out: true with synthetic weather, false with a file",
    )
    extent_m: float = Field(
        default=EXTENT_DEFAULT_M, ge=10.0, le=50_000.0, description="Side of the square on which the devices stand"
    )


class Weather(WeatherTable):
    """Made-up weather of the place, or a file's, or what series say."""

    replay: dict[Literal["irradiance", "temperature"], ReplayTable] = Field(
        default_factory=dict, description="What series say of the whole site in place of the weather's source"
    )


class Market(Table):
    """What energy costs."""

    replay: dict[Literal["price"], ReplayTable] = Field(
        default_factory=dict, description="What a series says of the price at the whole site"
    )


class SeriesTable(Table):
    """A file of measured columns over time, for groups and the weather to replay."""

    file: str = Field(min_length=1, description="A file that ends in .csv or .parquet, from the site file's folder")
    time: str | None = Field(
        default=None, description="The column of times: instants, or offsets in seconds; the first if left out"
    )
    zone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        default=None, description="Of instants without an offset from UTC: a name of the IANA data base"
    )
    time_format: Annotated[str, AfterValidator(of_instants)] | None = Field(
        default=None, description="Of times that are not as ISO 8601 has them, such as %d.%m.%Y %H:%M"
    )
    stamp: Literal["begin", "end"] = Field(
        default="begin", description="The end of its interval that a time stands for"
    )
    repeat: bool = Field(default=False, description="Whether it goes round; else models follow where it ends")
    gaps: Gaps = Field(default="refuse", description="What holds where a value or an instant is missing")
    resample: Resample = Field(
        default="mean",
        description="Of a step: the mean over it, the value at its end, or that on a line between values",
    )
    decimal: Literal[".", ","] = Field(default=".", description="What a CSV file has before decimals")
