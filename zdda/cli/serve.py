"""``zdda serve``: the archive over HTTPS."""

from __future__ import annotations

import ssl

import typer

from zdda.cli.folder import HERE, Folder, saying_why
from zdda.cli.logs import configure_logs
from zdda.settings import load


def serve(folder: Folder = HERE) -> None:
    """Serve the archive until it is told to stop (SIGINT, SIGTERM). Running steps end first."""
    import uvicorn

    from zdda.app import build

    with saying_why():
        settings = load(folder / "zdda.toml")
        configure_logs(settings.log.level)
        if not settings.retention:
            typer.echo("warning: no retention class is set: every deposit will be refused", err=True)
        archive = build(settings, folder)
    listen = settings.listen
    config = uvicorn.Config(
        archive.application,
        host=listen.host,
        port=listen.port,
        http="httptools",
        ssl_keyfile=folder / listen.tls_key,
        ssl_certfile=folder / listen.tls_certificates,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,  # TLS 1.2 at least, as the ssl module sets it
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=30,
    )
    archive.start()
    try:
        uvicorn.Server(config).run()
    finally:
        archive.stop()
