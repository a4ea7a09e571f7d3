"""The rollup of sessions: make it anew, and compare it with what it is made of.

Triggers of the database keep the table `aibridge_sessions` right with every write. What is here is
for the day on which somebody doubts it: the comparison shares no SQL with the triggers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from db import counts
from db.connections import translated
from db.url import for_asyncpg

# Sessions computed anew in one transaction: their rows stay locked for some 50 ms.
_BATCH = 500

# How often a batch is begun anew, where writers and it waited for each other.
_ATTEMPTS = 10

# Differences told one by one; all are counted.
_SHOWN = 100

# Each trigger that must be there, and when it fires: O from writers, R from replication, A always.
_KEEPS_SESSIONS = {
    "inserted": "O", "updated": "O", "deleted": "O", "truncated": "A", "replicated": "R",
}  # fmt: skip
_KEEPS_COUNTS = {
    f"{of}{what}": "A"
    for of in ("", "tools_")
    for what in ("inserted", "updated", "deleted", "truncated")
}
_FIRES = {
    "aibridge_interceptions": _KEEPS_SESSIONS
    | {f"counted_{what}": fires for what, fires in _KEEPS_SESSIONS.items()},
    "aibridge_token_usages": _KEEPS_SESSIONS,
    "aibridge_user_prompts": _KEEPS_SESSIONS,
    "aibridge_tool_usages": _KEEPS_SESSIONS,
    "aibridge_sessions": _KEEPS_COUNTS,
}
_WANTED = ", ".join(
    f"('{table}', 'aibridge_sessions_{what}', '{fires}')"
    for table, triggers in _FIRES.items()
    for what, fires in triggers.items()
)

_ENABLE = {"O": "", "R": "REPLICA ", "A": "ALWAYS "}

# A trigger is marked by a comment with the version of the row that tells of it: PostgreSQL writes a
# new one with every change, be it off and on again. The mark is of when the rollup was last made.
_VERSION = "t.oid || ':' || t.xmin"
_IS_MARKED = f"(obj_description(t.oid, 'pg_trigger') IS NOT DISTINCT FROM {_VERSION})"

# Each trigger that must be there, with the one that is and fires as it should, if any.
_TRIGGERS_THAT_FIRE = f"""
(VALUES {_WANTED}) wanted(relation, name, fires)
LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(wanted.relation)
    AND t.tgname = wanted.name AND t.tgenabled::text = wanted.fires
"""

# Their versions.
_FIRING = f"""
SELECT wanted.relation, wanted.name, {_VERSION} AS version
FROM {_TRIGGERS_THAT_FIRE} WHERE t.oid IS NOT NULL
"""  # noqa: S608

# Whether the table is there, with all triggers that keep it, as they were when it was last made:
# without one of them its figures would be wrong in silence, so readers go by the plain tables then.
IS_KEPT = f"""
SELECT NOT EXISTS (SELECT FROM {_TRIGGERS_THAT_FIRE} WHERE t.oid IS NULL OR NOT {_IS_MARKED})
"""  # noqa: S608

# The plain definition, read off the tables without regard to speed.
_TRUTH = """
SELECT i.session_id, i.initiator_id,
    min(i.started_at) AS started_at, max(i.ended_at) AS ended_at,
    max(i.started_at) AS last_started_at,
    count(*) FILTER (WHERE i.thread_root_id IS NULL) AS threads, count(*) AS interceptions,
    array_agg(DISTINCT i.provider COLLATE "C") AS providers,
    array_agg(DISTINCT i.model COLLATE "C") AS models,
    array_agg(DISTINCT k.id) AS kinds,
    (array_agg(i.id ORDER BY i.started_at, i.id))[1] AS first_id,
    (array_agg(i.client ORDER BY i.started_at, i.id))[1] AS client,
    (array_agg(i.metadata ORDER BY i.started_at, i.id))[1] AS metadata,
    coalesce(sum(t.input_tokens), 0) AS input_tokens,
    coalesce(sum(t.output_tokens), 0) AS output_tokens,
    coalesce(sum(t.cache_read_input_tokens), 0) AS cache_read_input_tokens,
    coalesce(sum(t.cache_write_input_tokens), 0) AS cache_write_input_tokens,
    (array_agg(p.last_at ORDER BY p.last_at DESC NULLS LAST, p.last_id DESC))[1] AS last_prompt_at,
    (array_agg(p.last_id ORDER BY p.last_at DESC NULLS LAST, p.last_id DESC))[1] AS last_prompt_id,
    coalesce(max(p.last_at), min(i.started_at)) AS last_active_at
FROM aibridge_interceptions i
LEFT JOIN aibridge_kinds k ON (k.provider, k.provider_name, k.model, k.client, k.credential_kind)
    = (i.provider, i.provider_name, i.model, coalesce(i.client, 'Unknown'), i.credential_kind::text)
