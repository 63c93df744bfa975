"""``zdda fetch``: a REST client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from zdda.cli.connection import FAILURES, CaFile, Password, Url, User, connect, fail, print_json
from zdda.client import ArchiveClient


def fetch(
    package: Annotated[str, typer.Argument(help="The package's identifier.")],
    url: Url,
    user: User,
    password: Password,
    document: Annotated[int | None, typer.Option(help="The document of this number.")] = None,
    aip: Annotated[
        bool, typer.Option("--aip", help="The sealed container, with its evidence record beside it.")
    ] = False,
    evidence_record: Annotated[bool, typer.Option("--evidence-record", help="The evidence record alone.")] = False,
    amendments: Annotated[
        bool, typer.Option("--amendments", help="What happened to it after its sealing, listed.")
    ] = False,
    amendment: Annotated[int | None, typer.Option(help="The amendment of this number, sealed.")] = None,
    report: Annotated[bool, typer.Option("--report", help="The validation reports, as JSON.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; never overwritten.")] = None,
    cacert: CaFile = None,
) -> None:
    """Fetch a package's description, or a part of it into a file.

    Exit status: 0 fetched, 1 refused, 2 wrong command line, 3 archive not reached, 4 damaged on the way.
    """
    try:
        with connect(url, user, password, cacert) as client:
            if report:
                print_json(client.validation_report(package))
            elif amendments:
                print_json(client.amendments(package))
            elif amendment is not None:
                _write(output or Path(f"{package}.{amendment}.p7m"), client.amendment(package, amendment))
            elif document is not None:
                _into(
                    output or Path(f"{package}-{document}"), lambda sink: client.fetch_document(package, document, sink)
                )
            elif aip:
                _container(client, package, output or Path(f"{package}.asice"))
            elif evidence_record:
                _write(output or Path(f"{package}.asice.ers"), client.evidence_record(package))
            else:
                print_json(client.package(package))
    except FAILURES as error:
        fail(error)


def _container(client: ArchiveClient, package: str, output: Path) -> None:
    _into(output, lambda sink: client.fetch_aip(package, sink))
    _write(output.with_name(output.name + ".ers"), client.evidence_record(package))


def _into(output: Path, download: Callable[[BinaryIO], object]) -> None:
    """Downloads beside the target and names it once it is whole."""
    partial = output.with_name(output.name + ".part")
    try:
        with partial.open("xb") as sink:
            download(sink)
        _name(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def _write(output: Path, data: bytes) -> None:
    _into(output, lambda sink: sink.write(data))


def _name(partial: Path, output: Path) -> None:
    try:
        output.hardlink_to(partial)
    except FileExistsError as error:
        raise typer.BadParameter(f"{output} exists and is not overwritten") from error
    typer.echo(str(output))
