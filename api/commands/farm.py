"""What commands share that speak to a running farm: its options, and one request to its REST API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import typer

if TYPE_CHECKING:
    import httpx

URL: Final = "http://127.0.0.1:8080"
TIMEOUT_S: Final = 30.0

Api = Annotated[
    str, typer.Option("--api", metavar="URL", envvar="PILOTFARM_API", help="Where the farm's REST API answers.")
]
Token = Annotated[str | None, typer.Option("--token", envvar="PILOTFARM_TOKEN", help="The API's token, if it has one.")]


def asked(api: str, token: str | None, method: str, path: str, body: Any = None) -> Any:
    """Send one request to a farm and return what its answer says."""
    with Farm(api, token) as farm:
        return farm.send(method, path, json=body).json()


class Farm:
    """A running farm, asked over REST; ``option`` is what its URL was given with."""

    def __init__(self, api: str, token: str | None, option: str = "--api") -> None:
        import httpx

        from pilotfarm.loadtests.hosts import check_token

        check_token(token, "PILOTFARM_TOKEN")
        self._api = api
        self._option = option
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # A proxy of the environment has no business between this machine and its farm; to load what certificates are
        # looked up in takes longer than a request.
        secure = api.lower().startswith("https:")
        self._client = httpx.Client(trust_env=False, timeout=TIMEOUT_S, headers=headers, verify=secure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, method: str, path: str, file: str = "farm", **more: Any) -> httpx.Response:
        """Send one request and return its answer, which has JSON; ``file`` is what was sent, for its problems.

        A refusal becomes a ``ConfigError`` that has every problem, and no answer of a farm a ``LinkError``.
        """
        with self._spoken():
            answer = self._client.request(method, self._url(path), **more)
        self._check(answer, file)
        return answer

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """Ask for an answer that goes on; refused as ``send`` is."""
        import httpx

        timeout = httpx.Timeout(TIMEOUT_S, read=None)
        request = self._client.build_request("GET", self._url(path), params=params, timeout=timeout)
        with self._spoken():
            answer = self._client.send(request, stream=True)
        try:
            if not answer.is_success:
                answer.read()
                self._check(answer, "farm")
            yield answer
        finally:
            answer.close()

    def _url(self, path: str) -> str:
        return f"{self._api.rstrip('/')}/api/v1{path}"

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Make errors of the connection into what a user can mend."""
        import httpx

        from pilotfarm.emulators.errors import ConfigError, LinkError, Problem

        api, option = self._api, self._option
        try:
            yield
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigError([Problem(option, 0, "", f"{api} is no URL such as {URL}: {error}")]) from None
        except httpx.TransportError as error:
            message = f"no farm answers at {api} ({error}); bring one up with `pilotfarm up SITE`, or say {option} URL"
            raise LinkError(message) from None

    def _check(self, answer: httpx.Response, file: str) -> None:
        """Raise what a farm refuses, or that it is none."""
        from pilotfarm.emulators.errors import ConfigError, LinkError, Problem

        asked = f"what answers at {self._api} is no farm: {answer.request.method} {answer.request.url} gave"
        try:
            found = answer.json()
        except ValueError:
            raise LinkError(f"{asked} no JSON") from None
        if answer.is_success:
            return
        listed = found.get("problems") if isinstance(found, Mapping) else None
        if not listed:
            raise LinkError(f"{asked} {answer.status_code}")
        raise ConfigError([Problem(file, each.get("line", 0), each["where"], each["message"]) for each in listed])
