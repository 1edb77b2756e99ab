"""The command line: ``pilotfarm``. Each module of commands is one line in ``COMMANDS``.

A command's module imports typer alone at its top and the rest inside its functions, so that
``pilotfarm --help`` answers at once.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final = (
    "pilotfarm.api.commands.sites",
    "pilotfarm.api.commands.lists",
    "pilotfarm.api.commands.sesp",
    "pilotfarm.api.commands.loadtest",
    "pilotfarm.api.commands.up",
    "pilotfarm.api.commands.fault",
    "pilotfarm.api.commands.scenario",
    "pilotfarm.api.commands.capture",
    "pilotfarm.api.commands.simulate",
    "pilotfarm.api.commands.ledger",
    "pilotfarm.api.commands.bench",
)
"""Modules with a function ``register(app)`` that adds their commands."""


class _Group(TyperGroup):
    """Turns errors into lines on stderr: exit code 2 for what a user can mend, 1 for a run that failed."""

    def invoke(self, ctx: Any) -> Any:
        from pilotfarm.emulators.errors import ConfigError, PilotfarmError, RunError

        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _plain(error)
            raise
        except ConfigError as error:
            for problem in error.problems:
                typer.echo(str(problem), err=True)
            count = len(error.problems)
            typer.echo(f"error: {count} problem{'s' if count != 1 else ''}", err=True)
        except RunError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except PilotfarmError as error:
            typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2)


def _plain(error: typer.BadParameter) -> str:
    """Return what is wrong with an option in plain words, where pydantic found it."""
    errors = getattr(error.__cause__, "errors", None)
    if errors is None:
        return error.message
    from pilotfarm.emulators.words import wrong

    return "; ".join(wrong(each) for each in errors())


app = typer.Typer(
    name="pilotfarm",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pilotfarm {version('pilotfarm')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Virtual smart-grid pilots: device twins behind real Modbus TCP, IEC 60870-5-104 and DNP3.

    A SITE is the name of a built-in site (`pilotfarm sites` lists them) or the path of a site file. Once
    `pilotfarm --install-completion` has been run and a new shell begun, Tab completes sites, kinds and options.

    Example: `pilotfarm up tiny`
    """


for _module in COMMANDS:
    import_module(_module).register(app)


def main() -> None:
    """Run the command line; a terminal that lacks a character is shown a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
