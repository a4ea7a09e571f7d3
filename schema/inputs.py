"""Filters: what lists can be narrowed to. All that is given must hold; empty is as not given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET

from db.filters import InterceptionCriteria, ToolUsageCriteria, UserPromptCriteria
from resolvers.filtering import Wanted
from schema.enums import CredentialKind, stored
from schema.fields import given

_INITIATOR = (
    '"me", a user id, or a username in any case. One that you can\'t see is an error, not an '
    "empty list."
)


def _texts(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if given(values) is None else tuple(values or ())


def _optional(description: str) -> Any:
    return strawberry.field(default=UNSET, description=description)


@strawberry.input(
    description=(
        "Which interceptions are meant. All that is given must hold for one and the same "
        "interception; an empty list or text is as if not given."
    )
)
class InterceptionFilter:
    """Becomes a `Wanted`."""

    initiator: str | None = _optional(_INITIATOR)
    providers: list[str] | None = _optional("Of one of these types of provider, exactly.")
    provider_names: list[str] | None = _optional(
        "Of one of these providers, as the deployment calls them."
    )
    models: list[str] | None = _optional("Of one of these models, exactly.")
    clients: list[str] | None = _optional(
        'Sent by one of these agents, exactly; "Unknown" means none recognised.'
    )
    session_ids: list[str] | None = _optional("In a session with one of these ids.")
    credential_kind: CredentialKind | None = _optional("Paid for by this kind of credential.")
    tools: list[str] | None = _optional("Made a call to one of these tools.")
    prompt_contains: str | None = _optional(
        "Has a prompt that contains this text, in any case; `%` and `_` are ordinary characters. "
        "At most 10,000 characters."
    )
    started_after: datetime | None = _optional("Started then or later.")
    started_before: datetime | None = _optional("Started then or earlier.")

    def wanted(self, q: str | None = None) -> Wanted:
        """Return what is meant; a search `q` applies beside it."""
        kind = given(self.credential_kind)
        criteria = InterceptionCriteria(
            providers=_texts(self.providers),
            provider_names=_texts(self.provider_names),
            models=_texts(self.models),
            clients=_texts(self.clients),
            session_ids=_texts(self.session_ids),
            credential_kind=None if kind is None else stored(kind),
            tools=_texts(self.tools),
            prompt_contains=given(self.prompt_contains),
            started_after=given(self.started_after),
            started_before=given(self.started_before),
        )
        return Wanted(criteria, given(self.initiator), q)


@strawberry.input(
    description="Which tool usages are meant; all that is given must hold.",
)
class ToolUsageFilter:
    """Becomes `ToolUsageCriteria`."""

    initiator: str | None = _optional(_INITIATOR)
    tools: list[str] | None = _optional("Of one of these tools, exactly.")
    server_urls: list[str] | None = _optional("Run by one of these MCP servers, exactly.")
    injected: bool | None = _optional("Whether the bridge brought the tool and ran it.")
    failed: bool | None = _optional("Whether an invocation error was recorded.")
    input_contains: str | None = _optional("The arguments contain this text, in any case.")
    created_after: datetime | None = _optional("Recorded then or later.")
    created_before: datetime | None = _optional("Recorded then or earlier.")
    interceptions: InterceptionFilter | None = _optional("Of interceptions that pass this filter.")

    def criteria(self) -> ToolUsageCriteria:
        """Return what is meant of the usage itself."""
        return ToolUsageCriteria(
            tools=_texts(self.tools),
            server_urls=_texts(self.server_urls),
            injected=given(self.injected),
            failed=given(self.failed),
            input_contains=given(self.input_contains),
            created_after=given(self.created_after),
            created_before=given(self.created_before),
        )


@strawberry.input(description="Which user prompts are meant; all that is given must hold.")
class UserPromptFilter:
    """Becomes `UserPromptCriteria`."""

    initiator: str | None = _optional(_INITIATOR)
    prompt_contains: str | None = _optional("Contains this text, in any case.")
    created_after: datetime | None = _optional("Recorded then or later.")
    created_before: datetime | None = _optional("Recorded then or earlier.")
    interceptions: InterceptionFilter | None = _optional("Of interceptions that pass this filter.")

    def criteria(self) -> UserPromptCriteria:
        """Return what is meant of the prompt itself."""
        return UserPromptCriteria(
            prompt_contains=given(self.prompt_contains),
            created_after=given(self.created_after),
            created_before=given(self.created_before),
        )
