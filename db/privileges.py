"""What our role may do with tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNREADABLE = """
SELECT name FROM unnest($1::text[]) AS name
WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name), 'SELECT')
"""


async def refusal(connection: Any, tables: Sequence[str]) -> str:
    """Return the sentence that names the tables among these which our role may not read, if any."""
    names = ", ".join([row[0] for row in await connection.fetch(_UNREADABLE, tables)])
    return f"The role may not read {names}: grant it SELECT on the tables." if names else ""
