"""The counts of sessions: compare them with the rollup that they count, and count anew.

Triggers of `aibridge_sessions` keep them with every change of a row there.
"""

from __future__ import annotations

from typing import Any

_DIFFERENCES = """
SELECT initiator_id, coalesce(kept.sessions, 0) AS kept, coalesce(truth.sessions, 0) AS truth,
    kinds::text AS kinds
FROM (
    SELECT initiator_id, kinds, count(*) AS sessions FROM aibridge_sessions
    GROUP BY initiator_id, kinds
) truth FULL JOIN (
    SELECT initiator_id, kinds, sum(sessions) AS sessions FROM aibridge_session_counts
    GROUP BY initiator_id, kinds
) kept USING (initiator_id, kinds)
WHERE truth.sessions IS DISTINCT FROM kept.sessions
    AND coalesce(truth.sessions, 0) <> coalesce(kept.sessions, 0)
ORDER BY initiator_id, kinds
"""

# Whoever changes a session has this lock as well, but not in share: writers wait, readers don't.
_RECOUNT = """
LOCK TABLE aibridge_sessions IN SHARE MODE;
DELETE FROM aibridge_session_counts;
INSERT INTO aibridge_session_counts (initiator_id, kinds, sessions)
SELECT initiator_id, kinds, count(*) FROM aibridge_sessions GROUP BY initiator_id, kinds
"""


async def faults(connection: Any) -> list[str]:
    """Return a sentence for each count that differs from the rollup."""
    return [
        f"sessions of {row['initiator_id']} of the kinds {row['kinds']}:"
        f" counted {row['kept']}, should be {row['truth']}"
        for row in await connection.fetch(_DIFFERENCES)
    ]


async def recount(connection: Any) -> None:
    """Count all sessions anew; writers wait meanwhile, at two million interceptions a second."""
    async with connection.transaction():
        await connection.execute(_RECOUNT)
