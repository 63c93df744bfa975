"""``zdda store``: what lies under the archive, and whether it keeps what it locks."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.model.clock import SystemClock, system_entropy
from zdda.settings import load
from zdda.storage.site import MAIN

store = typer.Typer(no_args_is_help=True, help="What lies under the archive.")


@store.callback()
def _stores() -> None:
    """What lies under the archive."""


@store.command()
def canary(
    name: Annotated[str, typer.Argument(help="The site; where the settings name none, main.")] = MAIN,
    folder: Folder = HERE,
    json: Annotated[bool, typer.Option("--json", help="Print each trial as JSON, one a line.")] = False,
) -> None:
    """Try to destroy probes that the store has locked; docs/operations/store-canary.md says what is tried.

    Exit status: 0 the store held, 1 it gave way or was not tried enough, 3 it could not be tried. The archive may run.
    """
    from zdda.blob_stores import fly_canary

    with saying_why():
        settings = load(folder / "zdda.toml")
        trials = fly_canary(settings, folder, SystemClock(), system_entropy, name)
    from zdda.storage.canary import guaranteed

    for each in trials:
        if json:
            typer.echo(json_module.dumps({"trial": each.name, "outcome": each.outcome, "detail": each.detail}))
        else:
            typer.echo(f"{each.name}: {each.outcome}" + (f" ({each.detail})" if each.detail else ""))
    if not guaranteed(trials):
        typer.echo("the store is not guaranteed", err=True)
        raise typer.Exit(1)
