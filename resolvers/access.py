"""Who may see what, in one place.

The site roles `owner` and `auditor` read everything. Others read nothing, or their own rows where
the deployment says so (AIBRIDGE_MEMBER_ACCESS=own). A lack of rights is never an error: lists are
empty, a single thing is not found.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias
from uuid import UUID

from resolvers.principal import Principal

_READS_ALL = frozenset({"owner", "auditor"})


class Reach(Enum):
    """How far a caller sees, where it does not end at their own rows."""

    EVERYTHING = "everything"
    NOTHING = "nothing"


# The rows that a caller may read: all, none, or those of one initiator.
Scope: TypeAlias = Reach | UUID


def can_read_all(principal: Principal) -> bool:
    """Say whether the caller holds a role that reads everything."""
    return not _READS_ALL.isdisjoint(principal.roles)


def scope_of(principal: Principal, member_access: Literal["none", "own"]) -> Scope:
    """Return the rows that the caller may read."""
    if can_read_all(principal):
        return Reach.EVERYTHING
    return principal.user_id if member_access == "own" else Reach.NOTHING
