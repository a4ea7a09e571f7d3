"""The columns that make a row: selected by name, in the order of the row's fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array

from db.rows import (
    InterceptionRow,
    ModelThoughtRow,
    SessionRow,
    TokenUsageRow,
    ToolUsageRow,
    UserPromptRow,
)

# Columns that a statement leaves out, because nobody reads them: they come as None.
Unread: TypeAlias = frozenset[str]

ALL_READ: Unread = frozenset()

# How many variants of a statement are kept, by what is left out, and what is told in which order.
VARIANTS = 512

# What of a row may be left out: long, or dear to decode. What identifies a row, orders it or leads
# on to others always comes. An attribute that is no column names the one that it is made of.
_OPTIONAL: Mapping[type, Mapping[str, str]] = {
    InterceptionRow: {
        "thread_look_up": "thread_root_id",
        "thread_parent_id": "thread_parent_id",
        "client_session_id": "client_session_id",
        "api_key_id": "api_key_id",
        "provider": "provider",
        "provider_name": "provider_name",
        "model": "model",
        "client": "client",
        "credential_kind": "credential_kind",
        "shown_credential_hint": "credential_hint",
        "metadata": "metadata",
        "ended_at": "ended_at",
        "duration_ms": "ended_at",
    },
    SessionRow: {
        "metadata": "metadata",
        "ended_at": "ended_at",
        "thread_count": "thread_count",
        "interception_count": "interception_count",
        "providers": "providers",
        "models": "models",
        "last_active_at": "last_active_at",
        "last_prompt_id": "last_prompt_id",
        "token_sums": "token_sums",
        "token_metadata": "token_metadata",
    },
    TokenUsageRow: {
        "provider_response_id": "provider_response_id",
        "metadata": "metadata",
    },
    UserPromptRow: {
        "provider_response_id": "provider_response_id",
        "prompt": "prompt",
        "metadata": "metadata",
    },
    ToolUsageRow: {
        "provider_response_id": "provider_response_id",
        "provider_tool_call_id": "provider_tool_call_id",
        "server_url": "server_url",
        "input": "input",
        "invocation_error": "invocation_error",
        "metadata": "metadata",
    },
    ModelThoughtRow: {"content": "content", "metadata": "metadata"},
}
# What else tells neither which row it is nor where it stands.
_NEEDLESS: Mapping[type, Unread] = {SessionRow: frozenset({"started_at", "client"})}

EMPTY_OBJECT = sa.literal_column("'{}'::jsonb", JSONB)
# What Go writes for a map that is not there.
_NULL = sa.literal_column("'null'::jsonb", JSONB)


@lru_cache(VARIANTS)
def unread(row: type, reads: frozenset[str] | None) -> Unread:
    """Return which columns of a row may be left out where only these attributes of it are read.

    Args:
        row: The type of the row.
        reads: The attributes; None where it may be any.
    """
    if reads is None:
        return ALL_READ
    read = {column for attribute, column in _OPTIONAL.get(row, {}).items() if attribute in reads}
    return optional(row) - read


@cache
def optional(row: type) -> Unread:
    """Return all columns of a row that may be left out."""
    return frozenset(_OPTIONAL.get(row, {}).values())


@cache
def needless(row: type) -> Unread:
    """Return the columns that a row may leave out which tells all that is asked of it."""
    return optional(row) | _NEEDLESS.get(row, ALL_READ)


def of(
    row: type[NamedTuple],
    table: Any,
    others: Mapping[str, sa.ColumnElement[Any]] | None = None,
    unread: Unread = ALL_READ,
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a row type, taken from a table, but what it may carry.

    Metadata that is NULL, or JSON's null, comes as an empty object, and an enum as text (its name
    differs between databases).

    Args:
        row: The named tuple whose fields are wanted.
        table: The table or alias that has them.
        others: Fields that are no column of the table, or are read in another way.
        unread: Columns to leave out.
    """
    return [
        sa.null().label(name) if name in unread else _column(table, name, others or {})
        for name in row._fields
        if name not in row._field_defaults
    ]


def _column(
    table: Any, name: str, others: Mapping[str, sa.ColumnElement[Any]]
) -> sa.ColumnElement[Any]:
    if name in others:
        return others[name].label(name)
    column: sa.ColumnElement[Any] = table.c[name]
    if name == "metadata":
        present = sa.func.nullif(column, _NULL)
        return sa.func.coalesce(present, EMPTY_OBJECT, type_=JSONB).label(name)
    if name == "credential_kind":
        return sa.cast(column, sa.Text).label(name)
    return column.label(name)


def as_texts(numbers: Sequence[sa.ColumnElement[Any]]) -> sa.ColumnElement[Any]:
    """Return numbers as a list of texts: they may be beyond a bigint."""
    return sa.cast(array(numbers), ARRAY(sa.Text))


def any_uuid(name: str) -> sa.ColumnElement[Any]:
    """`any(…)` over a list of UUIDs, the parameter `name`."""
    return sa.any_(sa.bindparam(name, type_=ARRAY(sa.Uuid)))


def any_text(name: str) -> sa.ColumnElement[Any]:
    """`any(…)` over a list of texts, the parameter `name`."""
    return sa.any_(sa.bindparam(name, type_=ARRAY(sa.Text)))
