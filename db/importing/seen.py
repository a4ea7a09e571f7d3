"""Which records of this import were met before, and where: kept by PostgreSQL, not in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_CREATE = "CREATE TEMP TABLE seen (id uuid NOT NULL, file integer NOT NULL, place text NOT NULL)"

# Made when the first look-up asks for it: most imports repeat nothing.
_INDEX = "CREATE INDEX IF NOT EXISTS seen_id ON seen (id)"


@dataclass(frozen=True, slots=True)
class Before:
    """Where a record was met before; files count from 0."""

    file: int
    place: str


class Seen:
    """A temporary table of a connection, with the ids of all records that were written."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        """Make the table."""
        await self._connection.execute(_CREATE)

    async def remember(self, file: int, places: Iterable[tuple[UUID, str]]) -> None:
        """Remember records that were not met before."""
        rows = [(record_id, file, place) for record_id, place in places]
        async with self._turn:
            await self._connection.copy_records_to_table("seen", records=rows)

    async def find(self, ids: Iterable[UUID]) -> dict[UUID, Before]:
        """Return where those of the records were met that are remembered."""
        async with self._turn:
            await self._connection.execute(_INDEX)
            found = await self._connection.fetch(
                "SELECT id, file, place FROM seen WHERE id = any($1::uuid[])", list(ids)
            )
        return {row["id"]: Before(row["file"], row["place"]) for row in found}
