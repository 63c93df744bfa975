"""``zdda revalidate``: which verdicts in the archive would be others now; kept when asked."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.fsck import progress, reading
from zdda.cli.logs import configure_logs
from zdda.model.clock import SystemClock, parse_time
from zdda.settings import load


def revalidate(
    folder: Folder = HERE,
    at: Annotated[str | None, typer.Option(help="The moment to judge at (RFC 3339); by default now.")] = None,
    trust_anchor: Annotated[
        list[Path] | None, typer.Option(help="Certificate to trust, PEM or DER; by default those of the settings.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Validation policy (TOML); by default the shipped one.")] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Keep the new reports as amendments of their packages.")
    ] = False,
    only_flips: Annotated[
        bool, typer.Option("--only-flips", help="Of packages in which a verdict flips alone; with --store.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each flip and amendment as JSON, one a line.")] = False,
) -> None:
    """Validate every archived document again and list the verdicts that flip, and why; without --store nothing is
    changed. The archive must not be running. Asked again by the same rules, --store adds nothing: name the moment by
    --at to be able to.

    Exit status: 0 none flips, 1 some do, 3 something could not be validated again, or not be stored.
    """
    from zdda.app import anchors_from
    from zdda.app_stopped import Keep, Rules, revalidation

    console = Console(highlight=False, soft_wrap=True)
    try:
        moment = SystemClock().now() if at is None else parse_time(at)
    except ValueError:
        raise typer.BadParameter("--at is not a date and time with a time zone (RFC 3339)") from None
    if only_flips and not store:
        raise typer.BadParameter("--only-flips is for --store")
    keep = (Keep.FLIPS if only_flips else Keep.ALL) if store else None
    flipped = failed = 0
    with saying_why(), reading(), progress("packages") as bar:
        settings = load(folder / "zdda.toml")
        configure_logs(settings.log.level)
        anchors = anchors_from(Path(), tuple(trust_anchor)) if trust_anchor else None
        rules = Rules(moment, anchors, policy.read_bytes() if policy else None)
        for each in revalidation(settings, folder, rules, bar, keep):
            flipped += "after" in each
            failed += "error" in each
            if json:
                typer.echo(json_module.dumps(each))
            else:
                console.print(_told(each), markup=False)
    raise typer.Exit(3 if failed else 1 if flipped else 0)


def _told(each: dict[str, Any]) -> str:
    if "amendment" in each:
        return f"{each['package']}: kept as amendment {each['amendment']}"
    of = f"{each['package']} document {each['document']}"
    if "error" in each:
        return f"{of}: could not be validated again: {each['error']}"
    before, after = ("/".join(filter(None, each[side])) if each[side] else "none" for side in ("before", "after"))
    why = f" ({', '.join(each['why'])})" if each["why"] else ""
    return f"{of} signature {(each['signature'] or '')[:16]}: {before} -> {after}{why}"
