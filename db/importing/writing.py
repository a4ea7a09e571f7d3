"""A batch into the tables: by COPY where all is new, else by way of staging tables.

COPY knows no ON CONFLICT, so rows that may be there already go into temporary tables of the
connection first. They need a connection of their own: not one lent by a pooler in transaction mode.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from db.importing.batches import COLUMNS, TABLES, Batch, Row
from db.importing.collecting import rare_collections
from db.url import for_asyncpg

_PARENT = "aibridge_interceptions"

# Tables that are written by way of a staging table.
STAGED = tuple(table for table in TABLES if table != "users")

# Children with an id, which says whether one is there already.
WITH_IDS = ("aibridge_token_usages", "aibridge_user_prompts", "aibridge_tool_usages")

# The promise that the interceptions of children follow in this transaction (revision 0008): writers
# of other interceptions wait for nobody then.
_FOLLOW = "SET LOCAL aibridge.interceptions_follow = {}"

# Known users are remembered so as to ask for each only once; so many take some ten megabytes.
_MAX_KNOWN_USERS = 100_000


@dataclass(slots=True)
class Counts:
    """What became of rows: written, or skipped since they were there already, by table."""

    written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    skipped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    shadowed: list[str] = field(default_factory=list)

    def count(self, table: str, written: int, given: int) -> None:
        """Note that of the rows given so many were written."""
        self.written[table] += written
        self.skipped[table] += given - written

    def skip(self, batch: Batch) -> None:
        """Note that all rows of a batch are there already."""
        for table, rows in batch.rows().items():
            self.skipped[table] += len(rows)

    def add(self, other: Counts) -> None:
        """Add what became of another batch."""
        for table in TABLES:
            self.written[table] += other.written[table]
            self.skipped[table] += other.skipped[table]
        self.shadowed += other.shadowed


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Lend a connection that may write for as long as it takes; what it left open is undone."""
    connection = await asyncpg.connect(
        for_asyncpg(url),
        command_timeout=None,
        server_settings={
            "application_name": "aibridge import",
            "statement_timeout": "0",
            "timezone": "UTC",
            "jit": "off",
        },
    )
    try:
        with rare_collections():
            yield connection
    finally:
        connection.terminate()


