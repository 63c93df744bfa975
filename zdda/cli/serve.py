"""``zdda serve``: the archive over HTTPS."""

from __future__ import annotations

import time

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.logs import configure_logs
from zdda.model.clock import SteadyClock, SystemClock
from zdda.settings import load


def serve(folder: Folder = HERE) -> None:
    """Serve the archive until it is told to stop (SIGINT, SIGTERM). Running steps end first."""
    import uvicorn

    from zdda.api.server import server_config
    from zdda.app import build
    from zdda.jobs.worker import settle_collector

    with saying_why():
        settings = load(folder / "zdda.toml")
        configure_logs(settings.log.level)
        if not settings.retention:
            typer.echo("warning: no retention class is set: every deposit will be refused", err=True)
        archive = build(settings, folder, SteadyClock(SystemClock(), time.monotonic))
    listen = settings.listen
    with saying_why():
        config = server_config(
            archive.application,
            listen.host,
            listen.port,
            folder / listen.tls_key,
            folder / listen.tls_certificates,
            approved_only=settings.keys.fips,
        )
    settle_collector()
    archive.start()
    try:
        uvicorn.Server(config).run()
    finally:
        archive.stop()
