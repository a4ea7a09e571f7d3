"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user, as the rules of access need to know them."""

    user_id: UUID
    username: str
    roles: frozenset[str]
