"""A SESP by another hand: the standard library's HTTP server over a dictionary, after what the documentation asks for.

It shares no code with the reference. ``broken`` names what it does otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Stranger(ThreadingHTTPServer):
    """A small SESP. ``mute_after`` is how many readings it takes before it no longer says what it stored."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, broken: str, token: str | None, mute_after: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.broken = broken
        self.token = token
        self.mute_after = mute_after
        self.lock = Lock()
        self.runs: dict[str, dict[str, dict[int, Any]]] = {}
        self.taken = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def store(self, reading: dict[str, Any]) -> None:
        with self.lock:
            self.taken += 1
            forgets = self.broken == "forgets" and self.taken % 10 == 0
            if self.broken != "stores nothing" and not forgets:
                run = "" if self.broken == "knows no runs" else reading["run"]
                numbers = self.runs.setdefault(run, {}).setdefault(reading["device_id"], {})
                numbers.setdefault(reading["sequence"], reading["values"])

    def page(self, run: str, after: str, limit: int) -> dict[str, Any]:
        with self.lock:
            devices = self.runs.get("" if self.broken == "knows no runs" else run, {})
            names = sorted(name for name in devices if name > after)[:limit]
            listed = [{"device_id": name, "stored": [[n, n] for n in sorted(devices[name])]} for name in names]
        return {"devices": listed, "next": names[-1] if len(names) == limit else None}


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stranger

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        sequences = re.fullmatch("/api/v1/runs/([^/]+)/sequences", parts.path)
        if parts.path == "/healthz" and self.server.broken != "no health":
            self._say(200, "fine", "text/plain")
        elif not sequences:
            self._say(404, "<h1>Not here</h1>", "text/html")
        elif self.server.broken == "no sequences":
            self._say(404, json.dumps({"detail": "no such route"}), "application/problem+json")
        elif self._is_let_in():
            self._say_sequences(sequences[1], parse_qs(parts.query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/v1/readings" or self.server.broken == "no ingest":
            self._say(405, "", "text/plain")
        elif self.server.broken == "moved":
            self._say(308, "", "text/plain", {"Location": f"https://127.0.0.1{self.path}"})
        elif self._is_let_in():
            found = json.loads(body)
            for reading in found if isinstance(found, list) else [found]:
                self.server.store(reading)
            self._say(204, "", "text/plain")

    def _say_sequences(self, run: str, query: dict[str, list[str]]) -> None:
        server = self.server
        page = server.page(run, query.get("after", [""])[0], int(query["limit"][0]))
        strange = {
            "html": "<html>Welcome</html>",
            "list": "[]",
            "no next": json.dumps({"devices": page["devices"]}),
            "for ever": json.dumps({"devices": [{"device_id": "a", "stored": [[1, 1]]}], "next": "a"}),
            "next of nothing": json.dumps({"devices": [], "next": "a"}),
            "huge": json.dumps({"devices": [{"device_id": "a", "stored": [[1, 10**15]]}], "next": None}),
            "backwards": json.dumps({"devices": [{"device_id": "a", "stored": [[2, 1]]}], "next": None}),
            "words": json.dumps({"devices": [{"device_id": "a", "stored": "all"}], "next": None}),
        }
        if server.mute_after is not None and server.taken > server.mute_after:
            self._say(500, "out of order", "text/plain")
        else:
            kind = "text/html" if server.broken == "html" else "application/json"
            self._say(200, strange.get(server.broken, json.dumps(page)), kind)

    def _is_let_in(self) -> bool:
        token = self.server.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return True
        self._say(401, "", "text/plain", {"WWW-Authenticate": "Bearer"})
        return False

    def _say(self, status: int, text: str, kind: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def stranger(broken: str = "", token: str | None = None, mute_after: int | None = None) -> Iterator[Stranger]:
    """Serve a SESP by another hand."""
    with Stranger(broken, token, mute_after) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
