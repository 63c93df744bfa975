"""``zdda config show``: every setting with its value, secrets masked."""

from __future__ import annotations

import json as json_module

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.settings import as_text, load

config = typer.Typer(no_args_is_help=True, help="The settings.")


@config.callback()
def settings() -> None:
    """The settings."""


@config.command()
def show(folder: Folder = HERE) -> None:
    """Print every setting as JSON, defaults included, secrets masked."""
    with saying_why():
        typer.echo(json_module.dumps(as_text(load(folder / "zdda.toml")), indent=2))
