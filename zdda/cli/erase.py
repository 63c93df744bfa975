"""``zdda erase``: destroys packages whose time is over; shows the plan unless told to carry it out."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.logs import configure_logs
from zdda.model.errors import Conflict
from zdda.settings import load

NOT_ALL = 1


def erase(
    package: Annotated[
        list[UUID] | None, typer.Option(help="A package's identifier; may be given several times.")
    ] = None,
    folder: Folder = HERE,
    by: Annotated[str, typer.Option(help="Who decided it, as the receipt will say; with --execute.")] = "",
    execute: Annotated[bool, typer.Option("--execute", help="Destroy: nothing brings these packages back.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    receipt: Annotated[UUID | None, typer.Option(help="Print this disposal's receipt (JSON) and do nothing.")] = None,
    sealed: Annotated[Path | None, typer.Option(help="With --receipt: write it sealed (DER) to this file.")] = None,
) -> None:
    """Show what would be destroyed, and why it may be or may not; with --execute destroy it everywhere. All of the
    packages go or none. The archive must not be running; what a site that is away keeps is erased when it is back.

    Exit status: 0 all may go (or have gone), 1 some may not, or wait for a site, 3 it could not be found out.
    """
    from zdda.app_stopped import disposing

    if (receipt is None) != bool(package) or (sealed is not None and receipt is None):
        raise typer.BadParameter("give --package, or --receipt of a disposal")
    if execute and not by.strip():
        raise typer.BadParameter("--execute needs --by: who decided it")
    with saying_why():
        settings = load(folder / "zdda.toml")
        configure_logs(settings.log.level)
        with disposing(settings, folder) as desk:
            if receipt is not None:
                _show(desk.receipt(receipt), sealed)
                return
            plan = desk.propose(package or []).plan
            if json:
                refused = [{"package": str(each.package), "reasons": list(each.reasons)} for each in plan.refused]
                typer.echo(json_module.dumps({"plan": json_module.loads(plan.encode()), "refused": refused}))
            else:
                for erasure in plan.erasures:
                    name = erasure.object.name
                    typer.echo(f"goes: {name.kind} {name.package}/{name.sequence}: {erasure.reason}")
                for refusal in plan.refused:
                    typer.echo(f"stays: {refusal.package}: {'; '.join(refusal.reasons)}")
            if plan.refused:
                raise typer.Exit(NOT_ALL)
            if not execute:
                typer.echo("nothing was destroyed: --execute does it", err=True)
                return
            try:
                disposal = desk.dispose(package or [], by)
            except Conflict as error:
                typer.echo(f"{error.code}: {error}", err=True)
                raise typer.Exit(NOT_ALL) from error
            typer.echo(f"decided: disposal {disposal}", err=True)
            if not desk.go_on():
                typer.echo("not all of it is destroyed yet: it goes on when the archive runs", err=True)
                raise typer.Exit(NOT_ALL)
            typer.echo(f"destroyed everywhere; the receipt: zdda erase --receipt {disposal}", err=True)


def _show(der: bytes, file: Path | None) -> None:
    from zdda.packaging.amendment import encode_body, read_amendment

    if file is not None:
        file.write_bytes(der)
        return
    typer.echo(json_module.dumps(encode_body(read_amendment(der)[0].body), indent=2, ensure_ascii=False))
