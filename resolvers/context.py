"""What an operation knows: who asks, what they may see, and the one snapshot that it reads from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from db.database import Snapshot
from db.queries import columns
from db.queries.columns import Unread
from db.rows import (
    InterceptionRow,
    ModelThoughtRow,
    SessionRow,
    TokenUsageRow,
    ToolUsageRow,
    UserPromptRow,
)
from resolvers.access import Reach, Scope
from resolvers.asking import Ask, Loaders
from resolvers.principal import Principal

# The GraphQL types whose rows have columns that are dear to fetch.
TYPE_NAMES: Mapping[type, str] = {
    SessionRow: "Session",
    InterceptionRow: "Interception",
    TokenUsageRow: "TokenUsage",
    UserPromptRow: "UserPrompt",
    ToolUsageRow: "ToolUsage",
    ModelThoughtRow: "ModelThought",
}


@dataclass(slots=True)
class Context:
    """The state of one operation, from the request to its answer.

    Attributes:
        principal: Who is asking.
        scope: The rows that they may read.
        db: The snapshot that all statements of the operation read from.
        max_page_size: The largest page that a list gives.
        reads: Which attributes are read anywhere in the operation, by the name of the GraphQL type;
            a type that is not named, or has None, may be read in full.
    """

    principal: Principal
    scope: Scope
    db: Snapshot
    max_page_size: int
    reads: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self)

    @property
    def reads_nothing(self) -> bool:
        """Whether the caller may read no row at all."""
        return self.scope is Reach.NOTHING

    @property
    def reader(self) -> UUID | None:
        """The only initiator whose rows the caller may read; None where there is no such bound.

        It says nothing about callers who may read nothing: ask `reads_nothing` first.
        """
        return self.scope if isinstance(self.scope, UUID) else None

    def unread(self, row: type) -> Unread:
        """Return the columns that rows of a type may leave out."""
        return columns.unread(row, self.reads.get(TYPE_NAMES[row]))

    async def load(self, ask: Ask) -> Any:
        """Make one look-up, batched with its like."""
        return await self.loaders.load(ask)
