"""The command that runs the reference SESP."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(sesp)


def sesp(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; it asks nobody for a token.")
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
) -> None:
    """Run a small reference SESP: it takes readings over HTTP and stores each once, until Ctrl-C.

    Example: `pilotfarm sesp --port 8090 --database readings.sqlite`
    """
    from pilotfarm.emulators.errors import StateError
    from pilotfarm.loadtests.sesp.server import serve
    from pilotfarm.loadtests.sesp.store import check

    check(database)
    try:
        serve(database, host, port, lambda url: typer.echo(f"ready {url}"))
    except OSError as error:
        raise StateError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from error
