"""``zdda demonstrate``: a whole archive with a demonstration authority does its main job before your eyes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zdda.cli.logs import configure_logs


def demonstrate(
    folder: Annotated[Path, typer.Option(help="Where everything is made anew.")] = Path(".run"),
    once: Annotated[bool, typer.Option("--once", help="End after the show instead of serving on.")] = False,
) -> None:
    """Start an archive with a demonstration authority, deposit four documents, verify the first one offline."""
    from zdda.cli.running_demonstration import show, start

    console = Console()
    console.print("Starting an archive with a [bold]demonstration authority[/] (nobody trusts it) …")
    running = start(folder / "demonstration")
    log = (running.folder / "archive.log").open("a", buffering=1, encoding="utf-8")
    configure_logs("info", log)
    try:
        well = show(running, console)
        if not once:
            console.print("Serving until you press Ctrl-C; the log is in the folder.")
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        well = True
    finally:
        running.stop()
        log.close()
    raise typer.Exit(0 if well else 1)
