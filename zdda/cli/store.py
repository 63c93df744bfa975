"""``zdda store``: what lies under the archive, and whether it keeps what it locks."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from contextlib import closing
from getpass import getuser
from pathlib import Path
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
    """Tell of each site what the catalog knows: what lies there, how far it is behind, what is damaged, what leaves it.

    The archive may run. Whether a site answers is told by /v1/health/ready.
    """
    from zdda.app import open_catalog
    from zdda.retention.store_orders import standings

    with saying_why():
        settings = load(folder / "zdda.toml")
        now = SystemClock().now()
        sites = settings.each_site()
        with open_catalog(settings, folder) as database:
            found = standings(database, [site.name for site in sites])
    for site, standing in zip(sites, found, strict=True):
        report = standing.report
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
            "orders": standing.orders_as_text(),
            "empty": standing.empty,
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


@store.command("test")
def try_store(
    name: Annotated[str, typer.Argument(help="The site; where the settings name none, main.")] = MAIN,
    folder: Folder = HERE,
) -> None:
    """Try whether a store takes and gives: its canary where it is a bucket, else a probe is written, read and erased.

    Exit status: 0 well, 1 a canary found that it gives way, 3 it failed or could not be tried. A folder or database can
    be tried while the archive is stopped only.
    """
    from zdda.blob_stores import KINDS, open_one_store
    from zdda.retention.store_probe import probe_store

    with saying_why():
        settings = load(folder / "zdda.toml")
        bucket = KINDS[settings.site(name).kind].canary is not None
    if bucket:
        canary(name, folder, json=False)
        return
    with saying_why(), closing(open_one_store(settings, folder, system_entropy, name)) as blobs:
        probe_store(blobs, SystemClock(), system_entropy, typer.echo)


@store.command()
def move(
    source: Annotated[str, typer.Option("--from", help="The site that objects leave.")],
    target: Annotated[str, typer.Option("--to", help="The site that they go to.")],
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Packages of this retention class only; several.")
    ] = None,
    folder: Folder = HERE,
) -> None:
    """Order that objects move to another store. The running archive carries it out; zdda store list tells how far.

    An object leaves when its copy over there was read and compared. What is locked where it was stays there until its
    lock ends, and is erased then.
    """
    _order(folder, source, target, classes or [], lasting=False)


@store.command()
def drain(
    name: Annotated[str, typer.Argument(help="The site that everything leaves.")],
    target: Annotated[str | None, typer.Option("--to", help="Where to; else where the placements say.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Nothing more leaves the site, by a drain or a move.")] = False,
    folder: Folder = HERE,
) -> None:
    """Order that everything leaves a store, also what comes later, until the settings do not name it any more."""
    if not stop:
        _order(folder, name, target, [], lasting=True)
        return
    from zdda.app import open_catalog
    from zdda.retention.store_orders import stop_moves

    with saying_why():
        settings = load(folder / "zdda.toml")
        with open_catalog(settings, folder) as database:
            ended = stop_moves(database, name, f"{getuser()} (zdda store drain)", SystemClock())
    typer.echo(f"{ended} orders ended")


def _order(folder: Path, source: str, target: str | None, classes: Sequence[str], *, lasting: bool) -> None:
    from zdda.app import open_catalog
    from zdda.retention.store_orders import order_move

    with saying_why():
        settings = load(folder / "zdda.toml")
        sites = [site.name for site in settings.each_site()]
        known = [each.name for each in settings.retention]
        by = f"{getuser()} (zdda store)"
        with open_catalog(settings, folder) as database:
            order = order_move(
                database, sites, known, source, target, classes, lasting, by, SystemClock(), system_entropy
            )
    typer.echo(f"ordered: {order.identifier}")
