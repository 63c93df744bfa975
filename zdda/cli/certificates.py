"""``zdda certificates``: what the archive's packages rest on and when it runs out."""

from __future__ import annotations

import json as json_module
import re
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.model.clock import SystemClock, format_time
from zdda.settings import load

_PERIOD = re.compile(r"([0-9]{1,5})([dwy])")
_DAYS = {"d": 1, "w": 7, "y": 365}
_REVOCATION = ("crl", "ocsp")


def certificates(
    expiring: Annotated[str, typer.Option(help="Within this time from now: 90d, 12w, 2y.")] = "90d",
    revocation: Annotated[bool, typer.Option("--revocation", help="CRLs and OCSP answers instead.")] = False,
    folder: Folder = HERE,
    json: Annotated[bool, typer.Option("--json", help="Print each as JSON, one a line.")] = False,
) -> None:
    """List the certificates that signatures in the archive rest on and that run out soon, soonest first.

    Certificates of timestamp authorities are among them, and the timestamps by their authorities' certificates. Exit
    status: 0 none, 1 some, 3 could not look.
    """
    from zdda.app import open_catalog
    from zdda.catalog.validation_objects import expiring as running_out

    now = SystemClock().now()
    roles = _REVOCATION if revocation else ("certificate", "timestamp")
    until = now + _period(expiring)
    with saying_why(), open_catalog(load(folder / "zdda.toml"), folder) as database, database.read() as tx:
        found = list(running_out(tx, now, until, roles))
    table = Table(show_edge=False)
    for heading in ("until", "what", "subject", "issuer", "packages", "SHA-256"):
        table.add_column(heading, overflow="fold")
    for each in found:
        facts = each.object
        said = {
            "validUntil": format_time(facts.valid_until) if facts.valid_until else None,
            "role": facts.role,
            "subject": facts.subject,
            "issuer": facts.issuer,
            "packages": each.packages,
            "sha256": facts.sha256.hex(),
        }
        if json:
            typer.echo(json_module.dumps(said, ensure_ascii=False))
        else:
            table.add_row(*(("" if value is None else str(value)).replace("[", "\\[") for value in said.values()))
    if found and not json:
        Console(soft_wrap=True).print(table)
    raise typer.Exit(1 if found else 0)


def _period(text: str) -> timedelta:
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise typer.BadParameter("a number of days (d), weeks (w) or years (y), as in 90d")
    return timedelta(days=int(match[1]) * _DAYS[match[2]])
