"""The command that runs the reference SESP."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(sesp)


def sesp(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; off loopback it needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port to listen on; 0 takes a free one.")
    ] = 8090,
    database: Annotated[
        str,
        typer.Option(
            "--database",
            metavar="PATH|URL",
            help="File of an SQLite database, or an SQLAlchemy URL; `sqlite://` keeps everything in memory.",
        ),
    ] = "sesp.sqlite",
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="PILOTFARM_SESP_TOKEN", help="What senders and readers must show; needed off loopback."
        ),
    ] = None,
) -> None:
    """Run a small reference SESP: it takes readings over HTTP and stores each once, until Ctrl-C.

    Example: `pilotfarm sesp --port 8090 --database readings.sqlite`
    """
    from pilotfarm.emulators.errors import StateError
    from pilotfarm.loadtests.sesp.server import serve
    from pilotfarm.loadtests.sesp.store import check
    from pilotfarm.loadtests.web.gate import require_token

    require_token(host, token, "--host", "PILOTFARM_SESP_TOKEN")
    check(database)
    try:
        serve(database, host, port, lambda url: typer.echo(f"ready {url}"), token)
    except OSError as error:
        raise StateError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from error
