"""Sessions: from the rollup where the database keeps one, else from the plain tables.

Both tell the same, row for row; the tests ask both.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from db.database import Snapshot
from db.filters import Filter
from db.keyset import Keyset
from db.queries import prompt_search, reading
from db.queries.reading import Reading
from db.queries.sessions import counts, plain, rollup
from db.queries.sessions.plan import NEWEST, Listing, Order, plan_of
from db.rows import SessionKey, SessionRow, SessionSummaryRow


async def page(
    db: Snapshot,
    reader: UUID | None,
    filter_: Filter,
    window: Keyset,
    order: Order = NEWEST,
    read: Reading = reading.ALL,
) -> list[SessionRow]:
    """Return a window of the sessions with an interception that passes.

    They are ordered by (ordered_at, session_id, initiator_id), where `ordered_at` is the start, or
    the last activity. What is not read comes as None. Without a rollup nothing is carried.
    """
    filter_ = await prompt_search.planned(db, reader, filter_)
    if not await db.has_rollup():
        return await plain.page(db, reader, filter_, window, order, read.unread)
    plan = await plan_of(db, reader, filter_)
    if plan.is_empty:
        return []
    return await rollup.page(db, reader, filter_, window, Listing(plan, order), read)


async def count(db: Snapshot, reader: UUID | None, filter_: Filter) -> int:
    """Return how many sessions have an interception that passes."""
    filter_ = await prompt_search.planned(db, reader, filter_, for_count=True)
    if not await db.has_rollup():
        return await plain.count(db, reader, filter_)
    plan = await plan_of(db, reader, filter_, for_count=True)
    return 0 if plan.is_empty else await counts.of_all(db, reader, filter_, plan)


async def page_of_users(
    db: Snapshot,
    reader: UUID | None,
    user_ids: Sequence[UUID],
    window: Keyset,
    read: Reading = reading.ALL,
) -> dict[UUID, list[SessionRow]]:
    """Return one window of each user's sessions: (started_at, session_id) descending."""
    if not await db.has_rollup():
        return await plain.page_of_users(db, reader, user_ids, window, read.unread)
    return await rollup.page_of_users(db, reader, user_ids, window, read)


async def counts_of_users(
    db: Snapshot, reader: UUID | None, user_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """Return how many sessions each user has, by user id."""
    if not await db.has_rollup():
        return await plain.counts_of_users(db, reader, user_ids)
    return await counts.of_users(db, reader, user_ids)


async def by_keys(
    db: Snapshot,
    reader: UUID | None,
    keys: Sequence[SessionKey],
    read: Reading = reading.ALL,
) -> dict[SessionKey, SessionRow]:
    """Return the sessions with these keys, by key."""
    if not await db.has_rollup():
        return await plain.by_keys(db, reader, keys, read.unread)
    return await rollup.by_keys(db, reader, keys, read)


async def keys_by_session_ids(
    db: Snapshot, reader: UUID | None, session_ids: Sequence[str]
) -> list[SessionKey]:
    """Return the keys of all sessions with these ids, in list order: the newest first."""
    if not await db.has_rollup():
        return await plain.keys_by_session_ids(db, reader, session_ids)
    return await rollup.keys_by_session_ids(db, reader, session_ids)


async def summaries(
    db: Snapshot, keys: Sequence[SessionKey]
) -> dict[SessionKey, SessionSummaryRow]:
    """Return what is counted and collected over each session, by key."""
    if not await db.has_rollup():
        return await plain.summaries(db, keys)
    return await rollup.summaries(db, keys)


async def token_metadata(
    db: Snapshot, keys: Sequence[SessionKey]
) -> dict[SessionKey, dict[str, int]] | None:
    """Return the sums of the metadata of each session's token usages, by key, where there are any.

    None without a rollup: then the metadata of each usage are to be added up.
    """
    return await rollup.token_metadata(db, keys) if await db.has_rollup() else None