LEFT JOIN (
    SELECT interception_id, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_read_input_tokens) AS cache_read_input_tokens,
        sum(cache_write_input_tokens) AS cache_write_input_tokens
    FROM aibridge_token_usages GROUP BY interception_id
) t ON t.interception_id = i.id
LEFT JOIN (
    SELECT DISTINCT ON (interception_id)
        interception_id, created_at AS last_at, id AS last_id
    FROM aibridge_user_prompts ORDER BY interception_id, created_at DESC, id DESC
) p ON p.interception_id = i.id
WHERE i.ended_at IS NOT NULL
GROUP BY i.session_id, i.initiator_id
"""

_TRUE_METADATA = """
SELECT session_id, initiator_id, jsonb_object_agg(key, total) AS token_metadata FROM (
    SELECT i.session_id, i.initiator_id, m.key, sum(m.value) AS total
    FROM aibridge_interceptions i
    JOIN aibridge_token_usages t ON t.interception_id = i.id
    CROSS JOIN LATERAL (
        WITH RECURSIVE flat(key, value) AS (
            SELECT * FROM jsonb_each(
                CASE WHEN jsonb_typeof(t.metadata) = 'object' THEN t.metadata END)
            UNION ALL
            SELECT flat.key || '.' || e.key, e.value FROM flat, jsonb_each(
                CASE WHEN jsonb_typeof(flat.value) = 'object' THEN flat.value END) e
        )
        SELECT key, (value #>> '{}')::numeric AS value FROM flat
        WHERE CASE WHEN value #>> '{}' ~ '^-?[0-9]{1,16}$'
            THEN abs((value #>> '{}')::numeric) <= 9007199254740991 ELSE false END
    ) m
    WHERE i.ended_at IS NOT NULL
    GROUP BY i.session_id, i.initiator_id, m.key
) sums
GROUP BY session_id, initiator_id
"""

_TRUE_TOOLS = """
SELECT i.session_id, i.initiator_id, array_agg(DISTINCT t.id) AS tool_kinds
FROM aibridge_interceptions i
JOIN aibridge_tool_usages u ON u.interception_id = i.id
LEFT JOIN aibridge_kinds k ON (k.provider, k.provider_name, k.model, k.client, k.credential_kind)
    = (i.provider, i.provider_name, i.model, coalesce(i.client, 'Unknown'), i.credential_kind::text)
LEFT JOIN aibridge_tool_kinds t ON (t.tool, t.kind) = (u.tool, k.id)
WHERE i.ended_at IS NOT NULL
GROUP BY i.session_id, i.initiator_id
"""

# A row for each session that differs: what the rollup has and what is true, NULL where it has none.
_DIFFERENCES = f"""
WITH truth AS (
    SELECT t.*, coalesce(m.token_metadata, '{{}}') AS token_metadata,
        coalesce(u.tool_kinds, '{{}}') AS tool_kinds
    FROM ({_TRUTH}) t
    LEFT JOIN ({_TRUE_METADATA}) m USING (session_id, initiator_id)
    LEFT JOIN ({_TRUE_TOOLS}) u USING (session_id, initiator_id)
), pairs AS (
    SELECT session_id, initiator_id, to_jsonb(t) AS truth,
        to_jsonb(s) - 'recomputed_in' - 'last_started_on' AS kept
    FROM truth t FULL JOIN aibridge_sessions s USING (session_id, initiator_id)
)
SELECT session_id, initiator_id, truth::text, kept::text, count(*) OVER () AS count
FROM pairs WHERE truth IS DISTINCT FROM kept
ORDER BY session_id, initiator_id LIMIT {_SHOWN}
"""  # noqa: S608

_NEXT_KEYS = """
SELECT DISTINCT session_id, initiator_id FROM aibridge_interceptions
WHERE ended_at IS NOT NULL AND (session_id, initiator_id) > ($1::text, $2::uuid)
ORDER BY session_id, initiator_id LIMIT $3
"""

_STRAY_KEYS = """
SELECT session_id, initiator_id FROM aibridge_sessions s
WHERE (session_id, initiator_id) > ($1::text, $2::uuid) AND NOT EXISTS (
    SELECT FROM aibridge_interceptions i
    WHERE i.session_id = s.session_id AND i.initiator_id = s.initiator_id
        AND i.ended_at IS NOT NULL
)
ORDER BY session_id, initiator_id LIMIT $3
"""

_RECOMPUTE = """
SELECT aibridge_sessions_recompute(
    array_agg(ROW(k.session_id, k.initiator_id)::aibridge_session_key))
FROM unnest($1::text[], $2::uuid[]) k(session_id, initiator_id)
"""

_TRIGGERS = f"""
SELECT c.relname || '.' || t.tgname AS name, t.tgenabled::text AS fires, {_IS_MARKED} AS is_marked
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname LIKE 'aibridge\\_sessions\\_%' AND c.relname = ANY ($1::text[])
    AND pg_table_is_visible(c.oid)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Difference:
    """A session that the rollup tells wrong.

    Attributes:
        session_id: Its session id.
        initiator_id: Its initiator.
        columns: Each column that differs: what the rollup has, and what is true. Empty where the
            rollup lacks the session.
        is_stray: The rollup has a session that is none.
    """

    session_id: str
    initiator_id: UUID
    columns: dict[str, tuple[Any, Any]]
    is_stray: bool = False

    def __str__(self) -> str:
        name = f"session {self.session_id} of {self.initiator_id}"
        if self.is_stray:
            return f"{name}: in the rollup, but no ended interception belongs to it"
        if not self.columns:
            return f"{name}: missing in the rollup"
        told = (f"{c} is {kept!r}, should be {true!r}" for c, (kept, true) in self.columns.items())
        return f"{name}: {'; '.join(told)}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison found.

    Attributes:
        triggers: Sentences on triggers that are missing or do not fire.
        count: Sessions that differ.
        differences: The first of them.
        counts: Sentences on interceptions and sessions that are not counted as they are.
    """

    triggers: list[str]
    count: int
    differences: list[Difference]
    counts: list[str]

    @property
    def is_clean(self) -> bool:
        """Whether all is as it should be."""
        return not self.triggers and not self.count and not self.counts


async def check(url: str) -> Findings:
    """Compare the whole rollup with the truth, as of one moment."""
    async with (
        _connected(url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = await connection.fetch(_DIFFERENCES)
        triggers = await trigger_faults(connection)
        miscounts = await counts.faults(connection)
    differences = [_difference(*row) for row in rows]
    return Findings(triggers, rows[0]["count"] if rows else 0, differences, miscounts)


def _difference(session_id: str, initiator_id: UUID, *texts: Any) -> Difference:
    truth, kept = (orjson.loads(text) if text else None for text in texts[:2])
    if truth is None or kept is None:
        return Difference(session_id, initiator_id, {}, is_stray=truth is None)
    columns = {c: (kept[c], truth[c]) for c in truth if kept[c] != truth[c]}
    return Difference(session_id, initiator_id, columns)


async def trigger_faults(connection: asyncpg.Connection) -> list[str]:
    """Return a sentence for each trigger that is missing or does not fire as it should.

    One more where triggers do again, but the rollup was not made anew since.
    """
    rows = await connection.fetch(_TRIGGERS, list(_FIRES))
    found = {row["name"]: row for row in rows}
    faults, changed = [], []
    for table, triggers in _FIRES.items():
        for what, fires in triggers.items():
            name = f"{table}.aibridge_sessions_{what}"
            row = found.get(name)
            if row is None:
                faults.append(f"trigger {name} is missing")
            elif row["fires"] != fires:
                faults.append(
                    f"trigger {name} does not fire as it should: ALTER TABLE {table} "
                    f"ENABLE {_ENABLE[fires]}TRIGGER aibridge_sessions_{what}"
                )
            elif not row["is_marked"]:
                changed.append(name)
    if changed:
        others = f" and {len(changed) - 1} more" if changed[1:] else ""
        faults.append(
            f"trigger {changed[0]}{others} was switched or made anew since the rollup was made, "
            "which may lack what was written meanwhile: aibridge sessions rebuild"
        )
    return faults


async def rebuild(url: str, progress: Callable[[int], None] = lambda _: None) -> int:
    """Compute every session anew while others read and write; return how many.

    Args:
        url: The database.
        progress: Told after each batch how many are done.
    """
    done = 0
    async with _connected(url) as connection:
        # What changes from here on is found to have changed.
        firing = await connection.fetch(_FIRING)
        for statement in (_NEXT_KEYS, _STRAY_KEYS):
            last: tuple[str, UUID] = ("", UUID(int=0))
            while keys := await connection.fetch(statement, *last, _BATCH):
                last = tuple(keys[-1])
                await _recompute(connection, [k[0] for k in keys], [k[1] for k in keys])
                done += len(keys)
                progress(done)
        if await counts.faults(connection):
            await counts.recount(connection)
        async with connection.transaction():
            for trigger in firing:
                await connection.execute(
                    f"COMMENT ON TRIGGER {trigger['name']} ON {trigger['relation']} "
                    f"IS '{trigger['version']}'"
                )
    return done


async def _recompute(
    connection: asyncpg.Connection,
    session_ids: list[str],
    initiator_ids: list[UUID],
    attempts: int = _ATTEMPTS,
) -> None:
    try:
        await connection.execute(_RECOMPUTE, session_ids, initiator_ids)
    except asyncpg.DeadlockDetectedError:
        # Somebody else writes to several of these sessions, and was the first.
        if attempts == 1:
            raise
        await _recompute(connection, session_ids, initiator_ids, attempts - 1)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection without the time limits of a pool; errors come as `DatabaseError`."""
    try:
        connection = await asyncpg.connect(for_asyncpg(url))
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise translated(error) from error
