"""Commands that serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from server.cli.failure import CommandError
from server.cli.options import Attach, DatabaseUrl, DataDir, Host, Port
from server.settings import Settings, load_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(serve)


def serve(
    *,
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve.")] = None,
    database_url: DatabaseUrl = None,
    attach: Attach = None,
    data_dir: DataDir = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    settings = load_settings(
        host=host,
        port=port,
        workers=workers,
        database_url=database_url,
        attach=attach,
        data_dir=data_dir,
    )
    run(settings, lambda address: typer.echo(f"Ready on {address}"))


def run(
    settings: Settings,
    announce: Callable[[str], None],
    prepare: Callable[[Settings], None] | None = None,
) -> None:
    """Take the address, start and look at the database, and serve until told to stop.

    Args:
        settings: Without a database URL the embedded PostgreSQL runs meanwhile.
        announce: Called with the server's address once requests are answered.
        prepare: Called before serving, with settings that name the database.
    """
    # A wrong option or setting is told at once; only then is the server loaded.
    from server import listening, logs, process, retention, start  # noqa: PLC0415
    from server.graphql.persisted import read_manifest  # noqa: PLC0415

    logs.configure(settings)
    if settings.trusted_documents is not None:
        # Each worker reads it for itself; a wrong one is told before any of them starts.
        read_manifest(settings.trusted_documents)
    try:
        with (
            start.stopped_by_signals(),
            listening.listening(settings) as sock,
            start.with_database(settings) as complete,
        ):
            asyncio.run(start.prepare_database(complete))
            retention.announce(complete)
            if prepare is not None:
                prepare(complete)
            process.serve(complete, sock, announce)
    except (start.StartError, listening.ListenError) as error:
        raise CommandError(str(error)) from error
