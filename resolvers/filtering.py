"""From what a caller wants to filter by to a filter that queries understand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from uuid import UUID

from db.filters import Filter, InterceptionCriteria, ToolUsageCriteria, UserPromptCriteria
from resolvers import search, users
from resolvers.asking import Ask
from resolvers.context import Context
from resolvers.errors import BadUserInputError
from resolvers.search import Language

C = TypeVar("C", bound=InterceptionCriteria | ToolUsageCriteria | UserPromptCriteria)

_NO_CRITERIA = InterceptionCriteria()

# Longer texts are nothing that a person looks for, and take PostgreSQL seconds to look for.
_MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants to filter interceptions by; hashable, as the key of a look-up.

    Attributes:
        criteria: All but the initiator.
        initiator: `me`, a user id or a username, not yet looked up.
        q: A search in the `key:value` language of REST; it applies beside the criteria.
    """

    criteria: InterceptionCriteria = _NO_CRITERIA
    initiator: str | None = None
    q: str | None = None


# No wish at all: everything passes.
ALL = Wanted()


async def filter_of(
    ctx: Context, wanted: Wanted, language: Language = search.INTERCEPTIONS
) -> Filter:
    """Return the filter that is wanted; `q` is read in the language of its list.

    Raises:
        BadUserInputError: The user does not exist or may not be known, or `q` is wrong.
    """
    criteria = [await with_initiator(ctx, wanted.criteria, wanted.initiator)]
    if wanted.q:
        criteria.append(await search.criteria(wanted.q, language, partial(find_user, ctx)))
    return Filter(tuple(c for c in criteria if c.given()))


async def find_user(ctx: Context, name: str) -> UUID | None:
    """Return the id of the user that a search names; None where the caller can't see one."""
    try:
        user_id: UUID = await ctx.load(Ask(users.named, name))
    except BadUserInputError:
        return None
    return user_id


async def with_initiator(ctx: Context, criteria: C, initiator: str | None) -> C:
    """Return the criteria with the initiator looked up.

    Raises:
        BadUserInputError: The user does not exist or may not be known, or a text to be found is
            too long.
    """
    _refuse_long_texts(criteria)
    if not initiator:
        return criteria
    user_id: UUID = await ctx.load(Ask(users.named, initiator))
    return replace(criteria, initiator_id=user_id)


def _refuse_long_texts(
    criteria: InterceptionCriteria | ToolUsageCriteria | UserPromptCriteria,
) -> None:
    for name, field in (("prompt_contains", "promptContains"), ("input_contains", "inputContains")):
        text = getattr(criteria, name, None)
        if text is not None and len(text) > _MAX_TEXT:
            raise BadUserInputError(
                f"`{field}` must be at most {_MAX_TEXT} characters long, not {len(text)}."
            )


def searching(q: str | None) -> Wanted:
    """Return the wish of a search alone."""
    return replace(ALL, q=q) if q else ALL
