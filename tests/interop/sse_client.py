"""httpx-sse or sseclient-py in a process of its own: read some events from where a reader was; answer in JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx


def main(packages: str, client: str, url: str, query: dict[str, str], last_id: str, count: int) -> None:
    sys.path.append(packages)
    headers = {"Last-Event-ID": last_id, "Accept": "text/event-stream"}
    found = []
    with httpx.Client(timeout=60.0, trust_env=False) as http:
        for event in {"httpx-sse": by_httpx_sse, "sseclient-py": by_sseclient}[client](http, url, query, headers):
            found.append(event)
            if len(found) == count:
                break
    print(json.dumps(found))


def by_httpx_sse(http: httpx.Client, url: str, query: Any, headers: Any) -> Iterator[tuple[str, str, Any]]:
    from httpx_sse import connect_sse

    with connect_sse(http, "GET", url, params=query, headers=headers) as source:
        for event in source.iter_sse():
            yield event.id, event.event, event.json()


def by_sseclient(http: httpx.Client, url: str, query: Any, headers: Any) -> Iterator[tuple[str | None, str, Any]]:
    from sseclient import SSEClient

    with http.stream("GET", url, params=query, headers=headers) as answer:
        for event in SSEClient(answer.iter_bytes()).events():
            yield event.id, event.event, json.loads(event.data)


main(**json.loads(sys.argv[1]))