class Writer:
    """Writes batches through one connection; the caller opens and ends the transactions."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known_users: set[UUID] = set()

    async def prepare(self) -> None:
        """Make the staging tables, which end with the connection."""
        for table in STAGED:
            await self._connection.execute(
                f"CREATE TEMP TABLE {_stage(table)} "
                f"AS SELECT {', '.join(COLUMNS[table])} FROM {table} WITH NO DATA"
            )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Open a transaction, or a savepoint in one, for the block."""
        try:
            async with self._connection.transaction():
                yield
        except BaseException:
            # A user who was written may be gone again.
            self._known_users.clear()
            raise

    async def write(self, batch: Batch) -> Counts:
        """Write what is not there yet, in a transaction of its own."""
        with suppress(asyncpg.UniqueViolationError):
            async with self.transaction():
                return await self.add(batch)
        async with self.transaction():
            return await self.merge(batch)

    async def add(self, batch: Batch) -> Counts:
        """Write a batch of which nothing is there yet.

        Raises:
            asyncpg.UniqueViolationError: Something was.
        """
        counts = Counts()
        await self._write_users(batch.users, counts)
        # Children come first, so that a session is computed once, from whole interceptions.
        await self._connection.execute(_FOLLOW.format("on"))
        for table, rows in batch.rows().items():
            await self._copy(table, table, rows)
            counts.count(table, len(rows), len(rows))
        await self._connection.execute(_FOLLOW.format("off"))
        return counts

    async def merge(self, batch: Batch) -> Counts:
        """Write what is not there yet.

        Existing rows stay as they are. An interception that exists gets the children that it
        lacks, found by their ids; thoughts have no id and come only with a new interception.
        """
        counts = Counts()
        await self._write_users(batch.users, counts)
        await self._stage(batch)
        for table, rows in batch.rows().items():
            if table in WITH_IDS:
                written = await self._connection.execute(_insert(table))
                counts.count(table, int(written.rpartition(" ")[2]), len(rows))
        new = await self._connection.fetchrow(_INSERT_INTERCEPTIONS)
        counts.count("aibridge_interceptions", new["interceptions"], len(batch))
        counts.count("aibridge_model_thoughts", new["thoughts"], len(batch.model_thoughts))
        return counts

    async def weigh(self, batch: Batch) -> Counts:
        """Say what `write` would do; to be called in a transaction, which need not be kept."""
        counts = Counts()
        fresh = await self._unknown_users(batch.users)
        counts.count("users", len(fresh), len(fresh))
        self._known_users |= fresh
        await self._stage(batch)
        for table, rows in batch.rows().items():
            if rows:
                new = await self._connection.fetchval(_count_new(table))
                counts.count(table, new, len(rows))
        return counts

    async def _stage(self, batch: Batch) -> None:
        await self._connection.execute(f"TRUNCATE {', '.join(map(_stage, STAGED))}")
        for table, rows in batch.rows().items():
            await self._copy(_stage(table), table, rows)

    async def _copy(self, target: str, table: str, rows: list[Row]) -> None:
        if rows:
            await self._connection.copy_records_to_table(
                target, records=rows, columns=COLUMNS[table]
            )

    async def _unknown_users(self, users: dict[UUID, Row]) -> set[UUID]:
        asked = users.keys() - self._known_users
        if not asked:
            return set()
        found = await self._connection.fetch(
            "SELECT id FROM users WHERE id = any($1::uuid[])", list(asked)
        )
        return asked - {row["id"] for row in found}

    async def _write_users(self, users: dict[UUID, Row], counts: Counts) -> None:
        """Make the users that are not there.

        A username belongs to one user at a time. One who comes with the name of another becomes
        a deleted user, as Coder keeps those whose name went to somebody else: their history
        stays apart and under their name, and the name finds the user who had it before.
        """
        fresh = [users[user_id] for user_id in await self._unknown_users(users)]
        if fresh:
            made = await self._insert_users(fresh, deleted=False)
            shadowed = [user for user in fresh if user[0] not in made]
            if shadowed:
                made |= await self._insert_users(shadowed, deleted=True)
                counts.shadowed += [user[2] for user in shadowed if user[0] in made]
            counts.count("users", len(made), len(made))
        if len(self._known_users) > _MAX_KNOWN_USERS:
            self._known_users.clear()
        self._known_users |= users.keys()

    async def _insert_users(self, users: list[Row], *, deleted: bool) -> set[UUID]:
        made = await self._connection.fetch(_INSERT_USERS, *zip(*users, strict=True), deleted)
        return {row["id"] for row in made}


def _stage(table: str) -> str:
    return f"stage_{table}"


def _insert(table: str) -> str:
    columns = ", ".join(COLUMNS[table])
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {_stage(table)} "
        f"ON CONFLICT (id) DO NOTHING"
    )


def _count_new(table: str) -> str:
    key, parent = ("id", table) if table in (*WITH_IDS, _PARENT) else ("interception_id", _PARENT)
    return (
        f"SELECT count(*) FROM {_stage(table)} s "
        f"WHERE NOT EXISTS (SELECT FROM {parent} t WHERE t.id = s.{key})"
    )


_THOUGHTS = ", ".join(COLUMNS["aibridge_model_thoughts"])

_INSERT_INTERCEPTIONS = f"""
WITH new AS ({_insert(_PARENT)} RETURNING id),
thoughts AS (
    INSERT INTO aibridge_model_thoughts ({_THOUGHTS})
    SELECT {_THOUGHTS} FROM {_stage("aibridge_model_thoughts")} s
    WHERE s.interception_id IN (SELECT id FROM new)
    RETURNING 1
)
SELECT (SELECT count(*) FROM new) AS interceptions, (SELECT count(*) FROM thoughts) AS thoughts
"""

_INSERT_USERS = f"""
INSERT INTO users ({", ".join(COLUMNS["users"])}, deleted)
SELECT *, $6 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING
RETURNING id
"""
