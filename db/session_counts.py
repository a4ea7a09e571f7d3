"""The counts of sessions, also by tool: compare them with the rollup, and count anew.

Triggers of `aibridge_sessions` keep them with every change of a row there.
"""

from __future__ import annotations

from typing import Any

# The plain definition: a session counts by all its kinds, and by those that called a tool.
_TRUTH = """
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

_DIFFERENCES = f"""
SELECT initiator_id, tool, kinds::text AS kinds, sum(kept) AS kept, sum(truth) AS truth
FROM (
    SELECT initiator_id, tool, kinds, sessions AS kept, 0 AS truth FROM ({_KEPT}) kept
    UNION ALL
    SELECT initiator_id, tool, kinds, 0, sessions FROM ({_TRUTH}) truth
) sides
GROUP BY initiator_id, tool, kinds
HAVING sum(kept) <> sum(truth)
ORDER BY initiator_id, tool NULLS FIRST, kinds
"""  # noqa: S608

# Whoever changes a session has this lock as well, but not in share: writers wait, readers don't.
_RECOUNT = f"""
LOCK TABLE aibridge_sessions IN SHARE MODE;
DELETE FROM aibridge_session_counts;
DELETE FROM aibridge_tool_counts;
INSERT INTO aibridge_session_counts (initiator_id, kinds, sessions)
SELECT initiator_id, kinds, sessions FROM ({_TRUTH}) truth WHERE tool IS NULL;
INSERT INTO aibridge_tool_counts (initiator_id, tool, kinds, sessions)
SELECT initiator_id, tool, kinds, sessions FROM ({_TRUTH}) truth WHERE tool IS NOT NULL
"""  # noqa: S608


async def faults(connection: Any) -> list[str]:
    """Return a sentence for each count that differs from the rollup."""
    return [
        f"sessions of {row['initiator_id']} of the kinds {row['kinds']}{_called(row['tool'])}:"
        f" counted {row['kept']}, should be {row['truth']}"
        for row in await connection.fetch(_DIFFERENCES)
    ]


def _called(tool: str | None) -> str:
    return "" if tool is None else f" that called {tool}"


async def recount(connection: Any) -> None:
    """Count all sessions anew; writers wait meanwhile, at two million interceptions a second."""
    async with connection.transaction():
        await connection.execute(_RECOUNT)
