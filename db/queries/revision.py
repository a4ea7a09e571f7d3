"""SQL for what the database is: PostgreSQL's version, and the revision of the tables."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db.database import Snapshot
from db.statement import Statement


@cache
def _server() -> Statement:
    return Statement.of(
        sa.text(
            "SELECT current_setting('server_version_num')::int / 10000 AS major,"
            " to_regclass('alembic_version') IS NOT NULL AS migrated"
        )
    )


@cache
def _revision() -> Statement:
    return Statement.of(sa.text("SELECT version_num FROM alembic_version"))


# The tables that are read by every request, or by some.
_READ = (
    "aibridge_interceptions", "aibridge_token_usages", "aibridge_user_prompts",
    "aibridge_tool_usages", "aibridge_model_thoughts", "aibridge_sessions",
    "aibridge_session_counts", "aibridge_tool_counts", "aibridge_kinds", "aibridge_tool_kinds",
    "users", "api_keys",
)  # fmt: skip


@cache
def _tables(*, unreadable: bool) -> Statement:
    names = sa.bindparam("tables", type_=ARRAY(sa.Text))
    name = sa.func.unnest(names).column_valued("name")
    table = sa.func.to_regclass(name)
    select = sa.select(name).where(table.is_not(None))
    if unreadable:
        select = select.where(sa.not_(sa.func.has_table_privilege(table, "SELECT")))
    return Statement.of(select)


async def tables(snapshot: Snapshot, *, unreadable: bool = False) -> list[str]:
    """Return which tables with names of ours there are, or are and may not be read by our role."""
    rows = await snapshot.fetch(_tables(unreadable=unreadable), {"tables": list(_READ)})
    return [row[0] for row in rows]


async def read(snapshot: Snapshot) -> tuple[int, str | None]:
    """Return PostgreSQL's major version and the revision, None where it was never migrated."""
    [(major, migrated)] = await snapshot.fetch(_server())
    rows = await snapshot.fetch(_revision()) if migrated else []
    return major, rows[0][0] if rows else None
