"""How the REST clients among the verbs find their archive."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer

from zdda.client import ArchiveClient, ArchiveRefused, ReceivedDamaged

Url = Annotated[str, typer.Option(envvar="ARCHIVE_URL", help="https://HOST:PORT of the archive.")]
User = Annotated[str, typer.Option(envvar="ARCHIVE_USER", help="The account's name.")]
Password = Annotated[
    str, typer.Option(envvar="ARCHIVE_PASSWORD", prompt=True, hide_input=True, help="Better given by the environment.")
]
CaFile = Annotated[Path | None, typer.Option(help="Certificates (PEM) to trust instead of the system's.")]

REFUSED, UNREACHABLE, DAMAGED = 1, 3, 4
"""Exit statuses of ``deposit`` and ``fetch`` (2 is a wrong command line)."""


def connect(url: str, user: str, password: str, cacert: Path | None) -> ArchiveClient:
    """The SDK's client."""
    return ArchiveClient(url, user, password, certificates=cacert)


def fail(error: Exception) -> NoReturn:
    """Says what went wrong on standard error and ends with its exit status."""
    if isinstance(error, ArchiveRefused):
        typer.echo(json_module.dumps(error.problem, indent=2, ensure_ascii=False), err=True)
        raise typer.Exit(REFUSED) from error
    typer.echo(str(error) or type(error).__name__, err=True)
    raise typer.Exit(DAMAGED if isinstance(error, ReceivedDamaged) else UNREACHABLE) from error


FAILURES = (ArchiveRefused, ReceivedDamaged, httpx.HTTPError)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json_module.dumps(value, indent=2, ensure_ascii=False))
