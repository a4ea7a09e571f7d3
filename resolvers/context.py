"""What an operation knows: who asks, what they may see, and the one snapshot that it reads from."""

from __future__ import annotations

from dataclasses import dataclass, field

from db.database import Snapshot
from resolvers.access import Scope
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

    async def load(self, ask: Ask) -> object:
        """Make one look-up, batched with its like."""
        return await self.loaders.load(ask)
