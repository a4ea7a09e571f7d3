"""What rows are asked to carry: from what an operation reads of them to what SQL writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

from db.queries import carried
from db.queries.carried import Carried, Carrying, Constant, GlobalId, Member, Source, Value
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

# What is read of an object: the name in the response, the attribute, and whether it is the type's
# name instead.
Column: TypeAlias = tuple[str, str, bool]

# By attribute of the carrying row, what is read of the objects that it carries there.
Columns: TypeAlias = Mapping[str, tuple[Column, ...]]

# The attribute that stands for the global id of a row.
GLOBAL_ID = "global_id"

# The GraphQL types of rows that carry others, are carried, or have columns that are dear to fetch.
# Global ids have these names too, in Python and in SQL.
TYPE_NAMES: Mapping[type, str] = {
    SessionRow: "Session",
    InterceptionRow: "Interception",
    TokenUsageRow: "TokenUsage",
    UserPromptRow: "UserPrompt",
    ToolUsageRow: "ToolUsage",
    ModelThoughtRow: "ModelThought",
    UserRow: "User",
    ThreadRow: "Thread",
    AgenticActionRow: "AgenticAction",
}


def carrying(row: type, wanted: Columns) -> Carrying:
    """Return what statements are asked to write beside the rows of a type."""
    return _carrying(row, tuple(wanted.items()))


@lru_cache(512)
def _carrying(row: type, wanted: tuple[tuple[str, tuple[Column, ...]], ...]) -> Carrying:
    return Carrying(
        tuple(
            Carried(attribute, _members(carried.row_of(row, attribute), columns))
            for attribute, columns in wanted
        )
    )


def _members(row: type, columns: tuple[Column, ...]) -> tuple[Member, ...]:
    return tuple((key, _source(row, name, is_type)) for key, name, is_type in columns)


def _source(row: type, name: str, is_type: bool) -> Source:
    if is_type:
        return Constant(name)
    return GlobalId(f"{TYPE_NAMES[row]}:") if name == GLOBAL_ID else Value(name)
