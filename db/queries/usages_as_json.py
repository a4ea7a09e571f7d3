"""SQL for what interceptions used, written as JSON by PostgreSQL: a text for each interception.

A nested answer is made of such lists for the most part. As text they cost PostgreSQL a quarter more
than as rows, and us a copy: no row is decoded, made, read and encoded again (ADR 0031).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from db.database import Snapshot
from db.models import model_thoughts, token_usages, tool_usages, user_prompts
from db.queries import columns
from db.rows import ModelThoughtRow, TokenUsageRow, ToolUsageRow, UserPromptRow
from db.statement import Statement

_TABLES: Mapping[type, sa.Table] = {
    TokenUsageRow: token_usages,
    UserPromptRow: user_prompts,
    ToolUsageRow: tool_usages,
    ModelThoughtRow: model_thoughts,
}


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a column."""

    column: str


@dataclass(frozen=True, slots=True)
class GlobalId:
    """The base64 of a prefix and the row's id, as it stands in URLs, without padding."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Constant:
    """The same text in every object."""

    text: str


# What a member of an object holds, and the member: its name first.
Source: TypeAlias = Value | GlobalId | Constant
Member: TypeAlias = tuple[str, Source]

# Integers beyond this are an error of the field that holds them, so they have to come as rows.
_LARGEST = 2**53 - 1

# Between them are the years that four digits can tell.
_OUR_ERA: Any = sa.literal_column("'0001-01-01 00:00:00+00'::timestamptz")
_FIVE_DIGITS: Any = sa.literal_column("'10000-01-01 00:00:00+00'::timestamptz")

# A function of PostgreSQL takes a hundred.
_MAX_ARGUMENTS = 90

_MICROSECONDS = '"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""'


async def by_interceptions(
    db: Snapshot, row: type, ids: Sequence[UUID], members: tuple[Member, ...]
) -> dict[UUID, str] | None:
    """Return the list of each interception that used something, as JSON, oldest first.

    Args:
        db: Where to read.
        row: What of: `TokenUsageRow`, `UserPromptRow`, `ToolUsageRow` or `ModelThoughtRow`.
        ids: The interceptions.
        members: Name and value of each member of an object, in their order.

    Returns:
        The texts by interception; None where a value can't be told so, a number for instance that
        is beyond what JSON may hold.
    """
    parameters = {f"text_{n}": text for n, text in enumerate(_texts(members))}
    values = tuple(value for _, value in members)
    records = await db.fetch(_by_interceptions(row, values), {"ids": list(ids)} | parameters)
    if not all(record[2] for record in records):
        return None
    return {record[0]: record[1] for record in records}


def _texts(members: tuple[Member, ...]) -> list[str]:
    """Return what stands in front of each value, and behind the last one.

    They are parameters, so that names that clients choose make no new statement.
    """
    texts, before = [], "{"
    for name, value in members:
        constant = f'"{value.text}"' if isinstance(value, Constant) else ""
        texts.append(f'{before}"{name}":{constant}')
        before = ","
    return [*texts, "}"]


@lru_cache(columns.VARIANTS)
def _by_interceptions(row: type, values: tuple[Source, ...]) -> Statement:
    table = _TABLES[row]
    last: Any = sa.literal_column("ctid") if table is model_thoughts else table.c.id
    pieces: list[Any] = []
    for number, value in enumerate(values):
        pieces += [_text(number), *_written(table, value)]
    pieces.append(_text(len(values)))
    oldest_first = aggregate_order_by(_sql(","), table.c.created_at, last)
    objects = sa.func.string_agg(_joined(pieces), oldest_first)
    return Statement.of(
        sa.select(
            table.c.interception_id,
            sa.func.concat(_sql("["), objects, _sql("]")),
            _is_tellable(table, values),
        )
        .where(table.c.interception_id == columns.any_uuid("ids"))
        .group_by(table.c.interception_id)
    )


def _joined(pieces: list[Any]) -> sa.ColumnElement[Any]:
    parts = [pieces[n : n + _MAX_ARGUMENTS] for n in range(0, len(pieces), _MAX_ARGUMENTS)]
    if len(parts) == 1:
        return sa.func.concat(*pieces)
    return _joined([sa.func.concat(*part) for part in parts])


def _text(number: int) -> sa.BindParameter[str]:
    return sa.bindparam(f"text_{number}", type_=sa.Text)


def _sql(text: str) -> sa.ColumnElement[str]:
    """Return a text of ours as a literal: PostgreSQL computes with it once, not for each row."""
    quoted = text.replace("'", "''")
    return sa.literal_column(f"'{quoted}'", sa.Text)


def _written(table: sa.Table, value: Source) -> list[sa.ColumnElement[Any]]:
    """Return the pieces of text that the value is written by."""
    if isinstance(value, Constant):
        return []
    if isinstance(value, GlobalId):
        raw = sa.func.convert_to(sa.func.concat(_sql(value.prefix), table.c.id), _sql("UTF8"))
        # Letters, digits, `:` and `-` never make a `+` or a `/`, and 57 bytes fill the first line.
        encoded = sa.func.encode(raw, _sql("base64"))
        return [_sql('"'), sa.func.rtrim(encoded, _sql("=")), _sql('"')]
    column = table.c[value.column]
    written = _WRITERS[type(column.type)](column)
    if not column.nullable:
        return written
    (text,) = written
    return [sa.func.coalesce(text, _sql("{}" if value.column == "metadata" else "null"))]


def _moment(column: Any) -> list[sa.ColumnElement[Any]]:
    text = sa.func.to_char(sa.func.timezone(_sql("UTC"), column), _sql(_MICROSECONDS))
    # As everywhere: six digits of a fraction, or none.
    return [sa.func.replace(text, _sql('.000000Z"'), _sql('Z"'))]


def _plain(column: Any) -> list[sa.ColumnElement[Any]]:
    return [sa.cast(column, sa.Text)]


_WRITERS: Mapping[type, Callable[[Any], list[sa.ColumnElement[Any]]]] = {
    sa.Uuid: lambda column: [_sql('"'), column, _sql('"')],
    sa.Text: lambda column: _plain(sa.func.to_json(column)),
    sa.Boolean: _plain,
    sa.BigInteger: _plain,
    sa.DateTime: _moment,
    JSONB: _plain,
}


def _is_tellable(table: sa.Table, values: tuple[Source, ...]) -> sa.ColumnElement[Any]:
    """Say whether all values of a list are such as JSON can tell, and their types allow."""
    conditions = [
        condition
        for value in values
        if isinstance(value, Value)
        for condition in _demands(table.c[value.column])
    ]
    return sa.func.bool_and(sa.and_(*conditions)) if conditions else sa.true()


def _demands(column: Any) -> list[sa.ColumnElement[bool]]:
    if isinstance(column.type, sa.BigInteger):
        return [column.between(_number(-_LARGEST), _number(_LARGEST))]
    if isinstance(column.type, sa.DateTime):
        # Neither infinite nor before our era.
        return [column >= _OUR_ERA, column < _FIVE_DIGITS]
    if isinstance(column.type, JSONB):
        return [column.is_distinct_from(sa.literal_column("'null'::jsonb"))]
    return []


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value), sa.BigInteger)
