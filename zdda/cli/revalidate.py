"""``zdda revalidate``: which verdicts in the archive would be others now."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.fsck import progress, reading
from zdda.model.clock import SystemClock, parse_time
from zdda.settings import load


def revalidate(
    folder: Folder = HERE,
    at: Annotated[str | None, typer.Option(help="The moment to judge at (RFC 3339); by default now.")] = None,
    trust_anchor: Annotated[
        list[Path] | None, typer.Option(help="Certificate to trust, PEM or DER; by default those of the settings.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Validation policy (TOML); by default the shipped one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print each flip as JSON, one a line.")] = False,
) -> None:
    """Validate every archived document again and list the verdicts that flip, and why; changes nothing. The archive
    must not be running.

    Exit status: 0 none flips, 1 some do, 3 something could not be validated again.
    """
    from zdda.app import anchors_from, revalidation

    console = Console(highlight=False, soft_wrap=True)
    try:
        moment = SystemClock().now() if at is None else parse_time(at)
    except ValueError:
        raise typer.BadParameter("--at is not a date and time with a time zone (RFC 3339)") from None
    flipped = failed = 0
    with saying_why(), reading(), progress("packages") as bar:
        settings = load(folder / "zdda.toml")
        anchors = anchors_from(Path(), tuple(trust_anchor)) if trust_anchor else None
        rules = policy.read_bytes() if policy else None
        for each in revalidation(settings, folder, anchors, moment, rules, bar):
            flipped += "error" not in each
            failed += "error" in each
            if json:
                typer.echo(json_module.dumps(each))
            else:
                console.print(_told(each), markup=False)
    raise typer.Exit(3 if failed else 1 if flipped else 0)


def _told(each: dict[str, Any]) -> str:
    of = f"{each['package']} document {each['document']}"
    if "error" in each:
        return f"{of}: could not be validated again: {each['error']}"
    before, after = ("/".join(filter(None, each[side])) if each[side] else "none" for side in ("before", "after"))
    why = f" ({', '.join(each['why'])})" if each["why"] else ""
    return f"{of} signature {(each['signature'] or '')[:16]}: {before} -> {after}{why}"
