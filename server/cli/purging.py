"""The command that deletes old interceptions."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.database import on_pool
from server.cli.failure import INTERRUPTED, CommandError
from server.cli.options import DatabaseUrl, DataDir
from server.cli.table import table
from server.settings import load_settings

if TYPE_CHECKING:
    from db import retention
    from db.database import Database

_DAYS_MAX = 36_500
_TOLD_EVERY = 10_000


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(purge)


def purge(
    *,
    older_than: Annotated[str, typer.Option(help="How old, in days: 90d.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and change nothing.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Delete interceptions that began so long ago, with all that they used."""
    before = datetime.now(UTC) - _age(older_than)
    settings = load_settings(database_url=database_url, data_dir=data_dir)

    async def work(database: Database, _: str) -> None:
        from db import retention  # noqa: PLC0415

        limit = retention.Limit(before)
        if dry_run:
            rows.update(await retention.count(database, limit))
        else:
            await _purge(database, limit, rows)

    rows: Counter[str] = Counter()
    code = 0
    try:
        on_pool(settings, work)
    except (SystemExit, KeyboardInterrupt):
        typer.echo("aibridge: Interrupted; run it again for the rest.", err=True)
        code = INTERRUPTED
    head = "WOULD BE DELETED" if dry_run else "DELETED"
    lines = [(name, f"{rows[name]:,}") for name in _tables()]
    typer.echo(table((f"BEGAN BEFORE {before:%Y-%m-%d %H:%M} UTC", head), lines))
    raise typer.Exit(code)


async def _purge(database: Database, limit: retention.Limit, done: Counter[str]) -> None:
    """Delete batch by batch, and note in `done` what was deleted."""
    from db import retention  # noqa: PLC0415

    told = 0
    try:
        async for batch in retention.purge(database, limit):
            done.update(batch)
            if done[retention.INTERCEPTIONS] - told >= _TOLD_EVERY:
                told = done[retention.INTERCEPTIONS]
                typer.echo(f"{told:,} interceptions", err=True)
    except retention.PurgeBusyError as error:
        raise CommandError(f"Stopped after {sum(done.values()):,} rows: {error}.") from error


def _tables() -> tuple[str, ...]:
    from db import retention  # noqa: PLC0415

    return (retention.INTERCEPTIONS, *retention.CHILDREN)


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,5})d", text)
    days = int(match[1]) if match else 0
    if not 1 <= days <= _DAYS_MAX:
        raise CommandError(f"--older-than {text!r} must be a number of days, 1d to {_DAYS_MAX}d.")
    return timedelta(days=days)
