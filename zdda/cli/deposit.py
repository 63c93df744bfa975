"""``zdda deposit``: a REST client."""

from __future__ import annotations

import json as json_module
import mimetypes
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from zdda.cli.connection import FAILURES, CaFile, Password, Url, User, connect, fail, print_json
from zdda.client import Document


def deposit(
    files: Annotated[list[Path], typer.Argument(help="The main documents.")],
    url: Url,
    user: User,
    password: Password,
    metadata: Annotated[Path | None, typer.Option(help="The deposit's metadata, a JSON file.")] = None,
    title: Annotated[str | None, typer.Option(help="Instead of a metadata file.")] = None,
    document_type: Annotated[str, typer.Option(help="With --title.")] = "document",
    retention_class: Annotated[str | None, typer.Option(help="With --title.")] = None,
    attachment: Annotated[list[Path] | None, typer.Option(help="May be given several times.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Send again under the same key after a failure.")] = None,
    cacert: CaFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Deposit documents and print the receipt.

    Exit status: 0 archived, 1 refused (the problem is printed), 2 wrong command line, 3 archive not reached,
    5 received but not archived yet.
    """
    described = _metadata(metadata, title, document_type, retention_class)
    key = idempotency_key or str(uuid.uuid4())
    documents = [_document(path, "document") for path in files]
    documents += [_document(path, "attachment") for path in attachment or ()]
    try:
        with connect(url, user, password, cacert) as client:
            answer = client.deposit(described, documents, key)
    except FAILURES as error:
        typer.echo(f"idempotency key: {key}", err=True)
        fail(error)
    if json:
        print_json(answer)
    else:
        typer.echo(f"{answer['state']}  package {answer['packageId']}  verdict {answer.get('verdict', '-')}")
    raise typer.Exit(0 if answer["state"] == "archived" else 5)


def _metadata(file: Path | None, title: str | None, kind: str, retention_class: str | None) -> dict[str, Any]:
    if file is not None and title is None:
        value: dict[str, Any] = json_module.loads(file.read_text(encoding="utf-8"))
        return value
    if title is None or retention_class is None or file is not None:
        raise typer.BadParameter("give --metadata, or --title with --retention-class")
    return {"title": title, "documentType": kind, "retentionClass": retention_class}


def _document(path: Path, role: str) -> Document:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Document(path, path.name, kind, role)
