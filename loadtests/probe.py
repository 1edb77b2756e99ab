"""What a SESP must offer for a load test, tried before the test and not found missing after it.

One reading is sent, read back, and sought in the run to come, where it must not be. It stands in a run of its own,
``RUN-probe``, so no balance counts it; a device of the site has sent it, for a SESP may know no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import httpx

from pilotfarm.emulators.clock import WallClock
from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.journal import is_acknowledged
from pilotfarm.loadtests.plan import READINGS_PATH, TOKEN_ENVIRONMENT, Plan
from pilotfarm.loadtests.reconcile import SEQUENCES_PATH, asking, fetch_stored

TIMEOUT_S: Final = 5.0
SAID_MAX: Final = 200
"""Maximum length of a SESP's own words in a message."""
SEQUENCE: Final = 1


@dataclass(frozen=True, slots=True)
class Prober:
    """The device that the probe's reading is of."""

    device_id: str
    kind: str


def probe(plan: Plan, prober: Prober, token: str | None = None) -> None:
    """Check that a SESP offers what the test needs; ``StateError`` names everything that is missing or wrong."""
    try:
        with asking(plan.url, token, TIMEOUT_S) as client:
            missing = _missing(client, plan, prober)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        where = error.request.url if isinstance(error, httpx.RequestError) else plan.url
        raise StateError(
            f"no SESP answers at {where}: {_words(error)}; start one with `pilotfarm sesp`, or correct --url"
        ) from error
    if missing:
        lines = "\n".join(f"  {line}" for line in missing)
        raise StateError(f"{plan.url} does not offer what a load test needs, so none was made:\n{lines}")


def _missing(client: httpx.Client, plan: Plan, prober: Prober) -> list[str]:
    run = f"{plan.run}-probe"
    healthy = client.get("/healthz")
    posted = client.post(READINGS_PATH, json=_reading(run, prober))
    found = [_refusal(answer) for answer in (healthy, posted) if not is_acknowledged(answer.status_code)]
    for asked in (run, plan.run):
        try:
            stored = fetch_stored(client, asked)
        except httpx.HTTPStatusError as error:
            found.append(_refusal(error.response))
            break  # the other run has the same path
        except ValueError as error:
            found.append(f"GET {SEQUENCES_PATH}: {error}")
            break
        numbers = {name: device.sequences for name, device in stored.items()}
        if asked == plan.run and numbers:
            found.append(f"GET {SEQUENCES_PATH}: tells of readings in a run that has not begun")
        if asked == run and is_acknowledged(posted.status_code) and numbers != {prober.device_id: {SEQUENCE}}:
            found.append(f"GET {SEQUENCES_PATH}: does not tell of the reading that POST {READINGS_PATH} acknowledged")
    return list(dict.fromkeys(found))


def _reading(run: str, prober: Prober) -> dict[str, object]:
    now = datetime.fromtimestamp(WallClock().now_s(), UTC).isoformat()
    return {
        "device_id": prober.device_id,
        "kind": prober.kind,
        "run": run,
        "sequence": SEQUENCE,
        "timestamp": now,
        "sent_at": now,
        "values": {"active_power_w": 0.0},
        "quality": {},
    }


def _refusal(answer: httpx.Response) -> str:
    """Say what an answer that is not 2xx means for a load test."""
    status = answer.status_code
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        if "authorization" in answer.request.headers:
            return f"{status}: it refuses the token"
        return f"{status}: it asks for a token; say --token or set {TOKEN_ENVIRONMENT}"
    what = f"{answer.request.method} {answer.request.url.path}: {status}"
    if answer.has_redirect_location:
        return f"{what} sends to {answer.headers['location']}, which a load test does not follow; correct --url"
    return " ".join(f"{what} {answer.reason_phrase} {_detail(answer)}".split())


def _detail(answer: httpx.Response) -> str:
    """Return the SESP's own words, if it says any in a problem document (RFC 9457)."""
    try:
        document = answer.json()
    except ValueError:
        return f"({answer.headers.get('content-type', 'no content type')})"
    said = document.get("detail") if isinstance(document, dict) else None
    return f"({said:.{SAID_MAX}})" if isinstance(said, str) else ""


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
