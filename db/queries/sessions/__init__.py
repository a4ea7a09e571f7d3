"""Sessions: from the rollup where the database keeps one, else from the plain tables.

Both tell the same, row for row; the tests ask both.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from db.database import Snapshot
from db.filters import Filter
from db.keyset import Keyset
from db.queries.sessions import counts, plain, rollup
from db.queries.sessions.plan import Listing, plan_of
from db.rows import SessionKey, SessionRow, SessionSummaryRow, UserPromptRow


async def page(
    db: Snapshot,
    reader: UUID | None,
    filter_: Filter,
    window: Keyset,
    *,
    by_activity: bool = False,
    descending: bool = True,
) -> list[SessionRow]:
    """Return a window of the sessions with an interception that passes.

    They are ordered by (ordered_at, session_id, initiator_id), where `ordered_at` is the start, or
    the last activity (`by_activity`).
    """
    if not await db.has_rollup():
        return await plain.page(
            db, reader, filter_, window, by_activity=by_activity, descending=descending
        )
    plan = await plan_of(db, filter_)
    if plan.is_empty:
        return []
    return await rollup.page(db, reader, filter_, window, Listing(plan, by_activity, descending))


async def count(db: Snapshot, reader: UUID | None, filter_: Filter) -> int:
    """Return how many sessions have an interception that passes."""
    if not await db.has_rollup():
        return await plain.count(db, reader, filter_)
    plan = await plan_of(db, filter_)
    return 0 if plan.is_empty else await counts.of_all(db, reader, filter_, plan)


async def page_of_users(
    db: Snapshot, reader: UUID | None, user_ids: Sequence[UUID], window: Keyset
) -> dict[UUID, list[SessionRow]]:
    """Return one window of each user's sessions: (started_at, session_id) descending."""
    if not await db.has_rollup():
        return await plain.page_of_users(db, reader, user_ids, window)
    return await rollup.page_of_users(db, reader, user_ids, window)


async def counts_of_users(
    db: Snapshot, reader: UUID | None, user_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """Return how many sessions each user has, by user id."""
    if not await db.has_rollup():
        return await plain.counts_of_users(db, reader, user_ids)
    return await counts.of_users(db, reader, user_ids)


async def by_keys(
    db: Snapshot, reader: UUID | None, keys: Sequence[SessionKey]
) -> dict[SessionKey, SessionRow]:
    """Return the sessions with these keys, by key."""
    if not await db.has_rollup():
        return await plain.by_keys(db, reader, keys)
    return await rollup.by_keys(db, reader, keys)


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


async def last_prompts(db: Snapshot, keys: Sequence[SessionKey]) -> dict[SessionKey, UserPromptRow]:
    """Return the newest prompt, by (created_at, id), of each session that has one, by key."""
    if not await db.has_rollup():
        return await plain.last_prompts(db, keys)
    return await rollup.last_prompts(db, keys)
