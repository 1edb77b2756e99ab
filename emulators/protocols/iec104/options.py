"""What a site file may say of an IEC 60870-5-104 station."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from itertools import combinations
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from pilotfarm.emulators.protocols.iec104.link import Timing
from pilotfarm.emulators.protocols.iec60870.options import ApplicationOptions


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"an IP address, or a network such as 192.0.2.0/24: {error}") from error


Network = Annotated[str, AfterValidator(_network)]
GroupName = Annotated[str, Field(min_length=1, max_length=63)]


class Iec104Options(ApplicationOptions):
    """Ranges of the timers and counters are those of clause 9.6.

    The standard recommends ``w`` of at most two thirds of the master's ``k``. Timers run on wall time.
    """

    max_connections: int = Field(8, ge=1, le=64, description="Connections at once")
    k: int = Field(12, ge=1, le=32767, description="I frames sent and not acknowledged, at most")
    w: int = Field(8, ge=1, le=32767, description="I frames received after which an acknowledgement is due")
    t1_s: float = Field(15.0, ge=1.0, le=255.0, description="Wait for an acknowledgement")
    t2_s: float = Field(10.0, ge=1.0, le=255.0, description="Time within which received frames are acknowledged")
    t3_s: float = Field(20.0, ge=1.0, le=172_800.0, description="Silence after which the link is tested")
    redundancy_groups: Annotated[
        Mapping[GroupName, Annotated[tuple[Network, ...], Field(min_length=1, max_length=64)]], Field(max_length=16)
    ] = Field({}, description="Redundancy groups by name: addresses or networks of the masters of each")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.t2_s >= self.t1_s:
            raise ValueError("t2_s must be shorter than t1_s, or acknowledgements come too late")
        if self.w > self.k:
            raise ValueError("w must not exceed k, or a peer with the same k waits for acknowledgements in vain")
        return self

    @model_validator(mode="after")
    def _masters_in_one_group(self) -> Self:
        for (name, networks), (other, others) in combinations(self.redundancy_groups.items(), 2):
            for mine in map(ip_network, networks):
                for theirs in map(ip_network, others):
                    if mine.overlaps(theirs):
                        raise ValueError(f"{mine} is in {name}, and {theirs} in {other}: a master has one group")
        return self

    @property
    def timing(self) -> Timing:
        return Timing(self.k, self.w, self.t1_s, self.t2_s, self.t3_s)
