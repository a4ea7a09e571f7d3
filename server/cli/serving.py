"""Commands that serve."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from server.cli.failure import CommandError
from server.cli.options import DatabaseUrl, DataDir, Host, Port
from server.settings import load_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(serve)


def serve(
    *,
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve.")] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    settings = load_settings(
        host=host, port=port, workers=workers, database_url=database_url, data_dir=data_dir
    )
    from server import logs, process  # noqa: PLC0415 (a wrong setting is told at once)

    logs.configure(settings)
    try:
        with (
            process.stopped_by_signals(),
            process.listening(settings) as sock,
            process.with_database(settings) as complete,
        ):
            asyncio.run(process.prepare_database(complete))
            process.serve(complete, sock, _announce)
    except process.StartError as error:
        raise CommandError(str(error)) from error


def _announce(address: str) -> None:
    typer.echo(f"Ready on {address}")
