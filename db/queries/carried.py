"""What rows carry as JSON, written by PostgreSQL: what they lead to, or all that is asked of them.

A nested answer is made of lists of usages for the most part. As a text beside the row of their
interception they cost PostgreSQL what they cost by statements of their own, and us hardly more than
a copy: no row is decoded, made, read and encoded again (ADR 0031).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from db.models import model_thoughts, token_usages, tool_usages, user_prompts, users
from db.queries import own, writing
from db.queries.parts import TOLD, Carrying, Constant, GlobalId, Member, Part, Source, Value, below
from db.queries.writing import Written, joined, sql
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


def row_of(row: type, attribute: str) -> type:
    """Return the type of the rows that an attribute leads to; their own, where it leads nowhere."""
    relation = _RELATIONS[row].get(attribute)
    return row if relation is None else relation.row


def can_tell(row: type, members: Sequence[Member]) -> bool:
    """Say whether rows can tell all that of themselves."""
    return all(
        member.source.attribute in _RELATIONS[row]
        or _are_among(member.source.members, own.OBJECTS[row].get(member.source.attribute, {}))
        if isinstance(member.source, Part)
        else _are_among([member], own.OF[row])
        for member in members
    )


def _are_among(members: Sequence[Member], known: Mapping[str, Any]) -> bool:
    return all(
        not isinstance(member.source, Value | Part) or member.source.attribute in known
        for member in members
    )


def of(
    row: type,
    table: Any,
    carrying: Carrying,
    others: Mapping[str, sa.ColumnElement[Any]] | None = None,
) -> list[sa.ColumnElement[Any]]:
    """Return the columns for all that a row may carry, in the order of its fields.

    What is not asked for is NULL, and so is what can't be told in JSON: a number for instance that
    is beyond what it may hold.

    Args:
        row: The type of the rows, whose fields with a default are those that it may carry.
        table: Where its other columns come from; of a page the page itself, since what is carried
            by rows that are left out later would be written in vain.
        carrying: What is asked for; the names in it don't matter.
        others: Fields that come from elsewhere.
    """
    carried = {part.attribute: _carried(row, table, part) for part in carrying.parts}
    known = carried | dict(others or {})
    return [
        known.get(name, sa.null()).label(name)
        for name in row._field_defaults  # type: ignore[attr-defined]
    ]


def _carried(row: type, table: Any, part: Part) -> sa.ColumnElement[Any]:
    path = part.path
    if part.attribute != TOLD:
        return _related(_RELATIONS[row][part.attribute], table, part.members, path)
    values = [
        _own(row, table, member.source, below(path, number))
        for number, member in enumerate(part.members)
    ]
    return _where(_object(part.members, values, path), _demands(values))


def _own(row: type, table: Any, value: Source, path: str) -> Written:
    """Write what a row tells of itself."""
    if isinstance(value, Constant):
        return Written([])
    if isinstance(value, GlobalId):
        return own.global_id(row, table, value.prefix)
    if isinstance(value, Value):
        if value.is_trimmed:
            return writing.trimmed_moment(table.c[value.attribute])
        return own.OF[row][value.attribute](table)
    relation = _RELATIONS[row].get(value.attribute)
    if relation is not None:
        return Written([_related(relation, table, value.members, path)], may_be_null=True)
    writers = own.OBJECTS[row][value.attribute]
    values = [
        writers[member.source.attribute](table)
        if isinstance(member.source, Value | Part)
        else Written([])
        for member in value.members
    ]
    (pieces,) = _runs(value.members, values, path)
    return Written(pieces, _demands(values))


def _related(
    relation: _Relation, owner: Any, members: tuple[Member, ...], path: str
) -> sa.ColumnElement[Any]:
    table = relation.table.alias()
    related = table.c[relation.key] == owner.c[relation.by]
    if relation.text is not None:
        (text,) = writing.text(table.c[relation.text]).pieces
        oldest = sa.select(text).where(related)
        if relation.key != "id":
            oldest = oldest.order_by(table.c.created_at, table.c.id).limit(1)
        return sa.func.coalesce(oldest.correlate(owner).scalar_subquery(), sql("null"))
    values = [_of_table(relation.row, table, member.source) for member in members]
    written, demands = _object(members, values, path), _demands(values)
    if relation.is_list:
        last: Any = table.c.id if "id" in table.c else sa.literal_column("ctid")
        oldest_first = aggregate_order_by(sql(","), table.c.created_at, last)
        written = sa.func.concat(sql("["), sa.func.string_agg(written, oldest_first), sql("]"))
        demands = [sa.func.bool_and(sa.and_(*demands)).is_not(False)] if demands else []
    return sa.select(_where(written, demands)).where(related).correlate(owner).scalar_subquery()


def _of_table(row: type, table: Any, value: Source) -> Written:
    if isinstance(value, Constant):
        return Written([])
    if isinstance(value, GlobalId):
        return own.global_id(row, table, value.prefix)
    column = table.c[value.attribute]
    return writing.column(column, column)


def _object(
    members: Sequence[Member], values: Sequence[Written], path: str
) -> sa.ColumnElement[Any]:
    """Return the text of an object, NULL where one of its parts is."""
    # Unlike `concat` the operator makes of NULL and a text NULL.
    runs = _runs(members, values, path)
    return reduce(lambda left, right: left.op("||")(right), map(joined, runs))


def _runs(
    members: Sequence[Member], values: Sequence[Written], path: str
) -> list[list[sa.ColumnElement[Any]]]:
    """Return the texts that make an object, in runs: one that may be NULL is a run of its own."""
    runs: list[list[sa.ColumnElement[Any]]] = [[]]
    for number, (member, value) in enumerate(zip(members, values, strict=True)):
        name = below(path, number)
        text = sa.bindparam(name, type_=sa.Text) if member.is_alias else sql(member.text(number))
        if member.is_optional:
            # To `concat` NULL is the empty text, the name in front of it included.
            present = sa.func.nullif(joined(value.pieces), sql("null"))
            runs[-1].append(text.op("||")(present))
            continue
        runs[-1].append(text)
        if value.may_be_null:
            runs += [list(value.pieces), []]
        else:
            runs[-1] += value.pieces
    runs[-1].append(sql("}"))
    return runs


def _demands(members: Sequence[Written]) -> list[sa.ColumnElement[bool]]:
    return [demand for member in members for demand in member.demands]


def _where(
    written: sa.ColumnElement[Any], demands: Sequence[sa.ColumnElement[bool]]
) -> sa.ColumnElement[Any]:
    return sa.case((sa.and_(*demands), written)) if demands else written
