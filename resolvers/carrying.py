"""What of rows is read, and what they are to carry: from an operation's plan to what SQL writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from db.queries import carried, columns
from db.queries.carried import Carrying, Constant, GlobalId, Member, Part, Source, Value
from db.queries.columns import Unread
from db.queries.reading import Reading
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

# What is read of an object: the name in the response, the attribute, whether it is the type's name
# instead, whether the first is an alias, and what is read of the objects that it holds itself
# (`engine.spec.Column`).
Column: TypeAlias = tuple[str, str, bool, bool, "tuple[Column, ...] | None"]

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


# Those of them whose rows can tell all of themselves.
TELLING = frozenset({TYPE_NAMES[SessionRow], TYPE_NAMES[InterceptionRow]})


class Readings:
    """What is read of the rows of each type in an operation, worked out once for its plan.

    Args:
        reads: Which attributes are read anywhere in the operation, by the name of the GraphQL type;
            a type that is not named, or has None, may be read in full.
        carries: What the rows of a type are to carry of others as JSON, by the same names.
        tells: What they are to tell of themselves instead, where they can: all that is asked.
        alone: Whether rows that do are all that the answer is made of.
    """

    def __init__(
        self,
        reads: Mapping[str, frozenset[str] | None] | None = None,
        carries: Mapping[str, Columns] | None = None,
        tells: Mapping[str, tuple[Column, ...]] | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._reads = reads or {}
        self._carries = carries or {}
        self._tells = tells or {}
        self._alone = alone
        self._made: dict[type, Reading] = {}

    def unread(self, row: type) -> Unread:
        """Return the columns that rows of a type may leave out."""
        return columns.unread(row, self._reads.get(TYPE_NAMES[row]))

    def of(self, row: type) -> Reading:
        """Return what is read of the rows of a type, and what they are to carry."""
        made = self._made.get(row)
        if made is None:
            made = self._made[row] = self._make(row)
        return made

    def _make(self, row: type) -> Reading:
        name = TYPE_NAMES[row]
        unread, tells = self.unread(row), self._tells.get(name)
        carrying = Carrying(
            tuple(_part(row, *each) for each in self._carries.get(name, {}).items())
        )
        if tells is not None:
            members = _members(row, tells)
            if carried.can_tell(row, members):
                told = Carrying((Part(carried.TOLD, members),))
                return Reading(unread, told, carrying, self._alone)
        return Reading(unread, carrying)


# Where nobody knows what is read.
ALL = Readings()


def _part(row: type, attribute: str, members: tuple[Column, ...]) -> Part:
    return Part(attribute, _members(carried.row_of(row, attribute), members))


def _members(row: type, wanted: tuple[Column, ...]) -> tuple[Member, ...]:
    return tuple(Member(each[0], _source(row, each), each[3]) for each in wanted)


def _source(row: type, column: Column) -> Source:
    _, name, is_type, _, below = column
    if is_type:
        return Constant(name)
    if below is not None:
        return _part(row, name, below)
    return GlobalId(f"{TYPE_NAMES[row]}:") if name == GLOBAL_ID else Value(name)
