"""What of rows is read, and what they are to carry: from an operation's plan to what SQL writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from db.queries import carried, columns
from db.queries.columns import Unread
from db.queries.parts import (
    TOLD,
    Carrying,
    Constant,
    GlobalId,
    Member,
    Part,
    Source,
    Value,
)
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


class Column(Protocol):
    """A field of an object that is to be written as JSON: what the engine says of it."""

    @property
    def key(self) -> str:
        """The name in the response."""
        ...

    @property
    def name(self) -> str:
        """The attribute that is read; the type's name where that is what is asked for."""
        ...

    @property
    def is_type(self) -> bool:
        """Whether the type's name is asked for."""
        ...

    @property
    def is_alias(self) -> bool:
        """Whether the client chose `key`."""
        ...

    @property
    def below(self) -> tuple[Column, ...] | None:
        """What is read of the objects that it holds itself; None for a leaf."""
        ...


# By attribute of the carrying row, what is read of the objects that it carries there.
Columns: TypeAlias = Mapping[str, Sequence[Column]]

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
        tells: Mapping[str, Sequence[Column]] | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._reads = reads or {}
        self._carries = carries or {}
        self._tells = tells or {}
        self._alone = alone
        self._made: dict[type, Reading] = {}

    @classmethod
    def made(cls, readings: Mapping[type, Reading]) -> Readings:
        """Return what is read of the rows of these types, where it is known without a plan."""
        result = cls()
        result._made.update(readings)
        return result

    def unread(self, row: type) -> Unread:
        """Return the columns that rows of a type may leave out."""
        made = self._made.get(row)
        if made is not None:
            return made.unread
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
                told = Carrying((Part(TOLD, members),))
                return Reading(unread, told, carrying, self._alone)
        return Reading(unread, carrying)


# Where nobody knows what is read.
ALL = Readings()


def _part(row: type, attribute: str, members: Sequence[Column]) -> Part:
    return Part(attribute, _members(carried.row_of(row, attribute), members))


def _members(row: type, wanted: Sequence[Column]) -> tuple[Member, ...]:
    return tuple(Member(each.key, _source(row, each), each.is_alias) for each in wanted)


def _source(row: type, column: Column) -> Source:
    if column.is_type:
        return Constant(column.name)
    if column.below is not None:
        return _part(row, column.name, column.below)
    if column.name == GLOBAL_ID:
        return GlobalId(f"{TYPE_NAMES[row]}:")
    return Value(column.name)
