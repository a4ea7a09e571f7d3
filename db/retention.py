"""What has grown old goes: in small batches, beside readers and writers, one process at a time.

Interceptions go with all that they used. A batch is a transaction, so whoever is stopped in the
middle has deleted whole interceptions, and the next to come goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from db.database import Database
from db.errors import DatabaseError

INTERCEPTIONS = "aibridge_interceptions"
CHILDREN = (
    "aibridge_token_usages",
    "aibridge_user_prompts",
    "aibridge_tool_usages",
    "aibridge_model_thoughts",
)

# Interceptions of one transaction, which holds their sessions' rows for some 30 ms.
_BATCH = 200
# What is due of sessions with more than a batch goes at once, so many at most: each transaction
# computes its sessions anew, which takes some 75 ms for a thousand interceptions that stay.
_OF_LONG_SESSIONS = 2_000
# Interceptions whose children are looked through at once for orphans.
_WALK = 5_000

# Held by the one process that deletes, for a batch: a pooler may lend each its own connection.
_LOCK = (1634296434, 2)
# Shorter than PostgreSQL's deadlock_timeout, so that in a deadlock we are the one who stands back.
_LOCK_TIMEOUT = "500ms"
_RETRIES = 20
_RETRY_SECONDS = 0.5

_COUNT_SECONDS = 600

_PLACE = """
SELECT pg_is_in_recovery() AS is_standby,
    EXISTS (
        SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
        WHERE d.datname = current_database()
    ) AS is_follower,
    EXISTS (
        SELECT FROM pg_subscription_rel r
        WHERE r.srsubstate <> 'r' AND r.srrelid = ANY ($1::regclass[]::oid[])
    ) AS is_filling
"""

_FIRST = UUID(int=0)


class PurgeBusyError(DatabaseError):
    """It is not the moment to delete here; the message says why."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What is to go.

    Attributes:
        before: Interceptions that began before this moment, and orphans made before it.
        spares_imported: Interceptions that began before their initiator was known to this database
            stay: they were imported, not recorded here.
    """

    before: datetime
    spares_imported: bool = False

    @property
    def due(self) -> str:
        """SQL: which rows of `aibridge_interceptions i` are to go; $1 is `before`."""
        if not self.spares_imported:
            return "i.started_at < $1"
        return (
            "i.started_at < $1 AND i.started_at >= (SELECT min(created_at) FROM users)"
            " AND i.started_at >="
            " (SELECT u.created_at FROM users u WHERE u.id = i.initiator_id)"
        )


async def is_follower(database: Database) -> bool:
    """Say whether this database is filled by logical replication from another."""
    async with database.connection() as connection:
        followed: bool = (await _place(connection))["is_follower"]
        return followed


async def count(database: Database, limit: Limit) -> Counter[str]:
    """Return how many rows of each table are to go, as of one moment."""
    statements = {
        INTERCEPTIONS: _count_interceptions(limit),
        **{table: _count_children(table, limit) for table in CHILDREN},
    }
    found: Counter[str] = Counter()
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'")
        for table, sql in statements.items():
            found[table] = await _number(connection, sql, limit)
    return +found


async def count_interceptions(database: Database, limit: Limit) -> int:
    """Return how many interceptions are to go."""
    async with database.connection() as connection:
        return await _number(connection, _count_interceptions(limit), limit)


async def _number(connection: Any, sql: str, limit: Limit) -> int:
    found: int = await connection.fetchval(sql, limit.before, timeout=_COUNT_SECONDS)
    return found


def _count_interceptions(limit: Limit) -> str:
    return f"SELECT count(*) FROM {INTERCEPTIONS} i WHERE {limit.due}"  # noqa: S608


def _count_children(table: str, limit: Limit) -> str:
    return f"""
