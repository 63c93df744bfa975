"""Where an archive lies: the folder of its ``zdda.toml``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from zdda.model.errors import ZddaError

Folder = Annotated[Path, typer.Option(envvar="ARCHIVE_FOLDER", help="The folder of zdda.toml.")]
HERE = Path()
COULD_NOT = 3


@contextmanager
def saying_why() -> Iterator[None]:
    """Turns an error of the archive into one line on standard error and exit status 3."""
    try:
        yield
    except ZddaError as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(COULD_NOT) from error
