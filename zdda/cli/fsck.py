"""``zdda fsck``: doubts everything in the stores; emits an inventory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zdda.cli.folder import COULD_NOT, HERE, Folder, saying_why
from zdda.model.clock import SystemClock
from zdda.settings import load

_STYLES = {"broken": "bold red", "unproven": "yellow", "pending": "cyan"}


def fsck(
    folder: Folder = HERE,
    json: Annotated[bool, typer.Option("--json", help="Print the inventory: JSON, one object a line.")] = False,
    inventory: Annotated[Path | None, typer.Option(help="Write the inventory to this file.")] = None,
    site: Annotated[str | None, typer.Option(help="Look at this site alone; the others may be away.")] = None,
) -> None:
    """Verify everything in the stores from their bytes and the keys alone; the archive must not be running.

    Exit status: 0 clean, 1 findings, 3 could not check.
    """
    from zdda.app_stopped import open_to_doubt, own_anchors
    from zdda.fsck.inventory import encode_line
    from zdda.fsck.store_check import StoreCheck

    console = Console(highlight=False)
    with saying_why(), reading(), ExitStack() as opened:
        settings = load(folder / "zdda.toml")
        anchors = own_anchors(settings, folder)
        stores = opened.enter_context(open_to_doubt(settings, folder, site=site))
        file: BinaryIO | None = opened.enter_context(inventory.open("xb")) if inventory else None
        clock = SystemClock()
        check = StoreCheck(stores, anchors, clock.now(), opened.enter_context(progress("objects")))
        for line in check.lines():
            if file is not None:
                file.write(encode_line(line))
            if json:
                sys.stdout.buffer.write(encode_line(line))
            elif line["type"] == "finding":
                print_finding(console, line)
        sys.stdout.flush()
        if not json:
            _print_summary(console, line)
    raise typer.Exit(1 if check.severities.total() else 0)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error where that is a terminal; takes (done, all)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


@contextmanager
def reading() -> Iterator[None]:
    """What keeps the stores from being read at all is told in one line, exit status 3."""
    try:
        yield
    except OSError as error:
        typer.echo(f"unreadable: {error.strerror or type(error).__name__}", err=True)
        raise typer.Exit(COULD_NOT) from error


def print_finding(console: Console, line: dict[str, Any]) -> None:
    """One finding, whose it is, where it lies."""
    of = " ".join(str(line[member]) for member in ("kind", "package") if line[member] is not None)
    where = f" at {line['where']}" if line["where"] else ""
    style = _STYLES[line["severity"]]
    console.print(f"{line['severity']:9}", style=style, end="")
    console.print(f"{line['code']}: {of}{where}: {line['message']}", markup=False, soft_wrap=True)


def _print_summary(console: Console, line: dict[str, Any]) -> None:
    counts = ", ".join(f"{number} {kind}" for kind, number in line["lines"].items() if kind != "finding")
    console.print(counts or "nothing is stored", markup=False)
    if line["clean"]:
        console.print("CLEAN: everything is what was archived", style="green")
    else:
        console.print("FINDINGS: " + ", ".join(f"{n} {kind}" for kind, n in line["findings"].items() if n), style="red")
