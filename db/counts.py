"""The counts of interceptions, and of sessions, also by tool: compare them, and count anew.

Triggers keep them with every change of a row: of `aibridge_interceptions`, and of the rollup.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg

from db.errors import DatabaseError

# Whoever waits for a lock keeps out all that come behind, so not for long.
_LOCK_TIMEOUT = "500ms"
_RETRIES = 60
_RETRY_SECONDS = 0.5

# The plain definition: an interception counts when it has ended.
_TRUE_INTERCEPTIONS = """
SELECT initiator_id, provider, provider_name, model, coalesce(client, 'Unknown') AS client,
    credential_kind::text AS credential_kind, count(*) AS interceptions
FROM aibridge_interceptions WHERE ended_at IS NOT NULL
GROUP BY initiator_id, provider, provider_name, model, coalesce(client, 'Unknown'), credential_kind
"""

_KIND = "initiator_id, provider, provider_name, model, client, credential_kind"

_OF_INTERCEPTIONS = f"""
SELECT {_KIND}, sum(kept) AS kept, sum(truth) AS truth
FROM (
    SELECT {_KIND}, interceptions AS kept, 0 AS truth FROM aibridge_interception_counts
    UNION ALL
    SELECT {_KIND}, 0, interceptions FROM ({_TRUE_INTERCEPTIONS}) truth
) sides
GROUP BY {_KIND}
HAVING sum(kept) <> sum(truth)
ORDER BY {_KIND}
"""  # noqa: S608

# Whoever writes an interception has this lock, but not in share: writers wait, readers don't.
_RECOUNT_INTERCEPTIONS = f"""
LOCK TABLE aibridge_interceptions IN SHARE MODE;
DELETE FROM aibridge_interception_counts;
INSERT INTO aibridge_interception_counts ({_KIND}, digest, interceptions)
SELECT {_KIND}, aibridge_kind(provider, provider_name, model, client, credential_kind),
    interceptions
FROM ({_TRUE_INTERCEPTIONS}) truth
"""  # noqa: S608

# The plain definition: a session counts by all its kinds, and by those that called a tool.
_TRUE_SESSIONS = """
SELECT initiator_id, NULL AS tool, kinds, count(*) AS sessions FROM aibridge_sessions
GROUP BY initiator_id, kinds
UNION ALL
SELECT initiator_id, tool, kinds, count(*) FROM (
    SELECT s.initiator_id, t.tool, array_agg(t.kind ORDER BY t.kind) AS kinds
    FROM aibridge_sessions s, unnest(s.tool_kinds) id JOIN aibridge_tool_kinds t USING (id)
    GROUP BY s.session_id, s.initiator_id, t.tool
) called
GROUP BY initiator_id, tool, kinds
"""

_KEPT = """
SELECT initiator_id, NULL AS tool, kinds, sessions FROM aibridge_session_counts
UNION ALL
SELECT initiator_id, tool, kinds, sessions FROM aibridge_tool_counts
"""

_OF_SESSIONS = f"""
SELECT initiator_id, tool, kinds::text AS kinds, sum(kept) AS kept, sum(truth) AS truth
FROM (
    SELECT initiator_id, tool, kinds, sessions AS kept, 0 AS truth FROM ({_KEPT}) kept
    UNION ALL
    SELECT initiator_id, tool, kinds, 0, sessions FROM ({_TRUE_SESSIONS}) truth
) sides
GROUP BY initiator_id, tool, kinds
HAVING sum(kept) <> sum(truth)
ORDER BY initiator_id, tool NULLS FIRST, kinds
"""  # noqa: S608

# Whoever changes a session has this lock as well, but not in share: writers wait, readers don't.
_RECOUNT_SESSIONS = f"""
LOCK TABLE aibridge_sessions IN SHARE MODE;
DELETE FROM aibridge_session_counts;
DELETE FROM aibridge_tool_counts;
INSERT INTO aibridge_session_counts (initiator_id, kinds, sessions)
SELECT initiator_id, kinds, sessions FROM ({_TRUE_SESSIONS}) truth WHERE tool IS NULL;
INSERT INTO aibridge_tool_counts (initiator_id, tool, kinds, sessions)
SELECT initiator_id, tool, kinds, sessions FROM ({_TRUE_SESSIONS}) truth WHERE tool IS NOT NULL
"""  # noqa: S608


async def faults(connection: Any) -> list[str]:
    """Return a sentence for each count that differs from what it counts."""
    return [
        f"interceptions of {row['initiator_id']} with {row['model']} of {row['provider']}"
        f" ({row['provider_name']}) by {row['client']}, {row['credential_kind']}:{_told(row)}"
        for row in await connection.fetch(_OF_INTERCEPTIONS)
    ] + [
        f"sessions of {row['initiator_id']} of the kinds {row['kinds']}{_called(row['tool'])}:"
        f"{_told(row)}"
        for row in await connection.fetch(_OF_SESSIONS)
    ]


def _told(row: Any) -> str:
    return f" counted {row['kept']}, should be {row['truth']}"


def _called(tool: str | None) -> str:
    return "" if tool is None else f" that called {tool}"


async def recount(connection: Any) -> None:
    """Count all anew; writers wait meanwhile, at two million interceptions a second.

    They don't wait for one who is idle in a transaction: we stand back then, and try again.

    Raises:
        DatabaseError: Some writer always stood in the way.
    """
    for statements in (_RECOUNT_INTERCEPTIONS, _RECOUNT_SESSIONS):
        await _patiently(connection, statements)


async def _patiently(connection: Any, statements: str) -> None:
    for _ in range(_RETRIES):
        with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                await connection.execute(statements)
                return
        await asyncio.sleep(_RETRY_SECONDS)
    raise DatabaseError("writers hold the rows that are to be counted anew")
