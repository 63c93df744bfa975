"""``zdda catalog rebuild``: a lost catalog from the stores and the keys."""

from __future__ import annotations

import typer
from rich.console import Console

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.fsck import progress, reading
from zdda.settings import load

catalog = typer.Typer(no_args_is_help=True, help="The catalog.")


@catalog.callback()
def of_the_catalog() -> None:
    """The catalog."""


@catalog.command()
def rebuild(folder: Folder = HERE) -> None:
    """Fill an empty database from the stores and the keys; the archive must not be running.

    Exit status: 0 everything restored, 1 something could not be read (the rest is restored), 3 could not rebuild.
    """
    from zdda.app_stopped import rebuild_catalog

    console = Console(highlight=False)
    with saying_why(), reading(), progress("objects") as bar:
        report = rebuild_catalog(load(folder / "zdda.toml"), folder, bar)
    for problem in report.problems:
        of = f"{problem.name.kind} {problem.name.package}"
        console.print(f"{problem.code}: {of}: {problem.message}", markup=False, soft_wrap=True)
    console.print(
        f"restored: {report.packages} packages, {report.waiting} waiting for evidence, {report.batches} batches, "
        f"{report.amendments} amendments, {report.objects} objects"
    )
    console.print("Accounts are not in the stores: make them with zdda init.")
    raise typer.Exit(1 if report.problems else 0)
