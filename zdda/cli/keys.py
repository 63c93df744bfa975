"""``zdda keys rotate``: another key-encryption key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.model.clock import SystemClock, system_entropy
from zdda.settings import load

keys = typer.Typer(no_args_is_help=True, help="The archive's keys.")


@keys.callback()
def of_the_archive() -> None:
    """The archive's keys."""


@keys.command()
def rotate(
    before: Annotated[Path, typer.Option(help="The settings of before: a zdda.toml that names the old key.")],
    folder: Folder = HERE,
) -> None:
    """Wrap the generation keys by the key-encryption key that the settings name now; made where there is none.

    The archive must not be running. Exit status: 0 wrapped, or so already; 3 nothing was changed.
    """
    from zdda.key_keepers import rotate_key_encryption_key

    with saying_why():
        now, then = load(folder / "zdda.toml"), load(before)
        wrapped = rotate_key_encryption_key(then.keys, now.keys, folder, system_entropy, SystemClock())
    if wrapped:
        typer.echo(
            f"{wrapped} keys are wrapped by the new key. Destroy the old one, and old copies of the generations."
        )
    else:
        typer.echo("The keys are wrapped by the new key already.")
