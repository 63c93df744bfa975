"""``zdda reconcile``: the stores against the catalog."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.fsck import progress, reading
from zdda.model.clock import SystemClock
from zdda.settings import Settings, load


def reconcile(
    folder: Folder = HERE,
    inventory: Annotated[
        Path | None, typer.Option(help="An inventory of zdda fsck; by default one is made now.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print each difference as JSON, one a line.")] = False,
) -> None:
    """Compare what lies in the stores with what the catalog says; changes nothing.

    Exit status: 0 the same, 1 differences or findings, 3 could not compare.
    """
    from zdda.app_stopped import open_catalog_to_compare
    from zdda.ingest.reconcile import reconcile as differences_of

    console = Console(highlight=False)
    differences: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    with saying_why(), reading(), ExitStack() as opened:
        settings = load(folder / "zdda.toml")
        lines = _noting(_inventory(settings, folder, inventory, opened), findings)
        database, generations = opened.enter_context(open_catalog_to_compare(settings, folder))
        for each in differences_of(database, generations, settings.archive.id, lines):
            differences[each.where] += 1
            if json:
                typer.echo(
                    json_module.dumps(
                        {
                            "where": each.where,
                            "kind": each.kind,
                            "identifier": each.identifier,
                            "member": each.member,
                        }
                    )
                )
            else:
                member = f": {each.member}" if each.member else ""
                console.print(f"{each.where}: {each.kind} {each.identifier}{member}", markup=False, soft_wrap=True)
    if findings:
        told = ", ".join(f"{number} {severity}" for severity, number in findings.items())
        typer.echo(f"the inventory has findings ({told}): see zdda fsck", err=True)
    if not json:
        told = ", ".join(f"{number} {where}" for where, number in differences.items())
        console.print(f"DIFFERENCES: {told}" if told else "THE SAME: stores and catalog tell the same", markup=False)
    raise typer.Exit(1 if differences or findings else 0)


def _inventory(settings: Settings, folder: Path, file: Path | None, opened: ExitStack) -> Iterator[dict[str, Any]]:
    from zdda.app_stopped import open_to_doubt, own_anchors
    from zdda.fsck.inventory import InventoryMalformed, read_inventory
    from zdda.fsck.store_check import StoreCheck

    if file is None:
        stores = opened.enter_context(open_to_doubt(settings, folder))
        bar = opened.enter_context(progress("objects"))
        return StoreCheck(stores, own_anchors(settings, folder), SystemClock().now(), bar).lines()
    try:
        return read_inventory(opened.enter_context(file.open("rb")))
    except OSError as error:
        raise InventoryMalformed(f"the inventory cannot be read: {error.strerror}") from error


def _noting(lines: Iterator[dict[str, Any]], findings: Counter[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line["type"] == "finding":
            findings[line["severity"]] += 1
        yield line
