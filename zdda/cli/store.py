"""``zdda store``: what lies under the archive, and whether it keeps what it locks."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.model.clock import SystemClock, system_entropy
from zdda.settings import load
from zdda.storage.site import MAIN

store = typer.Typer(no_args_is_help=True, help="What lies under the archive.")


@store.callback()
def _stores() -> None:
    """What lies under the archive."""


@store.command("list")
def list_sites(
    folder: Folder = HERE,
    json: Annotated[bool, typer.Option("--json", help="Print each site as JSON, one a line.")] = False,
) -> None:
    """Tell of each site what the catalog knows: what lies there, how far it is behind, what is damaged.

    The archive may run. Whether a site answers is told by /v1/health/ready.
    """
    from zdda.app import open_catalog
    from zdda.catalog.object_copies import site_report

    with saying_why():
        settings = load(folder / "zdda.toml")
        now = SystemClock().now()
        with open_catalog(settings, folder) as database, database.read() as tx:
            reports = [(site, site_report(tx, site.name)) for site in settings.each_site()]
    for site, report in reports:
        lag = 0 if report.oldest_missing is None else max(0, int((now - report.oldest_missing).total_seconds()))
        told = {
            "site": site.name,
            "kind": site.kind,
            "objects": report.objects,
            "bytes": report.bytes,
            "missing": report.missing,
            "lagSeconds": lag,
            "damaged": report.damaged,
            "leaving": report.leaving,
        }
        if json:
            typer.echo(json_module.dumps(told))
        else:
            typer.echo("  ".join(f"{name}: {value}" for name, value in told.items()))


@store.command()
def canary(
    name: Annotated[str, typer.Argument(help="The site; where the settings name none, main.")] = MAIN,
    folder: Folder = HERE,
    json: Annotated[bool, typer.Option("--json", help="Print each trial as JSON, one a line.")] = False,
) -> None:
    """Try to destroy probes that the store has locked; docs/operations/store-canary.md says what is tried.

    Exit status: 0 the store held, 1 it gave way or was not tried enough, 3 it could not be tried. The archive may run.
    """
    from zdda.blob_stores import fly_canary

    with saying_why():
        settings = load(folder / "zdda.toml")
        trials = fly_canary(settings, folder, SystemClock(), system_entropy, name)
    from zdda.storage.canary import guaranteed

    for each in trials:
        if json:
            typer.echo(json_module.dumps({"trial": each.name, "outcome": each.outcome, "detail": each.detail}))
        else:
            typer.echo(f"{each.name}: {each.outcome}" + (f" ({each.detail})" if each.detail else ""))
    if not guaranteed(trials):
        typer.echo("the store is not guaranteed", err=True)
        raise typer.Exit(1)
