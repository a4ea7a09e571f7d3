"""What an operation knows: who asks, what they may see, and the one snapshot that it reads from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from db.database import Snapshot
from resolvers.access import Reach, Scope
from resolvers.asking import Ask, Loaders
from resolvers.principal import Principal


@dataclass(slots=True)
class Context:
    """The state of one operation, from the request to its answer.

    Attributes:
        principal: Who is asking.
        scope: The rows that they may read.
        db: The snapshot that all statements of the operation read from.
        max_page_size: The largest page that a list gives.
    """

    principal: Principal
    scope: Scope
    db: Snapshot
    max_page_size: int
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

    async def load(self, ask: Ask) -> Any:
        """Make one look-up, batched with its like."""
        return await self.loaders.load(ask)
