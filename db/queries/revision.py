"""SQL for what the database is: PostgreSQL's version, and the revision of the tables."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db.database import Snapshot
from db.models import metadata
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


@cache
def _tables() -> Statement:
    name = sa.func.unnest(sa.bindparam("tables", type_=ARRAY(sa.Text))).column_valued("name")
    return Statement.of(sa.select(name).where(sa.func.to_regclass(name).is_not(None)))


async def tables(snapshot: Snapshot) -> list[str]:
    """Return which tables there are with names of ours."""
    rows = await snapshot.fetch(_tables(), {"tables": list(metadata.tables)})
    return [row[0] for row in rows]


async def read(snapshot: Snapshot) -> tuple[int, str | None]:
    """Return PostgreSQL's major version and the revision, None where it was never migrated."""
    [(major, migrated)] = await snapshot.fetch(_server())
    rows = await snapshot.fetch(_revision()) if migrated else []
    return major, rows[0][0] if rows else None
