"""``zdda purge``: clears what databases keep of what was destroyed."""

from __future__ import annotations

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.settings import load


def purge(folder: Folder = HERE) -> None:
    """Rewrite the databases of the catalog, of stores and of object records so that nothing of deleted rows is left in
    free pages, dead rows or their logs, and say what they cannot promise. The archive must not be running.

    Exit status: 0 purged, 3 it could not be, or not whole.
    """
    from zdda.app_stopped import purged

    with saying_why():
        found = purged(load(folder / "zdda.toml"), folder)
    for each in found.done:
        typer.echo(f"cleared: {each}")
    for each in found.left:
        typer.echo(f"not promised: {each}")
