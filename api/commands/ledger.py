"""``pilotfarm ledger``: whether two runs are the same, and where they part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ledgers = typer.Typer(
    no_args_is_help=True,
    help="Look at what ledgers hold.\n\nExample: `pilotfarm ledger same run1 run2`",
)

Ledger = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a ledger.", show_default=False)]


def register(app: typer.Typer) -> None:
    app.add_typer(ledgers, name="ledger")


@ledgers.callback()
def ledger() -> None:
    """Keep `same` a command of its own while it is the only one."""


@ledgers.command()
def same(
    first: Ledger,
    second: Ledger,
    run: Annotated[
        int | None, typer.Option("--run", metavar="N", min=1, help="Run of the first; the last if left out.")
    ] = None,
    second_run: Annotated[
        int | None, typer.Option("--second-run", metavar="N", min=1, help="Run of the second; the last if left out.")
    ] = None,
) -> None:
    """Tell whether two runs are the same but for what is of the wall clock, or where they part first.

    Exits with 0 if they are, else with 1, and with 2 if there is nothing to compare.

    Example: `pilotfarm ledger same run1 run2`
    """
    from pilotfarm.emulators.record.comparison import COMPARED, parting, reasons, run_of

    one, other = run_of(first, run), run_of(second, second_run)
    told = parting(one, other)
    if told:
        for reason in reasons(one, other):
            typer.echo(reason)
        typer.echo(told)
        raise typer.Exit(1)
    rows = ", ".join(f"{one.rows(table):,} rows of {table}" for table in COMPARED if one.files(table))
    typer.echo(f"the same: {rows or 'no rows'}")
