"""``zdda reconcile``: the stores against the catalog, and both brought level."""

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
    repair: Annotated[
        bool, typer.Option("--repair", help="Bring catalog and stores level; print what was done.")
    ] = False,
) -> None:
    """Compare what lies in the stores with what the catalog says; changes nothing without --repair.

    Exit status: 0 the same, or level now; 1 differences or findings, or something is lost or left; 3 could not compare.
    """
    if repair:
        if inventory is not None:
            raise typer.BadParameter("a repair makes its own inventory")
        raise typer.Exit(_repair(folder, json))
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


def _repair(folder: Path, json: bool) -> int:
    from zdda.app_stopped import repair_archive

    console = Console(highlight=False)
    with saying_why(), reading(), progress("objects") as bar:
        report = repair_archive(load(folder / "zdda.toml"), folder, bar, SystemClock())
    for item in report.items:
        if json:
            typer.echo(
                json_module.dumps(
                    {
                        "did": item.did,
                        "kind": item.kind,
                        "identifier": item.identifier,
                        "where": item.where,
                        "why": item.why,
                    }
                )
            )
        else:
            where = f" at {item.where}" if item.where else ""
            why = f": {item.why}" if item.why else ""
            console.print(f"{item.did}: {item.kind} {item.identifier}{where}{why}", markup=False, soft_wrap=True)
    if not json:
        told = ", ".join(f"{number} {what}" for what, number in report.counts().items())
        end = "LEVEL" if report.level else "NOT LEVEL"
        console.print(f"{end}: {told or 'there was nothing to do'}", markup=False)
    return 0 if report.level else 1


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
