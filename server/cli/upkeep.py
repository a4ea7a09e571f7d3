"""Commands that look after the installation: migrate, check, schema."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli import sessions
from server.cli.database import database_url as url_of
from server.cli.database import run_until_stopped, with_pool
from server.cli.failure import CommandError
from server.cli.options import DatabaseUrl, DataDir
from server.settings import Settings, load_settings, shown, unknown_variables

if TYPE_CHECKING:
    from db.database import Database


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (migrate, check, schema):
        app.command()(command)


def migrate(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Bring the database to the newest revision."""
    settings = load_settings(database_url=database_url, data_dir=data_dir)
    from db import migrations  # noqa: PLC0415
    from server import readiness  # noqa: PLC0415

    with url_of(settings) as url:
        run_until_stopped(with_pool(url, partial(readiness.prepare, migrate=True)))
    typer.echo(f"The database is at revision {migrations.HEAD}.")


def check(
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every session with what it is made of.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print the settings in effect, and say what is wrong with them or with the database."""
    settings = load_settings(database_url=database_url, data_dir=data_dir)
    for name, value in shown(settings).items():
        typer.echo(f"{name}={value}")
    wrong = [f"{name} is not a setting." for name in unknown_variables(os.environ)]
    wrong += _wrong_with_database(settings)
    if deep and not wrong and not settings.attach:
        wrong += sessions.faults(settings)
    for sentence in wrong:
        typer.echo(f"aibridge: {sentence}", err=True)
    if wrong:
        raise typer.Exit(1)
    typer.echo("All is well.")


def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from schema.build import schema as built  # noqa: PLC0415

    typer.echo(built.as_str())


def _wrong_with_database(settings: Settings) -> list[str]:
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        # The first start makes and migrates it.
        return []
    migrates = settings.auto_migrate_or(embedded=settings.database_url is None)
    try:
        with url_of(settings, only_reads=True) as url:
            look = partial(_look, migrates=migrates)
            run_until_stopped(with_pool(url, look, is_attached=settings.attach))
    except CommandError as error:
        return [str(error)]
    return []


async def _look(database: Database, url: str, *, migrates: bool) -> None:
    from server import readiness  # noqa: PLC0415

    if database.is_attached:
        await readiness.prepare(database, url, migrate=False)
        return
    found = await readiness.look(database)
    if not migrates:
        readiness.require_head(found)
