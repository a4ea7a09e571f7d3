"""What the lists have in common: the checks in their order, each with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orjson import Fragment

from db.filters import Filter
from db.rows import InterceptionRow, SessionRow
from resolvers import filtering, users
from resolvers.context import Context
from resolvers.filtering import Wanted
from resolvers.search import Language, SearchError
from server.rest import encoding
from server.rest.parameters import INVALID_PARAMETERS, Paging
from server.rest.refusals import RefusedError


@dataclass(frozen=True, slots=True)
class ListName:
    """A list as its refusals call it.

    Attributes:
        cursor: The query parameter that names the last row of the page before.
        search: The subject of the sentence for a wrong `q`.
    """

    cursor: str
    search: str


def refuse_cursor_with_offset(name: ListName, paging: Paging, *, cursor: bool) -> None:
    """Refuse a request for two places at once.

    Raises:
        RefusedError: Cursor and offset are both given.
    """
    if cursor and paging.offset:
        raise RefusedError(
            400,
            INVALID_PARAMETERS,
            f"Cannot use both {name.cursor} and offset pagination in the same request.",
        )


async def initiators_of(
    ctx: Context, rows: Sequence[InterceptionRow | SessionRow]
) -> list[dict[str, object] | Fragment]:
    """Return the initiator of each row: what it carries, or else is looked up."""
    ids = list({row.initiator_id for row in rows if row.initiator is None})
    found = dict(zip(ids, await users.by_ids(ctx, ids), strict=True)) if ids else {}
    # Every row has its initiator: the column is a foreign key.
    known = {user.id: encoding.user(user) for user in found.values() if user is not None}
    return [
        known[row.initiator_id] if row.initiator is None else Fragment(row.initiator)
        for row in rows
    ]


async def filter_of(ctx: Context, name: ListName, q: str, language: Language) -> Filter:
    """Return the filter that `q` asks for.

    Raises:
        RefusedError: With every fault of `q`.
    """
    try:
        return await filtering.filter_of(ctx, Wanted(q=q), language)
    except SearchError as error:
        raise refused_search(name, error) from None


def refused_search(name: ListName, error: SearchError) -> RefusedError:
    """Return the refusal of a wrong `q`."""
    return RefusedError(400, f"Invalid {name.search} search query.", validations=error.validations)
