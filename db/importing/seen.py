"""Which records of this import were met before, and where: kept by PostgreSQL, not in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

_CREATE = """
CREATE TEMP TABLE seen_records (id uuid PRIMARY KEY, file integer NOT NULL, place text NOT NULL)
"""

_MARK = """
INSERT INTO seen_records (id, file, place)
SELECT id, $3, place FROM unnest($1::uuid[], $2::text[]) AS given (id, place)
ON CONFLICT DO NOTHING
"""

_FIND = """
SELECT s.id, s.file, s.place FROM unnest($1::uuid[], $2::text[]) AS given (id, place)
JOIN seen_records s USING (id)
WHERE (s.file, s.place) <> ($3, given.place)
"""


@dataclass(frozen=True, slots=True)
class Before:
    """Where a record was met before; files count from 0."""

    file: int
    place: str


class Seen:
    """A temporary table of the connection, with the ids of all records so far."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def prepare(self) -> None:
        """Make the table."""
        await self._connection.execute(_CREATE)

    async def mark(self, file: int, places: dict[UUID, str]) -> dict[UUID, Before]:
        """Remember the records of one batch; return those that were met in a batch before."""
        given = (list(places), list(places.values()), file)
        status = await self._connection.fetchval(
            f"WITH m AS ({_MARK} RETURNING 1) SELECT count(*) FROM m", *given
        )
        if status == len(places):
            return {}
        found = await self._connection.fetch(_FIND, *given)
        return {row["id"]: Before(row["file"], row["place"]) for row in found}