SELECT count(*) FROM {table} c LEFT JOIN {INTERCEPTIONS} i ON i.id = c.interception_id
WHERE CASE WHEN i.id IS NULL THEN c.created_at < $1 ELSE {limit.due} END
"""  # noqa: S608


async def purge(database: Database, limit: Limit) -> AsyncIterator[Counter[str]]:
    """Delete what is to go; yield after each batch how many rows of each table it deleted.

    Raises:
        PurgeBusyError: Another process deletes and will come to what is left; or the database is a
            standby, or not yet filled by replication.
        DatabaseError: As every statement; what was yielded is deleted.
    """
    async with database.connection() as connection:
        place = await _place(connection)
    if place["is_standby"]:
        raise PurgeBusyError("this database is a standby")
    if place["is_filling"]:
        # Children may have come before their interceptions.
        raise PurgeBusyError("replication is still filling the tables")
    last: tuple[datetime, UUID] | None = None
    while True:
        batch = await _patiently(database, _delete_interceptions, limit, last)
        if batch.last is None:
            break
        last = batch.last
        yield batch.deleted
    for table in CHILDREN:
        after: UUID | None = _FIRST
        while after is not None:
            walked = await _patiently(database, _delete_orphans, limit, table, after)
            after = walked.last
            yield walked.deleted


@dataclass(frozen=True, slots=True)
class _Batch:
    deleted: Counter[str]
    # Where the next one begins; None behind the last.
    last: Any


async def _place(connection: Any) -> Any:
    return await connection.fetchrow(_PLACE, [INTERCEPTIONS, *CHILDREN])


async def _patiently(database: Database, work: Any, *arguments: Any) -> _Batch:
    """Run one batch in a transaction of its own, again where a writer stood in the way."""
    for _ in range(_RETRIES):
        async with database.connection() as connection:
            try:
                async with connection.transaction(isolation="read_committed"):
                    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                    if not await connection.fetchval(
                        "SELECT pg_try_advisory_xact_lock($1, $2)", *_LOCK
                    ):
                        raise PurgeBusyError("another process deletes")
                    batch: _Batch = await work(connection, *arguments)
                    return batch
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                pass
        await asyncio.sleep(_RETRY_SECONDS)
    raise DatabaseError("writers hold the rows that are to be deleted")


async def _delete_interceptions(
    connection: Any, limit: Limit, last: tuple[datetime, UUID] | None
) -> _Batch:
    # From where the batch before ended: a walk from the oldest would pass all that was deleted,
    # again and again, as long as an old snapshot keeps it.
    behind = "(i.started_at, i.id) > ($3, $4) AND" if last else ""
    rows = await connection.fetch(
        f"SELECT i.id, i.started_at FROM {INTERCEPTIONS} i WHERE {behind} {limit.due} "  # noqa: S608
        "ORDER BY i.started_at, i.id LIMIT $2 FOR UPDATE OF i SKIP LOCKED",
        limit.before,
        _BATCH,
        *(last or ()),
    )
    if not rows:
        return _Batch(Counter(), None)
    ids = [row["id"] for row in rows]
    ids = list({*ids, *await _of_long_sessions(connection, limit, ids)})
    # First they leave their sessions, in one step and in the order of locks that all writers keep.
    # What follows is of no session any more, and the triggers have nothing to do.
    await connection.execute(
        f"UPDATE {INTERCEPTIONS} SET ended_at = NULL"  # noqa: S608
        " WHERE id = ANY ($1) AND ended_at IS NOT NULL",
        ids,
    )
    deleted = Counter(
        {
            table: await _delete(connection, f"{table} WHERE interception_id = ANY ($1)", ids)
            for table in CHILDREN
        }
    )
    deleted[INTERCEPTIONS] = await _delete(connection, f"{INTERCEPTIONS} WHERE id = ANY ($1)", ids)
    return _Batch(deleted, (rows[-1]["started_at"], rows[-1]["id"]))


async def _of_long_sessions(connection: Any, limit: Limit, ids: list[UUID]) -> list[UUID]:
    """Return what else is due of those sessions of these interceptions that are long."""
    rows = await connection.fetch(
        f"""
        SELECT i.id FROM {INTERCEPTIONS} i
        JOIN aibridge_sessions s USING (session_id, initiator_id)
        WHERE s.interceptions > $2 AND i.ended_at IS NOT NULL AND {limit.due}
            AND (s.session_id, s.initiator_id) IN
                (SELECT session_id, initiator_id FROM {INTERCEPTIONS} WHERE id = ANY ($3))
        LIMIT $4 FOR UPDATE OF i SKIP LOCKED
        """,  # noqa: S608
        limit.before,
        _BATCH,
        ids,
        _OF_LONG_SESSIONS,
    )
    return [row["id"] for row in rows]


async def _delete_orphans(connection: Any, limit: Limit, table: str, after: UUID) -> _Batch:
    rows = await connection.fetch(
        f"""
        SELECT w.id, NOT EXISTS (SELECT FROM {INTERCEPTIONS} i WHERE i.id = w.id) AS is_gone
        FROM (
            SELECT DISTINCT c.interception_id AS id FROM {table} c
            WHERE c.interception_id > $1 ORDER BY 1 LIMIT $2
        ) w ORDER BY w.id
        """,  # noqa: S608
        after,
        _WALK,
    )
    deleted: Counter[str] = Counter()
    if gone := [row["id"] for row in rows if row["is_gone"]]:
        deleted[table] = await _delete(
            connection,
            f"{table} c WHERE c.interception_id = ANY ($1) AND c.created_at < $2"
            f" AND NOT EXISTS (SELECT FROM {INTERCEPTIONS} i WHERE i.id = c.interception_id)",
            gone,
            limit.before,
        )
    return _Batch(deleted, rows[-1]["id"] if len(rows) == _WALK else None)


async def _delete(connection: Any, from_where: str, *arguments: Any) -> int:
    status: str = await connection.execute(f"DELETE FROM {from_where}", *arguments)  # noqa: S608
    return int(status.rpartition(" ")[2])
