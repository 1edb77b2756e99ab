"""A farm that is up, in the hands of a program: a client of its REST API."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote

import httpx

from pilotfarm.api.endpoint import Endpoint, chosen, endpoint_of
from pilotfarm.api.farm_process import FarmProcess
from pilotfarm.emulators.errors import ConfigError, LinkError, Problem
from pilotfarm.emulators.wording import unknown

ANSWER_WITHIN_S: Final = 600.0
"""Wall time that one request may take, however many steps it asks for."""
PAGE: Final = 10_000
"""Devices asked for at a time."""
POLL_S: Final = 0.01

__tracebackhide__ = True  # pytest shows the line of the test

Names: TypeAlias = str | Sequence[str] | None
"""One name or glob, or several."""


class NotSeen(AssertionError):
    """What was waited for has not come."""

    def __init__(self, message: str, *, condition: str, seen: str, passed_s: float, time: datetime) -> None:
        super().__init__(message)
        self.condition = condition
        self.seen = seen
        """What decided it at the end, such as the last value."""
        self.passed_s = passed_s
        """Site time that was waited."""
        self.time = time
        """Site time at the end."""


class Fault:
    """A fault of a farm, which takes hold with a step and ends with one.

    As a ``with`` block it is in force inside, and gone after it: a paused site takes a step as the block begins, and
    one as it ends.
    """

    def __init__(self, farm: RunningFarm, answer: Mapping[str, Any]) -> None:
        self._farm = farm
        self.id: int = answer["id"]
        self.kind: str = answer["kind"]
        self.hit: list[str] = answer["hit"]
        """Devices it grips."""
        self.missed: list[str] = answer["missed"]
        """Devices it is aimed at that cannot have it."""

    @property
    def state(self) -> str:
        """``pending``, ``active`` or ``ended``."""
        return str(self._now()["state"])

    @property
    def bites(self) -> int:
        """How often it has changed what passes; 0 of a fault that does not act there."""
        return int(self._now()["bites"] or 0)

    def end(self) -> None:
        """End it, as of the next step; one that has ended stays so."""
        if self.state != "ended":
            self._farm._ask("DELETE", f"faults/{self.id}")

    def __enter__(self) -> Self:
        self._farm._pass_step()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(*(LinkError,) if kind else ()):  # what went wrong in the block goes before
            self.end()
            self._farm._pass_step()

    def __repr__(self) -> str:
        return f"<Fault {self.id}: {self.kind} on {', '.join(self.hit)}>"

    def _now(self) -> Any:
        return self._farm._ask("GET", f"faults/{self.id}")


class RunningFarm:
    """A farm that is up, of ``running`` or of `pilotfarm up`: at the URL that its ready line says.

    A device is named by its id, a quantity by its name in the catalogue. ``LinkError`` says that the farm is gone.
    """

    def __init__(self, url: str, *, token: str | None = None, process: FarmProcess | None = None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.url = url
        self.client: httpx.Client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/",
            headers=headers,
            timeout=ANSWER_WITHIN_S,
            trust_env=False,  # a proxy has no business between a test and its farm
            verify=url.startswith("https:"),
        )
        """For all else that REST has: `farm.client.get("site").json()`."""
        self._process = process

    def __repr__(self) -> str:
        return f"<RunningFarm {self.url}>"

    # ---------------------------------------------------------------------------------- what there is

    def devices(
        self, *, kind: str | None = None, group: str | None = None, feeder: str | None = None, device: str | None = None
    ) -> list[str]:
        """Ids in the order of the site file; ``device`` is a glob, and what is left out matches everything."""
        asked = {"kind": kind, "group": group, "feeder": feeder, "device": device}
        query = "".join(f"&{name}={quote(value)}" for name, value in asked.items() if value is not None)
        found: list[str] = []
        while True:
            page = self._ask("GET", f"devices?limit={PAGE}&offset={len(found)}{query}")
            found += [each["device"] for each in page]
            if len(page) < PAGE:
                return found

    @cached_property
    def endpoints(self) -> Sequence[Endpoint]:
        """Every way to every device."""
        return tuple(endpoint_of(row) for row in self._ask("GET", "endpoints"))

    def endpoint(self, device: str, protocol: str, *, map: str | None = None, station: str | None = None) -> Endpoint:
        """The one way to a device over a protocol.

        ``map`` and ``station`` choose where there are several; ``station`` "" is the device itself. ``ConfigError`` if
        there is none, or more than one.
        """
        return chosen(self.endpoints, device, protocol, map, station)

    def value(self, device: str, quantity: str | None = None) -> float:
        """What is true of a device as of the last step; NaN is a value that cannot be said.

        The quantity may stand with the device: ``value("meter-001.voltage_l1_v")``.
        """
        return _number(self._quantity(device, quantity)["value"])

    def reported(self, device: str, quantity: str | None = None) -> float:
        """What a device says, and so what its masters are told; it differs from ``value`` only under a fault."""
        return _number(self._quantity(device, quantity)["reported"])

    # ---------------------------------------------------------------------------- command, break, mend

    def setpoint(self, device: str, **values: float) -> dict[str, float]:
        """Tell a device set-points and commands, all of them or none, for the next step to take.

        Returns what it cannot follow in full at present, with what it will follow instead. ``ConfigError`` has every
        reason why it is refused.
        """
        if not values:
            raise TypeError("setpoint needs a value, such as active_power_setpoint_w=-1500")
        limited: dict[str, float] = self._of_device(
            "POST", device, "/setpoints", {name: float(each) for name, each in values.items()}
        )["limited"]
        return limited

    def inject(
        self,
        fault: str,
        /,
        *,
        device: Names = None,
        quantity: Names = None,
        kind: Names = None,
        group: Names = None,
        feeder: Names = None,
        branch: Names = None,
        phase: Names = None,
        station: Names = None,
        protocol: Names = None,
        map: Names = None,
        medium: Names = None,
        label: Names = None,
        exclude: Names = None,
        pick: int | str | None = None,
        mode: str | None = None,
        start: float | datetime | None = None,
        duration_s: float | None = None,
        count: int | None = None,
        ramp_s: float = 0.0,
        spread_s: float = 0.0,
        **parameters: Any,
    ) -> Fault:
        """Put a fault on devices, as of the next step.

        From ``device`` to ``pick`` is whom it is aimed at: what is left out matches everything. ``start`` is seconds
        of site time from now, or an instant. Any further name is a parameter of the fault, such as ``factor=1.1``.
        ``ConfigError`` has every reason why it is refused.
        """
        target = {
            "device": device,
            "quantity": quantity,
            "kind": kind,
            "group": group,
            "feeder": feeder,
            "branch": branch,
            "phase": phase,
            "station": station,
            "protocol": protocol,
            "map": map,
            "medium": medium,
            "label": label,
            "exclude": exclude,
            "pick": pick,
        }
        asked = {
            "kind": fault,
            "target": {key: _listed(each) for key, each in target.items() if each is not None},
            "mode": mode,
            "parameters": parameters,
            "start": start.isoformat() if isinstance(start, datetime) else start,
            "duration_s": duration_s,
            "count": count,
            "ramp_s": ramp_s,
            "spread_s": spread_s,
        }
        return Fault(self, self._ask("POST", "faults", asked))

    @property
    def faults(self) -> list[Fault]:
        """Those that wait or are in force, oldest first."""
        states = ("pending", "active")
        found = [each for state in states for each in self._ask("GET", f"faults?state={state}&limit=1000")]
        return [Fault(self, each) for each in sorted(found, key=lambda each: int(each["id"]))]

    # --------------------------------------------------------------------------------------------- time

    @property
    def time(self) -> datetime:
        """Site time."""
        return datetime.fromisoformat(self._ask("GET", "clock")["time"])

    def step(self, steps: int | None = None, *, seconds: float | None = None) -> datetime:
        """Move a paused site by one step, by several, or by seconds of site time; return the site time after it."""
        if steps is not None and seconds is not None:
            raise TypeError("step takes steps or seconds, not both")
        number = 1 if steps is None else steps
        if seconds is not None:
            step_s = self._ask("GET", "clock")["step_s"]
            number = round(seconds / step_s)
            if not math.isclose(number * step_s, seconds, rel_tol=1e-9):
                raise _refused("seconds", f"{seconds:g} s are no whole number of steps of {step_s:g} s")
        return datetime.fromisoformat(self._ask("POST", "clock/step", {"steps": number})["time"])

    def until(self, condition: str, *, within_s: float | None = None) -> float:
        """Let site time pass until a condition holds, in the words of scenarios; return the seconds that passed.

        It is looked at now and after each step; a paused site takes steps for it. What it says neither true nor
        reported of is true. ``within_s``, or ``within`` in its text, is how soon it has to begin to hold.

        ``NotSeen`` if it has not come by then, ``ConfigError`` if it cannot be read or can never hold.
        """
        answer = self._ask("POST", "clock/until", {"condition": condition, "within_s": within_s})
        passed_s, time = float(answer["passed_s"]), datetime.fromisoformat(answer["time"])
        if answer["held"]:
            return passed_s
        raise NotSeen(
            f"not seen: {answer['condition']}; {answer['seen']} after {passed_s:g} s of site time, at {time}",
            condition=answer["condition"],
            seen=answer["seen"],
            passed_s=passed_s,
            time=time,
        )

    # -------------------------------------------------------------------------------------- the process

    @property
    def log(self) -> str:
        """What the farm has said on standard error: its warnings, and why it died; of one that ``running`` began."""
        return "" if self._process is None else self._process.said()

    def close(self) -> None:
        """Close the connection to the farm, which goes on."""
        self.client.close()

    # ---------------------------------------------------------------------------------------- asking it

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = self.client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise self._gone(error) from None
        if answer.is_success:
            return answer.json()
        raise ConfigError([Problem("farm", 0, each["where"], each["message"]) for each in answer.json()["problems"]])

    def _gone(self, error: httpx.TransportError) -> LinkError:
        if self._process is not None:
            return self._process.trouble()
        return LinkError(f"no farm answers at {self.url}: {error}")

    def _of_device(self, method: str, device: str, path: str = "", body: Any = None) -> Any:
        try:
            return self._ask(method, f"devices/{quote(device, safe='')}{path}", body)
        except ConfigError:
            known = self.devices()
            if device in known:
                raise
            raise _refused("device", unknown(device, known)) from None

    def _quantity(self, device: str, quantity: str | None) -> Any:
        if quantity is None:
            device, dot, quantity = device.rpartition(".")
            if not dot:
                raise _refused("device", f"say a quantity, too: value({quantity!r}, ...) or '{quantity}.soc_frac'")
        found = self._of_device("GET", device)["quantities"]
        if quantity not in found:
            raise _refused(device, unknown(quantity, found))
        return found[quantity]

    def _pass_step(self) -> None:
        """See to it that a step has been taken since now."""
        clock = self._ask("GET", "clock")
        if clock["paused"]:
            self.step()
            return
        while self._ask("GET", "clock")["time"] == clock["time"]:
            time.sleep(POLL_S)


def _listed(names: Any) -> Any:
    return names if isinstance(names, str | int) else list(names)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _refused(where: str, message: str) -> ConfigError:
    return ConfigError([Problem("farm", 0, where, message)])
