"""What an operation knows: who asks, what they may see, and the one snapshot that it reads from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from db.database import Snapshot
from db.queries.columns import Unread
from db.queries.reading import Reading
from resolvers import carrying
from resolvers.access import Reach, Scope
from resolvers.asking import Ask, Loaders
from resolvers.carrying import Readings
from resolvers.principal import Principal


@dataclass(slots=True)
class Context:
    """The state of one operation, from the request to its answer.

    Attributes:
        principal: Who is asking.
        scope: The rows that they may read.
        db: The snapshot that all statements of the operation read from.
        max_page_size: The largest page that a list gives.
        readings: What of the rows of each type is read.
    """

    principal: Principal
    scope: Scope
    db: Snapshot
    max_page_size: int
    readings: Readings = carrying.ALL
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
        return self.readings.unread(row)

    def reading(self, row: type) -> Reading:
        """Return what is read of the rows of a type, and what they are to carry."""
        # Another program's columns may be of other types than ours.
        return Reading(self.unread(row)) if self.db.is_attached else self.readings.of(row)

    async def load(self, ask: Ask) -> Any:
        """Make one look-up, batched with its like."""
        return await self.loaders.load(ask)
