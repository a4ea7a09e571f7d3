"""Commands for the index by which prompts are searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from server.cli.database import on_pool
from server.cli.options import DatabaseUrl, DataDir
from server.settings import load_settings

if TYPE_CHECKING:
    from db.database import Database

search_index = typer.Typer(
    help="Make or drop the index by which prompts are searched.", no_args_is_help=True
)


@search_index.command("create")
def create(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Make the index where it is missing, while others read and write."""

    async def work(_: Database, url: str) -> bool:
        from db import prompt_index  # noqa: PLC0415

        return await prompt_index.create(url)

    made = on_pool(load_settings(database_url=database_url, data_dir=data_dir), work)
    typer.echo("Prompts are indexed." if made else "Prompts were indexed already.")


@search_index.command("drop")
def drop(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Drop the index: writing gets cheaper, and searches read all prompts."""

    async def work(_: Database, url: str) -> bool:
        from db import prompt_index  # noqa: PLC0415

        return await prompt_index.drop(url)

    dropped = on_pool(load_settings(database_url=database_url, data_dir=data_dir), work)
    typer.echo("Prompts are indexed no more." if dropped else "Prompts were not indexed.")
