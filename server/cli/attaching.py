"""The command that says how well a database of another program can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from server.cli.database import database_url as url_of
from server.cli.database import run_until_stopped, with_pool
from server.cli.failure import CommandError
from server.cli.options import DatabaseUrl
from server.settings import load_settings

if TYPE_CHECKING:
    from db.attached import Attached
    from db.database import Database
    from db.indexes import MissingIndex


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("attach-report")(attach_report)


def attach_report(database_url: DatabaseUrl = None) -> None:
    """Say what a database lacks that is to be attached, and which indexes would make it faster."""
    settings = load_settings(database_url=database_url)
    if settings.database_url is None:
        raise CommandError("Name the database with --database-url or AIBRIDGE_DATABASE_URL.")
    with url_of(settings, only_reads=True) as url:
        attached, indexes = run_until_stopped(with_pool(url, _looked, is_attached=True))
    typer.echo("\n".join([*_columns(attached), "", *_indexes(indexes)]))


async def _looked(database: Database, url: str) -> tuple[Attached, list[MissingIndex]]:
    from db import indexes  # noqa: PLC0415
    from server import readiness  # noqa: PLC0415

    await readiness.prepare(database, url, migrate=False)
    assert database.attached is not None
    async with database.connection() as connection:
        return database.attached, await indexes.missing(connection)


def _columns(attached: Attached) -> list[str]:
    if not attached.stands:
        return ["It has every table and column that is read."]
    lines = ["What it has otherwise, or lacks, reads so:"]
    for stand in attached.stands:
        where = f"{stand.table}.{stand.column}" if stand.column else stand.table
        lines.append(f"  {where}: {stand.reads_as}")
    return lines


def _indexes(missing: list[MissingIndex]) -> list[str]:
    if not missing:
        return ["No index is missing."]
    lines = ["Its owner may create these indexes while everything runs, the first ones first:"]
    for index in missing:
        lines += ["", f"-- {index.brings}", index.statement]
    return lines
