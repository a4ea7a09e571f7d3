"""The enums. Their Python values are what rows and resolvers hold."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry

from resolvers import sessions


@strawberry.enum(description="The orders in which sessions can be listed; each is total.")
class SessionOrder(Enum):
    """Maps to `resolvers.sessions.SessionOrder` by value."""

    STARTED_AT_DESC = strawberry.enum_value(
        sessions.SessionOrder.STARTED_AT_DESC, description="Newest first, by their start."
    )
    STARTED_AT_ASC = strawberry.enum_value(
        sessions.SessionOrder.STARTED_AT_ASC, description="Oldest first: the exact reverse."
    )
    LAST_ACTIVE_AT_DESC = strawberry.enum_value(
        sessions.SessionOrder.LAST_ACTIVE_AT_DESC,
        description="Those first whose newest prompt is newest.",
    )


@strawberry.enum(description="Whose credential paid for a request.")
class CredentialKind(Enum):
    """Maps to the text in the database by value."""

    CENTRALIZED = strawberry.enum_value(
        "centralized", description="A key of the company, held by the bridge."
    )
    BYOK = strawberry.enum_value("byok", description="A key of the user's own: bring your own key.")


def stored(member: Enum) -> Any:
    """Return the Python value of an enum's member, which Strawberry unwraps from its definition."""
    return member.value
