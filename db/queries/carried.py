"""What rows carry of others: the JSON of what they lead on to, written by PostgreSQL beside them.

A nested answer is made of lists of usages for the most part. As a text beside the row of their
interception they cost PostgreSQL what they cost by statements of their own, and us hardly more than
a copy: no row is decoded, made, read and encoded again (ADR 0031).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from db.models import model_thoughts, token_usages, tool_usages, user_prompts, users
from db.queries import columns
from db.rows import (
    AgenticActionRow,
    InterceptionRow,
    ModelThoughtRow,
    SessionRow,
    ThreadRow,
    TokenUsageRow,
    ToolUsageRow,
    UserPromptRow,
    UserRow,
)


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

# What a row carries without the names that clients choose: by attribute, the values of the members.
Shape: TypeAlias = tuple[tuple[str, tuple[Source, ...]], ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """What rows carry in one attribute.

    Attributes:
        attribute: The attribute.
        members: Name and value of each member of its objects, in their order; none where it is no
            object.
    """

    attribute: str
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Carrying:
    """All that rows carry."""

    parts: tuple[Carried, ...] = ()

    def shape(self) -> Shape:
        """Return what a statement for it is built by."""
        return tuple(
            (part.attribute, tuple(value for _, value in part.members)) for part in self.parts
        )

    def parameters(self) -> dict[str, str]:
        """Return the values for the statement's parameters: what stands between the values.

        Since the names are among them, those that clients choose make no new statement.
        """
        return {
            _parameter(part.attribute, number): text
            for part in self.parts
            for number, text in enumerate(_texts(part.members))
        }


NOTHING = Carrying()


class _Relation(NamedTuple):
    """What an attribute leads to: rows of a table, found by one of their columns.

    Attributes:
        row: Their type.
        table: Their table.
        key: Which column of theirs finds them.
        by: The column of the carrying row that it equals.
        text: Their one column that is wanted, of the oldest of them, where they are no objects.
        is_list: Whether there may be many, oldest first; else there is one at most.
    """

    row: type
    table: sa.Table
    key: str
    by: str
    text: str | None = None
    is_list: bool = False


def _usages(row: type, table: sa.Table) -> _Relation:
    return _Relation(row, table, "interception_id", "id", is_list=True)


_INITIATOR = _Relation(UserRow, users, "id", "initiator_id")
_TOOL_USAGES = _usages(ToolUsageRow, tool_usages)
_MODEL_THOUGHTS = _usages(ModelThoughtRow, model_thoughts)
_RELATIONS: Mapping[type, Mapping[str, _Relation]] = {
    InterceptionRow: {
        "initiator": _INITIATOR,
        "token_usages": _usages(TokenUsageRow, token_usages),
        "user_prompts": _usages(UserPromptRow, user_prompts),
        "tool_usages": _TOOL_USAGES,
        "model_thoughts": _MODEL_THOUGHTS,
    },
    AgenticActionRow: {"tool_usages": _TOOL_USAGES, "model_thoughts": _MODEL_THOUGHTS},
    SessionRow: {
        "initiator": _INITIATOR,
        "last_prompt": _Relation(UserPromptRow, user_prompts, "id", "last_prompt_id", "prompt"),
    },
    ThreadRow: {
        "prompt": _Relation(UserPromptRow, user_prompts, "interception_id", "id", "prompt"),
    },
}

# Integers beyond this are an error of the field that holds them, so they have to come as rows.
_LARGEST = 2**53 - 1

# Between them are the years that four digits can tell.
_OUR_ERA: Any = sa.literal_column("'0001-01-01 00:00:00+00'::timestamptz")
_FIVE_DIGITS: Any = sa.literal_column("'10000-01-01 00:00:00+00'::timestamptz")

# A function of PostgreSQL takes a hundred.
_MAX_ARGUMENTS = 90

_MICROSECONDS = '"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""'


def row_of(row: type, attribute: str) -> type:
    """Return the type of the rows that an attribute leads to."""
    return _RELATIONS[row][attribute].row


def of(row: type, table: Any, shape: Shape) -> list[sa.ColumnElement[Any]]:
    """Return the columns for all that a row may carry, in the order of its fields.

    What is not asked for is NULL, and so is what can't be told in JSON: a number for instance that
    is beyond what it may hold.

    Args:
        row: The type of the rows, whose fields with a default are those that it may carry.
        table: Where its other columns come from; of a page the page itself, since what is carried
            by rows that are left out later would be written in vain.
        shape: What is asked for.
    """
    asked = dict(shape)
    return [
        (
            _carried(_RELATIONS[row][name], name, table, asked[name])
            if name in asked
            else sa.null()
        ).label(name)
        for name in row._field_defaults  # type: ignore[attr-defined]
    ]


def integers(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a JSONB object of integers as the text of JSON, its keys ascending."""
    each = sa.func.jsonb_each_text(column).table_valued("key", "value")
    member = sa.func.concat(sa.func.to_json(each.c.key), _sql(":"), each.c.value)
    ascending = aggregate_order_by(_sql(","), each.c.key.collate("C"))
    members = sa.select(sa.func.string_agg(member, ascending)).scalar_subquery()
    object_ = sa.func.concat(_sql("{"), members, _sql("}"))
    # Most are empty.
    return sa.case((column == columns.EMPTY_OBJECT, _sql("{}")), else_=object_)


