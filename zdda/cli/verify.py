"""``zdda verify``: the custody of one package, offline."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zdda.fsck.custody import CustodyReport, CustodyStatus, Outcome
from zdda.fsck.verify import verify_package
from zdda.model.clock import Clock, SystemClock, parse_time
from zdda.signatures.errors import FormatError
from zdda.trust.anchors import MAXIMUM_FILE, TrustAnchors

_LARGEST_RECORD = 16 * 1024 * 1024
_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_PROVABLE: "yellow",
    Outcome.NOT_CHECKED: "magenta",
}
_SENTENCES = {
    CustodyStatus.PROVEN: "PROVEN: the package is what was archived",
    CustodyStatus.BROKEN: "BROKEN: the package is not what it claims to be",
    CustodyStatus.NOT_PROVABLE: "NOT PROVABLE: nothing is wrong, but what was given does not prove it",
    CustodyStatus.NOT_CHECKED: "NOT CHECKED: the verification could not be completed",
}


class _Unreadable(Exception):
    """A file that was named cannot be read; the message is for the caller."""


def verify(
    aip: Annotated[Path, typer.Argument(help="The package's container (.asice).")],
    evidence_record: Annotated[
        Path | None, typer.Option(help="Evidence record (RFC 4998); by default the package's path with .ers added.")
    ] = None,
    trust_anchor: Annotated[
        list[Path] | None, typer.Option(help="Certificate to trust, PEM or DER; may be given several times.")
    ] = None,
    seal_certificate: Annotated[
        list[Path] | None,
        typer.Option(help="Only this certificate may have sealed, PEM or DER; may be given several times."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="The moment to judge at (RFC 3339); by default now.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Verify the custody of a package: container, manifest, METS, PREMIS, seal, evidence.

    Exit status: 0 proven, 1 broken, 2 not provable, 3 could not check.
    """
    try:
        report = verify_files(aip, evidence_record, trust_anchor or [], at, SystemClock(), seal_certificate or [])
    except _Unreadable as error:
        if json:
            typer.echo(json_module.dumps({"status": str(CustodyStatus.NOT_CHECKED), "message": str(error)}))
        else:
            Console(stderr=True).print(f"Could not check: {error}", style="magenta", highlight=False, markup=False)
        raise typer.Exit(CustodyStatus.NOT_CHECKED.exit_code) from None
    if json:
        typer.echo(json_module.dumps(report.as_json(), indent=2))
    else:
        _print(report, Console())
    raise typer.Exit(report.status.exit_code)


def verify_files(
    aip: Path,
    evidence_record: Path | None,
    trust_anchors: list[Path],
    at: str | None,
    clock: Clock,
    seal_certificates: Sequence[Path] = (),
) -> CustodyReport:
    """What the command does with its arguments."""
    anchors, sealers = _certificates(trust_anchors), _certificates(seal_certificates).certificates
    moment = _moment(at, clock)
    beside = aip.with_name(aip.name + ".ers")
    if evidence_record is None and beside.is_file():
        evidence_record = beside
    record = None if evidence_record is None else _read(evidence_record, _LARGEST_RECORD)
    try:
        with aip.open("rb") as container:
            return verify_package(container, record, anchors, moment, seal_certificates=sealers)
    except OSError as error:
        raise _Unreadable(f"the package cannot be read: {error.strerror}") from None


def _certificates(paths: Sequence[Path]) -> TrustAnchors:
    try:
        return TrustAnchors.load(_read(path, MAXIMUM_FILE) for path in paths)
    except (FormatError, ValueError):
        raise _Unreadable("a file that should hold certificates does not") from None


def _moment(at: str | None, clock: Clock) -> datetime:
    try:
        return clock.now() if at is None else parse_time(at)
    except ValueError:
        raise _Unreadable("--at is not a date and time with a time zone (RFC 3339)") from None


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _Unreadable(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise _Unreadable(f"{path} is too long")
    return data


def _print(report: CustodyReport, console: Console) -> None:
    custody = Table(title="Custody", title_justify="left", show_edge=False)
    for heading in ("check", "outcome", "why"):
        custody.add_column(heading, overflow="fold")
    for check in report.checks:
        why = f"{check.member}: {check.message}" if check.member else check.message
        custody.add_row(str(check.name), f"[{_STYLES[check.outcome]}]{check.outcome}[/]", _plain(why))
    console.print(custody)
    if report.documents:
        documents = Table(title="Documents, as judged when they were deposited", title_justify="left", show_edge=False)
        for heading in ("number", "role", "type", "bytes", "sealed verdict"):
            documents.add_column(heading)
        for each in report.documents:
            row = (str(each.number), each.role, each.media_type, str(each.length), each.verdict)
            documents.add_row(*map(_plain, row))
        console.print()
        console.print(documents)
    console.print()
    if report.sealed_by is not None:
        sealer = f"Sealed by {_plain(report.sealed_by.subject)}, certificate SHA-256 {report.sealed_by.sha256}"
        console.print(sealer, highlight=False, soft_wrap=True)
    console.print(_SENTENCES[report.status], highlight=False)


def _plain(text: str) -> str:
    """Hostile text for a terminal: no control characters, no markup."""
    visible = "".join(character if character.isprintable() else "�" for character in text)
    return visible.replace("[", "\\[")
