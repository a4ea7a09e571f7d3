"""A database of another program, Coder's above all: read as if it had our tables.

Its tables have more columns than ours, some lack a few, and types differ. What a statement would
miss is put in front of it as common table expressions of the same names, which PostgreSQL plans as
if they stood in the statement, so that indexes serve as before:

    WITH aibridge_interceptions AS NOT MATERIALIZED
        (SELECT id, …, NULL::varchar AS client FROM public.aibridge_interceptions) SELECT …
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from db import privileges
from db.errors import DatabaseError
from db.models import (
    api_keys,
    interceptions,
    model_thoughts,
    token_usages,
    tool_usages,
    user_prompts,
    users,
    visible_users,
)

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

# The tables that are read. One that may be missing altogether reads as empty.
_TABLES = (interceptions, token_usages, user_prompts, tool_usages, model_thoughts, users, api_keys)
_MAY_BE_MISSING = frozenset({model_thoughts.name})

# Columns that nothing reads, of our tables.
_UNREAD = {
    users.name: {"email", "created_at", "updated_at"},
    api_keys.name: {"created_at", "updated_at", "login_type", "lifetime_seconds", "token_name"},
    tool_usages.name: {"provider_item_id"},
}

_TEXTS = frozenset({"text", "character varying", "character", "name"})

_WITH = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)

# (schema, table, column, type) of the tables, as the role's search path finds them.
_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL) AS type
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = ANY (SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS name)
"""


class NotAttachableError(DatabaseError):
    """The database is none that can be read; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What stands in for something that the database lacks, or has otherwise.

    Attributes:
        table: The table.
        column: The column; empty where the whole table is missing.
        reads_as: The SQL that is read instead.
    """

    table: str
    column: str
    reads_as: str


@dataclass(frozen=True, slots=True)
class Attached:
    """How statements are put to an attached database.

    Attributes:
        stands: What stands in for something.
        tables: The common table expressions, by the name of the table.
    """

    stands: tuple[Stand, ...] = ()
    tables: tuple[tuple[str, str], ...] = ()

    def adapted(self, sql: str) -> str:
        """Return the statement with those tables in front that it reads."""
        found = [text for name, text in self.tables if name in sql]
        if not found:
            return sql
        given = _WITH.match(sql)
        recursive = "RECURSIVE " if given and given.group(1) else ""
        rest = f", {sql[given.end() :]}" if given else f" {sql}"
        return f"WITH {recursive}{', '.join(found)}{rest}"


async def probe(connection: Any) -> Attached:
    """Look once at what the database has, and return how to read it.

    Raises:
        NotAttachableError: It has no audit trail, lacks what nothing can stand in for, or must not
            be read.
    """
    names = [table.name for table in _TABLES] + [visible_users.name]
    rows = await connection.fetch(_COLUMNS, names)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    schemas: dict[str, str] = {}
    for schema, table, column, type_ in rows:
        found[table][column] = type_
        schemas[table] = schema
    missing = [
        table.name
        for table in _TABLES
        if table.name not in found and table.name not in _MAY_BE_MISSING
    ]
    if missing:
        raise NotAttachableError(
            f"The database has no table {', nor '.join(missing)}: it is none of an AI bridge."
        )
    if refusal := await privileges.refusal(connection, names):
        raise NotAttachableError(refusal)
    stands: list[Stand] = []
    tables: list[tuple[str, str]] = []
    for table in _TABLES:
        ours = _stands(table, found.get(table.name))
        if ours:
            stands += ours
            source = f'"{schemas[table.name]}".{table.name}' if table.name in found else None
            tables.append((table.name, _expression(table, ours, source)))
    if visible_users.name not in found:
        # It comes behind the table, which may have a stand of its own.
        stands.append(Stand(visible_users.name, "", f"the table {users.name}"))
        query = sa.select(*(users.c[column.name] for column in visible_users.columns))
        text = f"{visible_users.name} AS NOT MATERIALIZED ({query})"
        tables.append((visible_users.name, text))
    return Attached(tuple(stands), tuple(tables))


def _stands(table: sa.Table, found: Mapping[str, str] | None) -> list[Stand]:
    """Return what stands in for columns of the table; `found` are the types of those it has."""
    if found is None:
        return [Stand(table.name, "", "an empty table")]
    result = []
    for column in _read(table):
        theirs = found.get(column.name)
        if theirs is None:
            result.append(Stand(table.name, column.name, _default(table, column, found)))
        elif _is_text(column) and theirs not in _TEXTS:
            result.append(Stand(table.name, column.name, f"{column.name}::text"))
    return result


def _is_text(column: sa.Column[Any]) -> bool:
    # Enums are read as text wherever they are read.
    return isinstance(column.type, sa.String) and not isinstance(column.type, sa.Enum)


def _default(table: sa.Table, column: sa.Column[Any], found: Mapping[str, str]) -> str:
    """Return what a missing column reads as: what it is made of, its default, or NULL."""
    type_ = "text" if isinstance(column.type, sa.Enum) else column.type.compile(_DIALECT)
    if column.computed is not None:
        parts = [name for name in ("client_session_id", "thread_root_id", "id") if name in found]
        return f"coalesce({', '.join(f'{name}::text' for name in parts)})"
    if column.server_default is not None:
        assert isinstance(column.server_default, sa.DefaultClause)
        default = column.server_default.arg
        literal = default if isinstance(default, str) else str(default.compile(dialect=_DIALECT))
        return f"'{literal}'::{type_}"
    if column.nullable:
        return f"NULL::{type_}"
    raise NotAttachableError(
        f"The database has no column {table.name}.{column.name}: it is none of an AI bridge, or "
        "older than this program knows."
    )


def _expression(table: sa.Table, stands: Iterable[Stand], source: str | None) -> str:
    """Return the common table expression that shows a table as we know it."""
    instead = {stand.column: stand.reads_as for stand in stands}
    if source is None:
        columns = [f"NULL::{c.type.compile(_DIALECT)} AS {c.name}" for c in _read(table)]
        rest = " WHERE false"
    else:
        columns = [
            f"{instead[c.name]} AS {c.name}" if c.name in instead else c.name for c in _read(table)
        ]
        rest = f" FROM {source}"
    ctid = "NULL::tid AS ctid" if source is None else "ctid"
    return f"{table.name} AS NOT MATERIALIZED (SELECT {', '.join([ctid, *columns])}{rest})"


def _read(table: sa.Table) -> list[sa.Column[Any]]:
    unread = _UNREAD.get(table.name, set())
    return [column for column in table.columns if column.name not in unread]
