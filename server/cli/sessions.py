"""Commands for the rollup of sessions, which the database keeps by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from server.cli.database import on_pool
from server.cli.options import DatabaseUrl, DataDir
from server.settings import Settings, load_settings

if TYPE_CHECKING:
    from db.database import Database

sessions = typer.Typer(help="Look after the rollup of sessions.", no_args_is_help=True)


@sessions.callback()
def _root() -> None:
    pass


@sessions.command("rebuild")
def rebuild(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Compute all sessions anew, while others read and write."""

    async def work(_: Database, url: str) -> int:
        from db import rollup  # noqa: PLC0415

        return await rollup.rebuild(url, lambda done: typer.echo(f"{done:,} sessions", err=True))

    settings = load_settings(database_url=database_url, data_dir=data_dir)
    typer.echo(f"Computed {on_pool(settings, work):,} sessions anew.")


def faults(settings: Settings) -> list[str]:
    """Return a sentence for each thing in which the rollup differs from the truth."""

    async def work(_: Database, url: str) -> list[str]:
        from db import rollup  # noqa: PLC0415

        found = await rollup.check(url)
        told = [*found.triggers, *map(str, found.differences), *found.counts]
        sentences = [f"{name}." for name in told]
        if found.count > len(found.differences):
            sentences.append(f"{found.count - len(found.differences):,} more sessions differ.")
        if sentences:
            first = "Mend the triggers, then run" if found.triggers else "Run"
            sentences.append(f"{first} `aibridge sessions rebuild`.")
        return sentences

    return on_pool(settings, work)
