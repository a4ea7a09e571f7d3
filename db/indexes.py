"""The indexes that our statements lean on, and which of them a database lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from db import prompt_filter
from db.models import (
    interceptions,
    model_thoughts,
    token_usages,
    tool_usages,
    user_prompts,
)

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

# What each index brings; what it is on stands in `db.models`.
_BRINGS: Mapping[str, str] = {
    "ix_aibridge_interceptions_session": (
        "the sessions, and what each of them holds: without it every list of sessions reads all "
        "interceptions"
    ),
    "ix_aibridge_interceptions_sessions_newest": (
        "the newest sessions: without it a page of them sorts all interceptions"
    ),
    "ix_aibridge_interceptions_started_at_id": "the newest interceptions, without a sort of all",
    "ix_aibridge_interceptions_initiator": "what one user did, newest first",
    "ix_aibridge_interceptions_thread_root_id": "the interceptions of a thread",
    "ix_aibridge_token_usages_interception": "the tokens of interceptions",
    "ix_aibridge_user_prompts_interception": "the prompts of interceptions",
    "ix_aibridge_user_prompts_newest": "the newest prompts, without a sort of all",
    "ix_aibridge_tool_usages_interception": "the tool calls of interceptions",
    "ix_aibridge_tool_usages_newest": "the newest tool calls, without a sort of all",
    "ix_aibridge_tool_usages_tool_newest": "the calls of one tool, and filters by tool",
    "ix_aibridge_model_thoughts_interception": "the thoughts of interceptions",
}

_TABLES = (interceptions, token_usages, user_prompts, tool_usages, model_thoughts)

# (table, columns in order) of each index that serves every row that is ever shown.
_FOUND = """
SELECT c.relname, array(
    SELECT coalesce(a.attname, '')
    FROM unnest(i.indkey::int[]) WITH ORDINALITY AS k (number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    ORDER BY k.place
) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indrelid = ANY (SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS name)
    AND i.indisvalid
    AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(ended_at IS NOT NULL)')
"""

_HAS_PG_TRGM = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')"

# Ours of trigrams takes a function of ours, which another program's database has not.
_OF_PROMPTS = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n"
    "CREATE INDEX CONCURRENTLY ix_aibridge_user_prompts_trgm ON aibridge_user_prompts "
    "USING gin (prompt gin_trgm_ops);"
)


@dataclass(frozen=True, slots=True)
class MissingIndex:
    """An index that a database lacks.

    Attributes:
        brings: What it is good for.
        statement: What creates it while the database is in use.
    """

    brings: str
    statement: str


async def missing(connection: Any) -> list[MissingIndex]:
    """Return the indexes that a database lacks, those that matter most first.

    An index with more columns behind the wanted ones serves as well.
    """
    found: dict[str, list[list[str]]] = {}
    for table, columns in await connection.fetch(_FOUND, [table.name for table in _TABLES]):
        found.setdefault(table, []).append(columns)
    wanted = {str(i.name): i for table in _TABLES if table.name in found for i in table.indexes}
    result = [
        MissingIndex(brings, _statement(wanted[name]))
        for name, brings in _BRINGS.items()
        if name in wanted and not _serves(wanted[name], found)
    ]
    if not await connection.fetchval(prompt_filter.WHICH_INDEX) and await connection.fetchval(
        _HAS_PG_TRGM
    ):
        result.append(MissingIndex("searches in prompts: without it each reads all", _OF_PROMPTS))
    return result


def _serves(index: sa.Index, found: Mapping[str, list[list[str]]]) -> bool:
    assert index.table is not None
    columns = [_name(each) for each in index.expressions]
    if columns[-1] == "id":
        # It makes the order total; a few rows of the same moment are sorted in no time.
        columns.pop()
    return any(have[: len(columns)] == columns for have in found[index.table.name])


def _name(expression: Any) -> str:
    return expression.name if isinstance(expression, sa.Column) else str(expression).split()[0]


def _statement(index: sa.Index) -> str:
    text = str(CreateIndex(index).compile(dialect=_DIALECT))
    return text.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY") + ";"