def _carried(
    relation: _Relation, name: str, owner: Any, values: tuple[Source, ...]
) -> sa.ColumnElement[Any]:
    table = relation.table.alias()
    related = table.c[relation.key] == owner.c[relation.by]
    if relation.text is not None:
        (text,) = _WRITERS[sa.Text](table.c[relation.text])
        oldest = sa.select(text).where(related).order_by(table.c.created_at, table.c.id).limit(1)
        return sa.func.coalesce(oldest.correlate(owner).scalar_subquery(), _sql("null"))
    pieces: list[Any] = []
    for number, value in enumerate(values):
        pieces += [_text(name, number), *_written(table, value)]
    pieces.append(_text(name, len(values)))
    written = _joined(pieces)
    tellable = _tellable(table, values)
    if relation.is_list:
        last: Any = table.c.id if "id" in table.c else sa.literal_column("ctid")
        oldest_first = aggregate_order_by(_sql(","), table.c.created_at, last)
        written = sa.func.concat(_sql("["), sa.func.string_agg(written, oldest_first), _sql("]"))
        tellable = [sa.func.bool_and(sa.and_(*tellable)).is_not(False)] if tellable else []
    if tellable:
        written = sa.case((sa.and_(*tellable), written))
    return sa.select(written).where(related).correlate(owner).scalar_subquery()


def _texts(members: tuple[Member, ...]) -> list[str]:
    """Return what stands in front of each value, and behind the last one."""
    if not members:
        return []
    texts, before = [], "{"
    for name, value in members:
        constant = f'"{value.text}"' if isinstance(value, Constant) else ""
        texts.append(f'{before}"{name}":{constant}')
        before = ","
    return [*texts, "}"]


def _parameter(attribute: str, number: int) -> str:
    return f"carried_{attribute}_{number}"


def _joined(pieces: list[Any]) -> sa.ColumnElement[Any]:
    parts = [pieces[n : n + _MAX_ARGUMENTS] for n in range(0, len(pieces), _MAX_ARGUMENTS)]
    if len(parts) == 1:
        return sa.func.concat(*pieces)
    return _joined([sa.func.concat(*part) for part in parts])


def _text(attribute: str, number: int) -> sa.BindParameter[str]:
    return sa.bindparam(_parameter(attribute, number), type_=sa.Text)


def _sql(text: str) -> sa.ColumnElement[str]:
    """Return a text of ours as a literal: PostgreSQL computes with it once, not for each row."""
    quoted = text.replace("'", "''")
    return sa.literal_column(f"'{quoted}'", sa.Text)


def _written(table: Any, value: Source) -> list[sa.ColumnElement[Any]]:
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


def _tellable(table: Any, values: tuple[Source, ...]) -> list[sa.ColumnElement[bool]]:
    """Return what must hold of values that JSON can tell, and their types allow."""
    return [
        condition
        for value in values
        if isinstance(value, Value)
        for condition in _demands(table.c[value.column])
    ]


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
