"""The page to try an API on: Swagger UI, its files served from here, so that it needs no internet."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_KEPT: Final = {"Cache-Control": "max-age=3600"}


def add_docs(app: FastAPI, path: str) -> list[str]:
    """Serve the page at ``path``, beside the schema, and return every path that it needs.

    The page refers to all else from where it stands, so that it may lie behind a proxy's prefix.
    """
    assert app.openapi_url is not None
    folder, _, name = path.rpartition("/")
    assert app.openapi_url.rpartition("/")[0] == folder, "the schema lies beside the page"
    page = _page(app.title, name, app.openapi_url.rpartition("/")[2])

    @app.get(path, include_in_schema=False)
    async def read_docs() -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": _policy(page)})

    for file in _FILES:
        _add_file(app, f"{path}/{file}", file)
    return [path, app.openapi_url, *(f"{path}/{file}" for file in _FILES)]


def _add_file(app: FastAPI, path: str, file: str) -> None:
    @app.get(path, include_in_schema=False)
    async def read_file() -> Response:
        content = (files("fastapi_offline") / "static" / file).read_bytes()
        return Response(content, media_type=_FILES[file], headers=_KEPT)


def _page(title: str, base: str, schema: str) -> str:
    answer = get_swagger_ui_html(
        openapi_url=schema,
        title=title,
        swagger_js_url=f"{base}/swagger-ui-bundle.js",
        swagger_css_url=f"{base}/swagger-ui.css",
        swagger_favicon_url=f"{base}/favicon.png",
        # Swagger UI would have validator.swagger.io look at the schema.
        swagger_ui_parameters={"validatorUrl": None},
    )
    return bytes(answer.body).decode()


def _policy(page: str) -> str:
    """Return what the page may do: nothing but run its own scripts, and ask where it came from."""
    hashes = [b64encode(sha256(each.encode()).digest()).decode() for each in _inline_scripts(page)]
    own = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src 'self' {own}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _inline_scripts(page: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
