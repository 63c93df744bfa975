"""``zdda purge``: clears what the database keeps of what was destroyed."""

from __future__ import annotations

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.settings import load


def purge(folder: Folder = HERE) -> None:
    """Rewrite the catalog's database so that nothing of deleted rows is left in free pages, dead rows or its log, and
    say what it cannot promise. The archive must not be running.

    Exit status: 0 purged, 3 it could not be, or not whole.
    """
    from zdda.app_stopped import purged

    with saying_why():
        found = purged(load(folder / "zdda.toml"), folder)
    for each in found.done:
        typer.echo(f"cleared: {each}")
    for each in found.left:
        typer.echo(f"not promised: {each}")
