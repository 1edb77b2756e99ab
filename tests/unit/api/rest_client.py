"""The API of a real pilot, spoken to over ASGI: no socket, no waiting."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from pilotfarm.emulators.serving.pilot import Pilot


@dataclass
class Rest:
    """The API of a pilot that nobody paces: its farm steps when a test says so."""

    pilot: Pilot
    app: FastAPI

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._send(method, path, more))

    async def _send(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        wire = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        url = path if path.startswith(("/", "http:")) else f"/api/v1/{path}"
        async with httpx.AsyncClient(transport=wire, base_url="http://localhost") as client:
            return await client.request(method, url, **more)

    def get(self, path: str, **more: Any) -> Any:
        answer = self("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def problems(self, status: int, method: str, path: str, **more: Any) -> dict[str, str]:
        """Send what must be refused and return its problems; the answer must be a problem document."""
        answer = self(method, path, **more)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert set(document) == {"type", "title", "status", "detail", "instance", "problems"}
        assert document["status"] == status
        assert document["problems"]
        return {each["where"]: each["message"] for each in document["problems"]}
